package dpkg

import (
	"crypto/md5"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
)

func TestListOf(t *testing.T) {
	for name, want := range map[string][2]string{
		"bash.list":            {"bash", "bash.md5sums"},
		"libc6:amd64.list":     {"libc6", "libc6:amd64.md5sums"},
		"g++-12.list":          {"g++-12", "g++-12.md5sums"},
		"bash.md5sums":         {},
		"bash.postinst":        {},
		"format":               {},
		".list":                {},
		"b\x1bsh.list":         {},
		"libstdc++6:i386.list": {"libstdc++6", "libstdc++6:i386.md5sums"},
	} {
		pkg, digests, ok := ListOf(name)
		if ok != (want[0] != "") || ok && (pkg != want[0] || digests != want[1]) {
			t.Errorf("%q: %q, %q, %v", name, pkg, digests, ok)
		}
	}
	if stanza, ok := StanzaOf("libssl1.md5sums"); stanza != "libssl1" || !ok {
		t.Errorf("%q, %v", stanza, ok)
	}
}

func paths(t *testing.T, text string) []string {
	t.Helper()
	var got []string
	if err := NewFileLists().Paths(strings.NewReader(text), func(p []byte) { got = append(got, string(p)) }); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestPaths(t *testing.T) {
	got := paths(t, "/.\n/usr\n./usr/bin\nusr/bin/a b\n\n//././x\n/caf\xe9\n/.hidden\n/no end")
	if want := []string{"usr", "usr/bin", "usr/bin/a b", "x", "caf\xe9", ".hidden", "no end"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := paths(t, ""); got != nil {
		t.Errorf("%q", got)
	}
	if err := NewFileLists().Paths(strings.NewReader("/x\n/"+strings.Repeat("y", maxPath)), func([]byte) {}); err == nil ||
		err.Error() != "line 2: longer than 32768 bytes" {
		t.Errorf("%v", err)
	}
}

// The genuine list of a package, and files that are not one.
func TestDigests(t *testing.T) {
	got := map[string]string{}
	read := func(text string) error {
		clear(got)
		return NewFileLists().Digests(strings.NewReader(text), func(p []byte, sum [md5.Size]byte) {
			got[string(p)] = hex.EncodeToString(sum[:])
		})
	}
	text, err := os.ReadFile(testkit.Path(t, "pkgdb", "dpkg-info", "syft", "zlib1g.md5sums"))
	if err != nil {
		t.Fatal(err)
	}
	if err := read(string(text)); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{
		"lib/x86_64-linux-gnu/libz.so.1.2.11":      "55f905631797551d4d936a34c7e73474",
		"usr/share/doc/zlib1g/changelog.Debian.gz": "cede84bda30d2380217f97753c8ccf3a",
		"usr/share/doc/zlib1g/changelog.gz":        "f3c9dafa6da7992c47328b4464f6d122",
		"usr/share/doc/zlib1g/copyright":           "a4fae96070439a5209a62ae5b8017ab2",
	}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	sum := strings.Repeat("ab", md5.Size)
	if err := read(sum + "  ./a\n" + sum + " /b c\n"); err != nil || !reflect.DeepEqual(got, map[string]string{"a": sum, "b c": sum}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"a\n", sum + "\n", strings.Repeat("x", 2*md5.Size) + "  a\n"} {
		if err := read(bad); err == nil || len(got) > 0 {
			t.Errorf("%q: %v, %v", bad, got, err)
		}
	}
}

func TestReadDiversions(t *testing.T) {
	got, err := ReadDiversions(strings.NewReader("/bin/sh\n/bin/sh.distrib\ndash\n/usr/bin/x\n/usr/bin/x.local\n:\n"))
	want := []Diversion{{"bin/sh", "bin/sh.distrib", "dash"}, {"usr/bin/x", "usr/bin/x.local", ":"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := ReadDiversions(strings.NewReader("/bin/sh\n/bin/sh.distrib\ndash\n/x\n")); err == nil || len(got) != 1 {
		t.Errorf("cut: %v, %v", got, err)
	}
}

// The machine's own diversions, as dpkg-divert lists them.
func TestAsDpkgDivert(t *testing.T) {
	divert, err := exec.LookPath("dpkg-divert")
	if err != nil {
		testkit.Missing(t, "dpkg-divert, to compare with")
	}
	out, err := exec.CommandContext(t.Context(), divert, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("/var/lib/dpkg/diversions")
	if err != nil {
		testkit.Missing(t, "a database of dpkg on this machine: %v", err)
	}
	defer f.Close()
	diversions, err := ReadDiversions(f)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range diversions {
		line := "diversion of /" + d.From + " to /" + d.To + " by " + d.Package
		if d.Package == ":" {
			line = "local diversion of /" + d.From + " to /" + d.To
		}
		got = append(got, line)
	}
	want := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// The machine's own packages, as dpkg -L lists them.
func TestAsDpkgListfiles(t *testing.T) {
	dpkg, err := exec.LookPath("dpkg")
	if err != nil {
		testkit.Missing(t, "dpkg, to compare with")
	}
	lists := NewFileLists()
	files, _ := filepath.Glob("/var/lib/dpkg/info/[a-d]*.list")
	if len(files) == 0 {
		testkit.Missing(t, "a database of dpkg on this machine")
	}
	total := 0
	for _, path := range files[:min(len(files), 25)] {
		pkg, _, ok := ListOf(filepath.Base(path))
		if !ok || strings.Contains(path, ":") {
			continue
		}
		out, err := exec.CommandContext(t.Context(), dpkg, "-L", pkg).Output()
		if err != nil {
			continue // removed; only its configuration is left
		}
		var want []string
		for line := range strings.Lines(string(out)) {
			// dpkg describes diverted files in extra lines.
			if path := strings.TrimSuffix(line, "\n"); strings.HasPrefix(path, "/") && path != "/." {
				want = append(want, path[1:])
			}
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		err = lists.Paths(f, func(p []byte) { got = append(got, string(p)) })
		f.Close()
		total += len(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %d paths, want %d; %v", pkg, len(got), len(want), err)
		}
	}
	if total < 100 {
		t.Errorf("only %d files were compared", total)
	}
}

func FuzzFileLists(f *testing.F) {
	f.Add("/.\n/usr\n/usr/bin/x\n")
	f.Add("55f905631797551d4d936a34c7e73474  lib/x86_64-linux-gnu/libz.so.1.2.11\n")
	f.Add("/bin/sh\n/bin/sh.distrib\ndash\n")
	f.Fuzz(func(t *testing.T, text string) {
		lists := NewFileLists()
		check := func(p []byte) {
			if len(p) == 0 || p[0] == '/' || strings.HasPrefix(string(p), "./") || strings.Contains(string(p), "\n") || !strings.Contains(text, string(p)) {
				t.Errorf("path %q", p)
			}
		}
		var first []string
		err := lists.Paths(strings.NewReader(text), func(p []byte) {
			check(p)
			first = append(first, string(p))
		})
		sums := 0
		if lists.Digests(strings.NewReader(text), func(p []byte, _ [md5.Size]byte) { check(p); sums++ }) == nil && sums > strings.Count(text, "\n")+1 {
			t.Errorf("%d digests", sums)
		}
		if d, derr := ReadDiversions(strings.NewReader(text)); derr == nil && err == nil && 3*len(d) < len(first) {
			t.Errorf("%d diversions of %d paths", len(d), len(first))
		}
		// A list that was read before does not affect the next one.
		i := 0
		again := lists.Paths(strings.NewReader(text), func(p []byte) {
			if i >= len(first) || first[i] != string(p) {
				t.Errorf("path %d: %q", i, p)
			}
			i++
		})
		if (again == nil) != (err == nil) || i != len(first) {
			t.Errorf("%v, then %v", err, again)
		}
	})
}
