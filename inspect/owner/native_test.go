package owner

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/pkgdb"
)

func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		testkit.Missing(t, "%s, to compare with", name)
	}
	return path
}

// sample returns every nth regular file below dir, relative to the root.
func sample(t *testing.T, dir string, step, limit int) []string {
	t.Helper()
	var paths []string
	n := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || strings.ContainsAny(path, "\n\\*?[") {
			return nil
		}
		if n++; n%step == 0 && len(paths) < limit {
			paths = append(paths, strings.TrimPrefix(path, "/"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// The files of this machine belong to the packages that dpkg -S finds, and are
// unchanged if md5sum says so.
func TestAsDpkgSearch(t *testing.T) {
	dpkg, md5sum := program(t, "dpkg"), program(t, "md5sum")
	if _, err := os.Stat("/var/lib/dpkg/info"); err != nil {
		testkit.Missing(t, "a database of dpkg on this machine: %v", err)
	}
	paths := slices.Concat(
		sample(t, "/usr/bin", 19, 50), sample(t, "/usr/lib", 297, 130), sample(t, "/usr/share", 397, 60), sample(t, "/usr/sbin", 19, 10))

	// dpkg does not know the links in the root, so it is asked for both names.
	args := []string{"-S"}
	for _, p := range paths {
		args = append(args, "/"+p)
		if rest, ok := strings.CutPrefix(p, "usr/"); ok {
			args = append(args, "/"+rest)
		}
	}
	out, err := exec.CommandContext(t.Context(), dpkg, args...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) {
		t.Fatal(err)
	}
	want := map[string][]string{} // packages by path
	digests := map[string]string{}
	for line := range strings.Lines(string(out)) {
		names, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": /")
		if !ok || strings.HasPrefix(line, "diversion by") {
			continue
		}
		for name := range strings.SplitSeq(names, ", ") {
			file := "/var/lib/dpkg/info/" + name + ".md5sums"
			sums, _ := os.ReadFile(file)
			if len(sums) == 0 {
				// dpkg always prints the architecture; the file name has it only
				// sometimes.
				sums, _ = os.ReadFile(strings.Replace(file, ":amd64", "", 1))
			}
			for sum := range strings.Lines(string(sums)) {
				if digest, p, _ := strings.Cut(strings.TrimSuffix(sum, "\n"), "  "); p == path {
					digests[path] = digest
				}
			}
			pkg, _, _ := strings.Cut(name, ":")
			want[path] = append(want[path], pkg)
		}
	}

	got, failed := owners(t, "/", nil, paths...)
	if len(failed) > 0 {
		t.Errorf("failed: %q", failed)
	}
	var list strings.Builder
	for _, p := range paths {
		if d := cmp.Or(digests[p], digests[strings.TrimPrefix(p, "usr/")]); d != "" {
			fmt.Fprintf(&list, "%s  /%s\n", d, p)
		}
	}
	cmd := exec.CommandContext(t.Context(), md5sum, "--check")
	cmd.Stdin = strings.NewReader(list.String())
	out, err = cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, result, _ := strings.Cut(strings.TrimSpace(line), ": ")
		sums[path[1:]] = map[string]string{"OK": "equal", "FAILED": "different"}[result]
	}
	counts := map[string]int{}
	for _, p := range paths {
		short := strings.TrimPrefix(p, "usr/")
		pkgs := slices.Concat(want[p], want[short])
		pkg, digest, _ := strings.Cut(got[p], " ")
		if pkg == "" {
			counts["nobody's"]++
		}
		if (pkg == "") != (len(pkgs) == 0) || pkg != "" && !slices.Contains(pkgs, pkg) {
			t.Errorf("%s: %q, dpkg says %q", p, got[p], pkgs)
			continue
		}
		if pkg == "" {
			continue
		}
		counts[digest]++
		sum := cmp.Or(sums[p], "unknown")
		if digest != sum {
			t.Errorf("%s: %q, md5sum says %s", p, got[p], sum)
		}
	}
	t.Logf("%d files: %v", len(paths), counts)
	if counts["equal"] < 100 {
		t.Errorf("only %d files were compared", counts["equal"])
	}
}

// Packages of this machine in their own root, with some files overwritten. The result
// is that of dpkg --verify.
func TestAsDpkgVerify(t *testing.T) {
	dpkg := program(t, "dpkg")
	root := testkit.Tree(t, map[string]string{"var/lib/dpkg/updates/x": ""})
	if err := os.Symlink("usr/bin", filepath.Join(root, "bin")); err != nil {
		t.Fatal(err)
	}
	var status bytes.Buffer
	var paths, pkgs []string
	for _, pkg := range []string{"mawk", "debianutils", "hostname", "sed", "grep", "gzip"} {
		stanza, err := exec.CommandContext(t.Context(), dpkg, "-s", pkg).Output()
		list, lerr := os.ReadFile("/" + info + pkg + ".list")
		sums, serr := os.ReadFile("/" + info + pkg + ".md5sums")
		if err != nil || lerr != nil || serr != nil {
			continue // another system, or an incomplete one
		}
		pkgs = append(pkgs, pkg)
		fmt.Fprintf(&status, "%s\n", stanza)
		copyTo(t, root, info+pkg+".list", list)
		copyTo(t, root, info+pkg+".md5sums", sums)
		for path := range strings.Lines(string(list)) {
			path = strings.TrimSpace(path)
			if st, err := os.Lstat(path); err == nil && st.Mode().IsRegular() {
				content, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if len(paths)%5 == 3 && len(content) > 0 {
					content[len(content)/2] ^= 1
				}
				if strings.HasPrefix(path, "/bin/") {
					path = "/usr" + path
				}
				copyTo(t, root, path[1:], content)
				paths = append(paths, path[1:])
			}
		}
	}
	if len(paths) < 50 {
		testkit.Missing(t, "packages of Debian on this machine; %d files", len(paths))
	}
	copyTo(t, root, "var/lib/dpkg/status", status.Bytes())
	out, err := exec.CommandContext(t.Context(), dpkg, append([]string{"--root=" + root, "--verify"}, pkgs...)...).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) {
		t.Fatalf("%v\n%s", err, out)
	}
	// "??5??????   /usr/share/doc/x"
	var want []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) >= 2 && strings.HasPrefix(f[0], "??5") {
			path := strings.TrimPrefix(f[len(f)-1], root)
			if strings.HasPrefix(path, "/bin/") {
				path = "/usr" + path
			}
			want = append(want, path[1:])
		}
	}
	owned, failed := owners(t, root, nil, paths...)
	var got []string
	for path, o := range owned {
		if strings.HasSuffix(o, " different") {
			got = append(got, path)
		} else if !strings.HasSuffix(o, " equal") {
			t.Errorf("%s: %q", path, o)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(got) < 10 || len(failed) > 0 {
		t.Errorf("different: %q\nby dpkg: %q\nfailed: %q", got, want, failed)
	}
	t.Logf("%d of %d files are different", len(got), len(paths))
}

func copyTo(t *testing.T, root, path string, content []byte) {
	t.Helper()
	p := filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func layDatabase(t *testing.T, root, name string) {
	t.Helper()
	all, err := pkgdb.All(testkit.Path(t, "pkgdb"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if d.String() == name {
			if err := d.Lay(root); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no database %s", name)
}

// A genuine apk database, and files with known content.
func TestApk(t *testing.T) {
	root := testkit.Tree(t, map[string]string{
		"etc/shells":         "# valid login shells\n/bin/sh\n/bin/ash\n",
		"etc/hostname":       "overwritten\n",
		"etc/apk/keys/other": "x",
		"srv/package.json":   "{}",
	})
	layDatabase(t, root, "apk/alpine-with-packages-final")
	got, failed := owners(t, root, nil, "etc/shells", "etc/hostname", "etc/apk/keys/other", "srv/package.json", "sbin/apk")
	want := map[string]string{
		"etc/shells": "alpine-baselayout-data equal", "etc/hostname": "alpine-baselayout-data different",
		"etc/apk/keys/other": "", "srv/package.json": "", "sbin/apk": "apk-tools unknown", // listed, but missing
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || len(failed) > 0 {
		t.Errorf("%v\nwant %v\nfailed %q", got, want, failed)
	}
}

// Genuine rpm databases, with empty files in place of the packages' files. rpm lists
// which package each belongs to, and whether its digest is that of an empty file.
func TestAsRPM(t *testing.T) {
	rpm := program(t, "rpm")
	for name, empty := range map[string]string{
		"rpm/centos6-bdb":              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"rpm/ubi8-s390x-bdb-bigendian": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"rpm/centos5-bdb":              "d41d8cd98f00b204e9800998ecf8427e",
		"rpm/fedora35-sqlite":          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			layDatabase(t, root, name)
			out, err := exec.CommandContext(t.Context(), rpm, "--dbpath", filepath.Join(root, pkgdb.RPMDir),
				"-qa", "--qf", `[%{=NAME}\t%{FILENAMES}\t%{FILEDIGESTS}\n]`).Output()
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{}
			shared := map[string]bool{}
			var paths []string
			n := 0
			for line := range strings.Lines(string(out)) {
				f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
				if len(f) != 3 || f[2] == "" || !strings.HasPrefix(f[1], "/") ||
					strings.HasPrefix(f[1], "/"+pkgdb.RPMDir) {
					continue
				}
				path := f[1][1:]
				if _, ok := want[path]; ok {
					shared[path] = true
				}
				digest := "different"
				if f[2] == empty {
					digest = "equal"
				}
				want[path] = f[0] + " " + digest
				if n++; n%40 == 0 || digest == "equal" {
					paths = append(paths, path)
				}
			}
			paths = slices.DeleteFunc(paths, func(p string) bool { return shared[p] })
			for _, p := range paths {
				copyTo(t, root, p, nil)
			}
			got, failed := owners(t, root, nil, paths...)
			counts := map[string]int{}
			for _, p := range paths {
				if got[p] != want[p] {
					t.Errorf("%s: %q, rpm says %q", p, got[p], want[p])
				}
				_, digest, _ := strings.Cut(got[p], " ")
				counts[digest]++
			}
			if len(failed) > 0 || counts["equal"] == 0 || counts["different"] < 50 {
				t.Errorf("%d files: %v, failed %q", len(paths), counts, failed)
			}
			t.Logf("%d files: %v", len(paths), counts)
		})
	}
}
