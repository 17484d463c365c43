package php

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/ident"
	"assay/inspect/inventory"
)

func TestWantsComposer(t *testing.T) {
	for path, want := range map[string]bool{
		"vendor/composer/installed.json":                             true,
		"var/www/html/vendor/composer/installed.json":                true,
		"srv/app/lib/composer/installed.json":                        true,
		"root/.config/composer/vendor/composer/installed.json":       true,
		"srv/app/vendor/a/b/vendor/composer/installed.json":          true,
		"composer/installed.json":                                    false, // not in a vendor folder
		"srv/app/vendor/composer/installed.json.bak":                 false,
		"srv/app/installed.json":                                     false,
		"srv/vendor/mycomposer/installed.json":                       false,
		"srv/vendor/a/Tests/Fixtures/vendor/composer/installed.json": false,
		"usr/share/doc/x/vendor/composer/installed.json":             false,
	} {
		if got := WantsComposer(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// names returns the packages as NAME VERSION.
func names(t *testing.T, typ string, packages []inventory.Package, path string) []string {
	t.Helper()
	var list []string
	for _, p := range packages {
		if p.Type != typ || !slices.Equal(p.Evidence, []inventory.Evidence{{Path: path, Kind: Kind}}) {
			t.Errorf("%+v", p)
		}
		list = append(list, p.Name+" "+p.Version)
	}
	return list
}

// Records from the tests of other scanners, with the packages that their tests expect.
func TestRealRecords(t *testing.T) {
	for _, c := range []struct {
		archive, file string
		want          []string
		err           string
	}{
		{"from-syft", "php/vendor/composer_1/installed.json", []string{"asm89/stack-cors 1.3.0", "behat/mink v1.8.1"}, ""},
		{"from-syft", "php/vendor/composer_2/installed.json", []string{"asm89/stack-cors 1.3.0", "behat/mink v1.8.1"}, ""},
		{"from-syft", "cmd/syft/internal/test/integration/image-pkg-coverage/pkgs/php/vendor/composer/installed.json",
			[]string{"nikic/fast-route v1.3.0", "psr/container 2.0.2", "psr/http-factory 1.0.1"}, ""},
		{"from-syft", "php/glob-paths/src/installed.json", nil, "installed.json: unexpected 'b' at byte 0"},
		{"from-trivy", "php/composer/composer-vendor/happy/installed.json",
			[]string{"pear/log 1.13.3", "pear/pear_exception v1.0.2"}, ""},
		{"from-trivy", "php/composer/composer-vendor/sad/installed.json", nil, "installed.json: unexpected EOF"},
		{"from-trivy", "integration/fixtures/repo/composer-vendor/installed.json", []string{
			"guzzlehttp/psr7 1.8.3", "psr/http-message 1.1", "ralouphie/getallheaders 3.0.3"}, ""},
	} {
		archive, err := zip.OpenReader(testkit.Path(t, "lang", "php", c.archive, "files.zip"))
		if err != nil {
			t.Fatal(err)
		}
		defer archive.Close()
		f, err := archive.Open(c.file)
		if err != nil {
			t.Fatal(err)
		}
		packages, err := ReadComposer(f, c.file)
		if got := names(t, "composer", packages, c.file); !slices.Equal(got, c.want) || text(err) != c.err {
			t.Errorf("%s: %q, %v; want %q, %s", c.file, got, err, c.want, c.err)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestReadComposer(t *testing.T) {
	const a = `{"name": "v/a", "version": "v1.0", "extra": {"name": "x/y", "version": "9"}, "provide": {"p/q": "1"}}`
	const b = `{"version": "dev-main", "name": "V/B"}`
	for _, c := range []struct {
		text string
		want []string
		err  string
	}{
		{`[]`, nil, ""},
		{`{"packages": []}`, nil, ""},
		{`{"dev": true, "packages": [` + a + `, ` + b + `], "dev-package-names": ["v/a"]}`, []string{"v/a v1.0", "V/B dev-main"}, ""},
		{`[` + a + `]`, []string{"v/a v1.0"}, ""},
		{`{}`, nil, "no packages"},
		{`{"packages": {"v/a": ` + a + `}}`, nil, "packages is not an array"},
		{`1`, nil, "no packages"},
		{`{"packages": [` + a + `, {"name": "v/a"}, 1, ` + b + `]}`, []string{"v/a v1.0", "V/B dev-main"}, `invalid package name "v/a" or version ""`},
		{`[{"name": "a", "version": "1"}]`, nil, `invalid package name "a" or version "1"`},
		{`[{"name": "a/b/c", "version": "1"}]`, nil, `invalid package name "a/b/c" or version "1"`},
		{`[{"name": "a/b", "version": "1 2"}]`, nil, `invalid package name "a/b" or version "1 2"`},
		{`[{"name": "a/` + strings.Repeat("b", ident.Max) + `", "version": "1"}]`, nil,
			`invalid package name "a/` + strings.Repeat("b", ident.Max-2) + `" or version "1"`},
		{`{"packages": [` + a + `, {"name": "v/b"`, []string{"v/a v1.0"}, "unexpected EOF"},
		{`{"packages": [` + a + `]} x`, []string{"v/a v1.0"}, "unexpected 'x' at byte 118"},
		{`{"packages": [` + strings.Repeat(`{"x":[`, 1000), nil, "nested more than 512 deep at byte 1544"},
		{`[` + strings.Repeat(`{"name":"a/b","version":"1"},`, maxPackages) + a + `]`,
			slices.Repeat([]string{"a/b 1"}, maxPackages), "more than 20000 packages"},
	} {
		const path = "srv/vendor/composer/installed.json"
		packages, err := ReadComposer(strings.NewReader(c.text), path)
		if c.err != "" {
			c.err = "installed.json: " + c.err
		}
		if got := names(t, "composer", packages, path); !slices.Equal(got, c.want) || text(err) != c.err {
			t.Errorf("%.100s: %.200q, %v; want %s", c.text, got, err, c.err)
		}
	}
}

// A project made with Composer, as composer show lists it: its packages and those for
// development, one from a branch, one that replaces another, and one without files.
func TestAsComposerShow(t *testing.T) {
	if _, err := exec.LookPath("composer"); err != nil {
		testkit.Missing(t, "composer, to compare with: apt-get install composer")
	}
	project := t.TempDir()
	composer := func(args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "composer", append(args, "--no-interaction", "--no-plugins")...)
		cmd.Dir = project
		cmd.Env = append(os.Environ(), "COMPOSER_ALLOW_SUPERUSER=1", "COMPOSER_DISABLE_NETWORK=1", "COMPOSER_HOME="+filepath.Join(project, "home"))
		out, err := cmd.Output()
		if exit, ok := err.(*exec.ExitError); ok {
			t.Fatalf("composer %q: %v: %s", args, err, exit.Stderr)
		} else if err != nil {
			t.Fatal(err)
		}
		return out
	}
	repositories := []any{map[string]bool{"packagist.org": false}}
	for name, rest := range map[string]string{
		"one":  `"version": "v1.2.3", "replace": {"acme/old": "1.0"}, "require": {"acme/meta": "*"}`,
		"Two":  `"version": "dev-main"`,
		"dev":  `"version": "4.0.0-beta1"`,
		"meta": `"version": "2.0", "type": "metapackage"`,
	} {
		dir := filepath.Join(project, "packages", name)
		write(t, filepath.Join(dir, "composer.json"), fmt.Sprintf(`{"name": "acme/%s", %s}`, strings.ToLower(name), rest))
		repositories = append(repositories, map[string]any{"type": "path", "url": dir, "options": map[string]bool{"symlink": false}})
	}
	config, err := json.Marshal(map[string]any{
		"name": "acme/project", "version": "9.9.9", "repositories": repositories,
		"require":           map[string]string{"acme/one": "*", "acme/two": "dev-main", "acme/old": "*"},
		"require-dev":       map[string]string{"acme/dev": "*"},
		"minimum-stability": "dev",
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(project, "composer.json"), string(config))
	composer("install")
	var shown struct {
		Installed []struct{ Name, Version string }
	}
	if err := json.Unmarshal(composer("show", "--format=json"), &shown); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, p := range shown.Installed {
		want = append(want, p.Name+" "+p.Version)
	}
	if len(want) != 4 {
		t.Errorf("composer shows %q", want)
	}

	const path = "vendor/composer/installed.json"
	f, err := os.Open(filepath.Join(project, path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packages, err := ReadComposer(f, path)
	got := names(t, "composer", packages, path)
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; composer shows %q", got, err, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o777)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// FuzzReadComposer checks that the packages are those that encoding/json finds.
func FuzzReadComposer(f *testing.F) {
	f.Add(`{"packages": [{"name": "a/b", "version": "v1.0", "x": [null]}], "dev": true}`)
	f.Add(`[{"name": "a/b", "version": "1"}, {"version": "dev-main", "name": "c/d"}]`)
	f.Fuzz(func(t *testing.T, text string) {
		packages, err := ReadComposer(strings.NewReader(text), "p")
		for _, p := range packages {
			if !isName(p.Name) || !ident.Is(p.Version) {
				t.Errorf("%+v", p)
			}
		}
		if err != nil {
			return
		}
		var all any
		if json.Unmarshal([]byte(strings.TrimPrefix(text, "\ufeff")), &all) != nil {
			return
		}
		if object, ok := all.(map[string]any); ok {
			all = object["packages"]
		}
		var want []string
		for _, p := range all.([]any) {
			want = append(want, fmt.Sprint(p.(map[string]any)["name"], " ", p.(map[string]any)["version"]))
		}
		if got := names(t, "composer", packages, "p"); !slices.Equal(got, want) && strings.Count(text, "packages") < 2 {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// repeat is an endless reader of one byte.
type repeat byte

func (r repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

// An endless record needs no memory.
func TestEndless(t *testing.T) {
	for _, c := range []struct {
		read  func(io.Reader, string) ([]inventory.Package, error)
		start string
	}{
		{ReadComposer, `{"packages": [{"name": "a/b", "x": "`},
		{ReadComposer, `{"packages": [{"name": "`},
		{ReadPEAR, `a:1:{s:1:"a";s:16000000:"`},
		{ReadPEAR, `a:1:{s:4:"name";s:16000000:"`},
		{ReadPEAR, `a:1:{s:1:"a";i:`},
	} {
		var packages []inventory.Package
		var err error
		n := testing.AllocsPerRun(1, func() {
			packages, err = c.read(io.MultiReader(strings.NewReader(c.start), io.LimitReader(repeat('1'), 1<<20)), "p")
		})
		if packages != nil || err == nil || n > 100 {
			t.Errorf("%s: %v, %v, %v allocations", c.start, packages, err, n)
		}
	}
}
