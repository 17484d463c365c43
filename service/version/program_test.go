package version_test

import (
	"testing"

	"assay/service/version"
)

func TestProgram(t *testing.T) {
	order, ok := version.For("CPE")
	if !ok {
		t.Fatal("no order")
	}
	compare := order.Comparer()
	// Each is before the next one.
	for _, list := range [][]string{
		{"1.0.2", "1.0.2a", "1.0.2z", "1.0.2za", "1.0.2zb", "1.1.0", "1.1.1", "1.1.1a", "1.1.1w", "3.0.0-alpha1", "3.0.0-alpha17", "3.0.0-beta1", "3.0.0-beta2", "3.0.0"}, // OpenSSL
		{"9.2", "9.2p1", "9.2p2", "9.3", "9.3p1", "10.0p1"},                                            // OpenSSH
		{"3.12.0a0", "3.12.0a1", "3.12.0a7", "3.12.0b1", "3.12.0rc1", "3.12.0rc2", "3.12.0", "3.12.1"}, // Python
		{"6.9.11-60", "6.9.11-61", "6.9.12-1", "7.0.1-0", "7.0.1-1"},                                   // ImageMagick
		{"2.7.0-preview1", "2.7.0-rc1", "2.7.0", "2.7.0p1", "2.7.1"},                                   // Ruby
		{"5.1", "5.1.1", "5.2", "5.10"},
		{"8.4.0-dev", "8.4.0alpha1", "8.4.0beta3", "8.4.0RC1", "8.4.0"}, // PHP
	} {
		for i, a := range list {
			for j, b := range list {
				want := min(1, max(-1, i-j))
				if got, err := compare(a, b); err != nil || got != want {
					t.Errorf("compare(%q, %q) = %d, %v, want %d", a, b, got, err, want)
				}
			}
		}
	}
	for _, pair := range [][2]string{{"5.2", "5.2.0"}, {"1.01", "1.1"}, {"1.1.1W", "1.1.1w"}, {"2.0_1", "2.0.1"}} {
		if got, err := compare(pair[0], pair[1]); err != nil || got != 0 {
			t.Errorf("compare(%q, %q) = %d, %v", pair[0], pair[1], got, err)
		}
	}
	for _, bad := range []string{"", "x", "1.2 or later", "1.2ab", "1.2-foo3", "2023a1b", "v1", "1.2+build.7x", "<= 5"} {
		if _, err := compare(bad, "1.0"); err == nil {
			t.Errorf("%q has an order", bad)
		}
	}
}
