package version_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/service/version"
)

const phpScript = `
while (($line = fgets(STDIN)) !== false) {
  [$a, $b] = explode("\t", rtrim($line, "\n"));
  echo version_compare($a, $b), "\n";
}`

var leadingNumbers = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*`)

// filledUp returns two versions with equally many numbers, as they are given to PHP.
func filledUp(a, b string) (string, string) {
	na, nb := leadingNumbers.FindString(a), leadingNumbers.FindString(b)
	n := max(strings.Count(na, "."), strings.Count(nb, "."))
	fill := func(v, numbers string) string {
		return strings.ToLower(numbers + strings.Repeat(".0", n-strings.Count(numbers, ".")) + v[len(numbers):])
	}
	return fill(a, na), fill(b, nb)
}

// TestWordPressAgainstPHP compares the order of WordPress with PHP's version_compare on
// pairs of the versions in the headers and advisories of the test data.
func TestWordPressAgainstPHP(t *testing.T) {
	if _, err := exec.LookPath("php"); err != nil {
		testkit.Missing(t, "PHP's version_compare: %v", err)
	}
	order, _ := version.For("WordPress")
	compare := order.Comparer()
	pool := wordPressVersions(t)
	pool = slices.DeleteFunc(pool, func(v string) bool {
		_, err := compare(v, v)
		return err != nil || strings.HasSuffix(v, "decaf")
	})
	if len(pool) < 1000 {
		t.Fatalf("only %d versions", len(pool))
	}
	rng := rand.New(rand.NewPCG(11, uint64(len(pool))))
	suffixes := strings.Fields("-alpha -alpha-63338 -beta4 beta4 b1 RC1 -RC2 .dev -dev p1 -pl2 .1 .0 a .0.0 -6497609 _1 +2 -rc.1 .10 .9a1")
	var pairs, sent []string
	for len(pairs) < 20_000 {
		a, b := pool[rng.IntN(len(pool))], pool[rng.IntN(len(pool))]
		switch len(pairs) % 4 {
		case 0:
			b = a + suffixes[rng.IntN(len(suffixes))]
		case 1:
			a, b = a+suffixes[rng.IntN(len(suffixes))], a+suffixes[rng.IntN(len(suffixes))]
		case 2:
			if i := strings.LastIndexByte(a, '.'); i > 0 {
				b = a[:i] + suffixes[rng.IntN(len(suffixes))]
			}
		}
		pa, pb := filledUp(a, b)
		pairs, sent = append(pairs, a+"\t"+b), append(sent, pa+"\t"+pb)
	}
	cmd := exec.Command("php", "-r", phpScript)
	cmd.Stdin = strings.NewReader(strings.Join(sent, "\n") + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("php: %v", err)
	}
	answers := strings.Fields(string(out))
	if len(answers) != len(pairs) {
		t.Fatalf("%d answers to %d pairs", len(answers), len(pairs))
	}
	compared := 0
	for i, pair := range pairs {
		a, b, _ := strings.Cut(pair, "\t")
		got, err := compare(a, b)
		if err != nil && strings.Contains(err.Error(), "which has no order") {
			continue // a suffix has made a word that PHP does not know
		}
		compared++
		if err != nil || fmt.Sprint(got) != answers[i] {
			t.Errorf("%q and %q: %d, %v; PHP says %s", a, b, got, err, answers[i])
		}
	}
	t.Logf("%d pairs of %d versions compared", compared, len(pool))
	if compared < 19_000 {
		t.Errorf("%d pairs compared", compared)
	}
}

// TestWordPressPairs compares pairs that PHP has ordered, and those that it orders
// in another way than WordPress means.
func TestWordPressPairs(t *testing.T) {
	order, _ := version.For("WordPress")
	compare := order.Comparer()
	for _, tt := range []struct {
		a, b string
		want int
	}{
		// As PHP.
		{"4.9.8", "5.8.3", -1}, {"2.2.7.1", "3.29.2", -1}, {"6.3.0.1", "6.3.0.1", 0}, {"1.10", "1.9", 1}, {"2.04", "2.4", 0},
		{"7.2-alpha-63338", "7.2", -1}, {"7.2-alpha-63338", "7.1", 1}, {"2.0beta4", "2.0", -1}, {"2.0beta4", "2.0RC1", -1},
		{"3.1.6a1", "3.1.6", -1}, {"3.1.6a1", "3.1.5", 1}, {"0.9.6b", "0.9.6b", 0}, {"1.6.5-6497609", "1.6.5", 1},
		{"1.6.5-6497609", "1.6.6", -1}, {"4.10.dev", "4.10", -1}, {"1.12.5-alpha", "1.12.5-beta", -1}, {"12.8-a.1", "12.8", -1},
		{"1.0p1", "1.0", 1}, {"1.0.1011061", "1.1", -1}, {"3.0.0-beta.4", "3.0.0", -1},
		// Missing numbers are 0.
		{"5.8", "5.8.0", 0}, {"7.1", "7.1.0", 0}, {"5.8", "5.8.1", -1}, {"5.8-beta1", "5.8.0", -1}, {"5.8-RC1", "5.8.0-RC1", 0},
		{"1.0p1", "1.0.1", -1}, {"1.6.5-6497609", "1.6.5.1", -1},
		// Case does not count.
		{"1.0-RC1", "1.0-rc1", 0}, {"1.0Beta2", "1.0", -1},
		// The edition "decaf" is not a pre-release.
		{"4.10.44.decaf", "4.10.44", 0}, {"4.7.4.decaf", "4.10.44.decaf", -1}, {"5.0.22.decaf", "5.0.23", -1},
	} {
		for _, p := range []struct {
			a, b string
			want int
		}{{tt.a, tt.b, tt.want}, {tt.b, tt.a, -tt.want}} {
			if got, err := compare(p.a, p.b); got != p.want || err != nil {
				t.Errorf("%q and %q: %d, %v, want %d", p.a, p.b, got, err, p.want)
			}
		}
	}
}

// TestWordPressWithoutOrder: what PHP would order, but whose order is unknown, is an error.
func TestWordPressWithoutOrder(t *testing.T) {
	order, _ := version.For("WordPress")
	compare := order.Comparer()
	for _, v := range []string{
		"", "n/a", "*", "unknown", "trunk", ".3.102", "v2.2", " 2.2.0", "<= 3.29.2", "6.2-revision-5", "1.0f", "0.1.2 β", "0.1.2β",
		"2.1a-WPCOM", "all versions", "1.0 RC1", "3.0.0 - 3.1.3", strings.Repeat("1.", 200) + "1",
	} {
		if c, err := compare(v, "1.0"); err == nil {
			t.Errorf("%q and 1.0: %d, want an error", v, c)
		}
		if c, err := compare("1.0", v); err == nil {
			t.Errorf("1.0 and %q: %d, want an error", v, c)
		}
	}
}

// TestWordPressText cleans the versions in headers.
func TestWordPressText(t *testing.T) {
	for in, want := range map[string]string{
		"1.2.3": "1.2.3", " 1.2.3\t": "1.2.3", "\u00a01.2.3\u00a0": "1.2.3", "\ufeff1.2": "1.2",
		"v1.13": "1.13", "V1.1.29": "1.1.29", "v 2.0": "2.0", "Version 2.0": "2.0", "v2.0.9 B20080429": "2.0.9",
		"1.0 RC1": "1.0RC1", "1.0 beta": "1.0beta", "2.3.1 for WP2.1": "2.3.1", "1.03 (WP 1.5.2)": "1.03", "1.03(WP 1.5.2)": "1.03",
		".1a": "0.1a", "4.7.4.decaf": "4.7.4.decaf", "2.0beta4": "2.0beta4", "1.12.5-alpha": "1.12.5-alpha",
		"7.2-alpha-63338": "7.2-alpha-63338", "0.1.2 β": "0.1.2beta", "2.5.": "2.5",
		"": "", "trunk": "trunk", "n/a": "n/a", "v": "v", "var 2": "var 2",
	} {
		if got := version.WordPress(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// wordPressVersions returns the versions in the headers and advisories of the test data.
func wordPressVersions(t *testing.T) []string {
	t.Helper()
	seen := make(map[string]bool)
	rows, err := csv.NewReader(strings.NewReader(testFile(t, testkit.Path(t, "wordpress", "headers", "expected.csv")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		seen[version.WordPress(row[4])] = true
	}
	files, err := filepath.Glob(testkit.Path(t, "wordpress", "feeds", "wordfence", "wpsecadv") + "/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		var records []struct{ AffectedVersions string }
		if err := json.Unmarshal([]byte(testFile(t, f)), &records); err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			for c := range strings.FieldsFuncSeq(r.AffectedVersions, func(r rune) bool { return r == '|' || r == ',' }) {
				seen[strings.TrimLeft(c, "<>=")] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func testFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
