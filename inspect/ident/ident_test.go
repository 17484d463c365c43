package ident

import (
	"strings"
	"testing"
)

func TestIs(t *testing.T) {
	for s, want := range map[string]bool{
		"":                         false,
		"a":                        true,
		"@s/a_b-c.d~1+2":           true,
		"a b":                      false,
		"a\n":                      false,
		"a\x7f":                    false,
		"é":                        false,
		"\xff":                     false,
		strings.Repeat("a", Max):   true,
		strings.Repeat("a", Max+1): false,
	} {
		if got := Is(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}
