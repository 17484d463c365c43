package inventory

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                  "",
		"plain":             "plain",
		"é\x00\n":           "é\x00\n",
		"caf\xe9.jar":       `caf\xe9.jar`,
		"\xff\xfe":          `\xff\xfe`,
		"a\xc3":             `a\xc3`,
		"\xed\xa0\x80":      `\xed\xa0\x80`, // a surrogate half
		"\uFFFD":            "\uFFFD",       // itself valid
		"\xf0\x9f\x92\xa9b": "\U0001F4A9b",
	} {
		got := Text(in)
		if got != want || !utf8.ValidString(got) {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

// Packages that differ only in one of the last fields are sorted, too.
func TestSortIsTotal(t *testing.T) {
	at := []Evidence{{Path: "p", Kind: "k"}}
	want := []Package{
		{Type: "deb", Name: "a", Version: "1", Evidence: at},
		{Type: "deb", Name: "a", Version: "1", Evidence: at, Source: "s"},
		{Type: "deb", Name: "a", Version: "1", Evidence: at, Source: "s", SourceVersion: "1"},
		{Type: "deb", Name: "a", Version: "1", Evidence: at, Source: "s", SourceVersion: "1", Vendor: "v"},
		{Type: "deb", Name: "a", Version: "1", Evidence: at, Source: "s", SourceVersion: "1", Vendor: "v", Module: "m"},
		{Type: "deb", Name: "a", Version: "1", Evidence: at, Source: "s", SourceVersion: "1", Vendor: "v", SignedBy: "k"},
		{Type: "deb", Name: "a", Version: "1", Evidence: at, Source: "t"},
		{Type: "deb", Name: "a", Version: "1", Evidence: []Evidence{{Path: "p", Kind: "l"}}},
	}
	for seed := range uint64(20) {
		inv := Inventory{Packages: append([]Package(nil), want...)}
		r := rand.New(rand.NewPCG(seed, 1))
		r.Shuffle(len(want), func(i, j int) {
			inv.Packages[i], inv.Packages[j] = inv.Packages[j], inv.Packages[i]
		})
		inv.Sort()
		if !reflect.DeepEqual(inv.Packages, want) {
			t.Fatalf("seed %d: %+v", seed, inv.Packages)
		}
	}
}
