package dpkg

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
)

// TestUpdates reads status files with updates, as dpkg-query shows them.
func TestUpdates(t *testing.T) {
	stanza := func(name, version, arch, more string) string {
		return "Package: " + name + "\nStatus: install ok installed\nMaintainer: M <m@x>\nArchitecture: " + arch + "\nVersion: " + version + "\n" + more + "Description: x\n"
	}
	const same = "Multi-Arch: same\n"
	gone := strings.Replace(stanza("b", "1", "amd64", ""), "install ok installed", "deinstall ok config-files", 1)
	for _, c := range []struct {
		name    string
		status  string
		updates []string
		want    string
	}{
		{"none", stanza("a", "1", "amd64", ""), nil, "a 1 amd64\n"},
		{"a new package", stanza("a", "1", "amd64", ""), []string{stanza("b", "2", "amd64", "")}, "a 1 amd64\nb 2 amd64\n"},
		{"an upgrade, twice", stanza("a", "1", "amd64", ""), []string{stanza("a", "2", "amd64", ""), stanza("a", "3", "amd64", "")}, "a 3 amd64\n"},
		{"a removal", stanza("a", "1", "amd64", "") + "\n" + stanza("b", "1", "amd64", ""), []string{gone}, "a 1 amd64\n"},
		{"of another architecture", stanza("a", "1", "amd64", same), []string{stanza("a", "1", "i386", same)}, "a 1 amd64\na 1 i386\n"},
		{"that takes its place", stanza("a", "1", "amd64", ""), []string{stanza("a", "2", "all", "")}, "a 2 all\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, text string) {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			write("status", c.status)
			write("arch", "amd64\ni386\n")
			write("info/format", "1\n")
			for i, text := range c.updates {
				write("updates/000"+string(rune('1'+i)), text)
			}
			packages, err := ReadStatus(strings.NewReader(c.status), "status", func(yield func(Update) bool) {
				for _, text := range c.updates {
					if !yield(Update{"updates/1", strings.NewReader(text)}) {
						return
					}
				}
			})
			var got []string
			for _, p := range packages {
				got = append(got, p.Name+" "+p.Version+" "+p.Arch+"\n")
			}
			slices.Sort(got)
			if strings.Join(got, "") != c.want || err != nil {
				t.Errorf("%q, %v", got, err)
			}

			query, err := exec.LookPath("dpkg-query")
			if err != nil {
				testkit.Missing(t, "dpkg-query, to compare with")
			}
			out, err := exec.CommandContext(t.Context(), query, "--admindir="+dir, "-W", "-f", "${db:Status-Status} ${Package} ${Version} ${Architecture}\n").CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			var theirs []string
			for line := range strings.Lines(string(out)) {
				if installed, ok := strings.CutPrefix(line, "installed "); ok {
					theirs = append(theirs, installed)
				}
			}
			slices.Sort(theirs)
			if strings.Join(theirs, "") != c.want {
				t.Errorf("dpkg-query: %q", theirs)
			}
		})
	}
}

// TestDamagedUpdate: an update that cannot be read is reported and changes nothing.
func TestDamagedUpdate(t *testing.T) {
	packages, err := ReadStatus(strings.NewReader(good), "status", func(yield func(Update) bool) {
		_ = yield(Update{"updates/1", strings.NewReader("Package: good\n")}) && yield(Update{"updates/2", strings.NewReader("x")})
	})
	if len(packages) != 1 || err == nil || !strings.HasPrefix(err.Error(), "updates/1: line 1: ") {
		t.Errorf("%v, %v", packages, err)
	}
	for name, want := range map[string]bool{"0001": true, "tmp.i": false, "": false, "1a": false} {
		if IsUpdate(name) != want {
			t.Errorf("%q", name)
		}
	}
}

func FuzzUpdates(f *testing.F) {
	f.Add(good, good)
	f.Add(good, "Package: good\nStatus: deinstall ok config-files\nVersion: 1\n")
	f.Add("x", "y")
	f.Fuzz(func(t *testing.T, status, update string) {
		after := func(status string) []inventory.Package {
			packages, _ := ReadStatus(strings.NewReader(status), "s", func(yield func(Update) bool) {
				yield(Update{"u", strings.NewReader(update)})
			})
			return packages
		}
		// A package that an update installs is installed, whatever the status file
		// says.
		packages := after(status)
		for _, p := range after("") {
			if !slices.ContainsFunc(packages, func(q inventory.Package) bool { return reflect.DeepEqual(p, q) }) {
				t.Errorf("%v is not in %v", p, packages)
			}
		}
	})
}
