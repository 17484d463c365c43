package scan

import (
	"testing"

	"assay/remote/cyclonedx"
	"assay/service/policy/ruleset"
	"assay/service/store"
)

// A base image does not choose a lenient project with a variable. A flag and a token do.
func TestPolicyFor(t *testing.T) {
	p, err := ruleset.Parse([]byte("projects: {lenient: {exceptions: [{id: CVE-1, reason: r}]}}"))
	if err != nil {
		t.Fatal(err)
	}
	flag := cyclonedx.Option{Name: "project", Value: "lenient", Origin: "flag"}
	variable := cyclonedx.Option{Name: "project", Value: "lenient", Origin: "ASSAY_PROJECT"}
	for _, tt := range []struct {
		name    string
		options []cyclonedx.Option
		token   string
		want    int
	}{
		{"a flag", []cyclonedx.Option{flag}, "", 1},
		{"a variable", []cyclonedx.Option{variable}, "", 0},
		{"both", []cyclonedx.Option{flag, variable}, "", 1},
		{"a variable and a token", []cyclonedx.Option{variable}, "lenient", 1},
		{"a token", nil, "lenient", 1},
	} {
		e := PolicyFor(p, cyclonedx.Scan{Options: tt.options}, "lenient", store.Token{Project: tt.token})
		if len(e.Exceptions) != tt.want || len(e.Sections) != 1 {
			t.Errorf("%s: %d exceptions, sections %q, want %d", tt.name, len(e.Exceptions), e.Sections, tt.want)
		}
	}
	if e := PolicyFor(nil, cyclonedx.Scan{}, "lenient", store.Token{}); e != nil {
		t.Error("no policy says something")
	}
}
