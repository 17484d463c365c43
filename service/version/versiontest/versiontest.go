// Package versiontest holds an order of versions to what every order has to
// keep, and to pairs that others have judged.
package versiontest

import (
	"encoding/csv"
	"os"
	"strconv"
	"testing"

	"assay/testdata"
)

// A Compare orders two versions: negative, zero or positive, or an error where
// one of them cannot be compared.
type Compare func(a, b string) (int, error)

// A Pair is two versions and their order; Want is -1, 0 or 1.
type Pair struct {
	A, B string
	Want int
}

// Pairs returns the pairs of a file of the test data's folder versions, whose
// columns are ecosystem, a, b, result and source.
func Pairs(t testing.TB, file string) []Pair {
	t.Helper()
	f, err := os.Open(testdata.Path(t, "versions", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	pairs := make([]Pair, 0, len(rows))
	for _, row := range rows[1:] {
		want, err := strconv.Atoi(row[3])
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, Pair{row[1], row[2], want})
	}
	return pairs
}

// Check compares a pair both ways.
func Check(t testing.TB, compare Compare, a, b string, want int) {
	t.Helper()
	if got, err := compare(a, b); err != nil || got != want {
		t.Errorf("Compare(%q, %q) = %d, %v; want %d", a, b, got, err, want)
	}
	if got, err := compare(b, a); err != nil || got != -want {
		t.Errorf("Compare(%q, %q) = %d, %v; want %d", b, a, got, err, -want)
	}
}

// Laws holds three versions to what makes an order: every version equals
// itself, a pair swapped gives the opposite, and the order is transitive. A
// version compares with another exactly if it compares with itself.
func Laws(t testing.TB, compare Compare, a, b, c string) {
	t.Helper()
	all := [3]string{a, b, c}
	var ok [3]bool
	for i, s := range all {
		self, err := compare(s, s)
		if ok[i] = err == nil; self != 0 {
			t.Errorf("%q does not equal itself", s)
		}
	}
	var order [3][3]int
	for i := range all {
		for j := range all {
			got, err := compare(all[i], all[j])
			if (err == nil) != (ok[i] && ok[j]) {
				t.Errorf("Compare(%q, %q): error %v", all[i], all[j], err)
			}
			order[i][j] = got
		}
	}
	if !ok[0] || !ok[1] || !ok[2] {
		return
	}
	for i := range all {
		for j := range all {
			if order[i][j] != -order[j][i] {
				t.Errorf("%q and %q are not opposite", all[i], all[j])
			}
			for k := range all {
				if order[i][j] <= 0 && order[j][k] <= 0 && order[i][k] != min(order[i][j], order[j][k]) {
					t.Errorf("%q, %q, %q: %d and %d, but %d", all[i], all[j], all[k],
						order[i][j], order[j][k], order[i][k])
				}
			}
		}
	}
}
