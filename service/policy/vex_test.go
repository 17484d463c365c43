package policy

import (
	"fmt"
	"strings"
	"testing"

	"assay/remote/cyclonedx"
	"assay/service/match"
	"assay/verdict"
)

// openVEX returns a document with statements: "CVE-2024-1 pkg:npm/lodash not_affected 2026-11-01".
func openVEX(name string, statements ...string) cyclonedx.File {
	var list []string
	for _, s := range statements {
		w := strings.Fields(s)
		list = append(list, fmt.Sprintf(`{"vulnerability":{"name":%q},"products":[{"@id":%q}],"status":%q,"timestamp":"%sT00:00:00Z","impact_statement":"never called"}`, w[0], w[1], w[2], w[3]))
	}
	return cyclonedx.File{Kind: cyclonedx.FileVEX, Name: name,
		Body: []byte(`{"@context":"https://openvex.dev/ns/v0.2.0","author":"security team","statements":[` + strings.Join(list, ",") + `]}`)}
}

func TestVEX(t *testing.T) {
	high := in("CVE-2024-1", "lodash", "high fixed")
	tests := []struct {
		name       string
		statements []string
		finding    match.Finding
		rule       string
		unmatched  int
	}{
		{"not affected", []string{"CVE-2024-1 pkg:npm/lodash not_affected 2026-11-01"}, high, "vex", 0},
		{"its version", []string{"CVE-2024-1 pkg:npm/lodash@1.0.0 not_affected 2026-11-01"}, high, "vex", 0},
		{"another version", []string{"CVE-2024-1 pkg:npm/lodash@2.0.0 not_affected 2026-11-01"}, high, "severity", 1},
		{"another product", []string{"CVE-2024-1 pkg:npm/underscore not_affected 2026-11-01"}, high, "severity", 1},
		{"an image that is not named", []string{"CVE-2024-1 pkg:oci/app not_affected 2026-11-01"}, high, "severity", 1},
		{"another vulnerability", []string{"CVE-2024-2 pkg:npm/lodash not_affected 2026-11-01"}, high, "severity", 1},
		{"a product that is no purl", []string{"CVE-2024-1 https://example.com/lodash not_affected 2026-11-01"}, high, "severity", 1},
		{"fixed", []string{"CVE-2024-1 pkg:npm/lodash@1.0.0 fixed 2026-11-01"}, high, "vex", 0},
		{"fixed, in no version", []string{"CVE-2024-1 pkg:npm/lodash fixed 2026-11-01"}, high, "severity", 1},
		{"affected", []string{"CVE-2024-1 pkg:npm/lodash affected 2026-11-01"}, high, "severity", 0},
		{"under investigation", []string{"CVE-2024-1 pkg:npm/lodash under_investigation 2026-11-01"}, high, "severity", 0},
		{"the newest says affected", []string{"CVE-2024-1 pkg:npm/lodash not_affected 2026-11-01", "CVE-2024-1 pkg:npm/lodash affected 2026-11-02"}, high, "severity", 0},
		{"the newest says not affected", []string{"CVE-2024-1 pkg:npm/lodash not_affected 2026-11-03", "CVE-2024-1 pkg:npm/lodash affected 2026-11-02"}, high, "vex", 0},
		{"a tie", []string{"CVE-2024-1 pkg:npm/lodash not_affected 2026-11-02", "CVE-2024-1 pkg:npm/lodash affected 2026-11-02"}, high, "severity", 0},
		{"a tie before a newer one", []string{"CVE-2024-1 pkg:npm/lodash not_affected 2026-11-02", "CVE-2024-1 pkg:npm/lodash affected 2026-11-02", "CVE-2024-1 pkg:npm/lodash not_affected 2026-11-03"}, high, "vex", 0},
		{"a time in the future", []string{"CVE-2024-1 pkg:npm/lodash not_affected 2099-01-01"}, high, "severity", 0},
		{"a time in the future, and an older one", []string{"CVE-2024-1 pkg:npm/lodash not_affected 2099-01-01", "CVE-2024-1 pkg:npm/lodash affected 2026-11-02"}, high, "severity", 0},
		{"affected, in the future", []string{"CVE-2024-1 pkg:npm/lodash not_affected 2026-11-02", "CVE-2024-1 pkg:npm/lodash affected 2099-01-01"}, high, "severity", 0},
		{"affected, without a time", []string{"CVE-2024-1 pkg:npm/lodash not_affected 2026-11-02", "CVE-2024-1 pkg:npm/lodash affected 0001-01-01"}, high, "severity", 0},
		{"not affected, without a time", []string{"CVE-2024-1 pkg:npm/lodash not_affected 0001-01-01"}, high, "vex", 0},
		{"agreement", []string{"CVE-2024-1 pkg:npm/lodash not_affected 2026-11-02", "CVE-2024-1 pkg:npm/lodash@1.0.0 fixed 2026-11-02"}, high, "vex", 0},
		{"the newest of another product", []string{"CVE-2024-1 pkg:npm/lodash not_affected 2026-11-02", "CVE-2024-1 pkg:npm/underscore affected 2026-11-03"}, high, "vex", 1},
		{"known exploited", []string{"CVE-2024-1 pkg:npm/lodash not_affected 2026-11-01"}, in("CVE-2024-1", "lodash", "high kev"), "vex", 0},
		{"malicious", []string{"MAL-1 pkg:npm/lodash not_affected 2026-11-01"}, in("MAL-1", "lodash", "high malicious"), "malicious", 0},
	}
	for _, tt := range tests {
		v := excepted(t, []cyclonedx.File{openVEX("vex.json", tt.statements...)}, tt.finding)
		f := v.Findings[0]
		if f.Rule != tt.rule || v.Exceptions[0].Unmatched != tt.unmatched || v.Exceptions[0].Accepted != map[bool]int{true: 1}[tt.rule == "vex"] {
			t.Errorf("%s: %s, %+v; want %s, %d unmatched", tt.name, f.Rule, v.Exceptions[0], tt.rule, tt.unmatched)
		}
		if tt.rule == "vex" && (f.By != "security team" || f.Reason != "never called" || !strings.HasPrefix(f.Written, "vex.json statement ")) {
			t.Errorf("%s: %+v", tt.name, f.Grounds)
		}
	}
	// An exception comes before VEX.
	v := excepted(t, []cyclonedx.File{openVEX("vex.json", tests[0].statements...), ignoring("a.yaml", "exceptions: [{id: CVE-2024-1, reason: r}]")}, high)
	if v.Findings[0].Rule != "accepted" || v.Exceptions[0].Unmatched != 0 || v.Exceptions[0].Accepted != 0 || v.Exceptions[1].Accepted != 1 {
		t.Errorf("%+v, %+v", v.Findings[0], v.Exceptions)
	}
}

// Statements about the product that --vex-product names are about the packages of the image.
func TestVEXProduct(t *testing.T) {
	body := func(parts string) cyclonedx.File {
		return cyclonedx.File{Kind: cyclonedx.FileVEX, Name: "vex.json", Body: []byte(`{"@context":"https://openvex.dev/ns/v0.2.0","statements":[
			{"vulnerability":{"name":"CVE-2024-1"},"products":[{"@id":"pkg:oci/app@1"` + parts + `}],"status":"not_affected","timestamp":"2026-11-01T00:00:00Z"}]}`)}
	}
	tests := []struct{ name, parts, product, rule string }{
		{"the image", "", "pkg:oci/app@1", "vex"},
		{"another version of it", "", "pkg:oci/app@2", "severity"},
		{"no version", "", "pkg:oci/app", "severity"},
		{"another image", "", "pkg:oci/other@1", "severity"},
		{"a part of it", `,"subcomponents":[{"@id":"pkg:npm/lodash"}]`, "pkg:oci/app@1", "vex"},
		{"another part", `,"subcomponents":[{"@id":"pkg:npm/underscore"}]`, "pkg:oci/app@1", "severity"},
		{"a part without a purl", `,"subcomponents":[{"@id":"https://example.com"}]`, "pkg:oci/app@1", "severity"},
		{"a part, and no product", `,"subcomponents":[{"@id":"pkg:npm/lodash"}]`, "", "severity"},
	}
	for _, tt := range tests {
		in := scanned(in("CVE-2024-1", "lodash", "high fixed"))
		in.Now, in.Exceptions = today, ReadExceptions([]cyclonedx.File{body(tt.parts)}, tt.product, nil)
		_, findings, _ := Decide(in)
		if findings[0].Rule != tt.rule {
			t.Errorf("%s: %s, want %s", tt.name, findings[0].Rule, tt.rule)
		}
	}
	in := scanned(in("CVE-2024-1", "lodash", "low"))
	in.Exceptions = ReadExceptions(nil, "pkg:", nil)
	if d, _, _ := Decide(in); d.Code != verdict.CodeUntrusted || d.Reasons[0].Rule != verdict.RuleExceptions {
		t.Errorf("an invalid product: %+v", d)
	}
}
