package inspect

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"assay/check/testkit"
)

// TestPacman builds two packages with makepkg and installs them with pacman. The inventory
// has what "pacman -Q" lists, and a Python package belongs to the package that contains it.
func TestPacman(t *testing.T) {
	for _, name := range []string{"makepkg", "pacman", "fakeroot", "bsdtar"} {
		if _, err := exec.LookPath(name); err != nil {
			testkit.Missing(t, "%s, to make packages with", name)
		}
	}
	if os.Getuid() != 0 {
		testkit.Missing(t, "root, to install packages into a folder")
	}
	dir, err := os.MkdirTemp("/tmp", "assay-pacman") // which nobody can read, unlike that of the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	build, root := filepath.Join(dir, "build"), filepath.Join(dir, "root")
	const nobody = 65534
	for _, d := range []string{build, filepath.Join(root, "var/lib/pacman"), filepath.Join(root, "etc")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{
		filepath.Join(build, "PKGBUILD"): `pkgbase=demo
pkgname=(demo python-demo)
pkgver=1.2
pkgrel=3
epoch=1
arch=(any)
package_demo() { mkdir -p "$pkgdir/usr/bin"; echo hi > "$pkgdir/usr/bin/demo"; }
package_python-demo() {
  for name in demo other; do
    d="$pkgdir/usr/lib/python3.11/site-packages/$name-1.2.dist-info"
    mkdir -p "$d"; printf 'Metadata-Version: 2.1\nName: %s\nVersion: 1.2\n' $name > "$d/METADATA"
  done
}
`,
		filepath.Join(dir, "pacman.conf"):     "",
		filepath.Join(root, "etc/os-release"): "ID=arch\nPRETTY_NAME=\"Arch Linux\"\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{dir, build} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(build, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	makepkg := exec.Command("makepkg", "--nodeps")
	makepkg.Dir = build
	makepkg.Env = append(os.Environ(), "HOME="+build, "PACKAGER=Demo <demo@example.com>", "PKGEXT=.pkg.tar.gz")
	makepkg.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := makepkg.CombinedOutput(); err != nil {
		t.Fatalf("makepkg: %v\n%s", err, out)
	}
	pacman := func(args ...string) string {
		t.Helper()
		args = append(args, "--config", filepath.Join(dir, "pacman.conf"), "--root", root, "--dbpath", filepath.Join(root, "var/lib/pacman"), "--logfile", "/dev/null")
		out, err := exec.Command("pacman", args...).Output()
		if err != nil {
			t.Fatalf("pacman %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	built, err := filepath.Glob(filepath.Join(build, "*.pkg.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	pacman(append([]string{"-U", "--noconfirm"}, built...)...)
	changed := filepath.Join(root, "usr/lib/python3.11/site-packages/other-1.2.dist-info/METADATA")
	if err := os.WriteFile(changed, []byte("Metadata-Version: 2.1\nName: other\nVersion: 1.3\n"), 0o644); err != nil {
		t.Fatal(err)
	}

	inv, err := Inspect(t.Context(), root, Options{})
	if err != nil || len(inv.ScanErrors) > 0 || inv.System.ID != "arch" {
		t.Fatalf("%+v, %v", inv, err)
	}
	var installed, owned []string
	for _, p := range inv.Packages {
		switch {
		case p.Type == "alpm":
			installed = append(installed, p.Name+" "+p.Version)
			if p.Source != "demo" || p.Arch != "any" || p.Vendor != "Demo <demo@example.com>" {
				t.Errorf("%+v", p)
			}
		case p.Owner != nil:
			owned = append(owned, p.Name+" "+p.Version+" "+p.Owner.Package+" "+string(p.Owner.Digest))
		default:
			t.Errorf("%+v has no owner", p)
		}
	}
	if want := strings.Split(strings.TrimSpace(pacman("-Q")), "\n"); !slices.Equal(installed, want) || len(want) != 2 {
		t.Errorf("installed %q, pacman lists %q", installed, want)
	}
	if want := []string{"demo 1.2 python-demo equal", "other 1.3 python-demo different"}; !slices.Equal(owned, want) {
		t.Errorf("owned %q, want %q", owned, want)
	}

	// Without the digests, the list of files is left.
	lists, err := filepath.Glob(filepath.Join(root, "var/lib/pacman/local/*/mtree"))
	if err != nil || len(lists) != 2 {
		t.Fatalf("%q, %v", lists, err)
	}
	for _, path := range lists {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if inv, err = Inspect(t.Context(), root, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, p := range inv.Packages {
		if p.Type == "pypi" && (p.Owner == nil || p.Owner.Package != "python-demo" || p.Owner.Digest != "unknown") {
			t.Errorf("%s: %+v", p.Name, p.Owner)
		}
	}

	// A description that cannot be read is a gap of the database.
	if err := os.WriteFile(filepath.Join(root, "var/lib/pacman/local/demo-1:1.2-3/desc"), []byte("%NAME%\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	inv, err = Inspect(t.Context(), root, Options{})
	if err != nil || len(inv.ScanErrors) != 1 || inv.ScanErrors[0].Kind != "database" || !strings.HasSuffix(inv.ScanErrors[0].Path, "/desc") {
		t.Errorf("%+v, %v", inv.ScanErrors, err)
	}
}
