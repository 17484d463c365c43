package python

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"assay/check/testkit"
	"assay/inspect/inventory"
)

// listed has the expected content of the records in a folder of the test data. An empty
// name or version is missing in the record.
type listed struct{ Path, Name, Version string }

// records returns the folders of records in the test data.
func records(t testing.TB) map[string][]listed {
	t.Helper()
	all := map[string][]listed{}
	for _, name := range []string{"debian12-dist-packages", "from-syft"} {
		dir := testkit.Path(t, "lang", "python", name)
		text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
		if err != nil {
			t.Fatal(err)
		}
		var list []listed
		if err := json.Unmarshal(text, &list); err != nil {
			t.Fatal(err)
		}
		all[dir] = list
	}
	return all
}

func TestReadMetadata(t *testing.T) {
	whole, damaged := 0, 0
	for dir, list := range records(t) {
		for _, e := range list {
			f, err := os.Open(filepath.Join(dir, e.Path))
			if err != nil {
				t.Fatal(err)
			}
			got, err := ReadMetadata(f, e.Path)
			f.Close()
			switch {
			case e.Name == "" || e.Version == "":
				damaged++
				if err == nil || got != nil {
					t.Errorf("%s: %v, %v; want an error", e.Path, got, err)
				}
			case e.Name == "Python": // the standard library
				if err != nil || got != nil {
					t.Errorf("%s: %v, %v; want nothing", e.Path, got, err)
				}
			default:
				whole++
				want := inventory.Package{
					Type: "pypi", Name: e.Name, Version: e.Version,
					Evidence: []inventory.Evidence{{Path: e.Path, Kind: Kind}},
				}
				if err != nil || !equal(got, want) {
					t.Errorf("%s: %v, %v; want %v", e.Path, got, err, want)
				}
			}
		}
	}
	if whole != 30 || damaged != 6 {
		t.Errorf("%d whole records and %d damaged ones, want 30 and 6", whole, damaged)
	}
}

func equal(got []inventory.Package, want inventory.Package) bool {
	return len(got) == 1 && got[0].Type == want.Type && got[0].Name == want.Name && got[0].Version == want.Version &&
		slices.Equal(got[0].Evidence, want.Evidence)
}

// The name and version that pip 23.2 reads in such records. Records that pip skips or
// fails on give an error, and so do names and versions that no index has.
func TestReadMetadataForm(t *testing.T) {
	for _, c := range []struct{ text, name, version, err string }{
		{text: "Metadata-Version: 2.1\nName: a\nVersion: 1.0\n", name: "a", version: "1.0"},
		{text: "Metadata-Version: 2.1\r\nName: a\r\nVersion: 1.0\r\n", name: "a", version: "1.0"},
		{text: "name:a\nVERSION:\n 1.0\nName: other\nVersion: 2\n", name: "a", version: "1.0"},
		{text: "Version: 1.0\nSummary: long\n  Name: no\n\tVersion: no\nName: a", name: "a", version: "1.0"},
		{text: "Name: a\nVersion: 1.0\n\xff\xfe", name: "a", version: "1.0"},
		{text: "Keywords: " + strings.Repeat("x ", maxLine) + "\nName: a\nVersion: 1\n", name: "a", version: "1"},
		{text: "Name: Zope.Interface_x-y\nVersion: 1!2.0+local\n", name: "Zope.Interface_x-y", version: "1!2.0+local"},
		{text: "", err: "no Name"},
		{text: "Metadata-Version: 2.1\nVersion: 1.0\n", err: "no Name"},
		{text: "Name:\nVersion: 1.0\n", err: "no Name"},
		{text: "\nName: a\nVersion: 1.0\n", err: "no Name"},
		{text: "Name : a\nVersion: 1.0\n", err: "no Name"},
		{text: "what is this\nName: a\nVersion: 1.0\n", err: "no Name"},
		{text: "\xef\xbb\xbfName: a\nVersion: 1.0\n", err: "no Name"},
		{text: "Name: a\n\nVersion: 1.0\n", err: `package "a": no Version`},
		{text: "Name: a\nVersion: not one\n", err: `package "a": invalid version "not one"`},
		{text: "Name: a\nVersion: 1.0\xe9\n", err: `package "a": invalid version "1.0\xe9"`},
		{text: "Name: a b\nVersion: 1\n", err: `invalid package name "a b"`},
		{text: "Name: -a\nVersion: 1\n", err: `invalid package name "-a"`},
		{text: "Name: a\x00\nVersion: 1\n", err: `invalid package name "a\x00"`},
		{text: "Name: " + strings.Repeat("x", maxValue+1) + "\nVersion: 1\n", err: "value longer than 1024 bytes"},
		{text: "Name: a" + strings.Repeat(" ", maxLine) + "b\nVersion: 1\n", err: "value longer than 1024 bytes"},
		{text: "Name: a\nVersion: 1" + strings.Repeat("\n "+strings.Repeat("1", 500), 5), err: "value longer than 1024 bytes"},
	} {
		got, err := ReadMetadata(strings.NewReader(c.text), "p")
		short := c.text[:min(len(c.text), 60)]
		if c.err != "" {
			if err == nil || err.Error() != c.err || got != nil {
				t.Errorf("%q: %v, error %v, want %q", short, got, err, c.err)
			}
			continue
		}
		if err != nil || len(got) != 1 || got[0].Name != c.name || got[0].Version != c.version {
			t.Errorf("%q: %v, %v", short, got, err)
		}
	}
	for _, name := range []string{"Python", "argparse", "wsgiref"} {
		if got, err := ReadMetadata(strings.NewReader("Name: "+name+"\nVersion: 1\n"), "p"); err != nil || got != nil {
			t.Errorf("%s: %v, %v; pip does not list it", name, got, err)
		}
	}
}

// A record is read no further than necessary. Reading an endless record stops at the
// first header that is too long.
func TestReadMetadataEndless(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("Name: a\nVersion: 1\nKeywords: "), zeros{})
	if got, err := ReadMetadata(endless, "p"); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := ReadMetadata(io.MultiReader(strings.NewReader("Name: "), zeros{}), "p"); err == nil {
		t.Error("no error")
	}
	broken := errors.New("disk on fire")
	r := io.MultiReader(strings.NewReader("Name: a\nVersion: 1"), iotest.ErrReader(broken))
	if got, err := ReadMetadata(r, "p"); !errors.Is(err, broken) || got != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// FuzzReadMetadata checks that a package has a name that the index could have and a
// version of one word, and that the result does not depend on how the record is split
// into reads or on what follows its headers.
func FuzzReadMetadata(f *testing.F) {
	for dir, list := range records(f) {
		for _, e := range list {
			data, err := os.ReadFile(filepath.Join(dir, e.Path))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(data[:min(len(data), 400)]))
		}
	}
	f.Add("name:a\nVERSION:\n 1.0\nName: other")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ReadMetadata(strings.NewReader(text), "p")
		if err != nil && got != nil || len(got) > 1 {
			t.Fatalf("%v, %v", got, err)
		}
		for _, p := range got {
			if strings.Trim(strings.ToLower(p.Name), "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" || strings.ContainsAny(p.Version, " \t\n") || p.Version == "" {
				t.Errorf("package %q %q", p.Name, p.Version)
			}
		}
		again, err2 := ReadMetadata(iotest.OneByteReader(strings.NewReader(text+"\n\nName: other\n")), "p")
		if (err == nil) != (err2 == nil) || len(got) != len(again) || len(got) == 1 && !equal(again, got[0]) {
			t.Errorf("%v, %v; in pieces %v, %v", got, err, again, err2)
		}
	})
}
