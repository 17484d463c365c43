package semver

import (
	"testing"

	"assay/check/testkit/versiontest"
)

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"1.0.0", "2.0.0", -1},
		{"1.9.0", "1.10.0", -1},
		{"1.2", "1.2.0", 0},
		{"1", "1.0.0.0", 0},
		{"1.2.3", "1.2.3.1", -1},
		{"v1.2.3", "1.2.3", 0},
		{"01.2", "1.02", 0},
		{"99999999999999999999", "100000000000000000000", -1},
		// The example of section 11 of the specification.
		{"1.0.0-alpha", "1.0.0-alpha.1", -1},
		{"1.0.0-alpha.1", "1.0.0-alpha.beta", -1},
		{"1.0.0-alpha.beta", "1.0.0-beta", -1},
		{"1.0.0-beta", "1.0.0-beta.2", -1},
		{"1.0.0-beta.2", "1.0.0-beta.11", -1},
		{"1.0.0-beta.11", "1.0.0-rc.1", -1},
		{"1.0.0-rc.1", "1.0.0", -1},
		{"1.0rc1", "1.0.0-rc1", 0},
		{"1.2.beta", "1.2.0-beta", 0},
		{"1.0.0--1", "1.0.0-1", 1},
		{"1.0.0-01", "1.0.0-1", 0},
		{"1.0.0+a", "1.0.0+b", 0},
		{"1.0.0-rc.1+a", "1.0.0-rc.1", 0},
		{"1.16.0-0", "1.16.0-rc.1", -1},
		{"0.0.0-20200101000000-abcdefabcdef", "0.0.0-20210101000000-000000000000", -1},
	} {
		versiontest.Check(t, Compare, tt.a, tt.b, tt.want)
	}
}

// TestCompareBuild: builds are compared as pre-releases are, and one is newer than
// none.
func TestCompareBuild(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"1.0.7", "1.0.7+0", -1},
		{"1.0.7+0", "1.0.7+0", 0},
		{"1.0.7+9", "1.0.7+10", -1},
		{"1.0.7+1", "1.0.7+a", -1},
		{"1.0.7+1", "1.0.7+1.1", -1},
		{"1.0.7+9", "1.0.8", -1},
		{"1.0.7-rc1+9", "1.0.7", -1},
	} {
		versiontest.Check(t, CompareBuild, tt.a, tt.b, tt.want)
	}
}

// TestCompareRevision has the pairs of Bitnami's own comparison.
func TestCompareRevision(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"1.2.3", "1.4.5", -1},
		{"2.2.3", "2.2.2", 1},
		{"1.0.0-1", "1.0.0-2", -1},
		{"1.2.3-1", "1.2.3-1", 0},
		{"1.2.3", "1.2.3-1", -1},
		{"1.2.3+foo", "1.2.3+bar", 0},
		{"1.2.0", "1.2.0-1+metadata", -1},
		{"1.2.3-2", "1.2.3-10", -1},
		{"1.2.3-rc1", "1.2.3", -1},
		{"1.2.3-9", "1.2.4-rc1", -1},
	} {
		versiontest.Check(t, CompareRevision, tt.a, tt.b, tt.want)
	}
}

func TestErrors(t *testing.T) {
	for _, v := range []string{"", "v", "x", "-1", ".1", "V1.0", "1.0-", "1.0.", "1.0-a..b", "1.0-.a", "1.0-a.", "1 0", "1.0\n", "1.é", "(devel)"} {
		for _, compare := range []func(a, b string) (int, error){Compare, CompareBuild, CompareRevision} {
			if c, err := compare(v, "1.0"); err == nil {
				t.Errorf("%q compares: %d", v, c)
			}
			if c, err := compare("1.0", v); err == nil {
				t.Errorf("%q compares: %d", v, c)
			}
		}
	}
}
