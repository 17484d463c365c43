package report

import (
	"regexp"
	"strings"
	"testing"

	"assay/verdict"
)

func TestUUID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for _, data := range []string{"", "a", "b", "ab"} {
		u := UUID([]byte(data))
		if !form.MatchString(u) || u != UUID([]byte(data)) || seen[u] {
			t.Errorf("UUID(%q) = %q", data, u)
		}
		seen[u] = true
	}
}

// TestURI: a kept scan has the address of its report. One that is not kept, or a service
// without an address, has a URN that depends on the content.
func TestURI(t *testing.T) {
	kept := Scan{PublicURL: "https://assay.example.com", Verdict: verdict.Verdict{Scan: "mzxw6ytboi3dgnbv"}}
	if got, err := kept.URI("spdx", nil); err != nil || got != "https://assay.example.com/api/v1/scans/mzxw6ytboi3dgnbv/report?format=spdx" {
		t.Errorf("%q, %v", got, err)
	}
	for name, s := range map[string]Scan{"not kept": {PublicURL: kept.PublicURL}, "no address": {Verdict: kept.Verdict}} {
		one, err := s.URI("spdx", "a")
		other, otherErr := s.URI("spdx", "b")
		if err != nil || otherErr != nil || one == other || !strings.HasPrefix(one, "urn:assay:spdx:") {
			t.Errorf("%s: %q, %q, %v, %v", name, one, other, err, otherErr)
		}
	}
	if _, err := (Scan{}).URI("spdx", func() {}); err == nil {
		t.Error("content that JSON cannot have has a URI")
	}
}
