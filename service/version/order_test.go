package version

import (
	"strings"
	"testing"
)

// ecosystems has one ecosystem of each order.
var ecosystems = []string{
	"Debian", "RPM", "Arch Linux", "Alpine", "SemVer", "Julia", "Bitnami", "PyPI", "CRAN", "Hackage", "Maven", "NuGet", "Packagist", "Composer", "RubyGems", "ConanCenter", "WordPress", "Jenkins",
}

// FuzzCompare checks that for all versions an order is reflexive and antisymmetric, that
// whether it rejects a version does not depend on the other one, and that the fast path
// for plain numbers gives the same result as parsing.
func FuzzCompare(f *testing.F) {
	for _, v := range []string{
		"1.0", "1.0.0", "01.2", "1.2.3.4.5", "v1.2.3-rc.1+build", "1.0.0-", "1!2.0.post1.dev2+local", "0.3m1", "-class", "1.0-alpha-1",
		"1.0.Final", "2.x-dev", "dev-main", "1.0-patch1", "1.0.a", "1-0", "...", "1..2", "1.0~rc1-1+deb12u1", "0:1.2-3.module+el8", "1.2_rc1-r2",
		"99999999999999999999.1", "nightly.2026-03-10.0", "", " 1 ", "1.2.3.#", "é", strings.Repeat("9", 300),
	} {
		f.Add(v, "1.0.1")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, e := range ecosystems {
			o, ok := For(e)
			if !ok {
				t.Fatalf("no order for %s", e)
			}
			compare := o.Comparer()
			_, errA := compare(a, a)
			_, errB := compare(b, b)
			ab, err := compare(a, b)
			ba, err2 := compare(b, a)
			if (err == nil) != (errA == nil && errB == nil) || (err2 == nil) != (err == nil) {
				t.Fatalf("%s: %q %v, %q %v, both %v and %v", e, a, errA, b, errB, err, err2)
			}
			if err != nil {
				continue
			}
			if ab != -ba || ab < -1 || ab > 1 {
				t.Errorf("%s: %q and %q: %d and %d", e, a, b, ab, ba)
			}
			if c, err := compare(a, a); c != 0 || err != nil {
				t.Errorf("%s: %q is not equal to itself: %d, %v", e, a, c, err)
			}
			if o.parse == nil {
				continue
			}
			whole := Order{parse: o.parse}
			if c, err := whole.Comparer()(a, b); c != ab || err != nil {
				t.Errorf("%s: %q and %q: %d, taken apart %d, %v", e, a, b, ab, c, err)
			}
		}
	})
}

func TestFor(t *testing.T) {
	for _, tt := range []struct {
		ecosystem, a, b string
		want            int
	}{
		{"Debian:12", "1.0~rc1", "1.0", -1},
		{"Ubuntu:Pro:14.04:LTS", "6.0-9ubuntu1.5", "6.0-9ubuntu1.5+esm1", -1},
		{"Echo", "1:1", "2", 1},
		{"Root:Debian:12", "1.6-2.1.root.io.1", "1.6-2.1.root.io.2", -1},
		{"Root:npm", "0.2.3-root.io.1", "0.2.3", -1},
		{"TuxCare:PyPI", "1.0rc1", "1.0", -1},
		{"Red Hat:enterprise_linux:9::baseos", "0:1.2-3.el9", "1.2-3.el9", 0},
		{"openSUSE:Leap 15.5", "1.2-3.1", "1.2-3.10", -1},
		{"Azure Linux:3", "0:2.0-1.azl3", "2.0-2.azl3", -1},
		{"Photon OS:4.0", "1.0-1.ph4", "1.0-2.ph4", -1},
		{"Alpine:v3.19", "1.2_rc1-r0", "1.2-r0", -1},
		{"CleanStart", "1.2-r9", "1.2-r10", -1},
		{"Go", "v1.16.0-0", "1.16", -1},
		{"Go", "2.7.0-rc.0+incompatible", "v2.7.0+incompatible", -1},
		{"Julia", "1.0.7", "1.0.7+0", -1},
		{"Julia", "1.1.1+2", "1.1.1+10", -1},
		{"Pub", "1.2.3+9", "1.2.3+10", -1},
		{"npm", "1.0.0+a", "1.0.0+b", 0},
		{"Bitnami", "1.2.3-4", "1.2.3", 1},
		{"Bitnami", "1.2.3-4", "1.2.3-10", -1},
		{"Bitnami", "1.2.3-rc1", "1.2.3", -1},
		{"Bitnami", "1.2.0", "1.2.0-1+metadata", -1},
		{"RubyGems", "1.0-1", "1.0", -1},
		{"NuGet", "1.0.0.0", "1.0", 0},
		{"NuGet", "1.0.0-RC1", "1.0.0-rc1", 0},
		{"Packagist", "1.0", "1.0.0", -1},
		{"Composer", "v1.0", "1.0.0", 0},
		{"Composer", "2.x-dev", "2.99.1", 1},
		{"Packagist:https://packages.drupal.org/8", "8.1.0", "8.10.0", -1},
		{"CRAN", "1.2-3", "1.2.3", 0},
	} {
		o, ok := For(tt.ecosystem)
		if !ok {
			t.Errorf("no order for %s", tt.ecosystem)
			continue
		}
		if got, err := o.Comparer()(tt.a, tt.b); got != tt.want || err != nil {
			t.Errorf("%s: %q and %q: %d, %v; want %d", tt.ecosystem, tt.a, tt.b, got, err, tt.want)
		}
	}
	for _, e := range []string{"", "debian", "Root", "GIT", "OSS-Fuzz", "npm2", "Root:"} {
		if o, ok := For(e); ok {
			t.Errorf("an order for %q", e)
		} else if _, err := o.Comparer()("1", "2"); err == nil {
			t.Errorf("no order of %q compares", e)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct{ ecosystem, version, err string }{
		{"SemVer", "", `version "" is empty`},
		{"SemVer", "v", `version "v" does not begin with a number`},
		{"SemVer", "nightly.1", `version "nightly.1" does not begin with a number`},
		{"SemVer", "1.0-", `version "1.0-" has an empty pre-release identifier`},
		{"SemVer", "1.0-a..b", `version "1.0-a..b" has an empty pre-release identifier`},
		{"SemVer", "1 .0", `version "1 .0" has a character that is not printable ASCII`},
		{"PyPI", "", `version "" is empty`},
		{"PyPI", strings.Repeat("1", 257), `version "` + strings.Repeat("1", 100) + `" is longer than 256 bytes`},
		{"NuGet", "x", `version "x": does not begin with a number`},
		{"RubyGems", "a.b", `version "a.b": does not begin with a number`},
		{"Composer", "dev-main", `version "dev-main": names a branch`},
		{"Hackage", "1.0-rc1", `version "1.0-rc1": invalid version: Hackage versions cannot contain a build version`},
	} {
		o, _ := For(tt.ecosystem)
		for _, pair := range [][2]string{{tt.version, "1.0"}, {"1.0", tt.version}, {tt.version, tt.version}} {
			if c, err := o.Comparer()(pair[0], pair[1]); err == nil || err.Error() != tt.err {
				t.Errorf("%s: %q and %q: %d, %v; want %s", tt.ecosystem, pair[0], pair[1], c, err, tt.err)
			}
		}
	}
}

// TestComparerRemembers checks that comparing versions again does not parse them again, and
// that the project's own orders do not allocate.
func TestComparerRemembers(t *testing.T) {
	o, _ := For("PyPI")
	compare := o.Comparer()
	if _, err := compare("1.0rc1", "1.0.post1"); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = compare("1.0rc1", "1.0.post1") }); n > 4 {
		t.Errorf("%v allocations to compare again", n)
	}
	for _, e := range []string{"Debian", "RPM", "Alpine", "SemVer", "Julia", "Bitnami"} {
		o, _ := For(e)
		if n := testing.AllocsPerRun(100, func() { _, _ = o.Comparer()("1.2.3-rc.1+b", "1.2.3-rc.2+b") }); n > 0 {
			t.Errorf("%s: %v allocations", e, n)
		}
	}
}
