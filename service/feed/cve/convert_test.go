package cve

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/service/advisory"
	"assay/service/feed/applicability"
	"assay/service/feed/cve/record"
	"assay/service/index"
)

// genuine returns the genuine published records of the test data by path.
func genuine(t testing.TB) map[string][]byte {
	docs := map[string][]byte{}
	keep := func(name string, r io.Reader, err error) {
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		docs[name] = b
	}
	for _, name := range []string{"osv.dev.zip", "osv.dev-cvelist.zip"} {
		z, err := zip.OpenReader(testkit.Path(t, "feeds", "cve5", name))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		for _, f := range z.File {
			if strings.HasSuffix(f.Name, ".json") {
				r, err := f.Open()
				keep(name+"/"+f.Name, r, err)
			}
		}
	}
	for _, dir := range []string{testkit.Path(t, "feeds", "cve5"), testkit.Path(t, "wordpress", "cve5")} {
		err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".json") {
				f, err := os.Open(filepath.Join(dir, path))
				keep(path, f, err)
				f.Close()
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return docs
}

// ratingsOf returns the ratings of a record as the index reads them.
func ratingsOf(a advisory.Advisory) []advisory.Rating { return index.Describe(a).Ratings }

// TestGenuine converts all genuine records, and prints what they give.
func TestGenuine(t *testing.T) {
	got := map[string]int{}
	for name, b := range genuine(t) {
		a, err := convert(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got["records"]++
		if a.Withdrawn != nil {
			got["withdrawn"]++
		}
		for _, r := range ratingsOf(a) {
			got["rating "+r.By+" "+r.Type]++
		}
		for _, af := range a.Affected {
			got["affected "+af.Package.Ecosystem]++
			got["ranges "+af.Package.Ecosystem] += len(af.Ranges)
			if len(af.Ranges)+len(af.Versions) == 0 || af.Package.Name == "" {
				t.Errorf("%s: entry %+v", name, af)
			}
		}
	}
	var lines []string
	for what, n := range got {
		lines = append(lines, fmt.Sprintf("%s: %d", what, n))
	}
	slices.Sort(lines)
	t.Log(strings.Join(lines, ", "))
	want := `affected CPE: 4, affected WordPress: 107, ranges CPE: 17, ranges WordPress: 394, ` +
		`rating cisa-adp CVSS_V3: 14, rating cna CVSS_V2: 5, rating cna CVSS_V3: 92, rating cna CVSS_V4: 3, records: 120, withdrawn: 1`
	if text := strings.Join(lines, ", "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

// converted converts the genuine record of a CVE about WordPress.
func converted(t testing.TB, id string) advisory.Advisory {
	files, err := filepath.Glob(testkit.Path(t, "wordpress", "cve5") + "/*/" + id + ".json")
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v of %s, %v", files, id, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	a, err := convert(b)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A rejected record is withdrawn, and names the record that replaces it.
func TestRejected(t *testing.T) {
	a := converted(t, "CVE-2025-34085")
	if a.Withdrawn == nil || len(a.Affected) != 0 || len(a.Severity) != 0 || !slices.Equal(a.Related, []string{"CVE-2020-36847"}) {
		t.Errorf("%+v", a)
	}
}

func TestDisputed(t *testing.T) {
	for id, want := range map[string]bool{"CVE-2019-19589": true, "CVE-2011-4899": true, "CVE-2023-5561": false} {
		a := converted(t, id)
		if got := strings.Contains(string(a.DatabaseSpecific), `"disputed":true`); got != want {
			t.Errorf("%s: %s", id, a.DatabaseSpecific)
		}
	}
}

// The ratings of a record are those of the CNA, then those of CISA. Its vectors are
// written in their usual order. A metric without CVSS is no rating.
func TestRatings(t *testing.T) {
	for id, want := range map[string]string{
		"CVE-2024-43228":  "cna Patchstack CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N; cisa-adp CISA-ADP CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:L/A:N; ",
		"CVE-2020-25213":  "cna mitre CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H; ",
		"CVE-2014-125110": "cna VulDB CVSS:3.1/AV:N/AC:L/PR:L/UI:R/S:U/C:N/I:L/A:N; cna VulDB CVSS:3.0/AV:N/AC:L/PR:L/UI:R/S:U/C:N/I:L/A:N; cna VulDB AV:N/AC:L/Au:S/C:N/I:P/A:N; ",
	} {
		a := converted(t, id)
		got := ""
		for _, r := range ratingsOf(a) {
			got += r.By + " " + r.Org + " " + r.Score + "; "
		}
		if got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}

// doc is a record with the fields of a CNA and of an ADP.
func doc(cna, adp string) []byte {
	return []byte(`{"dataType":"CVE_RECORD","dataVersion":"5.1","cveMetadata":{"cveId":"CVE-2024-1234","state":"PUBLISHED","assignerShortName":"x",` +
		`"dateUpdated":"2024-01-02T03:04:05Z"},"containers":{"cna":{` + cna + `},"adp":[{` + adp + `}]}}`)
}

const bash = `"cpes":["cpe:2.3:a:gnu:bash:*:*:*:*:*:*:*:*"]`

// The CNA's CPE names count, and those of an ADP only where the CNA has none.
func TestAffected(t *testing.T) {
	const (
		cpe5    = `"affected":[{` + bash + `,"versions":[{"status":"affected","version":"0","lessThan":"5"}]}]`
		cpe4    = `"affected":[{` + bash + `,"versions":[{"status":"affected","version":"n/a","lessThanOrEqual":"4"}]}]`
		text    = `"affected":[{"vendor":"GNU","product":"bash","versions":[{"status":"affected","version":"0","lessThan":"5"}]}]`
		conf    = `"cpeApplicability":[{"nodes":[{"operator":"OR","cpeMatch":[{"vulnerable":true,"criteria":"cpe:2.3:a:gnu:bash:*:*:*:*:*:*:*:*","versionEndExcluding":"6"}]}]}]`
		changes = `"affected":[{` + bash + `,"versions":[{"status":"affected","version":"4","lessThan":"6","changes":[{"at":"4.3","status":"unaffected"},{"at":"5","status":"affected"}]}]}]`
		open    = `"affected":[{` + bash + `,"versions":[{"status":"affected","version":"4","lessThan":"*"},{"status":"unaffected","version":"3"}]}]`
	)
	for _, tt := range []struct{ cna, adp, want string }{
		{cpe5, cpe4, "gnu:bash [{0   } { 5  }]"},
		{text, cpe4, "gnu:bash [{0   } {  4 }]"},
		{cpe5 + "," + conf, "", "gnu:bash [{0   } { 6  }]"},
		{text, text, ""},
		{"", conf, "gnu:bash [{0   } { 6  }]"},
		{changes, "", "gnu:bash [{4   } { 4.3  } {5   } { 6  }]"},
		{open, "", "gnu:bash [{4   }]"},
	} {
		a, err := convert(doc(tt.cna, tt.adp))
		got := ""
		for _, af := range a.Affected {
			got += af.Package.Name
			for _, r := range af.Ranges {
				got += fmt.Sprintf(" %v", r.Events)
			}
		}
		if err != nil || got != tt.want {
			t.Errorf("%s / %s: %s, %v, want %s", tt.cna, tt.adp, got, err, tt.want)
		}
	}
}

// A version that is a text gives no entry: by the order of some ecosystem it would
// compare with any version.
func TestNoAccident(t *testing.T) {
	entry := func(rest, versions string) string { return `"affected":[{` + rest + `"versions":[` + versions + `]}]` }
	fixed := `{"status":"affected","version":"0","lessThan":"5"}`
	for _, tt := range []struct{ cna, want string }{
		{entry(bash+",", `{"status":"affected","version":"n/a"}`), leftText},
		{entry(bash+",", `{"status":"affected","version":"*"}`), leftText},
		{entry(bash+",", `{"status":"affected","version":"unspecified"}`), leftText},
		{entry(bash+",", `{"status":"affected","version":"<= 5.1"}`), leftText},
		{entry(bash+",", `{"status":"affected","version":"Fixed version 5.1"}`), leftText},
		{entry(bash+",", `{"status":"affected","version":"< 5","lessThan":"unspecified"}`), leftText},
		{entry(bash+",", `{"status":"affected","version":"0","lessThan":"n/a"}`), leftText},
		{entry(bash+",", `{"status":"affected","version":"before 4","lessThan":"5"}`), leftText},
		{entry(bash+",", `{"status":"affected","version":"4","lessThanOrEqual":"5.*"}`), leftText},
		{entry(bash+",", `{"status":"affected","version":"4","lessThan":"5","changes":[{"at":"none","status":"unaffected"}]}`), leftText},
		{entry(bash+",", `{"status":"affected","version":"4","lessThan":"5","changes":[{"at":"4.1","status":"unknown"}]}`), leftText},
		{entry(bash+",", `{"status":"affected","version":"4f0b3a1","lessThan":"5a1b2c3","versionType":"git"}`), leftCommits},
		{entry(bash+`,"defaultStatus":"affected",`, `{"status":"unaffected","version":"5"}`), leftDefault},
		{entry(bash+",", `{"status":"unaffected","version":"5"}`), ""},
		{entry(bash+",", `{"status":"unknown","version":"0","lessThan":"5"}`), ""},
		{entry(bash+",", ""), ""},
		{entry("", fixed), ""},
		{entry(bash+`,"packageName":"bash",`, fixed), ""},
		{entry(bash+`,"collectionURL":"https://access.redhat.com",`, fixed), ""},
		{entry(bash+`,"platforms":["Windows","macOS"],`, fixed), ""},
	} {
		r, err := record.Parse(doc(tt.cna, ""))
		if err != nil {
			t.Fatal(err)
		}
		got, left := affected(&r)
		if len(got) != 0 || (tt.want == "") != (len(left) == 0) || tt.want != "" && left[tt.want] != 1 {
			t.Errorf("%s: %+v, left %v, want %q", tt.cna, got, left, tt.want)
		}
	}
}

// What is converted is a valid record, whose entries have something to compare.
func FuzzConvert(f *testing.F) {
	for _, b := range genuine(f) {
		f.Add(b)
	}
	f.Add(doc(`"affected":[{`+bash+`,"versions":[{"status":"affected","version":"4","lessThan":"6","changes":[{"at":"5","status":"unaffected"}]}]}]`, ""))
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
			for _, r := range af.Ranges {
				for _, e := range r.Events {
					if v := e.Introduced + e.Fixed + e.LastAffected; af.Package.Ecosystem == applicability.Ecosystem && !applicability.IsVersion(v) {
						t.Fatalf("%q is not a version", v)
					}
				}
			}
		}
	})
}
