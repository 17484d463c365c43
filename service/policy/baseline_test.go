package policy

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/verdict"
)

// document returns a CycloneDX document with components given as "purl path".
func document(components ...string) []byte {
	var all []string
	for _, c := range components {
		purl, path, _ := strings.Cut(c, " ")
		evidence := ""
		if path != "" {
			evidence = fmt.Sprintf(`,"evidence":{"occurrences":[{"location":%q}]}`, path)
		}
		all = append(all, fmt.Sprintf(`{"type":"library","name":"x","purl":%q%s}`, purl, evidence))
	}
	return []byte(`{"bomFormat":"CycloneDX","specVersion":"1.5","components":[` + strings.Join(all, ",") + `]}`)
}

// readCycloneDX reads a document as the service reads one.
func readCycloneDX(document []byte) (cyclonedx.Scan, error) {
	return cyclonedx.Decode(bytes.NewReader(document), cyclonedx.DefaultLimits())
}

func baselineFile(body []byte) []cyclonedx.File {
	return []cyclonedx.File{{Kind: cyclonedx.FileBaseline, Name: "base.json", Body: body}}
}

func TestOrigin(t *testing.T) {
	b := ReadBaseline(baselineFile(document(
		"pkg:deb/debian/libssl3@3.0.11?arch=amd64 /var/lib/dpkg/status",
		"pkg:npm/%40scope/a@1.0.0 usr/lib/node_modules/a/package.json",
		"pkg:npm/%40scope/a@2.0.0 usr/lib/node_modules/b/package.json",
		"pkg:golang/stdlib@1.20.1 usr/bin/gosu",
		"pkg:pypi/six@1.16.0", // of a tool that knows no path
		"pkg:deb/debian/curl@8.0.1",
	)),
		readCycloneDX)
	if b == nil || b.Error != "" || b.Packages != 6 {
		t.Fatalf("%+v", b)
	}
	const base, own = verdict.OriginBase, verdict.OriginOwn
	for _, tt := range []struct {
		what, typ, name, version, arch string
		paths                          []string
		want                           string
	}{
		{"the same", "deb", "libssl3", "3.0.11", "amd64", []string{"var/lib/dpkg/status"}, base},
		{"upgraded", "deb", "libssl3", "3.0.13", "amd64", []string{"var/lib/dpkg/status"}, own},
		{"downgraded", "deb", "libssl3", "3.0.9", "amd64", []string{"var/lib/dpkg/status"}, own},
		{"another architecture", "deb", "libssl3", "3.0.11", "i386", []string{"var/lib/dpkg/status"}, own},
		{"added", "deb", "libssl-dev", "3.0.11", "amd64", []string{"var/lib/dpkg/status"}, own},
		{"another type", "rpm", "libssl3", "3.0.11", "amd64", []string{"var/lib/dpkg/status"}, own},
		{"with a scope", "npm", "@scope/a", "1.0.0", "", []string{"usr/lib/node_modules/a/package.json"}, base},
		{"the version of another path", "npm", "@scope/a", "2.0.0", "", []string{"usr/lib/node_modules/a/package.json"}, own},
		{"copied", "golang", "stdlib", "1.20.1", "", []string{"app/gosu"}, own},
		{"one of two paths", "golang", "stdlib", "1.20.1", "", []string{"app/server", "usr/bin/gosu"}, own},
		{"an unknown path in the baseline", "pypi", "six", "1.16.0", "", []string{"srv/six/METADATA"}, base},
		{"another version there", "pypi", "six", "1.17.0", "", []string{"srv/six/METADATA"}, own},
		{"an unknown architecture in the baseline", "deb", "curl", "8.0.1", "amd64", []string{"var/lib/dpkg/status"}, base},
		{"an unknown path in the image", "npm", "@scope/a", "1.0.0", "", nil, own},
	} {
		p := &verdict.Package{Type: tt.typ, Name: tt.name, Version: tt.version, Arch: tt.arch, Paths: tt.paths}
		if got := b.origin(p); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, got, tt.want)
		}
	}
}

// What is not the inventory of an image is an error, and the answer is not trusted.
func TestBaselineUnreadable(t *testing.T) {
	one := document("pkg:npm/a@1.0.0")
	two := append(baselineFile(one), baselineFile(one)...)
	for _, tt := range []struct {
		name  string
		files []cyclonedx.File
		want  string
	}{
		{"empty", baselineFile(nil), "the file is empty"},
		{"blank", baselineFile([]byte(" \n\t")), "the file is empty"},
		{"not JSON", baselineFile([]byte("Package: bash\n")), "read the CycloneDX document"},
		{"cut off", baselineFile(one[:len(one)-10]), "read the CycloneDX document"},
		{"not an object", baselineFile([]byte("[]")), "CycloneDX"},
		{"SPDX", baselineFile([]byte(`{"spdxVersion":"SPDX-2.3"}`)), `not a CycloneDX document: bomFormat is ""`},
		{"another version", baselineFile([]byte(`{"bomFormat":"CycloneDX","specVersion":"2.0"}`)), `specVersion "2.0" is not supported`},
		{"deep", baselineFile([]byte(strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100))), "nested too deeply"},
		{"many values", baselineFile([]byte(`{"a":[` + strings.Repeat("0,", 2_100_000) + "0]}")), "too large"},
		{"huge", baselineFile(append(one, make([]byte, MaxBaseline)...)), "more than 16777216 bytes"},
		{"two", two, "more than one baseline was sent"},
		{"a file and a scan", append(baselineFile(one), cyclonedx.File{Kind: cyclonedx.FileBaselineScan, Name: "s"}), "more than one baseline was sent"},
		{"a scan that nobody has read", []cyclonedx.File{{Kind: cyclonedx.FileBaselineScan, Name: "s"}}, "stored scans cannot be read here"},
	} {
		b := ReadBaseline(tt.files, readCycloneDX)
		if b == nil || !strings.Contains(b.Error, tt.want) || b.Components != nil {
			t.Errorf("%s: %+v", tt.name, b)
			continue
		}
		in := scanned(found("low"))
		in.Baseline = b
		d, findings, _ := Decide(in)
		if d.Code != verdict.CodeUntrusted || d.Reasons[0].Rule != verdict.RuleBaseline || d.Reasons[0].Hint == "" || findings[0].Origin != "" {
			t.Errorf("%s: %+v, origin %q", tt.name, d, findings[0].Origin)
		}
	}
	if b := ReadBaseline([]cyclonedx.File{{Kind: cyclonedx.FileVEX}}, readCycloneDX); b != nil {
		t.Errorf("no baseline: %+v", b)
	}
	if x := ReadExceptions(two, "", nil); len(x.files) != 0 {
		t.Errorf("baselines are files of exceptions: %+v", x.files)
	}
}

func TestBaselineNotices(t *testing.T) {
	system := verdict.System{ID: "debian", VersionID: "12"}
	read := func(inv inventory.Inventory) *Baseline {
		b := &Baseline{Baseline: verdict.Baseline{File: "base.json"}}
		b.Set(ComponentsOf(inv))
		return b
	}
	debian := inventory.Inventory{System: inventory.System{ID: "debian", VersionID: "12"}, Packages: []inventory.Package{{Type: "deb", Name: "a"}}}
	older := debian
	older.System.VersionID = "11"
	partial := debian
	partial.ScanErrors = []inventory.ScanError{{Path: "x"}}
	for want, b := range map[string]*Baseline{
		"": read(debian),
		"\"base.json\" has no packages, so every finding counts as own":  read(inventory.Inventory{}),
		"\"base.json\" is of debian 11, and the image is debian 12":      read(older),
		"\"base.json\" lacks 1 file or directory that could not be read": read(partial),
	} {
		got := strings.Join(b.Notices(system), "\n")
		if want = strings.ReplaceAll(want, `"`, ""); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := (*Baseline)(nil).Notices(system); got != nil {
		t.Errorf("%q", got)
	}
}

// Findings of the base image have a threshold of their own, if one is given. What is known to
// be exploited, or malicious, fails there too.
func TestFailOnBase(t *testing.T) {
	base := ReadBaseline(baselineFile(document("pkg:npm/base@1.0.0")), readCycloneDX)
	for _, tt := range []struct {
		finding, failOn, failOnBase string
		base, own                   string // rules
	}{
		{"high fixed", "high", "", "severity", "severity"},
		{"high fixed", "high", "critical", "below-threshold", "severity"},
		{"high fixed", "high", "none", "below-threshold", "severity"},
		{"critical fixed", "high", "critical", "severity", "severity"},
		{"medium fixed", "high", "medium", "severity", "below-threshold"},
		{"medium fixed", "none", "low", "severity", "below-threshold"},
		{"unrated fixed", "high", "critical", "below-threshold", "severity"},
		{"low fixed probable", "high", "critical,epss=0.5", "epss", "below-threshold"},
		{"low fixed probable", "epss=0.5", "high", "below-threshold", "epss"},
		{"low fixed kev", "high", "none", "known-exploited", "known-exploited"},
		{"low malicious", "high", "none", "malicious", "malicious"},
		{"critical", "high", "low", "unfixed", "unfixed"},
		{"critical fixed kernel", "high", "none", "kernel", "kernel"},
	} {
		b := *base
		bases, owns := found(tt.finding), found(tt.finding)
		bases.Package = &verdict.Package{Type: "npm", Name: "base", Version: "1.0.0"}
		owns.Package = &verdict.Package{Type: "npm", Name: "own", Version: "1.0.0"}
		in := scanned(bases, owns)
		in.Baseline = &b
		in.Data.Sources = []verdict.DataSource{{Name: "epss", Contributes: verdict.SourceEnrichment}}
		for name, value := range map[string]string{"fail-on": tt.failOn, failOnBase: tt.failOnBase} {
			if option, _ := verdict.DeclaredOption(name); value != "" && !option.Set(&in.Options, value) {
				t.Fatal(name, value)
			}
		}
		d, findings, counts := Decide(in)
		v := verdict.Verdict{Decision: d, Counts: counts, Evaluated: Evaluated(in), System: in.Result.System, Data: in.Data, Options: in.Options, Baseline: &b.Baseline}
		for _, f := range findings {
			v.Findings = append(v.Findings, f.Verdict())
			if want := map[string]string{"base": tt.base, "own": tt.own}[f.Origin]; f.Rule != want || f.Origin != f.Package.Name {
				t.Errorf("%+v: %s of %s by the rule %s", tt, f.Package.Name, f.Origin, f.Rule)
			}
		}
		if err := v.Check(); err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// Reasons name the base image where it has a threshold of its own.
func TestBaseReasons(t *testing.T) {
	in := scanned(found("critical fixed"), found("critical fixed"), found("high fixed"))
	for i := range in.Result.Findings {
		in.Result.Findings[i].Package = &verdict.Package{Type: "npm", Name: []string{"base", "base", "own"}[i], Version: "1.0.0"}
	}
	reasons := func() string {
		in.Baseline = ReadBaseline(baselineFile(document("pkg:npm/base@1.0.0")), readCycloneDX)
		d, _, _ := Decide(in)
		var all []string
		for _, r := range d.Reasons {
			all = append(all, r.Text)
		}
		return strings.Join(all, "; ")
	}
	if got := reasons(); got != "3 findings of severity high or worse have a fix" {
		t.Error(got)
	}
	in.Options.FailOnBase = verdict.Critical
	if got := reasons(); got != "1 finding of severity high or worse has a fix; 2 findings of the base image of severity critical have a fix" {
		t.Error(got)
	}
	in.Options.FailOnBaseEPSS = 0.5
	if d, _, _ := Decide(in); d.Reasons[0].Rule != verdict.RuleNoData {
		t.Errorf("without EPSS: %+v", d)
	}
}

// A mandatory fail-on holds for the base image, because the build chooses its baseline, unless
// the policy says otherwise. No variable sets fail-on-base.
func TestMandatoryBase(t *testing.T) {
	for _, tt := range []struct {
		policy, sent, want string // options as NAME=VALUE; a variable begins with "$"
		ignored            string
	}{
		{"{}", "fail-on-base=none", "high none", ""},
		{"{default: {fail-on-base: critical}}", "", "high critical", ""},
		{"{default: {fail-on-base: critical}}", "fail-on-base=low", "high low", ""},
		{"{mandatory: {fail-on: high}}", "", "high high", ""},
		{"{mandatory: {fail-on: high}}", "fail-on-base=none", "high high", "fail-on-base"},
		{"{mandatory: {fail-on: high}}", "fail-on-base=low", "high low", ""},
		{"{mandatory: {fail-on: high}}", "fail-on=low", "low low", ""},
		{"{mandatory: {fail-on: high}}", "fail-on=none", "high high", "fail-on"},
		{"{mandatory: {fail-on: \"high,epss=0.5\"}}", "fail-on-base=critical", "high,epss=0.5 high,epss=0.5", "fail-on-base"},
		{"{default: {fail-on-base: none}, mandatory: {fail-on: high}}", "", "high high", ""},
		{"{mandatory: {fail-on: high, fail-on-base: critical}}", "fail-on-base=none", "high critical", "fail-on-base"},
		{"{mandatory: {fail-on-base: critical, fail-on: high}}", "fail-on=none", "high high", "fail-on"},
		{"{mandatory: {fail-on: high, fail-on-base: none}}", "fail-on-base=none", "high none", ""},
		{"{mandatory: {fail-on-base: critical}}", "fail-on=none", "none critical", ""},
		{"{}", "$fail-on-base=none", "high high", "fail-on-base"},
		{"{}", "$fail-on-base=high fail-on=low", "low low", "fail-on-base"},
		{"{}", "$fail-on-base=low", "high high", "fail-on-base"},
	} {
		var sent []cyclonedx.Option
		for _, o := range strings.Fields(tt.sent) {
			name, value, _ := strings.Cut(o, "=")
			origin := flagOrigin
			if strings.HasPrefix(name, "$") {
				name, origin = name[1:], "ASSAY_FAIL_ON_BASE"
			}
			sent = append(sent, cyclonedx.Option{Name: name, Value: value, Origin: origin})
		}
		o, ignored, err := Options(sent, Allow{}, servicePolicy(t, "all: "+tt.policy+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		option, _ := verdict.DeclaredOption("fail-on")
		var names []string
		for _, i := range ignored {
			names = append(names, i.Name)
		}
		if got := option.Value(o) + " " + option.Value(o.For(verdict.OriginBase)); got != tt.want || strings.Join(names, " ") != tt.ignored {
			t.Errorf("%s with %q: %s, ignored %q; want %s, %s", tt.policy, tt.sent, got, names, tt.want, tt.ignored)
		}
	}
	if _, err := AllowOf(failOnBase); err == nil {
		t.Error("--allow-env takes fail-on-base")
	}
}

// An inventory of 10,000 packages is compared with as many, one by one.
func TestLargeBaseline(t *testing.T) {
	const n = 10_000
	var components []string
	in := scanned()
	for i := range n {
		components = append(components, fmt.Sprintf("pkg:npm/p%d@1.0.%d srv/p%d", i, i, i))
		f := found("low")
		f.Package = &verdict.Package{Type: "npm", Name: fmt.Sprintf("p%d", i), Version: fmt.Sprintf("1.0.%d", i&^1), Paths: []string{fmt.Sprintf("srv/p%d", i)}}
		in.Result.Findings = append(in.Result.Findings, f)
	}
	in.Baseline = ReadBaseline(baselineFile(document(components...)), readCycloneDX)
	Decide(in)
	if b := in.Baseline; b.Error != "" || b.Packages != n || b.Base != n/2 || b.Own != n/2 {
		t.Errorf("%+v", b.Baseline)
	}
}

// FuzzBaseline: a baseline is an error, or tells the origin of every package.
func FuzzBaseline(f *testing.F) {
	f.Add(document("pkg:deb/debian/a@1?arch=amd64 var/lib/dpkg/status"), "a", "1")
	f.Add([]byte(`{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"properties":[{"name":"assay:file:baseline:x","value":"e30="}]}}`), "a", "1")
	f.Add([]byte(`{"bomFormat":"CycloneDX","specVersion":"1.4","components":null}`), "", "")
	f.Fuzz(func(t *testing.T, body []byte, name, version string) {
		b := ReadBaseline(baselineFile(body), readCycloneDX)
		origin := b.origin(&verdict.Package{Type: "deb", Name: name, Version: version, Arch: "amd64", Paths: []string{"var/lib/dpkg/status"}})
		if (b.Error == "") != (b.Components != nil) || (b.Error == "") != (origin == verdict.OriginBase || origin == verdict.OriginOwn) {
			t.Errorf("%+v, origin %q", b, origin)
		}
		if b.Packages == 0 && origin == verdict.OriginBase {
			t.Error("a package is in an empty baseline")
		}
		b.Notices(verdict.System{ID: "debian", VersionID: "12"})
	})
}
