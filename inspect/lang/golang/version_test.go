package golang

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit/elftest"
	"assay/inspect/elf"
)

// TestVersionOfBuild builds programs from a folder, whose module has no version, as projects
// build their releases.
func TestVersionOfBuild(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		module, want string
		flags        []string
	}{
		{"example.com/app", "(devel)", nil},
		{"example.com/app", "v1.2.3", []string{"-ldflags=-s -w -X main.version=1.2.3"}},
		{"example.com/app/v2", "v2.3.4-rc.1", []string{"-ldflags=-X 'main.commit=abc' -X 'example.com/app/internal.Version=v2.3.4-rc.1'"}},
		{"example.com/app", "(devel)", []string{"-ldflags=-X main.version=1.2.3 -X example.com/app/internal.Version=v1.2.4"}},
		{"example.com/app", "(devel)", []string{"-ldflags=-X main.version=v1.2.3-4-gabcdef0"}},
		{"example.com/app", "(devel)", []string{"-trimpath", "-ldflags=-X main.version=v1.2.3"}}, // go records no flags
		{"helm.sh/helm/v3", "v3.17.3", []string{"-trimpath", "-ldflags=-s -w -X helm.sh/helm/v3/internal.Version=v3.17.3"}},
		{"helm.sh/helm/v3", "(devel)", []string{"-trimpath", "-ldflags=-X helm.sh/helm/v3/internal.Version=v3.17.3 -X main.version=v1.0.0"}},
		{"helm.sh/helm/v3", "(devel)", []string{"-trimpath"}},
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "internal"), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"go.mod":               "module " + tt.module + "\n\ngo 1.26.0\n",
			"main.go":              "package main\n\nimport \"" + tt.module + "/internal\"\n\nvar version, commit string\n\nfunc main() { println(version, commit, internal.Version) }\n",
			"internal/internal.go": "package internal\n\nvar Version string\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		// Packages of the module are named as the module is, also in its major versions.
		flags := slices.Clone(tt.flags)
		for i, f := range flags {
			flags[i] = strings.ReplaceAll(f, "example.com/app/internal", tt.module+"/internal")
		}
		program := filepath.Join(dir, "app")
		cmd := exec.Command("go", slices.Concat([]string{"build", "-buildvcs=false", "-o", program}, flags, []string{"."})...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		content, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		found, err := Read(open(t, content), "app")
		if err != nil || len(found) != 2 || found[1].Name != tt.module || found[1].Version != tt.want {
			t.Errorf("%s %q: %+v, %v, want %s", tt.module, tt.flags, found, err, tt.want)
		}
	}
}

func TestConstantVersions(t *testing.T) {
	for text, want := range map[string]string{
		"\x00\x00\x8f@v3.17.3\x00\x00": "v3.17.3",
		"v3.17.3":                      "",
		"v3.17.3 v3.17\x00v3.17.3.1\x00v.1.2\x00v1.2.3-5-gabc\x00":                                                   "",
		"vv3.17.3\x00v4.0.0-beta.2\x00":                                                                              "v3.17.3 v4.0.0-beta.2",
		strings.Repeat("x", window-4) + "v3.17.3\x00":                                                                "v3.17.3",
		strings.Repeat("x", window+maxVersion-4) + "v3.17.3\x00":                                                     "v3.17.3",
		"v" + strings.Repeat("1", 2*maxVersion) + ".2.3\x00":                                                         "",
		"https://v3.17.3/\x00v3.17.3-rc.1\x00" + strings.Repeat("y", 3*window) + "\x00v3.17.3-rc.1\x00version 3\x00": "v3.17.3-rc.1 v3.17.3-rc.1",
	} {
		f, err := elf.Open(strings.NewReader(string(elftest.Program(constants, []byte(text)))), int64(len(elftest.Program(constants, []byte(text)))), constants)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(constantVersions(f), " "); got != want {
			t.Errorf("%.60q: %q, want %q", text, got, want)
		}
	}
}

func FuzzVersionsOf(f *testing.F) {
	f.Add("-s -w -X 'main.version=v1.2.3' -X=main.Version=1.2.3", "example.com/app")
	f.Fuzz(func(t *testing.T, ldflags, module string) {
		for _, v := range versionsOf(ldflags, module) {
			if !strings.HasPrefix(v, "v") || strings.ContainsAny(v, " '\"\x00") {
				t.Errorf("%q", v)
			}
		}
	})
}
