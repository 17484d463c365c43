package verdict

import (
	"encoding/csv"
	"os"
	"strconv"
	"testing"

	"assay/check/testkit"
)

// TestNatural compares the order with that of dpkg --compare-versions.
func TestNatural(t *testing.T) {
	f, err := os.Open(testkit.Path(t, "versions", "debian.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) < 10_000 {
		t.Fatalf("only %d rows", len(rows))
	}
	for _, row := range rows[1:] {
		want, err := strconv.Atoi(row[3])
		if err != nil {
			t.Fatal(err)
		}
		if got := natural(row[1], row[2]); got != want {
			t.Errorf("natural(%q, %q) = %d, want %d", row[1], row[2], got, want)
		}
		if got := natural(row[2], row[1]); got != -want {
			t.Errorf("natural(%q, %q) = %d, want %d", row[2], row[1], got, -want)
		}
	}
}
