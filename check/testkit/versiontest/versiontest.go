// Package versiontest tests orders of versions: with the laws of every order, and with
// pairs that other implementations have ordered.
package versiontest

import (
	"encoding/csv"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"assay/check/testkit"
)

// A Compare orders two versions. The result is negative, zero or positive. It returns an
// error if one of them cannot be compared.
type Compare func(a, b string) (int, error)

// A Pair has two versions and their order, -1, 0 or 1.
type Pair struct {
	A, B string
	Want int
}

// Pairs returns the pairs of a file in the folder versions of the test data. Its columns
// are ecosystem, a, b, result and source.
func Pairs(t testing.TB, file string) []Pair {
	t.Helper()
	f, err := os.Open(testkit.Path(t, "versions", file))
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

// A Generator makes pairs of versions.
type Generator struct {
	Rand     *rand.Rand
	Pieces   []string // text to insert into versions
	Alphabet string   // characters of short versions
	// Valid reports whether the native tool accepts a version.
	Valid func(string) bool
}

// Pairs makes n pairs: a quarter are a known version and a change of it, half are changes
// of the same pair or version, and a quarter are short versions, which often have the same
// beginning.
func (g Generator) Pairs(known []Pair, n int) []Pair {
	pairs := make([]Pair, n)
	for i := range pairs {
		switch real := known[g.Rand.IntN(len(known))]; i % 4 {
		case 0:
			pairs[i] = Pair{A: real.A, B: g.change(real.A)}
		case 1:
			pairs[i] = Pair{A: g.change(real.B), B: g.change(real.B)}
		case 2:
			pairs[i] = Pair{A: g.change(real.A), B: g.change(real.B)}
		default:
			pairs[i] = Pair{A: g.short(), B: g.short()}
		}
	}
	return pairs
}

// change changes a version at one to three places.
func (g Generator) change(version string) string {
	for {
		s := version
		for range 1 + g.Rand.IntN(3) {
			i := g.Rand.IntN(len(s) + 1)
			switch g.Rand.IntN(3) {
			case 0: // insert
				s = s[:i] + g.Pieces[g.Rand.IntN(len(g.Pieces))] + s[i:]
			case 1: // remove
				s = s[:max(0, i-1)] + s[i:]
			default: // replace
				s = s[:max(0, i-1)] + g.Pieces[g.Rand.IntN(len(g.Pieces))] + s[i:]
			}
		}
		if g.Valid(s) {
			return s
		}
	}
}

func (g Generator) short() string {
	for {
		b := make([]byte, 1+g.Rand.IntN(5))
		for i := range b {
			b[i] = g.Alphabet[g.Rand.IntN(len(g.Alphabet))]
		}
		if g.Valid(string(b)) {
			return string(b)
		}
	}
}

// Balanced checks that there are enough pairs of each order. A generator that makes almost
// no equal pairs tests little.
func Balanced(t testing.TB, seen map[int]int) {
	t.Helper()
	t.Logf("older %d, equal %d, newer %d", seen[-1], seen[0], seen[1])
	if all := seen[-1] + seen[0] + seen[1]; min(seen[-1], seen[0], seen[1]) < all/100 {
		t.Errorf("the generator is lopsided: %v", seen)
	}
}

// Allocs checks that comparing two versions does not allocate.
func Allocs(t *testing.T, compare Compare, a, b string) {
	t.Helper()
	n := testing.AllocsPerRun(100, func() {
		if _, err := compare(a, b); err != nil {
			t.Error(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Benchmark measures the comparison of two versions.
func Benchmark(b *testing.B, compare Compare, x, y string) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := compare(x, y); err != nil {
			b.Fatal(err)
		}
	}
}

// Check compares a pair in both orders.
func Check(t testing.TB, compare Compare, a, b string, want int) {
	t.Helper()
	if got, err := compare(a, b); err != nil || got != want {
		t.Errorf("Compare(%q, %q) = %d, %v; want %d", a, b, got, err, want)
	}
	if got, err := compare(b, a); err != nil || got != -want {
		t.Errorf("Compare(%q, %q) = %d, %v; want %d", b, a, got, err, -want)
	}
}

// Laws checks the laws of an order for three versions: every version equals itself,
// swapping two versions gives the opposite result, and the order is transitive. Two
// versions can be compared if each of them can be compared with itself, and only then.
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
