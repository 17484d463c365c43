package scan_test

import (
	"testing"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/verdict"
)

// TestRepositories checks that a verdict names the repository that an image lacks, unless
// its system has no security support.
func TestRepositories(t *testing.T) {
	ix := memory(t, held...)
	for version, want := range map[string]string{"3.22.1": "v3.22/main", "3.16.1": ""} {
		v, err := answer(cyclonedx.Scan{Inventory: inventory.Inventory{
			System:   inventory.System{ID: "alpine", VersionID: version, Repositories: []string{"v3.21/main"}},
			Packages: []inventory.Package{{Type: "apk", Name: "bash", Version: "5.2-r1", Arch: "x86_64"}},
		}}, ix, verdict.Data{Records: 1, Updated: now}, now)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if r := v.System.Repositories; r != nil {
			got = r.Missing
		}
		if got != want {
			t.Errorf("%s: the missing repository is %q, want %q", version, got, want)
		}
	}
}
