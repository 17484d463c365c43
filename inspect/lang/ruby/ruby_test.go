package ruby

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"assay/check/testkit"
	"assay/inspect/inventory"
)

func is(got []inventory.Package, name, version, path string) bool {
	return len(got) == 1 && got[0].Type == "gem" && got[0].Name == name && got[0].Version == version &&
		slices.Equal(got[0].Evidence, []inventory.Evidence{{Path: path, Kind: Kind}})
}

// find returns the gems that are installed below root, as "name version", sorted and
// without repetitions.
func find(t testing.TB, root string) []string {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(file string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil || !slices.Contains(Exts(), filepath.Ext(rel)) || !Wants(rel) {
			return err
		}
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		packages, err := Read(f, rel)
		if err != nil {
			t.Errorf("%s: %v", rel, err)
		}
		for _, p := range packages {
			if !is(packages, p.Name, p.Version, rel) {
				t.Errorf("%s: %v", rel, packages)
			}
			found[p.Name+" "+p.Version] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(found))
}

// The specifications of Debian's Ruby, as gem list shows them.
func TestRead(t *testing.T) {
	dir := testkit.Path(t, "lang", "ruby", "debian12-specifications")
	text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []struct{ Name, Version string }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, p := range list {
		want[p.Name+" "+p.Version] = true
	}
	if len(want) != 90 {
		t.Fatalf("%d gems are expected, not 90", len(want))
	}
	if got := find(t, dir); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		t.Errorf("found %q\nwant %q", got, slices.Sorted(maps.Keys(want)))
	}
}

// others returns the specifications in the tests of other scanners.
func others(t testing.TB) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, from := range []string{"from-syft", "from-trivy", "from-osv-scalibr"} {
		archive, err := zip.OpenReader(testkit.Path(t, "lang", "ruby-gemspec", from, "files.zip"))
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
			files[from+"/"+path.Base(f.Name)] = string(text)
		}
	}
	return files
}

func TestReadOthers(t *testing.T) {
	want := map[string]string{ // "name version" or the error
		"from-osv-scalibr/rss-0.2.9.gemspec":      "rss 0.2.9",
		"from-osv-scalibr/yaml-0.2.1.gemspec":     "yaml 0.2.1",
		"from-syft/bundler.gemspec":               "bundler 2.1.4",
		"from-syft/unbundler.gemspec":             "unbundler 3.1.4", // the stub, on line 3, has 2.1.4
		"from-trivy/license.gemspec":              "async 1.25.0",
		"from-trivy/multiple_licenses.gemspec":    "test-unit 3.3.7",
		"from-trivy/normal00.gemspec":             "rake 13.0.3",
		"from-trivy/normal01.gemspec":             "async 1.25.0",
		"from-trivy/empty_name.gemspec":           "test-unit 3.3.7", // "" is assigned; this is in the stub
		"from-trivy/malformed00.gemspec":          "name is missing or not a plain string",
		"from-trivy/malformed01.gemspec":          `gem "async": version is missing or not a plain string`,
		"from-osv-scalibr/badspec.gemspec":        "name is missing or not a plain string",
		"from-osv-scalibr/invalid.gemspec":        "name is missing or not a plain string",
		"from-osv-scalibr/version_inline.gemspec": `gem "example_inline": version is missing or not a plain string`,
		"from-syft/root.gemspec":                  "name is missing or not a plain string",
		"from-syft/nested.gemspec":                "name is missing or not a plain string",
	}
	files := others(t)
	for name, text := range files {
		got, err := Read(strings.NewReader(text), name)
		said := "nothing"
		switch {
		case err != nil:
			said = err.Error()
			if got != nil {
				t.Errorf("%s: %v with an error", name, got)
			}
		case len(got) == 1:
			said = got[0].Name + " " + got[0].Version
		}
		if said != want[name] {
			t.Errorf("%s: %s, want %q", name, said, want[name])
		}
	}
	if len(files) != len(want) {
		t.Errorf("%d files, want %d", len(files), len(want))
	}
}

// What gem list 3.3 shows for such specifications.
func TestReadForm(t *testing.T) {
	const begin = "Gem::Specification.new do |s|\n"
	for _, c := range []struct{ text, want string }{
		{"# x\n# stub: aa 1.0 ruby lib\n" + begin + " s.name = 'bb'\n s.version = '2.0'\n", "bb 2.0"},
		{"# frozen\n# x\n# stub: aa 1.0 ruby lib\n" + begin + " s.name = 'aa'\n s.version = '3.1'\n", "aa 3.1"},
		{"# x\n# stub: aa 1.0 x86_64-linux lib\n" + begin + " s.name = 'aa'\n s.version = V\n", "aa 1.0"},
		{begin + " s.name = %q{aa}\r\n s.version = %q<1.0>.freeze # so it is\n", "aa 1.0"},
		{"Gem::Specification.new { |spec|\nspec.version=\"1.0\"\nspec.name=\"aa\"}\nspec.name = \"bb\"", "bb 1.0"},
		{begin + " # " + strings.Repeat("x", 3*maxLine) + "\n s.name = 'aa'\n s.version = '1.0.pre'", "aa 1.0.pre"},
	} {
		got, err := Read(strings.NewReader(c.text), "p")
		name, version, _ := strings.Cut(c.want, " ")
		if err != nil || !is(got, name, version, "p") {
			t.Errorf("%.90q: %v, %v; want %s", c.text, got, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"":                           "name is missing or not a plain string",
		"# x\n# stub: aa 1.0 ruby\n": "name is missing or not a plain string",
		begin + " s.name = \"a#{x}\"\n s.version = '1'\n":             "name is missing or not a plain string",
		begin + " s.name = 'a' + x\n s.version = '1'\n":               "name is missing or not a plain string",
		begin + " s.name = 'a' if x\n s.version = '1'\n":              "name is missing or not a plain string",
		begin + " s.names = 'a'\n other.name = 'a'\n s.version = '1'": "name is missing or not a plain string",
		"s.name = 'a'\ns.version = '1'\n":                             "name is missing or not a plain string",
		begin + " s.name = 'a b'\n s.version = '1'\n":                 `invalid gem name "a b"`,
		begin + " s.name = 'a'\n s.version = 'one'\n":                 `gem "a": invalid version "one"`,
		begin + " s.name = 'a'\n s.version = '1..2'\n":                `gem "a": invalid version "1..2"`,
		begin + " s.name = 'a'\n s.version = '1.'\n":                  `gem "a": invalid version "1."`,
		"# x\n# stub: a 0x\\0 ruby lib\n":                             `gem "a": invalid version "0x\\0"`,
		begin + strings.Repeat("\n", maxLines) + " s.name = 'a'\n":    "name is missing or not a plain string",
	} {
		if got, err := Read(strings.NewReader(text), "p"); err == nil || err.Error() != want || got != nil {
			t.Errorf("%.90q: %v, %v; want %s", text, got, err, want)
		}
	}
	broken := errors.New("disk on fire")
	if got, err := Read(io.MultiReader(strings.NewReader(begin+"s.name = 'a'\n"), iotest.ErrReader(broken)), "p"); !errors.Is(err, broken) || got != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

// FuzzRead checks that a gem has a name and a version that occur in the text, and that
// the result does not depend on how the text is split into reads or on what follows.
func FuzzRead(f *testing.F) {
	for _, text := range others(f) {
		f.Add(text[:min(len(text), 400)])
	}
	f.Add("# x\n# stub: aa 1.0 x86_64-linux lib\nGem::Specification.new { |x|\n x.name = %q{a}\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Read(strings.NewReader(text), "p")
		if (err == nil) != (len(got) == 1) {
			t.Fatalf("%v, %v", got, err)
		}
		again, err2 := Read(iotest.OneByteReader(strings.NewReader(text)), "p")
		if (err == nil) != (err2 == nil) || len(got) != len(again) {
			t.Fatalf("%v, %v; in pieces %v, %v", got, err, again, err2)
		}
		for i, p := range got {
			if !is(again, p.Name, p.Version, "p") || !strings.Contains(text, p.Name) || !strings.Contains(text, p.Version) ||
				!isName(p.Name) || !isVersion(p.Version) {
				t.Errorf("%v; in pieces %v", p, again[i])
			}
		}
	})
}
