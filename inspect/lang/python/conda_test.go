package python

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"assay/check/testkit"
)

// condaRecords returns genuine records by their path.
func condaRecords(t testing.TB) map[string]string {
	t.Helper()
	records := map[string]string{}
	for _, from := range []string{"from-syft", "from-trivy"} {
		archive, err := zip.OpenReader(testkit.Path(t, "lang", "conda", from, "files.zip"))
		if err != nil {
			t.Fatal(err)
		}
		defer archive.Close()
		for _, f := range archive.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			records[f.Name] = string(text)
		}
	}
	return records
}

func TestReadConda(t *testing.T) {
	const damaged = "conda/conda-meta-bad-json/conda-meta/package-1.2.3-pyhd8ed1ab_0.json"
	found := map[string]string{}
	for path, text := range condaRecords(t) {
		got, err := ReadConda(strings.NewReader(text), path)
		if path == damaged {
			if err == nil || got != nil {
				t.Errorf("%s: %v, %v", path, got, err)
			}
			continue
		}
		var want struct{ Name, Version string }
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if err != nil || len(got) != 1 || got[0].Type != "conda" || got[0].Name != want.Name || got[0].Version != want.Version ||
			len(got[0].Evidence) != 1 || got[0].Evidence[0].Path != path || got[0].Evidence[0].Kind != CondaKind {
			t.Errorf("%s: %v, %v; want %v", path, got, err, want)
			continue
		}
		found[got[0].Name] = got[0].Version
	}
	if len(found) != 8 || found["openssl"] != "1.1.1q" || found["jupyterlab"] != "4.4.3" || found["_openmp_mutex"] != "5.1" {
		t.Errorf("found %v", found)
	}
}

func TestReadCondaForm(t *testing.T) {
	for _, c := range []struct{ text, err string }{
		{text: `{"name":"a","version":"1"}`},
		{text: ` { "x" : [ {"name":"no"}, "]}\"" ], "y":null,"name":"a", "z":-1e3 , "version":"1" }`},
		{text: `{"name":{"name":"no"},"name":"\u0061","version":"1"}`},
		{text: `{"long":"` + strings.Repeat("v", 1<<20) + `","name":"a","version":"1"}`},
		{text: ``, err: "unexpected EOF"},
		{text: `[{"name":"a","version":"1"}]`, err: "not a JSON object"},
		{text: `{}`, err: "no name"},
		{text: `{"name":"a"}`, err: `package "a": no version`},
		{text: `{"name":"a","version":1}`, err: `package "a": no version`},
		{text: `{"name":"a","version":"1`, err: "unexpected EOF"},
		{text: `{"name":"a",`, err: "unexpected EOF"},
		{text: `{"name":"a","version":"2"}`, err: `the record of package "a" "2" is in a file with another name`},
		{text: `{"name":"a","version":"1 2"}`, err: `invalid package name "a" or version "1 2"`},
	} {
		got, err := ReadConda(strings.NewReader(c.text), "conda-meta/a-1-0.json")
		short := c.text[:min(len(c.text), 60)]
		if c.err != "" {
			if err == nil || err.Error() != c.err || got != nil {
				t.Errorf("%s: %v, error %v, want %q", short, got, err, c.err)
			}
			continue
		}
		if err != nil || len(got) != 1 || got[0].Name != "a" || got[0].Version != "1" {
			t.Errorf("%s: %v, %v", short, got, err)
		}
	}
	got, err := ReadConda(strings.NewReader(`{"name":"a","version":"1","files":[`), "conda-meta/a-1-0.json")
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(got) != 1 || got[0].Name != "a" {
		t.Errorf("damaged after name and version: %v, %v", got, err)
	}
	broken := errors.New("disk on fire")
	if got, err := ReadConda(io.MultiReader(strings.NewReader(`{"name":"a"`), iotest.ErrReader(broken)), "a-1-0.json"); !errors.Is(err, broken) || got != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

// FuzzReadConda checks that encoding/json also finds each package, with the name in the
// file's name, and that a record without an error can be read by encoding/json.
func FuzzReadConda(f *testing.F) {
	for path, text := range condaRecords(f) {
		f.Add(text, path)
	}
	f.Add(`{"a":[{"name":"no"},"]"],"name":"e\"\u0041","f":null,"version":"1"}`, `e"A-1-0.json`)
	f.Fuzz(func(t *testing.T, text, path string) {
		got, err := ReadConda(strings.NewReader(text), path)
		for _, p := range got {
			if !strings.Contains(path, p.Name+"-"+p.Version) && utf8.ValidString(path) {
				t.Errorf("%q has package %q %q", path, p.Name, p.Version)
			}
		}
		var want map[string]any
		if err != nil || !utf8.ValidString(text) || json.Unmarshal([]byte(strings.TrimPrefix(text, "\ufeff")), &want) != nil {
			return
		}
		if len(got) != 1 || got[0].Name != want["name"] || got[0].Version != want["version"] {
			t.Errorf("%s: %v", text, got)
		}
	})
}
