package api_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"assay/remote/cyclonedx"
	"assay/remote/token"
	"assay/service/httpserver"
	"assay/service/store"
)

// list asks for a list with all its pages, and returns the projects and refs of its scans.
func (r *rig) list(secret, query string) string {
	r.t.Helper()
	var names []string
	after := ""
	for range 20 {
		resp, body := r.do("GET", "/api/v1/scans?"+query+"&after="+after, secret, nil)
		var answer struct {
			Scans []struct{ Scan, Project, Ref, Outcome, Report string }
			Next  string
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil || resp.StatusCode != http.StatusOK {
			r.t.Fatalf("%s: %s: %v: %s", query, resp.Status, err, body)
		}
		for _, s := range answer.Scans {
			names = append(names, s.Project+":"+s.Ref)
			if s.Outcome != "fail" || s.Report != "https://assay.example.com/api/v1/scans/"+s.Scan+"/report" {
				r.t.Errorf("%s: %+v", query, s)
			}
		}
		if after = answer.Next; after == "" {
			return strings.Join(names, " ")
		}
	}
	r.t.Fatalf("%s: the list does not end", query)
	return ""
}

// A token lists the scans that it may read one by one, and no others.
func TestListOfScans(t *testing.T) {
	clock := now
	r := newRig(t, func(c *config) { c.API.Now = func() time.Time { return clock } })
	shop := r.token(store.Token{Name: "shop", Project: "shop"})
	other := r.token(store.Token{Name: "other"})
	reader := r.token(store.Token{Name: "reader", Scopes: []string{"read"}})
	shopReader := r.token(store.Token{Name: "shop reader", Scopes: []string{"read"}, Project: "shop"})
	for i, s := range []struct{ secret, project, ref string }{
		{shop, "shop", "main"}, {other, "shop", "main"}, {other, "blog", "main"}, {shop, "shop", "next"}, {shop, "shop", "main"},
	} {
		clock = now.Add(time.Duration(i) * time.Hour)
		doc := document(t, cyclonedx.Option{Name: "project", Value: s.project, Origin: "flag"}, cyclonedx.Option{Name: "ref", Value: s.ref, Origin: "flag"})
		if resp, body := r.do("POST", "/api/v1/scans", s.secret, doc); resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", resp.Status, body)
		}
	}
	for _, tt := range []struct{ name, secret, query, want string }{
		{"reader", reader, "", "shop:main shop:next blog:main shop:main shop:main"},
		{"reader, pages", reader, "limit=2", "shop:main shop:next blog:main shop:main shop:main"},
		{"reader, latest", reader, "latest=true&limit=1", "shop:main shop:next blog:main"},
		{"reader, project", reader, "project=blog", "blog:main"},
		{"reader, failing", reader, "outcome=fail&ref=next", "shop:next"},
		{"reader, passing", reader, "outcome=pass", ""},
		{"reader, since", reader, "since=" + now.Add(3*time.Hour).Format(time.RFC3339), "shop:main shop:next"},
		{"reader of shop", shopReader, "", "shop:main shop:next shop:main shop:main"},
		{"own", shop, "", "shop:main shop:next shop:main"},
		{"own, latest", other, "latest=true", "blog:main shop:main"},
	} {
		if got := r.list(tt.secret, tt.query); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	for query, want := range map[string]int{
		"outcome=clean": 400, "latest=1": 400, "limit=0": 400, "limit=201": 400, "limit=x": 400, "since=yesterday": 400, "after=x": 400,
	} {
		if resp, body := r.do("GET", "/api/v1/scans?"+query, reader, nil); resp.StatusCode != want {
			t.Errorf("%s: %s: %s", query, resp.Status, body)
		}
	}
	if resp, _ := r.do("GET", "/api/v1/scans?project=blog", shopReader, nil); resp.StatusCode != http.StatusForbidden {
		t.Errorf("another project: %s", resp.Status)
	}
	if resp, _ := r.do("GET", "/api/v1/scans", "", nil); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %s", resp.Status)
	}
}

// A derived token lists nothing: it may read no scan.
func TestNoListForDerivedTokens(t *testing.T) {
	r := newRig(t, nil)
	parent := store.Token{ID: "parent", Name: "rule", Scopes: []string{httpserver.ScopeScan}, Created: now}
	if err := r.store.CreateToken(t.Context(), parent, [32]byte{1}, store.Event{}); err != nil {
		t.Fatal(err)
	}
	secret, err := token.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.store.DeriveToken(t.Context(), parent.ID, token.Hash(secret), nil, now, now.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if resp, body := r.do("GET", "/api/v1/scans", secret, nil); resp.StatusCode != http.StatusForbidden {
		t.Errorf("%s: %s", resp.Status, body)
	}
}
