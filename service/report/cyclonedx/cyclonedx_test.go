package cyclonedx

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"assay/check/testkit/reporttest"
	wire "assay/remote/cyclonedx"
	"assay/service/match"
	"assay/service/policy/vex"
	"assay/service/report"
	"assay/verdict"
)

// read reads a report back with the library of CycloneDX.
func read(t *testing.T, doc []byte) *cdx.BOM {
	t.Helper()
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(doc), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	return &bom
}

// TestSchema validates reports with the published schema.
func TestSchema(t *testing.T) {
	schema := reporttest.Schema(t, "cyclonedx-1.6.json", "spdx.schema.json", "jsf-0.82.schema.json", "cryptography-defs.schema.json")
	image := reporttest.Rules(t)
	image.Verdict.Options.VEXProduct = "pkg:oci/shop@sha256%3Aabc"
	for name, s := range map[string]report.Scan{
		"rules": reporttest.Rules(t), "image": image, "untrusted": reporttest.Untrusted(t), "clean": reporttest.Clean(t), "debian": reporttest.Debian(t), "empty": {},
	} {
		t.Run(name, func(t *testing.T) { reporttest.Validate(t, schema, reporttest.Render(t, Format(), s)) })
	}
}

// triples returns the findings of a document as "id purl version".
func triples(t *testing.T, bom *cdx.BOM) []string {
	t.Helper()
	components := map[string]cdx.Component{}
	for _, c := range *bom.Components {
		if _, ok := components[c.BOMRef]; ok || c.BOMRef == "" {
			t.Errorf("the reference %q is repeated", c.BOMRef)
		}
		components[c.BOMRef] = c
	}
	var all []string
	for _, v := range *bom.Vulnerabilities {
		for _, a := range *v.Affects {
			c, ok := components[a.Ref]
			if !ok {
				t.Errorf("%s affects %q, which is not a component", v.ID, a.Ref)
			}
			all = append(all, fmt.Sprint(v.ID, " ", c.PackageURL, " ", (*a.Range)[0].Version))
		}
	}
	slices.Sort(all)
	return all
}

func want(v verdict.Verdict) []string {
	var all []string
	for _, f := range v.Findings {
		all = append(all, fmt.Sprint(f.ID, " ", f.Package.PURL, " ", f.Package.Version))
	}
	slices.Sort(all)
	return all
}

// TestReadBack reads reports with the library of CycloneDX, and sends them to the service
// again: both give the same findings.
func TestReadBack(t *testing.T) {
	t.Run("debian", func(t *testing.T) {
		s := reporttest.Debian(t)
		if len(s.Verdict.Findings) < 10 {
			t.Fatalf("%d findings", len(s.Verdict.Findings))
		}
		readBack(t, s, reporttest.Records(t))
	})
	t.Run("rules", func(t *testing.T) { readBack(t, reporttest.Rules(t), reporttest.RulesIndex(t)) })
}

func readBack(t *testing.T, s report.Scan, ix match.Index) {
	doc := reporttest.Render(t, Format(), s)
	if got := triples(t, read(t, doc)); !slices.Equal(got, want(s.Verdict)) {
		t.Errorf("findings\n%q, want\n%q", got, want(s.Verdict))
	}
	sent, err := wire.Decode(bytes.NewReader(doc), wire.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if a, b := fmt.Sprint(sent.Inventory), fmt.Sprint(s.Sent.Inventory); a != b {
		t.Errorf("inventory\n%s, want\n%s", a, b)
	}
	if len(sent.Files) != 0 || !slices.Equal(sent.Options, s.Sent.Options) {
		t.Errorf("files %v, options %v", sent.Files, sent.Options)
	}
	sent.Files = s.Sent.Files // the exceptions are sent again
	again := reporttest.Answer(t, sent, ix)
	if a, b := fmt.Sprint(again.Verdict.Findings), fmt.Sprint(s.Verdict.Findings); a != b {
		t.Errorf("findings\n%s, want\n%s", a, b)
	}
	if again.Verdict.Decision.Code != s.Verdict.Decision.Code {
		t.Errorf("code %d, want %d", again.Verdict.Decision.Code, s.Verdict.Decision.Code)
	}
}

// TestAnalysis checks that only a VEX statement makes a package not affected, also for a
// reader of the report as VEX.
func TestAnalysis(t *testing.T) {
	s := reporttest.Rules(t)
	s.Verdict.Options.VEXProduct = "pkg:oci/shop"
	doc := reporttest.Render(t, Format(), s)
	got := map[string]string{}
	for _, v := range *read(t, doc).Vulnerabilities {
		got[v.ID] = string(v.Analysis.State) + " " + string(v.Analysis.Justification)
		if v.Analysis.Response != nil {
			got[v.ID] += fmt.Sprint(*v.Analysis.Response)
		}
		if v.Recommendation == "" || len(*v.Ratings) != 1 || v.Source.URL == "" {
			t.Errorf("%s has no recommendation, rating or source: %+v", v.ID, v)
		}
	}
	for id, want := range map[string]string{
		"CVE-2024-1": "exploitable [update]",
		"CVE-2024-2": "exploitable [will_not_fix]",
		"CVE-2024-3": "exploitable [update]",
		"CVE-2024-4": "exploitable ",
		"CVE-2024-5": "not_affected code_not_present",
	} {
		if got[id] != want {
			t.Errorf("%s: %q, want %q", id, got[id], want)
		}
	}
	statements, err := vex.Parse("report.cdx.json", doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range statements.Statements {
		if st.Accepts() != (st.IDs[0] == "CVE-2024-5") {
			t.Errorf("as VEX, the report says that %s is %s", st.IDs[0], st.Status)
		}
	}
}

// TestIncomplete checks that a scan that evaluated nothing does not look clean.
func TestIncomplete(t *testing.T) {
	partial := reporttest.Clean(t)
	partial.Verdict.ScanErrors = []verdict.ScanError{{Path: "root", Kind: "directory", Err: "permission denied"}}
	for name, tt := range map[string]struct {
		scan     report.Scan
		complete bool
	}{"untrusted": {reporttest.Untrusted(t), false}, "partial": {partial, false}, "empty": {report.Scan{}, false}, "clean": {reporttest.Clean(t), true}} {
		bom := read(t, reporttest.Render(t, Format(), tt.scan))
		aggregate := (*bom.Compositions)[0].Aggregate
		if (aggregate == cdx.CompositionAggregateComplete) != tt.complete || (bom.Annotations == nil) != tt.complete {
			t.Errorf("%s: composition %s, annotations %v", name, aggregate, bom.Annotations)
		}
	}
	// The scan errors are in the document, so a second scan is not trusted either.
	doc := reporttest.Render(t, Format(), reporttest.Untrusted(t))
	sent, err := wire.Decode(bytes.NewReader(doc), wire.DefaultLimits())
	if err != nil || len(sent.Inventory.ScanErrors) != 1 {
		t.Errorf("scan errors %v, %v", sent.Inventory.ScanErrors, err)
	}
}

// TestSerialNumber checks that the serial number depends on the scan only.
func TestSerialNumber(t *testing.T) {
	serial := func(v verdict.Verdict) string {
		s, err := serialNumber(v)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b := verdict.Verdict{Scan: "a"}, verdict.Verdict{Scan: "a", Version: 1}
	unkept, other := verdict.Verdict{Report: "a"}, verdict.Verdict{Report: "b"}
	if serial(a) != serial(b) || serial(a) == serial(verdict.Verdict{Scan: "b"}) || serial(unkept) == serial(other) {
		t.Error(serial(a), serial(b), serial(unkept), serial(other))
	}
}

// TestReferences checks that two packages with one purl have references of their own.
func TestReferences(t *testing.T) {
	s := reporttest.Clean(t)
	two := s.Sent.Inventory.Packages[0]
	two.Evidence = slices.Clone(two.Evidence)
	two.Evidence[0].Path = "var/lib/dpkg/status.d/bash"
	s.Sent.Inventory.Packages = append(s.Sent.Inventory.Packages, two)
	finding := func(path string) verdict.Finding {
		return verdict.Finding{ID: "CVE-1", Package: verdict.Package{
			Type: "deb", Name: "bash", Version: two.Version, PURL: "pkg:deb/debian/bash@5.2.15-2?arch=amd64&distro=debian-12", Paths: []string{path}}}
	}
	s.Verdict.Findings = []verdict.Finding{finding("var/lib/dpkg/status"), finding("var/lib/dpkg/status.d/bash"), {ID: "CVE-1", Package: verdict.Package{Name: "gone", PURL: "pkg:deb/gone@1"}}}
	bom := read(t, reporttest.Render(t, Format(), s))
	if got := triples(t, bom); len(got) != 3 {
		t.Errorf("findings %q", got)
	}
	refs := map[string]bool{}
	for _, v := range *bom.Vulnerabilities {
		for _, a := range *v.Affects {
			refs[a.Ref] = true
		}
	}
	if len(refs) != 3 {
		t.Errorf("references %v", refs)
	}
	if len(*bom.Components) != 4 { // the system, and three packages
		t.Errorf("%d components", len(*bom.Components))
	}
}
