package inspect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/pkgdb"
	"assay/inspect/inventory"
)

func databases(t *testing.T) []pkgdb.Database {
	t.Helper()
	all, err := pkgdb.All(testkit.Path(t, "pkgdb"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func database(t *testing.T, kind, name string) pkgdb.Database {
	t.Helper()
	all := databases(t)
	i := slices.IndexFunc(all, func(d pkgdb.Database) bool { return d.Kind == kind && d.Name == name })
	if i < 0 {
		t.Fatalf("no database %s of %s", name, kind)
	}
	return all[i]
}

func lay(t *testing.T, root string, d pkgdb.Database) {
	t.Helper()
	if err := d.Lay(root); err != nil {
		t.Fatal(err)
	}
}

func rows(packages []inventory.Package) []pkgdb.Row {
	rows := make([]pkgdb.Row, len(packages))
	for i, p := range packages {
		rows[i] = pkgdb.Row{Name: p.Name, Version: p.Version, Arch: p.Arch, Source: p.Source, SourceVersion: p.SourceVersion}
	}
	slices.SortFunc(rows, pkgdb.Row.Compare)
	return rows
}

// Every database of the test data, as a root, has the packages in its list. Scan errors
// occur only for files that are damaged or were made invalid on purpose.
func TestEveryDatabase(t *testing.T) {
	types := map[string]string{"dpkg": "deb", "apk": "apk", "rpm": "rpm"}
	scanErrors := map[string]int{
		// dpkg-query rejects these, or skips a stanza with a warning.
		"dpkg/claircore-vcpkg": 1, "dpkg/scalibr-invalid": 1, "dpkg/scalibr-nopackage": 1,
		"dpkg/scalibr-noversion": 1, "dpkg/syft-image-dpkg-var-lib-dpkg-status": 1,
		"dpkg/syft-glob-paths-usr-lib-dpkg-status": 1, "dpkg/syft-var-lib-opkg-status": 1,
		"dpkg/scalibr-statusfield": 1, "dpkg/trivy-corrupsed": 1,
		"apk/corrupt-syft": 1, "apk/invalid-scalibr": 1, "apk/trivy-apk": 1,
		"rpm/centos-bad-hoffpage-bdb": 1,
	}
	// The valid packages of databases without a list, and of the one with a list that
	// rpm made: a chain of pages ends rpm's search early.
	count := map[string]int{
		"dpkg/claircore-vcpkg": 15, "dpkg/scalibr-nopackage": 2, "dpkg/scalibr-noversion": 2,
		"dpkg/syft-distroless-deb": 1, "apk/corrupt-syft": 1, "rpm/centos-bad-hoffpage-bdb": 259,
	}
	found := map[string]int{}
	for _, d := range databases(t) {
		t.Run(d.String(), func(t *testing.T) {
			root := t.TempDir()
			lay(t, root, d)
			inv, err := Inspect(t.Context(), root, Options{Mounts: strings.NewReader("")})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(inv.ScanErrors); n != scanErrors[d.String()] {
				t.Errorf("%d scan errors: %+v", n, inv.ScanErrors)
			}
			for _, p := range inv.ScanErrors {
				if p.Kind != inventory.KindDatabase {
					t.Errorf("%+v", p)
				}
			}
			for _, p := range inv.Packages {
				if p.Type != types[d.Kind] || len(p.Evidence) == 0 || p.Evidence[0].Kind != d.Kind || p.Owner != nil {
					t.Fatalf("%+v", p)
				}
			}
			got := rows(inv.Packages)
			found[d.Kind] += len(got)
			want, err := d.Expected()
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			if n, ok := count[d.String()]; ok {
				if len(got) != n {
					t.Errorf("%d packages, want %d: %v", len(got), n, got)
				}
				if lacking := without(want, got); len(lacking) > 0 {
					t.Errorf("lacking %v", lacking)
				}
				return
			}
			// A package that the database has twice is reported once.
			if want := slices.Compact(want); !slices.Equal(got, want) {
				t.Errorf("lacking %v\nextra %v", without(want, got), without(got, want))
			}
		})
	}
	if found["dpkg"] < 850 || found["rpm"] < 2000 || found["apk"] < 100 {
		t.Errorf("packages: %v", found)
	}
}

func without(a, b []pkgdb.Row) []pkgdb.Row {
	return slices.DeleteFunc(slices.Clone(a), func(r pkgdb.Row) bool { return slices.Contains(b, r) })
}

// An rpm database is found in all its folders, also in a root without the program rpm.
func TestRPMFolders(t *testing.T) {
	for _, name := range []string{"rhel-libuuid-only-bdb", "sle15-bci-ndb", "rocky-sqlite"} {
		d := database(t, "rpm", name)
		want, err := d.Expected()
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"} {
			root := testkit.Tree(t, map[string]string{"etc/os-release": "ID=any\nVERSION_ID=9.4\n"})
			lay(t, root, d)
			if dir != pkgdb.RPMDir {
				if err := os.MkdirAll(filepath.Join(root, filepath.Dir(dir)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(filepath.Join(root, pkgdb.RPMDir), filepath.Join(root, dir)); err != nil {
					t.Fatal(err)
				}
			}
			inv := inventoryOf(t, root, Options{}, readers())
			if got := rows(inv.Packages); !slices.Equal(got, want) || len(inv.ScanErrors) > 0 || inv.System.ID != "any" {
				t.Errorf("%s in %s: %d packages, want %d; %+v", name, dir, len(got), len(want), inv.ScanErrors)
			}
			if at := inv.Packages[0].Evidence[0].Path; filepath.Dir(at) != dir {
				t.Errorf("found at %q", at)
			}
		}
	}
}

// pythonOf returns a Python that writes databases with its sqlite3.
func pythonOf(t *testing.T) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		testkit.Missing(t, "python3, to write a database with its sqlite3")
	}
	return python
}

// Packages that are only in the write-ahead log count, also if the database is reached
// through a link.
func TestRPMLog(t *testing.T) {
	python := pythonOf(t)
	d := database(t, "rpm", "rocky-sqlite")
	all, err := d.Expected()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	lay(t, root, d)
	db := filepath.Join(root, pkgdb.RPMDir, "rpmdb.sqlite")
	// The process ends without closing the database, like a killed rpm.
	script := `
import os, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("PRAGMA journal_mode=WAL")
c.execute("PRAGMA wal_autocheckpoint=0")
c.execute("DELETE FROM Packages WHERE hnum IN (SELECT hnum FROM Packages ORDER BY hnum LIMIT 20)")
os._exit(0)
`
	if out, err := exec.CommandContext(t.Context(), python, "-c", script, db).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	inv := inventoryOf(t, root, Options{}, readers())
	if n := len(inv.Packages); n != len(all)-20 || len(inv.ScanErrors) > 0 {
		t.Errorf("%d packages of %d, %+v", n, len(all), inv.ScanErrors)
	}
	link := testkit.Tree(t, map[string]string{"var/lib/rpm": "-> /usr/share/rpm", "usr/share/x": ""})
	if err := os.Rename(filepath.Dir(db), filepath.Join(link, "usr/share/rpm")); err != nil {
		t.Fatal(err)
	}
	linked := inventoryOf(t, link, Options{}, readers())
	if !slices.Equal(rows(linked.Packages), rows(inv.Packages)) || linked.Packages[0].Evidence[0].Path != "usr/share/rpm/rpmdb.sqlite" {
		t.Errorf("%d packages through a link", len(linked.Packages))
	}
	// An unreadable log may contain anything.
	if err := os.Remove(filepath.Join(link, "usr/share/rpm/rpmdb.sqlite-wal")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(link, "usr/share/rpm/rpmdb.sqlite-wal"), 0o755); err != nil {
		t.Fatal(err)
	}
	inv = inventoryOf(t, link, Options{}, readers())
	want := inventory.ScanError{Path: "usr/share/rpm/rpmdb.sqlite-wal", Kind: inventory.KindDatabase, Err: "not a regular file"}
	if len(inv.Packages) != len(all) || !slices.Equal(inv.ScanErrors, []inventory.ScanError{want}) {
		t.Errorf("%d packages, %+v", len(inv.Packages), inv.ScanErrors)
	}
}

// If a journal is next to a database, rpm first rolls back the changes in the journal,
// so the content of the database is not final.
func TestRPMJournal(t *testing.T) {
	d := database(t, "rpm", "rocky-sqlite")
	expected, err := d.Expected()
	if err != nil {
		t.Fatal(err)
	}
	all := len(expected)
	for name, c := range map[string]struct {
		journal string
		want    string
	}{
		"none":               {"", ""},
		"hot":                {"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", `database "var/lib/rpm/rpmdb.sqlite-journal": ` + errJournal.Error()},
		"done with":          {"\x00\x00\x00\x00\x00\x00\x00\x00", ""},
		"done with, cut off": {"empty", ""},
		"a folder":           {"folder", `database "var/lib/rpm/rpmdb.sqlite-journal": not a regular file`},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			lay(t, root, d)
			path := filepath.Join(root, "var/lib/rpm/rpmdb.sqlite-journal")
			var err error
			switch c.journal {
			case "":
			case "empty":
				err = os.WriteFile(path, nil, 0o644)
			case "folder":
				err = os.Mkdir(path, 0o755)
			default:
				err = os.WriteFile(path, []byte(c.journal), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			inv := inventoryOf(t, root, Options{}, readers())
			if got := strings.TrimSpace(summary(Inventory{ScanErrors: inv.ScanErrors})); len(inv.Packages) != all || got != c.want {
				t.Errorf("%d packages of %d, %s", len(inv.Packages), all, got)
			}
		})
	}
}

// All rpm packages have the content sets of all manifests of the image.
func TestContentSets(t *testing.T) {
	root := testkit.Tree(t, map[string]string{
		"root/buildinfo/content_manifests/base.json":   `{"content_sets": ["b", "a"]}`,
		"root/buildinfo/content_manifests/app.json":    `{"content_sets": ["c", "a"]}`,
		"root/buildinfo/content_manifests/broken.json": `broken`,
		"root/buildinfo/content_manifests/other":       `other`,
		"usr/share/buildinfo/content-sets.json":        `{"content_sets": ["d"]}`,
		"usr/share/buildinfo/labels.json":              `{"name": "x", "cpe": "cpe:/a:redhat:x:1::el8"}`,
		"root/buildinfo/labels.json":                   `{"name": "x", "cpe": "cpe:/a:redhat:x:1::el8"}`,
		"var/lib/dpkg/status":                          status,
	})
	lay(t, root, database(t, "rpm", "rhel-libuuid-only-bdb"))
	inv := inventoryOf(t, root, Options{}, readers())
	sets := map[string]string{}
	for _, p := range inv.Packages {
		sets[p.Name] = strings.Join(p.ContentSets, " ")
	}
	if want := (map[string]string{"a": "", "libuuid": "a b c cpe:/a:redhat:x:1::el8 d"}); !maps.Equal(sets, want) {
		t.Errorf("%v", sets)
	}
	if len(inv.ScanErrors) != 1 || inv.ScanErrors[0].Kind != inventory.KindFile || !strings.HasSuffix(inv.ScanErrors[0].Path, "broken.json") {
		t.Errorf("%+v", inv.ScanErrors)
	}
}

// With the databases of two systems in one root, both count, each with its own type.
func TestTwoSystems(t *testing.T) {
	root := t.TempDir()
	want := 0
	for _, d := range []pkgdb.Database{
		database(t, "apk", "alpine-3.10"), database(t, "dpkg", "debian12-minbase"), database(t, "rpm", "centos7-bdb"),
		database(t, "rpm", "sle15-bci-ndb"), database(t, "rpm", "fedora35-sqlite"),
	} {
		lay(t, root, d)
		list, err := d.Expected()
		if err != nil {
			t.Fatal(err)
		}
		want += len(list)
	}
	inv := inventoryOf(t, root, Options{}, readers())
	if len(inv.Packages) != want || len(inv.ScanErrors) > 0 || inv.System.ID != "debian" {
		t.Errorf("%d packages, want %d; %+v", len(inv.Packages), want, inv.ScanErrors)
	}
	types := map[string]bool{}
	for _, p := range inv.Packages {
		types[p.Type] = true
	}
	if len(types) != 3 {
		t.Errorf("types %v", types)
	}
}

// Every form of database that is cut short or has flipped bits gives either all
// packages, or its valid packages and a scan error.
func TestDamagedDatabases(t *testing.T) {
	for _, d := range []pkgdb.Database{
		database(t, "dpkg", "debian12-minbase"), database(t, "apk", "alpine-3.10"),
		database(t, "rpm", "rhel-libuuid-only-bdb"), database(t, "rpm", "sle15-bci-ndb"), database(t, "rpm", "rocky-sqlite"),
	} {
		t.Run(d.String(), func(t *testing.T) {
			root := t.TempDir()
			lay(t, root, d)
			whole := inventoryOf(t, root, Options{}, readers())
			path := filepath.Join(root, whole.Packages[0].Evidence[0].Path)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text := d.Kind != "rpm"
			check := func(what string, at int, damaged []byte) {
				t.Helper()
				if err := os.WriteFile(path, damaged, 0o644); err != nil {
					t.Fatal(err)
				}
				inv, err := Inspect(t.Context(), root, Options{Mounts: strings.NewReader("")})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := json.Marshal(inv); err != nil {
					t.Error(err)
				}
				// The end of a line is a valid end of the text, and so is the beginning
				// of the file.
				ended := text && (len(damaged) == 0 || damaged[len(damaged)-1] == '\n')
				if len(inv.ScanErrors) == 0 && len(inv.Packages) < len(whole.Packages) && !ended {
					t.Errorf("%s at %d: %d of %d packages without a scan error", what, at, len(inv.Packages), len(whole.Packages))
				}
			}
			for i := range 24 {
				at := len(data) * i / 24
				check("cut", at, data[:at])
				flipped := slices.Clone(data)
				for j := range 16 {
					flipped[(at+j*j*31)%len(data)] ^= 1 << (j % 8)
				}
				check("flip", at, flipped)
			}
		})
	}
}

// unusual returns a root of the test data with changes: the link etc/os-release is a
// file that contains the link's target, among others.
func unusual(t *testing.T, name string, more map[string]string) string {
	t.Helper()
	from := testkit.Path(t, "faults", "inventory", name)
	entries := maps.Clone(more)
	if entries == nil {
		entries = map[string]string{}
	}
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		entries[strings.TrimPrefix(path, from+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if target := entries["etc/os-release"]; strings.HasPrefix(target, "../") {
		entries["etc/os-release"] = "-> " + target
	}
	return testkit.Tree(t, entries)
}

// If Debian's packages have no lists of files, the owners of its Python packages are
// unknown. That is a scan error, and the packages have an owner without a name.
func TestNoLists(t *testing.T) {
	inv := inventoryOf(t, unusual(t, "dpkg-noinfo", nil), Options{}, readers())
	want := "deb python3-idna 3.3-1+deb12u1\npypi idna 3.3\n" +
		`database "var/lib/dpkg/info": no lists of installed files: it is unknown which files belong to the system's packages`
	if got := names(inv); got != want {
		t.Errorf("%s", got)
	}
	for _, p := range inv.Packages {
		if p.Type == "pypi" && (p.Owner == nil || *p.Owner != inventory.Owner{Digest: inventory.DigestUnknown}) {
			t.Errorf("owner %+v", p.Owner)
		}
	}
}

// Chisel's manifest does not name source packages; a status file next to it may.
func TestSourcesOfChisel(t *testing.T) {
	for status, want := range map[string]string{
		"": "base-files  1\nlibc6  1\nlibssl3t64  1\nopenssl  1\n",
		"Package: libc6\nVersion: 2.39-0ubuntu8.4\nArchitecture: amd64\nSource: glibc\n": "base-files  1\nlibc6 glibc 2\nlibssl3t64  1\nopenssl  1\n",
		"Package: libc6\nVersion: 2.39-0ubuntu8.3\nArchitecture: amd64\nSource: glibc\n": "base-files  1\nlibc6 glibc 1\nlibc6  1\nlibssl3t64  1\nopenssl  1\n",
	} {
		more := map[string]string{}
		if status != "" {
			more["var/lib/dpkg/status"] = status
		}
		inv := inventoryOf(t, unusual(t, "chisel-rock", more), Options{}, readers())
		var got strings.Builder
		for _, p := range inv.Packages {
			fmt.Fprintf(&got, "%s %s %d\n", p.Name, p.Source, len(p.Evidence))
		}
		if got.String() != want || len(inv.ScanErrors) > 0 {
			t.Errorf("%s%+v", &got, inv.ScanErrors)
		}
	}
}

// These databases of real images are not read, or not completely, by other scanners.
func TestUnusualDatabases(t *testing.T) {
	for name, want := range map[string]int{"apk-no-newline": 13, "chiseled-dotnet": 7, "chisel-rock": 4} {
		inv := inventoryOf(t, unusual(t, name, nil), Options{}, readers())
		if len(inv.Packages) != want || len(inv.ScanErrors) > 0 || !inv.System.Known() {
			t.Errorf("%s: %d packages, want %d\n%s", name, len(inv.Packages), want, names(inv))
		}
	}
}

// A stray line in os-release is a scan error of one file. The system is still known.
func TestStrayLine(t *testing.T) {
	text, err := os.ReadFile(testkit.Path(t, "faults", "inventory", "os-release-stray", "os-release"))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc", "os-release"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	inv := inventoryOf(t, root, Options{}, readers())
	if inv.System.ID != "debian" || inv.System.VersionID != "12" {
		t.Errorf("system %+v", inv.System)
	}
	if len(inv.ScanErrors) != 1 || inv.ScanErrors[0].Kind != inventory.KindFile || inv.ScanErrors[0].Path != "etc/os-release" {
		t.Errorf("scan errors %+v", inv.ScanErrors)
	}
}
