package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/inspect/rootfs"

	"golang.org/x/sys/unix"
)

const (
	status = "Package: a\nStatus: install ok installed\nVersion: 1\nMaintainer: M\n"
	debian = "ID=debian\nVERSION_ID=12\n"
)

// inventoryOf inspects dir with several numbers of workers, which must give the same
// bytes, and without mounts unless opts has some.
func inventoryOf(t *testing.T, dir string, opts Options, readers []reader) Inventory {
	t.Helper()
	var mounts []byte
	if opts.Mounts != nil {
		mounts, _ = io.ReadAll(opts.Mounts)
	}
	var first Inventory
	var bytes []byte
	for _, workers := range []int{1, 2, 8} {
		opts.Workers = workers
		opts.Mounts = strings.NewReader(string(mounts))
		inv, err := inspect(t.Context(), dir, opts, readers)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(inv)
		if err != nil {
			t.Fatal(err)
		}
		if bytes == nil {
			first, bytes = inv, b
		} else if string(b) != string(bytes) {
			t.Fatalf("%d workers: %s\nbut 1: %s", workers, b, bytes)
		}
	}
	return first
}

// summary is a short form of an inventory: the system, packages and scan errors.
func summary(inv Inventory) string {
	var b strings.Builder
	if inv.System.Known() {
		fmt.Fprintf(&b, "%s %s from %s\n", inv.System.ID, inv.System.VersionID, inv.System.Path)
	}
	for _, p := range inv.Packages {
		fmt.Fprintf(&b, "%s %s", p.Name, p.Version)
		for _, e := range p.Evidence {
			fmt.Fprintf(&b, " %s", e.Path)
		}
		b.WriteString("\n")
	}
	for _, p := range inv.ScanErrors {
		fmt.Fprintf(&b, "%s %q: %s\n", p.Kind, p.Path, p.Err)
	}
	return b.String()
}

func TestInspect(t *testing.T) {
	for _, c := range []struct {
		name    string
		entries map[string]string
		opts    Options
		want    string
	}{
		{name: "nothing", want: ""},
		{name: "debian", entries: map[string]string{
			"etc/os-release": "-> ../usr/lib/os-release", "usr/lib/os-release": debian, "var/lib/dpkg/status": status,
		}, want: "debian 12 from usr/lib/os-release\na 1 var/lib/dpkg/status\n"},
		{name: "absolute link", entries: map[string]string{
			"etc/os-release": "-> /usr/lib/os-release", "usr/lib/os-release": debian,
		}, want: "debian 12 from usr/lib/os-release\n"},
		{name: "both files", entries: map[string]string{
			"etc/os-release": debian, "usr/lib/os-release": "ID=other\n",
		}, want: "debian 12 from etc/os-release\n"},
		{name: "usr/lib alone", entries: map[string]string{"usr/lib/os-release": debian}, want: "debian 12 from usr/lib/os-release\n"},
		{name: "dangling link", entries: map[string]string{
			"etc/os-release": "-> nowhere", "usr/lib/os-release": debian,
		}, want: "debian 12 from usr/lib/os-release\n"},
		{name: "link out of the root", entries: map[string]string{
			"etc/os-release": "-> ../../../../../../../../etc/machine-os-release", "etc/machine-os-release": debian,
		}, want: "debian 12 from etc/machine-os-release\n"},
		{name: "a loop, then the next", entries: map[string]string{
			"etc/os-release": "-> os-release", "usr/lib/os-release": debian,
		}, want: "debian 12 from usr/lib/os-release\nsystem \"etc/os-release\": too many levels of symbolic links\n"},
		{name: "no os-release, then the next", entries: map[string]string{
			"etc/os-release": "nonsense\n", "etc/debian_version": "12.5\n",
		}, want: "debian 12 from etc/debian_version\nsystem \"etc/os-release\": line 1: not an assignment\n"},
		{name: "a stray line", entries: map[string]string{"etc/os-release": debian + "this is a stray line\n"},
			want: "debian 12 from etc/os-release\nfile \"etc/os-release\": line 3: not an assignment\n"},
		{name: "a stray line that may be the version", entries: map[string]string{"etc/os-release": "ID=debian\n12\n"},
			want: "debian  from etc/os-release\nsystem \"etc/os-release\": line 2: not an assignment\n"},
		{name: "debian_version alone", entries: map[string]string{"etc/debian_version": "trixie/sid\n"}, want: "debian  from etc/debian_version\n"},
		{name: "alpine-release alone", entries: map[string]string{"etc/alpine-release": "3.18.4\n"},
			want: "alpine 3.18.4 from etc/alpine-release\n"},
		{name: "a rebuild keeps the other's file", entries: map[string]string{
			"etc/oracle-release": "Oracle Linux Server release 6.10\n", "etc/redhat-release": "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n",
		}, want: "ol 6.10 from etc/oracle-release\n"},
		{name: "redhat-release is a link", entries: map[string]string{
			"etc/redhat-release": "-> centos-release", "etc/centos-release": "CentOS release 6.10 (Final)\n",
		}, want: "centos 6 from etc/centos-release\n"},
		{name: "lsb-release before debian_version", entries: map[string]string{
			"etc/lsb-release": "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=10.04\n", "etc/debian_version": "squeeze/sid\n",
		}, want: "ubuntu 10.04 from etc/lsb-release\n"},
		{name: "lsb-release of no system", entries: map[string]string{
			"etc/lsb-release": "LSB_VERSION=base-4.0\n", "etc/debian_version": "12.5\n",
		}, want: "debian 12 from etc/debian_version\n"},
		{name: "os-release before all others", entries: map[string]string{
			"usr/lib/os-release": debian, "etc/redhat-release": "CentOS release 6.10 (Final)\n",
		}, want: "debian 12 from usr/lib/os-release\n"},
		{name: "no ID", entries: map[string]string{"etc/os-release": "NAME=x\n"}, want: "linux  from etc/os-release\n"},

		{name: "status.d", entries: map[string]string{
			"var/lib/dpkg/status.d/a":           "Package: a\nVersion: 1\n",
			"var/lib/dpkg/status.d/a.md5sums":   "d41d8cd98f00b204e9800998ecf8427e  usr/bin/a\n",
			"var/lib/dpkg/status.d/b":           "Package: b\nVersion: 2",
			"var/lib/dpkg/status.d/bad":         "bad",
			"var/lib/dpkg/status.d/sub/c":       "Package: c\nVersion: 3\n",
			"var/lib/dpkg/status.d/caf\xe9":     "Package: d\nVersion: 4\n",
			"var/lib/dpkg/status.d/e\x1b[31m\n": "Package: e\nVersion: 5\n",
		}, want: "a 1 var/lib/dpkg/status.d/a\nb 2 var/lib/dpkg/status.d/b\n" +
			"d 4 var/lib/dpkg/status.d/caf\\xe9\ne 5 var/lib/dpkg/status.d/e\x1b[31m\n\n" +
			"database \"var/lib/dpkg/status.d/bad\": line 1: invalid field \"bad\"\n"},
		{name: "one package at two places", entries: map[string]string{
			"var/lib/dpkg/status":     status + "\n" + status,
			"var/lib/dpkg/status.d/a": "Package: a\nVersion: 1\n",
			"var/lib/dpkg/status.d/b": "Package: a\nVersion: 1\nSource: b\n",
		}, want: "a 1 var/lib/dpkg/status var/lib/dpkg/status.d/a\na 1 var/lib/dpkg/status.d/b\n"},
		{name: "empty", entries: map[string]string{"var/lib/dpkg/status": ""}, want: "database \"var/lib/dpkg/status\": contains no installed package\n"},
		{name: "no status at all", entries: map[string]string{"var/lib/dpkg/status": "asdf\n"},
			want: "database \"var/lib/dpkg/status\": line 1: invalid field \"asdf\"\n"},
		{name: "a broken stanza", entries: map[string]string{"var/lib/dpkg/status": status + "\nPackage: b\n"},
			want: "a 1 var/lib/dpkg/status\ndatabase \"var/lib/dpkg/status\": line 6: package \"b\": no Status\n"},

		// A database is found through links inside the root, as dpkg finds it.
		{name: "status is a link", entries: map[string]string{
			"var/lib/dpkg/status": "-> /opt/status", "opt/status": status,
		}, want: "a 1 opt/status\n"},
		{name: "its folder is a link", entries: map[string]string{
			"var/lib/dpkg": "-> ../../usr/lib/dpkg", "usr/lib/dpkg/status": status, "usr/lib/dpkg/status.d/b": "Package: b\nVersion: 1\n",
		}, want: "a 1 usr/lib/dpkg/status\nb 1 usr/lib/dpkg/status.d/b\n"},
		{name: "a link in status.d", entries: map[string]string{
			"var/lib/dpkg/status.d/a": "-> ../b", "var/lib/dpkg/b": "Package: b\nVersion: 1\n", "var/lib/dpkg/status.d/c": "-> gone",
		}, want: "b 1 var/lib/dpkg/b\ndatabase \"var/lib/dpkg/status.d/c\": no such file or directory\n"},
		{name: "status leads to nothing, with another one", entries: map[string]string{
			"var/lib/dpkg/status": "-> /gone", "usr/lib/dpkg/status": status,
		}, want: "a 1 usr/lib/dpkg/status\ndatabase \"var/lib/dpkg/status\": no such file or directory\n"},
		{name: "its folder leads to nothing, with another one", entries: map[string]string{
			"lib/apk/db": "-> /gone", "var/lib/dpkg/status": status,
		}, want: "a 1 var/lib/dpkg/status\ndatabase \"lib/apk/db/installed\": no such file or directory\n"},
		{name: "its folder is a file, with another one", entries: map[string]string{
			"lib/apk/db": "x", "var/lib/dpkg/status": status,
		}, want: "a 1 var/lib/dpkg/status\ndatabase \"lib/apk/db/installed\": not a directory\n"},
		{name: "status is a loop", entries: map[string]string{"var/lib/dpkg/status": "-> status"},
			want: "database \"var/lib/dpkg/status\": too many levels of symbolic links\n"},
		{name: "status is a folder", entries: map[string]string{"var/lib/dpkg/status/x": ""},
			want: "database \"var/lib/dpkg/status\": not a regular file\n"},
		{name: "another root's database", entries: map[string]string{"opt/root/var/lib/dpkg/status": status}, want: ""},

		{name: "skipped", entries: map[string]string{"var/lib/dpkg/status": status, "etc/os-release": debian},
			opts: Options{Skip: []string{"/var/lib"}}, want: "debian 12 from etc/os-release\n"},
		{name: "a link into a skipped folder", entries: map[string]string{
			"var/lib/dpkg/status": "-> /opt/status", "opt/status": status,
			"etc/os-release": "-> /opt/os-release", "opt/os-release": debian, "usr/lib/os-release": "ID=x\n",
		}, opts: Options{Skip: []string{"opt"}}, want: "x  from usr/lib/os-release\nsystem \"opt/os-release\": leads to a path that is not scanned\n" +
			"database \"var/lib/dpkg/status\": leads to a path that is not scanned\n"},
		{name: "a mount where merged /usr leads", entries: map[string]string{
			"lib": "-> usr/lib", "usr/lib/apk/db/installed": "P:x\nV:1\n", "var/lib/dpkg/status": status,
		}, opts: Options{Skip: []string{"usr/lib/apk/db"}}, want: "a 1 var/lib/dpkg/status\n"},
		{name: "kaniko runs the build", entries: map[string]string{
			"var/lib/dpkg/status": "-> /kaniko/status", "kaniko/status": status,
		}, opts: Options{Kaniko: true}, want: "database \"var/lib/dpkg/status\": leads to a path that is not scanned\n"},
		{name: "a folder of kaniko's name", entries: map[string]string{
			"var/lib/dpkg/status": "-> /kaniko/status", "kaniko/status": status,
		}, want: "a 1 kaniko/status\n"},
		{name: "links to where secrets are", entries: map[string]string{
			"var/lib/dpkg/status": "-> /var/run/secrets/a", "var/run": "-> /run", "run/secrets/a": status,
			"var/lib/dpkg/status.d": "-> /run/secrets/d", "run/secrets/d/x": status,
			"etc/os-release": "-> /run/secrets/b", "run/secrets/b": "ID=secret\n",
			"opt/x-1.dist-info/METADATA": "-> /run/secrets/c", "run/secrets/c": "Metadata-Version: 2.1\nName: secret\nVersion: 1\n",
			"opt/y-1.dist-info": "-> /run/secrets/y-1", "run/secrets/y-1/METADATA": "Metadata-Version: 2.1\nName: secret\nVersion: 1\n",
		}, want: "file \"opt/x-1.dist-info/METADATA\": leads to a path that is not scanned\n" +
			"directory \"opt/y-1.dist-info\": leads to a path that is not scanned\n" +
			"system \"run/secrets/b\": leads to a path that is not scanned\n" +
			"database \"var/lib/dpkg/status\": leads to a path that is not scanned\n" +
			"database \"var/lib/dpkg/status.d\": leads to a path that is not scanned\n"},
		{name: "mountinfo of nonsense", entries: map[string]string{"var/lib/dpkg/status": status},
			opts: Options{Mounts: strings.NewReader("nonsense\n")},
			want: "a 1 var/lib/dpkg/status\nfile \"\": mountinfo: line 1: invalid line of mountinfo\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := summary(inventoryOf(t, testkit.Tree(t, c.entries), c.opts, readers()))
			if got != c.want {
				t.Errorf("%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// A mount is either left out at its mount point or part of the image.
func TestMounts(t *testing.T) {
	dir := testkit.Tree(t, map[string]string{"var/lib/dpkg/status": status, "etc/os-release": debian})
	for line, want := range map[string]string{
		"9 8 0:9 / %s/var/lib rw - tmpfs t rw\n":                         "debian 12 from etc/os-release\n",
		"9 8 8:1 /cache %s/var/lib/dpkg rw - ext4 /dev/a rw\n":           "debian 12 from etc/os-release\n",
		"9 8 8:1 /volumes/x/_data %s/var/lib/dpkg rw - ext4 /dev/a rw\n": "debian 12 from etc/os-release\na 1 var/lib/dpkg/status\n",
		"9 8 8:1 / %s/var rw - ext4 /dev/a rw\n":                         "debian 12 from etc/os-release\na 1 var/lib/dpkg/status\n",
		"9 8 8:1 /os %s/etc/os-release rw - ext4 /dev/a rw\n":            "a 1 var/lib/dpkg/status\n",
		"9 8 0:9 / %s rw - tmpfs t rw\n":                                 "debian 12 from etc/os-release\na 1 var/lib/dpkg/status\n",
	} {
		mounts := strings.NewReader(fmt.Sprintf(line, dir))
		if got := summary(inventoryOf(t, dir, Options{Mounts: mounts}, readers())); got != want {
			t.Errorf("%s%s", line, got)
		}
	}
}

// Without mounts, the kernel's filesystems are left out, but folders of an image with
// the same names are not.
func TestOutsideWithoutMounts(t *testing.T) {
	c := newCollector(nil)
	none := Options{Mounts: strings.NewReader("")}
	if got := c.outside("/", none); !slices.Contains(got, "proc") || slices.Contains(got, "kaniko") {
		t.Errorf("%q", got)
	}
	if got := c.outside(testkit.Tree(t, map[string]string{"proc": "/", "sys": "/", "dev": "/"}), none); len(got) > 0 {
		t.Errorf("%q", got)
	}
	none.Kaniko = true
	if got := c.outside("/", none); !slices.Contains(got, "kaniko") {
		t.Errorf("%q", got)
	}
}

func TestRelative(t *testing.T) {
	for _, c := range []struct{ root, path, dir, want string }{
		{"/", "/", "/var/cache", "var/cache"},
		{"/", "/", "var/cache", "var/cache"},
		{"/mnt/img", "/mnt/img", "/mnt/img/var", "var"},
		{"/mnt/img", "/mnt/img/", "/mnt/img/var", "var"},
		{"/mnt/img", "img", "img/var", "var"},
		{"/mnt/img", "/link", "/link/var", "var"},
		{"/mnt/img", "/link", "/mnt/img/var", "var"},
		{"/mnt/img", "/mnt/img", "/mnt/img2/var", "/mnt/img2/var"}, // below the root
	} {
		if got := relative(c.root, c.path, []string{c.dir}); got[0] != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// Readers that want files anywhere, simpler than the real ones.
func namedReaders() []reader {
	named := func(f, _ *rootfs.File) ([]inventory.Package, error) {
		text, err := io.ReadAll(f)
		p := inventory.Package{
			Type: "npm", Name: strings.TrimSpace(string(text)), Version: "1",
			Evidence: []inventory.Evidence{{Path: f.Path(), Kind: "node"}},
		}
		return []inventory.Package{p}, err
	}
	return append(distributions(),
		reader{bases: []string{"package.json"}, limit: 8, kind: inventory.KindFile, read: named},
		reader{exts: []string{".bin"}, limit: 100, kind: inventory.KindFile, read: named})
}

func TestReadersByName(t *testing.T) {
	dir := testkit.Tree(t, map[string]string{
		"var/lib/dpkg/status":    status,
		"a/package.json":         "x",
		"b/package.json":         "x",
		"c/package.json":         "too long for it",
		"d/package.json":         "-> ../a/package.json",
		"kaniko/package.json":    "k",
		"assay.bin":              "assay",
		"other.bin":              "other",
		"skip/this/package.json": "s",
	})
	got := summary(inventoryOf(t, dir, Options{
		Exclude: []string{filepath.Join(dir, "assay.bin"), filepath.Join(dir, "none")},
		Skip:    []string{filepath.Join(dir, "skip/this")},
	}, namedReaders()))
	want := `a 1 var/lib/dpkg/status
k 1 kaniko/package.json
other 1 other.bin
too long 1 c/package.json
x 1 a/package.json b/package.json
file "c/package.json": larger than the limit of 8 bytes
`
	if got != want {
		t.Errorf("%s", got)
	}
}

// Owners are set before equal packages are merged: a distribution's package and the
// same one next to it stay two packages.
func TestOwners(t *testing.T) {
	sum := "9dd4e461268c8034f5c8564e155c67a6" // of "x"
	dir := testkit.Tree(t, map[string]string{
		"var/lib/dpkg/status":                 status,
		"var/lib/dpkg/info/a.list":            "/usr/a/package.json\n/usr/b/package.json\n/usr/c/package.json\n/var/lib/dpkg/status\n",
		"var/lib/dpkg/info/a.md5sums":         sum + "  usr/a/package.json\n" + sum + "  usr/b/package.json\n" + sum + "  usr/c/package.json\n",
		"var/lib/dpkg/info/b.list":            "/" + strings.Repeat("y", 40_000),
		"usr/a/package.json":                  "x",
		"usr/b/package.json":                  "x",
		"usr/c/package.json":                  "x ",
		"srv/app/node_modules/a/package.json": "x",
	})
	inv := inventoryOf(t, dir, Options{}, namedReaders())
	var got strings.Builder
	for _, p := range inv.Packages {
		fmt.Fprintf(&got, "%s", p.Name)
		for _, e := range p.Evidence {
			fmt.Fprintf(&got, " %s", e.Path)
		}
		if p.Owner != nil {
			fmt.Fprintf(&got, ": %s %s", p.Owner.Package, p.Owner.Digest)
		}
		got.WriteString("\n")
	}
	want := "a var/lib/dpkg/status\n" +
		"x srv/app/node_modules/a/package.json\n" +
		"x usr/a/package.json usr/b/package.json: a equal\n" +
		"x usr/c/package.json: a different\n"
	if got.String() != want {
		t.Errorf("%s", &got)
	}
	tooLong := inventory.ScanError{Path: "var/lib/dpkg/info/b.list", Kind: inventory.KindFile, Err: "line 1: longer than 32768 bytes"}
	if !slices.Equal(inv.ScanErrors, []inventory.ScanError{tooLong}) {
		t.Errorf("%+v", inv.ScanErrors)
	}
}

// Of many scan errors the first ones are listed, in an order that does not depend on
// the workers.
func TestManyScanErrors(t *testing.T) {
	entries := map[string]string{}
	for i := range 5 * maxScanErrors {
		entries[fmt.Sprintf("n%04d/package.json", i)] = "longer than it may be"
	}
	entries["var/lib/dpkg/status"] = "nonsense\n"
	inv := inventoryOf(t, testkit.Tree(t, entries), Options{}, namedReaders())
	if n := len(inv.ScanErrors); n != maxScanErrors+2 {
		t.Fatalf("%d scan errors", n)
	}
	if got, want := inv.ScanErrors[0], (inventory.ScanError{Kind: inventory.KindFile, Err: "and 800 more"}); got != want {
		t.Errorf("%+v", got)
	}
	for i, p := range inv.ScanErrors[1 : maxScanErrors+1] {
		if p.Path != fmt.Sprintf("n%04d/package.json", i) {
			t.Fatalf("scan error %d is %q", i, p.Path)
		}
	}
	if p := inv.ScanErrors[maxScanErrors+1]; p.Kind != inventory.KindDatabase {
		t.Errorf("%+v", p)
	}
}

// Files that are not what they seem do not block and do not fill the memory.
func TestHostileDatabase(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"not a regular file":    func(p string) error { return unix.Mkfifo(p, 0o666) },
		"larger than the limit": func(p string) error { return sparse(p, 1<<40) },
		"line 1: invalid field \"\\x00\\x00\\x00\\x00\\x00\\x00\\x00": func(p string) error { return sparse(p, 1<<20) },
	} {
		dir := testkit.Tree(t, map[string]string{"var/lib/dpkg/x": ""})
		if err := make(filepath.Join(dir, "var/lib/dpkg/status")); err != nil {
			testkit.Missing(t, "%v", err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		inv, err := Inspect(t.Context(), dir, Options{Mounts: strings.NewReader("")})
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		if len(inv.ScanErrors) != 1 || inv.ScanErrors[0].Kind != inventory.KindDatabase || !strings.HasPrefix(inv.ScanErrors[0].Err, name) {
			t.Errorf("%s: %+v", name, inv.ScanErrors)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s: %d bytes allocated", name, got)
		}
	}
}

func sparse(path string, size int64) error {
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return err
	}
	return os.Truncate(path, size)
}

// If a database is larger than the limit, the packages before the limit are kept.
func TestLargeDatabase(t *testing.T) {
	dir := testkit.Tree(t, map[string]string{"var/lib/dpkg/status": status + "\n"})
	if err := os.Truncate(filepath.Join(dir, "var/lib/dpkg/status"), 1<<40); err != nil {
		testkit.Missing(t, "%v", err)
	}
	inv, err := Inspect(t.Context(), dir, Options{Mounts: strings.NewReader("")})
	if err != nil {
		t.Fatal(err)
	}
	want := "a 1 var/lib/dpkg/status\ndatabase \"var/lib/dpkg/status\": larger than the limit of 67108864 bytes\n"
	if got := summary(inv); got != want {
		t.Errorf("%s", got)
	}
}

func TestErrors(t *testing.T) {
	dir := testkit.Tree(t, map[string]string{"file": ""})
	for _, root := range []string{"", filepath.Join(dir, "none"), filepath.Join(dir, "file")} {
		if _, err := Inspect(t.Context(), root, Options{}); err == nil {
			t.Errorf("root %q: no error", root)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Inspect(ctx, dir, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("context ended: %v", err)
	}
}

// For users other than root, an unreadable database is a scan error for whatever
// reason, and a database in a folder that can only be searched is read. The test runs
// itself as nobody.
func TestUnreadable(t *testing.T) {
	if dir := os.Getenv("ASSAY_TEST_UNREADABLE"); dir != "" {
		for name, want := range map[string]string{
			"closed": "directory \"var/lib/dpkg\": permission denied\n" +
				"database \"var/lib/dpkg/status\": permission denied\n" +
				"database \"var/lib/dpkg/status.d\": permission denied\n",
			"searched": "a 1 var/lib/dpkg/status\ndirectory \"var/lib/dpkg\": permission denied\n",
			"file":     "database \"var/lib/dpkg/status\": permission denied\n",
			"root":     "a 1 var/lib/dpkg/status\ndirectory \"\": permission denied\n",
		} {
			if got := summary(inventoryOf(t, filepath.Join(dir, name), Options{}, readers())); got != want {
				t.Errorf("%s:\n%s", name, got)
			}
		}
		return
	}
	if os.Getuid() != 0 {
		testkit.Missing(t, "not root: another user's files cannot be made")
	}
	entries := map[string]string{}
	for _, name := range []string{"closed", "searched", "file", "root"} {
		entries[name+"/var/lib/dpkg/status"] = status
	}
	dir := testkit.Tree(t, entries)
	for path, mode := range map[string]os.FileMode{
		filepath.Dir(dir): 0o755, dir: 0o755,
		filepath.Join(dir, "closed/var/lib/dpkg"):      0o700,
		filepath.Join(dir, "searched/var/lib/dpkg"):    0o711,
		filepath.Join(dir, "file/var/lib/dpkg/status"): 0o600,
		filepath.Join(dir, "root"):                     0o711,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestUnreadable$", "-test.v")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "ASSAY_TEST_UNREADABLE="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// one reports whether exactly one of these is true.
func one(these ...bool) bool {
	n := 0
	for _, this := range these {
		if this {
			n++
		}
	}
	return n == 1
}

// No two readers want the same file, unless they check its path.
func TestReadersAreApart(t *testing.T) {
	taken := map[string]bool{}
	for i, r := range readers() {
		keys := slices.Concat(r.files, r.dirs, r.bases, r.exts)
		if len(keys) == 0 && !r.programs || r.limit <= 0 || r.kind == "" || !one(r.read != nil, r.contentSets != nil, r.updated != nil) || len(r.dirs) > 0 && r.inDir == nil {
			t.Errorf("reader %d is not complete", i)
		}
		for _, k := range keys {
			if asked, known := taken[k]; known && !(asked && r.wants != nil) {
				t.Errorf("two readers want %q", k)
			}
			taken[k] = r.wants != nil
		}
	}
}

func TestMerge(t *testing.T) {
	at := func(path string) []inventory.Evidence { return []inventory.Evidence{{Path: path, Kind: "k"}} }
	owner := &inventory.Owner{Package: "o", Digest: inventory.DigestEqual}
	got := merge([]inventory.Package{
		{Name: "a", Vendor: "", Evidence: at("1")},
		{Name: "a", Vendor: "v", Evidence: at("2")},
		{Name: "a", Owner: owner, Evidence: at("3")},
		{Name: "a", Owner: &inventory.Owner{Package: "o", Digest: inventory.DigestEqual}, Evidence: at("4")},
		{Name: "a", Hashes: []string{"x"}, Evidence: at("5")},
	})
	want := []inventory.Package{
		{Name: "a", Vendor: "v", Evidence: append(at("1"), at("2")...)},
		{Name: "a", Owner: owner, Evidence: append(at("3"), at("4")...)},
		{Name: "a", Hashes: []string{"x"}, Evidence: at("5")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

// The databases of the test data, as complete roots.
func TestRealRoots(t *testing.T) {
	for name, want := range map[string]struct {
		packages int
		system   inventory.System
	}{
		"debian12-minbase": {88, inventory.System{ID: "debian", VersionID: "12", Codename: "bookworm",
			PrettyName: "Debian GNU/Linux 12 (bookworm)", Path: "etc/os-release", Repositories: []string{"none"}}},
		"distroless-base-debian10": {6, inventory.System{ID: "debian", VersionID: "9",
			PrettyName: "Distroless", Path: "etc/os-release", Repositories: []string{"none"}}},
	} {
		inv := inventoryOf(t, testkit.Path(t, "pkgdb", "dpkg", name), Options{}, readers())
		if len(inv.Packages) != want.packages || len(inv.ScanErrors) != 0 || !reflect.DeepEqual(inv.System, want.system) {
			t.Errorf("%s: %d packages, %+v, %+v", name, len(inv.Packages), inv.System, inv.ScanErrors)
		}
	}
}
