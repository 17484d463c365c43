package api_test

import (
	"encoding/json"
	"iter"
	"net/http"
	"strings"
	"testing"

	"assay/service/advisory/load"
	"assay/service/explain"
	"assay/service/store"
)

func TestExplain(t *testing.T) {
	r := newRig(t, nil)
	record, err := load.Record([]byte(`{"id":"DEBIAN-CVE-2023-4911","modified":"2023-09-30T08:31:05Z","upstream":["CVE-2023-4911"],
		"affected":[{"package":{"ecosystem":"Debian:12","name":"glibc"},
		"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.36-9+deb12u3"}]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var one iter.Seq2[store.Record, error] = func(yield func(store.Record, error) bool) { yield(record, nil) }
	if _, err := r.store.Import(t.Context(), store.Import{Origin: store.Origin{Source: "osv", Part: "Debian"}, At: now}, one); err != nil {
		t.Fatal(err)
	}
	secret := r.token(store.Token{Name: "ci"})
	_, body := r.do("POST", "/api/v1/scans", secret, document(t))
	path := "/api/v1/scans/" + decodeVerdict(t, body).Scan + "/explain"

	resp, body := r.do("GET", path+"?id=CVE-2023-4911", secret, nil)
	var e explain.Explanation
	if err := json.Unmarshal([]byte(body), &e); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	if !e.Found || len(e.Records) != 1 || e.Records[0].Source != "osv:Debian" || e.Records[0].Affected[0].Packages[0].Outcome != explain.Matches {
		t.Errorf("%s", body)
	}
	if _, text := r.do("GET", path+"?id=CVE-2023-4911&format=text", secret, nil); !strings.Contains(text, "Debian:12 glibc 2.36-9 < fixed 2.36-9+deb12u3") {
		t.Errorf("%s", text)
	}
	if _, body := r.do("GET", path+"?id=CVE-2000-1", secret, nil); !strings.Contains(body, `"found":false`) || !strings.Contains(body, `"records":[]`) {
		t.Errorf("%s", body)
	}
	other := r.token(store.Token{Name: "other"})
	for _, tt := range []struct {
		path, token string
		status      int
	}{
		{path, secret, http.StatusBadRequest},
		{path + "?id=" + strings.Repeat("x", 257), secret, http.StatusBadRequest},
		{path + "?id=CVE-2023-4911&format=html", secret, http.StatusBadRequest},
		{path + "?id=CVE-2023-4911", other, http.StatusNotFound},
		{path + "?id=CVE-2023-4911", "", http.StatusUnauthorized},
		{"/api/v1/scans/none/explain?id=CVE-2023-4911", secret, http.StatusNotFound},
	} {
		if resp, body := r.do("GET", tt.path, tt.token, nil); resp.StatusCode != tt.status {
			t.Errorf("%s: %s, want %d: %s", tt.path, resp.Status, tt.status, body)
		}
	}
}
