package openvex

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	govex "github.com/openvex/go-vex/pkg/vex"

	"assay/check/testkit/reporttest"
	"assay/remote/cyclonedx"
	"assay/service/report"
	"assay/verdict"
)

// read reads a report back with the library of OpenVEX, which checks each statement.
func read(t *testing.T, doc []byte) *govex.VEX {
	t.Helper()
	v, err := govex.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range v.Statements {
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", s.Vulnerability.Name, err)
		}
	}
	return v
}

// TestSchema validates reports with the published schema.
func TestSchema(t *testing.T) {
	schema := reporttest.Schema(t, "openvex.json")
	image := reporttest.Rules(t)
	image.Verdict.Options.VEXProduct = "pkg:oci/shop@sha256%3Aabc"
	for name, s := range map[string]report.Scan{
		"rules": reporttest.Rules(t), "image": image, "untrusted": reporttest.Untrusted(t), "clean": reporttest.Clean(t), "debian": reporttest.Debian(t), "empty": {},
	} {
		t.Run(name, func(t *testing.T) { reporttest.Validate(t, schema, reporttest.Render(t, Format(), s)) })
	}
}

// TestDebian reads the report of a real Debian with the library of OpenVEX: it has a statement
// about each finding.
func TestDebian(t *testing.T) {
	s := reporttest.Debian(t)
	doc := read(t, reporttest.Render(t, Format(), s))
	var got, want []string
	for _, st := range doc.Statements {
		for _, p := range st.Products {
			got = append(got, fmt.Sprint(st.Vulnerability.Name, " ", p.Identifiers[govex.PURL], " ", st.Status, " ", st.ActionStatement))
		}
	}
	for _, f := range s.Verdict.Findings {
		if !f.Fails || f.Fixed == "" {
			t.Errorf("%s does not fail", f.ID)
		}
		want = append(want, fmt.Sprint(f.ID, " ", f.Package.PURL, " affected ", report.Fix(f)))
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 10 || !slices.Equal(got, want) {
		t.Errorf("statements\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestStatuses checks that only a VEX statement makes a package not affected.
func TestStatuses(t *testing.T) {
	doc := read(t, reporttest.Render(t, Format(), reporttest.Rules(t)))
	got := map[string]string{}
	for _, s := range doc.Statements {
		got[string(s.Vulnerability.Name)] = strings.Join([]string{string(s.Status), string(s.Justification), s.ImpactStatement, s.ActionStatement, s.StatusNotes}, "|")
	}
	for id, want := range map[string]string{
		"CVE-2024-1": "affected|||upgrade failing to 2|severity critical, CVSS 9.8; fails the scan by the rule severity",
		"CVE-2024-2": "affected|||upgrade accepted to 2|severity critical, CVSS 9.8; the risk is accepted by an exception (.trivyignore line 1)",
		"CVE-2024-3": "affected|||upgrade low to 2|severity low, CVSS 1.8; does not fail the scan by the rule below-threshold",
		"CVE-2024-4": "affected|||no fix of unfixed is known|severity critical, CVSS 9.8; does not fail the scan by the rule unfixed",
		"CVE-2024-5": "not_affected|vulnerable_code_not_present|not affected according to a VEX statement: vulnerable code not present (Acme, vex.json statement 1)||",
	} {
		if got[id] != want {
			t.Errorf("%s: %s\nwant %s", id, got[id], want)
		}
	}
}

// TestAgain sends the report of a scan as a file of VEX statements with the next scan. It
// reproduces the decision about a finding that VEX accepted, and accepts no other.
func TestAgain(t *testing.T) {
	for _, image := range []string{"", "pkg:oci/shop"} {
		s := reporttest.Rules(t)
		if image != "" {
			s.Sent.Options = append(s.Sent.Options, cyclonedx.Option{Name: "vex-product", Value: image, Origin: "flag"})
			s = reporttest.Answer(t, s.Sent, reporttest.RulesIndex(t))
		}
		again := s.Sent
		again.Files = []cyclonedx.File{{Kind: cyclonedx.FileVEX, Name: "report.vex.json", Body: reporttest.Render(t, Format(), s)}}
		v := reporttest.Answer(t, again, reporttest.RulesIndex(t)).Verdict
		for _, f := range v.Findings {
			if want := f.ID == "CVE-2024-5"; (f.Rule == verdict.RuleVEX) != want || want && f.Fails {
				t.Errorf("%q: %s: rule %s, fails %v", image, f.ID, f.Rule, f.Fails)
			}
		}
		if len(v.Exceptions) != 1 || v.Exceptions[0].Error != "" || v.Exceptions[0].Accepted != 1 {
			t.Errorf("%q: %+v", image, v.Exceptions)
		}
	}
}

// TestConflict checks that a package is not called unaffected if another one with its purl
// is affected.
func TestConflict(t *testing.T) {
	s := reporttest.Rules(t)
	for _, f := range s.Verdict.Findings {
		if f.ID == "CVE-2024-5" {
			f.Package.Paths = []string{"opt/var/lib/dpkg/status"}
			f.Rule, f.Fails, f.Grounds = verdict.RuleSeverity, true, verdict.Grounds{}
			s.Verdict.Findings = append(s.Verdict.Findings, f)
			break
		}
	}
	for _, st := range read(t, reporttest.Render(t, Format(), s)).Statements {
		if st.Status == govex.StatusNotAffected {
			t.Errorf("%s is not affected", st.Vulnerability.Name)
		}
	}
}

// TestIncomplete checks that a scan that evaluated nothing does not look clean.
func TestIncomplete(t *testing.T) {
	partial := reporttest.Clean(t)
	partial.Verdict.ScanErrors = []verdict.ScanError{{Path: "root", Kind: "directory", Err: "permission denied"}}
	for name, s := range map[string]report.Scan{"untrusted": reporttest.Untrusted(t), "partial": partial, "empty": {}} {
		doc := read(t, reporttest.Render(t, Format(), s))
		for _, st := range doc.Statements {
			if st.Status != govex.StatusUnderInvestigation || st.StatusNotes == "" {
				t.Errorf("%s: %+v", name, st)
			}
		}
	}
	if doc := read(t, reporttest.Render(t, Format(), reporttest.Clean(t))); len(doc.Statements) != 1 || doc.Statements[0].Status != govex.StatusNotAffected {
		t.Errorf("clean: %+v", doc.Statements)
	}
}

// TestHostile checks that the file has no control sequences and no markup.
func TestHostile(t *testing.T) {
	doc := reporttest.Render(t, Format(), reporttest.Rules(t))
	for _, c := range doc {
		if c < ' ' && c != '\n' || c > '~' {
			t.Fatalf("the report has the byte %#x", c)
		}
	}
	if bytes.Contains(doc, []byte("<script")) {
		t.Error("the report has HTML")
	}
}

// TestNotListed: a scan of which only findings of kernel packages were left out does not say that
// nothing was found.
func TestNotListed(t *testing.T) {
	s := report.Scan{Verdict: verdict.Verdict{
		Decision: verdict.Decision{Outcome: verdict.Pass},
		Counts:   verdict.Counts{Packages: 1, Evaluated: 1, Findings: 3, Kernel: 3},
	}}
	doc := reporttest.Render(t, Format(), s)
	read(t, doc)
	if !bytes.Contains(doc, []byte("not-listed")) || !bytes.Contains(doc, []byte("3 findings of kernel")) || bytes.Contains(doc, []byte("not_affected")) {
		t.Errorf("%s", doc)
	}
}
