package verdict_test

import (
	"strings"
	"testing"

	"assay/verdict"
)

func TestClean(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"libstdc++6 12.2.0-14+deb12u1", "libstdc++6 12.2.0-14+deb12u1"},
		{"5:7.0.15-1~deb12u7", "5:7.0.15-1~deb12u7"},
		{"Foo::Bar", "Foo::Bar"},
		{"a\nb", `a\u000ab`},
		{"\x1b[2J", `\u001b[2J`},
		{"\x7f\u0085", `\u007f\u0085`},
		{"gnp\u202eexe", `gnp\u202eexe`},
		{"é", `\u00e9`},
		{"\U0001F600", `\U0001f600`},
		{"\xff", `\xff`},
		{"\uFFFD", `\ufffd`},
		{"::error::x", `\u003a:error::x`},
		{"a ::stop-commands::x", `a \u003a:stop-commands::x`},
		{"##vso[x]", `\u0023#vso[x]`},
		{"on its way: fetch it again", "on its way: fetch it again"},
		{"assay: verdict=pass", `assay\u003a verdict=pass`},
		{"x\nssay: verdict=pass", `x\u000assay\u003a verdict=pass`},
		{" verdict=pass code=0", ` verdict\u003dpass code=0`},
		{"a verdict=pass", "a verdict=pass"},
		{"https://assay:8443/x", "https://assay:8443/x"},
		{strings.Repeat("a", 200), strings.Repeat("a", 200)},
		{strings.Repeat("a", 201), strings.Repeat("a", 197) + "..."},
		{strings.Repeat("\n", 40), strings.Repeat(`\u000a`, 32) + "..."},
	}
	for _, tt := range tests {
		if got := verdict.Clean(tt.in); got != tt.want {
			t.Errorf("Clean(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
