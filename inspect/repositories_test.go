package inspect

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"assay/check/testkit"
)

// The repositories that the tree's package manager can upgrade from are reported by
// name. If one cannot be read or is left out, they are unknown.
func TestRepositories(t *testing.T) {
	const list = "deb http://deb.debian.org/debian bookworm main\n"
	const sources = "Types: deb\nURIs: http://deb.debian.org/debian-security\nSuites: bookworm-security\nComponents: main\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		skip  []string
		want  []string
	}{
		{"nothing", nil, nil, []string{"none"}},
		{"empty", map[string]string{"etc/apt/sources.list": "# nothing\n"}, nil, []string{"none"}},
		{"all places", map[string]string{
			"etc/apt/sources.list":                  list + list,
			"etc/apt/sources.list.d/debian.sources": sources,
			"etc/apt/sources.list.d/pg.list":        "deb http://h/ bookworm-pgdg main\n",
			"etc/apt/sources.list.d/old.list.save":  "deb http://h/ old main\n",
			"etc/apt/sources.list.d/not.sources/x":  "",
			"etc/apk/repositories":                  "https://h/v3.22/main\n",
		}, nil, []string{"bookworm", "bookworm-pgdg", "bookworm-security"}},
		{"behind a link", map[string]string{"etc/apt/sources.list": "-> /srv/list", "srv/list": list}, nil, []string{"bookworm"}},
		{"behind a link to a secret", map[string]string{"etc/apt/sources.list": "-> /run/secrets/list", "run/secrets/list": list}, nil, nil},
		{"a folder behind a link to the secrets", map[string]string{"etc/apt/sources.list.d": "-> ../../run/secrets", "run/secrets/x.list": list}, nil, nil},
		{"behind a link to the kernel's", map[string]string{"etc/apt/sources.list": "-> ../../proc/list", "proc/list": list}, nil, nil},
		{"no file", map[string]string{"etc/apt/sources.list/x": ""}, nil, nil},
		{"left out", map[string]string{"etc/apt/sources.list": list}, []string{"etc/apt"}, nil},
		{"too much", map[string]string{"etc/apt/sources.list": "deb http://h/ " + string(make([]byte, 1000))}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for _, dir := range []string{"etc", "var"} {
				if err := os.CopyFS(filepath.Join(root, dir), os.DirFS(testkit.Path(t, "pkgdb", "dpkg", "debian12-minbase", dir))); err != nil {
					t.Fatal(err)
				}
			}
			for name, text := range tt.files {
				path := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				err := os.WriteFile(path, []byte(text), 0o644)
				if len(text) > 3 && text[:3] == "-> " {
					err = os.Remove(path)
					if err == nil {
						err = os.Symlink(text[3:], path)
					}
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			inv := inventoryOf(t, root, Options{Skip: tt.skip}, readers())
			if !reflect.DeepEqual(inv.System.Repositories, tt.want) || len(inv.Packages) != 88 || len(inv.ScanErrors) != 0 {
				t.Errorf("%q, %d packages, %v, want %q", inv.System.Repositories, len(inv.Packages), inv.ScanErrors, tt.want)
			}
		})
	}
}
