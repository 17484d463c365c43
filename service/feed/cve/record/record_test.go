package record

import (
	"archive/zip"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
)

// genuine returns the genuine CVE records of the test data by path.
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
	archives, err := filepath.Glob(testkit.Path(t, "feeds", "cve5") + "/*.zip")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range archives {
		z, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		for _, f := range z.File {
			if strings.HasSuffix(f.Name, ".json") {
				r, err := f.Open()
				keep(filepath.Base(path)+"/"+f.Name, r, err)
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

// Every genuine published record is read. Those of the Go project are drafts of its CNA,
// which have no state.
func TestGenuine(t *testing.T) {
	got := map[string]int{}
	for name, b := range genuine(t) {
		r, err := Parse(b)
		draft := strings.HasPrefix(name, "go-vulndb.zip/")
		switch {
		case draft && err != nil && strings.Contains(err.Error(), `unknown state ""`):
			got["draft"]++
		case draft || err != nil:
			t.Errorf("%s: %v", name, err)
		default:
			got[r.Metadata.State]++
			if id := strings.TrimSuffix(filepath.Base(name), ".json"); !strings.Contains(id, r.Metadata.ID) {
				t.Errorf("%s has the id %s", name, r.Metadata.ID)
			}
			if r.Modified().Year() < 1999 {
				t.Errorf("%s was modified %s", name, r.Modified())
			}
		}
	}
	if want := map[string]int{"draft": 239, Published: 119, Rejected: 1}; !maps.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

func document(metadata, cna string) string {
	return `{"dataType":"CVE_RECORD","dataVersion":"5.1","cveMetadata":{` + metadata + `},"containers":{"cna":{` + cna + `}}}`
}

const published = `"cveId":"CVE-2024-1234","state":"PUBLISHED","dateUpdated":"2024-01-02T03:04:05"`

func TestParse(t *testing.T) {
	for _, tt := range []struct{ doc, want string }{
		{document(published, ""), ""},
		{document(strings.ReplaceAll(published, "PUBLISHED", "RESERVED"), ""), `unknown state "RESERVED"`},
		{document(`"cveId":"CVE-2024-1","state":"PUBLISHED"`, ""), "invalid CVE ID"},
		{document(`"cveId":"CVE-2024-1234","state":"PUBLISHED"`, ""), "has no time"},
		{document(`"cveId":"CVE-2024-1234","state":"PUBLISHED","dateUpdated":"yesterday"`, ""), `invalid time "yesterday"`},
		{document(published, `"affected":[{"versions":"1.0"}]`), "not a CVE record"},
		{strings.Replace(document(published, ""), "5.1", "6.0", 1), `unsupported data version "6.0"`},
		{`{"dataType":"CVE_RECORD","cveMetadata":[]}`, "not a CVE record"},
		{`{"id":"CVE-2024-1234","modified":"2024-01-02T03:04:05Z"}`, "not a CVE record"},
		{document(published, "")[:60], "unexpected end of JSON input"},
		{`null`, "not a CVE record"},
		{``, "not a CVE record"},
		{strings.Repeat(" ", 17<<20), "more than 16777216"},
	} {
		_, err := Parse([]byte(tt.doc))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%.100s: %v, want %q", tt.doc, err, tt.want)
		}
	}
}

func TestModified(t *testing.T) {
	const id = `"cveId":"CVE-2024-1234","state":"REJECTED",`
	for metadata, want := range map[string]string{
		`"dateUpdated":"2024-01-02T03:04:05","dateRejected":"2025-01-01T00:00:00Z"`:        "2024-01-02T03:04:05Z",
		`"datePublished":"2024-01-02T03:04:05+01:00","dateReserved":"2023-01-01T00:00:00"`: "2024-01-02T02:04:05Z",
		`"dateReserved":"2023-01-01T00:00:00","dateRejected":"2024-01-02T03:04:05.678Z"`:   "2024-01-02T03:04:05.678Z",
		`"dateUpdated":"","datePublished":"2024-01-02T03:04:05"`:                           "2024-01-02T03:04:05Z",
	} {
		r, err := Parse([]byte(document(id+metadata, "")))
		if err != nil || r.Modified().Format(time.RFC3339Nano) != want {
			t.Errorf("%s: %s, %v, want %s", metadata, r.Modified(), err, want)
		}
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"Everest Backup\u00a0":       "Everest Backup",
		`Bob\&#039;s  &amp; Co`:      "Bob's & Co",
		"Jetpack \u2013 WP Security": "Jetpack \u2013 WP Security",
		" a\n\tb ":                   "a b",
	} {
		if got := Plain(in); got != want {
			t.Errorf("Plain(%q) = %q, want %q", in, got, want)
		}
	}
}

// A record that is read has an id, a known state and a time.
func FuzzParse(f *testing.F) {
	for _, b := range genuine(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil {
			return
		}
		if r.Metadata.ID == "" || r.Modified().IsZero() || r.Metadata.State == "" {
			t.Errorf("read %+v", r.Metadata)
		}
		Plain(r.Containers.CNA.English())
	})
}
