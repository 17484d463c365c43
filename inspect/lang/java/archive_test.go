package java

import "testing"

func TestIsArchive(t *testing.T) {
	for _, tt := range []struct {
		name string
		want bool
	}{
		{"lib/a.jar", true},
		{"lib/A.JAR", true},
		{"a.lpkg", true},
		{"a.jpi", true},
		{"a.JP\u0130", true}, // i in lower case
		{"a.\u212aar", true}, // the Kelvin sign, k in lower case
		{"a.class", false},
		{"a.jar.r", false},
		{"jar", false},
		{"a.jar/b", false},
		{"a-sources.jar", false},
		{"\u0130", false},
		{"", false},
	} {
		if got := isArchive(tt.name); got != tt.want {
			t.Errorf("isArchive(%q) = %v, want %v", tt.name, got, tt.want)
		}
	}
}
