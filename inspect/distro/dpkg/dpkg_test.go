package dpkg

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"assay/check/testkit"
	"assay/inspect/inventory"
)

// row is a package in expected.json.
type row struct {
	Name          string `json:"name"`
	Version       string `json:"version"`
	Arch          string `json:"arch"`
	Source        string `json:"source"`
	SourceVersion string `json:"source_version"`
	Status        string `json:"status"`
}

func rows(packages []inventory.Package) []row {
	var rows []row
	for _, p := range packages {
		rows = append(rows, row{p.Name, p.Version, p.Arch, p.Source, p.SourceVersion, ""})
	}
	slices.SortFunc(rows, compareRows)
	return rows
}

func compareRows(a, b row) int {
	return strings.Compare(a.Name+" "+a.Arch+" "+a.Version, b.Name+" "+b.Arch+" "+b.Version)
}

// database returns the status file and the status.d files of a database.
func database(t *testing.T, dir string) (status []byte, stanzas [][]byte) {
	t.Helper()
	folder := filepath.Join(dir, "var/lib/dpkg")
	if b, err := os.ReadFile(filepath.Join(folder, "status")); err == nil {
		status = b
	} else if f, err := os.Open(filepath.Join(folder, "status.gz")); err == nil {
		defer f.Close()
		zr, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		if status, err = io.ReadAll(zr); err != nil {
			t.Fatal(err)
		}
	}
	entries, _ := os.ReadDir(filepath.Join(folder, "status.d"))
	for _, e := range entries {
		if !IsStanzaFile(e.Name()) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(folder, "status.d", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		stanzas = append(stanzas, b)
	}
	return status, stanzas
}

// Every database in the test data has the packages that dpkg-query shows. Databases
// that dpkg-query rejects, or in which it skips a stanza with a warning, give an error
// and their valid packages.
func TestRealDatabases(t *testing.T) {
	fails := map[string][]string{
		// rejected by dpkg-query: it has no list of its own
		"claircore-vcpkg":                     {"libffi", "zlib", "curl", "bzip2", "liblzma", "libiconv", "libxml2", "xxhash", "lz4", "lzo", "openssl-windows", "openssl", "libarchive", "libressl", "libffi"},
		"scalibr-invalid":                     {},
		"scalibr-nopackage":                   {"foo", "bar"},
		"scalibr-noversion":                   {"foo", "bar"},
		"syft-image-dpkg-var-lib-dpkg-status": {},
		"syft-glob-paths-usr-lib-dpkg-status": {},
		"syft-var-lib-opkg-status":            {},
		// a stanza without Status
		"scalibr-statusfield": nil,
		"trivy-corrupsed":     nil,
	}
	dirs, err := filepath.Glob(filepath.Join(testkit.Path(t, "pkgdb", "dpkg"), "*"))
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, dir := range dirs {
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			status, stanzas := database(t, dir)
			packages, err := ReadStatus(bytes.NewReader(status), "p", nil)
			for _, s := range stanzas {
				more, err := ReadStanza(bytes.NewReader(s), "p")
				if err != nil {
					t.Error(err)
				}
				packages = append(packages, more...)
			}
			refused, broken := fails[name]
			if (err != nil) != broken {
				t.Errorf("error %v", err)
			}
			for _, p := range packages {
				if p.Type != "deb" || len(p.Evidence) != 1 || p.Evidence[0] != (inventory.Evidence{Path: "p", Kind: "dpkg"}) {
					t.Errorf("%+v", p)
				}
			}
			if refused != nil {
				var names []string
				for _, p := range packages {
					names = append(names, p.Name)
				}
				if len(names) != len(refused) || len(names) > 0 && !slices.Equal(names, refused) {
					t.Errorf("%q, want %q", names, refused)
				}
				return
			}
			text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
			if err != nil && name == "syft-distroless-deb" { // a single stanza, without a list
				text = []byte(`[{"name":"libsqlite3-0","version":"3.34.1-3","arch":"arm64","source":"sqlite3","source_version":"3.34.1-3","status":"installed"}]`)
			} else if err != nil {
				t.Fatal(err)
			}
			var all, want []row
			if err := json.Unmarshal(text, &all); err != nil {
				t.Fatal(err)
			}
			for _, r := range all {
				if r.Status != "config-files" && r.Status != "half-installed" {
					r.Status = ""
					want = append(want, r)
				}
			}
			slices.SortFunc(want, compareRows)
			if got := rows(packages); !slices.Equal(got, want) {
				t.Errorf("%+v\nwant %+v", got, want)
			}
			total += len(packages)
		})
	}
	if total < 850 {
		t.Errorf("only %d packages", total)
	}
}

// The machine's own database, compared with dpkg-query.
func TestAsDpkgQuery(t *testing.T) {
	query, err := exec.LookPath("dpkg-query")
	if err != nil {
		testkit.Missing(t, "dpkg-query, to compare with")
	}
	f, err := os.Open("/var/lib/dpkg/status")
	if err != nil {
		testkit.Missing(t, "a database of dpkg on this machine: %v", err)
	}
	defer f.Close()
	packages, err := ReadStatus(f, "var/lib/dpkg/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), query, "-W", "-f",
		"${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\t${db:Status-Abbrev}\t${Maintainer}\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		// The second letter is the state: installed, unpacked, half-configured,
		// triggers awaited or pending.
		if len(f) == 7 && strings.ContainsAny(f[5][1:2], "iUFWt") {
			want = append(want, strings.Join(slices.Delete(f, 5, 6), "\t"))
		}
	}
	for _, p := range packages {
		got = append(got, strings.Join([]string{p.Name, p.Version, p.Arch, p.Source, p.SourceVersion, p.Vendor}, "\t"))
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 50 || !slices.Equal(got, want) {
		t.Errorf("%d packages, dpkg-query has %d; only one has %q", len(got), len(want), difference(got, want))
	}
}

func difference(a, b []string) []string {
	var only []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			only = append(only, s)
		}
	}
	for _, s := range b {
		if !slices.Contains(a, s) {
			only = append(only, s)
		}
	}
	return only
}

const good = "Package: good\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"

func TestReadStatus(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       string // name version arch source source-version; one per line
		err        string // part of the error
	}{
		{"empty", "", "", ""},
		{"blank lines", "\n\r\n\n", "", ""},
		{"source with version", good + "Source: src (2:3-4)\n", "good 1 all src 2:3-4\n", ""},
		{"source alone", good + "Source: src\n", "good 1 all src 1\n", ""},
		{"source without end, as dpkg", good + "Source: src (2 \n", "good 1 all src 2\n", ""},
		{"no source", good, "good 1 all good 1\n", ""},
		{"names in any case", strings.ToUpper(good), "GOOD 1 ALL GOOD 1\n", ""},
		{"colon after space, value at once", "Package :a\nStatus:hold ok unpacked\nVersion:\t1\n", "a 1  a 1\n", ""},
		{"a long list", good + "Provides: " + strings.Repeat("x, ", 200_000) + "\n\n" + good, "good 1 all good 1\ngood 1 all good 1\n", ""},
		{"continuations", good + "Description: x\n more\n .\n\teven more\nMaintainer: M\n N\n", "good 1 all good 1\n", ""},
		{"no version while not installed", "Package: a\nStatus: unknown ok not-installed\n\n" + good, "good 1 all good 1\n", ""},
		{"all states", states(), "i 1  i 1\nu 1  u 1\nh 1  h 1\nta 1  ta 1\ntp 1  tp 1\n", ""},
		{"a version that breaks the rules, as dpkg", "Package: a\nStatus: install ok installed\nVersion: 1_\xe4\n", "a 1_\\xe4  a 1_\\xe4\n", ""},

		{"no Status at all", "Package: a\nVersion: 1\n\nPackage: b\nVersion: 2\nSource: s\n", "a 1  a 1\nb 2  s 2\n", ""},
		{"no Status at all, one broken", "Package: a\nVersion: 1\n\nPackage: b\n", "a 1  a 1\n", `line 4: package "b": no Version`},
		{"no Status at all, cut", "Package: a\nVersion: 1\n\nPackage: b\nVersion: 2", "a 1  a 1\n", "ends within a line"},
		{"Status in the last alone", "Package: a\nVersion: 1\n\nbad\n\nPackage: b\nVersion: 2\n\n" + good, "good 1 all good 1\n",
			`line 1: package "a": no Status, and 2 more invalid stanzas`},
		{"an empty Status", "Package: a\nVersion: 1\n\nPackage: b\nStatus:\nVersion: 2\n", "", `line 1: package "a": no Status, and 1 more`},

		{"no Package", "Version: 1\n\n" + good, "good 1 all good 1\n", "line 1: stanza without Package"},
		{"no Status", "Package: a\nVersion: 1\n\n" + good, "good 1 all good 1\n", `line 1: package "a": no Status`},
		{"no Version", good + "\nPackage: a\nStatus: install ok installed\n", "good 1 all good 1\n", `line 6: package "a": no Version`},
		{"not a name", "Package: a b\n", "", `invalid package name "a b"`},
		{"name of control characters", "Package: a\x1b[31m\n", "", "invalid package name"},
		{"space in a version", "Package: a\nStatus: install ok installed\nVersion: 1 2\n", "", "invalid version"},
		{"space in an architecture", good[:len(good)-4] + "a b\n", "", "invalid architecture"},
		{"unknown state", "Package: a\nStatus: install ok done\nVersion: 1\n", "", "invalid status"},
		{"unknown flag", "Package: a\nStatus: install user installed\nVersion: 1\n", "", "invalid status"},
		{"unknown wish", "Package: a\nStatus: eat ok installed\nVersion: 1\n", "", "invalid status"},
		{"two words", "Package: a\nStatus: install ok\nVersion: 1\n", "", "invalid status"},
		{"twice", good + "Version: 2\n\n" + good, "good 1 all good 1\n", "line 1: repeated Version"},
		{"continued name", "Package: a\n b\n", "", "continuation line of Package"},
		{"continuation first", " x\n\n" + good, "good 1 all good 1\n", "continuation line before the first field"},
		{"not a field", "asdf\n\nyolo\n\n" + good, "good 1 all good 1\n", "line 1: invalid field \"asdf\", and 1 more"},
		{"zeros", strings.Repeat("\x00", 100), "", "invalid field"},
		{"long value", "Package: " + strings.Repeat("a", maxValue+1) + "\n\n" + good, "good 1 all good 1\n", "longer than"},
		{"longer value", "Package: " + strings.Repeat("a", maxLine) + "\n\n" + good, "good 1 all good 1\n", "longer than"},
		{"large stanza", good + strings.Repeat("X: "+strings.Repeat("x", 1000)+"\n", maxStanza/1000) + "\n" + good, "good 1 all good 1\n", "stanza larger than"},
		{"cut within a line", good + "\n" + good[:len(good)-1], "good 1 all good 1\n", "ends within a line"},
		{"cut after Status", good + "\n" + good[:strings.Index(good, "Version")], "good 1 all good 1\n", "no Version"},
		{"cut after Package", good + "\nPackage: a\n", "good 1 all good 1\n", "no Status"},
	} {
		packages, err := ReadStatus(iotest.OneByteReader(strings.NewReader(c.text)), "p", nil)
		if c.text != "" && len(c.text) < 1000 { // and in one piece
			whole, err2 := ReadStatus(strings.NewReader(c.text), "p", nil)
			if list(whole) != list(packages) || (err == nil) != (err2 == nil) {
				t.Errorf("%s: read in pieces %q, whole %q", c.name, list(packages), list(whole))
			}
		}
		if got := list(packages); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
	}
}

func states() string {
	var b strings.Builder
	for _, s := range []string{
		"i installed", "u unpacked", "h half-configured", "ta triggers-awaited", "tp triggers-pending",
		"n not-installed", "c config-files", "hi half-installed",
	} {
		name, state, _ := strings.Cut(s, " ")
		b.WriteString("Package: " + name + "\nStatus: deinstall reinstreq " + state + "\nVersion: 1\n\n")
	}
	return b.String()
}

func list(packages []inventory.Package) string {
	var b strings.Builder
	for _, p := range packages {
		b.WriteString(strings.Join([]string{p.Name, p.Version, p.Arch, p.Source, p.SourceVersion}, " ") + "\n")
	}
	return b.String()
}

func TestReadStanza(t *testing.T) {
	for text, want := range map[string]string{
		"Package: a\nVersion: 1\nArchitecture: all":                 "a 1 all a 1\n",
		"Package: a\nVersion: 1\nStatus: install ok installed\n":    "a 1  a 1\n",
		"Package: a\nVersion: 1\nStatus: deinstall ok config-files": "",
		"": "",
	} {
		packages, err := ReadStanza(strings.NewReader(text), "p")
		if list(packages) != want || err != nil {
			t.Errorf("%q: %q, %v", text, list(packages), err)
		}
	}
	for _, text := range []string{"Package: a\n", "Version: 1\n", "d41d8cd98f00b204e9800998ecf8427e  usr/bin/x\n"} {
		if packages, err := ReadStanza(strings.NewReader(text), "p"); len(packages) != 0 || err == nil {
			t.Errorf("%q: %v, %v", text, packages, err)
		}
	}
	if IsStanzaFile("a.md5sums") || !IsStanzaFile("a") {
		t.Error("IsStanzaFile")
	}
}

// The status file of a chiseled image, which dpkg did not write.
func TestWithoutStatus(t *testing.T) {
	f, err := os.Open(testkit.Path(t, "faults", "inventory", "chiseled-dotnet", StatusFiles()[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packages, err := ReadStatus(f, "p", nil)
	if err != nil || len(packages) != 7 || packages[0].Name != "base-files" || packages[0].Version != "12.4+deb12u15" {
		t.Errorf("%s%v", list(packages), err)
	}
}

// A file that cannot be read to its end gives the packages before that.
func TestReadError(t *testing.T) {
	broken := errors.New("input/output error")
	r := io.MultiReader(strings.NewReader(good+"\nbad\n\n"+good), iotest.ErrReader(broken))
	packages, err := ReadStatus(r, "p", nil)
	if list(packages) != "good 1 all good 1\n" || !errors.Is(err, broken) || !strings.Contains(err.Error(), "invalid field") {
		t.Errorf("%q, %v", list(packages), err)
	}
}

func TestManyPackages(t *testing.T) {
	text := strings.Repeat(good+"\n", maxPackages+1)
	packages, err := ReadStatus(strings.NewReader(text), "p", nil)
	if len(packages) != maxPackages || err == nil {
		t.Errorf("%d packages, %v", len(packages), err)
	}
}

// A real file is cut at many places and gets flipped bits. Packages that are returned
// without an error are those of the intact file.
func TestDamaged(t *testing.T) {
	whole, _ := database(t, testkit.Path(t, "pkgdb", "dpkg", "debian12-minbase"))
	all, err := ReadStatus(bytes.NewReader(whole), "p", nil)
	if err != nil || len(all) != 88 {
		t.Fatalf("%d packages, %v", len(all), err)
	}
	lines := strings.SplitAfter(list(all), "\n")
	for end := 0; end < len(whole); end += 197 {
		part, err := ReadStatus(bytes.NewReader(whole[:end]), "p", nil)
		if len(part) > 0 && !strings.HasPrefix(list(all), list(part)) {
			t.Fatalf("cut at %d: %q", end, list(part))
		}
		// All stanzas that were begun are returned, or there is an error.
		if begun := bytes.Count(whole[:end], []byte("Package: ")); err == nil && len(part) != begun {
			t.Fatalf("cut at %d: %d packages of %d without an error", end, len(part), begun)
		}
	}
	for at := 0; at < len(whole); at += 181 {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1 << (at % 8)
		part, err := ReadStatus(bytes.NewReader(flipped), "p", nil)
		missing := 0
		for _, line := range lines {
			if !strings.Contains(list(part), line) {
				missing++
			}
		}
		// One byte affects one stanza, or joins or splits two.
		if missing > 2 || err == nil && len(part) < len(all)-1 {
			t.Fatalf("byte %d: %d packages, %d not as they were, error %v", at, len(part), missing, err)
		}
	}
}

func FuzzReadStatus(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(states()))
	f.Add([]byte("asdf\n\nPackage: a\nVersion: 1"))
	f.Add([]byte(good + "Source: a (1)\nMaintainer: M\n N\n\n\n Package: x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, read := range []func(io.Reader, string) ([]inventory.Package, error){readStatus, ReadStanza} {
			packages, _ := read(bytes.NewReader(text), "p")
			for _, p := range packages {
				if p.Name == "" || p.Version == "" || p.Source == "" || p.SourceVersion == "" {
					t.Errorf("a field is missing: %+v", p)
				}
				for _, s := range []string{p.Name, p.Version, p.Arch, p.Source, p.SourceVersion, p.Vendor} {
					if !utf8.ValidString(s) || strings.Contains(s, "\n") {
						t.Errorf("%q in %+v", s, p)
					}
				}
			}
			// What precedes a stanza does not change it.
			more, _ := read(bytes.NewReader(append(slices.Clone(text), "\n\n"+good...)), "p")
			if len(more) == 0 || list(more[len(more)-1:]) != "good 1 all good 1\n" {
				t.Errorf("the last stanza is lost: %q", list(more))
			}
			if len(more) < len(packages)+1 {
				t.Errorf("%d packages alone, %d with one more", len(packages), len(more))
			}
		}
	})
}

func readStatus(r io.Reader, path string) ([]inventory.Package, error) {
	return ReadStatus(r, path, nil)
}

// TestHeld: a package on hold is one that apt-get does not upgrade by itself.
func TestHeld(t *testing.T) {
	for status, want := range map[string]bool{"hold ok installed": true, "Hold ok unpacked": true, "install ok installed": false, "": false} {
		text := strings.Replace(good, "Status: install ok installed\n", "", 1)
		if status != "" {
			text += "Status: " + status + "\n"
		}
		all, err := ReadStatus(strings.NewReader(text), "status", nil)
		if err != nil || len(all) != 1 || all[0].Held != want {
			t.Errorf("%q: %+v, %v", status, all, err)
		}
	}
}
