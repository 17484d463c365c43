package api_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"assay/remote/cyclonedx"
	"assay/service/links"
	"assay/service/store"
	"assay/verdict"
)

// linking configures a service with links.
func linking(c *config) {
	c.API.Links = &links.Links{Store: c.API.Store.(links.Store), Lifetime: 24 * time.Hour, Now: c.API.Now, Random: rand.Reader}
}

// The answer to a scan has the link to its report, also when the request is repeated. Nothing
// else has it: neither what is stored nor what can be read later.
func TestReportLink(t *testing.T) {
	r := newRig(t, linking)
	secret := r.token(store.Token{Name: "ci"})
	_, body := r.do("POST", "/api/v1/scans?report=text&report=json&report=html", secret, document(t), "Idempotency-Key", "k")
	v := decodeVerdict(t, body)
	prefix := "https://assay.example.com/r/" + v.Scan + "/"
	link, ok := strings.CutPrefix(v.Report, prefix)
	if !ok || len(link) != links.Length {
		t.Fatalf("the report is at %q, want it below %q", v.Report, prefix)
	}
	if strings.Count(body, link) != 1 || len(v.Reports) != 3 || !strings.Contains(v.Reports["text"], "/api/v1/scans/"+v.Scan+"/report") {
		t.Errorf("the answer has the link %d times", strings.Count(body, link))
	}
	_, again := r.do("POST", "/api/v1/scans?report=text&report=json&report=html", secret, document(t), "Idempotency-Key", "k")
	if again != body {
		t.Errorf("the repeated request is answered with %s, want %s", again, body)
	}
	plain := "https://assay.example.com/api/v1/scans/" + v.Scan + "/report"
	if _, text := r.do("GET", "/api/v1/scans/"+v.Scan, secret, nil); decodeVerdict(t, text).Report != plain || strings.Contains(text, link) {
		t.Errorf("the stored verdict is %s", text)
	}
	if _, text := r.do("GET", "/api/v1/scans/"+v.Scan+"/report?format=html", secret, nil); strings.Contains(text, link) {
		t.Error("the report has the link")
	}
	if _, text := r.do("POST", "/api/v1/scans?keep=false", secret, document(t)); decodeVerdict(t, text).Report != "" {
		t.Errorf("a scan that is not kept has the report %q", decodeVerdict(t, text).Report)
	}
	if strings.Contains(r.log.String(), link) {
		t.Error("the log has the link")
	}
	found, _, err := (&links.Links{Store: r.store, Lifetime: time.Hour, Now: func() time.Time { return now }, Random: rand.Reader}).Check(t.Context(), v.Scan, link)
	if err != nil || found.ID != v.Scan {
		t.Errorf("the link opens %q, %v", found.ID, err)
	}
}

// A text of the image that looks like the field of the report is not changed.
func TestReportLinkInHostileVerdict(t *testing.T) {
	r := newRig(t, linking)
	project := `","report":"https://evil.example","x":"`
	_, body := r.do("POST", "/api/v1/scans", r.token(store.Token{}), document(t, cyclonedx.Option{Name: "project", Value: project, Origin: "flag"}))
	v := decodeVerdict(t, body)
	if v.Options.Project != project || !strings.HasPrefix(v.Report, "https://assay.example.com/r/"+v.Scan+"/") {
		t.Errorf("project %q, report %q", v.Options.Project, v.Report)
	}
}

// Without links, and where a link does not fit the log, the report needs a token.
func TestNoReportLink(t *testing.T) {
	for name, change := range map[string]func(*config){
		"off":  nil,
		"zero": func(c *config) { linking(c); c.API.Links.Lifetime = 0 },
		"long": func(c *config) { linking(c); c.API.PublicURL = "https://" + strings.Repeat("a", 43) },
		"no key": func(c *config) {
			linking(c)
			c.API.Links.Store = keyless{c.API.Links.Store}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, change)
			_, body := r.do("POST", "/api/v1/scans", r.token(store.Token{}), document(t))
			if v := decodeVerdict(t, body); !strings.HasSuffix(v.Report, "/api/v1/scans/"+v.Scan+"/report") {
				t.Errorf("the report is at %q", v.Report)
			}
			if logged := strings.Contains(r.log.String(), "an answer has no report link"); logged != (name == "no key") {
				t.Errorf("the log has %s", r.log)
			}
		})
	}
	r := newRig(t, func(c *config) { linking(c); c.API.PublicURL = "https://" + strings.Repeat("a", 42) })
	_, body := r.do("POST", "/api/v1/scans", r.token(store.Token{}), document(t))
	if v := decodeVerdict(t, body); len(v.Report) != verdict.MaxReport {
		t.Errorf("the longest link has %d characters, and %d fit", len(v.Report), verdict.MaxReport)
	}
}

type keyless struct{ links.Store }

func (keyless) File(context.Context, string) (store.File, error) {
	return store.File{}, errors.New("the disk is gone")
}

// Who may read a scan may revoke its link.
func TestRevokeLink(t *testing.T) {
	r := newRig(t, linking)
	ci, stranger := r.token(store.Token{Name: "ci", Project: "shop"}), r.token(store.Token{Name: "stranger", Project: "shop"})
	_, body := r.do("POST", "/api/v1/scans", ci, document(t))
	v := decodeVerdict(t, body)
	path := "/api/v1/scans/" + v.Scan + "/link"
	for secret, want := range map[string]int{"": 401, stranger: 404, "assay_x": 401} {
		if resp, text := r.do("DELETE", path, secret, nil); resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", resp.Status, text, want)
		}
	}
	if resp, text := r.do("DELETE", path, ci, nil); resp.StatusCode != 200 {
		t.Errorf("%s: %s", resp.Status, text)
	}
	if resp, text := r.do("DELETE", path, r.token(store.Token{Scopes: []string{"read"}}), nil); resp.StatusCode != 200 || text != `{"scan":"`+v.Scan+`","revoked":true}` {
		t.Errorf("a second time: %s %s", resp.Status, text)
	}
	_, _, err := (&links.Links{Store: r.store, Lifetime: time.Hour, Now: func() time.Time { return now }, Random: rand.Reader}).
		Check(t.Context(), v.Scan, v.Report[strings.LastIndexByte(v.Report, '/')+1:])
	if !errors.Is(err, links.ErrRefused) {
		t.Errorf("the revoked link: %v", err)
	}
	_, text := r.do("GET", "/api/v1/audit", r.token(store.Token{Scopes: []string{"admin"}}), nil)
	var trail struct{ Events []store.Event }
	if err := json.Unmarshal([]byte(text), &trail); err != nil || len(trail.Events) < 2 || trail.Events[0].Action != "link.revoke" || trail.Events[0].Object != v.Scan || trail.Events[0].Project != "shop" {
		t.Errorf("the audit trail is %s, %v", text, err)
	}
}

// The address of a report leads a person with a browser to the page that asks for a token.
// Other clients get what they got.
func TestReportForBrowsers(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token(store.Token{})
	_, body := r.do("POST", "/api/v1/scans", secret, document(t))
	v := decodeVerdict(t, body)
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, test := range []struct {
		secret, accept string
		status         int
	}{
		{"", browser, 303}, {"", "*/*", 401}, {"", "", 401}, {"", "application/json", 401}, {secret, browser, 200}, {secret, "*/*", 200},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.srv.URL+"/api/v1/scans/"+v.Scan+"/report", nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.secret != "" {
			req.Header.Set("Authorization", "Bearer "+test.secret)
		}
		req.Header.Set("Accept", test.accept)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		want := ""
		if test.status == 303 {
			want = "https://assay.example.com/r/" + v.Scan
		}
		if resp.StatusCode != test.status || resp.Header.Get("Location") != want {
			t.Errorf("Accept %q: %s to %q", test.accept, resp.Status, resp.Header.Get("Location"))
		}
		if test.status == 200 && resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("with a token: %s", resp.Header.Get("Content-Type"))
		}
	}
}
