package owner

import (
	"context"
	"crypto/fips140"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/inspect/rootfs"
	"assay/inspect/walk"
)

// found returns packages found at paths by a language reader.
func found(paths ...string) []inventory.Package {
	var packages []inventory.Package
	for _, p := range paths {
		packages = append(packages, inventory.Package{Type: "npm", Evidence: []inventory.Evidence{{Path: p, Kind: "node"}}})
	}
	return packages
}

// owners runs Join and returns "package digest" for each path, or "" if there is no
// owner, and what failed.
func owners(t *testing.T, dir string, skip []string, paths ...string) (got map[string]string, failed []string) {
	t.Helper()
	root, err := rootfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, workers := range []int{1, 4} {
		var mu sync.Mutex
		var failures []string
		packages := found(paths...)
		Join(t.Context(), Tree{Root: root, Skip: walk.NewSkip(skip), Workers: workers, Failed: func(path string, err error) {
			mu.Lock()
			defer mu.Unlock()
			failures = append(failures, path+": "+err.Error())
		}, Missing: func(path string, err error) { failures = append(failures, path+" missing: "+err.Error()) }}, packages)
		slices.Sort(failures)
		now := map[string]string{}
		for _, p := range packages {
			now[p.Evidence[0].Path] = text(p.Owner)
		}
		if got != nil && fmt.Sprint(now, failures) != fmt.Sprint(got, failed) {
			t.Fatalf("%d workers: %v, %v\nbut before: %v, %v", workers, now, failures, got, failed)
		}
		got, failed = now, failures
	}
	return got, failed
}

func text(o *inventory.Owner) string {
	if o == nil {
		return ""
	}
	return o.Package + " " + string(o.Digest)
}

func md5Line(content, path string) string {
	var sum [md5.Size]byte
	fips140.WithoutEnforcement(func() { sum = md5.Sum([]byte(content)) }) // for TestForbiddenDigests
	return hex.EncodeToString(sum[:]) + "  " + path + "\n"
}

const info = "var/lib/dpkg/info/"

func TestDpkg(t *testing.T) {
	for _, c := range []struct {
		name    string
		entries map[string]string
		skip    []string
		path    string
		want    string
		failed  []string
	}{
		{name: "as installed", path: "usr/lib/x", want: "a equal", entries: map[string]string{
			"usr/lib/x": "x", info + "a.list": "/.\n/usr\n/usr/lib\n/usr/lib/x\n", info + "a.md5sums": md5Line("x", "usr/lib/x"),
		}},
		{name: "overwritten", path: "usr/lib/x", want: "a different", entries: map[string]string{
			"usr/lib/x": "y", info + "a.list": "/usr/lib/x\n", info + "a.md5sums": md5Line("x", "usr/lib/x"),
		}},
		{name: "without digests", path: "usr/lib/x", want: "a unknown", entries: map[string]string{
			"usr/lib/x": "x", info + "a.list": "/usr/lib/x\n",
		}},
		{name: "a configuration file has no digest there", path: "etc/x", want: "a unknown", entries: map[string]string{
			"etc/x": "x", info + "a.list": "/etc/x\n", info + "a.md5sums": md5Line("y", "usr/lib/y"),
		}},
		{name: "nobody's", path: "srv/x", want: "", entries: map[string]string{
			"srv/x": "x", info + "a.list": "/srv\n/srv/xx\n/rv/x\n", info + "a.md5sums": md5Line("x", "srv/x"),
		}},
		{name: "several architectures", path: "usr/lib/x", want: "liba equal", entries: map[string]string{
			"usr/lib/x": "x", info + "liba:amd64.list": "/usr/lib/x\n", info + "liba:amd64.md5sums": md5Line("x", "usr/lib/x"),
		}},
		{name: "usr is merged", path: "usr/bin/x", want: "a equal", entries: map[string]string{
			"bin": "-> usr/bin", "usr/bin/x": "x", info + "a.list": "/bin/x\n", info + "a.md5sums": md5Line("x", "bin/x"),
		}},
		{name: "a link at the top that leads further", path: "usr/lib/y/x", want: "a equal", entries: map[string]string{
			"lib": "-> /lib2", "lib2": "-> usr/lib/y", "usr/lib/y/x": "x", info + "a.list": "/lib/x\n", info + "a.md5sums": md5Line("x", "lib/x"),
		}},
		{name: "a link below the top", path: "usr/bin/x", want: "a equal", entries: map[string]string{
			"usr/sbin": "-> bin", "usr/bin/x": "x", info + "a.list": "/usr/sbin/x\n", info + "a.md5sums": md5Line("x", "usr/sbin/x"),
		}},
		{name: "a chain of links, absolute and relative, behind one at the top", path: "opt/c/d/x", want: "a equal", entries: map[string]string{
			"lib": "-> usr/lib", "usr/lib/a": "-> /usr/lib/b", "usr/lib/b": "-> ../../opt/c", "opt/c/d/x": "x",
			info + "a.list": "/lib/a/d/x\n", info + "a.md5sums": md5Line("x", "lib/a/d/x"),
		}},
		{name: "links in a circle", path: "usr/bin/x", want: "", entries: map[string]string{
			"usr/a": "-> b", "usr/b": "-> a", "usr/bin/x": "x", info + "a.list": "/usr/a/x\n",
		}},
		{name: "a link that is not a folder", path: "usr/bin/x", want: "", entries: map[string]string{
			"usr/sbin/x": "-> ../bin/x", "usr/bin/x": "x", info + "a.list": "/usr/sbin/x\n",
		}},
		{name: "a link at the top that leads out", path: "usr/bin/x", want: "", entries: map[string]string{
			"bin": "-> ../../bin", "usr/bin/x": "x", info + "a.list": "/bin/x\n",
		}},
		{name: "diverted: the file of the other package is elsewhere", path: "usr/bin/x.distrib", want: "a equal", entries: map[string]string{
			"usr/bin/x": "b's", "usr/bin/x.distrib": "a's",
			"var/lib/dpkg/diversions": "/usr/bin/x\n/usr/bin/x.distrib\nb\n",
			info + "a.list":           "/usr/bin/x\n", info + "a.md5sums": md5Line("a's", "usr/bin/x"),
			info + "b.list": "/usr/bin/x\n", info + "b.md5sums": md5Line("b's", "usr/bin/x"),
		}},
		{name: "diverted: the file of the package itself", path: "usr/bin/x", want: "b equal", entries: map[string]string{
			"usr/bin/x": "b's", "usr/bin/x.distrib": "a's",
			"var/lib/dpkg/diversions": "/usr/bin/x\n/usr/bin/x.distrib\nb\n",
			info + "a.list":           "/usr/bin/x\n", info + "a.md5sums": md5Line("b's", "usr/bin/x"),
			info + "b.list": "/usr/bin/x\n", info + "b.md5sums": md5Line("b's", "usr/bin/x"),
		}},
		{name: "diverted by the administrator", path: "usr/bin/x", want: "", entries: map[string]string{
			"usr/bin/x":               "own",
			"var/lib/dpkg/diversions": "/usr/bin/x\n/usr/bin/x.local\n:\n",
			info + "a.list":           "/usr/bin/x\n", info + "a.md5sums": md5Line("own", "usr/bin/x"),
		}},
		{name: "of two the one that it is equal for", path: "usr/lib/x", want: "b equal", entries: map[string]string{
			"usr/lib/x": "x", info + "a.list": "/usr/lib/x\n", info + "a.md5sums": md5Line("y", "usr/lib/x"),
			info + "b.list": "/usr/lib/x\n", info + "b.md5sums": md5Line("x", "usr/lib/x"),
		}},
		{name: "different before unknown", path: "usr/lib/x", want: "b different", entries: map[string]string{
			"usr/lib/x": "x", info + "a.list": "/usr/lib/x\n",
			info + "b.list": "/usr/lib/x\n", info + "b.md5sums": md5Line("y", "usr/lib/x"),
		}},
		{name: "then the first by name", path: "usr/lib/x", want: "b unknown", entries: map[string]string{
			"usr/lib/x": "x", info + "c.list": "/usr/lib/x\n", info + "b.list": "/usr/lib/x\n",
		}},
		{name: "claimed by very many", path: "usr/lib/x", want: "p00 unknown", entries: many("/usr/lib/x\n")},
		{name: "not UTF-8", path: `usr/lib/caf\xe9`, want: "a unknown", entries: map[string]string{
			"usr/lib/caf\xe9": "x", info + "a.list": "/usr/lib/caf\xe9\n", info + "a.md5sums": md5Line("x", "usr/lib/caf\xe9"),
		}},
		{name: "the folder is a link", path: "usr/lib/x", want: "a equal", entries: map[string]string{
			"usr/lib/x": "x", "var/lib/dpkg": "-> /usr/share/dpkg",
			"usr/share/dpkg/info/a.list": "/usr/lib/x\n", "usr/share/dpkg/info/a.md5sums": md5Line("x", "usr/lib/x"),
		}},
		{name: "the folder is skipped", path: "usr/lib/x", want: "", skip: []string{"var/lib/dpkg"}, entries: map[string]string{
			"usr/lib/x": "x", info + "a.list": "/usr/lib/x\n",
		}},
		{name: "distroless", path: "usr/lib/x", want: "libssl1.1 equal", entries: map[string]string{
			"usr/lib/x": "x", "var/lib/dpkg/status.d/libssl1": "Package: libssl1.1\nVersion: 1\n",
			"var/lib/dpkg/status.d/libssl1.md5sums": md5Line("x", "./usr/lib/x"),
			"var/lib/dpkg/status.d/b":               "Package: b\nVersion: 1\n", "var/lib/dpkg/status.d/b.md5sums": md5Line("x", "usr/lib/y"),
		}},
		{name: "digests without a stanza", path: "usr/lib/x", want: "", entries: map[string]string{
			"usr/lib/x": "x", "var/lib/dpkg/status.d/b.md5sums": md5Line("x", "usr/lib/x"),
		}},
		{name: "broken lists", path: "usr/lib/x", want: "c different", entries: map[string]string{
			"usr/lib/x": "x", info + "a.list": "/" + strings.Repeat("y", 40_000) + "\n/usr/lib/x\n",
			info + "b.list/x": "no file",
			info + "c.list":   "/usr/lib/x\n", info + "c.md5sums": md5Line("y", "usr/lib/x") + "nonsense\n",
			"var/lib/dpkg/diversions": "/usr/bin/x\n",
		}, failed: []string{
			"var/lib/dpkg/diversions: unexpected EOF",
			"var/lib/dpkg/info/a.list: line 1: longer than 32768 bytes",
			"var/lib/dpkg/info/c.md5sums: line 2: not a digest and a path",
		}},
		{name: "the file is gone", path: "usr/lib/x", want: "a unknown", entries: map[string]string{
			info + "a.list": "/usr/lib/x\n", info + "a.md5sums": md5Line("x", "usr/lib/x"),
		}},
		{name: "the file became a folder", path: "usr/lib/x", want: "a unknown", entries: map[string]string{
			"usr/lib/x/y": "", info + "a.list": "/usr/lib/x\n", info + "a.md5sums": md5Line("x", "usr/lib/x"),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, failed := owners(t, testkit.Tree(t, c.entries), c.skip, c.path)
			if got[c.path] != c.want || !slices.Equal(failed, c.failed) {
				t.Errorf("%q, want %q; failed %q", got[c.path], c.want, failed)
			}
		})
	}
}

func many(list string) map[string]string {
	entries := map[string]string{"usr/lib/x": "x"}
	for i := range 3 * maxClaims {
		entries[fmt.Sprintf("%sp%02d.list", info, i)] = list
	}
	return entries
}

// TestNoLists: dpkg has packages but no lists of their files.
func TestNoLists(t *testing.T) {
	const (
		idna    = "usr/lib/python3/dist-packages/idna-3.3.egg-info/PKG-INFO"
		pip     = "usr/local/lib/python3.11/dist-packages/idna-3.4.dist-info/METADATA"
		program = "usr/bin/x"
		app     = "srv/node_modules/x/package.json"
		status  = "Package: a\nStatus: install ok installed\nVersion: 1\n"
		missing = "var/lib/dpkg/info missing: " // beginning
	)
	for _, c := range []struct {
		name    string
		entries map[string]string
		paths   []string
		owned   bool // whether idna has an owner
		missing bool
	}{
		{"no folder", map[string]string{"var/lib/dpkg/status": status}, []string{idna, pip, program, app}, true, true},
		{"an empty folder", map[string]string{"var/lib/dpkg/status": status, info: "/"}, []string{idna}, true, true},
		{"digests alone", map[string]string{"var/lib/dpkg/status": status, info + "a.md5sums": md5Line("x", idna)}, []string{idna}, true, true},
		{"a program", map[string]string{"var/lib/dpkg/status": status}, []string{program, app}, false, true},
		{"nothing of the system's", map[string]string{"var/lib/dpkg/status": status}, []string{pip, app}, false, false},
		{"a list", map[string]string{"var/lib/dpkg/status": status, info + "b.list": "/x\n"}, []string{idna, program}, false, false},
		{"not written by dpkg", map[string]string{"var/lib/dpkg/status": "Package: a\nVersion: 1\n"}, []string{idna, program}, false, false},
		{"removed packages", map[string]string{"var/lib/dpkg/status": strings.Replace(status, "ok installed", "ok config-files", 1)}, []string{idna}, false, false},
		{"no dpkg", map[string]string{"etc/x": ""}, []string{idna, program}, false, false},
		{"status.d", map[string]string{"var/lib/dpkg/status.d/a": status}, []string{idna, program}, false, false},
	} {
		for _, p := range c.paths {
			c.entries[p] = "x"
		}
		got, failed := owners(t, testkit.Tree(t, c.entries), nil, c.paths...)
		for path, owner := range got {
			want := ""
			if path == idna && c.owned {
				want = " unknown"
			}
			if owner != want {
				t.Errorf("%s: %s: %q, want %q", c.name, path, owner, want)
			}
		}
		if all := strings.Join(failed, "\n"); strings.HasPrefix(all, missing) != c.missing || len(failed) > 1 || !c.missing && all != "" {
			t.Errorf("%s: %q", c.name, failed)
		}
	}
}

func TestDatabasesHaveNoOwner(t *testing.T) {
	dir := testkit.Tree(t, map[string]string{
		"var/lib/dpkg/status": "x", "usr/lib/x": "x",
		info + "a.list": "/var/lib/dpkg/status\n/usr/lib/x\n",
	})
	root, err := rootfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	packages := []inventory.Package{{Type: "none"}}
	for _, kind := range []string{"dpkg", "rpm", "apk", "python"} {
		packages = append(packages, inventory.Package{Evidence: []inventory.Evidence{
			{Path: "var/lib/dpkg/status", Kind: kind}, {Path: "usr/lib/x", Kind: "python"},
		}})
	}
	Join(t.Context(), Tree{Root: root, Workers: 2}, packages)
	var got []string
	for _, p := range packages {
		got = append(got, text(p.Owner))
	}
	if want := []string{"", "", "", "", "a unknown"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestContextEnds(t *testing.T) {
	dir := testkit.Tree(t, map[string]string{"usr/lib/x": "x", info + "a.list": "/usr/lib/x\n"})
	root, err := rootfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	packages := found("usr/lib/x")
	Join(ctx, Tree{Root: root, Workers: 2}, packages)
	if packages[0].Owner != nil {
		t.Errorf("%v", packages[0].Owner)
	}
}

// The digests of rpm for one content, computed with coreutils.
func TestParseSum(t *testing.T) {
	for _, text := range []string{
		"md5:acbd18db4cc2f85cedef654fccc4a4d8",
		"sha1:0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33",
		"sha224:0808f64e60d58979fcb676c96ec938270dea42445aeefcd3a4e6f8db",
		"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
		"sha384:98c11ffdfdd540676b1a137cb1a22b2a70350c9a44171d6b1180c6be5cbb2ee3f79d532c8a1dd9ef2e8e08e752a3babb",
		"sha512:f7fbba6e0636f890e56fbbf3283e524c6fa3204ae298382d624741d0dc6638326e282c41be5e4254d8820772c5518a2c5a8c0c7f7eda19594a7eb539453e1ed7",
		"sha3-256:76d3bc41c9f588f7fcd0d5bf4718f8f84b1c41b20882703100b9eb9413807c01",
	} {
		d := parseSum(text)
		if d == nil {
			t.Errorf("%s: none", text)
			continue
		}
		h := d.Hash()
		h.Write([]byte("foo"))
		if !d.Equal(h.Sum(nil)) || d.Equal(d.Hash().Sum(nil)) || d.Equal(nil) {
			t.Errorf("%s: not that of foo", text)
		}
	}
	for _, text := range []string{"", "md5:", "md5:acbd", "md5:zz", "crc:00", "sha256:acbd18db4cc2f85cedef654fccc4a4d8"} {
		if d := parseSum(text); d != nil {
			t.Errorf("%q: %v", text, d)
		}
	}
}

// A file that is too large to be read has no known digest.
func TestLargeFile(t *testing.T) {
	dir := testkit.Tree(t, map[string]string{"usr/lib/x": "", info + "a.list": "/usr/lib/x\n", info + "a.md5sums": md5Line("", "usr/lib/x")})
	if err := os.Truncate(filepath.Join(dir, "usr/lib/x"), maxContent+1); err != nil {
		testkit.Missing(t, "%v", err)
	}
	if got, _ := owners(t, dir, nil, "usr/lib/x"); got["usr/lib/x"] != "a unknown" {
		t.Errorf("%q", got)
	}
}

// A variable of the image forbids the algorithms of its databases. The test runs
// itself.
func TestForbiddenDigests(t *testing.T) {
	if os.Getenv("ASSAY_TEST_FORBIDDEN") != "" {
		TestDpkg(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestForbiddenDigests$")
	cmd.Env = append(os.Environ(), "ASSAY_TEST_FORBIDDEN=1", "GODEBUG=fips140=only")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestLinkedFolders: paths of rpm and apk may also contain links. In the test data the
// links of the Fedora-like tree are files that contain their targets.
func TestLinkedFolders(t *testing.T) {
	dir := t.TempDir()
	from := testkit.Path(t, "faults", "inventory", "fedora-sbin")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bin", "sbin", "usr/sbin"} {
		path := filepath.Join(dir, name)
		target, err := os.ReadFile(path)
		if err == nil {
			err = os.Remove(path)
		}
		if err == nil {
			err = os.Symlink(string(target), path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "usr/bin/tool"), []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, failed := owners(t, dir, nil, "usr/bin/tool"); got["usr/bin/tool"] != "tool different" || len(failed) > 0 {
		t.Errorf("rpm: %q, %q", got, failed)
	}

	dir = testkit.Tree(t, map[string]string{
		"usr/sbin": "-> bin", "usr/bin/tool": "x",
		"lib/apk/db/installed": "P:tool\nV:1-r0\nA:x86_64\nF:usr/sbin\nR:tool\n\n",
	})
	if got, failed := owners(t, dir, nil, "usr/bin/tool"); got["usr/bin/tool"] != "tool unknown" || len(failed) > 0 {
		t.Errorf("apk: %q, %q", got, failed)
	}
}

// TestNamesOfOneFile: all names of a file, as in an ostree store, have the same owner.
// A file with the same content is a different file.
func TestNamesOfOneFile(t *testing.T) {
	const object, other = "sysroot/ostree/repo/objects/ab/cd.file", "srv/copy"
	dir := testkit.Tree(t, map[string]string{
		"usr/bin/tool": "x", other: "x", filepath.Dir(object) + "/ef.file": "y",
		info + "a.list": "/usr/bin/tool\n", info + "a.md5sums": md5Line("x", "usr/bin/tool"),
	})
	if err := os.Link(filepath.Join(dir, "usr/bin/tool"), filepath.Join(dir, object)); err != nil {
		t.Fatal(err)
	}
	got, failed := owners(t, dir, nil, "usr/bin/tool", object, other)
	if got["usr/bin/tool"] != "a equal" || got[object] != "a equal" || got[other] != "" || len(failed) > 0 {
		t.Errorf("%q, %q", got, failed)
	}
}
