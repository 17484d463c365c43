package r

import (
	"archive/zip"
	"errors"
	"io"
	gopath "path"
	"strings"
	"testing"
	"testing/iotest"

	"assay/check/testkit"
	"assay/inspect/inventory"
)

// genuine returns the DESCRIPTION files in the test data by their path.
func genuine(t testing.TB) map[string]string {
	t.Helper()
	files := map[string]string{}
	archive, err := zip.OpenReader(testkit.Path(t, "lang", "r", "from-syft", "files.zip"))
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
		files[f.Name] = string(text)
	}
	return files
}

func is(got []inventory.Package, typ, name, version, path string) bool {
	return len(got) == 1 && got[0].Type == typ && got[0].Name == name && got[0].Version == version &&
		len(got[0].Evidence) == 1 && got[0].Evidence[0] == inventory.Evidence{Path: path, Kind: Kind}
}

// Of these files only that of base was installed. That of stringr is from its source
// and has no Built, also if it is in the folder of an installed package.
func TestRead(t *testing.T) {
	installed := 0
	for path, text := range genuine(t) {
		got, err := Read(strings.NewReader(text), path)
		if strings.HasSuffix(path, "/base/DESCRIPTION") {
			installed++
			if err != nil || !is(got, "cran", "base", "4.3.0", path) {
				t.Errorf("%s: %v, %v", path, got, err)
			}
		} else if err != nil || got != nil {
			t.Errorf("%s: %v, %v; want nothing", path, got, err)
		}
	}
	if installed != 2 {
		t.Errorf("%d files of installed packages, want 2", installed)
	}
}

// Fields as in Debian's packages, and what R 4.2 reads in them.
func TestReadFields(t *testing.T) {
	const built = "Built: R 4.2.2; x86_64-pc-linux-gnu; 'Sun, 20 Nov 2022 19:34:31 +0100'; unix\n"
	for _, c := range []struct{ text, dir, typ, name, version, err string }{
		{text: "Package: Biobase\nbiocViews: Infrastructure\nVersion: 2.58.0\n" + built, dir: "Biobase", typ: "bioconductor", name: "Biobase", version: "2.58.0"},
		{text: "Package: MASS\r\nVersion: 7.3-58.2\r\nRepository: CRAN\r\nbiocViews:\r\n" + built, dir: "MASS", typ: "cran", name: "MASS", version: "7.3-58.2"},
		{text: "Package: a.b\nVersion: 1\nRepository: Bioconductor 3.18\n" + strings.TrimSpace(built), dir: "a.b", typ: "bioconductor", name: "a.b", version: "1"},
		{text: "Package: aa\nVersion: 1\nDescription: " + strings.Repeat("x ", maxLine) + "\n  Version: 2\n" + built, dir: "aa", typ: "cran", name: "aa", version: "1"},
		// In the library, but not listed.
		{text: "Package: translations\nVersion: 4.2.2\n", dir: "translations"},
		{text: "Package: othername\nVersion: 1.0\n" + built, dir: "withbuilt"},
		{text: "", dir: "x"},
		{text: "A description of something else.\n", dir: "x"},
		{text: "Package: aa\n" + built, dir: "aa", err: `package "aa": invalid version ""`},
		{text: "Package: aa\nVersion: 1 2\n" + built, dir: "aa", err: `package "aa": invalid version "1 2"`},
		{text: "Package: a-a\nVersion: 1\n" + built, dir: "a-a", err: `invalid package name "a-a"`},
		{text: "Package: a.\nVersion: 1\n" + built, dir: "a.", err: `invalid package name "a."`},
	} {
		path := "usr/lib/R/site-library/" + c.dir + "/DESCRIPTION"
		got, err := Read(strings.NewReader(c.text), path)
		switch {
		case c.err != "":
			if err == nil || err.Error() != c.err || got != nil {
				t.Errorf("%.60q: %v, %v; want %s", c.text, got, err, c.err)
			}
		case c.name == "":
			if err != nil || got != nil {
				t.Errorf("%.60q: %v, %v; want nothing", c.text, got, err)
			}
		case err != nil || !is(got, c.typ, c.name, c.version, path):
			t.Errorf("%.60q: %v, %v", c.text, got, err)
		}
	}
	broken := errors.New("disk on fire")
	if got, err := Read(iotest.ErrReader(broken), "a/DESCRIPTION"); !errors.Is(err, broken) || got != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestWants(t *testing.T) {
	for path, want := range map[string]bool{
		"usr/lib/R/library/base/DESCRIPTION":                                          true,
		"usr/local/lib/R/site-library/rlang/DESCRIPTION":                              true,
		"app/renv/library/R-4.2/x86_64-pc-linux-gnu/a/DESCRIPTION":                    true,
		"usr/share/doc/r-cran-rlang/tests/testthat/fixtures/rlanglibtest/DESCRIPTION": false,
		"src/testdata/base/DESCRIPTION":                                               false,
		"DESCRIPTION":                                                                 false,
		"base/DESCRIPTION.in":                                                         false,
	} {
		if got := Wants(path); got != want {
			t.Errorf("Wants(%q) = %v", path, got)
		}
	}
}

// FuzzRead checks that a package has the name of its folder, that its fields occur in
// the text, and that the result does not depend on how the text is split into reads.
func FuzzRead(f *testing.F) {
	for _, text := range genuine(f) {
		f.Add(text, "base")
	}
	f.Fuzz(func(t *testing.T, text, dir string) {
		path := "library/" + dir + "/DESCRIPTION"
		got, err := Read(strings.NewReader(text), path)
		again, err2 := Read(iotest.OneByteReader(strings.NewReader(text)), path)
		if (err == nil) != (err2 == nil) || len(got) != len(again) {
			t.Fatalf("%v, %v; in pieces %v, %v", got, err, again, err2)
		}
		for i, p := range got {
			if p.Name != gopath.Base(gopath.Dir(path)) || !strings.Contains(text, p.Version) || !is(again, p.Type, p.Name, p.Version, path) {
				t.Errorf("%v; in pieces %v", p, again[i])
			}
		}
	})
}
