package version_test

import (
	"strings"
	"testing"

	"assay/service/version"
)

func TestPattern(t *testing.T) {
	for _, tt := range []struct{ pattern, matches, not string }{
		{"1[.].*", "1.0 1.2.3", "1 11.0 2.1.0"},
		{"(1|2[.]0)(|[.-].*)", "1 1.5 1-rc1 2.0 2.0.9", "2 2.1 11 2.01"},
		{"(?!2.0.1.2)(1|2[.]0)(|[.-].*)", "2.0 2.0.1 2.0.1.1 1.9", "2.0.1.2 2.0.1.25 2.1"},
		{"(?!(3[.]0[.]6[.][1-9]))(1|2|3[.]0[.]([0-9]|10))(|[-.].*)", "3.0.6 3.0.6.0 3.0.10", "3.0.6.1 3.0.6.9-x 3.1"},
		{"(?![(])1", "1", "(1"},
		{"(?!2[.]1)[1|2](|[.].*)", "1 2.0", "2.1 3"},
		{"\\[[1]", "[1", "1"},
		{".*", "1 2.0-x", ""},
	} {
		p, err := version.NewPattern(tt.pattern)
		if err != nil {
			t.Errorf("%q: %v", tt.pattern, err)
			continue
		}
		for _, v := range strings.Fields(tt.matches) {
			if !p.Matches(v) {
				t.Errorf("%q does not match %q", tt.pattern, v)
			}
		}
		for _, v := range strings.Fields(tt.not) {
			if p.Matches(v) {
				t.Errorf("%q matches %q", tt.pattern, v)
			}
		}
	}
	for _, bad := range []string{
		"", "(", "1)|(2", "(?=1).*", "(?!1", "(?!1)(?!2).*", "(?<=1)2", "(1)\\1", "1*+1", "1++", "1{2}+", "[0-9&&[^1]]", "[[12]3]", "[0-9[ab]]", "(?!2[.]1)1|2[.]1", "((1{1000}){1000}){1000}", strings.Repeat("1", 1001),
	} {
		if _, err := version.NewPattern(bad); err == nil {
			t.Errorf("%.40q: no error", bad)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("(?!2.0.1.2)(1|2[.]0)(|[.-].*)", "2.0.1")
	f.Add("(?![)])1", "1")
	f.Fuzz(func(t *testing.T, pattern, v string) {
		if p, err := version.NewPattern(pattern); err == nil {
			p.Matches(v)
		}
	})
}
