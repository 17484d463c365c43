package dpkg

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/versiontest"
)

func TestCompare(t *testing.T) {
	tests := []struct {
		name, a, b string
		want       int
	}{
		{"equal", "1.0-1", "1.0-1", 0},
		{"revision", "1.0-1", "1.0-2", -1},
		{"numbers are not text", "1.10", "1.9", 1},
		{"leading zeros", "1.007", "1.7", 0},
		{"long numbers", "1.99999999999999999999999", "1.100000000000000000000000", -1},
		{"epoch wins", "1:0", "99999", 1},
		{"no epoch is zero", "0:1.0", "1.0", 0},
		{"signed epoch", "+1:2", "1:2", 0},
		{"negative zero epoch", "-0:2", "2", 0},
		{"greatest epoch", "2147483647:1", "1:1", 1},
		{"no revision is revision 0", "1.0", "1.0-0", 0},
		{"no revision is before any other", "1.0", "1.0-1", -1},
		{"tilde before the end", "1.0~rc1", "1.0", -1},
		{"tilde before letters", "1.0~a", "1.0a", -1},
		{"double tilde first", "1.0~~", "1.0~", -1},
		{"tilde in the revision", "1.0-1~bpo12+1", "1.0-1", -1},
		{"letters before other signs", "1.0a", "1.0+", -1},
		{"upper case before lower", "1.0A", "1.0a", -1},
		{"last hyphen divides", "1-1-1", "1-1-2", -1},
		{"colon in the upstream version", "0:1:2", "0:1:3", -1},
		{"backport below unstable", "17.0.21.1+2-1~deb12u1", "17.0.21.1+2-1", -1},
		{"binary rebuild", "5.2.15-2+b13", "5.2.15-2", 1},
		{"really", "1.4+really1.3.36+2-1", "1.4-1", 1},
		{"blanks around", " \t1.0-1 ", "1.0-1", 0},
		{"does not start with a digit", "a1", "1", 1},
		{"foreign character after all others", "1_", "1z", 1},
		{"foreign character in the revision", "1-_", "1-+", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			versiontest.Check(t, Compare, tt.a, tt.b, tt.want)
		})
	}
}

// warned: dpkg compares the version with a warning.
var invalidVersions = []struct {
	name, version string
	warned        bool
	err           error
}{
	{"empty", "", false, errEmpty},
	{"only blanks", " \t", false, errEmpty},
	{"blank inside", "1 2", false, errBlank},
	{"empty epoch", ":1", false, errEpochEmpty},
	{"sign without epoch", "+:1", false, errEpochEmpty},
	{"epoch of letters", "1a:1", false, errEpochNumber},
	{"epoch with a tilde", "1~:1", false, errEpochNumber},
	{"two signs", "+-1:1", false, errEpochNumber},
	{"negative epoch", " -1:1", false, errEpochSign},
	{"big epoch", "2147483648:1", false, errEpochBig},
	{"very big epoch", "99999999999999999999999:1", false, errEpochBig},
	{"nothing after the epoch", "1:", false, errNothing},
	{"empty revision", "1-", false, errHyphen},
	{"empty upstream version", " -1", false, errNothing},
	{"letter first", "a1", true, nil},
	{"underscore", "1_2", true, nil},
	{"underscore in the revision", "1-2_", true, nil},
	{"line feed", "1\n2", true, errByte},
	{"not ASCII", "1é", true, errByte},
}

func TestInvalid(t *testing.T) {
	for _, tt := range invalidVersions {
		t.Run(tt.name, func(t *testing.T) {
			for _, pair := range [][2]string{{tt.version, "1"}, {"1", tt.version}} {
				_, err := Compare(pair[0], pair[1])
				if (err == nil) != (tt.err == nil) || err != nil && !strings.HasSuffix(err.Error(), tt.err.Error()) {
					t.Errorf("Compare(%q, %q): error %v, want %v", pair[0], pair[1], err, tt.err)
				}
			}
		})
	}
	if _, err := Compare(strings.Repeat("é", 1<<20), "1"); err == nil || len(err.Error()) > 400 {
		t.Errorf("an error repeats a long version: %.100v", err)
	}
}

// TestInvalidNative holds the table of invalid versions against dpkg itself,
// whose exit code is 2 for what it refuses and 1 for what it warns of.
func TestInvalidNative(t *testing.T) {
	dpkg := native(t)
	for _, tt := range invalidVersions {
		err := exec.Command(dpkg, "--validate-version", tt.version).Run()
		want := 2
		if tt.warned {
			want = 1
		}
		exit, ok := err.(*exec.ExitError)
		if !ok || exit.ExitCode() != want {
			t.Errorf("%s: dpkg --validate-version %q: %v, want exit status %d", tt.name, tt.version, err, want)
		}
	}
}

func TestKnownPairs(t *testing.T) {
	pairs := 0
	for _, p := range versiontest.Pairs(t, "debian.csv") {
		pairs++
		versiontest.Check(t, Compare, p.A, p.B, p.Want)
	}
	if pairs < 19000 {
		t.Errorf("only %d pairs", pairs)
	}
}

// TestNative compares 10,000 pairs that are not in the known ones: mutations of
// real versions and strings over dpkg's alphabet.
func TestNative(t *testing.T) {
	dpkg := native(t)
	known := versiontest.Pairs(t, "debian.csv")
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	pairs := versiontest.Generator{
		Rand:     rand.New(rand.NewPCG(12, 2023)),
		Pieces:   []string{"~", "+", "-", ".", "0", "00", "a", "Z", "9", "10", "~~", "+b1", "~deb12u1", "1:", "-0", "+really1"},
		Alphabet: "0019aZ.+~-:",
		Valid:    valid.MatchString,
	}.Pairs(known, n)

	// One call for a pair is enough: dpkg is asked whether our answer is right.
	operators := map[int]string{-1: "lt", 0: "eq", 1: "gt"}
	seen := map[int]int{}
	const shells = 4
	var questions [shells]strings.Builder
	for i, p := range pairs {
		got, err := Compare(p.A, p.B)
		if err != nil {
			t.Fatalf("Compare(%q, %q): %v", p.A, p.B, err)
		}
		seen[got]++
		fmt.Fprintln(&questions[i%shells], p.A, operators[got], p.B)
	}
	var wg sync.WaitGroup
	for i := range questions {
		wg.Go(func() {
			cmd := exec.Command("sh", "-c", `while read -r a op b; do
				"$0" --compare-versions "$a" "$op" "$b" || echo "$a $op $b: exit status $?"
			done; echo end`, dpkg)
			cmd.Stdin = strings.NewReader(questions[i].String())
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != "end\n" {
				t.Errorf("dpkg --compare-versions does not say so (%v):\n%s", err, out)
			}
		})
	}
	wg.Wait()
	versiontest.Balanced(t, seen)
}

func TestCompareAllocs(t *testing.T) {
	versiontest.Allocs(t, Compare, "3.0.11-1~deb12u2", "3.0.17-1~deb12u3")
}

func BenchmarkCompare(b *testing.B) {
	versiontest.Benchmark(b, Compare, "3.0.11-1~deb12u2", "3.0.17-1~deb12u3")
}

// FuzzCompare holds the order to what makes it one: every version equals
// itself, a pair swapped gives the opposite, and of three the order is
// transitive. A version compares with another exactly if it compares with
// itself, and what is valid compares.
func FuzzCompare(f *testing.F) {
	f.Add("1.0-1", "1.0-1~deb12u1", "1:0")
	f.Add("1.0~rc1", "1.0", "1.0+really0.9")
	f.Add("a_", "-0:007", "2147483648:1")
	f.Add(" 1-", "1\x00", "1é")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		versiontest.Laws(t, Compare, a, b, c)
		for _, s := range []string{a, b, c} {
			if _, err := Compare(s, s); valid.MatchString(s) && err != nil {
				t.Errorf("%q is valid and cannot be compared: %v", s, err)
			}
		}
	})
}

func native(t testing.TB) string {
	path, err := exec.LookPath("dpkg")
	if err != nil {
		testkit.Missing(t, "dpkg, the native tool: %v", err)
	}
	return path
}

// valid matches the versions that dpkg accepts without a warning, with an epoch of few
// digits.
var valid = regexp.MustCompile(`^([0-9]{1,9}:[0-9]([0-9A-Za-z.+~:]*|[0-9A-Za-z.+~:-]*-[0-9A-Za-z.+~]+)|[0-9]([0-9A-Za-z.+~]*|[0-9A-Za-z.+~-]*-[0-9A-Za-z.+~]+))$`)
