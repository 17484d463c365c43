package verdict_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/service/match"
	"assay/service/remedy"
	"assay/verdict"
)

var update = flag.Bool("update", false, "rewrite the logs in testdata")

// debian returns a finding of Debian 12 in each of the named binary packages.
func debian(id string, s verdict.Severity, source, installed, fixed string, names ...string) []verdict.Finding {
	var all []verdict.Finding
	for _, name := range names {
		f := verdict.Finding{
			ID:         id,
			Advisories: []string{"DEBIAN-" + id},
			Package: verdict.Package{
				Type: "deb", Name: name, Version: installed, Arch: "amd64", Source: source, SourceVersion: installed,
				PURL: "pkg:deb/debian/" + name + "@" + installed, Paths: []string{"var/lib/dpkg/status"},
			},
			Fixed: fixed, Severity: s, Fails: fixed != "", Rule: "severity",
			Why: fmt.Sprintf("DEBIAN-%s: Debian:12 %s %s < fixed %s", id, source, installed, fixed),
		}
		if fixed == "" {
			f.Rule = "unfixed"
			f.Why = fmt.Sprintf("DEBIAN-%s: Debian:12 %s, all versions", id, source)
		}
		all = append(all, f)
	}
	return all
}

// passing returns a finding that does not fail by a rule.
func passing(rule string, findings []verdict.Finding) []verdict.Finding {
	for i := range findings {
		findings[i].Fails, findings[i].Rule = false, rule
	}
	return findings
}

// with returns a verdict with these findings.
func with(findings ...[]verdict.Finding) verdict.Verdict {
	v := base()
	v.Findings = slices.Concat(findings...)
	count(&v)
	if v.Counts.Failing > 0 {
		v.Decision = verdict.Decision{Outcome: verdict.Fail, Code: 4, Reasons: []verdict.Reason{
			{Rule: "severity", Text: "1 finding of severity high or worse has a fix", Hint: "upgrade the packages"},
		}}
	}
	return v
}

// june is Debian 12 as it was released, with the advisories of today.
func june() verdict.Verdict {
	glibc := slices.Concat(
		debian("CVE-2023-4911", verdict.High, "glibc", "2.36-9", "2.36-9+deb12u3", "libc-bin", "libc6"),
		debian("CVE-2024-2961", verdict.High, "glibc", "2.36-9", "2.36-9+deb12u6", "libc-bin", "libc6"),
	)
	for i := range glibc {
		glibc[i].KnownExploited = glibc[i].ID == "CVE-2023-4911"
		glibc[i].SeveritySource = "CVSS 3.1"
	}
	v := with(
		debian("CVE-2023-38545", verdict.Critical, "curl", "7.88.1-10", "7.88.1-10+deb12u4", "curl", "libcurl4"),
		glibc,
		debian("CVE-2023-5363", verdict.High, "openssl", "3.0.9-1", "3.0.11-1~deb12u2", "libssl3", "openssl"),
		debian("CVE-2024-6119", verdict.High, "openssl", "3.0.9-1", "3.0.14-1~deb12u2", "libssl3", "openssl"),
		debian("CVE-2024-5535", verdict.Unrated, "openssl", "3.0.9-1", "3.0.15-1~deb12u1", "libssl3", "openssl"),
		passing("below-threshold", slices.Concat(
			debian("CVE-2024-0727", verdict.Medium, "openssl", "3.0.9-1", "3.0.13-1~deb12u1", "libssl3", "openssl"),
			debian("CVE-2023-5678", verdict.Medium, "openssl", "3.0.9-1", "3.0.13-1~deb12u1", "libssl3", "openssl"),
			debian("CVE-2023-38546", verdict.Low, "curl", "7.88.1-10", "7.88.1-10+deb12u4", "curl", "libcurl4"),
		)),
		debian("CVE-2023-31484", verdict.High, "perl", "5.36.0-7", "", "perl-base"),
		passing("unimportant", slices.Concat(
			debian("CVE-2022-0563", verdict.Negligible, "util-linux", "2.38.1-5+b1", "", "bsdutils", "mount", "util-linux"),
			debian("CVE-2005-2541", verdict.Negligible, "tar", "1.34+dfsg-1.2", "", "tar"),
		)),
	)
	v.Counts.Kernel, v.Counts.Findings = 2017, v.Counts.Findings+2017
	v.Counts.BySeverity[verdict.Medium] += 2017
	v.Decision.Reasons = []verdict.Reason{
		{Rule: "known-exploited", Text: "1 vulnerability is known to be exploited"},
		{Rule: "severity", Text: "11 findings of severity high or worse have a fix"},
	}
	v.ScanErrors = []verdict.ScanError{
		{Path: "root/.cache", Kind: "directory", Err: "permission denied"},
		{Path: "var/lib/private", Kind: "directory", Err: "permission denied"},
	}
	v.Ignored = []verdict.IgnoredOption{{Name: "fail-on", Value: "none", Origin: "ASSAY_FAIL_ON", Reason: "a variable may not weaken the gate"}}
	v.Notices = []string{"assay 0.1.0 is older than this service"}
	return v
}

func one() verdict.Verdict {
	return with(debian("CVE-2023-5363", verdict.High, "openssl", "3.0.9-1", "3.0.11-1~deb12u2", "libssl3"))
}

func listed() verdict.Verdict {
	v := with(
		debian("CVE-2023-31484", verdict.High, "perl", "5.36.0-7", "", "perl-base"),
		passing("unimportant", debian("CVE-2005-2541", verdict.Negligible, "tar", "1.34+dfsg-1.2", "", "tar")),
	)
	v.Data.Sample = true
	return v
}

// language returns a finding in a package of a language.
func language(id, typ, name, installed, fixed string, paths ...string) verdict.Finding {
	return verdict.Finding{
		ID: id, Advisories: []string{id}, Severity: verdict.High, Fixed: fixed, Fails: true, Rule: "severity",
		Package: verdict.Package{Type: typ, Name: name, Version: installed,
			PURL: "pkg:" + typ + "/" + name + "@" + installed, Paths: paths},
	}
}

// languages returns a verdict that needs an upgrade for each language, and a rebuilt program.
func languages() verdict.Verdict {
	return with([]verdict.Finding{
		language("CVE-2025-22871", "golang", "stdlib", "1.22.1", "1.23.8", "usr/local/bin/app"),
		language("CVE-2025-22871", "golang", "stdlib", "1.22.1", "1.23.8", "opt/tools/bin/yq"),
		language("CVE-2024-45338", "golang", "golang.org/x/net", "v0.17.0", "0.33.0", "usr/local/bin/app"),
		language("CVE-2021-44906", "npm", "minimist", "1.2.5", "1.2.6",
			"srv/node_modules/minimist/package.json", "srv/node_modules/mkdirp/node_modules/minimist/package.json"),
	}, debian("CVE-2023-5363", verdict.High, "openssl", "3.0.9-1", "3.0.11-1~deb12u2", "libssl3"))
}

// malicious returns a verdict on a malicious package, for which there is no command.
func malicious() verdict.Verdict {
	pypi := func(id, name, version, fixed string) verdict.Finding {
		return language(id, "pypi", name, version, fixed,
			"usr/lib/python3/dist-packages/"+name+"-"+version+".dist-info/METADATA")
	}
	bad := pypi("MAL-2024-10238", "123bla", "0.0.1", "")
	bad.Malicious, bad.Rule, bad.Severity = true, "malicious", verdict.Unrated
	v := with([]verdict.Finding{bad, pypi("CVE-2019-19844", "django", "2.2.8", "2.2.9")})
	v.Decision.Reasons[0] = verdict.Reason{Rule: "malicious", Text: "1 package is malicious"}
	return v
}

func ended() verdict.Verdict {
	v := base()
	v.System = verdict.System{ID: "debian", VersionID: "10", PrettyName: "Debian GNU/Linux 10 (buster)",
		Ecosystem: "Debian:10", EndOfLife: "2024-06-30", Ended: true}
	v.Options.FailOnEOL = true
	v.Decision = verdict.Decision{Outcome: verdict.Fail, Code: 4, Reasons: []verdict.Reason{{
		Rule: "end-of-life", Text: "the system has had no security support since 2024-06-30",
		Hint: "take a base image of a supported release, Debian 12 or later"}}}
	return v
}

// unfixed returns a verdict that fails on a finding without a fix.
func unfixed() verdict.Verdict {
	v := base()
	v.Findings = debian("CVE-2023-31484", verdict.High, "perl", "5.36.0-7", "", "perl-base")
	v.Findings[0].Fails, v.Findings[0].Rule = true, "severity"
	count(&v)
	v.Options.FailOnUnfixed = true
	v.Decision = verdict.Decision{Outcome: verdict.Fail, Code: 4, Reasons: []verdict.Reason{
		{Rule: "severity", Text: "1 finding is of severity high or worse"}}}
	return v
}

func subscription() verdict.Verdict {
	v := unfixed()
	v.Findings[0].Subscription = "Ubuntu Pro"
	return v
}

func untrusted() verdict.Verdict {
	v := base()
	v.System = verdict.System{}
	v.Counts, v.Evaluated = verdict.Counts{}, []verdict.Part{}
	v.Decision = verdict.Decision{Outcome: verdict.Untrusted, Code: 5, Reasons: []verdict.Reason{{
		Rule: "nothing-recognised", Text: "no operating system and no packages were recognised",
		Hint: "an image that holds only a program says nothing about what is in it; scan the stage that builds it"}}}
	return v
}

// lacking returns a verdict on an image whose repositories do not have the fixes.
func lacking(v verdict.Verdict, suite string) verdict.Verdict {
	v.System.Repositories = &verdict.Repositories{Missing: suite}
	if suite != "" {
		v.System.Repositories.Add = "deb http://deb.debian.org/debian-security " + suite + " main"
	}
	return v
}

// parts sets the parts of a verdict and the counts that follow from them.
func parts(v verdict.Verdict, all ...verdict.Part) verdict.Verdict {
	v.Evaluated = nil
	v.Counts.Packages, v.Counts.Evaluated = 0, 0
	for _, p := range all {
		p.State = p.StateOf()
		v.Evaluated = append(v.Evaluated, p)
		v.Counts.Packages += p.Packages
		v.Counts.Evaluated += p.Evaluated
	}
	return v
}

// TestLacking: if the image's repositories lack the fixes, the log has no command that would
// not find them, at any width, and no command with a line that is unsafe in a shell.
func TestLacking(t *testing.T) {
	alpine := with([]verdict.Finding{language("CVE-2024-1", "apk", "musl", "1.2.5-r0", "1.2.5-r1", "lib/apk/db/installed")})
	alpine.System.Repositories = &verdict.Repositories{Missing: "v3.22/main", Add: "https://dl-cdn.alpinelinux.org/alpine/v3.22/main"}
	if tail := last(text(t, alpine, verdict.Style{Exit: 4})); !strings.Contains(tail, "fix:    add to the Dockerfile before the scan (apk has no source v3.22/main here):\n"+
		"        RUN echo 'https://dl-cdn.alpinelinux.org/alpine/v3.22/main' >>/etc/apk/repositories && \\\n"+
		"            apk --no-cache upgrade\n") {
		t.Errorf("Alpine:\n%s", tail)
	}
	red := with([]verdict.Finding{language("CVE-2024-1", "rpm", "bash", "5-1", "5-2", "var/lib/rpm")})
	red.System.Repositories = &verdict.Repositories{}
	if tail := last(text(t, red, verdict.Style{Exit: 4})); !strings.Contains(tail, "use a newer base image") {
		t.Errorf("rpm:\n%s", tail)
	}
	libraries := lacking(with([]verdict.Finding{language("CVE-2024-1", "npm", "a", "1", "2", "srv/a")}), "bookworm-security")
	if tail := last(text(t, libraries, verdict.Style{Exit: 4})); strings.Contains(tail, "sources.list") {
		t.Errorf("a library does not come from the system's repositories:\n%s", tail)
	}
	for width := 60; width <= 100; width++ {
		for _, v := range []verdict.Verdict{lacking(june(), "bookworm-security"), lacking(one(), ""), lacking(malicious(), "bookworm-security"), alpine, red} {
			v.Data.Sample, v.System.Ended = width%2 == 0, width%3 == 0
			style := verdict.Style{Exit: 4, Width: width}
			log := text(t, v, style)
			hold(t, log, style)
			if strings.Contains(log, "RUN apt-get") {
				t.Errorf("a command that finds no fix:\n%s", last(log))
			}
		}
	}
	for _, add := range []string{"deb x'; reboot; '", "deb $(reboot)", "deb `id`", "a\nb", "deb http://a!b", ""} {
		v := lacking(june(), "bookworm-security")
		v.System.Repositories.Add = add
		log := text(t, v, verdict.Style{Exit: 4})
		hold(t, log, verdict.Style{})
		if strings.Contains(log, "RUN ") || !strings.Contains(log, "use a newer base image") {
			t.Errorf("%q:\n%s", add, last(log))
		}
	}
}

var (
	system   = verdict.Part{Part: verdict.PartSystem, Type: "deb", Ecosystem: "Debian:12", Packages: 88, Evaluated: 88}
	vendored = verdict.Part{Part: verdict.PartSystem, Type: "deb", Ecosystem: "Debian:12", Packages: 170, Evaluated: 165,
		Causes: []verdict.PartCause{{Cause: verdict.CauseVendor, Packages: 5, Text: "another vendor built them", Names: []string{"nginx 1.25.3-1~bookworm", "nginx-module-xslt 1.25.3-1~bookworm"}}}}
	python = verdict.Part{Part: verdict.PartLanguage, Type: "pypi", Ecosystem: "PyPI", Packages: 1, Evaluated: 1}
	jars   = verdict.Part{Part: verdict.PartLanguage, Type: "maven", Ecosystem: "Maven", Packages: 30, Evaluated: 10,
		Causes: []verdict.PartCause{
			{Cause: verdict.CauseName, Packages: 18, Text: "Java archives that do not say who they are, by group and artifact", Names: []string{"dom4j", "h2"}},
			{Cause: verdict.CauseVersion, Packages: 1, Text: `a:b: version "" is empty`}, {Cause: verdict.CauseVersion, Packages: 1, Text: `a:c: version "" is empty`}}}
	npm = verdict.Part{Part: verdict.PartLanguage, Type: "npm", Ecosystem: "npm", Packages: 12,
		Causes: []verdict.PartCause{{Cause: verdict.CauseType, Packages: 12, Text: "no advisories for npm packages are held"}}}
	conda = verdict.Part{Part: verdict.PartOther, Type: "conda", Packages: 7,
		Causes: []verdict.PartCause{{Cause: verdict.CauseUncovered, Packages: 7, Text: "no public source has advisories for conda packages"}}}
	noSystem = verdict.Part{Part: verdict.PartSystem, Type: "deb", Ecosystem: "Debian:12",
		Causes: []verdict.PartCause{{Cause: verdict.CauseMissing, Text: "none of its packages was found"}}}
)

// bare returns a verdict on an image without an operating system.
func bare() verdict.Verdict {
	v := parts(base(), python)
	v.System = verdict.System{}
	return v
}

// without returns a verdict on an image with an ecosystem that the service accepts without
// advisories.
func without() verdict.Verdict {
	left := npm
	left.Causes = []verdict.PartCause{{Cause: verdict.CauseWithout, Packages: 12, Text: "this service has no advisories for npm"}}
	v := parts(one(), vendored, jars, left, conda)
	v.Without = []string{"npm"}
	return v
}

func excused() verdict.Verdict {
	v := parts(base(), noSystem, python)
	v.Options.NoOSPackages = true
	return v
}

// unheld returns a verdict on an image with an ecosystem without advisories.
func unheld() verdict.Verdict {
	v := parts(base(), system, npm)
	v.Decision = verdict.Decision{Outcome: verdict.Untrusted, Code: 5, Reasons: []verdict.Reason{{
		Rule: "no-data", Text: "12 packages cannot be evaluated: the service holds no advisories of npm",
		Hint: "assayd update fetches advisories; to accept that these are missing, start the service with assayd serve --without npm"}}}
	return v
}

func TestLog(t *testing.T) {
	continued := june()
	continued.Options.ContinueOnFailure = true
	tests := []struct {
		name  string
		v     func(testing.TB) verdict.Verdict
		style verdict.Style
		// tail is what the last ten lines must have, in addition to the stable line and the
		// link.
		tail []string
	}{
		{"pass", given(base()), verdict.Style{}, []string{"verdict=pass code=0 findings=0 failing=0 ", "PASS, exit code 0: 88 packages evaluated, no findings"}},
		{"pass-listed", given(listed()), verdict.Style{}, []string{"verdict=pass code=0 findings=2 failing=0 ", "sample data", "none of 2 findings fails"}},
		{"pass-partly", given(parts(base(), vendored)), verdict.Style{}, []string{
			"PASS, exit code 0: 165 of 170 packages evaluated, no findings; 5 not evaluated (other vendor)"}},
		{"pass-no-system", given(bare()), verdict.Style{}, []string{"PASS, exit code 0: 1 package evaluated, no findings; no operating system"}},
		{"pass-excused", given(excused()), verdict.Style{}, []string{"1 package evaluated, no findings; no packages of the operating system"}},
		{"fail-partly", given(without()), verdict.Style{Exit: 4}, []string{
			"1 of 1 finding fails, in 1 package; 44 not evaluated (18 unidentified,", "7 no source for conda, other causes)"}},
		{"fail-partly-verbose", given(without()), verdict.Style{Exit: 4, Verbose: true}, []string{"code=4"}},
		{"untrusted-npm", given(unheld()), verdict.Style{Exit: 5}, []string{"no advisories of npm", "assayd update", "--without npm"}},
		{"fail-1", given(one()), verdict.Style{Exit: 4}, []string{
			"verdict=fail code=4 findings=1 failing=1 ", "openssl 3.0.9-1 -> 3.0.11-1~deb12u2, CVE-2023-5363",
			"RUN apt-get update && apt-get install -y --only-upgrade libssl3", "FAIL, exit code 4"}},
		{"fail-16", minbase, verdict.Style{Exit: 4}, []string{
			// 15 vulnerabilities by the order of dpkg; the one of apt is in two packages.
			"verdict=fail code=4 findings=16 failing=16 ", "perl 5.36.0-7+deb12u3 -> 5.36.0-7+deb12u4, ", " and 12 more",
			"RUN apt-get update && \\\n            apt-get install -y --only-upgrade apt libapt-pkg6.0 libpcre2-8-0 perl-base\n", "counted as high"}},
		{"fail-mixed", given(june()), verdict.Style{Exit: 4}, []string{
			"code=4", "exploited   glibc 2.36-9 -> 2.36-9+deb12u6, CVE-2023-4911 and 1 more",
			"RUN apt-get update && \\\n            apt-get install -y --only-upgrade curl libc-bin libc6 libcurl4 libssl3 openssl\n"}},
		{"fail-mixed-80", given(june()), verdict.Style{Exit: 4, Width: 80}, []string{"code=4", "only-upgrade curl libc-bin \\\n            libc6 libcurl4"}},
		{"verbose", given(june()), verdict.Style{Exit: 4, Verbose: true}, []string{"code=4"}},
		{"quiet", given(june()), verdict.Style{Exit: 4, Quiet: true}, []string{"code=4", "FAIL, exit code 4"}},
		{"tail", given(june()), verdict.Style{Exit: 4, Tail: true}, []string{"code=4", "glibc", "RUN apt-get update"}},
		{"continue", given(continued), verdict.Style{Exit: 0}, []string{"verdict=fail code=4 exit=0 ", "THE BUILD GOES ON"}},
		{"malicious", given(malicious()), verdict.Style{Exit: 4}, []string{"malicious   123bla 0.0.1", "remove 123bla", "raise in the requirements: django to 2.2.9"}},
		{"languages", given(languages()), verdict.Style{Exit: 4}, []string{
			"code=4",
			"rebuild /usr/local/bin/app with Go 1.23.8 or later, or take a newer release:\n        go get golang.org/x/net@v0.33.0 && go mod tidy\n",
			"fix:    and 2 more: see", "--only-upgrade libssl3"}},
		{"no-security", given(lacking(june(), "bookworm-security")), verdict.Style{Exit: 4}, []string{
			"code=4", "(apt-get has no source bookworm-security here):\n",
			"RUN echo 'deb http://deb.debian.org/debian-security bookworm-security main' \\\n            >>/etc/apt/sources.list && apt-get update && \\\n            apt-get install -y --only-upgrade curl libc-bin libc6 libcurl4 libssl3 openssl\n"}},
		{"no-security-60", given(lacking(june(), "bookworm-security")), verdict.Style{Exit: 4, Width: 60}, []string{
			"fix:    see \"What fixes it\" above\n"}},
		{"no-repository", given(lacking(one(), "")), verdict.Style{Exit: 4}, []string{"code=4", "use a newer base image"}},
		{"unfixed", given(unfixed()), verdict.Style{Exit: 4}, []string{"code=4", "perl 5.36.0-7, no fix, CVE-2023-31484", "no fix exists for perl"}},
		{"subscription", given(subscription()), verdict.Style{Exit: 4}, []string{
			"code=4", "perl 5.36.0-7, fix needs Ubuntu Pro, CVE-2023-31484", "the fix needs a subscription: perl (Ubuntu Pro)"}},
		{"accepted", given(accepted()), verdict.Style{Exit: 4}, []string{
			"code=4", "note:   1 exception of .assayignore.yaml expired: CVE-2023-5363 (line 9) on 2026-11-02\n"}},
		{"end-of-life", given(ended()), verdict.Style{Exit: 4}, []string{"code=4 findings=0", "hint:", "Debian 12 or later", "2024-06-30"}},
		{"untrusted", given(untrusted()), verdict.Style{Exit: 5}, []string{"verdict=untrusted code=5 ", "hint: ", "why: ", "UNTRUSTED, exit code 5"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := tt.v(t)
			log := text(t, v, tt.style)
			hold(t, log, tt.style)
			tail := last(log)
			all := append(tt.tail, "scan="+v.Scan, "snapshot=9b1e6d2f")
			if !tt.style.Quiet {
				all = append(all, "report: "+v.Report)
			}
			for _, want := range all {
				if !strings.Contains(tail, want) {
					t.Errorf("the tail lacks %q:\n%s", want, tail)
				}
			}
			if tt.style.Quiet && strings.Count(log, "\n") > 2 {
				t.Errorf("quiet has more than two lines:\n%s", log)
			}
			if tt.style.Tail && log != tail {
				t.Errorf("more than the tail:\n%s", log)
			}
			golden(t, tt.name, log)
		})
	}
}

// accepted returns a verdict with accepted findings, and a file with an expired exception.
func accepted() verdict.Verdict {
	until := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	reachable := passing(verdict.RuleAccepted, debian("CVE-2023-5678", verdict.Medium, "openssl", "3.0.9-1", "3.0.13-1~deb12u1", "libssl3", "openssl"))
	waits := passing(verdict.RuleGrace, debian("CVE-2024-1", verdict.High, "curl", "7.88.1-10", "7.88.1-10+deb12u4", "curl"))
	for i := range reachable {
		reachable[i].Grounds = verdict.Grounds{By: "security team", Reason: "not reachable", Until: &until, Written: ".assayignore.yaml line 4"}
	}
	waits[0].Grounds = verdict.Grounds{Reason: "the fix was published on 2027-01-24", Until: &until}
	v := with(debian("CVE-2023-5363", verdict.High, "openssl", "3.0.9-1", "3.0.11-1~deb12u2", "libssl3"), reachable, waits)
	v.Options.Grace = 7 * 24 * 3600
	v.Exceptions = []verdict.ExceptionFile{{File: ".assayignore.yaml", Entries: 3, Expired: 1, ExpiredNames: []string{"CVE-2023-5363 (line 9) on 2026-11-02"}}}
	return v
}

func given(v verdict.Verdict) func(testing.TB) verdict.Verdict {
	return func(testing.TB) verdict.Verdict { return v }
}

func minbase(t testing.TB) verdict.Verdict { return real(t, "debian12-minbase") }

// TestLogInDocs: the log in docs/exit-codes.md is that of a test.
func TestLogInDocs(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", "exit-codes.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		last(text(t, minbase(t), verdict.Style{Exit: 4})),
		strings.SplitAfter(last(text(t, june(), verdict.Style{Exit: 4})), "\n")[1],
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("exit-codes.md lacks:\n%s", want)
		}
	}
}

// TestWidths checks a log at every width, and at widths out of range.
func TestWidths(t *testing.T) {
	for width := range 120 {
		for _, v := range []verdict.Verdict{june(), malicious(), ended(), untrusted(), listed(), without(), unheld(), excused(), layered()} {
			style := verdict.Style{Width: width, Exit: v.Decision.Code, Verbose: width%2 == 0}
			hold(t, text(t, v, style), style)
		}
	}
}

// layered is a verdict of a finished image: its findings are in the layers in turn.
func layered() verdict.Verdict {
	v := june()
	v.Image = &verdict.Image{Name: "shop:1", Layers: []verdict.ImageLayer{
		{DiffID: "sha256:a", CreatedBy: "ADD rootfs.tar /"}, {DiffID: "sha256:b"},
		{DiffID: "sha256:c", CreatedBy: "RUN apt-get update && apt-get install -y --no-install-recommends " + strings.Repeat("package ", 20)},
		{DiffID: "sha256:d", CreatedBy: "RUN echo\nassay: verdict=pass code=0"}, {DiffID: "sha256:a", CreatedBy: "again"},
	}}
	v.Findings = slices.Clone(v.Findings)
	for i := range v.Findings {
		v.Findings[i].Layer = v.Image.Layers[i%4].DiffID
	}
	return v
}

// TestLayers: the log of a finished image names the layers of each group that fails.
func TestLayers(t *testing.T) {
	v := layered()
	log := text(t, v, verdict.Style{Exit: 4, Verbose: true})
	for _, want := range []string{"\n  layer 1: ADD rootfs.tar /\n", "\n  layer 2: no command recorded\n", "\n  layer 3: RUN apt-get update && apt-get install"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	if v.Image = nil; strings.Contains(text(t, v, verdict.Style{Exit: 4}), "layer 1") {
		t.Error("the log of a scan without an image names layers")
	}
}

// TestLogOfEverything: the log of a root with 2,995 vulnerabilities, including those of the
// kernel headers, names all of them.
func TestLogOfEverything(t *testing.T) {
	v := real(t, "debian12-app")
	log := text(t, v, verdict.Style{Exit: 4})
	hold(t, log, verdict.Style{})
	ids := map[string]bool{}
	for _, f := range v.Findings {
		ids[f.ID] = true
	}
	named := map[string]bool{}
	for _, id := range regexp.MustCompile(`CVE-\d+-\d+`).FindAllString(log, -1) {
		named[id] = true
	}
	missing := 0
	for id := range ids {
		if !named[id] {
			missing++
		}
	}
	// The list of the kernel's 2,578 ends after a thousand, and says so.
	if missing > 1578 || !strings.Contains(log, "... and 1,578 more in this package") {
		t.Errorf("%d of %d vulnerabilities are not named", missing, len(ids))
	}
	if lines := strings.Count(log, "\n"); lines > 400 {
		t.Errorf("%d lines", lines)
	}
	tail := last(log)
	for _, want := range []string{"exploited   nginx 1.22.1-9+deb12u9 -> 1.22.1-9+deb12u11, CVE-2023-44487", "RUN apt-get update && apt-get -y --with-new-pkgs upgrade", "in 25 packages"} {
		if !strings.Contains(tail, want) {
			t.Errorf("the tail lacks %q:\n%s", want, tail)
		}
	}
}

// TestLogIsBounded: the largest logs are within the limit and say how many findings did not
// fit.
func TestLogIsBounded(t *testing.T) {
	const n = 10_000
	for name, pkg := range map[string]func(i int) string{
		"in one package":        func(int) string { return "linux" },
		"in a package each":     func(i int) string { return fmt.Sprintf("package-%d", i) },
		"in a hundred packages": func(i int) string { return fmt.Sprintf("package-%d", i%100) },
	} {
		for _, verbose := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, verbose %v", name, verbose), func(t *testing.T) {
				var findings []verdict.Finding
				for i := range n {
					f := debian(fmt.Sprintf("CVE-2025-%d", 10_000+i), verdict.High, pkg(i), "1.0-1", "1.0-2", pkg(i))
					findings = append(findings, f...)
				}
				style := verdict.Style{Exit: 4, Verbose: verbose, Color: true}
				log := text(t, with(findings), style)
				if len(log) > 150<<10 {
					t.Errorf("%d bytes", len(log))
				}
				if !strings.Contains(log, "... and ") || !strings.Contains(log, "10,000 of 10,000 findings fail") {
					t.Errorf("does not say that there is more")
				}
				hold(t, plain(log), style)
			})
		}
	}
}

// TestPaste: a command has no name that is unsafe in a shell.
func TestPaste(t *testing.T) {
	for _, name := range []string{"x; rm -rf /", "$(reboot)", "a b", "-o=x", "libssl3\n&& reboot", "`id`", "Ünï"} {
		v := with(debian("CVE-2023-5363", verdict.High, name, "1", "2", name))
		log := text(t, v, verdict.Style{Exit: 4})
		hold(t, log, verdict.Style{})
		if !strings.Contains(log, "        RUN apt-get update && apt-get -y --with-new-pkgs upgrade\n") || strings.Contains(log, "only-upgrade") {
			t.Errorf("%q:\n%s", name, last(log))
		}
	}
}

// TestLink: a link is complete or missing.
func TestLink(t *testing.T) {
	v := one()
	v.Report = "https://" + strings.Repeat("a", 120) + ".example.com/api/v1/scans/1/report"
	log := text(t, v, verdict.Style{Exit: 4})
	hold(t, log, verdict.Style{})
	if strings.Contains(log, "https://") || !strings.Contains(log, "report: kept by the service") {
		t.Error(last(log))
	}
	v.Report = ""
	log = text(t, v, verdict.Style{Exit: 4, Server: "https://assay.example.com/"})
	if want := "report: https://assay.example.com/api/v1/scans/" + v.Scan + "\n"; !strings.Contains(log, want) {
		t.Errorf("lacks %q:\n%s", want, last(log))
	}
}

// TestColor: colour changes only the words of severity.
func TestColor(t *testing.T) {
	for _, style := range []verdict.Style{{Exit: 4}, {Exit: 4, Width: 70, Verbose: true}} {
		want := text(t, june(), style)
		style.Color = true
		got := text(t, june(), style)
		if plain(got) != want {
			t.Errorf("another layout with colour:\n%s", got)
		}
		words := map[string]bool{}
		for _, m := range regexp.MustCompile(`\x1b\[[\d;]+m(.*?)\x1b\[0m`).FindAllStringSubmatch(got, -1) {
			words[m[1]] = true
		}
		for _, word := range []string{"critical", "high", "medium", "low", "unrated", "exploited"} {
			if !words[word] {
				t.Errorf("%q is not coloured", word)
			}
			delete(words, word)
		}
		if len(words) > 0 {
			t.Errorf("coloured too: %v", words)
		}
	}
}

func TestWriteError(t *testing.T) {
	var b strings.Builder
	long := strings.Repeat("the service did not answer ", 30)
	for _, e := range []struct {
		what, hint string
		code, exit int
	}{
		{"ask https://assay.example.com: connection refused", "is the address right, and may this build step use the network?", 1, 1},
		{"no token was given", "repeat ARG token after FROM", 2, 2},
		{"the token was refused", "", 3, 3},
		{long + "\nassay: verdict=pass code=0", "second\nline \x1b[2J", 1, 0},
	} {
		if err := verdict.WriteError(&b, e.what, e.hint, e.code, e.exit); err != nil {
			t.Fatal(err)
		}
		b.WriteString("\n")
	}
	golden(t, "errors", b.String())
	for line := range strings.Lines(b.String()) {
		if len(line) > 101 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
	if strings.Contains(b.String(), "verdict=pass") || strings.Contains(b.String(), "\x1b") {
		t.Error("a text from outside reached the log as it was")
	}
}

func text(t testing.TB, v verdict.Verdict, style verdict.Style) string {
	t.Helper()
	var b strings.Builder
	if v.Remedies == nil {
		v.Remedies = remedies(v)
	}
	if err := verdict.WriteText(&b, v, style); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// remedies returns what the service says about an image with these findings, in which
// apt-get, apk, npm, pip and dnf are installed.
func remedies(v verdict.Verdict) []verdict.Remedy {
	in := remedy.Input{System: v.System, Inventory: inventory.Inventory{Packages: []inventory.Package{
		{Type: "deb", Name: "apt"}, {Type: "apk", Name: "apk-tools"}, {Type: "rpm", Name: "dnf"},
	}}}
	for _, f := range v.Findings {
		in.Findings = append(in.Findings, match.Finding{Match: &match.Match{Finding: f}, Package: &f.Package, Fails: f.Fails, Rule: f.Rule, Origin: f.Origin})
	}
	return remedy.Of(in)
}

// last returns the lines of a log that a builder repeats.
func last(log string) string {
	lines := strings.SplitAfter(strings.TrimSuffix(log, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "") + "\n"
}

var colors = regexp.MustCompile(`\x1b\[[\d;]+m`)

func plain(log string) string { return colors.ReplaceAllString(log, "") }

// hold checks what every log guarantees.
func hold(t *testing.T, log string, style verdict.Style) {
	t.Helper()
	width := 100
	if style.Width > 0 {
		width = min(100, max(60, style.Width))
	}
	if strings.Count(log, "assay: verdict=") != 1 || !strings.Contains(last(log), "\nassay: verdict=") && !strings.HasPrefix(last(log), "assay: verdict=") {
		t.Errorf("no stable line in the last ten, or another elsewhere:\n%s", log)
	}
	_, tail, found := strings.Cut(log, "\n\nreport: ")
	if found && strings.Count(tail, "\n") > 10 {
		t.Errorf("the tail is longer than ten lines:\n%s", tail)
	}
	if !strings.HasSuffix(log, "\n") {
		t.Error("no line end at the end")
	}
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		for i := range len(line) {
			if line[i] < ' ' || line[i] > '~' {
				t.Errorf("byte %#x in %q", line[i], line)
			}
		}
		limit := width
		if strings.HasSuffix(line, "' \\") { // a line that is pasted and cannot be broken
			limit = 100
		}
		if strings.HasPrefix(line, "assay: verdict=") || strings.HasPrefix(line, "report: ") {
			limit = 100
		}
		if len(line) > limit {
			t.Errorf("%d columns, at most %d: %s", len(line), limit, line)
		}
		if strings.HasSuffix(line, " ") {
			t.Errorf("blanks at the end of %q", line)
		}
	}
}

// golden compares a log with the one that people have looked at.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "log", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: -update rewrites it; got:\n%s\nwant:\n%s", path, got, want)
	}
}
