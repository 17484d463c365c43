package api_test

import (
	"encoding/json"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/api"
	"assay/service/explain"
	"assay/service/index"
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

// TestExplainReports checks that reasons come from the matcher, and that records are found
// that name the vulnerability only as related.
func TestExplainReports(t *testing.T) {
	for _, tt := range []struct{ folder, document, id, outcome, reason string }{
		{"13-explain", "explain", "CVE-2023-32681", explain.JudgedByOwner, "a finding of this scan that does not fail it, by the rule \"judged-by-distribution\""},
		{"13-explain", "explain", "CVE-2026-39824", explain.NotApplicable, "no finding: the entry is about windows only"},
		{"02-rocky-source-names", "headless", "CVE-2021-35550", explain.Matches, "a finding of this scan"},
		{"02-rocky-source-names", "ruby-libs", "CVE-2024-27282", explain.Matches, "a finding of this scan"},
	} {
		t.Run(tt.document+" "+tt.id, func(t *testing.T) {
			folder := testkit.Path(t, "faults", "matching", tt.folder)
			names, err := filepath.Glob(filepath.Join(folder, "records", "*.json"))
			if err != nil {
				t.Fatal(err)
			}
			// An owner answers if the distribution's advisories name it.
			texts := [][]byte{[]byte(`{"id":"DEBIAN-CVE-2018-18074","modified":"2024-01-01T00:00:00Z","upstream":["CVE-2018-18074"],"affected":[{"package":{"ecosystem":"Debian:12","name":"requests"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.20.0-1"}]}]}]}`)}
			for _, name := range names {
				b, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, b)
			}
			var records []store.Record
			var all []advisory.Advisory
			for _, b := range texts {
				record, err := load.Record(b)
				if err != nil {
					t.Fatal(err)
				}
				a, err := advisory.Parse(b)
				if err != nil {
					t.Fatal(err)
				}
				a.Source = "osv"
				records, all = append(records, record), append(all, a)
			}
			// An owner answers for a package only if the distribution's advisories name it.
			known, err := advisory.Parse([]byte(`{"id":"DEBIAN-CVE-2018-18074","modified":"2024-01-01T00:00:00Z",
				"affected":[{"package":{"ecosystem":"Debian:12","name":"requests"},
				"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.20.0-1"}]}]}]}`))
			if err != nil {
				t.Fatal(err)
			}
			known.Source = "osv"
			index := index.NewMemory(append(all, known), nil)
			r := newRig(t, func(c *config) {
				c.API.View = func() (api.View, error) { return later{view{Memory: index, records: 1}}, nil }
			})
			im := store.Import{Origin: store.Origin{Source: "osv", Part: "test"}, At: now}
			_, err = r.store.Import(t.Context(), im, func(yield func(store.Record, error) bool) {
				for _, record := range records {
					if !yield(record, nil) {
						return
					}
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			document, err := os.ReadFile(filepath.Join(folder, tt.document+".cdx.json"))
			if err != nil {
				t.Fatal(err)
			}
			secret := r.token(store.Token{Name: "ci"})
			_, body := r.do("POST", "/api/v1/scans", secret, document)
			resp, body := r.do("GET", "/api/v1/scans/"+decodeVerdict(t, body).Scan+"/explain?id="+tt.id, secret, nil)
			var e explain.Explanation
			if err := json.Unmarshal([]byte(body), &e); err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%s: %s", resp.Status, body)
			}
			if !strings.HasPrefix(e.Reason, tt.reason) || len(e.Records) != 1 {
				t.Fatalf("%s", body)
			}
			packages := e.Records[0].Affected[0].Packages
			if !slices.ContainsFunc(packages, func(p explain.Package) bool { return p.Outcome == tt.outcome }) {
				t.Errorf("%+v", packages)
			}
		})
	}
}

// later is a view of the state after an import of several records.
type later struct{ view }

func (later) Seq() int64 { return 1000 }
