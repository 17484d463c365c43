package version

import "testing"

// TestConan holds Conan's order against what its own documentation and tests say.
func TestConan(t *testing.T) {
	order, ok := For("ConanCenter")
	if !ok {
		t.Fatal("no order")
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"1.0", "1.0.0", 0},
		{"1", "1.0.0.0", 0},
		{"01.2", "1.2", 0},
		{"1.2.3", "1.2.11", -1},
		{"1.2.3.4", "1.2.3.5", -1},
		{"1.0", "1.0.1", -1},
		{"8.0.1", "11", -1},
		// Letters are parts of versions: OpenSSL's, JPEG's and libwebp's.
		{"1.1.1k", "1.1.1w", -1},
		{"1.1.1", "1.1.1a", -1},
		{"9d", "9e", -1},
		{"1.a", "1.b", -1},
		{"1.2.11", "1.2.a", -1},
		// Pre-releases are older, unless the numbers differ.
		{"1.0-rc1", "1.0", -1},
		{"1.0.0-alpha.1", "1.0.0-alpha.2", -1},
		{"1.0.0-alpha.2", "1.0.0-alpha.10", -1},
		{"1.0.0-alpha", "1.0.0-beta", -1},
		{"1.0.1-rc1", "1.0", 1},
		{"1.2.3-pre-x", "1.2.3-pre-y", -1},
		// Build metadata counts: ConanCenter's dates and revisions.
		{"1.0+0", "1.0", 1},
		{"1.0+1", "1.0+2", -1},
		{"1.0+9", "1.0+10", -1},
		{"1.0-rc1+2", "1.0-rc1+1", 1},
		{"cci.20220808", "cci.20230101", -1},
		{"cci.20220808", "1.0", 1},
	} {
		for _, sides := range [...]struct {
			a, b string
			want int
		}{{tt.a, tt.b, tt.want}, {tt.b, tt.a, -tt.want}} {
			if got, err := order.Comparer()(sides.a, sides.b); got != sides.want || err != nil {
				t.Errorf("%q and %q: %d, %v, want %d", sides.a, sides.b, got, err, sides.want)
			}
		}
	}
	for _, v := range []string{"", "1 0", "1.0\n"} {
		if _, err := order.Comparer()(v, "1.0"); err == nil {
			t.Errorf("%q is taken for a version", v)
		}
	}
}
