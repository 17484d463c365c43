package sarif

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"

	v210 "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"assay/check/testkit/reporttest"
	"assay/service/report"
	"assay/verdict"
)

// read reads a report back with another library.
func read(t *testing.T, doc []byte) *v210.Run {
	t.Helper()
	r, err := v210.FromBytes(doc)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Runs) != 1 {
		t.Fatalf("%d runs", len(r.Runs))
	}
	return r.Runs[0]
}

// TestSchema validates reports with the published schema.
func TestSchema(t *testing.T) {
	schema := reporttest.Schema(t, "sarif-2.1.0.json")
	for name, s := range map[string]report.Scan{
		"rules": reporttest.Rules(t), "untrusted": reporttest.Untrusted(t), "clean": reporttest.Clean(t), "debian": reporttest.Debian(t), "empty": {},
	} {
		t.Run(name, func(t *testing.T) { reporttest.Validate(t, schema, reporttest.Render(t, Format(), s)) })
	}
}

// TestDebian reads the report of a real Debian with another library: each finding is a
// result.
func TestDebian(t *testing.T) {
	s := reporttest.Debian(t)
	if len(s.Verdict.Findings) < 10 {
		t.Fatalf("%d findings", len(s.Verdict.Findings))
	}
	s.Verdict.Findings[0].Origin = verdict.OriginBase
	run := read(t, reporttest.Render(t, Format(), s))
	if got := run.Results[0].Properties.Properties["origin"]; got != verdict.OriginBase {
		t.Errorf("origin %v", got)
	}
	if len(run.Results) != len(s.Verdict.Findings) {
		t.Fatalf("%d results of %d findings", len(run.Results), len(s.Verdict.Findings))
	}
	prints := map[string]bool{}
	for i, r := range run.Results {
		f := s.Verdict.Findings[i]
		if *r.RuleID != f.ID || *run.Tool.Driver.Rules[r.RuleIndex].ID != f.ID || r.Properties.Properties["purl"] != f.Package.PURL {
			t.Errorf("result %d is %s of %v, want %s of %s", i, *r.RuleID, r.Properties.Properties["purl"], f.ID, f.Package.PURL)
		}
		if (r.Level == "error") != f.Fails {
			t.Errorf("%s has level %s, fails %v", f.ID, r.Level, f.Fails)
		}
		if got := *r.Locations[0].PhysicalLocation.ArtifactLocation.URI; got != f.Package.Paths[0] {
			t.Errorf("%s is in %s, want %s", f.ID, got, f.Package.Paths[0])
		}
		print := r.PartialFingerprints["primaryLocationLineHash"]
		if prints[print] {
			t.Errorf("the fingerprint %s is repeated", print)
		}
		prints[print] = true
	}
}

// TestRules checks the levels and suppressions of findings that pass by several rules.
func TestRules(t *testing.T) {
	run := read(t, reporttest.Render(t, Format(), reporttest.Rules(t)))
	got := map[string]string{}
	for _, r := range run.Results {
		what := r.Level
		for _, s := range r.Suppressions {
			what += " " + *s.Kind + " " + *s.Justification
		}
		got[*r.RuleID] = what
	}
	for id, want := range map[string]string{
		"CVE-2024-1": "error",
		"CVE-2024-2": "note external accepted by an exception (.trivyignore line 1)",
		"CVE-2024-3": "note",
		"CVE-2024-4": "warning",
		"CVE-2024-5": "note external not affected according to a VEX statement: vulnerable code not present (Acme, vex.json statement 1)",
		"CVE-2024-6": "error",
	} {
		if got[id] != want {
			t.Errorf("%s: %q, want %q", id, got[id], want)
		}
	}
	in := run.Invocations[0]
	if !*in.ExecutionSuccessful || len(in.ToolExecutionNotifications) != 0 {
		t.Errorf("a complete scan did not succeed: %+v", in.ToolExecutionNotifications)
	}
	for _, r := range run.Tool.Driver.Rules {
		if tags := r.Properties.Tags; len(tags) < 2 || len(tags) > 10 {
			t.Errorf("%s has tags %q", *r.ID, tags)
		}
		severity := r.Properties.Properties["security-severity"]
		want := "9.8"
		if *r.ID == "CVE-2024-3" {
			want = "1.8"
		}
		if severity != want {
			t.Errorf("%s has severity %v, want %s", *r.ID, severity, want)
		}
	}
}

// TestIncomplete checks that a scan that evaluated nothing does not look clean.
func TestIncomplete(t *testing.T) {
	untrusted := reporttest.Untrusted(t)
	partial := reporttest.Clean(t)
	partial.Verdict.ScanErrors = []verdict.ScanError{{Path: "root", Kind: "directory", Err: "permission denied"}}
	notCompared := reporttest.Clean(t)
	notCompared.Verdict.Evaluated[0].State = verdict.Partly
	for name, s := range map[string]report.Scan{"untrusted": untrusted, "partial": partial, "part": notCompared, "empty": {}} {
		in := read(t, reporttest.Render(t, Format(), s)).Invocations[0]
		if *in.ExecutionSuccessful || len(in.ToolExecutionNotifications) == 0 {
			t.Errorf("%s: successful with notifications %v", name, in.ToolExecutionNotifications)
		}
	}
	if in := read(t, reporttest.Render(t, Format(), reporttest.Clean(t))).Invocations[0]; !*in.ExecutionSuccessful {
		t.Error("a clean scan did not succeed")
	}
}

// TestHostile checks that texts of an image are neither markup nor control sequences.
func TestHostile(t *testing.T) {
	run := read(t, reporttest.Render(t, Format(), reporttest.Rules(t)))
	check := func(what, s string) {
		for _, r := range s {
			if r != '\n' && !unicode.IsGraphic(r) {
				t.Errorf("%s has the character %U", what, r)
			}
		}
	}
	for _, r := range run.Tool.Driver.Rules {
		check("text", *r.Help.Text)
		check("markdown", *r.Help.Markdown)
		for _, bad := range []string{"<script", "](https://evil", " @admin", "`@", "|`"} {
			if strings.Contains(*r.Help.Markdown, bad) {
				t.Errorf("the Markdown of %s has %q", *r.ID, bad)
			}
		}
	}
	for _, r := range run.Results {
		check("message", *r.Message.Text)
		if strings.Contains(*r.Message.Text, "[x]") || strings.Contains(strings.ReplaceAll(*r.Message.Text, "{{0}}", ""), "{0}") {
			t.Errorf("the message %q has a link or a placeholder", *r.Message.Text)
		}
		for _, l := range r.Locations {
			uri := *l.PhysicalLocation.ArtifactLocation.URI
			u, err := url.Parse(uri)
			if err != nil || u.IsAbs() || u.Host != "" || strings.HasPrefix(uri, "/") || slices.Contains(strings.Split(u.Path, "/"), "..") {
				t.Errorf("the URI %q is not below the root: %v", uri, err)
			}
		}
	}
	for in, want := range map[string]string{
		"/../../etc/passwd": "etc/passwd", "javascript:alert(1)": "javascript%3Aalert%281%29", "//evil/x": "evil/x", "a b": "a%20b", "..": "",
	} {
		if got := relative(in); got != want {
			t.Errorf("relative(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestFingerprints checks that the fingerprint of a finding survives an update of the package
// that leaves it vulnerable, another order and another day.
func TestFingerprints(t *testing.T) {
	finding := func(id, version, path string) verdict.Finding {
		return verdict.Finding{ID: id, Package: verdict.Package{Type: "pypi", Name: "x", Version: version, Paths: []string{path}}}
	}
	before := []verdict.Finding{
		finding("CVE-1", "1.0", "srv/x-1.0.dist-info/METADATA"), finding("CVE-2", "1.0", "srv/x-1.0.dist-info/METADATA"),
		finding("CVE-1", "1.0", "opt/x-1.0.dist-info/METADATA"),
		finding("CVE-3", "1.0", "package-lock.json"), finding("CVE-3", "2.0", "package-lock.json"),
	}
	after := []verdict.Finding{
		finding("CVE-3", "2.0", "package-lock.json"), finding("CVE-3", "1.0", "package-lock.json"),
		finding("CVE-1", "1.1", "opt/x-1.1.dist-info/METADATA"),
		finding("CVE-2", "1.1", "srv/x-1.1.dist-info/METADATA"), finding("CVE-1", "1.1", "srv/x-1.1.dist-info/METADATA"),
	}
	a, b := fingerprints(before), fingerprints(after)
	slices.Reverse(b)
	if !slices.Equal(a, b) {
		t.Errorf("fingerprints %q, then %q", a, b)
	}
	slices.Sort(a)
	if len(slices.Compact(a)) != len(before) {
		t.Errorf("two findings have one fingerprint: %q", a)
	}
}

// TestLimits checks that the worst findings are kept, and that the report says how many are
// left out.
func TestLimits(t *testing.T) {
	s := reporttest.Clean(t)
	for i := range 2000 {
		f := verdict.Finding{ID: fmt.Sprintf("CVE-2024-%d", i), Severity: verdict.High, Summary: strings.Repeat(fmt.Sprint(i*7919), 40)}
		f.Package = verdict.Package{Type: "deb", Name: "x", Version: "1", PURL: "pkg:deb/x@1"}
		s.Verdict.Findings = append(s.Verdict.Findings, f)
	}
	for name, most := range map[string]limits{
		"results": {results: 1500, zipped: 10_000_000},
		"zipped":  {results: 25_000, zipped: 100_000},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := render(&b, s, most); err != nil {
				t.Fatal(err)
			}
			run := read(t, b.Bytes())
			n := len(run.Results)
			if n == 0 || n >= 2000 || n > most.results || len(run.Tool.Driver.Rules) != n {
				t.Errorf("%d results, %d rules", n, len(run.Tool.Driver.Rules))
			}
			if last := *run.Results[n-1].RuleID; last != s.Verdict.Findings[n-1].ID {
				t.Errorf("the last result is %s", last)
			}
			in := run.Invocations[0]
			notes, err := json.Marshal(in.ToolExecutionNotifications)
			if err != nil || *in.ExecutionSuccessful || !bytes.Contains(notes, fmt.Appendf(nil, "%d of 2000 findings are left out", 2000-n)) {
				t.Errorf("successful %v, %s, %v", *in.ExecutionSuccessful, notes, err)
			}
			var zipped bytes.Buffer
			zip := gzip.NewWriter(&zipped)
			if _, err := zip.Write(b.Bytes()); err != nil {
				t.Fatal(err)
			}
			if err := zip.Close(); err != nil {
				t.Fatal(err)
			}
			if limit := most.zipped + most.zipped/20 + 8192; zipped.Len() > limit {
				t.Errorf("%d bytes in gzip", zipped.Len())
			}
			t.Log(n, zipped.Len())
		})
	}
}
