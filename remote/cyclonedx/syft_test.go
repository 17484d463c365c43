package cyclonedx_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"assay/check/testkit"
)

// Decoding Syft's own document of a Debian root gives what dpkg-query lists.
func TestDecodeOfSyftItself(t *testing.T) {
	syft := testkit.Syft(t)
	var expected []struct {
		Name, Version, Arch, Source string
		SourceVersion               string `json:"source_version"`
	}
	list, err := os.ReadFile(testkit.Path(t, "pkgdb", "dpkg", "debian12-minbase", "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(list, &expected); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(syft, "scan", "dir:"+testkit.Path(t, "pkgdb", "dpkg", "debian12-minbase"), "-q")
	cmd.Env = append(os.Environ(), "SYFT_CHECK_FOR_APP_UPDATE=false")
	cmd.Dir = t.TempDir()
	versions := []string{"1.4", "1.5", "1.6"}
	for _, v := range versions {
		cmd.Args = append(cmd.Args, "-o", "cyclonedx-json@"+v+"="+v)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			doc, err := os.ReadFile(filepath.Join(cmd.Dir, v))
			if err != nil {
				t.Fatal(err)
			}
			got := decode(t, doc).Inventory
			if got.System.ID != "debian" || got.System.VersionID != "12" || got.System.Codename != "bookworm" {
				t.Errorf("system %+v", got.System)
			}
			if len(got.ScanErrors) != 0 || len(got.Packages) != len(expected) {
				t.Fatalf("%d packages and %d gaps, want %d and none: %+v", len(got.Packages), len(got.ScanErrors), len(expected), got.ScanErrors)
			}
			for i, p := range got.Packages { // both are sorted by name
				e := expected[i]
				if p.Type != "deb" || p.Name != e.Name || p.Version != e.Version || p.Arch != e.Arch ||
					p.Source != e.Source || p.SourceVersion != e.SourceVersion {
					t.Errorf("got %+v, want %+v", p, e)
				}
			}
		})
	}
}
