package version_test

import (
	"os"
	"slices"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/versiontest"
	"assay/service/version"
)

// TestPairs compares every order with pairs of versions that native tools and other
// implementations have ordered.
func TestPairs(t *testing.T) {
	type test struct {
		file, ecosystem string
		pairs           int
	}
	tests := []test{
		{"alpine.csv", "Alpine", 11_789},
		{"cran.csv", "CRAN", 62},
		{"debian.csv", "Debian", 19_576},
		{"hackage.csv", "Hackage", 9},
		{"maven.csv", "Maven", 11_880},
		{"nuget.csv", "NuGet", 28},
		{"packagist.csv", "Packagist", 8580},
		{"pub.csv", "Pub", 80},
		{"pypi.csv", "PyPI", 13_130},
		{"red-hat.csv", "Red Hat", 130},
		{"rpm.csv", "RPM", 8000},
		{"rubygems.csv", "RubyGems", 3299},
		{"semver.csv", "SemVer", 3264},
	}
	files, err := os.ReadDir(testkit.Path(t, "versions"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !slices.ContainsFunc(tests, func(tt test) bool { return tt.file == f.Name() }) {
			t.Errorf("no order is compared with %s", f.Name())
		}
	}
	for _, tt := range tests {
		t.Run(tt.ecosystem, func(t *testing.T) {
			order, ok := version.For(tt.ecosystem)
			if !ok {
				t.Fatal("no order")
			}
			pairs := versiontest.Pairs(t, tt.file)
			for _, p := range pairs {
				versiontest.Check(t, versiontest.Compare(order.Comparer()), p.A, p.B, p.Want)
			}
			if len(pairs) < tt.pairs {
				t.Errorf("%d pairs, want %d", len(pairs), tt.pairs)
			}
		})
	}
}
