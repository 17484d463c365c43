package golang

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"assay/check/testkit"
	"assay/check/testkit/elftest"
	"assay/inspect/inventory"
)

// TestLinkedPackages builds programs of this project in several ways and compares the
// packages that are found in them with the symbols that "go tool nm" lists, and with the
// packages that "go list" says they import.
func TestLinkedPackages(t *testing.T) {
	for _, build := range []struct {
		name    string
		program string
		args    []string
		env     []string
		least   int // packages
	}{
		{"static", ".", []string{"-trimpath", "-tags=urfave_cli_no_docs"}, []string{"CGO_ENABLED=0"}, 150},
		{"position-independent", "./check/gotest", []string{"-buildmode=pie"}, []string{"CGO_ENABLED=0"}, 50},
		{"linked by gcc", "./check/gotest", []string{"-buildmode=pie", "-ldflags=-linkmode=external"}, []string{"CGO_ENABLED=1"}, 50},
	} {
		t.Run(build.name, func(t *testing.T) {
			got := linkedBy(t, build.program, build.env, build.args...)
			deps := strings.Fields(run(t, build.env, "go", "list", "-deps", build.program))
			for _, p := range got.packages {
				// The runtime has functions with names of other packages of the standard library,
				// which are then found without being imported.
				first, _, external := strings.Cut(unescape(p), "/")
				if external && strings.Contains(first, ".") && !slices.Contains(deps, unescape(p)) {
					t.Errorf("package %q is not among the imports", p)
				}
			}
			if len(got.packages) < build.least {
				t.Errorf("only %d packages", len(got.packages))
			}
			symbols, functions := run(t, build.env, "go", "tool", "nm", got.path), 0
			for line := range strings.Lines(symbols) {
				name, isFunction := functionIn(line)
				if !isFunction {
					continue
				}
				functions++
				if p := packageOf([]byte(name)); p != nil && !slices.Contains(got.packages, string(p)) {
					t.Errorf("the package of %q is missing", name)
				}
			}
			if functions < 1000 {
				t.Errorf("only %d functions", functions)
			}
			stripped := linkedBy(t, build.program, build.env, append(slices.Clone(build.args), strip(build.args))...)
			if !slices.Equal(got.packages, stripped.packages) {
				t.Errorf("%d packages, and %d after stripping", len(got.packages), len(stripped.packages))
			}
		})
	}
}

// strip returns the flag that strips a program that is built with args.
func strip(args []string) string {
	for _, a := range args {
		if strings.HasPrefix(a, "-ldflags=") {
			return a + " -s -w"
		}
	}
	return "-ldflags=-s -w"
}

// functionIn returns the name in a line of "go tool nm", if it is that of a Go function.
func functionIn(line string) (name string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 3 || fields[1] != "T" && fields[1] != "t" {
		return "", false
	}
	name = strings.Join(fields[2:], " ")
	return name, strings.Contains(name, ".") && !strings.HasPrefix(name, "_") && !strings.HasSuffix(name, ".cold")
}

// A linked is a program and the packages that are found in it.
type linked struct {
	path     string
	packages []string
}

// linkedBy builds a program with flags.
func linkedBy(t *testing.T, program string, env []string, args ...string) linked {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app")
	run(t, env, "go", slices.Concat([]string{"build", "-o", path}, args, []string{program})...)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	packages, err := linkedPackages(open(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return linked{path, slices.Sorted(maps.Keys(packages))}
}

func run(t *testing.T, env []string, command string, args ...string) string {
	t.Helper()
	cmd := exec.Command(command, args...)
	cmd.Dir = testkit.Root(t)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		var said []byte
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			said = exit.Stderr
		}
		t.Fatalf("%s %q: %v\n%s", command, args, err, said)
	}
	return string(out)
}

// TestRoots compares the first elements of the standard library with "go list std".
func TestRoots(t *testing.T) {
	var want []string
	for _, p := range strings.Fields(output(t, "", "go", "list", "std")) {
		first, _, _ := strings.Cut(p, "/")
		want = append(want, first)
	}
	slices.Sort(want)
	for _, first := range slices.Compact(want) {
		if !slices.Contains(roots(), first) {
			t.Errorf("%q is missing", first)
		}
	}
}

func TestPackageOf(t *testing.T) {
	for name, want := range map[string]string{
		"main.main":                      "main",
		"net/http.(*Server).Serve":       "net/http",
		"net/http.(*Server).Serve-fm":    "net/http",
		"net/http.(*conn).serve.func1.2": "net/http",
		"gopkg.in/yaml%2ev3.Unmarshal":   "gopkg.in/yaml.v3",
		"example.com/a.b/c.F":            "example.com/a.b/c",
		"slices.SortFunc[go.shape.[]example.com/x/y.T,go.shape.struct { A.B int }]": "slices",
		"example.com/x.Map[...].Get": "example.com/x",
		"example.com/x.init":         "example.com/x",
		"vendor/golang.org/x/net/http/httpguts.ValidHeaderFieldName": "vendor/golang.org/x/net/http/httpguts",
		"net/http.(*struct { io.Reader; a/b.C }).Read":               "net/http",
		"example.com/%77.F":          "example.com/w",
		"type:.eq.example.com/x.T":   "",
		"type..hash.example.com/x.T": "",
		"go:buildid":                 "",
		"struct { a/b.C }.Read":      "",
		"crosscall2":                 "",
		"":                           "",
		".":                          "",
		"/":                          "",
	} {
		if got := unescape(string(packageOf([]byte(name)))); got != want {
			t.Errorf("packageOf(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestLinkedOf(t *testing.T) {
	got := linkedOf(setOf(
		"main", "example.com/app", "example.com/app/own", "example.com/dep", "example.com/dep/v2", "example.com/dep/v2/sub", "example.com/dependent",
		"net/http", "vendor/golang.org/x/text", "gopkg.in/yaml%2ev3", "nodomain/lib", "nodomain/lib/x", "unknown.example/x",
	), "example.com/app", []string{"example.com/dep", "example.com/dep/v2", "gopkg.in/yaml.v3", "nodomain/lib", "example.com/none"})
	for module, want := range map[string]inventory.Linked{
		"example.com/dep": ".", "example.com/dep/v2": ". sub", "gopkg.in/yaml.v3": ".", "nodomain/lib": ". x",
		Stdlib: "net/http vendor/golang.org/x/text", "example.com/none": "-", "example.com/app": "-",
	} {
		if got := inventory.LinkedOf(got[module]); got != want {
			t.Errorf("%s: %q, want %q", module, got, want)
		}
	}
}

// TestNoClaim: a program whose table cannot be read says nothing of what is linked, and
// neither does one whose own packages may be taken for those of the standard library.
func TestNoClaim(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	table, ok := open(t, whole).Section(tableSection)
	if !ok {
		t.Fatal("the test's own program has no table of functions")
	}
	order := binary.LittleEndian
	names := order.Uint64(whole[table.Off+8+3*8:])
	for name, damage := range map[string]func(b []byte){
		"another magic":     func(b []byte) { b[0] = 0xfb },
		"another word":      func(b []byte) { b[7] = 3 },
		"names at the end":  func(b []byte) { order.PutUint64(b[8+3*8:], 1<<40); order.PutUint64(b[8+4*8:], 1<<41) },
		"names without end": func(b []byte) { order.PutUint64(b[8+4*8:], 1<<63) },
		"no names":          func(b []byte) { order.PutUint64(b[8+4*8:], names) },
		"one long name":     func(b []byte) { copy(b[names:], bytes.Repeat([]byte{'a'}, maxName+1)) },
		"no runtime": func(b []byte) {
			copy(b[names:], bytes.ReplaceAll(b[names:names+1<<20], []byte("runtime.main\x00"), []byte("runtime.niam\x00")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(whole)
			damage(b[table.Off:])
			found, err := Read(open(t, b), "app")
			if err != nil || len(found) < 2 {
				t.Fatalf("%d packages, %v", len(found), err)
			}
			for _, p := range found {
				if p.Linked.Known() {
					t.Errorf("%s: linked %q", p.Name, p.Linked)
				}
			}
		})
	}
	for _, modules := range []string{
		"path\tnet/app\nmod\tnet\t(devel)\t\n",
		"path\texample.com/app\nmod\texample.com/app\t(devel)\t\ndep\tnet\tv0.0.0\n=>\t../net\t(devel)\t\n",
	} {
		found, info, err := packages("go1.26", modules, "app")
		if err != nil {
			t.Fatal(err)
		}
		setLinked(found, info, setOf("net/http", "net/app"))
		if found[0].Linked.Known() || found[1].Linked.Known() {
			t.Errorf("%q: %+v", modules, found)
		}
	}
}

func setOf(paths ...string) map[string]bool {
	set := make(map[string]bool)
	for _, p := range paths {
		set[p] = true
	}
	return set
}

// FuzzNames: that the package of a name is often known from the name before changes nothing.
func FuzzNames(f *testing.F) {
	f.Add("runtime.main\x00runtime.(*m).x\x00a/b.F\x00a/b.F[c/d.T]\x00a/b.c/d.F\x00a/b.(*T[c/d.T]).M\x00type:.eq.a/b.T\x00a/b..\x00.\x00\x00a/b")
	f.Add("a.b\x00a.(b/c.d\x00a.{/\x00a. /\x00a.\x00a\x00")
	f.Fuzz(func(t *testing.T, text string) {
		got := packageSet{known: make(map[string]bool)}
		if err := got.read(iotest.HalfReader(strings.NewReader(text))); err != nil {
			if !errors.Is(err, errNoTable) {
				t.Fatal(err)
			}
			return
		}
		want, main := make(map[string]bool), false
		names := strings.Split(text, "\x00")
		for _, name := range names[:len(names)-1] {
			if path := packageOf([]byte(name)); len(path) > 0 {
				want[string(path)] = true
			}
			main = main || name == runtimeMain
		}
		if !maps.Equal(got.known, want) || got.runtime != main {
			t.Errorf("%v, %t; want %v, %t", got.known, got.runtime, want, main)
		}
	})
}

// FuzzLinkedPackages reads any table of functions.
func FuzzLinkedPackages(f *testing.F) {
	head := make([]byte, 96)
	copy(head, "\xf1\xff\xff\xff\x00\x00\x01\x08")
	head[8+3*8], head[8+4*8] = 72, 96
	copy(head[72:], "runtime.main\x00a/b.F[x]\x00")
	f.Add(head)
	f.Fuzz(func(t *testing.T, table []byte) {
		b := elftest.Program(tableSection, table)
		packages, err := linkedPackages(open(t, b))
		if err != nil && !errors.Is(err, errNoTable) {
			t.Errorf("%v", err)
		}
		if packages[""] {
			t.Errorf("packages %v", packages)
		}
	})
}
