package apk

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"assay/check/testkit"
	"assay/inspect/ident"
	"assay/inspect/inventory"
)

// expected is a package in an expected.json, which was not made with this package.
type expected struct {
	Name          string
	Version       string
	Arch          string
	Source        *string
	SourceVersion *string `json:"source_version"`
}

func (e expected) inventory() inventory.Package {
	p := inventory.Package{Type: "apk", Name: e.Name, Version: e.Version, Arch: e.Arch, Source: e.Name, SourceVersion: e.Version}
	if e.Source != nil {
		p.Source, p.SourceVersion = *e.Source, *e.SourceVersion
	}
	return p
}

// database returns a genuine database and its packages.
func database(t testing.TB, name string) (data []byte, packages []inventory.Package) {
	t.Helper()
	dir := testkit.Path(t, "pkgdb", "apk", name)
	data, err := os.ReadFile(filepath.Join(dir, InstalledFiles()[0]))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if errors.Is(err, os.ErrNotExist) { // damaged on purpose
		return data, nil
	}
	var list []expected
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		packages = append(packages, e.inventory())
	}
	return data, packages
}

func databases(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(testkit.Path(t, "pkgdb", "apk"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// identity removes what the lists of the genuine databases do not have.
func identity(t testing.TB, packages []inventory.Package, path string) []inventory.Package {
	t.Helper()
	packages = slices.Clone(packages)
	for i := range packages {
		if want := []inventory.Evidence{{Path: path, Kind: Kind}}; !slices.Equal(packages[i].Evidence, want) {
			t.Errorf("%s: evidence %v, want %v", packages[i].Name, packages[i].Evidence, want)
		}
		packages[i].Evidence, packages[i].Vendor = nil, ""
	}
	return packages
}

func TestDatabases(t *testing.T) {
	// The errors of the invalid databases.
	broken := map[string]string{
		"corrupt-syft":    `line 1: invalid field "this is a corrupt db"`,
		"invalid-scalibr": `line 1: invalid field "asdf", and 1 more invalid paragraphs`,
		// Its last line is a complete digest without a newline.
		"trivy-apk": `line 24: package "invalidPackageWithoutAVersion": no version (V)`,
	}
	total := 0
	for _, name := range databases(t) {
		t.Run(name, func(t *testing.T) {
			data, want := database(t, name)
			switch name {
			case "corrupt-syft": // the second paragraph is valid
				want = []inventory.Package{{
					Type: "apk", Name: "alpine-baselayout-data", Version: "3.2.0-r22", Arch: "x86_64",
					Source: "alpine-baselayout", SourceVersion: "3.2.0-r22",
				}}
			case "trivy-apk": // its list has one that is invalid
				want = slices.DeleteFunc(want, func(p inventory.Package) bool { return p.Version == "" })
			}
			got, err := ReadInstalled(bytes.NewReader(data), "db")
			if text, ok := broken[name]; ok {
				if err == nil || !strings.Contains(err.Error(), text) {
					t.Errorf("error %v, want %q", err, text)
				}
			} else if err != nil {
				t.Error(err)
			}
			if name == "trivy-apk" && strings.Contains(err.Error(), "more") {
				t.Error(err)
			}
			if got := identity(t, got, "db"); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			total += len(got)
		})
	}
	if total != 14+14+13+31+15+15+1+1+4+14+1 {
		t.Errorf("%d packages", total)
	}
}

// The output of apk-tools 3 for a package with its kind of digests and for a virtual
// package, with what no database in the test data has.
const synthetic = "C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\n" +
	"P:lib\xe9\nV:1.0_rc1~abc-r0\nA:\nS:1\nI:1\nT:\nU:\nL:\no:origin\nm: A. Packager <a@example.com> \n" +
	"t:1\ng:tag\nf:xS\nF:\nR:top\nZ:Q1LCa0a2j/xo/5m0U8HTBBNBNCLXA=\n" +
	"F:usr/lib\nM:0:0:755\nR:none\na:0:0:644\nR:whole\nZ:Q2LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564=\n\n" +
	"C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:.build-deps\nV:20260101.120000\nA:noarch\n"

func TestFields(t *testing.T) {
	got, err := ReadInstalled(strings.NewReader(synthetic), "usr/lib/apk/db/installed")
	if err != nil {
		t.Fatal(err)
	}
	at := []inventory.Evidence{{Path: "usr/lib/apk/db/installed", Kind: "apk"}}
	want := []inventory.Package{
		{
			Type: "apk", Name: `lib\xe9`, Version: "1.0_rc1~abc-r0", Source: "origin", SourceVersion: "1.0_rc1~abc-r0",
			Vendor: "A. Packager <a@example.com>", Evidence: at,
		},
		{
			Type: "apk", Name: ".build-deps", Version: "20260101.120000", Arch: "noarch",
			Source: ".build-deps", SourceVersion: "20260101.120000", Evidence: at,
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestVendor(t *testing.T) {
	data, _ := database(t, "alpine-3.10")
	packages, err := ReadInstalled(bytes.NewReader(data), "db")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := packages[0].Vendor, "Timo Teräs <timo.teras@iki.fi>"; got != want {
		t.Errorf("vendor %q, want %q", got, want)
	}
}

func TestBroken(t *testing.T) {
	const before, after = "P:a\nV:1\n\n", "\nP:z\nV:1\n\n"
	tests := []struct {
		name, middle, err string
		kept              bool // the package in the middle is kept
	}{
		{"no field", "P:b\nnonsense\nV:1\n", `line 5: invalid field "nonsense"`, false},
		{"one letter", "P:b\nV\n", `line 5: invalid field "V"`, false},
		{"no letter", "P:b\nV:1\n1:2\n", `invalid field "1:2"`, false},
		{"no name", "V:1\n", "line 5: paragraph without a name (P)", false},
		{"empty name", "P:\nV:1\n", "paragraph without a name (P)", false},
		{"no version", "P:b\nA:x\n", `package "b": no version (V)`, false},
		{"name with a space", "P:b c\nV:1\n", `invalid P "b c"`, false},
		{"version with a control character", "P:b\nV:1\x1b[0m\n", `invalid V "1\x1b[0m"`, false},
		{"carriage returns", "P:b\r\nV:1\r\n", `invalid P "b\r"`, false},
		{"origin with a tab", "P:b\nV:1\no:x\ty\n", `invalid o "x\ty"`, false},
		{"second name", "P:b\nP:c\nV:1\n", "line 5: repeated P", false},
		{"second version", "P:b\nV:1\nV:2\n", "repeated V", false},
		{"long version", "P:b\nV:" + strings.Repeat("1", maxValue+1) + "\n", `'V' longer than 4096 bytes`, false},
		{"very long version", "P:b\nV:" + strings.Repeat("1", 3*maxLine) + "\n", `'V' longer than 4096 bytes`, false},
		{"very long line that is not a field", "P:b\nV:1\n" + strings.Repeat("x", 3*maxLine) + "\n", `longer than`, false},
		{"file before its folder", "P:b\nV:1\nR:x\n", "file (R) before its folder", false},
		{"folder of no package", "F:usr\nR:x\n", "line 4: paragraph without a name (P)", false},
		{"field after the files", "P:b\nV:1\nF:usr\nA:x\n", "line 7: A after the files", true},
		{"empty line lost", "P:b\nV:1\nF:usr\nR:x\nC:Q1\nP:c\nV:1\n", "line 9: P after the files", true},
		{"file without name", "P:b\nV:1\nF:usr\nR:\n", "file (R) without a name", true},
		{"digest of no file", "P:b\nV:1\nF:usr\nZ:Q1kiljhXXH1LlQroHsEJIkPZg2eiw=\n", "digest (Z) without a file", true},
		{"no digest", "P:b\nV:1\nF:usr\nR:x\nZ:Q1kiljh\n", "invalid digest (Z)", true},
		{"digest of another kind", "P:b\nV:1\nF:usr\nR:x\nZ:Q3kiljhXXH1LlQroHsEJIkPZg2eiw=\n", "invalid digest (Z)", true},
		{"long path", "P:b\nV:1\nF:" + strings.Repeat("x", maxValue+1) + "\n", `'F' longer than 4096 bytes`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packages, err := ReadInstalled(strings.NewReader(before+tt.middle+after), "db")
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			want := "a z"
			if tt.kept {
				want = "a b z"
			}
			if got := names(packages); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 200 {
				t.Errorf("error of %d bytes, with a line feed: %q", len(err.Error()), err)
			}
		})
	}
}

func names(packages []inventory.Package) string {
	var names []string
	for _, p := range packages {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ")
}

func TestWholeAllTheSame(t *testing.T) {
	for name, text := range map[string]string{
		"empty":              "",
		"only empty lines":   "\n\n\n",
		"long list":          "P:b\nV:1\np:" + strings.Repeat("so:x=1 ", maxLine) + "\n\n",
		"long last line":     "P:b\nV:1\nD:" + strings.Repeat("x", maxLine) + "\n",
		"unknown field":      "P:b\nV:1\nX:y\nx:\n\n",
		"no last empty line": "P:b\nV:1\n",
	} {
		packages, err := ReadInstalled(strings.NewReader(text), "db")
		want := ""
		if strings.Contains(text, "P:") {
			want = "b"
		}
		if got := names(packages); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

// A last line without a newline is accepted if it cannot be the beginning of a longer
// line with another meaning.
func TestLastLine(t *testing.T) {
	const fields = "P:b\nV:1\nA:x\no:s\nm:M\n"
	for text, whole := range map[string]bool{
		fields + "D:c":         true,
		fields + "t:1":         true,
		fields + "i:c d":       true,
		fields[:len(fields)-1]: true,
		fields + "F:usr\nR:c\nZ:Q1kiljhXXH1LlQroHsEJIkPZg2eiw=": true,
		fields + "F:usr\nR:c\nZ:Q1kiljhXXH1LlQroHsEJIkPZg2eiw":  false,
		fields + "F:usr\nR:c":                          false,
		fields + "F:usr":                               false,
		fields + "F:usr\na:0:0:75":                     false,
		fields + "F:usr\nD:c":                          false,
		fields + "D":                                   false,
		fields + "\nP:c\nV:1":                          false,
		"P:b\nV:1\nA:x\no:s":                           false,
		"P:b\nV:1\nA:x\nD:c":                           false,
		"P:b\nA:x\no:s\nD:c":                           false,
		fields + "D:" + strings.Repeat("x", 2*maxLine): false,
	} {
		packages, err := ReadInstalled(strings.NewReader("P:a\nV:1\n\n"+text), "db")
		if whole && (err != nil || names(packages) != "a b" || packages[1].Source != "s") ||
			!whole && (err == nil || len(packages) > 2 || strings.Contains(names(packages), "c")) {
			t.Errorf("%.60q: %q, %v", text, names(packages), err)
		}
	}
}

// A database as it is after an editor has removed the last newline.
func TestWithoutLastNewline(t *testing.T) {
	data, err := os.ReadFile(testkit.Path(t, "faults", "inventory", "apk-no-newline", InstalledFiles()[0]))
	if err != nil {
		t.Fatal(err)
	}
	packages, err := ReadInstalled(bytes.NewReader(data), "db")
	if n := bytes.Count(data, []byte("\nP:")); err != nil || len(packages) != n || packages[n-1].Name != "libc-utils" {
		t.Errorf("%q, want %d, %v", names(packages), n, err)
	}
}

// If a database cannot be read to its end, the packages with complete fields are
// returned.
func TestReadError(t *testing.T) {
	failure := errors.New("input/output error")
	for text, want := range map[string]string{
		"":                                   "",
		"P:a\nV:1\n":                         "",
		"P:a\nV:1\n\nP:b\n":                  "a",
		"P:a\nV:1\n\nP:b\nV:1\nF:usr\nR:x":   "a b",
		"nonsense\n\nP:b\nV:1\nF:usr\nR:x\n": "b",
	} {
		packages, err := ReadInstalled(io.MultiReader(strings.NewReader(text), iotest.ErrReader(failure)), "db")
		if got := names(packages); got != want || !errors.Is(err, failure) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestTooManyPackages(t *testing.T) {
	text := strings.Repeat("P:a\nV:1\n\n", maxPackages+1)
	packages, err := ReadInstalled(strings.NewReader(text), "db")
	if len(packages) != maxPackages || err == nil || !strings.Contains(err.Error(), "line 300001: more than 100000 packages") {
		t.Errorf("%d packages, %v", len(packages), err)
	}
}

// TestTwoFolders: a database in both folders gives packages that differ only in their
// evidence and are merged.
func TestTwoFolders(t *testing.T) {
	data, _ := database(t, "alpine-3.11")
	var all [2][]inventory.Package
	for i, path := range InstalledFiles() {
		packages, err := ReadInstalled(bytes.NewReader(data), path)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = identity(t, packages, path)
	}
	if len(all[0]) != 14 || !reflect.DeepEqual(all[0], all[1]) {
		t.Errorf("%d and %d packages that are not the same", len(all[0]), len(all[1]))
	}
}

// A database that is cut at any byte gives only complete packages, all packages before
// the cut, and an error if the cut is within a line, unless everything that is kept of
// the package precedes it.
func TestTruncated(t *testing.T) {
	data, all := few(t)
	ends := []int{0}
	for i := range data {
		if bytes.HasSuffix(data[:i+1], []byte("\n\n")) {
			ends = append(ends, i+1)
		}
	}
	for n := range data {
		got, err := ReadInstalled(bytes.NewReader(data[:n]), "db")
		whole, _ := slices.BinarySearch(ends, n+1) // paragraphs that end at or before n
		whole--
		if len(got) < whole || shared(got, all) < whole || len(got) > whole+1 {
			t.Fatalf("cut at %d: %d packages, want %d", n, len(got), whole)
		}
		within := n > 0 && data[n-1] != '\n'
		if within && err == nil {
			if len(got) != whole+1 {
				t.Fatalf("cut at %d, within a line: no error", n)
			}
			if data[bytes.LastIndexByte(data[:n], '\n')+1] == 'm' { // the cut is in the maintainer
				got[whole].Vendor = all[whole].Vendor
			}
			if !reflect.DeepEqual(got[whole], all[whole]) {
				t.Fatalf("cut at %d: %+v without an error", n, got[whole])
			}
		}
		if len(got) > whole && (got[whole].Name != all[whole].Name || got[whole].Version != all[whole].Version) {
			t.Fatalf("cut at %d: %+v", n, got[whole])
		}
	}
}

// A flipped bit changes one package, or the package is missing and there is an error.
// No other package is affected, except the next one if the bit was in the line between
// them.
func TestBitFlips(t *testing.T) {
	data, all := few(t)
	for i := range data {
		damaged := bytes.Clone(data)
		damaged[i] ^= 1 << (i % 8)
		got, err := ReadInstalled(bytes.NewReader(damaged), "db")
		same := shared(got, all)
		if same < len(all)-2 || same < len(all)-1 && data[i] != '\n' {
			t.Fatalf("byte %d: only %d of %d packages are left", i, same, len(all))
		}
		if len(got) < len(all) && err == nil {
			t.Fatalf("byte %d: %d of %d packages without an error", i, len(got), len(all))
		}
	}
}

// few returns a part of a genuine database that is small enough to be read thousands of
// times, and its packages.
func few(t *testing.T) ([]byte, []inventory.Package) {
	t.Helper()
	data, _ := database(t, "alpine-3.11")
	paragraphs := strings.SplitAfter(string(data), "\n\n")
	data = []byte(strings.Join(paragraphs[8:13], ""))
	packages, err := ReadInstalled(bytes.NewReader(data), "db")
	if err != nil || len(packages) != 5 {
		t.Fatalf("%d packages, %v", len(packages), err)
	}
	return data, packages
}

// shared returns how many packages of b are also in a, in the same order.
func shared(a, b []inventory.Package) int {
	n := 0
	for _, p := range b {
		i := slices.IndexFunc(a, func(q inventory.Package) bool { return p.Name == q.Name && reflect.DeepEqual(p, q) })
		if i >= 0 {
			a = a[i+1:]
			n++
		}
	}
	return n
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(synthetic))
	f.Add([]byte("P:b\nV:1\nF:\nR:x\nZ:Q1\n\nC:\nP:"))
	f.Add([]byte("\n\nx\n\nP:b\nV:1\nF:usr\nA:\n"))
	for _, name := range databases(f) {
		data, _ := database(f, name)
		f.Add(data[:min(len(data), 4<<10)])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		packages, err := ReadInstalled(bytes.NewReader(data), "db")
		for _, p := range packages {
			if p.Name == "" || p.Version == "" || p.Source == "" || p.SourceVersion != p.Version {
				t.Errorf("%+v", p)
			}
			for _, word := range []string{p.Name, p.Version, p.Arch, p.Source} {
				if !ident.IsWord(word) || inventory.Text(word) != word {
					t.Errorf("%q is not a word", word)
				}
			}
		}
		// Files belong to packages, in order, and the error is the same.
		rest := packages
		filesErr := ReadFiles(bytes.NewReader(data), func(file File) {
			i := slices.IndexFunc(rest, func(p inventory.Package) bool { return p.Name == file.Package })
			if i < 0 {
				t.Errorf("%q belongs to %q, which is not the current package", file.Path, file.Package)
				return
			}
			rest = rest[i:]
			if len(file.Path) == 0 || bytes.IndexByte(file.Path, '\n') >= 0 {
				t.Errorf("path %q", file.Path)
			}
		})
		if (err == nil) != (filesErr == nil) || err != nil && err.Error() != filesErr.Error() {
			t.Errorf("packages: %v; files: %v", err, filesErr)
		}
		// The packages before a paragraph do not depend on what follows.
		again, _ := ReadInstalled(bytes.NewReader(append([]byte("P:first\nV:1\n\n"), data...)), "db")
		if len(again) != len(packages)+1 || again[0].Name != "first" || len(packages) > 0 && !reflect.DeepEqual(again[1:], packages) {
			t.Errorf("%d packages, and %d with one before", len(packages), len(again))
		}
	})
}

func BenchmarkReadInstalled(b *testing.B) {
	data, _ := database(b, "alpine-with-packages-final")
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadInstalled(bytes.NewReader(data), "db"); err != nil {
			b.Fatal(err)
		}
	}
}
