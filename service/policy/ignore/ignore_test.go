package ignore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"assay/remote/purl"
	"assay/service/advisory"
	"assay/service/match"
	"assay/verdict"
)

// finding returns a finding in a package: "CVE-2024-1 GHSA-1" are its id and an alias.
func finding(ids string, p verdict.Package) match.Finding {
	words := strings.Fields(ids)
	return match.Finding{Match: &match.Match{Finding: verdict.Finding{ID: words[0], Aliases: words[1:]}}, Package: &p}
}

var (
	openssl = verdict.Package{Type: "deb", Name: "libssl3", Version: "3.0.11-1", Source: "openssl", SourceVersion: "3.0.11-1",
		PURL: "pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&distro=debian-12", Paths: []string{"var/lib/dpkg/status"}}
	lodash = verdict.Package{Type: "npm", Name: "lodash", Version: "4.17.20", PURL: "pkg:npm/lodash@4.17.20",
		Paths: []string{"usr/lib/node_modules/app/node_modules/lodash/package.json"}}
	log4j = verdict.Package{Type: "maven", Name: "org.apache.logging.log4j:log4j-core", Version: "2.14.1",
		PURL: "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", Paths: []string{"app/lib/log4j-core-2.14.1.jar"}}
)

// TestMatches decides entries of each format about three findings.
func TestMatches(t *testing.T) {
	fixed := finding("CVE-2024-1 GHSA-aaaa-bbbb-cccc", lodash)
	fixed.Fixed = "4.17.21"
	wontFix := finding("CVE-2024-2", openssl)
	wontFix.Status = advisory.StatusWontFix
	findings := map[string]match.Finding{"lodash": fixed, "openssl": wontFix, "log4j": finding("CVE-2021-44228", log4j)}

	ours := func(condition string) string { return "exceptions:\n- " + condition + "\n  reason: r\n" }
	trivy := func(rest string) string { return "vulnerabilities:\n- id: CVE-2024-1\n  " + rest + "\n" }
	grype := func(rule string) string { return "ignore:\n- " + rule + "\n" }
	tests := []struct{ name, file, want string }{
		{"a.yaml", ours("id: CVE-2024-1"), "lodash"},
		{"a.yaml", ours("id: GHSA-aaaa-bbbb-cccc"), "lodash"},
		{"a.yaml", ours("id: CVE-2024-9999"), ""},
		{"a.yaml", ours("package: libssl3"), "openssl"},
		{"a.yaml", ours("package: openssl"), ""},
		{"a.yaml", ours("source: openssl"), "openssl"},
		{"a.yaml", ours("package: log4j-core"), "log4j"},
		{"a.yaml", ours("package: org.apache.logging.log4j:log4j-core"), "log4j"},
		{"a.yaml", ours("package-pattern: lib.*"), "openssl"},
		{"a.yaml", ours("package-pattern: ib.*"), ""},
		{"a.yaml", ours("package-pattern: lib|openssl|xdash"), ""}, // whole names, in each alternative
		{"a.yaml", ours("package-pattern: lib.*|lodash"), "lodash openssl"},
		{"a.yaml", ours("package-pattern: 'x)|(?:.*'"), "error"},
		{"a.yaml", ours("source-pattern: open|x"), ""},
		{"a.yaml", ours("{id: CVE-2024-1, package: libssl3}"), "error"}, // flow and block mixed
		{"a.yaml", "exceptions: [{id: CVE-2024-1, package: libssl3, reason: r}]", ""},
		{"a.yaml", ours("purl: pkg:npm/lodash"), "lodash"},
		{"a.yaml", ours("purl: pkg:npm/lodash@4.17.20"), "lodash"},
		{"a.yaml", ours("purl: pkg:npm/lodash@4.17.21"), ""},
		{"a.yaml", ours("purl: [pkg:npm/lodash, pkg:deb/debian/libssl3]"), "lodash openssl"},
		{"a.yaml", ours("purl: pkg:deb/debian/libssl3?arch=amd64"), "openssl"},
		{"a.yaml", ours("purl: pkg:deb/debian/libssl3?arch=arm64"), ""},
		{"a.yaml", ours("purl: pkg:deb/ubuntu/libssl3"), ""},
		{"a.yaml", ours("type: npm"), "lodash"},
		{"a.yaml", ours("path: /usr/lib/node_modules/**"), "lodash"},
		{"a.yaml", ours("path: /usr/lib/*"), ""},
		{"a.yaml", ours("path: [/app/**, /**/lodash/package.json]"), "lodash log4j"},
		{"a.yaml", ours("fix-state: fixed"), "lodash"},
		{"a.yaml", ours("fix-state: wont-fix"), "openssl"},
		{"a.yaml", ours("fix-state: not-fixed"), "log4j"},
		{"a.yaml", ours("package: libssl3\n  versions: < 3.0.13"), "openssl"},
		{"a.yaml", ours("package: libssl3\n  versions: '>= 3.0.11-1, < 3.0.11-2'"), "openssl"},
		{"a.yaml", ours("package: libssl3\n  versions: < 3.0.11-1"), ""},
		{"a.yaml", ours("package: libssl3\n  versions: 3.0.11-1"), "openssl"},
		{"a.yaml", ours("package: lodash\n  versions: < 4.17.9"), ""},
		{"a.yaml", ours("package: log4j-core\n  versions: '> 2.9, <= 2.14.1'"), "log4j"},
		{"a.yaml", "exceptions:\n", ""},
		{"a.yaml", "# nothing\n", ""},
		{"a.yaml", "", ""},

		{".trivyignore", "# a comment\n\nCVE-2024-1\nCVE-2021-44228 exp:2020-01-01 # inline\n", "lodash log4j"},
		{".trivyignore", "AVD-AWS-0001\naws-access-key-id\nGPL-2.0+\n(MIT OR CC0-1.0)\n", ""},
		{".trivyignore", "CVE-2024-1,CVE-2024-2\n", "error"}, // Trivy takes it for one id
		{".trivyignore", "CVE-2024-*\n", "error"},
		{".trivyignore", "CVE-2024-1 exp:tomorrow\n", ""}, // Trivy skips it, too
		{".trivyignore.yaml", trivy(""), "lodash"},
		{".trivyignore.yaml", trivy("paths: [usr/lib/node_modules/**]"), "lodash"},
		{".trivyignore.yaml", trivy("paths: [/usr/lib/node_modules/**]"), ""},
		{".trivyignore.yaml", trivy("paths: ['**/package.json']"), "lodash"},
		{".trivyignore.yaml", trivy("purls: ['pkg:npm/lodash@4.17.20']"), "lodash"},
		{".trivyignore.yaml", trivy("purls: ['pkg:npm/underscore']"), ""},
		{".trivyignore.yaml", "vulnerabilities: [{statement: none}]\nsecrets: [{id: x, any: y}]\n", ""},

		{".grype.yaml", grype("vulnerability: CVE-2024-1"), "lodash"},
		{".grype.yaml", grype("vulnerability: GHSA-aaaa-bbbb-cccc\n  include-aliases: true"), "lodash"},
		{".grype.yaml", grype("package: {name: libssl3}"), "openssl"},
		{".grype.yaml", grype("package: {name: 'lib.*'}"), "openssl"},
		{".grype.yaml", grype("package: {name: 'libssl.'}"), ""},
		{".grype.yaml", grype("package: {name: 'lib|dash'}"), "lodash openssl"}, // ^lib|dash$
		{".grype.yaml", grype("package: {name: 'ib|das'}"), ""},
		{".grype.yaml", grype("package: {name: 'x)|(?:.*'}"), ""},
		{".grype.yaml", grype("package: {upstream-name: openssl}"), "openssl"},
		{".grype.yaml", grype("package: {name: log4j-core, version: 2.14.1, type: java-archive}"), "log4j"},
		{".grype.yaml", grype("package: {name: log4j-core, version: 2.14.0}"), ""},
		{".grype.yaml", grype("package: {language: javascript}"), "lodash"},
		{".grype.yaml", grype("package: {language: javascript, type: gem}"), ""},
		{".grype.yaml", grype("package: {location: '/usr/lib/node_modules/**'}"), "lodash"},
		{".grype.yaml", grype("package: {location: '**/package.json'}"), "lodash"},
		{".grype.yaml", grype("package: {location: 'usr/lib/**'}"), ""},
		{".grype.yaml", grype("fix-state: wont-fix"), "openssl"},
		{".grype.yaml", grype("fix-state: unknown"), ""},
		{".grype.yaml", grype("namespace: debian:distro:debian:12"), ""},
		{".grype.yaml", grype("package: {name: 'lib('}"), ""},
		{".grype.yaml", grype("{vulnerability: CVE-2024-1, vex-status: not_affected}"), ""},
		{".grype.yaml", grype("{vulnerability: CVE-2024-1, vex-justification: inline_mitigations_already_exist}"), "lodash"},
		{".grype.yaml", "output: [table]\nignore:\n- reason: no condition\n", ""},
	}
	for _, tt := range tests {
		f, err := Parse(tt.name, []byte(tt.file))
		if err != nil {
			if tt.want != "error" {
				t.Errorf("%s %q: %v", tt.name, tt.file, err)
			}
			continue
		}
		got := accepted(f, findings)
		if got != tt.want {
			t.Errorf("%s %q: accepts %q, want %q", tt.name, tt.file, got, tt.want)
		}
		// The converted file accepts the same.
		var b strings.Builder
		if err := Write(&b, f); err != nil {
			t.Fatal(err)
		}
		again, err := Parse("converted.yaml", []byte(b.String()))
		if err != nil {
			t.Errorf("%s %q: converted to %s: %v", tt.name, tt.file, b.String(), err)
			continue
		}
		if got := accepted(again, findings); got != tt.want || again.Format != Assay {
			t.Errorf("%s %q: converted to %s: accepts %q, want %q", tt.name, tt.file, b.String(), got, tt.want)
		}
	}
}

// accepted returns the findings that a rule of a file accepts.
func accepted(f File, findings map[string]match.Finding) string {
	var names []string
	for _, name := range []string{"lodash", "openssl", "log4j"} {
		for _, r := range f.Rules {
			if r.Matches(findings[name]) {
				names = append(names, name)
				break
			}
		}
	}
	return strings.Join(names, " ")
}

// Trivy, Syft and assay write the version of Go's standard library differently.
func TestStandardLibrary(t *testing.T) {
	f := finding("CVE-2024-1", verdict.Package{Type: "golang", Name: "stdlib", Version: "1.22.1", PURL: "pkg:golang/stdlib@1.22.1"})
	for file, want := range map[string]bool{
		"vulnerabilities: [{id: CVE-2024-1, purls: ['pkg:golang/stdlib@v1.22.1']}]":           true,
		"vulnerabilities: [{id: CVE-2024-1, purls: ['pkg:golang/stdlib@go1.22.1']}]":          true,
		"vulnerabilities: [{id: CVE-2024-1, purls: ['pkg:golang/stdlib@v1.22.2']}]":           false,
		"ignore: [{package: {name: stdlib, version: go1.22.1, type: go-module}}]":             true,
		"ignore: [{package: {name: stdlib, version: go1.22.10, type: go-module}}]":            false,
		"exceptions: [{id: CVE-2024-1, purl: 'pkg:golang/stdlib@1.22.1', reason: r}]":         true,
		"exceptions: [{id: CVE-2024-1, purl: 'pkg:golang/example.com/stdlib@v1', reason: r}]": false,
	} {
		read, err := Parse("a.yaml", []byte(file))
		if err != nil || len(read.Rules) != 1 || read.Rules[0].Matches(f) != want {
			t.Errorf("%s: %v, want %v", file, err, want)
		}
	}
}

// The spellings of tools in the purl of a package.
func TestNames(t *testing.T) {
	bsdutils := verdict.Package{Type: "deb", PURL: "pkg:deb/debian/bsdutils@1:2.38.1-5?arch=amd64&distro=debian-12&upstream=util-linux%402.38.1-5"}
	openssl := verdict.Package{Type: "rpm", PURL: "pkg:rpm/redhat/openssl@1.1.1k-9?arch=x86_64&distro=rhel-8.6&epoch=1"}
	musl := verdict.Package{Type: "apk", PURL: "pkg:apk/alpine/musl@1.1.24-r2?arch=x86_64&distro=alpine-3.11.5"}
	for _, tt := range []struct {
		pkg  verdict.Package
		purl string
		want bool
	}{
		{bsdutils, "pkg:deb/debian/bsdutils@2.38.1-5?arch=amd64&distro=debian-12.4&epoch=1", true},
		{bsdutils, "pkg:deb/debian/bsdutils@2.38.1-5", true},
		{bsdutils, "pkg:deb/debian/bsdutils@1:2.38.1-5", true},
		{bsdutils, "pkg:deb/debian/bsdutils@2:2.38.1-5", false},
		{bsdutils, "pkg:deb/debian/bsdutils@2.38.1-5?epoch=2", false},
		{bsdutils, "pkg:deb/debian/bsdutils@2.38.1-5?epoch=0", false},
		{bsdutils, "pkg:deb/debian/bsdutils@2.38.1", false},
		{bsdutils, "pkg:deb/debian/bsdutils?epoch=1", false},
		{bsdutils, "pkg:deb/debian/bsdutils?distro=debian-1", false},
		{bsdutils, "pkg:deb/debian/bsdutils?distro=debian-11.4", false},
		{bsdutils, "pkg:deb/debian/bsdutils?distro=ubuntu-12", false},
		{openssl, "pkg:rpm/redhat/openssl@1.1.1k-9?distro=redhat-8.6&epoch=1", true},
		{openssl, "pkg:rpm/redhat/openssl@1.1.1k-9?distro=redhat-8.60", false},
		{openssl, "pkg:rpm/redhat/openssl@1:1.1.1k-9", true},
		{musl, "pkg:apk/alpine/musl@1.1.24-r2?arch=x86_64&distro=3.11.5", true},
		{musl, "pkg:apk/alpine/musl@1.1.24-r2?arch=x86_64&distro=3.12.5", false},
	} {
		var p purl.PURL
		if err := p.Parse(tt.purl); err != nil {
			t.Fatal(err)
		}
		if got := Names(p, &tt.pkg); got != tt.want {
			t.Errorf("%s names %s: %v, want %v", tt.purl, tt.pkg.PURL, got, tt.want)
		}
	}
}

// A package of Python may be named as its project writes it.
func TestPythonName(t *testing.T) {
	f, err := Parse("a.yaml", []byte("ignore: [{package: {name: Zope.Interface, type: python}}]"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"zope-interface": true, "zope.interface": true, "zopeinterface": false} {
		if got := f.Rules[0].Matches(finding("CVE-1", verdict.Package{Type: "pypi", Name: name, Version: "1"})); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if f.Rules[0].Matches(finding("CVE-1", verdict.Package{Type: "gem", Name: "zope-interface", Version: "1"})) {
		t.Error("a gem has a name of Python")
	}
}

func TestExpires(t *testing.T) {
	f, err := Parse("a.yaml", []byte("exceptions:\n- {id: CVE-1, reason: r, by: security team, expires: 2027-01-31}\n- {id: CVE-2, reason: r, expires: '2027-01-31T12:00:00+02:00'}\n- {id: CVE-3, reason: r}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2027, 1, 30, 23, 59, 59, 0, time.UTC), "false false false"},
		{time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC), "true false false"},
		{time.Date(2027, 1, 31, 10, 0, 0, 0, time.UTC), "true true false"},
	} {
		var got []string
		for _, r := range f.Rules {
			got = append(got, fmt.Sprint(r.Expired(tt.at)))
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.at, s, tt.want)
		}
	}
	if r := f.Rules[0]; r.By != "security team" || r.Line != 2 || r.Title() != "CVE-1 (line 2)" {
		t.Errorf("%+v, %s", r, r.Title())
	}
}

// A rule that forbids is also about a version that cannot be compared.
func TestMayMatch(t *testing.T) {
	f, err := Parse("a.yaml", []byte("exceptions: [{package: lodash, versions: '>= 4.17, < 4.17.21', reason: r}]"))
	if err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]string{"4.17.20": "true true", "4.17.21": "false false", "4.17": "true true", "latest": "false true", "": "false true"} {
		p := lodash
		p.Version = version
		r := f.Rules[0]
		if got := fmt.Sprint(r.Matches(finding("CVE-1", p)), r.MayMatch(finding("CVE-1", p))); got != want {
			t.Errorf("version %q: %s, want %s", version, got, want)
		}
		if p.Name = "underscore"; r.MayMatch(finding("CVE-1", p)) {
			t.Errorf("version %q of another package matches", version)
		}
	}
}

// A file that cannot be read is an error and accepts nothing.
func TestErrors(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'i'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 10), ","))
	}
	tests := []struct{ name, file, want string }{
		{"a.yaml", "this is not a list of exceptions", "line 1: want keys and values"},
		{"a.yaml", "\t: {", "not YAML"},
		{"a.yaml", "exceptions: [", "not YAML"},
		{"a.yaml", "<html><body>Not found</body></html>", "want keys and values"},
		{"a.yaml", "rules: []", "line 1: want one of the keys"},
		{"a.yaml", "exceptions: []\nignore: []", "line 2: unknown key \"ignore\""},
		{"a.yaml", "vulnerabilities: []\nignore: []", "want one of the keys"},
		{"a.yaml", "exceptions: []\nexceptions: []", "repeated or invalid key"},
		{"a.yaml", "exceptions: []\n---\nexceptions: []", "more than one YAML document"},
		{"a.yaml", "exceptions: {id: CVE-1}", "line 1: want a list"},
		{"a.yaml", "exceptions:\n- CVE-1", "line 2: want keys and values"},
		{"a.yaml", "exceptions:\n- id: CVE-1", "line 2: the exception has no reason"},
		{"a.yaml", "exceptions:\n- {id: CVE-1, reason: ' '}", "no reason"},
		{"a.yaml", "exceptions:\n- {reason: r}", "without a condition"},
		{"a.yaml", "exceptions:\n- {id: CVE-1, reason: r, packge: x}", "line 2: unknown key \"packge\""},
		{"a.yaml", "exceptions:\n- {id: CVE-1, reason: r, expires: soon}", "line 2: invalid day \"soon\""},
		{"a.yaml", "exceptions:\n- {id: [CVE-1], reason: r}", "want a text"},
		{"a.yaml", "exceptions:\n- {purl: 'npm/x', reason: r}", "line 2: purl \"npm/x\""},
		{"a.yaml", "exceptions:\n- {id: CVE-1, package: '', reason: r}", "line 2: \"package\" has no value"},
		{"a.yaml", "exceptions:\n- {id: CVE-1, purl: [], reason: r}", "line 2: \"purl\" has no value"},
		{"a.yaml", "exceptions:\n- {package: x, versions: ' ', reason: r}", "line 2: \"versions\" has no value"},
		{"a.yaml", "exceptions:\n- id: CVE-1\n  reason: r\n  expires:\n", "\"expires\" has no value"},
		{"a.yaml", "exceptions:\n- {id: CVE-1, reason: r, expires: 0001-01-01}", "invalid day"},
		{"a.yaml", "exceptions:\n- {path: 'usr/**', reason: r}", "does not begin with a slash"},
		{"a.yaml", "exceptions:\n- {path: '/usr/[', reason: r}", "invalid path pattern"},
		{"a.yaml", "exceptions:\n- {package-pattern: 'x(', reason: r}", "invalid pattern"},
		{"a.yaml", "exceptions:\n- {package: x, versions: '~> 1', reason: r}", "invalid range"},
		{"a.yaml", "exceptions:\n- {id: CVE-1, versions: '< 1', reason: r}", "versions without a package"},
		{"a.yaml", "exceptions:\n- {id: CVE-1, fix-state: fine, reason: r}", "invalid fix-state"},
		{"a.yaml", "exceptions: &a\n- *a", "nested more than"},
		{"a.yaml", bomb + "exceptions: []", "more than 400000 values"},
		{"a.yaml", "exceptions: " + strings.Repeat("[", 5000), ""},
		{"a.yaml", strings.Repeat("#", MaxBytes+1), "more than 1048576 bytes"},
		{"a.yaml", "exceptions:\n" + strings.Repeat("- {id: C, reason: r}\n", MaxRules+1), "more than 10000 entries"},
		{"a.yaml", "exceptions: [{id: \xff, reason: r}]", "not UTF-8"},
		{".trivyignore.yaml", "vulnerabilities:\n- {id: CVE-1, path: [x]}", "unknown key \"path\""},
		{".trivyignore.yaml", "vulnerabilities: []\nvulnerabilites: []", "unknown key"},
		{".grype.yaml", "ignore:\n- {vulnerability: CVE-1, packge: {name: x}}", "unknown key \"packge\""},
		{".grype.yaml", "ignore:\n- {vulnerability: CVE-1, package: {nam: x}}", "unknown key \"nam\""},
		{".trivyignore", "exceptions:\n- id: CVE-1\n", "line 1: \"exceptions:\" is not an id; the name of a YAML file ends in .yaml or .yml"},
		{".trivyignore", "<html>", "is not an id"},
		{".trivyignore", "{\"exceptions\": []}", "line 1: it is JSON; --vex reads VEX statements"},
		{".trivyignore", strings.Repeat("CVE-1\n", MaxRules+1), "more than 10000 entries"},
		{".trivyignore", strings.Repeat("C", 100<<10), "read the lines"},
	}
	for _, tt := range tests {
		f, err := Parse(tt.name, []byte(tt.file))
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(f.Rules) > 0 || len(err.Error()) > 500 {
			t.Errorf("%s %.80q: %v, %d rules; want %s", tt.name, tt.file, err, len(f.Rules), tt.want)
		}
	}
}

// 10,000 entries are read.
func TestMany(t *testing.T) {
	var b strings.Builder
	b.WriteString("exceptions:\n")
	for i := range MaxRules {
		fmt.Fprintf(&b, "- {id: CVE-2024-%d, package: p%d, reason: r}\n", i, i)
	}
	f, err := Parse("a.yaml", []byte(b.String()))
	if err != nil || len(f.Rules) != MaxRules {
		t.Errorf("%d rules, %v", len(f.Rules), err)
	}
}

// FuzzParse: no file makes the parser panic, and what is read can be written and read again.
func FuzzParse(f *testing.F) {
	f.Add("a.yaml", "exceptions:\n- {id: CVE-1, package: x, versions: '< 1', path: /usr/**, reason: r, expires: 2027-01-31}")
	f.Add(".trivyignore", "CVE-1 exp:2027-01-31\n# x\n")
	f.Add(".trivyignore.yaml", "vulnerabilities:\n- {id: CVE-1, paths: [a/**], purls: ['pkg:npm/x'], expired_at: 2027-01-31}")
	f.Add(".grype.yaml", "ignore:\n- {vulnerability: CVE-1, package: {name: 'x.*', location: '**', type: deb}}\n- fix-state: unknown")
	f.Add("a.yaml", "a: &a [*a]\nexceptions: *a")
	f.Fuzz(func(t *testing.T, name, file string) {
		read, err := Parse(name, []byte(file))
		if err != nil {
			if len(read.Rules) > 0 {
				t.Error("rules with an error")
			}
			return
		}
		for _, r := range read.Rules {
			r.Matches(finding("CVE-1", lodash))
			r.Title()
		}
		var b strings.Builder
		if err := Write(&b, read); err != nil {
			t.Fatal(err)
		}
		if len(b.String()) > MaxBytes {
			return
		}
		if _, err := Parse("a.yaml", []byte(b.String())); err != nil {
			t.Errorf("%q written as %q: %v", file, b.String(), err)
		}
	})
}
