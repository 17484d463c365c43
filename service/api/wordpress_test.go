package api_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/service/advisory"
	"assay/service/api"
	"assay/service/feed/cve/record"
	"assay/service/feed/wordpress"
	"assay/service/index"
	"assay/service/store"
)

// TestWordPressMatches scans the packages of a table in the test data with the CVE records
// of the test data. The packages have purls as other tools write them in CycloneDX. Each
// row says whether a package is affected by a CVE.
func TestWordPressMatches(t *testing.T) {
	f, err := os.Open(testkit.Path(t, "wordpress", "matches.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	data := index.NewMemory(cveAdvisories(t), nil)
	r := newRig(t, func(c *config) {
		c.API.View = func() (api.View, error) { return view{Memory: data, records: 1}, nil }
	})

	type component struct {
		Type    string `json:"type"`
		Name    string `json:"name"`
		Version string `json:"version"`
		PURL    string `json:"purl"`
	}
	var components []component
	purls := make(map[string]string) // as sent, as in the answer
	for _, row := range rows[1:] {
		kind, slug, version := row[1], row[2], row[3]
		if _, ok := purls[kind+slug+version]; ok {
			continue
		}
		u := "pkg:wordpress/" + kind + "/" + slug + "@" + url.PathEscape(version)
		purls[kind+slug+version] = strings.Replace(u, "core/wordpress", "core", 1)
		components = append(components, component{"library", slug, version, u})
	}
	doc, err := json.Marshal(map[string]any{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components})
	if err != nil {
		t.Fatal(err)
	}
	resp, body := r.do("POST", "/api/v1/scans", r.token(store.Token{}), doc, "Content-Type", "application/vnd.cyclonedx+json")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	v := decodeVerdict(t, body)
	found := make(map[string]bool)
	for _, f := range v.Findings {
		found[f.Package.PURL+" "+f.ID] = true
	}
	wrong := 0
	for _, row := range rows[1:] {
		want := row[5] == "yes"
		if got := found[purls[row[1]+row[2]+row[3]]+" "+row[4]]; got != want {
			wrong++
			t.Errorf("%s %s %s, %s: found %t, want %t", row[1], row[2], row[3], row[4], got, want)
		}
	}
	if len(rows) != 1+116 {
		t.Errorf("%d rows, want 116", len(rows)-1)
	}
	t.Logf("%d of %d rows as expected, %d packages, %d findings", len(rows)-1-wrong, len(rows)-1, len(components), len(v.Findings))
}

// cveAdvisories converts the CVE records about WordPress of the test data.
func cveAdvisories(t *testing.T) []advisory.Advisory {
	t.Helper()
	var all []advisory.Advisory
	for _, dir := range []string{"vulnrichment", "cvelistV5"} {
		files, err := filepath.Glob(testkit.Path(t, "wordpress", "cve5", dir) + "/CVE-*.json")
		if err != nil || len(files) == 0 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			r, err := record.Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			all = slices.DeleteFunc(all, func(a advisory.Advisory) bool { return a.ID == r.Metadata.ID })
			a, err := advisory.Parse(fmt.Appendf(nil, `{"id":%q,"modified":%q,"affected":%s}`, r.Metadata.ID, r.Modified().Format("2006-01-02T15:04:05Z"), mustJSON(t, wordpress.FromCVE(&r))))
			if err != nil {
				t.Fatal(err)
			}
			a.Source = "cve"
			all = append(all, a)
		}
	}
	return all
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
