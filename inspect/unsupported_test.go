package inspect

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/inspect/distro/unsupported"
	"assay/inspect/inventory"
)

// A database that assay does not read is an error of a database, also beside one that it
// reads, unless the build leaves it out.
func TestUnsupportedDatabase(t *testing.T) {
	for _, file := range unsupported.Files() {
		root := t.TempDir()
		for path, text := range map[string]string{
			file:                  "",
			"etc/os-release":      "ID=debian\nVERSION_ID=12\n",
			"var/lib/dpkg/status": "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2.15-2\n\n",
		} {
			path = filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		inv, err := Inspect(t.Context(), root, Options{Mounts: strings.NewReader("")})
		if err != nil {
			t.Fatal(err)
		}
		found := slices.ContainsFunc(inv.ScanErrors, func(e inventory.ScanError) bool {
			return e.Path == file && e.Kind == inventory.KindDatabase && strings.Contains(e.Err, "does not read the packages of")
		})
		if !found || len(inv.Packages) != 1 {
			t.Errorf("%s: scan errors %v, %d packages", file, inv.ScanErrors, len(inv.Packages))
		}
		inv, err = Inspect(t.Context(), root, Options{Mounts: strings.NewReader(""), Skip: []string{filepath.Dir(file)}})
		if err != nil {
			t.Fatal(err)
		}
		if len(inv.ScanErrors) > 0 || len(inv.Packages) != 1 {
			t.Errorf("%s left out: scan errors %v, %d packages", file, inv.ScanErrors, len(inv.Packages))
		}
	}
}
