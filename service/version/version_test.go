package version_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"assay/service/version"
	"assay/testdata"
)

// TestPairs holds every order against the pairs of versions that native tools
// and other implementations have judged.
func TestPairs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testdata.Path(t, "versions"), "*.csv"))
	if err != nil {
		t.Fatal(err)
	}
	least := map[string]int{
		"alpine": 11789, "cran": 62, "debian": 19576, "hackage": 9, "maven": 11880, "nuget": 28, "packagist": 8580,
		"pub": 80, "pypi": 13130, "red-hat": 130, "rpm": 8000, "rubygems": 3299, "semver": 3264,
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".csv")
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			rows, err := csv.NewReader(f).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows[1:] {
				order, ok := version.For(row[0])
				if !ok {
					t.Fatalf("no order for %s", row[0])
				}
				want, err := strconv.Atoi(row[3])
				if err != nil {
					t.Fatal(err)
				}
				if got, err := order.Compare(row[1], row[2]); got != want || err != nil {
					t.Errorf("%s: %q and %q: %d, %v; want %d by %s", row[0], row[1], row[2], got, err, want, row[4])
				}
				if got, err := order.Compare(row[2], row[1]); got != -want || err != nil {
					t.Errorf("%s: %q and %q: %d, %v; want %d by %s", row[0], row[2], row[1], got, err, -want, row[4])
				}
			}
			if n := len(rows) - 1; n < least[name] {
				t.Errorf("%d pairs, want %d", n, least[name])
			}
			delete(least, name)
		})
	}
	if len(least) > 0 {
		t.Errorf("no pairs of %v", least)
	}
}
