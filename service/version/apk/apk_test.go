package apk

import (
	"regexp"
	"strings"
	"testing"

	"assay/check/testkit/versiontest"
)

func TestCompare(t *testing.T) {
	tests := []struct {
		name, a, b string
		want       int
	}{
		{"equal", "1.0-r1", "1.0-r1", 0},
		{"revision", "1.0-r2", "1.0-r10", -1},
		{"no revision is before revision 0", "1.0", "1.0-r0", -1},
		{"numbers are not text", "1.10", "1.9", 1},
		{"long numbers", "1.99999999999999999999999", "1.100000000000000000000000", -1},
		{"2 to the power of 64 is not 0", "18446744073709551616", "1", 1},
		{"more numbers are newer", "1", "1.0", -1},
		{"leading zero of the first number", "007", "7", 0},
		{"leading zero of another compares as text", "1.05", "1.1", -1},
		{"leading zero on one side", "1.09", "1.9", -1},
		{"leading zeros on both sides", "1.09", "1.010", 1},
		{"zeros", "1.0", "1.00", -1},
		{"letter", "1.0", "1.0a", -1},
		{"letters", "1.0b", "1.0a", 1},
		{"number before letter", "1.0a", "1.0.1", -1},
		{"letter is newer than a suffix", "1.0a", "1.0_p1", 1},
		{"alpha", "1.0_alpha", "1.0", -1},
		{"alpha beta", "1.0_alpha9", "1.0_beta1", -1},
		{"beta pre", "1.0_beta", "1.0_pre", -1},
		{"pre rc", "1.0_pre", "1.0_rc", -1},
		{"rc is before the end", "1.0_rc1-r9", "1.0-r0", -1},
		{"cvs is after the end", "1.0_cvs", "1.0", 1},
		{"cvs svn", "1.0_cvs", "1.0_svn", -1},
		{"svn git", "1.0_svn", "1.0_git", -1},
		{"git hg", "1.0_git", "1.0_hg", -1},
		{"hg p", "1.0_hg", "1.0_p", -1},
		{"suffix number", "1.0_p9", "1.0_p10", -1},
		{"no suffix number is before 0", "1.0_p", "1.0_p0", -1},
		{"two suffixes, the second before a release", "0.1.0_alpha_pre2", "0.1.0_alpha", -1},
		{"two suffixes, the second after it", "1.0_rc1_p1", "1.0_rc1", 1},
		{"git snapshot", "1.2.4_git20230717-r4", "1.2.4-r9", 1},
		{"hash is after the end", "1.0~abc", "1.0", 1},
		{"hash is after a revision", "1.0~0", "1.0-r9", 1},
		{"hash is before a suffix", "1.0~f", "1.0_p1", -1},
		{"hashes compare as text", "1.0~9", "1.0~1234", 1},
		{"hash, then revision", "1.0~abc-r2", "1.0~abc-r10", -1},

		{"not valid is before the end", "1.0foo", "1.0f", -1},
		{"what follows does not count", "1.0_foo1", "1.0_foo2", 0},
		{"not valid from the beginning", "-1", "1", -1},
		{"invalid revision", "4.10-1-r1", "4.10-r0", -1},
		{"upper case letter", "1.2.0A", "1.2.0", -1},
		{"upper case hash", "1.2~ABC", "1.2", -1},
		{"letter after a suffix", "1.0_p1a", "1.0_p1", -1},
		{"suffix after a hash", "1.0~a_p1", "1.0~a", -1},
		{"number after a suffix", "1.0_p1.1", "1.0_p1", -1},
		{"revision after a revision", "1-r1-r1", "1-r1", -1},
		{"NUL", "1\x00", "1", -1},
		{"not ASCII", "1é", "1", -1},
		{"space before", " 1", "1", -1},

		{"digits after the letter", "1.8.28p1-r1", "1.8.28p2-r0", -1},
		{"digits after the letter are newer than none", "1.8.28p1-r1", "1.8.28p-r2", 1},
		{"digits after the letter are numbers", "1.8.28p010", "1.8.28p9", 1},
		{"missing number", "1..2", "1..3", -1},
		{"missing number is before the end", "1.", "1", -1},
		{"missing number is before zero", "1..1", "1.0.1", -1},
		{"missing revision number", "1-r", "1-r0", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			versiontest.Check(t, Compare, tt.a, tt.b, tt.want)
		})
	}
}

func TestEmpty(t *testing.T) {
	for _, pair := range [][2]string{{"", ""}, {"", "1"}, {"1", ""}} {
		if got, err := Compare(pair[0], pair[1]); err == nil {
			t.Errorf("Compare(%q, %q) = %d", pair[0], pair[1], got)
		}
	}
}

// TestKnownPairs holds Compare against pairs of Alpine's history and of
// apk-tools' own tests, those with versions that are not valid included.
func TestKnownPairs(t *testing.T) {
	pairs := versiontest.Pairs(t, "alpine.csv")
	for _, p := range pairs {
		versiontest.Check(t, Compare, p.A, p.B, p.Want)
	}
	if len(pairs) < 11_000 {
		t.Errorf("only %d pairs", len(pairs))
	}
}

func TestCompareAllocs(t *testing.T) {
	for _, pair := range [][2]string{benchmarkPair(), {"1.8.28p1-r1", "1.8.28p1-r2"}, {"1.0_foo", "1.0~ABC"}} {
		n := testing.AllocsPerRun(100, func() {
			if _, err := Compare(pair[0], pair[1]); err != nil {
				t.Error(err)
			}
		})
		if n != 0 {
			t.Errorf("%q: %v allocations", pair, n)
		}
	}
}

func BenchmarkCompare(b *testing.B) {
	pair := benchmarkPair()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compare(pair[0], pair[1]); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkPair() [2]string { return [2]string{"1.2.4_git20230717-r4", "1.2.4_git20230717-r5"} }

// valid matches the versions that apk-package(5) allows.
var valid = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*[a-z]?(_(alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*(~[0-9a-f]+)?(-r[0-9]+)?$`)

// FuzzCompare checks that versions are ordered: every version equals itself, a pair
// swapped gives the opposite, and of three the order is transitive. Only the empty version
// cannot be compared. A valid version without a revision is older than with one.
func FuzzCompare(f *testing.F) {
	f.Add("1.0_rc1-r1", "1.0", "1.0_p1")
	f.Add("1.05", "1.5", "1.0.5a~abc-r1")
	f.Add("1.8.28p1-r1", "1..2", "1-r")
	f.Add("", "1.0_foo", "1.0~X")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		versiontest.Laws(t, Compare, a, b, c)
		for _, s := range []string{a, b, c} {
			if _, err := Compare(s, s); (err == nil) != (s != "") {
				t.Errorf("Compare(%q, %q): error %v", s, s, err)
			}
			if with := s + "-r0"; valid.MatchString(s) && !strings.Contains(s, "-") {
				if got, err := Compare(s, with); got != -1 {
					t.Errorf("%q and %q: %d, %v", s, with, got, err)
				}
			}
		}
	})
}
