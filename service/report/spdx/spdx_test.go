package spdx

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdxlib"

	"assay/check/testkit/reporttest"
	"assay/remote/cyclonedx"
	"assay/remote/purl"
	wire "assay/remote/spdx"
	"assay/service/match"
	"assay/service/report"
	"assay/verdict"
)

// read reads a report back with the library of SPDX.
func read(t *testing.T, doc []byte) *spdx.Document {
	t.Helper()
	d, err := spdxjson.Read(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(d); err != nil {
		t.Error(err)
	}
	return d
}

// TestSchema validates reports with the published schema.
func TestSchema(t *testing.T) {
	schema := reporttest.Schema(t, "spdx-2.3.json")
	for name, s := range map[string]report.Scan{
		"rules": reporttest.Rules(t), "untrusted": reporttest.Untrusted(t), "clean": reporttest.Clean(t), "debian": reporttest.Debian(t), "empty": {},
	} {
		t.Run(name, func(t *testing.T) { reporttest.Validate(t, schema, reporttest.Render(t, Format(), s)) })
	}
}

// TestReadBack reads reports with the library of SPDX: it finds the packages of the inventory.
// The service finds the same, with the same findings.
func TestReadBack(t *testing.T) {
	t.Run("debian", func(t *testing.T) {
		s := reporttest.Debian(t)
		if len(s.Sent.Inventory.Packages) < 80 {
			t.Fatalf("%d packages", len(s.Sent.Inventory.Packages))
		}
		readBack(t, s, reporttest.Records(t))
	})
	t.Run("rules", func(t *testing.T) {
		s := reporttest.Rules(t)
		s.Sent.Inventory.Packages[0].CPE = "cpe:2.3:a:x:x:1:*:*:*:*:*:*:*"
		readBack(t, s, reporttest.RulesIndex(t))
	})
}

func readBack(t *testing.T, s report.Scan, ix match.Index) {
	doc := reporttest.Render(t, Format(), s)
	var got, want []string
	for _, p := range read(t, doc).Packages {
		text := p.PackageVersion
		for _, r := range p.PackageExternalReferences {
			text += " " + r.Category + " " + r.RefType + " " + r.Locator
		}
		if p.PrimaryPackagePurpose == "" {
			got = append(got, text)
		}
	}
	for _, p := range s.Sent.Inventory.Packages {
		text := fmt.Sprintf("%s PACKAGE-MANAGER purl %s", p.Version, purl.Of(p, s.Sent.Inventory.System))
		if p.CPE != "" {
			text += " SECURITY cpe23Type " + p.CPE
		}
		want = append(want, text)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("packages\n%q, want\n%q", got, want)
	}

	sent, err := wire.Decode(string(doc), cyclonedx.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Sent.Inventory.Packages {
		s.Sent.Inventory.Packages[i].Hashes = nil // which nothing evaluates
	}
	if a, b := fmt.Sprintf("%+v", sent.Inventory), fmt.Sprintf("%+v", s.Sent.Inventory); a != b {
		t.Errorf("inventory\n%s, want\n%s", a, b)
	}
	sent.Options, sent.Files = s.Sent.Options, s.Sent.Files
	again := reporttest.Answer(t, sent, ix)
	if a, b := findings(again.Verdict), findings(s.Verdict); !slices.Equal(a, b) {
		t.Errorf("findings\n%q, want\n%q", a, b)
	}
}

// findings returns the findings as text.
func findings(v verdict.Verdict) []string {
	var all []string
	for _, f := range v.Findings {
		all = append(all, fmt.Sprint(f.ID, f.Package.PURL, f.Package.Version, f.Severity, f.Rule, f.Fails, f.Fixed))
	}
	return all
}

// TestIncomplete checks that a scan that evaluated nothing does not look clean, neither to a
// reader nor to the service.
func TestIncomplete(t *testing.T) {
	partial := reporttest.Clean(t)
	partial.Sent.Inventory.ScanErrors = reporttest.Untrusted(t).Sent.Inventory.ScanErrors
	for name, s := range map[string]report.Scan{"untrusted": reporttest.Untrusted(t), "partial": partial, "empty": {}} {
		doc := reporttest.Render(t, Format(), s)
		d := read(t, doc)
		if d.DocumentComment == "" || len(d.Annotations) == 0 {
			t.Errorf("%s: comment %q, annotations %v", name, d.DocumentComment, d.Annotations)
		}
		sent, err := wire.Decode(string(doc), cyclonedx.DefaultLimits())
		if err != nil || !slices.Equal(sent.Inventory.ScanErrors, s.Sent.Inventory.ScanErrors) {
			t.Errorf("%s: scan errors %v, %v", name, sent.Inventory.ScanErrors, err)
		}
	}
	if d := read(t, reporttest.Render(t, Format(), reporttest.Clean(t))); d.DocumentComment != "" || len(d.Annotations) > 0 {
		t.Errorf("clean: comment %q, annotations %v", d.DocumentComment, d.Annotations)
	}
}

// TestHostile checks that the file has no control sequences.
func TestHostile(t *testing.T) {
	for _, c := range reporttest.Render(t, Format(), reporttest.Rules(t)) {
		if c < ' ' && c != '\n' || c > '~' {
			t.Fatalf("the report has the byte %#x", c)
		}
	}
}
