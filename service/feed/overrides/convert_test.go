package overrides

import (
	"archive/tar"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/service/advisory"
	"assay/service/feed/applicability"
	"assay/service/feed/wordpress"
	"assay/service/version"
)

// genuine yields the files of the genuine archive.
func genuine(t testing.TB) iter.Seq2[string, []byte] {
	f, err := os.Open(testkit.Path(t, "feeds", "nvd-overrides", "main.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(string, []byte) bool) {
		defer f.Close()
		for r := tar.NewReader(z); ; {
			h, err := r.Next()
			if err == io.EOF {
				return
			} else if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(h.Name, ".json") {
				continue
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if !yield(h.Name, b) {
				return
			}
		}
	}
}

// TestGenuine converts the whole archive, and prints what it gives and what it leaves out.
func TestGenuine(t *testing.T) {
	got, left := map[string]int{}, map[string]int{}
	for name, b := range genuine(t) {
		a, err := convert(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.HasSuffix(name, "/"+a.ID+".json") {
			t.Errorf("%s has the record %s", name, a.ID)
		}
		got["records"]++
		if len(a.Affected) == 0 {
			got["records without entries"]++
		}
		onWordPress := false
		for _, af := range a.Affected {
			eco := af.Package.Ecosystem
			got[eco+" entries"]++
			got[eco+" ranges"] += len(af.Ranges)
			got[eco+" versions"] += len(af.Versions)
			s := applicability.SpecificOf(af)
			if len(s.Conditions) > 0 {
				got[eco+" entries with conditions"]++
			}
			if eco == wordpress.Ecosystem {
				onWordPress = true
				for _, r := range af.Ranges {
					for _, e := range r.Events {
						if v := e.Fixed + e.LastAffected; v != "" && !wordpress.Ordered(v) {
							got["WordPress bounds without an order"]++
						}
					}
				}
			} else if s.TargetSW == "wordpress" {
				got["CPE entries for WordPress"]++
			}
		}
		if onWordPress {
			got["records about WordPress"]++
		}
		var specific struct {
			Left map[string]int `json:"not_converted"`
		}
		if err := json.Unmarshal(a.DatabaseSpecific, &specific); err != nil {
			t.Fatal(err)
		}
		for reason, n := range specific.Left {
			left[reason] += n
		}
	}
	text := func(m map[string]int) string {
		var lines []string
		for _, what := range slices.Sorted(maps.Keys(m)) {
			lines = append(lines, fmt.Sprintf("%s: %d", what, m[what]))
		}
		return strings.Join(lines, "\n")
	}
	t.Logf("converted\n%s\nleft out\n%s", text(got), text(left))
	wantGot := `CPE entries: 38280
CPE entries for WordPress: 2270
CPE entries with conditions: 341
CPE ranges: 75146
CPE versions: 5017
WordPress bounds without an order: 1
WordPress entries: 10137
WordPress ranges: 10255
WordPress versions: 8
records: 32184
records about WordPress: 10136
records without entries: 866`
	wantLeft := `a bound is not a version: 239
hardware: 4
only on other operating systems than Linux: 1298
the criteria are not a CPE name, or are a pattern: 10`
	if text(got) != wantGot || text(left) != wantLeft {
		t.Errorf("want\n%s\nleft out\n%s", wantGot, wantLeft)
	}
}

// TestMatches: for the genuine WordPress packages of the test data, an override that names
// the package agrees with the other sources.
func TestMatches(t *testing.T) {
	f, err := os.Open(testkit.Path(t, "wordpress", "matches.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string][][]string{} // by CVE
	for _, row := range rows[1:] {
		wanted[row[4]] = append(wanted[row[4]], row)
	}
	order, _ := version.For(wordpress.Ecosystem)
	compared := 0
	for name, b := range genuine(t) {
		for _, row := range wanted[strings.TrimSuffix(path.Base(name), ".json")] {
			pkg := row[1] + "/" + row[2]
			if row[1] == wordpress.Core {
				pkg = wordpress.Core
			}
			a, err := convert(b)
			if err != nil {
				t.Fatal(err)
			}
			for _, af := range a.Affected {
				if af.Package != wordpress.Package(pkg) {
					continue
				}
				compared++
				installed := version.WordPress(row[3])
				affected := slices.Contains(af.Versions, installed)
				for _, r := range af.Ranges {
					in, _, err := advisory.InRange(order.Comparer(), installed, r.Events)
					if err != nil {
						t.Errorf("%s %s: %v", pkg, row[3], err)
					}
					affected = affected || in
				}
				if affected != (row[5] == "yes") {
					t.Errorf("%s %s: affected by %s is %t, want %s", pkg, row[3], row[4], affected, row[5])
				}
			}
		}
	}
	if compared != 70 {
		t.Errorf("%d rows compared, want 70", compared)
	}
}

func override(annotation, cve string) []byte {
	return []byte(`{"_annotation":{"cve_id":"CVE-2024-1234"` + annotation + `},"cve":` + cve + `}`)
}

func matches(matches ...string) string {
	return `{"configurations":[{"nodes":[{"operator":"OR","negate":false,"cpeMatch":[` + strings.Join(matches, ",") + `]}]}]}`
}

func match(criteria, end string) string {
	return `{"criteria":"` + criteria + `","versionEndExcluding":"` + end + `","vulnerable":true}`
}

// An entry is about a plugin if the links name exactly one, and the spellings of its name
// agree on the versions.
func TestWordPress(t *testing.T) {
	const (
		akismet  = `,"references":["https://plugins.trac.wordpress.org/browser/akismet/trunk","https://www.wordfence.com/threat-intel/x"]`
		two      = `,"references":["https://wordpress.org/plugins/akismet/","https://wordpress.org/plugins/jetpack/"]`
		theme    = `,"references":["https://vdp.patchstack.com/database/wordpress/theme/viral/vulnerability/x"]`
		query    = `,"references":["https://plugins.trac.wordpress.org/changeset?sfp_email=&old=3017939%40eventon-lite&new=3017939%40eventon-lite&sfp_email="]`
		name     = "cpe:2.3:a:automattic:anti-spam:*:*:*:*:*:wordpress:*:*"
		spelling = "cpe:2.3:a:automattic:akismet:*:*:*:*:lite:wordpress:*:*"
		paid     = "cpe:2.3:a:automattic:akismet:*:*:*:*:pro:wordpress:*:*"
		plain    = "cpe:2.3:a:automattic:akismet:*:*:*:*:*:*:*:*"
		core     = "cpe:2.3:a:wordpress:wordpress:*:*:*:*:*:*:*:*"
		coreTSW  = "cpe:2.3:a:wordpress:wordpress:*:*:*:*:*:wordpress:*:*"
	)
	for _, tt := range []struct{ annotation, cve, want string }{
		{akismet, matches(match(name, "5")), "WordPress plugin/akismet 5"},
		{query, matches(match(name, "5")), "WordPress plugin/eventon-lite 5"},
		{theme, matches(match(name, "5")), "WordPress theme/viral 5"},
		{akismet, matches(match(name, "5"), match(spelling, "5")), "WordPress plugin/akismet 5"},
		{akismet, matches(match(name, "5"), match(spelling, "6")), "CPE automattic:akismet 6, CPE automattic:anti-spam 5"},
		{akismet, matches(match(name, "5"), match(paid, "6")), "CPE automattic:akismet 6, WordPress plugin/akismet 5"},
		{akismet, matches(match(plain, "5")), "CPE automattic:akismet 5"},
		{two, matches(match(name, "5")), "CPE automattic:anti-spam 5"},
		{"", matches(match(name, "5")), "CPE automattic:anti-spam 5"},
		{"", matches(match(core, "6.8.5")), "WordPress core 6.8.5"},
		{akismet, matches(match(core, "6.8.5")), "WordPress core 6.8.5"},
		{akismet, matches(match(coreTSW, "6.8.5")), "WordPress core 6.8.5"},
	} {
		a, err := convert(override(tt.annotation, tt.cve))
		var got []string
		for _, af := range a.Affected {
			got = append(got, af.Package.Ecosystem+" "+af.Package.Name+" "+af.Ranges[0].Events[1].Fixed)
		}
		if err != nil || strings.Join(got, ", ") != tt.want {
			t.Errorf("%s %s: %q, %v, want %s", tt.annotation, tt.cve, got, err, tt.want)
		}
		if a.Affected[0].Package.Name == "plugin/akismet" && len(tt.cve) > 350 &&
			!strings.Contains(string(a.Affected[0].DatabaseSpecific), "akismet:*:*:*:*:lite") {
			t.Errorf("criteria %s", a.Affected[0].DatabaseSpecific)
		}
	}
}

func TestRefused(t *testing.T) {
	for doc, want := range map[string]string{
		``:                                   "unexpected end of JSON input",
		`[]`:                                 "not an override",
		`null`:                               `no field "cve"`,
		`{"_annotation":{"cve_id":"CVE-1"}}`: `no field "cve"`,
		`{"cve":{}}`:                         "invalid CVE ID",
		string(override(`,"modified":"x"`, "{}")):              `invalid time "x"`,
		string(override("", `{"configurations":{}}`)):          "not an override",
		`{"id":"OSV-1","modified":"2024-01-02T03:04:05Z"}`:     `no field "cve"`,
		string(override("", "{}"))[:40]:                        "unexpected end of JSON input",
		strings.Repeat(" ", advisory.MaxSize+1):                "more than 16777216",
		`{"vulnerabilities":[],"cve":{"id":"CVE-2024-12345"}}`: "invalid CVE ID",
	} {
		if a, err := convert([]byte(doc)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %+v, %v, want %q", doc, a, err, want)
		}
	}
	a, err := convert(override("", "{}"))
	if err != nil || len(a.Affected) != 0 || a.Withdrawn != nil || !a.Modified.IsZero() {
		t.Errorf("without configurations: %+v, %v", a, err)
	}
}

// What is converted is a valid record, whose entries have something to compare.
func FuzzConvert(f *testing.F) {
	n := 0
	for _, b := range genuine(f) {
		if n++; n == 50 {
			break
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := convert(b)
		if err != nil {
			return
		}
		body, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := advisory.Parse(body); err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		for _, af := range a.Affected {
			if len(af.Ranges)+len(af.Versions) == 0 || af.Package.Name == "" {
				t.Fatalf("entry %+v", af)
			}
		}
	})
}
