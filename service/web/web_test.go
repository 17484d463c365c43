package web_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit/browser"
	"assay/check/testkit/reporttest"
	"assay/remote/token"
	"assay/service/httpserver"
	"assay/service/links"
	"assay/service/report"
	"assay/service/store"
	"assay/service/store/sqlite"
	"assay/service/web"
)

const scanID = "mzxw6ytboi3dgnbv"

// A site is a service with one scan of project shop, by the token ci.
type site struct {
	t      *testing.T
	store  store.Store
	links  *links.Links
	server *httptest.Server
	scan   store.Scan
	ci     string // the secret of the token that made the scan

	mu  sync.Mutex
	now time.Time
	log bytes.Buffer
}

func (s *site) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *site) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

func (s *site) time() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) set(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
}

func newSite(t *testing.T, kept report.Scan, rate httpserver.Rate) *site {
	t.Helper()
	st, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, store: st, now: kept.At.Add(time.Minute)}
	t.Cleanup(func() { st.Close() })
	s.ci = s.token("ci", "shop", "scan")
	tokens, err := st.ListTokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v := kept.Verdict
	v.Scan, v.Options.Project = scanID, "shop"
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	s.scan = store.Scan{ID: scanID, At: kept.At, Token: tokens[0].ID, Project: "shop", Snapshot: "s", Request: []byte(`{"components":[{"name":"an-inventory"}]}`), Verdict: text}
	if _, err := st.KeepScan(t.Context(), s.scan); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(s, nil))
	server := httpserver.New(httpserver.Config{Tokens: st, Rate: rate, Now: s.time, Log: log})
	s.links = &links.Links{Store: st, Lifetime: 24 * time.Hour, Now: s.time, Random: rand.Reader}
	if err := web.Handle(server, web.Config{Store: st, Links: s.links, PublicURL: "https://assay.example.com/base", Version: "1.0.0"}); err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewServer(server)
	t.Cleanup(s.server.Close)
	return s
}

// token makes a token, and returns its secret.
func (s *site) token(name, project string, scopes ...string) string {
	s.t.Helper()
	secret, err := token.New(rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	id, err := store.NewID(rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.store.CreateToken(s.t.Context(), store.Token{ID: id, Name: name, Project: project, Scopes: scopes, Created: reporttest.Now}, token.Hash(secret), store.Event{}); err != nil {
		s.t.Fatal(err)
	}
	return secret
}

func (s *site) secret() string {
	s.t.Helper()
	secret, err := s.links.Secret(s.t.Context(), s.scan)
	if err != nil {
		s.t.Fatal(err)
	}
	return secret
}

func (s *site) link() string { return s.server.URL + "/r/" + scanID + "/" + s.secret() }

// send sends a request, and returns the answer with its body.
func (s *site) send(method, path, body string, header ...string) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r) // which follows no redirect
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(b)
}

// checkHeaders checks the headers that every page has.
func checkHeaders(t *testing.T, resp *http.Response) {
	t.Helper()
	h := resp.Header
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow, noarchive", "X-Frame-Options": "DENY",
		"X-Content-Type-Options": "nosniff", "Content-Type": "text/html; charset=utf-8",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	policy := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "script-src 'sha256-", "style-src 'sha256-"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q does not have %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || len(resp.Cookies()) > 0 {
		t.Errorf("policy %q, cookies %v", policy, resp.Cookies())
	}
}

// A link shows the findings without a token, and not the inventory.
func TestLink(t *testing.T) {
	s := newSite(t, reporttest.Rules(t), httpserver.Rate{})
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		resp, body := s.send(method, "/r/"+scanID+"/"+s.secret(), "")
		checkHeaders(t, resp)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %s, Referrer-Policy %q", method, resp.Status, resp.Header.Get("Referrer-Policy"))
		}
		if method == http.MethodGet && (!strings.Contains(body, "2 of 6 findings fail the build") || strings.Contains(body, "an-inventory") || strings.Contains(body, s.secret())) {
			t.Errorf("the page is %.300s", body)
		}
	}
	if log := s.logged(); !strings.Contains(log, "scan="+scanID) || !strings.Contains(log, "route=/r/{scan}/{secret}") {
		t.Errorf("the log does not name the scan and the route:\n%s", log)
	}
}

// Whatever is wrong with a link, the answer is the same.
func TestRefusedLinks(t *testing.T) {
	kept := reporttest.Rules(t)
	answers := map[string]string{}
	for what, test := range map[string]struct {
		path   string
		change func(s *site)
	}{
		"expired": {change: func(s *site) { s.set(s.scan.At.Add(24 * time.Hour)) }},
		"revoked": {change: func(s *site) {
			if err := links.Revoke(t.Context(), s.store, scanID, s.time()); err != nil {
				t.Fatal(err)
			}
		}},
		"all revoked": {change: func(s *site) {
			if err := links.RevokeAll(t.Context(), s.store); err != nil {
				t.Fatal(err)
			}
		}},
		"token revoked": {change: func(s *site) {
			if _, err := s.store.RevokeToken(t.Context(), store.Revocation{Token: "ci", At: s.time()}, store.Event{}); err != nil {
				t.Fatal(err)
			}
		}},
		"scan removed": {change: func(s *site) {
			if p, err := s.store.Prune(t.Context(), store.Prune{Now: s.time().Add(800 * 24 * time.Hour), Keep: 24 * time.Hour}); err != nil || p.Scans != 1 {
				t.Fatalf("%+v, %v", p, err)
			}
		}},
		"links off": {change: func(s *site) { s.links.Lifetime = 0 }},
		"guessed":   {path: strings.Repeat("0", links.Length)},
		"short":     {path: "1"},
		"markup":    {path: "%3Cscript%3Ealert(1)%3C%2Fscript%3E"},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSite(t, kept, httpserver.Rate{})
			secret := s.secret()
			if test.path != "" {
				secret = test.path
			} else if resp, _ := s.send(http.MethodGet, "/r/"+scanID+"/"+secret, ""); resp.StatusCode != http.StatusOK {
				t.Fatalf("before: %s", resp.Status)
			}
			if test.change != nil {
				test.change(s)
			}
			resp, body := s.send(http.MethodGet, "/r/"+scanID+"/"+secret, "")
			checkHeaders(t, resp)
			if resp.StatusCode != http.StatusNotFound || resp.Header.Get("Referrer-Policy") != "no-referrer" || strings.Contains(body, "CVE-") {
				t.Errorf("%s: %.500s", resp.Status, body)
			}
			answers[body] = what
		})
	}
	if len(answers) != 1 {
		t.Errorf("there are %d different answers", len(answers))
	}
}

// The page with the form opens the report for a token that may read the scan in the API.
func TestForm(t *testing.T) {
	s := newSite(t, reporttest.Rules(t), httpserver.Rate{})
	form := func(token string) string { return url.Values{"token": {token}}.Encode() }
	ended := s.token("ended", "shop", "read")
	if _, err := s.store.RevokeToken(t.Context(), store.Revocation{Token: "ended", At: s.time()}, store.Event{}); err != nil {
		t.Fatal(err)
	}
	reader := s.token("reader", "shop", "read")
	for _, test := range []struct {
		what, path, body string
		header           []string
		status           int
	}{
		{"its own token", scanID, form(s.ci), nil, 200},
		{"a reader of the project", scanID, form(" " + reader + "\n"), nil, 200},
		{"an admin", scanID, form(s.token("admin", "", "admin")), nil, 200},
		{"the form of the page", scanID, form(s.ci), []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"a browser without Sec-Fetch-Site behind a proxy", scanID, form(s.ci), []string{"Origin", "https://assay.example.com"}, 200},
		{"another site", scanID, form(s.ci), []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another origin", scanID, form(s.ci), []string{"Origin", "https://evil.example"}, 403},
		{"a token that only scans", scanID, form(s.token("other", "shop", "scan")), nil, 404},
		{"another project", scanID, form(s.token("stranger", "other", "read")), nil, 404},
		{"an unknown scan", "aaaaaaaaaaaaaaaa", form(s.ci), nil, 404},
		{"a revoked token", scanID, form(ended), nil, 401},
		{"no token", scanID, "", nil, 401},
		{"not a token", scanID, form("secret"), nil, 401},
		{"a token in the address", scanID + "?token=" + s.ci, "", nil, 401},
		{"JSON", scanID, `{"token":"` + s.ci + `"}`, []string{"Content-Type", "application/json"}, 401},
		{"a large form", scanID, form(strings.Repeat("a", 1<<16)), nil, 400},
	} {
		resp, body := s.send(http.MethodPost, "/r/"+test.path, test.body, test.header...)
		checkHeaders(t, resp)
		report := strings.Contains(body, "2 of 6 findings fail the build")
		if resp.StatusCode != test.status || report != (test.status == 200) || !report && !strings.Contains(body, `<form method="post">`) {
			t.Errorf("%s: %s, %.400s", test.what, resp.Status, body)
		}
		for _, secret := range []string{s.ci, reader, ended} {
			if strings.Contains(body, secret) {
				t.Errorf("%s: the page has the token", test.what)
			}
		}
	}
	known, a := s.send(http.MethodGet, "/r/"+scanID, "")
	unknown, b := s.send(http.MethodGet, "/r/aaaaaaaaaaaaaaaa", "")
	checkHeaders(t, known)
	if known.StatusCode != 200 || unknown.StatusCode != 200 || a != b {
		t.Errorf("the form tells whether a scan exists: %s, %s", known.Status, unknown.Status)
	}
	for _, secret := range []string{s.ci, reader, ended} {
		if strings.Contains(s.logged(), secret) {
			t.Error("the log has a token")
		}
	}
}

// The secret of a link gets into no line of the log, however it is sent.
func TestLogHasNoSecret(t *testing.T) {
	s := newSite(t, reporttest.Rules(t), httpserver.Rate{PerSecond: 1, Burst: 1})
	secret := s.secret()
	for _, path := range []string{
		"/r/" + scanID + "/" + secret, "/r/" + scanID + "/" + secret + "/", "/r/" + scanID + "/" + secret + "/more", "//r//" + scanID + "//" + secret,
		"/base/r/" + scanID + "/" + secret, "/r/./" + scanID + "/" + secret, "/R/" + strings.ToUpper(scanID) + "/" + secret, "/r/" + scanID + "%2F" + secret,
		"/r/" + scanID + "%252F" + secret, "/r/" + scanID + "/" + secret + "%0a", "/r/" + scanID + "/" + secret + ".", "/x?y=/r/" + scanID + "/" + secret,
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, "BREW"} {
			s.send(method, path, "", "Referer", s.link())
		}
	}
	if i := strings.Index(s.logged(), secret); i >= 0 {
		t.Errorf("the log has the secret:\n%s", s.logged()[max(0, i-300):i+100])
	}
	if n := strings.Count(s.logged(), "msg=request"); n < 40 {
		t.Errorf("%d requests are logged", n)
	}
	if resp, _ := s.send(http.MethodGet, "/r/"+scanID+"/"+secret, ""); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		t.Errorf("over the rate: %s", resp.Status)
	}
}

// A person opens the link of a build's log, and the form, in a browser.
func TestBrowser(t *testing.T) {
	s := newSite(t, reporttest.Rules(t), httpserver.Rate{})
	b := browser.Start(t)
	check := func(tab *browser.Tab, requests int) {
		t.Helper()
		all := tab.Requests()
		for _, r := range all {
			if _, address, _ := strings.Cut(r, " "); !strings.HasPrefix(address, s.server.URL+"/r/") {
				t.Errorf("the page makes the request %q", r)
			}
		}
		if len(all) != requests || browser.Eval[string](tab, "document.cookie") != "" {
			t.Errorf("requests %q, cookies %q", all, browser.Eval[string](tab, "document.cookie"))
		}
	}
	for name, o := range map[string]browser.Options{"link": {}, "link-dark": {Dark: true}, "link-phone": {Width: 360, Height: 740}, "link-no-script": {NoScript: true}} {
		tab := b.Tab(t, o)
		tab.Open(s.link())
		check(tab, 1)
		if problems := tab.Problems(); len(problems) > 0 || !strings.Contains(tab.Text(), "2 of 6 findings fail the build") {
			t.Errorf("%s: %q, %.200s", name, problems, tab.Text())
		}
		if !o.NoScript && browser.Eval[bool](tab, `document.getElementById("words").offsetParent === null`) {
			t.Errorf("%s: the script did not run", name)
		}
		tab.Shot(name)
	}

	tab := b.Tab(t, browser.Options{})
	tab.Open(s.server.URL + "/r/" + scanID)
	tab.Shot("ask")
	tab.Type("#token", strings.Replace(s.ci, "assay_", "assay_x", 1))
	tab.Click("button")
	if text := tab.Text(); !strings.Contains(text, "Invalid token.\n\nEnter the whole token.") {
		t.Errorf("with a wrong token: %s", text)
	}
	tab.Shot("ask-again")
	tab.Type("#token", s.ci)
	tab.Click("button")
	if text := tab.Text(); !strings.Contains(text, "2 of 6 findings fail the build") {
		t.Errorf("with the token: %s", text)
	}
	check(tab, 3)
	if address := browser.Eval[string](tab, "location.href + document.documentElement.outerHTML"); strings.Contains(address, s.ci) {
		t.Error("the token is in the page or its address")
	}

	phone := b.Tab(t, browser.Options{Width: 360, Height: 740, Dark: true, NoScript: true})
	phone.Open(s.server.URL + "/r/" + scanID + "/" + strings.Repeat("0", links.Length))
	phone.Shot("refused")
	if text := phone.Text(); !strings.Contains(text, "This link does not open a report.") {
		t.Errorf("a guessed link: %s", text)
	}
	phone.Click("a")
	if text := phone.Text(); !strings.Contains(text, "This report needs a token.") {
		t.Errorf("after the click: %s", text)
	}
	phone.Shot("ask-phone")
	check(phone, 2)
}
