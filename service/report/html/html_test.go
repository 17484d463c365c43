package html_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit/reporttest"
	"assay/service/report"
	"assay/service/report/html"
	"assay/verdict"
)

var at = time.Date(2026, 11, 24, 22, 0, 0, 0, time.UTC)

// finished sets the counts that follow from the findings, and sorts these.
func finished(v verdict.Verdict) verdict.Verdict {
	c := &v.Counts
	c.Findings, c.Failing, c.Fixable, c.BySeverity = len(v.Findings)+c.Kernel, 0, 0, map[verdict.Severity]int{}
	if c.Kernel > 0 {
		c.BySeverity[verdict.Medium] = c.Kernel
	}
	slices.SortStableFunc(v.Findings, func(a, b verdict.Finding) int {
		switch {
		case a.Fails == b.Fails:
			return 0
		case a.Fails:
			return -1
		}
		return 1
	})
	for _, f := range v.Findings {
		c.BySeverity[f.Severity]++
		if f.Fails {
			c.Failing++
		}
		if f.Fixed != "" {
			c.Fixable++
		}
	}
	return v
}

func base() verdict.Verdict {
	return verdict.Verdict{
		Version:  verdict.Version,
		Scan:     "mzxw6ytboi3dgnbv",
		Decision: verdict.Decision{Outcome: verdict.Pass, Reasons: []verdict.Reason{{Rule: verdict.RuleClean, Text: "nothing that the policy forbids"}}},
		Counts:   verdict.Counts{Packages: 88, Evaluated: 88},
		Evaluated: []verdict.Part{
			{Part: verdict.PartSystem, Type: "deb", Ecosystem: "Debian:12", Packages: 88, Evaluated: 88, State: verdict.Evaluated},
		},
		System: verdict.System{ID: "debian", VersionID: "12", PrettyName: "Debian GNU/Linux 12 (bookworm)", Ecosystem: "Debian:12", EndOfLife: "2028-06-30"},
		Data: verdict.Data{
			Snapshot: "sha256:9b1e6d2f0a77c3d45e8811f2a6b09c7d1e2f3a4b5c6d7e8f90a1b2c3d4e5f607", Records: 18219,
			Updated: at.Add(-3 * time.Hour), Age: 3 * 60 * 60, Newest: at.Add(-5 * time.Hour),
			Sources: []verdict.DataSource{
				{Name: "osv:Debian", Contributes: verdict.SourceAdvisories, Updated: at.Add(-3 * time.Hour), Age: 10800, Ecosystems: []string{"Debian"}},
				{Name: "kev", Contributes: verdict.SourceEnrichment, Updated: at.Add(-50 * time.Hour), Age: 180000},
			},
		},
		Options: verdict.Options{FailOn: verdict.High, Unrated: verdict.High, Project: "shop", Ref: "main", Commit: "8c1f0e57d2a94b6c"},
		Report:  "https://assay.example.com/api/v1/scans/mzxw6ytboi3dgnbv/report",
	}
}

func deb(source, binary, installed string) verdict.Package {
	return verdict.Package{Type: "deb", Name: binary, Version: installed, Source: source, SourceVersion: installed, Arch: "amd64", PURL: "pkg:deb/debian/" + binary + "@" + installed}
}

func day(s string) *time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return &t
}

// example is a failing build with everything that a report can have.
func example() report.Scan {
	v := base()
	why := func(id, pkg, is, fixed string) string {
		return "DEBIAN-" + id + ": Debian:12 " + pkg + " " + is + " < fixed " + fixed
	}
	add := func(f verdict.Finding) { v.Findings = append(v.Findings, f) }
	for _, binary := range []string{"libc6", "libc-bin"} {
		add(verdict.Finding{ID: "CVE-2023-4911", Advisories: []string{"DEBIAN-CVE-2023-4911"}, Summary: "A buffer overflow was discovered in the GNU C Library's dynamic loader ld.so while processing the GLIBC_TUNABLES environment variable.",
			Package: deb("glibc", binary, "2.36-9"), Fixed: "2.36-9+deb12u3", Severity: verdict.High, SeveritySource: "CVE-2023-4911: CVSS 3.1", Score: 7.8, EPSS: 0.7421,
			KnownExploited: true, Fails: true, Rule: verdict.RuleKnownExploited, Why: why("CVE-2023-4911", "glibc", "2.36-9", "2.36-9+deb12u3")})
		add(verdict.Finding{ID: "CVE-2024-2961", Advisories: []string{"DEBIAN-CVE-2024-2961"}, Summary: "The iconv() function in the GNU C Library may overflow the output buffer passed to it by up to 4 bytes when converting strings to the ISO-2022-CN-EXT character set.",
			Package: deb("glibc", binary, "2.36-9"), Fixed: "2.36-9+deb12u6", Severity: verdict.High, SeveritySource: "CVE-2024-2961: CVSS 3.1", Score: 7.3, EPSS: 0.921, Fails: true, Rule: verdict.RuleSeverity,
			Why: why("CVE-2024-2961", "glibc", "2.36-9", "2.36-9+deb12u6")})
	}
	add(verdict.Finding{ID: "CVE-2023-38545", Summary: "This flaw makes curl overflow a heap based buffer in the SOCKS5 proxy handshake.", Package: deb("curl", "libcurl4", "7.88.1-10"),
		Fixed: "7.88.1-10+deb12u4", Severity: verdict.Critical, SeveritySource: "debian", Score: 9.8, EPSS: 0.261, Fails: true, Rule: verdict.RuleSeverity, Why: why("CVE-2023-38545", "curl", "7.88.1-10", "7.88.1-10+deb12u4")})
	add(verdict.Finding{ID: "CVE-2024-5535", Summary: "Calling the OpenSSL API function SSL_select_next_proto with an empty supported client protocols buffer may cause a crash or memory contents to be sent to the peer.",
		Package: deb("openssl", "libssl3", "3.0.9-1"), Fixed: "3.0.15-1~deb12u1", Severity: verdict.Unrated, Fails: true, Rule: verdict.RuleSeverity, Why: why("CVE-2024-5535", "openssl", "3.0.9-1", "3.0.15-1~deb12u1")})
	add(verdict.Finding{ID: "GHSA-jf85-cpcp-j695", Aliases: []string{"CVE-2019-10744"}, Summary: "Prototype Pollution in lodash", Package: verdict.Package{Type: "npm", Name: "lodash", Version: "4.17.11", PURL: "pkg:npm/lodash@4.17.11",
		Paths: []string{"srv/app/node_modules/lodash/package.json", "srv/app/node_modules/grunt/node_modules/lodash/package.json"}}, Fixed: "4.17.12", Severity: verdict.Critical,
		SeveritySource: "GHSA-jf85-cpcp-j695: CVSS 3.1", Score: 9.1, EPSS: 0.0006, Fails: true, Rule: verdict.RuleSeverity, Why: "GHSA-jf85-cpcp-j695: npm lodash 4.17.11 < fixed 4.17.12",
		Grounds: verdict.Grounds{Until: day("2026-11-20")}})
	add(verdict.Finding{ID: "CVE-2023-5678", Summary: "Generating excessively long X9.42 DH keys may be very slow.", Package: deb("openssl", "libssl3", "3.0.9-1"), Fixed: "3.0.13-1~deb12u1", Severity: verdict.High,
		SeveritySource: "debian", Score: 7.5, Rule: verdict.RuleAccepted, Grounds: verdict.Grounds{By: "security team", Reason: "we do not generate keys", Until: day("2027-01-31"), Written: ".assayignore.yaml line 4"}, Why: "x"})
	add(verdict.Finding{ID: "CVE-2022-40897", Summary: "Python Packaging Authority setuptools before 65.5.1 allows remote attackers to cause a denial of service via HTML in a crafted package.", Package: verdict.Package{Type: "pypi", Name: "setuptools", Version: "65.5.0", PURL: "pkg:pypi/setuptools@65.5.0"},
		Fixed: "65.5.1", Severity: verdict.Medium, SeveritySource: "GHSA-r9hx-vwmv-q579: CVSS 3.1", Score: 5.9, Rule: verdict.RuleVEX,
		Grounds: verdict.Grounds{By: "Acme Inc.", Reason: "vulnerable_code_not_in_execute_path: the image has no package index", Written: "acme.openvex.json statement 1"}, Why: "x"})
	add(verdict.Finding{ID: "CVE-2026-1044", Summary: "An integer overflow in the zone parser of tzdata's compiler.", Package: deb("tzdata", "tzdata", "2026a-0+deb12u1"), Fixed: "2026b-0+deb12u1", Severity: verdict.High,
		SeveritySource: "debian", Score: 7.1, EPSS: 0.0123, Rule: verdict.RuleGrace, Grounds: verdict.Grounds{Until: day("2026-12-01")}, Why: "x"})
	for i := range 14 {
		add(verdict.Finding{ID: fmt.Sprintf("CVE-2025-%d", 10000+137*i), Summary: "A use after free in the handling of extended attributes.", Package: deb("util-linux", "mount", "2.38.1-5"), Severity: verdict.Severities()[1+i%4],
			SeveritySource: "debian", Rule: []string{verdict.RuleUnfixed, verdict.RuleBelow, verdict.RuleUnimportant}[i%3], Why: "x"})
	}
	v.Counts.Packages, v.Counts.Evaluated, v.Counts.Kernel = 143, 129, 2017
	v.Evaluated = append(v.Evaluated,
		verdict.Part{Part: verdict.PartLanguage, Type: "npm", Ecosystem: "npm", Packages: 41, Evaluated: 41, State: verdict.Evaluated},
		verdict.Part{Part: verdict.PartOther, Type: "conda", Packages: 14, State: verdict.NotEvaluated, Causes: []verdict.PartCause{{Cause: verdict.CauseUncovered, Packages: 14, Text: "no public source covers packages of the type conda", Names: []string{"numpy 1.26.4", "blas 1.0", "mkl 2023.1.0"}}}},
	)
	v.ScanErrors = []verdict.ScanError{{Path: "root/.cache", Kind: "directory", Err: "permission denied"}, {Path: "var/lib/private", Kind: "directory", Err: "permission denied"}}
	v.Decision = verdict.Decision{Outcome: verdict.Fail, Code: verdict.CodeFail, Reasons: []verdict.Reason{
		{Rule: verdict.RuleKnownExploited, Text: "2 findings are known to be exploited", Hint: "upgrade these packages first, and remove those that have no fix"},
		{Rule: verdict.RuleSeverity, Text: "7 findings of severity high or worse have a fix", Hint: "upgrade the packages in the Dockerfile, or use a newer base image"},
	}}
	v.Remedies = []verdict.Remedy{
		{Action: verdict.ActionUpgrade, Manager: "apt-get", Text: "add to the Dockerfile before the scan, or --pull a newer base image", Command: "RUN apt-get update && apt-get install -y --only-upgrade libc-bin libc6 libcurl4 libssl3", Packages: []string{"glibc", "curl", "openssl"}, Findings: 6},
		{Action: verdict.ActionUpgrade, Manager: "npm", Text: "in its project: upgrade lodash to 4.17.12", Command: "npm install lodash@4.17.12", Packages: []string{"lodash"}, Findings: 1},
	}
	v.Exceptions = []verdict.ExceptionFile{
		{File: ".assayignore.yaml", Format: "assayignore", Entries: 3, Accepted: 1, Unmatched: 1, UnmatchedNames: []string{"CVE-2020-1"}, Expired: 1, ExpiredNames: []string{"CVE-2019-10744 on 2026-11-01"}},
		{File: "acme.openvex.json", Format: verdict.FormatOpenVEX, Entries: 1, Accepted: 1},
	}
	v.Policy = &verdict.Policy{Version: 7, Sections: []string{"all", "project shop"}}
	v.Options.Grace = 7 * 24 * 3600
	v.Ignored = []verdict.IgnoredOption{{Name: "fail-on", Value: "none", Origin: "ASSAY_FAIL_ON", Reason: "a variable may not weaken the gate"}}
	return report.Scan{Verdict: finished(v), At: at, PublicURL: "https://assay.example.com", Service: "0.9.0"}
}

// large is a failing build with n findings in n/15 packages, half of which fail.
func large(n int) report.Scan {
	s := example()
	v := &s.Verdict
	v.Findings = nil
	for i := range n {
		f := verdict.Finding{
			ID: fmt.Sprintf("CVE-%d-%d", 2015+i%11, 1000+i), Summary: "In the function parse_header of the network stack, a missing check of the length lets a remote attacker read beyond the buffer, which may disclose memory.",
			Package:  deb(fmt.Sprintf("source%d", i/15), fmt.Sprintf("lib%d", i/15), "1.2.3-4+deb12u1"),
			Severity: verdict.Severities()[i%6], SeveritySource: "debian", Score: 5.5, EPSS: 0.01, Why: "DEBIAN-CVE: Debian:12 source 1.2.3-4+deb12u1 < fixed 1.2.3-4+deb12u2",
		}
		if (i/15)%2 == 0 {
			f.Fails, f.Rule, f.Fixed = true, verdict.RuleSeverity, "1.2.3-4+deb12u2"
		} else {
			f.Rule = verdict.RuleUnfixed
		}
		v.Findings = append(v.Findings, f)
	}
	*v = finished(*v)
	return s
}

// hostile is a failing build in which every text from outside tries to become markup.
func hostile(text string) report.Scan {
	s := example()
	v := &s.Verdict
	for i := range v.Findings {
		f := &v.Findings[i]
		f.ID, f.Summary, f.Why, f.Fixed, f.SeveritySource, f.Subscription = text, text, text, text, text, text
		f.Severity = verdict.Severity(text)
		f.Package = verdict.Package{Type: text, Name: text, Version: text, Source: text, SourceVersion: text, PURL: text, Paths: []string{text}}
		f.Grounds = verdict.Grounds{By: text, Reason: text, Written: text, Until: f.Until}
		f.Advisories, f.Aliases = []string{text}, []string{text}
	}
	v.System = verdict.System{ID: text, VersionID: text, PrettyName: text, Ecosystem: text, EndOfLife: text}
	v.Scan, v.Report = text, text
	v.Evaluated = append(v.Evaluated, verdict.Part{Part: text, Type: text, Ecosystem: text, State: text, Causes: []verdict.PartCause{{Cause: text, Text: text, Names: []string{text}}}})
	v.ScanErrors = []verdict.ScanError{{Path: text, Kind: text, Err: text}}
	v.Decision.Reasons = []verdict.Reason{{Rule: text, Text: text, Hint: text}}
	v.Remedies = []verdict.Remedy{{Text: text, Command: text, Short: text, Packages: []string{text}}}
	v.Exceptions = []verdict.ExceptionFile{{File: text, Format: text, Error: text, Expired: 1, ExpiredNames: []string{text}, Unmatched: 1, UnmatchedNames: []string{text}}}
	v.Policy = &verdict.Policy{Sections: []string{text}}
	v.Ratchet = &verdict.Ratchet{Against: text, Scan: text, Missing: text}
	v.Baseline = &verdict.Baseline{File: text}
	v.Ignored = []verdict.IgnoredOption{{Name: text, Value: text, Origin: text, Reason: text}}
	v.Notices, v.Without = []string{text}, []string{text}
	v.Data.Snapshot = text
	v.Data.Sources = []verdict.DataSource{{Name: text, Contributes: text, Ecosystems: []string{text}}}
	v.Options = verdict.Options{FailOn: verdict.Severity(text), Unrated: verdict.Severity(text), VEXProduct: text, Project: text, Ref: text, Commit: text}
	s.Service, s.PublicURL = text, text
	return s
}

// TestHeadline: the headline says what fails an image, and nothing else.
func TestHeadline(t *testing.T) {
	because := func(outcome verdict.Outcome, rule string) verdict.Verdict {
		return verdict.Verdict{Decision: verdict.Decision{Outcome: outcome, Reasons: []verdict.Reason{{Rule: rule, Text: "x"}}}}
	}
	failing := because(verdict.Fail, verdict.RuleSeverity)
	failing.Counts.Findings, failing.Counts.Failing = 3, 1
	for want, v := range map[string]verdict.Verdict{
		"1 of 3 findings fails the build, in 2 packages.":                           failing,
		"No finding fails the build, but security support of the system has ended.": because(verdict.Fail, verdict.RuleEndOfLife),
		"The policy forbids this image.":                                            because(verdict.Fail, "later"),
		"This answer says nothing about the image.":                                 because(verdict.Untrusted, verdict.RuleUnreadable),
		"No findings in 0 evaluated packages.":                                      because(verdict.Pass, verdict.RuleClean),
	} {
		if got := html.Headline(v, 2); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// attacks are texts that a page could take for markup, script, style or an address.
var attacks = []string{
	`<script>window.hit=1</script>`,
	`</title><script>window.hit=1</script>`,
	`</style><script>window.hit=1</script>`,
	`"><img src=x onerror="window.hit=1">`,
	`' onmouseover='window.hit=1' x='`,
	`javascript:window.hit=1`,
	`data:text/html,<script>window.hit=1</script>`,
	`</code></pre><svg onload=window.hit=1>`,
	`<base href="https://evil.example/"><link rel=stylesheet href=//evil.example/x.css>`,
	`<meta http-equiv=refresh content="0;url=https://evil.example/">`,
	`<iframe src="https://evil.example/"></iframe><form action="https://evil.example/"><input name=a>`,
	`{{.CSS}}`,
	"CVE-2024-1\" onclick=\"window.hit=1",
	reporttest.Hostile,
}

// A browser is the judge of what is markup: TestHostilePage opens the same pages.
func TestEscapes(t *testing.T) {
	for _, attack := range attacks {
		text := string(reporttest.Render(t, html.Format(), hostile(attack)))
		for _, bad := range []string{attack, "<img", "<iframe", "<base", "<svg", "evil.example/\"", "href=\"javascript", "\x1b", "\u202e"} {
			if strings.Contains(text, bad) && bad != "{{.CSS}}" && !strings.HasPrefix(attack, "javascript:") {
				t.Errorf("with %q, the page has %q", attack, bad)
			}
		}
		if strings.Count(text, "<script") != 1 || strings.Count(text, "<style") != 1 || strings.Count(text, "</title>") != 1 {
			t.Errorf("with %q, the page has another script, style or title", attack)
		}
	}
}

func TestLinks(t *testing.T) {
	for id, want := range map[string]string{
		"CVE-2024-3094":                       "https://www.cve.org/CVERecord?id=CVE-2024-3094",
		"GHSA-jf85-cpcp-j695":                 "https://github.com/advisories/GHSA-jf85-cpcp-j695",
		"RHSA-2024:1234":                      "https://osv.dev/vulnerability/RHSA-2024%3A1234",
		"MAL-2024-1":                          "https://osv.dev/vulnerability/MAL-2024-1",
		"DEBIAN-CVE-2024-3094":                "https://osv.dev/vulnerability/DEBIAN-CVE-2024-3094",
		"CVE-2024-3094 ":                      "",
		"CVE-2024-3094\" onclick=":            "",
		"javascript:alert(1)":                 "",
		"https://evil.example":                "",
		"MAL-2024-1/../../x?a=b#c":            "",
		"SNYK-JS-LODASH-450202":               "",
		"":                                    "",
		"GO-2024-" + strings.Repeat("9", 100): "",
	} {
		if got := html.Link(id); got != want {
			t.Errorf("Link(%q) = %q, want %q", id, got, want)
		}
	}
}

// The page has everything that a person needs of a failing build, in the order of need.
func TestContent(t *testing.T) {
	text := string(reporttest.Render(t, html.Format(), example()))
	last := 0
	for _, want := range []string{
		"7 of 2,041 findings fail the build, in 4 packages.",
		"2 findings are known to be exploited.",
		"1 exception of .assayignore.yaml expired: CVE-2019-10744 on 2026-11-01.",
		"14 of 143 packages were not evaluated. What was not evaluated is not clean.",
		"No public source covers packages of the type conda. numpy 1.26.4",
		"/root/.cache</code> permission denied",
		"RUN apt-get update &amp;&amp; apt-get install -y --only-upgrade libc-bin libc6 libcurl4 libssl3",
		"Worst first, by the package to upgrade. Unrated counts as high.",
		"2.36-9+deb12u6", "CVE-2023-4911", "known exploited",
		"grace ended 2026-11-20",
		"Accepted by an exception", "until 2027-01-31 · we do not generate keys · security team · .assayignore.yaml line 4",
		"Not affected by VEX", "Acme Inc. · acme.openvex.json statement 1",
		"In its grace of 7d", "until 2026-12-01",
		"2,017 findings of kernel packages and headers",
		"1 matched no finding: CVE-2020-1",
		"3 hours before the scan", "osv:Debian",
		"Version 7 of the policy of the service: all, project shop.",
		"from ASSAY_FAIL_ON: a variable may not weaken the gate",
	} {
		i := strings.Index(strings.ReplaceAll(text[last:], "&#43;", "+"), want)
		if i < 0 {
			t.Errorf("%q is missing, or comes earlier", want)
			continue
		}
		last += i
	}
}

// With a baseline, the page says how many findings are of the base image, and marks them. The
// rule by which they pass names their own threshold.
func TestBaseline(t *testing.T) {
	s := example()
	s.Verdict.Baseline = &verdict.Baseline{File: "base.json", Packages: 88, Own: 2, Base: 31, BaseFailing: 7}
	s.Verdict.Options.FailOnBase = verdict.Critical
	for i := range s.Verdict.Findings {
		s.Verdict.Findings[i].Origin = verdict.OriginBase
		if i == len(s.Verdict.Findings)-1 {
			s.Verdict.Findings[i].Rule, s.Verdict.Findings[i].Fails = verdict.RuleBelow, false
		}
	}
	text := string(reporttest.Render(t, html.Format(), s))
	for _, want := range []string{
		"2 own findings (0 fail), 31 from the base image (7 fail); baseline base.json, 88 packages.",
		`<span class="nofix">base image</span>`, "Base: below critical",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

// Real scans: of a Debian with its records, one by several rules with hostile names, one
// that could not be evaluated, and a clean one.
func TestScans(t *testing.T) {
	for name, test := range map[string]struct {
		scan func(testing.TB) report.Scan
		want []string
	}{
		"debian":    {reporttest.Debian, []string{"16 of ", `class="fail"`, "perl", "5.36.0-7", "What to do first"}},
		"rules":     {reporttest.Rules, []string{`class="fail"`, "Not failing", ".trivyignore"}},
		"untrusted": {reporttest.Untrusted, []string{`class="untrusted"`, "This answer says nothing about the image.", "Not evaluated", "/var/lib/dpkg/status"}},
		"clean":     {reporttest.Clean, []string{`class="pass"`, "No findings in 1 evaluated package.", "The only package was evaluated."}},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.ReplaceAll(string(reporttest.Render(t, html.Format(), test.scan(t))), "&#43;", "+")
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing", want)
				}
			}
			if name != "clean" && strings.Contains(text, "No findings") {
				t.Error("the page looks clean")
			}
		})
	}
}

func FuzzRender(f *testing.F) {
	for _, attack := range attacks {
		f.Add(attack)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b bytes.Buffer
		if err := html.Render(&b, hostile(text)); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"<script>", "<style>", "</title>", "</main>", "<table class=\"counts\">"} {
			if n := bytes.Count(b.Bytes(), []byte(part)); n != 1 {
				t.Errorf("the page has %d times %q", n, part)
			}
		}
	})
}

// BenchmarkRender renders the largest report that people open.
func BenchmarkRender(b *testing.B) {
	s := large(4500)
	for b.Loop() {
		var out bytes.Buffer
		if err := html.Render(&out, s); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(out.Len()))
	}
}
