package api_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"assay/remote/cyclonedx"
	"assay/service/httpserver"
	"assay/service/store"
)

func TestPassed(t *testing.T) {
	r := newRig(t, nil)
	shop := r.token(store.Token{Name: "shop", Project: "shop"})
	blog := r.token(store.Token{Name: "blog", Project: "blog"})
	reader := r.token(store.Token{Name: "reader", Scopes: []string{httpserver.ScopeRead}})
	scan := func(secret, commit, failOn string) {
		t.Helper()
		body := document(t,
			cyclonedx.Option{Name: "commit", Value: commit, Origin: "flag"},
			cyclonedx.Option{Name: "fail-on", Value: failOn, Origin: "flag"})
		if resp, got := r.do(http.MethodPost, "/api/v1/scans", secret, body); resp.StatusCode != http.StatusOK {
			t.Fatalf("scan: %d %s", resp.StatusCode, got)
		}
	}
	scan(shop, "fixed", "high") // fails
	scan(shop, "fixed", "none")
	scan(shop, "broken", "none")
	scan(shop, "broken", "high")
	for _, tt := range []struct {
		secret, query string
		status        int
		passed        bool
		code          int
	}{
		{shop, "commit=fixed", 200, true, 0},
		{shop, "commit=fixed&project=shop", 200, true, 0},
		{reader, "commit=fixed", 200, true, 0},
		{reader, "commit=fixed&project=blog", 404, false, 0},
		{blog, "commit=fixed", 404, false, 0},
		{blog, "commit=fixed&project=shop", 403, false, 0},
		{shop, "commit=broken", 409, false, 4},
		{shop, "commit=other", 404, false, 0},
		{shop, "commit=", 400, false, 0},
		{"", "commit=fixed", 401, false, 0},
	} {
		resp, body := r.do(http.MethodGet, "/api/v1/passed?"+tt.query, tt.secret, nil)
		var got struct {
			Passed bool
			Code   int
			Scan   string
			Error  string
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != tt.status || got.Passed != tt.passed || got.Code != tt.code ||
			(got.Error == "") != tt.passed || (got.Scan != "") != (tt.status == 200 || tt.status == 409) {
			t.Errorf("%s: %d %s; want %d, passed %v, code %d", tt.query, resp.StatusCode, body, tt.status, tt.passed, tt.code)
		}
	}
}
