package node

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"assay/check/testkit"
	"assay/inspect/ident"
	"assay/inspect/inventory"
)

// The trees of npm and Corepack in the archives of Node.js.
func TestOwnTree(t *testing.T) {
	archive, err := zip.OpenReader(testkit.Path(t, "lang", "node", "npm-own-tree", "tree.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	got := []record{}
	for _, file := range archive.File {
		if !Wants(file.Name) {
			continue
		}
		f, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		packages, err := Read(f, file.Name)
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", file.Name, err)
		}
		got = append(got, records(t, packages, file.Name)...)
	}
	var want []record
	if err := json.Unmarshal(readFile(t, testkit.Path(t, "lang", "node", "npm-own-tree", "expected.json")), &want); err != nil {
		t.Fatal(err)
	}
	compare(t, got, want)
}

// What Corepack 0.34 wrote for Yarn 4.5.0, and unreadable files.
func TestReadCorepack(t *testing.T) {
	const path = "root/.cache/node/corepack/v1/yarn/4.5.0/.corepack"
	const genuine = `{"locator":{"name":"yarn","reference":"4.5.0"},"bin":["yarn","yarnpkg"],"hash":"sha512.837566d24eec14ec0f5f1411adb544e892b3454255e61fdef8fd05f3429480102806bac7446bc9daff3896b01ae4b62d00096c7e989f1596f2af10b927532f39"}`
	for _, c := range []struct{ text, version, err string }{
		{genuine, "4.5.0", ""},
		{strings.Replace(genuine, "4.5.0", "4.5.0+sha224.837566d2", 1), "4.5.0", ""},
		{strings.Replace(genuine, `"yarn"`, `"pnpm"`, 1), "", `.corepack: package manager "pnpm", not yarn`},
		{strings.Replace(genuine, "4.5.0", "https://example.com/yarn.js", 1), "", `.corepack: version "https://example.com/yarn.js"`},
		{`{"hash":"sha512.8"}`, "", `.corepack: package manager "", not yarn`},
		{genuine[:80], "", ".corepack: unexpected EOF"},
		{"[]", "", ".corepack: not an object"},
	} {
		got, err := Read(strings.NewReader(c.text), path)
		switch {
		case c.err != "":
			if err == nil || err.Error() != c.err || got != nil {
				t.Errorf("%s: %v, %v, want %s", c.text, got, err, c.err)
			}
		case err != nil || len(got) != 1 || got[0].Type != "npm" || got[0].Name != "@yarnpkg/cli" || got[0].Version != c.version:
			t.Errorf("%s: %v, %v", c.text, got, err)
		}
	}
}

func TestRead(t *testing.T) {
	const path = "srv/node_modules/@s/a/package.json"
	for _, c := range []struct {
		text, name, version, err string
	}{
		{`{"name": "a", "version": "1.2.3"}`, "a", "1.2.3", ""},
		{"\ufeff" + `{"version": "1.2.3", "name": "@Types/Node_x.y~1"}` + "\n", "@Types/Node_x.y~1", "1.2.3", ""},
		// Only top-level keys count, and of repeated ones the last.
		{`{"x": {"name": "b", "version": "2.0.0"}, "name": "a", "version": "1.0.0", "y": [{"name": "c"}]}`, "a", "1.0.0", ""},
		{`{"name": "b", "name": "a", "version": "2.0.0", "version": "1.0.0"}`, "a", "1.0.0", ""},
		{`{"name": "a", "v\u0065rsion": "1.0.\u0030"}`, "a", "1.0.0", ""},
		// As written, except for surrounding space.
		{`{"name": "a", "version": " v1.2.3-beta.1+exp "}`, "a", "v1.2.3-beta.1+exp", ""},
		// A package without a name has that of its folder.
		{`{"version": "1.2.3"}`, "@s/a", "1.2.3", ""},
		{`{"name": {}, "version": "1.2.3"}`, "@s/a", "1.2.3", ""},
		// Node.js loads it, but without a version it cannot be looked up.
		{`{}`, "", "", `package.json: "@s/a": no version`},
		{`{"type": "module"}`, "", "", `package.json: "@s/a": no version`},
		{`{"name": "a", "version": ""}`, "", "", `package.json: "a": no version`},
		{`{"name": "a", "version": 1}`, "", "", `package.json: "a": no version`},
		// The part before the damage.
		{`{"name": "a", "version": "1.2.3", "x": `, "a", "1.2.3", "package.json: unexpected EOF"},
		{`{"name": "a", "version": "1.2.3"} x`, "a", "1.2.3", "package.json: unexpected 'x' at byte 34"},
		{`{"name": "a b", "version": "1.2.3"} x`, "", "", "package.json: unexpected 'x' at byte 36"},
		{`{"name": "a", "vers`, "", "", "package.json: unexpected EOF"},
		{``, "", "", "package.json: unexpected EOF"},
		{`[]`, "", "", "package.json: not an object"},
		{`"a"`, "", "", "package.json: not an object"},
		{`{"name": "a b", "version": "1.2.3"}`, "", "", `package.json: invalid name "a b"`},
		{`{"name": "../a", "version": "1.2.3"}`, "", "", `package.json: invalid name "../a"`},
		{`{"name": "@s", "version": "1.2.3"}`, "", "", `package.json: invalid name "@s"`},
		{`{"name": "@s/", "version": "1.2.3"}`, "", "", `package.json: invalid name "@s/"`},
		{`{"name": "@s/a/b", "version": "1.2.3"}`, "", "", `package.json: invalid name "@s/a/b"`},
		{`{"name": "a\u0007", "version": "1.2.3"}`, "", "", `package.json: invalid name "a\a"`},
		{`{"name": "` + strings.Repeat("a", maxName+1) + `", "version": "1"}`, "", "", `package.json: invalid name "` + strings.Repeat("a", maxName+1) + `"`},
		{`{"name": "a", "version": "latest"}`, "", "", `package.json: "a": invalid version "latest"`},
		{`{"name": "a", "version": "v"}`, "", "", `package.json: "a": invalid version "v"`},
		{`{"name": "a", "version": "1 || 2"}`, "", "", `package.json: "a": invalid version "1 || 2"`},
		{`{"name": "a", "version": "1` + strings.Repeat("0", ident.Max) + `"}`, "", "", `package.json: "a": invalid version "1` + strings.Repeat("0", ident.Max-1) + `"`},
	} {
		var want []record
		if c.name != "" {
			want = []record{{path, c.name, c.version}}
		}
		packages, err := Read(strings.NewReader(c.text), path)
		if got := records(t, packages, path); !slices.Equal(got, want) {
			t.Errorf("%.80s: %v, want %v", c.text, got, want)
		}
		if message := text(err); message != c.err {
			t.Errorf("%.80s: %q, want %q", c.text, message, c.err)
		}
	}
}

// In Yarn's store the folder does not have the name of the package.
func TestReadWithoutName(t *testing.T) {
	packages, err := Read(strings.NewReader(`{"version": "1.0.0"}`), "node_modules/.store/a-npm-1.0.0-b5/package/package.json")
	if packages != nil || err != nil {
		t.Errorf("%v, %v", packages, err)
	}
}

// An endless file needs no memory, whichever part of it is endless, and ends with the
// error of the reader that limits it.
func TestEndless(t *testing.T) {
	tooLarge := errors.New("larger than the limit")
	for _, start := range []string{``, `{"x": "`, `{"x": 1`, `{"x": [`, `{"`, `{"name": "`} {
		fill := byte(' ')
		if strings.HasSuffix(start, "1") {
			fill = '1'
		}
		endless := func() io.Reader {
			return io.MultiReader(strings.NewReader(start), io.LimitReader(repeat(fill), 1<<20), iotest.ErrReader(tooLarge))
		}
		var packages []inventory.Package
		var err error
		n := testing.AllocsPerRun(1, func() { packages, err = Read(endless(), "node_modules/a/package.json") })
		if packages != nil || err == nil || n > 100 {
			t.Errorf("%q: %v, %v, %v allocations", start, packages, err, n)
		}
	}
	for _, deep := range []string{"[", `{"a":`} {
		if packages, err := Read(strings.NewReader(`{"x":`+strings.Repeat(deep, 1_000_000)), "node_modules/a/package.json"); packages != nil || err == nil {
			t.Errorf("%s: %v, %v", deep, packages, err)
		}
	}
}

type repeat byte

func (r repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

// FuzzRead checks that a package without an error is the one that encoding/json reads,
// and that every package has a valid name and version.
func FuzzReadCorepack(f *testing.F) {
	f.Add(`{"locator":{"name":"yarn","reference":"4.5.0+sha224.8"},"bin":["yarn","yarnpkg"]}`)
	f.Fuzz(func(t *testing.T, text string) {
		packages, err := Read(strings.NewReader(text), "corepack/v1/yarn/4.5.0/.corepack")
		if (err == nil) != (len(packages) == 1) {
			t.Errorf("%+v, %v", packages, err)
		}
		for _, p := range packages {
			if p.Name != yarnPackage || !isVersion(p.Version) {
				t.Errorf("%+v", p)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(`{"name": "@s/a", "version": "1.2.3", "exports": {".": ["x", null, 1.5e3]}}`)
	f.Add(`{"n\u0061me": "a", "version": "v1.0.0-\ud83d\ude00"} `)
	f.Add("\ufeff{\"version\": \"1.0.0\"}")
	f.Fuzz(func(t *testing.T, text string) {
		const path = "usr/share/nodejs/folder/package.json"
		packages, err := Read(strings.NewReader(text), path)
		for _, p := range packages {
			if !isName(p.Name) || !isVersion(p.Version) || p.Type != "npm" || len(p.Evidence) != 1 || p.Evidence[0].Path != path {
				t.Errorf("%+v", p)
			}
		}
		var all map[string]any
		if err != nil || json.Unmarshal([]byte(strings.TrimPrefix(text, "\ufeff")), &all) != nil {
			return
		}
		name, _ := all["name"].(string)
		version, _ := all["version"].(string)
		version = strings.TrimSpace(version)
		if name == "" {
			name = "folder"
		}
		if version == "" || len(packages) != 1 || packages[0].Name != name || packages[0].Version != version {
			t.Errorf("%+v, want %q %q", packages, name, version)
		}
	})
}
