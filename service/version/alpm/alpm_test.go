package alpm

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/versiontest"
)

func TestCompare(t *testing.T) {
	// The chains of vercmp(8).
	for _, chain := range []string{
		"1.0a < 1.0b < 1.0beta < 1.0p < 1.0pre < 1.0rc < 1.0 < 1.0.a < 1.0.1",
		"1 < 1.0 < 1.1 < 1.1.1 < 1.2 < 2.0 < 3.0.0",
	} {
		versions := strings.Split(chain, " < ")
		for i, a := range versions {
			for _, b := range versions[i+1:] {
				versiontest.Check(t, Compare, a, b, -1)
			}
		}
	}
	for _, tt := range []struct {
		name, a, b string
		want       int
	}{
		{"equal", "1.0-1", "1.0-1", 0},
		{"release", "1.0-2", "1.0-10", -1},
		{"a release with a dot", "1.0-1", "1.0-1.1", -1},
		{"numbers are not text", "1.10-1", "1.9-1", 1},
		{"leading zeros", "1.007-1", "1.7-1", 0},
		{"long numbers", "1.99999999999999999999999", "1.100000000000000000000000", -1},
		{"epoch wins", "1:0-1", "99999-1", 1},
		{"no epoch is zero", "0:1.2-3", "1.2-3", 0},
		{"no release is before any", "1.0", "1.0-1", -1},
		{"a tilde separates", "1.0~1-1", "1.0.1-1", 0},
		{"letters before numbers", "1.a-1", "1.1-1", -1},
		{"letters at the end are older", "1.0a-1", "1.0-1", -1},
		{"letters after a separator are newer", "1.0.a-1", "1.0-1", 1},
		{"more separators are newer", "1..0-1", "1.0-1", 1},
		{"separators are alike", "1_0+0-1", "1.0.0-1", 0},
		{"a commit", "0.4.8.r68.g04aee523-3", "0.4.8.r70.g04aee523-1", -1},
		{"a genuine fix", "7.50.2-1", "7.50.3-1", -1},
	} {
		t.Run(tt.name, func(t *testing.T) { versiontest.Check(t, Compare, tt.a, tt.b, tt.want) })
	}
}

func TestInvalid(t *testing.T) {
	for _, s := range []string{"", "\x00", "1.0\x00-1", strings.Repeat("x", 1<<20) + "\x00"} {
		for _, pair := range [][2]string{{s, "1"}, {"1", s}, {s, s}} {
			if got, err := Compare(pair[0], pair[1]); err == nil || len(err.Error()) > 500 {
				t.Errorf("Compare(%.20q, %.20q) = %d, %v", pair[0], pair[1], got, err)
			}
		}
	}
}

// TestNative compares pairs with vercmp, which is in Debian's package makepkg. Each pair
// needs a process.
func TestNative(t *testing.T) {
	vercmp, err := exec.LookPath("vercmp")
	if err != nil {
		testkit.Missing(t, "vercmp, the native tool (apt-get install makepkg): %v", err)
	}
	pairs := versiontest.Generator{
		Rand:     rand.New(rand.NewPCG(4, 18)),
		Pieces:   []string{"~", "-", ".", "..", "+", "_", "0", "00", "a", "Z", "9", "10", "~rc1", "rc1", "1:", ":", ".r68.g04a", "é", ".1"},
		Alphabet: "0019aZ.~_-:",
		Valid:    func(v string) bool { return v != "" && v[0] != '-' },
	}.Pairs(versiontest.Pairs(t, "rpm.csv"), 800)
	seen := map[int]int{}
	for _, p := range pairs {
		if strings.Contains(p.A, "-") != strings.Contains(p.B, "-") {
			continue // to vercmp a missing release equals every release
		}
		cmd := exec.Command(vercmp, p.A, p.B)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("vercmp %q %q: %v", p.A, p.B, err)
		}
		want, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil {
			t.Fatal(err)
		}
		seen[want]++
		versiontest.Check(t, Compare, p.A, p.B, want)
	}
	versiontest.Balanced(t, seen)
}

// FuzzCompare: every version equals itself, and a pair swapped gives the opposite. The order
// is not transitive for versions with unusual separators.
func FuzzCompare(f *testing.F) {
	f.Add("1.0-1", "0:1.0-1.1")
	f.Add("1.0~rc1", "1..0a")
	f.Add(":1-", "007:a1")
	f.Add("", "1\x00")
	f.Fuzz(func(t *testing.T, a, b string) {
		ab, err := Compare(a, b)
		ba, err2 := Compare(b, a)
		if (err == nil) != (err2 == nil) || ab != -ba || ab < -1 || ab > 1 {
			t.Errorf("%q and %q: %d, %v; %d, %v", a, b, ab, err, ba, err2)
		}
		if c, err := Compare(a, a); err == nil && c != 0 {
			t.Errorf("%q is not equal to itself: %d", a, c)
		}
	})
}
