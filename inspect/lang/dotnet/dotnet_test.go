package dotnet

import (
	"archive/zip"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/ident"
	"assay/inspect/inventory"
)

func TestWants(t *testing.T) {
	for path, want := range map[string]bool{
		"App.deps.json":     true,
		"app/App.deps.json": true,
		"usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.0/Microsoft.NETCore.App.deps.json": true,
		"root/.dotnet/tools/.store/x/1.0.0/x/1.0.0/tools/net8.0/any/x.deps.json":              true,
		"root/.nuget/packages/x/1.0.0/tools/net8.0/any/x.deps.json":                           false,
		".nuget/packages/x/1.0.0/tools/x.deps.json":                                           false,
		"src/testdata/x.deps.json":                                                            false,
		"app/deps.json":                                                                       false,
		"app/App.runtimeconfig.json":                                                          false,
		"app/App.deps.json.bak":                                                               false,
	} {
		if got := Wants(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func names(t *testing.T, packages []inventory.Package, path string) []string {
	t.Helper()
	var list []string
	for _, p := range packages {
		if p.Type != "nuget" || !slices.Equal(p.Evidence, []inventory.Evidence{{Path: path, Kind: Kind}}) {
			t.Errorf("%+v", p)
		}
		list = append(list, p.Name+" "+p.Version)
	}
	slices.Sort(list)
	return list
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Files from the tests of other scanners, most of them written by .NET.
func TestRealFiles(t *testing.T) {
	library := []string{
		"AWSSDK.Core 3.7.10.6",
		"Microsoft.Extensions.DependencyInjection 6.0.0",
		"Microsoft.Extensions.DependencyInjection.Abstractions 6.0.0",
		"Microsoft.Extensions.Logging 6.0.0",
		"Microsoft.Extensions.Logging.Abstractions 6.0.0",
		"Microsoft.Extensions.Options 6.0.0",
		"Microsoft.Extensions.Primitives 6.0.0",
		"Newtonsoft.Json 13.0.1",
		"Serilog 2.10.0",
		"Serilog.Sinks.Console 4.0.1",
	}
	for _, c := range []struct {
		archive, file string
		want          []string
		err           string
	}{
		{"from-syft", "dotnet/dir-example-1/TestLibrary.deps.json", library, ""},
		{"from-syft", "dotnet/deps-with-referenceassembly/MyApp.deps.json", []string{"Newtonsoft.Json 13.0.3"}, ""},
		{"from-syft", "dotnet/glob-paths/src/something.deps.json", nil, "deps.json: unexpected 'b' at byte 0"},
		{"from-trivy", "dotnet/core_deps/happy.deps.json", []string{"Newtonsoft.Json 13.0.1"}, ""},
		{"from-trivy", "dotnet/core_deps/missing-target.deps.json", []string{"Newtonsoft.Json 13.0.1"}, ""},
		{"from-trivy", "dotnet/core_deps/multi-project.deps.json", []string{"Newtonsoft.Json 13.0.3"}, ""},
		{"from-trivy", "dotnet/core_deps/ambiguous-root.deps.json", []string{"Newtonsoft.Json 13.0.3"}, ""},
		{"from-trivy", "dotnet/core_deps/no-libraries.deps.json", nil, ""},
		{"from-trivy", "dotnet/core_deps/without-runtime.deps.json", []string{"JsonDiffPatch 2.0.61", "Libuv 1.9.1"}, ""},
		{"from-trivy", "dotnet/core_deps/self-contained.deps.json", []string{
			"Microsoft.AspNetCore.App.Runtime.linux-x64 8.0.0", "Microsoft.NETCore.App.Runtime.linux-x64 8.0.0", "Newtonsoft.Json 13.0.1"}, ""},
		{"from-trivy", "dotnet/core_deps/invalid.deps.json", nil, "deps.json: unexpected EOF"},
		{"from-trivy", "dotnet/deps/datacollector.deps.json", []string{"Newtonsoft.Json 9.0.1"}, ""},
	} {
		f := open(t, c.archive, c.file)
		packages, err := Read(f, c.file)
		if got := names(t, packages, c.file); !slices.Equal(got, c.want) || text(err) != c.err {
			t.Errorf("%s: %q, %v; want %q, %s", c.file, got, err, c.want, c.err)
		}
	}
}

// A single-file application that includes .NET. Humanizer itself is only there for its
// language packages, which it depends on.
func TestSelfContained(t *testing.T) {
	const file = "internal/dotnet/pe/net8-app-single-file.deps.json"
	packages, err := Read(open(t, "from-syft", file), file)
	if err != nil {
		t.Fatal(err)
	}
	got := names(t, packages, file)
	if len(got) != 51 || slices.Contains(got, "Humanizer 2.14.1") ||
		!slices.Contains(got, "Humanizer.Core 2.14.1") || !slices.Contains(got, "Microsoft.NETCore.App.Runtime.win-x64 8.0.14") {
		t.Errorf("%d packages: %q", len(got), got)
	}
}

func open(t *testing.T, archive, file string) io.Reader {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, "lang", "dotnet", archive, "files.zip"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { z.Close() })
	f, err := z.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
		err  string
	}{
		{`{}`, nil, ""},
		{`[]`, nil, "not an object"},
		{``, nil, "unexpected EOF"},
		// The order of the parts does not matter; a target without files does.
		{`{"libraries": {"A/1": {"type": "package"}, "B/2": {"type": "package"}}, "targets": {"t": {"A/1": {"runtime": {}}, "B/2": {"native": {"b.so": {}}}}}}`,
			[]string{"B 2"}, ""},
		{`{"libraries": {"A/1": {"type": "package"}, "B/2": {"type": "project"}, "C/3": {}, "D/4": 5}}`, []string{"A 1"}, ""},
		{`{"libraries": {"A": {"type": "package"}, "B/2": {"type": "package"}}}`, []string{"B 2"}, `invalid library "A"`},
		{`{"libraries": {"A/1/2": {"type": "package"}}}`, nil, `invalid library "A/1/2"`},
		{`{"libraries": {"A B/1": {"type": "package"}}}`, nil, `invalid library "A B/1"`},
		{`{"libraries": {"A/1": {"type": "package"}, "B/2"`, []string{"A 1"}, "unexpected EOF"},
		{`{"libraries": {"x/1": {}` + strings.Repeat(`, "x/1": {}`, maxLibraries), nil, "more than 50000 libraries"},
		{strings.Repeat(`{"targets":`, 1000), nil, "nested more than 512 deep at byte 5632"},
	} {
		packages, err := Read(strings.NewReader(c.text), "p")
		if c.err != "" {
			c.err = "deps.json: " + c.err
		}
		if got := names(t, packages, "p"); !slices.Equal(got, c.want) || text(err) != c.err {
			t.Errorf("%.100s: %q, %v; want %q, %s", c.text, got, err, c.want, c.err)
		}
	}
}

// FuzzRead checks that a library is a package if its type, its files and its name are
// those of one, whatever else is in the file.
func FuzzRead(f *testing.F) {
	f.Add("A", "1.0", "package", true, `"path": {"a": [1, null]}`)
	f.Add("A", "1.0-beta", "project", true, `"serviceable": true`)
	f.Add("A.b", "1", "package", false, `"x": "\ud83d"`)
	f.Fuzz(func(t *testing.T, name, version, typ string, files bool, other string) {
		key := name + "/" + version
		if len(key)+len(typ) > 500 {
			return // an escaped string that may exceed a bound
		}
		assets := map[string]any{}
		if files {
			assets["lib/a.dll"] = 1
		}
		made, err := json.Marshal(map[string]any{
			"libraries": map[string]any{key: map[string]any{"type": typ}},
			"targets":   map[string]any{"t": map[string]any{key: map[string]any{"runtime": assets}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		want := typ == "package" && files
		sound := ident.Is(name) && ident.Is(version) && strings.Count(key, "/") == 1
		packages, err := Read(strings.NewReader(string(made)), "p")
		if got := names(t, packages, "p"); want && sound && !slices.Equal(got, []string{name + " " + version}) ||
			typ != "runtimepack" && !(want && sound) && got != nil {
			t.Errorf("%s: %q, %v", made, got, err)
		}
		if typ != "runtimepack" && (err != nil) != (want && !sound) {
			t.Errorf("%s: %v", made, err)
		}
		packages, _ = Read(strings.NewReader(`{`+other+`, `+string(made[1:])), "p")
		for _, p := range packages {
			if !ident.Is(p.Name) || !ident.Is(p.Version) {
				t.Errorf("%+v", p)
			}
		}
	})
}
