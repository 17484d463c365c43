package osvapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/service/advisory/load"
)

// BenchmarkQueryBatch answers a batch of 1000 packages of Debian and Python, about half of
// which are affected.
func BenchmarkQueryBatch(b *testing.B) {
	r := newRig(b, nil, nil)
	type query struct {
		Package map[string]string `json:"package"`
		Version string            `json:"version"`
	}
	var queries []query
	seen := map[string]bool{}
	for _, folder := range []string{"Debian", "PyPI"} {
		n := 0
		for rec, err := range load.Open(testkit.Path(b, "osv", folder)).Records() {
			if err != nil {
				b.Fatal(err)
			}
			for _, f := range rec.Fixes {
				if key := f.Ecosystem + f.Package; !seen[key] && n < 500 {
					seen[key] = true
					queries = append(queries, query{map[string]string{"ecosystem": f.Ecosystem, "name": f.Package}, f.Version})
					n++
				}
			}
		}
		r.load("osv"+strings.ToLower(folder), load.Open(testkit.Path(b, "osv", folder)).Records())
	}
	body, err := json.Marshal(map[string]any{"queries": queries})
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d queries in %d bytes", len(queries), len(body))
	b.ReportAllocs()
	for b.Loop() {
		if rec := r.do("POST", "/v1/querybatch", string(body)); rec.Code != http.StatusOK {
			b.Fatal(rec.Body)
		}
	}
}
