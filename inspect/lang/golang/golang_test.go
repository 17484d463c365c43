package golang

import (
	"bytes"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/elftest"
	"assay/inspect/elf"
	"assay/inspect/inventory"
)

// TestRecords reads the build information of programs that others built, and compares
// it with what "go version -m" printed.
func TestRecords(t *testing.T) {
	root := testkit.Path(t, "lang", "go-buildinfo")
	dirs, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		t.Run(dir.Name(), func(t *testing.T) {
			toolchain, modules := printed(t, filepath.Join(root, dir.Name(), "go-version-m.txt"))
			found, _, err := packages(toolchain, modules, "app")
			if err != nil {
				t.Fatal(err)
			}
			equal(t, found, expected(t, filepath.Join(root, dir.Name(), "expected.json"), toolchain))
		})
	}
	if len(dirs) < 20 {
		t.Errorf("%d records", len(dirs))
	}
}

// printed returns the version and the list of modules in the output of "go version -m"
// for one program.
func printed(t *testing.T, file string) (toolchain, modules string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(b), "\n")
	_, toolchain, ok := strings.Cut(head, ": ")
	if !ok {
		t.Fatalf("%q does not begin with a version", file)
	}
	var lines strings.Builder
	for line := range strings.Lines(rest) {
		lines.WriteString(strings.TrimPrefix(line, "\t"))
	}
	return toolchain, lines.String()
}

// expected returns the packages in a list of the test data. The list has the last word
// of the toolchain's version if experiments follow.
func expected(t *testing.T, file, toolchain string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	type item struct {
		Kind, Name, Version string
		ReplacedBy          *item `json:"replaced_by"`
	}
	var list []item
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, i := range list {
		if i.ReplacedBy != nil {
			i.Name, i.Version = i.ReplacedBy.Name, i.ReplacedBy.Version
		}
		if i.Kind == "stdlib" {
			i.Version = strings.TrimPrefix(strings.Fields(toolchain)[0], "go")
		}
		want = append(want, i.Name+" "+i.Version)
	}
	return want
}

func equal(t *testing.T, found []inventory.Package, want []string) {
	t.Helper()
	var got []string
	for _, p := range found {
		got = append(got, p.Name+" "+p.Version)
		if p.Type != "golang" || len(p.Evidence) != 1 || p.Evidence[0].Path != p.EmbeddedIn {
			t.Errorf("%+v", p)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestBeforeGo118 reads a program of the Go distribution's own tests in which the texts
// are behind pointers.
func TestBeforeGo118(t *testing.T) {
	program := open(t, distributed(t, "go117"))
	found, err := Read(program, "app")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, found, []string{"stdlib 1.17", "example.com/go117 (devel)"})

	found, err = Read(open(t, distributed(t, "notgo")), "app")
	if err != nil || len(found) != 0 {
		t.Errorf("a program of C has %+v, %v", found, err)
	}
}

// distributed returns a program from the tests of debug/buildinfo.
func distributed(t *testing.T, name string) []byte {
	t.Helper()
	goroot := strings.TrimSpace(output(t, "", "go", "env", "GOROOT"))
	b, err := os.ReadFile(filepath.Join(goroot, "src/debug/buildinfo/testdata", name, name+".base64"))
	if err != nil {
		testkit.Missing(t, "the sources of the Go distribution: %v", err)
	}
	program, err := base64.StdEncoding.DecodeString(string(b))
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func open(t *testing.T, program []byte) *elf.File {
	t.Helper()
	f, err := elf.Open(bytes.NewReader(program), int64(len(program)), Sections()...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func output(t *testing.T, dir string, command string, args ...string) string {
	t.Helper()
	cmd := exec.Command(command, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v", command, args, err)
	}
	return string(out)
}

// TestNative builds programs and compares what is read of them with "go version -m".
func TestNative(t *testing.T) {
	source := map[string]string{
		"go.mod": `module example.com/app

go 1.21

require (
	example.com/local v1.2.3
	example.com/old v0.1.0
)

replace example.com/local => ./local

replace example.com/old => example.com/new v0.2.0
`,
		"main.go": `package main

import (
	"example.com/local"
	"example.com/old"
)

func main() { println(local.Name, old.Name) }
`,
		"local/go.mod":   "module example.com/local\n\ngo 1.21\n",
		"local/local.go": "package local\n\nconst Name = \"local\"\n",
		// A replacement with a version, without network access: from a folder of
		// vendored modules.
		"vendor/example.com/local/local.go": "package local\n\nconst Name = \"local\"\n",
		"vendor/example.com/old/old.go":     "package old\n\nconst Name = \"new\"\n",
		"vendor/modules.txt": `# example.com/local v1.2.3 => ./local
## explicit; go 1.21
example.com/local
# example.com/old v0.1.0 => example.com/new v0.2.0
## explicit; go 1.21
example.com/old
# example.com/local => ./local
# example.com/old => example.com/new v0.2.0
`,
	}
	dir := t.TempDir()
	for name, text := range source {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"example.com/app (devel)", "example.com/local (devel)", "example.com/new v0.2.0"}
	for _, arch := range []string{"amd64", "arm64", "386", "s390x"} { // s390x is big-endian
		t.Run(arch, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app")
			cmd := exec.Command("go", "build", "-mod=vendor", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOARCH="+arch)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			program, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Fields(output(t, dir, "go", "version", path))
			want := append(slices.Clone(want), "stdlib "+strings.TrimPrefix(lines[len(lines)-1], "go"))
			found, err := Read(open(t, program), "app")
			if err != nil {
				t.Fatal(err)
			}
			equal(t, found, want)
			for _, p := range found {
				want := map[string]inventory.Linked{"example.com/local": "-", "example.com/new": "-"}[p.Name] // constants alone
				if p.Name != Stdlib && p.Linked != want {
					t.Errorf("%s: linked %q, want %q", p.Name, p.Linked, want)
				}
				if p.Name == Stdlib && (!p.Linked.Has("runtime") || !p.Linked.Has("internal/abi") || p.Linked.Has("net/http")) {
					t.Errorf("linked of the standard library: %q", p.Linked)
				}
			}

			// A program also runs if its sections have no names.
			switch arch {
			case "amd64", "arm64":
				clear(program[40:48])
				found, err = Read(open(t, program), "app")
				if err != nil {
					t.Fatal(err)
				}
				equal(t, found, want)
			}
		})
	}
}

// TestDamaged cuts and flips a program's build information. Unreadable information is
// an error.
func TestDamaged(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	section, ok := open(t, whole).Section(Section)
	if !ok {
		t.Fatal("the test's own program has no build information")
	}
	damage := map[string]func(b []byte){
		"pointers without a size": func(b []byte) { b[14], b[15] = 3, 0 },
		"pointers to nowhere":     func(b []byte) { b[14], b[15] = 8, 0; copy(b[16:], bytes.Repeat([]byte{0xff}, 16)) },
		"no version":              func(b []byte) { b[headerSize] = 0 },
		"version without end":     func(b []byte) { copy(b[headerSize:], bytes.Repeat([]byte{0xff}, 9)); b[headerSize+9] = 1 },
		"modules without end":     func(b []byte) { copy(b[headerSize+1+int(b[headerSize]):], bytes.Repeat([]byte{0xff}, 9)) },
	}
	for _, name := range slices.Sorted(maps.Keys(damage)) {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(whole)
			damage[name](b[section.Off:])
			found, err := Read(open(t, b), "app")
			if err == nil {
				t.Errorf("%d packages without an error", len(found))
			}
		})
	}
	t.Run("not a list", func(t *testing.T) {
		found, _, err := packages("go1.22", "mod\tx\n", "app")
		if err == nil || len(found) != 1 || found[0].Name != Stdlib {
			t.Errorf("got %+v, %v", found, err)
		}
	})
}

// FuzzRead reads any build information and compares the result with that of
// debug/buildinfo, if it accepts the program.
func FuzzRead(f *testing.F) {
	path, err := os.Executable()
	if err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	program, err := elf.Open(bytes.NewReader(whole), int64(len(whole)), Sections()...)
	if err != nil {
		f.Fatal(err)
	}
	section, _ := program.Section(Section)
	content, err := program.Read(section, maxText)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add(append([]byte(magic+"\x08\x02"+strings.Repeat("\x00", 16)+"\x06go1.22"), 0))
	// Pointers to texts within the section, which is at address 4096.
	old := make([]byte, 96)
	copy(old, magic+"\x08\x00")
	binary.LittleEndian.PutUint64(old[16:], 4096+32)
	binary.LittleEndian.PutUint64(old[24:], 4096+32)
	binary.LittleEndian.PutUint64(old[32:], 4096+48)
	binary.LittleEndian.PutUint64(old[40:], 6)
	copy(old[48:], "go1.17")
	f.Add(old)
	f.Fuzz(func(t *testing.T, content []byte) {
		b := image(content)
		file, err := elf.Open(bytes.NewReader(b), int64(len(b)), Sections()...)
		if err != nil {
			t.Fatal(err)
		}
		found, err := Read(file, "app")
		for _, p := range found {
			if p.Name == "" || p.Version == "" {
				t.Errorf("package without a name or version: %+v", p)
			}
		}
		theirs, theirErr := buildinfo.Read(bytes.NewReader(b))
		if theirErr != nil || err != nil {
			return
		}
		want := 1 + len(theirs.Deps)
		if theirs.Main.Path != "" {
			want++
		}
		if len(found) != want || found[0].Version != inventory.Text(release(theirs.GoVersion)) {
			t.Errorf("got %+v, want %+v", found, theirs)
		}
	})
}

// image returns a program with content as build information, at address 4096.
func image(content []byte) []byte { return elftest.Program(Section, content) }

// TestRenamedSection reads programs in which the section with the build information has
// another name, like debug/buildinfo does.
func TestRenamedSection(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Read(open(t, text), "app")
	if err != nil || len(whole) < 2 {
		t.Fatalf("%v, %v", whole, err)
	}
	renamed := bytes.ReplaceAll(text, []byte("\x00.go.buildinfo\x00"), []byte("\x00.my.buildinfo\x00"))
	all := bytes.Clone(renamed)
	for _, name := range sections() {
		all = bytes.ReplaceAll(all, []byte("\x00"+name+"\x00"), []byte("\x00"+strings.Repeat("x", len(name))+"\x00"))
	}
	for name, change := range map[string]func([]byte) []byte{
		"renamed":            func([]byte) []byte { return renamed },
		"with all others":    func([]byte) []byte { return all },
		"no section headers": func(b []byte) []byte { clear(b[40:48]); clear(b[58:64]); return b },
	} {
		file := filepath.Join(t.TempDir(), name)
		changed := change(bytes.Clone(text))
		if bytes.Equal(changed, text) {
			t.Fatalf("%s: nothing is changed", name)
		}
		if err := os.WriteFile(file, changed, 0o755); err != nil {
			t.Fatal(err)
		}
		found, err := Read(open(t, changed), "app")
		if err != nil || !slices.EqualFunc(found, whole, func(a, b inventory.Package) bool { return a.Name == b.Name && a.Version == b.Version }) {
			t.Errorf("%s: %v, %v", name, found, err)
		}
		info, err := buildinfo.ReadFile(file)
		if err != nil || "go"+found[0].Version != strings.Fields(info.GoVersion)[0] {
			t.Errorf("%s: debug/buildinfo: %v, %v", name, info, err)
		}
	}
}
