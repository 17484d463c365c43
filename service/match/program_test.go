package match_test

import (
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/service/index"
	"assay/service/match"
)

// TestProgramsNotEvaluated: a program without a CPE, with one that leaves the product open, with
// a version that has no order, or without CPE data is not evaluated.
func TestProgramsNotEvaluated(t *testing.T) {
	data := index.NewMemory(nil, nil)
	for _, tt := range []struct {
		name, cpe, version string
		reason             string
	}{
		{"no CPE", "", "1", "no public source has advisories for generic packages without a CPE"},
		{"no name", "text", "1", "no public source has advisories for generic packages without a CPE"},
		{"any product", "cpe:2.3:a:gnu:*:1:*:*:*:*:*:*:*", "1", "no public source has advisories for generic packages without a CPE"},
		{"an operating system", "cpe:2.3:o:linux:linux_kernel:1:*:*:*:*:*:*:*", "1", "no public source has advisories for generic packages without a CPE"},
		{"no data", "cpe:2.3:a:gnu:bash:1:*:*:*:*:*:*:*", "1", "this service has no CPE data, which covers programs"},
	} {
		inv := inventory.Inventory{Packages: []inventory.Package{{Type: "generic", Name: "x", Version: tt.version, CPE: tt.cpe}}}
		res, err := match.Inventory(inv, data, nil, time.Time{})
		if err != nil || res.Evaluated != 0 || len(res.NotEvaluated) != 1 || res.NotEvaluated[0].Reason != tt.reason || res.NotEvaluated[0].Cause != match.CauseUncovered {
			t.Errorf("%s: %+v, %v", tt.name, res, err)
		}
	}
}
