package inspect

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
)

// names returns the packages of an inventory, "type name version", and its scan errors.
func names(inv Inventory) string {
	var all []string
	for _, p := range inv.Packages {
		all = append(all, p.Type+" "+p.Name+" "+p.Version)
	}
	for _, p := range inv.ScanErrors {
		all = append(all, fmt.Sprintf("%s %q: %s", p.Kind, p.Path, p.Err))
	}
	return strings.Join(slices.Compact(all), "\n")
}

// jar returns an archive with the coordinates of a package.
func jar(t *testing.T, group, artifact, version string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("META-INF/maven/" + group + "/" + artifact + "/pom.properties")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(w, "groupId=%s\nartifactId=%s\nversion=%s\n", group, artifact, version)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const (
	django   = "Metadata-Version: 2.1\nName: Django\nVersion: 3.2.0\n"
	minimist = `{"name":"minimist","version":"1.2.5"}`
	composer = `{"packages":[{"name":"a/b","version":"v1"}]}`
	gemspec  = "Gem::Specification.new do |s|\n  s.name = \"rack\"\n  s.version = \"2.0.0\"\nend\n"
	conda    = `{"name":"zlib","version":"1.2.11","build":"h1","channel":"x"}`
)

// Packages in places where no reader looks are found if a link from a place where a
// reader looks leads to them. What only looks like a package is not.
func TestHidden(t *testing.T) {
	text := jar(t, "org.apache.commons", "commons-text", "1.9")
	for name, c := range map[string]struct {
		entries map[string]string
		want    string
	}{
		"metadata": {map[string]string{
			"app/.venv/lib/python3.11/site-packages/Django-3.2.0.dist-info/METADATA": "-> /root/.cache/uv/archive-v0/abc/Django-3.2.0.dist-info/METADATA",
			"root/.cache/uv/archive-v0/abc/Django-3.2.0.dist-info/METADATA":          django,
		}, "pypi Django 3.2.0"},
		"a record's folder": {map[string]string{
			"app/site-packages/Django-3.2.0.dist-info": "-> /root/.cache/uv/x", "root/.cache/uv/x/METADATA": django,
		}, "pypi Django 3.2.0"},
		"site-packages": {map[string]string{
			"app/lib/site-packages": "-> ../../opt/tests/p", "opt/tests/p/Django.dist-info/METADATA": django,
		}, "pypi Django 3.2.0"},
		"through two links": {map[string]string{
			"app/lib/site-packages": "-> /a/b", "a": "-> /opt", "opt/b": "-> .cache", "opt/.cache/Django.dist-info/METADATA": django,
		}, "pypi Django 3.2.0"},
		"an environment in test data": {map[string]string{
			"srv/app": "-> /opt/testdata/app", "opt/testdata/app/lib/site-packages/Django.dist-info/METADATA": django,
		}, "pypi Django 3.2.0"},
		"a jar":                    {map[string]string{"app/commons-text.jar": "-> blob", "app/blob": text}, "maven org.apache.commons:commons-text 1.9"},
		"a jar of Maven's":         {map[string]string{"app/lib": "-> /root/.m2/repository/x", "root/.m2/repository/x/a.jar": text}, "maven org.apache.commons:commons-text 1.9"},
		"a jar in capital letters": {map[string]string{"app/lib/commons-text.JAR": text}, "maven org.apache.commons:commons-text 1.9"},
		"two links to one jar":     {map[string]string{"app/a.jar": "-> blob", "app/b.jar": "-> a.jar", "app/blob": text}, "maven org.apache.commons:commons-text 1.9"},
		"a composer's record":      {map[string]string{"app/vendor/composer/installed.json": "-> ../../store", "app/store": composer}, "composer a/b v1"},
		"composer's folder":        {map[string]string{"app/vendor/composer": "-> /x", "x/installed.json": composer}, "composer a/b v1"},
		"a gem":                    {map[string]string{"g/specifications/rack-2.0.0.gemspec": "-> /x", "x": gemspec}, "gem rack 2.0.0"},
		"a gem's folder":           {map[string]string{"g/specifications": "-> /x", "x/rack-2.0.0.gemspec": gemspec}, "gem rack 2.0.0"},
		"conda's folder":           {map[string]string{"c/conda-meta": "-> ../x", "x/zlib-1.2.11-h1.json": conda}, "conda zlib 1.2.11"},
		"a store of Node":          {map[string]string{"app/node_modules": "-> /x", "x/minimist/package.json": minimist}, "npm minimist 1.2.5"},
		"a package of Node":        {map[string]string{"app/node_modules/minimist": "-> /x", "x/package.json": minimist}, "npm minimist 1.2.5"},
		"a package with a scope":   {map[string]string{"app/node_modules/@s": "-> /x", "x/y/package.json": `{"name":"@s/y","version":"1.0.0"}`}, "npm @s/y 1.0.0"},
		"and what that links to": {map[string]string{
			"app/node_modules/a": "-> .any/a", "app/node_modules/.any/a/package.json": `{"name":"a","version":"1.0.0"}`,
			"app/node_modules/.any/a/node_modules/minimist": "-> ../../m", "app/node_modules/.any/m/package.json": minimist,
		}, "npm a 1.0.0\nnpm minimist 1.2.5"},
		"a package's own test data": {map[string]string{
			"app/node_modules/a": "-> /x", "x/package.json": `{"name":"a","version":"1.0.0"}`, "x/test/node_modules/b/lib/package.json": minimist,
		}, "npm a 1.0.0"},
		"circles": {map[string]string{
			"app/node_modules/a": "-> /x", "x/package.json": `{"name":"a","version":"1.0.0"}`, "x/node_modules/b": "-> ../..", "x/node_modules/a": "-> ..",
			"app/node_modules/self": "-> self", "app/node_modules/top": "-> /",
		}, "npm a 1.0.0"},
		"nothing": {map[string]string{"app/a.jar": "-> gone", "app/node_modules/b": "-> /gone", "b/installed.json": "-> /"}, ""},
		"the kernel's": {map[string]string{
			"app/a.jar": "-> /proc/a", "proc/a": text, "app/site-packages": "-> /dev/x", "dev/x/Django.dist-info/METADATA": django,
		}, "file \"app/a.jar\": leads to a path that is not scanned\ndirectory \"app/site-packages\": leads to a path that is not scanned"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := names(inventoryOf(t, testkit.Tree(t, c.entries), Options{}, readers())); got != c.want {
				t.Errorf("%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// The target of a link that is deeper in the tree than links are followed is a scan
// error.
func TestHiddenDeep(t *testing.T) {
	deep := strings.Repeat("d/", 300) + "x"
	for name, c := range map[string]struct{ link, file, content string }{
		"a package of Node": {"app/node_modules/minimist", "package.json", minimist},
		"site-packages":     {"app/lib/site-packages", "Django.dist-info/METADATA", django},
	} {
		t.Run(name, func(t *testing.T) {
			root := testkit.Tree(t, map[string]string{c.link: "-> /" + deep, deep + "/" + c.file: c.content})
			want := fmt.Sprintf("directory %q: file name too long", c.link)
			if got := names(inventoryOf(t, root, Options{}, readers())); got != want {
				t.Errorf("%s\nwant\n%s", got, want)
			}
		})
	}
}

// The owner of a package found through a link is that of the target, not that of the
// link.
func TestOwnerOfLinked(t *testing.T) {
	sum := "d41d8cd98f00b204e9800998ecf8427e"
	dir := testkit.Tree(t, map[string]string{
		"etc/os-release": debian, "var/lib/dpkg/status": status,
		"var/lib/dpkg/info/a.list":    "/usr/share/data/own\n/usr/share/java/b.jar\n",
		"var/lib/dpkg/info/a.md5sums": sum + "  usr/share/data/own\n",
		"usr/share/data/own":          jar(t, "g", "own", "1"), "app/own.jar": "-> /usr/share/data/own",
		"usr/share/java/b.jar": "-> /app/blob", "app/blob": jar(t, "g", "b", "1"),
	})
	for _, p := range inventoryOf(t, dir, Options{}, readers()).Packages {
		var want *inventory.Owner
		if p.Name == "g:own" {
			want = &inventory.Owner{Package: "a", Digest: inventory.DigestDifferent}
		}
		if p.Type == "maven" && (p.Owner == nil) != (want == nil) || want != nil && *p.Owner != *want {
			t.Errorf("%s: %v", p.Name, p.Owner)
		}
	}
}

// Executable programs are found under the names of data files.
func TestProgramsAsData(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	for name, found := range map[string]bool{
		"app/server.js": true, "usr/lib/systemd/system/x.service": true, "data/x.db": true, "bin/x.png": true,
		"usr/share/zoneinfo/Europe/Paris": true, "app/node_modules/x/bin/y.js": true, "usr/lib/x/run.sh": true,
	} {
		for _, mode := range []os.FileMode{0o755, 0o644} {
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, mode)); err != nil {
				t.Fatal(err)
			}
			inv, err := inspect(t.Context(), dir, Options{Mounts: strings.NewReader("")}, readers())
			if err != nil || len(inv.Packages) > 0 != (found && mode == 0o755) {
				t.Errorf("%s of mode %o: %d packages, %v", name, mode, len(inv.Packages), err)
			}
		}
	}
}

// Updates of dpkg that are not in its status file yet are read.
func TestUpdates(t *testing.T) {
	b := strings.Replace(status, "Package: a", "Package: b", 1)
	for name, c := range map[string]struct {
		entries map[string]string
		want    string
	}{
		"one": {map[string]string{"var/lib/dpkg/status": status, "var/lib/dpkg/updates/0001": b, "var/lib/dpkg/updates/tmp.i": "x"},
			"deb a 1\ndeb b 1"},
		"the folder of the database is a link": {map[string]string{"var/lib/dpkg": "-> /x", "x/status": status, "x/updates/0001": b},
			"deb a 1\ndeb b 1"},
		"the folder is a link": {map[string]string{"var/lib/dpkg/status": status, "var/lib/dpkg/updates": "-> /x", "x/0001": b},
			"deb a 1\ndeb b 1"},
		"a later one": {map[string]string{"var/lib/dpkg/status": status, "var/lib/dpkg/updates/0009": strings.Replace(status, "Version: 1", "Version: 2", 1),
			"var/lib/dpkg/updates/0010": strings.Replace(status, "Version: 1", "Version: 3", 1)}, "deb a 3"},
		"broken": {map[string]string{"var/lib/dpkg/status": status, "var/lib/dpkg/updates/0001": "x\n"},
			"deb a 1\ndatabase \"var/lib/dpkg/status\": var/lib/dpkg/updates/0001: line 1: invalid field \"x\""},
		"a folder of the name": {map[string]string{"var/lib/dpkg/status": status, "var/lib/dpkg/updates/0001": "/"},
			"deb a 1\ndatabase \"var/lib/dpkg/updates/0001\": not a regular file"},
		"a secret": {map[string]string{"var/lib/dpkg/status": status, "var/lib/dpkg/updates/0001": "-> /run/secrets/x", "run/secrets/x": "secret"},
			"deb a 1\ndatabase \"var/lib/dpkg/updates/0001\": leads to a path that is not scanned"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := names(inventoryOf(t, testkit.Tree(t, c.entries), Options{}, readers())); got != c.want {
				t.Errorf("%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// It is a scan error if the file that names the system and the package it belongs to
// contradict each other.
func TestContradiction(t *testing.T) {
	files := strings.NewReplacer("Package: a", "Package: base-files", "Version: 1", "Version: 11.1+deb11u9").Replace(status)
	dir := testkit.Tree(t, map[string]string{"usr/lib/os-release": debian, "var/lib/dpkg/status": files})
	want := "deb base-files 11.1+deb11u9\n" +
		`system "usr/lib/os-release": the system is "debian" "12", but its release package is base-files 11.1+deb11u9`
	if got := names(inventoryOf(t, dir, Options{}, readers())); got != want {
		t.Errorf("%s", got)
	}
}

// Paths that are too long to be checked against the rules are scan errors.
func TestPathTooLong(t *testing.T) {
	dir := t.TempDir()
	name := strings.Repeat("n", 250)
	at, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 265 {
		if err := at.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := at.OpenRoot(name)
		if err != nil {
			t.Fatal(err)
		}
		at.Close()
		at = next
	}
	defer at.Close()
	t.Cleanup(func() { removeDeep(t, dir) })
	if err := errors.Join(at.Mkdir("x-1.dist-info", 0o755), at.WriteFile("x-1.dist-info/METADATA", []byte(django), 0o644)); err != nil {
		t.Fatal(err)
	}
	inv := inventoryOf(t, dir, Options{}, readers())
	if len(inv.ScanErrors) != 1 || inv.ScanErrors[0].Kind != inventory.KindDatabase || inv.ScanErrors[0].Err != "path longer than 65536 bytes" {
		t.Errorf("%d errors, %.300v", len(inv.ScanErrors), inv.ScanErrors)
	}
}

// removeDeep removes a tree with one branch that is too deep for os.RemoveAll.
func removeDeep(t *testing.T, dir string) {
	t.Helper()
	for {
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) == 0 {
			return
		}
		// The second folder replaces the first, level by level.
		first := filepath.Join(dir, entries[0].Name())
		below, err := os.ReadDir(first)
		if err != nil {
			return
		}
		for i, e := range below {
			if err := os.Rename(filepath.Join(first, e.Name()), filepath.Join(dir, fmt.Sprintf("up%d", i))); err != nil {
				t.Log(err)
				return
			}
		}
		if err := os.Remove(first); err != nil {
			t.Log(err)
			return
		}
	}
}

// These roots were made to hide packages from the inventory.
func TestAttackedRoots(t *testing.T) {
	f, err := os.Open(testkit.Path(t, "faults", "security", "roots.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(name, 0o755)
		case tar.TypeSymlink:
			err = root.Symlink(h.Linkname, name)
		case tar.TypeReg:
			var text []byte
			if text, err = io.ReadAll(r); err == nil {
				err = root.WriteFile(name, text, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const unlisted = "no lists of installed files: it is unknown which files belong to the system's packages"
	const host = "deb hostname 3.23+nmu1"
	for name, want := range map[string]string{
		"06a-symlink-uv":       host + "\npypi Django 3.2.0",
		"06b-symlink-jar":      host + "\nmaven org.apache.commons:commons-text 1.9",
		"06c-symlink-composer": "composer ezyang/htmlpurifier v4.0.0\n" + host,
		"07-kaniko":            host + "\npypi Django 3.2.0",
		"07b-kaniko-dpkg":      host + "\ndeb perl-base 5.36.0-7+deb12u3\npypi six 1.16.0\ndatabase \"var/lib/dpkg/info\": " + unlisted,
		"08-owner":             host + "\ndeb my-app 3.2.0-1\npypi Django 3.2.0",
		"14-dpkg-updates":      host + "\ndeb perl-base 5.36.0-7+deb12u3",
		"15-upper-JAR":         host + "\nmaven org.apache.commons:commons-text 1.9",
	} {
		if got := names(inventoryOf(t, filepath.Join(dir, name), Options{}, readers())); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
	// A made-up package has the files it claims, by name only. Whether the distribution
	// knows it is decided by the service.
	for _, p := range inventoryOf(t, filepath.Join(dir, "08-owner"), Options{}, readers()).Packages {
		if p.Type == "pypi" && (p.Owner == nil || *p.Owner != inventory.Owner{Package: "my-app", Digest: inventory.DigestUnknown}) {
			t.Errorf("08-owner: the owner of Django is %+v", p.Owner)
		}
	}
}

// No other package manager has a store like that in Nitro's output. Node.js resolves
// the links into it. In the test data the links are files that contain their targets.
func TestNitro(t *testing.T) {
	from := testkit.Path(t, "faults", "inventory", "nitro")
	entries := map[string]string{}
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name := strings.TrimPrefix(path, from+"/")
		if entries[name] = string(text); d.Name() != "package.json" {
			entries[name] = "-> " + string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	inv := inventoryOf(t, testkit.Tree(t, entries), Options{}, readers())
	if len(inv.Packages) != 23 || len(inv.ScanErrors) > 0 {
		t.Errorf("%d packages\n%s", len(inv.Packages), names(inv))
	}
}
