package rpm

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/versiontest"
)

func TestCompare(t *testing.T) {
	tests := []struct {
		name, a, b string
		want       int
	}{
		{"equal", "1.0-1.el8", "1.0-1.el8", 0},
		{"release", "1.0-2.el8", "1.0-10.el8", -1},
		{"numbers are not text", "1.10", "1.9", 1},
		{"leading zeros", "1.007", "1.7", 0},
		{"long numbers", "1.99999999999999999999999", "1.100000000000000000000000", -1},
		{"epoch wins", "1:0-1", "99999-1", 1},
		{"no epoch is zero", "0:1.2-3.el8", "1.2-3.el8", 0},
		{"empty epoch is zero", ":1-1", "1-1", 0},
		{"epochs are numbers", "010:1-1", "9:1-1", 1},
		{"no epoch without digits", "a:1", "1:0", -1},
		{"no release is before any", "1.0", "1.0-0", -1},
		{"no release is before an empty one", "1.0", "1.0-", -1},
		{"last hyphen divides", "1-2-3", "1-2-4", -1},
		{"a hyphen before separates", "1-2-3", "1.2-3", 0},
		{"tilde before the end", "1.0~rc1-1", "1.0-1", -1},
		{"tilde before a segment", "1.0~1", "1.0.1", -1},
		{"two tildes first", "1~~", "1~", -1},
		{"caret after the end", "1.0^git1-1", "1.0-1", 1},
		{"caret before a segment", "1.0^git1", "1.0.1", -1},
		{"tilde before caret", "1.0~", "1.0^", -1},
		{"tilde after caret", "1.0^git1~pre", "1.0^git1", -1},
		{"letters before numbers", "1.a", "1.1", -1},
		{"letters after the end", "1.0", "1.0a", -1},
		{"upper case before lower", "1.A", "1.a", -1},
		{"letters and numbers part by themselves", "1el8", "1.el.8", 0},
		{"separators are alike", "1_0+0", "1.0.0", 0},
		{"separators at the end do not count", "1.0..-1", "1.0-1.", 0},
		{"other scripts separate", "1.β", "1.α", 0},
		{"module", "1:4.18-3.module+el8.5.0+1+a", "1:4.18-3.module+el8.10.0+1+a", -1},
		{"distribution tag", "3.10.0-229.1.2.ael7b", "3.10.0-229.1.2.el7", -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			versiontest.Check(t, Compare, tt.a, tt.b, tt.want)
		})
	}
}

func TestInvalid(t *testing.T) {
	for _, s := range []string{"", "\x00", "1.0\x00-1", strings.Repeat("x", 1<<20) + "\x00"} {
		for _, pair := range [][2]string{{s, "1"}, {"1", s}, {s, s}} {
			got, err := Compare(pair[0], pair[1])
			if err == nil {
				t.Errorf("Compare(%q, %q) = %d", pair[0], pair[1], got)
			} else if len(err.Error()) > 200 {
				t.Errorf("an error repeats %d bytes of a version", len(err.Error()))
			}
		}
	}
}

func TestKnownPairs(t *testing.T) {
	for file, least := range map[string]int{"rpm.csv": 8000, "red-hat.csv": 130} {
		pairs := versiontest.Pairs(t, file)
		for _, p := range pairs {
			versiontest.Check(t, Compare, p.A, p.B, p.Want)
		}
		if len(pairs) < least {
			t.Errorf("%s: only %d pairs", file, len(pairs))
		}
	}
}

// TestNative compares 10,000 pairs that are not in the known ones: mutations of
// real versions and strings over rpm's alphabet.
func TestNative(t *testing.T) {
	rpm, err := exec.LookPath("rpm")
	if err != nil {
		testkit.Missing(t, "rpm, the native tool (apt-get install rpm): %v", err)
	}
	known := versiontest.Pairs(t, "rpm.csv")
	pairs := versiontest.Generator{
		Rand:     rand.New(rand.NewPCG(4, 18)),
		Pieces:   []string{"~", "^", "-", ".", "+", "_", "0", "00", "a", "Z", "9", "10", "~~", "~rc1", "^git1", "1:", ":", ".el8", "é"},
		Alphabet: "0019aZ.~^_-:",
		Valid:    func(v string) bool { return v != "" },
	}.Pairs(known, 10_000)
	var questions strings.Builder
	for _, p := range pairs {
		fmt.Fprintf(&questions, "%s\t%s\n", p.A, p.B)
	}
	cmd := exec.Command(rpm, "--eval", `%{lua:
		for line in io.lines() do
			local tab = line:find("\t", 1, true)
			print(rpm.vercmp(line:sub(1, tab - 1), line:sub(tab + 1)) .. "\n")
		end
	}`)
	cmd.Stdin = strings.NewReader(questions.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("rpm --eval: %v", err)
	}
	answers := strings.Fields(string(out))
	if len(answers) != len(pairs) {
		t.Fatalf("%d answers of rpm to %d pairs", len(answers), len(pairs))
	}
	seen := map[int]int{}
	for i, p := range pairs {
		want, err := strconv.Atoi(answers[i])
		if err != nil {
			t.Fatal(err)
		}
		seen[want]++
		versiontest.Check(t, Compare, p.A, p.B, want)
	}
	versiontest.Balanced(t, seen)
}

func TestCompareAllocs(t *testing.T) {
	versiontest.Allocs(t, Compare, "1:1.1.1k-12.el8_9", "1:1.1.1k-14.el8_10")
}

func BenchmarkCompare(b *testing.B) {
	versiontest.Benchmark(b, Compare, "1:1.1.1k-12.el8_9", "1:1.1.1k-14.el8_10")
}

// FuzzCompare holds the order to what makes it one: every version equals
// itself, a pair swapped gives the opposite, and of three the order is
// transitive. A version without epoch equals itself with epoch 0.
func FuzzCompare(f *testing.F) {
	f.Add("1.0-1.el8", "0:1.0-1.el8_1", "1.0")
	f.Add("1.0~rc1", "1.0^git1", "1.0")
	f.Add(":1-", "007:a1", "1.β-_")
	f.Add("", "1\x00", "-")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		versiontest.Laws(t, Compare, a, b, c)
		for _, s := range []string{a, b, c} {
			_, err := Compare(s, s)
			if ok := err == nil; ok != (s != "" && strings.IndexByte(s, 0) < 0) {
				t.Errorf("Compare(%q, %q): %v", s, s, err)
			} else if ok && !strings.Contains(s, ":") {
				versiontest.Check(t, Compare, s, "0:"+s, 0)
			}
		}
	})
}
