package rpm

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit/rpmtest"
	"assay/inspect/distro/rpm/header"
)

// wrongChain is a database in which one of 261 items points to the header of another.
// rpm itself stops there, after 219 packages.
const wrongChain = "centos-bad-hoffpage-bdb"

// Every database in the test data has the packages in its list and, if Debian's rpm can
// read it, those that rpm shows.
func TestDatabases(t *testing.T) {
	for d := range rpmtest.All(t) {
		t.Run(d.Name, func(t *testing.T) {
			t.Run("files", func(t *testing.T) { checkFiles(t, d) })
			if d.Name == wrongChain {
				t.Run("wrong chain", func(t *testing.T) { checkWrongChain(t, d) })
				return
			}
			t.Run("expected", func(t *testing.T) { checkExpected(t, d) })
			if d.File == "Packages.db" {
				return // Debian's rpm cannot read ndb
			}
			dir := d.Dir(t)
			t.Run("native packages", func(t *testing.T) { checkNativePackages(t, d, dir) })
			t.Run("native files", func(t *testing.T) { checkNativeFiles(t, d, dir) })
		})
	}
}

func checkExpected(t *testing.T, d rpmtest.Database) {
	packages, err := Packages(headersOf(d.File, d.Data), "var/lib/rpm/"+d.File)
	if err != nil {
		t.Error(err)
	}
	diff(t, rowsOf(packages), expected(t, d.Name))
	for _, p := range packages {
		if p.Type != "rpm" || len(p.Evidence) != 1 || p.Evidence[0].Path != "var/lib/rpm/"+d.File || p.Evidence[0].Kind != "rpm" {
			t.Fatalf("%+v", p)
		}
	}
}

// All 260 headers are found, the error says that one item has none, and the packages
// that rpm shows are among them.
func checkWrongChain(t *testing.T, d rpmtest.Database) {
	type peer struct {
		Name, Version, Arch string
		SourceRPM           string `json:"source_rpm"`
	}
	var peers []peer
	readJSON(t, &peers, wrongChain, "expected-peer-syft.json")
	if len(peers) != 260 {
		t.Fatalf("%d packages in the list", len(peers))
	}
	var want []row
	for _, p := range peers {
		if p.Name == "gpg-pubkey" {
			continue
		}
		// The source names in this file have their version after the second-last dash.
		parts := strings.Split(strings.TrimSuffix(p.SourceRPM, ".src.rpm"), "-")
		n := len(parts) - 2
		want = append(want, row{p.Name, p.Version, p.Arch, strings.Join(parts[:n], "-"), strings.Join(parts[n:], "-")})
	}
	slices.SortFunc(want, compareRows)

	packages, err := Packages(headersOf(d.File, d.Data), d.File)
	if err == nil || !strings.HasSuffix(err.Error(), "overflow: page 2323 visited twice") {
		t.Errorf("error %v", err)
	}
	got := rowsOf(packages)
	diff(t, got, want)
	for _, r := range expected(t, wrongChain) {
		if !slices.Contains(got, r) {
			t.Errorf("rpm lists %+v", r)
		}
	}
}

func TestSplitSource(t *testing.T) {
	for _, c := range []struct {
		file, name, version string
		ok                  bool
	}{
		{"bash-4.4.19-10.el8.src.rpm", "bash", "4.4.19-10.el8", true},
		{"java-1.8.0-openjdk-1.8.0.252.b09-2.el8_1.src.rpm", "java-1.8.0-openjdk", "1.8.0.252.b09-2.el8_1", true},
		{"kernel-firmware-nvidia-1-2.nosrc.rpm", "kernel-firmware-nvidia", "1-2", true},
		{"bash-4.4.19-10.el8.x86_64.rpm", "", "", false},
		{"bash-4.4.src.rpm", "", "", false},
		{"-4.4-1.src.rpm", "", "", false},
		{"a b-4.4-1.src.rpm", "", "", false},
		{".src.rpm", "", "", false},
		{"", "", "", false},
	} {
		name, version, ok := splitSource(c.file)
		if name != c.name || version != c.version || ok != c.ok {
			t.Errorf("%q: %q, %q, %v", c.file, name, version, ok)
		}
	}
}

func TestTooLarge(t *testing.T) {
	packages, err := Packages(BDB(nil, Limit+1), "Packages")
	if len(packages) != 0 || err == nil || !strings.Contains(err.Error(), "larger than 1073741824 bytes") {
		t.Errorf("%d packages, error %v", len(packages), err)
	}
}

// checkFiles reads all file lists.
func checkFiles(t *testing.T, d rpmtest.Database) {
	files := 0
	for h, err := range headersOf(d.File, d.Data) {
		if err != nil {
			if d.Name != wrongChain {
				t.Error(err)
			}
			continue
		}
		for f, err := range h.Files() {
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(f.Dir, "/") || !strings.HasSuffix(f.Dir, "/") || strings.Contains(f.Base, "/") {
				t.Fatalf("%+v", f)
			}
			files++
		}
	}
	if files == 0 {
		t.Error("no files")
	}
}

// Packages gives up on a database with too many invalid headers.
func TestManyBroken(t *testing.T) {
	asked := 0
	packages, err := Packages(func(yield func(*header.Header, error) bool) {
		for yield(nil, errors.New("broken")) {
			asked++
		}
	}, "Packages")
	if len(packages) != 0 || err == nil || !strings.Contains(err.Error(), "10000 invalid") || asked > 20_000 {
		t.Errorf("%d packages, error %v after %d", len(packages), err, asked)
	}
}
