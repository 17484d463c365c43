package scan_test

import (
	"archive/tar"
	"compress/gzip"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"assay/check/testkit"
	"assay/inspect"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/scan"
	"assay/verdict"
)

// held are advisories of Debian 12, PyPI and Go that affect none of the packages below.
var held = []string{
	`{"id":"DEBIAN-CVE-2024-1","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"none"},"versions":["1"]}]}`,
	`{"id":"DEBIAN-CVE-2024-2","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"python-idna"},"versions":["1"]}]}`,
	`{"id":"PYSEC-2024-1","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"PyPI","name":"none"},"versions":["1"]}]}`,
	`{"id":"GO-2024-1","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"Go","name":"none"},"versions":["1"]}]}`,
}

const (
	bookworm = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"
	bashOnly = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2.15-2\nMaintainer: Matthias Klose <doko@debian.org>\n\n"
	six      = "srv/six-1.16.0.dist-info/METADATA"
	sixText  = "Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n"
)

// look inspects a root as the client does.
func look(t *testing.T, root string) inventory.Inventory {
	t.Helper()
	inv, err := inspect.Inspect(t.Context(), root, inspect.Options{Mounts: strings.NewReader("")})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// decide answers a scan and checks that the verdict does not contradict itself.
func decide(t *testing.T, e scan.Evaluator, inv inventory.Inventory, options ...cyclonedx.Option) verdict.Verdict {
	t.Helper()
	a, err := e.Answer(cyclonedx.Scan{Inventory: inv, Options: options}, memory(t, held...), nil, verdict.Data{Records: len(held), Updated: now}, now)
	if err != nil {
		t.Fatal(err)
	}
	v := a.Whole()
	if err := v.Check(); err != nil {
		t.Errorf("the verdict contradicts itself: %v", err)
	}
	return v
}

// program copies the test binary, which is a Go program, into a root.
func program(t *testing.T, root, name string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o755)); err != nil {
		t.Fatal(err)
	}
}

var noOSPackages = cyclonedx.Option{Name: "no-os-packages", Value: "true", Origin: "flag"}

// If an image names a system, its packages must be evaluated. Without them the image does
// not pass, whatever else is in it, unless a flag accepts that.
func TestNamedSystem(t *testing.T) {
	tree := func(entries ...string) string {
		files := map[string]string{six: sixText}
		for i := 0; i+1 < len(entries); i += 2 {
			files[entries[i]] = entries[i+1]
		}
		return testkit.Tree(t, files)
	}
	release := func(text string, more ...string) string {
		return tree(append([]string{"etc/os-release", text}, more...)...)
	}
	emptyRPM := func() string {
		root := release("ID=fedora\nVERSION_ID=42\n", "usr/lib/sysimage/rpm/", "/")
		program(t, root, "app/app")
		db, err := sql.Open("sqlite", filepath.Join(root, "usr/lib/sysimage/rpm/rpmdb.sqlite"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.Exec("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		return root
	}
	for name, root := range map[string]string{
		"no database":                 release(bookworm),
		"a folder without a status":   release(bookworm, "var/lib/dpkg/info/bash.list", "/.\n"),
		"a system without advisories": release("ID=ubuntu\nVERSION_ID=\"22.04\"\n"),
		"an unsupported system":       release("ID=gentoo\nVERSION_ID=\"2.15\"\n"),
		"an unknown system":           release("ID=nosuchos\n"),
	} {
		t.Run(name, func(t *testing.T) {
			inv := look(t, root)
			v := decide(t, scan.Evaluator{}, inv)
			if v.Decision.Code != 5 || v.Decision.Reasons[0].Rule != "no-os-packages" {
				t.Errorf("%+v", v.Decision)
			}
			if p := v.Evaluated[0]; p.Part != verdict.PartSystem || p.State != verdict.NotEvaluated || p.Packages != 0 || p.Causes[0].Cause != verdict.CauseMissing {
				t.Errorf("%+v", p)
			}
			// A variable of the image has no effect, whatever the service allows.
			byVariable := noOSPackages
			byVariable.Origin = "ASSAY_NO_OS_PACKAGES"
			if v := decide(t, scan.Evaluator{}, inv, byVariable); v.Decision.Code != 5 || len(v.Ignored) != 1 {
				t.Errorf("by a variable: %+v, ignored %+v", v.Decision, v.Ignored)
			}
			if v := decide(t, scan.Evaluator{}, inv, noOSPackages); v.Decision.Code != 0 || !v.Options.NoOSPackages {
				t.Errorf("by a flag: %+v", v.Decision)
			}
		})
	}

	// The flag accepts a missing database and nothing else.
	for name, tt := range map[string]struct {
		root string
		rule string
	}{
		"packages without advisories": {release("ID=ubuntu\nVERSION_ID=\"22.04\"\n", "var/lib/dpkg/status", bashOnly), "no-data"},
		"packages of a later release": {release(strings.Replace(bookworm, "12\"", "99\"", 1), "var/lib/dpkg/status", bashOnly), "no-data"},
		"an empty database":           {release(bookworm, "var/lib/dpkg/status", ""), "database-unreadable"},
		"only removed packages": {release(bookworm, "var/lib/dpkg/status",
			strings.Replace(bashOnly, "install ok installed", "deinstall ok config-files", 1)), "database-unreadable"},
		"an empty rpm database":               {emptyRPM(), "database-unreadable"},
		"an empty database of another system": {release(bookworm, "lib/apk/db/installed", ""), "database-unreadable"},
		"a dangling link":                     {release(bookworm, "var/lib/dpkg", "-> /opt/dpkg"), "database-unreadable"},
		"a dangling status file":              {release(bookworm, "var/lib/dpkg/status", "-> gone"), "database-unreadable"},
		"a damaged database":                  {release(bookworm, "var/lib/dpkg/status", bashOnly+"\x00\xff: no database\n"), "database-unreadable"},
		"only a system":                       {testkit.Tree(t, map[string]string{"etc/os-release": bookworm}), "nothing-recognised"},
		"an empty root":                       {t.TempDir(), "nothing-recognised"},
	} {
		t.Run(name, func(t *testing.T) {
			inv := look(t, tt.root)
			for _, options := range [][]cyclonedx.Option{nil, {noOSPackages}} {
				if v := decide(t, scan.Evaluator{}, inv, options...); v.Decision.Code != 5 || v.Decision.Reasons[0].Rule != tt.rule {
					t.Errorf("with %v: %+v", options, v.Decision)
				}
			}
		})
	}

	// With the flag, packages that are found are still evaluated.
	v := decide(t, scan.Evaluator{}, look(t, release(bookworm, "var/lib/dpkg/status", bashOnly)), noOSPackages)
	if p := v.Evaluated[0]; v.Decision.Code != 0 || p.Packages != 1 || p.State != verdict.Evaluated {
		t.Errorf("%+v, %+v", v.Decision, p)
	}
	// An image that names no system needs no packages of a system.
	v = decide(t, scan.Evaluator{}, look(t, tree()))
	if v.Decision.Code != 0 || len(v.Evaluated) != 1 || v.Evaluated[0].Ecosystem != "PyPI" {
		t.Errorf("%+v, %+v", v.Decision, v.Evaluated)
	}
}

// Roots that passed by mistake, from bug reports.
func TestReportedRoots(t *testing.T) {
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(testkit.Path(t, "faults", "inventory", "no-database"))); err != nil {
		t.Fatal(err)
	}
	program(t, root, "app/app")
	hidden := filepath.Join(t.TempDir(), "roots")
	unpack(t, testkit.Path(t, "faults", "security", "roots.tar.gz"), hidden, "04-no-database/")
	debootstrapped := t.TempDir()
	minbase := testkit.Path(t, "pkgdb", "dpkg", "debian12-minbase")
	if err := os.CopyFS(filepath.Join(debootstrapped, "etc"), os.DirFS(filepath.Join(minbase, "etc"))); err != nil {
		t.Fatal(err)
	}
	program(t, debootstrapped, "app/app")
	for _, root := range []string{root, filepath.Join(hidden, "04-no-database"), debootstrapped} {
		inv := look(t, root)
		if !inv.System.Known() || len(inv.Packages) == 0 {
			t.Fatalf("%s: %+v, %d packages", root, inv.System, len(inv.Packages))
		}
		if v := decide(t, scan.Evaluator{}, inv); v.Decision.Code != 5 || v.Decision.Reasons[0].Rule != "no-os-packages" {
			t.Errorf("%s: %+v", root, v.Decision)
		}
	}
}

// unpack extracts the files of an archive below a folder.
func unpack(t *testing.T, archive, to, below string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || !strings.HasPrefix(h.Name, below) || !filepath.IsLocal(h.Name) {
			continue
		}
		path := filepath.Join(to, h.Name)
		b, err := io.ReadAll(r)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o644)); err != nil {
			t.Fatal(err)
		}
		files++
	}
	if files == 0 {
		t.Fatalf("nothing below %s in %s", below, archive)
	}
}

// library returns a package of a language.
func library(typ, name, version string) inventory.Package {
	return inventory.Package{Type: typ, Name: name, Version: version, Evidence: []inventory.Evidence{{Path: "srv/" + name, Kind: typ}}}
}

// TestParts: the parts of an image whose advisories are missing, missing and accepted, or
// not published, and packages that cannot be evaluated.
func TestParts(t *testing.T) {
	bash := inventory.Package{Type: "deb", Name: "bash", Version: "5.2.15-2", Source: "bash", SourceVersion: "5.2.15-2", Vendor: "Matthias Klose <doko@debian.org>"}
	idna := inventory.Package{Type: "deb", Name: "python3-idna", Version: "3.3-1", Source: "python-idna", SourceVersion: "3.3-1", Vendor: "Debian Python Team <team+python@tracker.debian.org>"}
	owned := library("pypi", "idna", "3.3")
	owned.Owner = &inventory.Owner{Package: "python3-idna", Digest: inventory.DigestEqual}
	changed := owned
	changed.Owner = &inventory.Owner{Package: "python3-idna", Digest: inventory.DigestDifferent}
	carried := library("npm", "left-pad", "1.0.0")
	carried.Owner = &inventory.Owner{Package: "python3-idna", Digest: inventory.DigestEqual}
	npmOwned := library("npm", "idna", "3.3.0")
	npmOwned.Owner = &inventory.Owner{Package: "python3-idna", Digest: inventory.DigestEqual}
	madeUp := idna
	madeUp.Name, madeUp.Source = "my-app", "my-app"
	npmOfMadeUp := npmOwned
	npmOfMadeUp.Owner = &inventory.Owner{Package: "my-app", Digest: inventory.DigestUnknown}
	without := func(ecosystems ...string) scan.Evaluator { return scan.Evaluator{Without: ecosystems} }
	strict := cyclonedx.Option{Name: "strict", Value: "true", Origin: "flag"}
	for _, tt := range []struct {
		name       string
		evaluator  scan.Evaluator
		packages   []inventory.Package
		code       int
		rule, text string // of the first reason
		strict     int    // the code with --strict
		parts      string // "type evaluated/packages state cause…"
	}{
		{"all evaluated", scan.Evaluator{}, []inventory.Package{bash, library("pypi", "six", "1.16.0")}, 0, "clean", "no findings in 2 packages", 0,
			"deb 1/1 evaluated, pypi 1/1 evaluated"},
		{"an ecosystem without advisories", scan.Evaluator{}, []inventory.Package{bash, library("npm", "left-pad", "1.0.0"), library("npm", "right-pad", "1.0.0")}, 5, "no-data", "2 packages cannot be evaluated: the service holds no advisories of npm", 5,
			"deb 1/1 evaluated, npm 0/2 not-evaluated type"},
		{"an accepted ecosystem", without("npm"), []inventory.Package{bash, library("npm", "left-pad", "1.0.0")}, 0, "clean", "no findings in 1 of 2 packages; 1 is not evaluated", 5,
			"deb 1/1 evaluated, npm 0/1 not-evaluated without"},
		{"an accepted ecosystem with advisories", without("PyPI"), []inventory.Package{bash, library("pypi", "six", "1.16.0")}, 0, "clean", "no findings in 2 packages", 0,
			"deb 1/1 evaluated, pypi 1/1 evaluated"},
		{"another accepted ecosystem", without("Maven"), []inventory.Package{bash, library("npm", "left-pad", "1.0.0")}, 5, "no-data", "npm", 5,
			"deb 1/1 evaluated, npm 0/1 not-evaluated type"},
		{"types that no source covers", scan.Evaluator{}, []inventory.Package{bash, library("conda", "numpy", "1.0"), library("generic", "tool", "1.0"), library("conan", "zlib", "1.0")}, 0, "clean", "no findings in 1 of 4 packages; 3 are not evaluated", 5,
			"deb 1/1 evaluated, conan 0/1 not-evaluated uncovered, generic 0/1 not-evaluated uncovered, conda 0/1 not-evaluated uncovered"},
		{"single packages", without(), []inventory.Package{bash, library("golang", "m", "(devel)"), library("golang", "n", "v1.0.0"), library("pypi", "x", "")}, 0, "clean", "no findings in 2 of 4 packages; 2 are not evaluated", 5,
			"deb 1/1 evaluated, golang 1/2 partly version, pypi 0/1 not-evaluated version"},
		{"the image itself", scan.Evaluator{}, []inventory.Package{bash, library("oci", "debian", "sha256:0"), library("docker", "library/debian", "12")}, 0, "clean", "no findings in 1 package", 0,
			"deb 1/1 evaluated"},
		{"a version of the system", scan.Evaluator{}, []inventory.Package{bash, {Type: "deb", Name: "x", Version: "1-", Source: "x", SourceVersion: "1-"}}, 0, "clean", "no findings in 1 of 2 packages; 1 is not evaluated", 5,
			"deb 1/2 partly version"},
		{"packages of another system", scan.Evaluator{}, []inventory.Package{bash, {Type: "apk", Name: "x", Version: "1-r0"}}, 5, "no-data", "apk packages do not belong to Debian:12", 5,
			"apk 0/1 not-evaluated system, deb 1/1 evaluated"},

		// Only the distribution's advisories apply to the packages that it built, so no
		// others are needed for them.
		{"owned by the distribution", scan.Evaluator{}, []inventory.Package{bash, idna, npmOwned}, 0, "clean", "no findings in 3 packages", 0,
			"deb 2/2 evaluated, npm 1/1 evaluated"},
		{"owned by a package without advisories of the distribution", scan.Evaluator{}, []inventory.Package{bash, madeUp, npmOfMadeUp}, 5, "no-data", "npm", 5,
			"deb 2/2 evaluated, npm 0/1 not-evaluated type"},
		{"owned, but not what the owner packages", scan.Evaluator{}, []inventory.Package{bash, idna, carried}, 5, "no-data", "npm", 5,
			"deb 2/2 evaluated, npm 0/1 not-evaluated type"},
		{"owned, with advisories", scan.Evaluator{}, []inventory.Package{bash, idna, owned, changed}, 0, "clean", "no findings in 4 packages", 0,
			"deb 2/2 evaluated, pypi 2/2 evaluated"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inv := inventory.Inventory{System: inventory.System{ID: "debian", VersionID: "12"}, Packages: tt.packages}
			inv.Sort()
			v := decide(t, tt.evaluator, inv)
			if d := v.Decision; d.Code != tt.code || d.Reasons[0].Rule != tt.rule || !strings.Contains(d.Reasons[0].Text, tt.text) {
				t.Errorf("%+v", d)
			}
			if s := decide(t, tt.evaluator, inv, strict); s.Decision.Code != tt.strict {
				t.Errorf("with strict: %+v", s.Decision)
			}
			var parts []string
			for _, p := range v.Evaluated {
				text := fmt.Sprintf("%s %d/%d %s", p.Type, p.Evaluated, p.Packages, p.State)
				for _, c := range p.Causes {
					text += " " + c.Cause
					if len(c.Names) == 0 || c.Packages == 0 || c.Text == "" {
						t.Errorf("cause %+v", c)
					}
				}
				parts = append(parts, text)
			}
			if got := strings.Join(parts, ", "); got != tt.parts {
				t.Errorf("parts\n got %s\nwant %s", got, tt.parts)
			}
			if !slices.Equal(v.Without, tt.evaluator.Without) {
				t.Errorf("without %q, want %q", v.Without, tt.evaluator.Without)
			}
		})
	}
}

// TestPartsAreBounded: a verdict lists a limited number of parts and causes.
func TestPartsAreBounded(t *testing.T) {
	var packages []inventory.Package
	for i := range 3000 {
		packages = append(packages, library(fmt.Sprintf("type%d", i), "x", "1"), library("pypi", fmt.Sprintf("p%d", i), "1 2"))
	}
	packages = append(packages, library("pypi", "six", "1.16.0"))
	inv := inventory.Inventory{Packages: packages}
	inv.Sort()
	v := decide(t, scan.Evaluator{}, inv)
	causes := map[string]int{}
	for _, p := range v.Evaluated {
		causes[p.Part] += len(p.Causes)
	}
	if len(v.Evaluated) > 60 || len(causes) != 2 || slices.Max(slices.Collect(maps.Values(causes))) > 100 {
		t.Errorf("%d parts, causes %v", len(v.Evaluated), causes)
	}
	if v.Counts.Packages != 6001 || v.Counts.Evaluated < 1 {
		t.Errorf("%+v", v.Counts)
	}
}
