package inspect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/pkgdb"
	"assay/inspect/distro/rpm"
	"assay/inspect/inventory"
	"assay/inspect/rootfs"

	"golang.org/x/sys/unix"
)

// At every path of every database, anything but a regular file is a scan error and does
// not block.
func TestNoFileAtADatabasesPath(t *testing.T) {
	for _, r := range readers() {
		if r.kind != inventory.KindDatabase {
			continue
		}
		for _, path := range r.files {
			paths := []string{path}
			if r.sibling != "" {
				paths = append(paths, path+r.sibling)
			}
			for _, path := range paths {
				for name, c := range map[string]struct {
					make func(string) error
					err  string
				}{
					"FIFO": {func(p string) error { return unix.Mkfifo(p, 0o666) }, "not a regular file"},
					"device": {func(p string) error {
						return unix.Mknod(p, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5)))
					}, "not a regular file"},
					"folder": {func(p string) error { return os.Mkdir(p, 0o755) }, "not a regular file"},
					"loop":   {func(p string) error { return os.Symlink(filepath.Base(p), p) }, "too many levels of symbolic links"},
				} {
					dir := testkit.Tree(t, map[string]string{filepath.Dir(path) + "/x": ""})
					if base, ok := strings.CutSuffix(path, r.sibling); ok && r.sibling != "" {
						if err := os.WriteFile(filepath.Join(dir, base), nil, 0o644); err != nil {
							t.Fatal(err)
						}
					}
					if err := c.make(filepath.Join(dir, path)); err != nil {
						if name == "device" {
							continue // not root
						}
						t.Fatal(err)
					}
					inv, err := Inspect(t.Context(), dir, Options{Mounts: strings.NewReader("")})
					if err != nil {
						t.Fatal(err)
					}
					want := inventory.ScanError{Path: path, Kind: inventory.KindDatabase, Err: c.err}
					if !slices.Contains(inv.ScanErrors, want) || len(inv.Packages) > 0 {
						t.Errorf("%s at %s: %+v", name, path, inv)
					}
				}
			}
		}
	}
}

// A socket is tested separately, because the path of a test's folder may be too long
// for one.
func TestSocketAtADatabasesPath(t *testing.T) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.MkdirAll(filepath.Join(dir, "lib/apk/db"), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "lib/apk/db/installed"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	inv := inventoryOf(t, dir, Options{}, readers())
	if got, want := summary(inv), "database \"lib/apk/db/installed\": not a regular file\n"; got != want {
		t.Errorf("%s", got)
	}
}

// An entry that is not a file, in a folder in which each file is a package, is a scan
// error.
func TestFIFOInStatusDir(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "var/lib/dpkg/status.d")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(folder, "libssl3"), 0o644); err != nil {
		t.Fatal(err)
	}
	inv := inventoryOf(t, dir, Options{}, readers())
	if got, want := summary(inv), "database \"var/lib/dpkg/status.d/libssl3\": not a regular file\n"; got != want {
		t.Errorf("%s", got)
	}
}

// A database that shrinks or grows between opening and reading gives what was read, and
// a scan error unless that is complete.
func TestChangingDatabase(t *testing.T) {
	for _, d := range []pkgdb.Database{
		database(t, "dpkg", "debian12-minbase"), database(t, "apk", "alpine-3.10"),
		database(t, "rpm", "rhel-libuuid-only-bdb"), database(t, "rpm", "sle15-bci-ndb"), database(t, "rpm", "rocky-sqlite"),
	} {
		for what, change := range map[string]func(path string) error{
			"shrinks": func(path string) error {
				st, err := os.Stat(path)
				if err != nil {
					return err
				}
				return os.Truncate(path, st.Size()/2-7)
			},
			"grows": func(path string) error {
				f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					return err
				}
				defer f.Close()
				_, err = fmt.Fprintf(f, "\n%s", strings.Repeat("x", 3<<20))
				return err
			},
		} {
			root := t.TempDir()
			lay(t, root, d)
			whole, err := Inspect(t.Context(), root, Options{Mounts: strings.NewReader("")})
			if err != nil {
				t.Fatal(err)
			}
			changed := readers()
			for i, r := range changed {
				if r.read == nil {
					continue
				}
				changed[i].read = func(f, sibling *rootfs.File) ([]inventory.Package, error) {
					if err := change(filepath.Join(root, f.Path())); err != nil {
						t.Error(err)
					}
					return r.read(f, sibling)
				}
			}
			inv, err := inspect(t.Context(), root, Options{Mounts: strings.NewReader("")}, changed)
			if err != nil {
				t.Fatal(err)
			}
			if len(inv.Packages) < len(whole.Packages) && len(inv.ScanErrors) == 0 {
				t.Errorf("%v %s: %d of %d packages without a scan error", d, what, len(inv.Packages), len(whole.Packages))
			}
			if what == "grows" && d.Kind != "dpkg" && len(inv.Packages) != len(whole.Packages) {
				t.Errorf("%v %s: %d packages, before %d", d, what, len(inv.Packages), len(whole.Packages))
			}
		}
	}
}

// Emptied databases are scan errors, unless another database has packages.
func TestNoPackages(t *testing.T) {
	python := pythonOf(t)
	root := testkit.Tree(t, map[string]string{"lib/apk/db/installed": "", "var/lib/dpkg/status": "\n"})
	lay(t, root, database(t, "rpm", "rocky-sqlite"))
	script := `
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("DELETE FROM Packages")
c.commit()
c.execute("VACUUM")
`
	db := filepath.Join(root, pkgdb.RPMDir, "rpmdb.sqlite")
	if out, err := exec.CommandContext(t.Context(), python, "-c", script, db).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := ""
	for _, path := range []string{"lib/apk/db/installed", "var/lib/dpkg/status", pkgdb.RPMDir + "/rpmdb.sqlite"} {
		want += fmt.Sprintf("database %q: contains no installed package\n", path)
	}
	if got := summary(inventoryOf(t, root, Options{}, readers())); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	installed := "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n"
	if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), []byte(installed), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := summary(inventoryOf(t, root, Options{}, readers())); got != "a 1 var/lib/dpkg/status\n" {
		t.Errorf("next to a database with a package: %s", got)
	}
}

// A file of 2 GiB without a line break, under every name that a reader wants, does not
// fill the memory.
func TestHugeFiles(t *testing.T) {
	entries := map[string]string{"etc/os-release": ""}
	for _, r := range namedReaders() {
		for _, path := range r.files {
			entries[path] = ""
			if r.sibling != "" {
				entries[path+r.sibling] = ""
			}
		}
		for _, dir := range r.dirs {
			name := "x"
			if !r.inDir(name) {
				name = "x.json"
			}
			entries[dir+"/"+name] = ""
		}
	}
	// These are read only if the owner of a file is looked up.
	entries["var/lib/dpkg/info/x.list"] = ""
	entries["var/lib/dpkg/diversions"] = ""
	dir := testkit.Tree(t, entries)
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for path := range entries {
		if err := os.Truncate(filepath.Join(dir, path), 2<<30); err != nil {
			testkit.Missing(t, "%v", err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	inv, err := inspect(t.Context(), dir, Options{Mounts: strings.NewReader("")}, namedReaders())
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	scanErrors := map[string]bool{}
	for _, p := range inv.ScanErrors {
		scanErrors[p.Path] = true
	}
	for path := range entries {
		if !scanErrors[path] && !strings.HasSuffix(path, rpm.WAL) { // a log that begins with zeros is ignored
			t.Errorf("no scan error for %s", path)
		}
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
		t.Errorf("%d bytes allocated", got)
	}
}

// The same for the records of languages. They begin like a valid record and continue
// with one value that exceeds the reader's limit.
func TestHugeRecords(t *testing.T) {
	const megabyte = 1 << 20
	records := map[string]struct {
		begin string
		size  int // bytes that are not a hole
	}{
		"srv/node_modules/a/package.json":          {`{"description":"`, 9 * megabyte},
		"srv/site-packages/a-1.dist-info/METADATA": {"Summary: ", 9 * megabyte},
		"srv/site-packages/a-1.egg-info":           {"Summary: ", 9 * megabyte},
		"srv/conda-meta/a-1-0.json":                {`{"files":["`, 65 * megabyte},
		"srv/vendor/composer/installed.json":       {`{"packages":[{"description":"`, 17 * megabyte},
		"srv/php/.registry/a.reg":                  {`a:1:{s:4:"name";s:99999999:"`, 17 * megabyte},
		"srv/gems/specifications/a-1.gemspec":      {`Gem::Specification.new do |s| s.name = "`, 9 * megabyte},
		"srv/app.deps.json":                        {`{"runtimeTarget":"`, 9 * megabyte},
		"usr/lib/R/library/a/DESCRIPTION":          {"Description: ", 2 * megabyte},
		"srv/a.jar":                                {"PK\x03\x04", megabyte},
		"srv/site-packages/a-1-py3.egg":            {"PK\x03\x04", megabyte},
		"srv/bin/program":                          {elfHeader(1 << 62), megabyte},
	}
	dir := t.TempDir()
	for path, r := range records {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		content := append([]byte(r.begin), bytes.Repeat([]byte("a"), r.size)...)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 2<<30); err != nil {
			testkit.Missing(t, "%v", err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	inv, err := Inspect(t.Context(), dir, Options{Mounts: strings.NewReader("")})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	scanErrors := map[string]bool{}
	for _, p := range inv.ScanErrors {
		scanErrors[p.Path] = true
	}
	for path := range records {
		if !scanErrors[path] {
			t.Errorf("no scan error for %s", path)
		}
	}
	if len(inv.Packages) > 0 {
		t.Errorf("%+v", inv.Packages)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 8*megabyte {
		t.Errorf("%d bytes allocated", got)
	}
}

// elfHeader is the header of a program whose section table is at an offset.
func elfHeader(sections uint64) string {
	b := make([]byte, 64)
	copy(b, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(b[16:], 2)
	binary.LittleEndian.PutUint64(b[40:], sections)
	binary.LittleEndian.PutUint16(b[58:], 64)
	binary.LittleEndian.PutUint16(b[60:], 30)
	return string(b)
}
