package inventory

import (
	"strings"
	"testing"
)

func TestLinked(t *testing.T) {
	for _, tt := range []struct {
		linked     Linked
		has, hasNo []string
	}{
		{LinkedOf([]string{"sub", ".", "sub", "sub/x"}), []string{".", "sub", "sub/x"}, []string{"", "x", "su", "ub", "sub/"}},
		{LinkedOf([]string{"a.b/net", "net", "net/http"}), []string{"net", "net/http", "a.b/net"}, []string{".", "http", "a.b", "/net"}},
		{LinkedOf([]string{"aab"}), []string{"aab"}, []string{"ab", "aa"}},
		{LinkedOf(nil), nil, []string{".", "net", ""}},
		{"", []string{".", "net"}, nil},
		{" a  b ", []string{"a", "b"}, []string{"", " ", "c"}}, // of a client that writes it otherwise
	} {
		for _, path := range tt.has {
			if !tt.linked.Has(path) {
				t.Errorf("%q has no %q", tt.linked, path)
			}
		}
		for _, path := range tt.hasNo {
			if tt.linked.Has(path) {
				t.Errorf("%q has %q", tt.linked, path)
			}
		}
	}
}

func BenchmarkLinkedHas(b *testing.B) {
	linked := Linked(strings.Repeat("example.com/some/package ", 40_000) + "net/http")
	for b.Loop() {
		linked.Has("net/url")
	}
}
