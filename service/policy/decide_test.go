package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/match"
	"assay/verdict"
)

// found returns a finding: "critical fixed kev malicious kernel unimportant".
func found(words string) match.Finding {
	f := match.Finding{Match: &match.Match{Finding: verdict.Finding{ID: "CVE-2024-1111"}}, Package: &verdict.Package{Name: "p", Version: "1"}}
	for _, w := range strings.Fields(words) {
		switch w {
		case "fixed":
			f.Fixed = "2"
		case "kev":
			f.KnownExploited = true
		case "malicious":
			f.Malicious = true
		case "kernel":
			f.Kernel = true
		case "unimportant":
			f.Unimportant = true
		case "wontfix":
			f.Status = advisory.StatusWontFix
		case "subscription":
			f.Subscription = "Ubuntu Pro"
		case "owned":
			f.Owned = true
		case "absent":
			f.NotLinked = true
		case "probable":
			f.EPSS = 0.5
		default:
			f.Severity = verdict.Severity(w)
		}
	}
	return f
}

// scanned returns a complete scan with these findings.
func scanned(findings ...match.Finding) Input {
	return Input{
		Result: match.Result{
			System:   verdict.System{ID: "debian", VersionID: "12", Ecosystem: "Debian:12"},
			Findings: findings, Packages: 3, Evaluated: 3,
			Parts: []verdict.Part{{Part: verdict.PartSystem, Type: "deb", Ecosystem: "Debian:12", Packages: 3, Evaluated: 3, State: verdict.Evaluated}},
		},
		Data:    verdict.Data{Records: 1, Updated: time.Unix(1e9, 0), Age: 3600},
		Options: verdict.DefaultOptions(),
	}
}

func TestDecide(t *testing.T) {
	gap := func(kind inventory.ErrorKind) func(*Input) {
		return func(in *Input) {
			in.ScanErrors = append(in.ScanErrors, inventory.ScanError{Path: "var/x", Kind: kind, Err: "permission denied"})
		}
	}
	strict := func(in *Input) { in.Options.Strict = true }
	// add adds a part to the image in place of the parts that it replaces.
	add := func(p verdict.Part) func(*Input) {
		return func(in *Input) {
			p.State = p.StateOf()
			in.Result.Parts = append(in.Result.Parts, p)
			in.Result.Packages += p.Packages
			in.Result.Evaluated += p.Evaluated
		}
	}
	cause := func(word string, packages int) []verdict.PartCause {
		return []verdict.PartCause{{Cause: word, Packages: packages, Text: "a reason"}}
	}
	bad := func(kind, typ, ecosystem, word string) func(*Input) {
		return add(verdict.Part{Part: kind, Type: typ, Ecosystem: ecosystem, Packages: 2, Causes: cause(word, 2)})
	}
	foreign := bad(verdict.PartSystem, "apk", "", verdict.CauseSystem)
	npm := bad(verdict.PartLanguage, "npm", "npm", verdict.CauseType)
	pypi := bad(verdict.PartLanguage, "pypi", "PyPI", verdict.CauseType)
	actions := bad(verdict.PartLanguage, "githubactions", "GitHub Actions", verdict.CauseType)
	versions := bad(verdict.PartLanguage, "golang", "Go", verdict.CauseVersion)
	generic := bad(verdict.PartOther, "generic", "", verdict.CauseUncovered)
	fine := add(verdict.Part{Part: verdict.PartLanguage, Type: "pypi", Ecosystem: "PyPI", Packages: 1, Evaluated: 1})
	without := func(ecosystems ...string) func(*Input) { return func(in *Input) { in.Without = ecosystems } }
	bare := func(in *Input) { in.Result.Packages, in.Result.Evaluated, in.Result.Parts = 0, 0, nil }
	unknown := func(in *Input) { in.Result.System = verdict.System{} }
	missing := add(verdict.Part{Part: verdict.PartSystem, Type: "deb", Causes: []verdict.PartCause{{Cause: verdict.CauseMissing, Text: "none of its packages was found"}}})
	empty := func(in *Input) { bare(in); missing(in) }
	accepted := func(in *Input) { in.Options.NoOSPackages = true }
	high := found("high fixed")
	tests := []struct {
		name     string
		findings []match.Finding
		changes  []func(*Input)
		code     int
		reasons  string // rules, separated by spaces
		text     string // of the first
	}{
		{"nothing found", nil, nil, 0, "clean", "no findings in 3 packages"},
		{"one finding does not fail", []match.Finding{found("low")}, nil, 0, "clean", "the one finding does not fail by the policy"},
		{"two findings do not fail", []match.Finding{found("low"), found("critical")}, nil, 0, "clean", "none of the 2 findings fails by the policy"},
		{"only kernel", []match.Finding{found("high fixed kernel kev")}, nil, 0, "clean", "the one finding does not fail by the policy"},
		{"one fails", []match.Finding{high, found("low")}, nil, 4, "severity", "1 finding of severity high or worse has a fix"},
		{"several fail", []match.Finding{high, high, found("unrated fixed")}, nil, 4, "severity", "3 findings of severity high or worse have a fix (1 unrated, counted as high)"},
		{"unfixed findings fail", []match.Finding{found("critical")}, []func(*Input){func(in *Input) { in.Options.FailOnUnfixed = true; in.Options.FailOn = "critical" }},
			4, "severity", "1 finding of severity critical"},
		{"kernel findings requested", []match.Finding{found("high fixed kernel")}, []func(*Input){func(in *Input) { in.Options.Kernel = true }},
			4, "severity", "1 finding of severity high or worse has a fix"},
		{"known exploited", []match.Finding{high, found("low kev"), found("low kev")}, nil, 4, "known-exploited severity", "2 findings are known to be exploited"},
		{"malicious", []match.Finding{high, found("low kev"), found("unrated malicious")}, nil, 4, "malicious known-exploited severity", "1 finding says that a package is malicious"},
		{"end of life without the option", nil, []func(*Input){func(in *Input) { in.Result.System.Ended = true }}, 0, "clean", "no findings in 3 packages"},
		{"end of life with the option", []match.Finding{high}, []func(*Input){func(in *Input) {
			in.Result.System.Ended, in.Result.System.EndOfLife, in.Options.FailOnEOL = true, "2020-01-01", true
		}}, 4, "severity end-of-life", "1 finding of severity high or worse has a fix"},
		{"end of life alone", nil, []func(*Input){func(in *Input) {
			in.Result.System.Ended, in.Result.System.EndOfLife, in.Options.FailOnEOL = true, "2020-01-01", true
		}}, 4, "end-of-life", "debian 12 has had no free security support since 2020-01-01, and fail-on-eol is set"},
		{"security support continues", nil, []func(*Input){func(in *Input) {
			in.Result.System.EndOfLife, in.Options.FailOnEOL = "2999-01-01", true
		}}, 0, "clean", "no findings in 3 packages"},
		{"unknown end of life", []match.Finding{high}, []func(*Input){func(in *Input) {
			in.Result.System.Ecosystem, in.Options.FailOnEOL = "Debian:12", true
		}}, 5, "end-of-life-unknown severity", "this service does not know when security support for debian 12 ends"},
		{"an unknown system without its packages, accepted", nil, []func(*Input){empty, fine, accepted, func(in *Input) { in.Options.FailOnEOL = true }},
			5, "end-of-life-unknown", "this service does not know when security support for debian 12 ends"},
		{"unknown end of life without the option", nil, []func(*Input){func(in *Input) { in.Result.System.Ecosystem = "Debian:12" }}, 0, "clean", "no findings in 3 packages"},
		{"a system without releases", nil, []func(*Input){func(in *Input) {
			in.Result.System.Ecosystem, in.Options.FailOnEOL = "Wolfi", true
		}}, 0, "clean", "no findings in 3 packages"},
		{"continue-on-failure does not change the code", []match.Finding{high}, []func(*Input){func(in *Input) { in.Options.ContinueOnFailure = true }},
			4, "severity", "1 finding of severity high or worse has a fix"},

		{"no system and no packages", nil, []func(*Input){bare, unknown}, 5, "nothing-recognised", "neither an operating system nor a package was recognised"},
		{"a system without packages", nil, []func(*Input){empty}, 5, "nothing-recognised", "the system is debian 12, but no package was recognised"},
		{"a system without packages, accepted", nil, []func(*Input){empty, accepted}, 5, "nothing-recognised", "the system is debian 12, but no package was recognised"},
		{"a system without its packages", nil, []func(*Input){empty, fine}, 5, "no-os-packages", "the system is debian 12, but none of its packages was found"},
		{"a system without its packages, and a failing finding", []match.Finding{high}, []func(*Input){empty, fine}, 5, "no-os-packages severity", "the system is debian 12, but none of its packages was found"},
		{"a system without its packages, accepted", nil, []func(*Input){empty, fine, accepted}, 0, "clean", "no findings in 1 package"},
		{"accepted, and a failing finding", []match.Finding{high}, []func(*Input){empty, fine, accepted}, 4, "severity", "1 finding of severity high or worse has a fix"},
		{"accepted, but its packages exist and have no advisories", nil, []func(*Input){bare, foreign, fine, accepted}, 5, "no-data", "2 packages of the operating system cannot be evaluated: a reason"},
		{"accepted, but a database could not be read", nil, []func(*Input){empty, fine, accepted, gap(inventory.KindDatabase)}, 5, "database-unreadable", "the list of installed packages could not be read: /var/x (permission denied)"},
		{"no system and a package of a language", nil, []func(*Input){bare, unknown, fine}, 0, "clean", "no findings in 1 package"},
		{"packages of the system, none of which can be evaluated", nil, []func(*Input){bare, fine, bad(verdict.PartSystem, "deb", "Debian:12", verdict.CauseVendor)},
			5, "no-data", "none of 2 packages of the operating system could be evaluated"},
		{"a database that could not be read", []match.Finding{high}, []func(*Input){gap(inventory.KindDatabase)}, 5, "database-unreadable severity", "the list of installed packages could not be read: /var/x (permission denied)"},
		{"an os-release that could not be read", nil, []func(*Input){gap(inventory.KindSystem)}, 5, "database-unreadable", "it is not certain which system this is: /var/x (permission denied)"},
		{"a database that could not be read, and no packages", nil, []func(*Input){empty, gap(inventory.KindDatabase)}, 5, "database-unreadable nothing-recognised", "the list of installed packages could not be read: /var/x (permission denied)"},
		{"a directory that could not be read", nil, []func(*Input){gap(inventory.KindDirectory)}, 0, "clean", "no findings in 3 packages"},
		{"a file that could not be read", nil, []func(*Input){gap(inventory.KindFile)}, 0, "clean", "no findings in 3 packages"},
		{"strict: a directory", nil, []func(*Input){gap(inventory.KindDirectory), gap(inventory.KindFile), strict}, 5, "partial", "2 files and directories could not be read, which strict does not accept"},
		{"strict: a database counts once", nil, []func(*Input){gap(inventory.KindDatabase), strict}, 5, "database-unreadable", "the list of installed packages could not be read: /var/x (permission denied)"},
		{"strict: everything was read", []match.Finding{high}, []func(*Input){strict}, 4, "severity", "1 finding of severity high or worse has a fix"},

		{"no advisories at all", nil, []func(*Input){func(in *Input) { in.Data = verdict.Data{}; in.MaxAge = time.Hour }, bare, foreign, npm}, 5, "no-data", "the service holds no advisories at all"},
		{"a system without advisories", nil, []func(*Input){foreign}, 5, "no-data", "2 packages of the operating system cannot be evaluated: a reason"},
		{"nothing could be evaluated", nil, []func(*Input){bare, unknown, generic}, 5, "no-data", "none of 2 packages could be evaluated"},
		{"nothing could be evaluated, of an accepted ecosystem", nil, []func(*Input){bare, unknown, npm, without("npm")}, 5, "no-data", "none of 2 packages could be evaluated"},
		{"an ecosystem without advisories", nil, []func(*Input){npm}, 5, "no-data", "2 packages cannot be evaluated: the service holds no advisories of npm"},
		{"ecosystems without advisories", []match.Finding{high}, []func(*Input){npm, pypi, actions}, 5, "no-data severity", "6 packages cannot be evaluated: the service holds no advisories of npm; PyPI; GitHub Actions"},
		{"an ecosystem without advisories, accepted", nil, []func(*Input){npm, without("npm")}, 0, "clean", "no findings in 3 of 5 packages; 2 are not evaluated"},
		{"two ecosystems without advisories, one accepted", nil, []func(*Input){npm, pypi, without("npm")}, 5, "no-data", "2 packages cannot be evaluated: the service holds no advisories of PyPI"},
		{"strict: an accepted ecosystem", nil, []func(*Input){npm, without("npm"), strict}, 5, "partial", "2 packages could not be evaluated, which strict does not accept"},
		{"a system without advisories cannot be accepted", nil, []func(*Input){foreign, without("apk", "Debian:12", "Debian", "")}, 5, "no-data", "2 packages of the operating system cannot be evaluated: a reason"},
		{"a type without a source", nil, []func(*Input){generic}, 0, "clean", "no findings in 3 of 5 packages; 2 are not evaluated"},
		{"strict: a type without a source", nil, []func(*Input){generic, strict}, 5, "partial", "2 packages could not be evaluated, which strict does not accept"},
		{"a version that cannot be compared", nil, []func(*Input){versions}, 0, "clean", "no findings in 3 of 5 packages; 2 are not evaluated"},
		{"strict: a version that cannot be compared", nil, []func(*Input){versions, strict}, 5, "partial", "2 packages could not be evaluated, which strict does not accept"},
		{"strict: some of each", nil, []func(*Input){versions, generic, npm, strict}, 5, "no-data partial", "2 packages cannot be evaluated: the service holds no advisories of npm"},

		{"data of the maximum age", nil, []func(*Input){func(in *Input) { in.MaxAge = time.Hour }}, 0, "clean", "no findings in 3 packages"},
		{"data too old", []match.Finding{high}, []func(*Input){func(in *Input) { in.MaxAge = time.Hour - time.Second }}, 5, "data-too-old severity", "the advisories are 60 minutes old, and at most 59 minutes is trusted"},
		{"data of years", nil, []func(*Input){func(in *Input) { in.MaxAge = 48 * time.Hour; in.Data.Age = 1 << 40 }}, 5, "data-too-old", "the advisories are 12,725,829 days old, and at most 2 days is trusted"},
		{"data from the future", nil, []func(*Input){func(in *Input) { in.MaxAge = time.Hour; in.Ahead = 6 * time.Minute }}, 5, "data-too-old", "the advisories are dated 6 minutes in the future, so their age is unknown"},
		{"data from the future, within the clock skew", nil, []func(*Input){func(in *Input) { in.MaxAge = time.Hour; in.Ahead = 5 * time.Minute }}, 0, "clean", "no findings in 3 packages"},
		{"data of an unknown age", nil, []func(*Input){func(in *Input) { in.MaxAge = time.Hour; in.Data.Updated = time.Time{} }}, 5, "data-too-old", "the age of the advisories is unknown, and at most 60 minutes is trusted"},
		{"data of any age", nil, []func(*Input){func(in *Input) { in.Data.Age = 1 << 40 }}, 0, "clean", "no findings in 3 packages"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := scanned(tt.findings...)
			for _, change := range tt.changes {
				change(&in)
			}
			d, findings, counts := Decide(in)
			checked := verdict.Verdict{
				Decision: d, Counts: counts, Evaluated: Evaluated(in), Without: in.Without,
				System: in.Result.System, Data: in.Data, Options: in.Options,
			}
			for _, f := range findings {
				checked.Findings = append(checked.Findings, f.Verdict())
			}
			if err := checked.Check(); err != nil {
				t.Errorf("the verdict contradicts itself: %v", err)
			}
			want := map[int]verdict.Outcome{0: verdict.Pass, 4: verdict.Fail, 5: verdict.Untrusted}[tt.code]
			if d.Code != tt.code || d.Outcome != want {
				t.Errorf("code %d, %s; want %d, %s", d.Code, d.Outcome, tt.code, want)
			}
			var rules []string
			for _, r := range d.Reasons {
				rules = append(rules, r.Rule)
				if r.Text == "" || strings.HasSuffix(r.Text, ".") || strings.Contains(r.Text, "\n") || (r.Hint == "") != (tt.code == 0) {
					t.Errorf("reason %+v", r)
				}
			}
			if got := strings.Join(rules, " "); got != tt.reasons {
				t.Errorf("rules %q, want %q", got, tt.reasons)
			}
			if d.Reasons[0].Text != tt.text {
				t.Errorf("text %q, want %q", d.Reasons[0].Text, tt.text)
			}
		})
	}
}

func TestDecideFindings(t *testing.T) {
	named := func(words, name, version, id string) match.Finding {
		f := found(words)
		f.Package.Name, f.Package.Version, f.ID = name, version, id
		return f
	}
	in := scanned(
		named("critical", "a", "1", "CVE-2"),
		named("low kev", "a", "1", "CVE-1"),
		named("unrated fixed", "z", "1", "CVE-1"),
		named("high fixed", "b", "2", "CVE-2"),
		named("high fixed", "b", "2", "CVE-1"),
		named("high fixed", "b", "1", "CVE-9"),
		named("negligible fixed unimportant", "a", "1", "CVE-3"),
		named("critical fixed kernel", "linux", "6", "CVE-1"),
		named("medium kernel", "linux", "6", "CVE-2"),
		named("critical", "a", "1", "CVE-1"),
	)
	order := func(findings []match.Finding) string {
		var all []string
		for _, f := range findings {
			all = append(all, f.Package.Name+f.Package.Version+" "+f.ID+" "+f.Rule)
		}
		return strings.Join(all, "\n")
	}
	_, findings, counts := Decide(in)
	want := `b1 CVE-9 severity
b2 CVE-1 severity
b2 CVE-2 severity
a1 CVE-1 known-exploited
z1 CVE-1 severity
a1 CVE-1 unfixed
a1 CVE-2 unfixed
a1 CVE-3 unimportant`
	if got := order(findings); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for i, f := range findings {
		if f.Fails != (i < 5) {
			t.Errorf("%d: fails %v", i, f.Fails)
		}
	}
	check := func(counts verdict.Counts, failing int) {
		t.Helper()
		if counts.Packages != 3 || counts.Findings != 10 || counts.Failing != failing || counts.Fixable != 6 || counts.Kernel != 2 {
			t.Errorf("%+v", counts)
		}
		for s, n := range map[verdict.Severity]int{"critical": 3, "high": 3, "medium": 1, "low": 1, "negligible": 1, "unrated": 1} {
			if counts.BySeverity[s] != n {
				t.Errorf("%s: %d, want %d", s, counts.BySeverity[s], n)
			}
		}
	}
	check(counts, 5)

	in.Options.Kernel = true
	_, findings, counts = Decide(in)
	if len(findings) != 10 || order(findings[:1]) != "linux6 CVE-1 severity" {
		t.Errorf("with kernel:\n%s", order(findings))
	}
	check(counts, 6)

	if in.Result.Findings[0].Rule != "" {
		t.Error("the input was changed")
	}
}

func TestNotices(t *testing.T) {
	r := match.Result{System: verdict.System{PrettyName: "Debian GNU/Linux 10 (buster)", EndOfLife: "2024-06-30"}}
	if got := Notices(r); got != nil {
		t.Errorf("for an empty result: %q", got)
	}
	r.System.Ended = true
	want := []string{"Debian GNU/Linux 10 (buster) has had no free security support since 2024-06-30, so vulnerabilities found since then are missing"}
	if got := Notices(r); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestHints: the reason that names missing ecosystems has a hint with the commands.
func TestHints(t *testing.T) {
	in := scanned()
	for _, e := range []string{"npm", "PyPI", "GitHub Actions", "Go"} {
		p := verdict.Part{Part: verdict.PartLanguage, Type: strings.ToLower(e), Ecosystem: e, Packages: 1, Causes: []verdict.PartCause{{Cause: verdict.CauseType, Packages: 1}}}
		in.Result.Parts = append(in.Result.Parts, p)
		in.Result.Packages++
	}
	d, _, _ := Decide(in)
	hint := d.Reasons[0].Hint
	for _, want := range []string{"assayd update", "assayd serve --without npm --without PyPI --without 'GitHub Actions'"} {
		if !strings.Contains(hint, want) {
			t.Errorf("hint %q, want %q in it", hint, want)
		}
	}
}

// TestEvaluated: a file that the client could not read is a cause. The result of the match
// and the causes of other ecosystems do not change.
func TestEvaluated(t *testing.T) {
	in := scanned()
	in.Result.Parts = append(in.Result.Parts,
		verdict.Part{Part: verdict.PartLanguage, Type: "npm", Ecosystem: "npm", Packages: 1, State: verdict.NotEvaluated, Causes: []verdict.PartCause{{Cause: verdict.CauseType, Packages: 1, Text: "x"}}},
		verdict.Part{Part: verdict.PartLanguage, Type: "pypi", Ecosystem: "PyPI", Packages: 1, State: verdict.NotEvaluated, Causes: []verdict.PartCause{{Cause: verdict.CauseType, Packages: 1, Text: "x"}}})
	in.Without = []string{"npm"}
	in.ScanErrors = []inventory.ScanError{{Path: "var/lib/dpkg/status", Kind: inventory.KindDatabase}, {Path: "root", Kind: inventory.KindDirectory}}
	parts := Evaluated(in)
	if p := parts[0]; p.State != verdict.Partly || p.Evaluated != 3 || p.Causes[0].Cause != verdict.CauseUnreadable || p.Causes[0].Text != "could not be read: /var/lib/dpkg/status" {
		t.Errorf("%+v", p)
	}
	if parts[1].Causes[0].Cause != verdict.CauseWithout || parts[2].Causes[0].Cause != verdict.CauseType {
		t.Errorf("%+v", parts[1:])
	}
	if p := in.Result.Parts; p[0].State != verdict.Evaluated || p[0].Causes != nil || p[1].Causes[0].Cause != verdict.CauseType {
		t.Errorf("the input was changed: %+v", p)
	}
	in.Result.Parts = nil
	if parts := Evaluated(in); len(parts) != 1 || parts[0].Part != verdict.PartSystem || parts[0].State != verdict.NotEvaluated {
		t.Errorf("for an empty result: %+v", parts)
	}
}

// TestMaliciousKernel: a malicious package fails even if it looks like a kernel, and is
// among the findings.
func TestMaliciousKernel(t *testing.T) {
	in := scanned(found("unrated malicious kernel"), found("high fixed kernel"))
	d, findings, counts := Decide(in)
	if d.Code != 4 || d.Reasons[0].Rule != "malicious" || len(findings) != 1 || counts.Failing != 1 || counts.Kernel != 1 {
		t.Errorf("%+v, %d findings, %+v", d, len(findings), counts)
	}
}
