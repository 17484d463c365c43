package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"assay/remote/cyclonedx"
	"assay/service/match"
	"assay/verdict"
)

var today = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// excepted decides findings under files of exceptions.
func excepted(t *testing.T, files []cyclonedx.File, findings ...match.Finding) verdict.Verdict {
	t.Helper()
	in := scanned(findings...)
	in.Now = today
	in.Exceptions = ReadExceptions(files, "", nil)
	v := verdict.Verdict{Data: in.Data, Options: in.Options, System: in.Result.System, Evaluated: Evaluated(in)}
	d, decided, counts := Decide(in)
	v.Decision, v.Counts, v.Exceptions = d, counts, in.Exceptions.Result(in.Now)
	for _, f := range decided {
		v.Findings = append(v.Findings, f.Verdict())
	}
	if err := v.Check(); err != nil {
		t.Errorf("%v\n%+v", err, v)
	}
	return v
}

// in returns a finding with an id in a package.
func in(id, name, words string) match.Finding {
	f := found(words)
	f.ID, f.Package = id, &verdict.Package{Type: "npm", Name: name, Version: "1.0.0", PURL: "pkg:npm/" + name + "@1.0.0"}
	return f
}

func ignoring(name, text string) cyclonedx.File {
	return cyclonedx.File{Kind: cyclonedx.FileIgnore, Name: name, Body: []byte(text)}
}

// Files that need too many comparisons make the answer untrusted, and soon.
func TestTooMuchWork(t *testing.T) {
	purls := strings.Repeat("pkg:gem/a,", 10_000)
	products := strings.TrimSuffix(strings.Repeat(`"pkg:gem/a",`, 190_000), ",")
	files := map[string]cyclonedx.File{
		"without an id": ignoring("a.yaml", "exceptions:\n"+strings.Repeat("- {reason: r, purl: ["+purls+"]}\n", 9)),
		"of one id":     ignoring("a.yaml", "exceptions:\n"+strings.Repeat("- {id: CVE-2024-1, reason: r, purl: ["+purls+"]}\n", 9)),
		"VEX": {Kind: cyclonedx.FileVEX, Name: "vex.json", Body: []byte(
			`{"@context":"https://openvex.dev/ns/v0.2.0","statements":[{"vulnerability":"CVE-2024-1","status":"not_affected","products":[` + products + `]}]}`)},
	}
	var findings []match.Finding
	for i := range 400 {
		findings = append(findings, in("CVE-2024-1", fmt.Sprint("a", i), "low"))
	}
	for name, f := range files {
		v := excepted(t, []cyclonedx.File{f}, findings...)
		if v.Decision.Code != verdict.CodeUntrusted || !strings.Contains(v.Decision.Reasons[0].Text, "comparisons") {
			t.Errorf("%s: %+v, %+v", name, v.Decision, v.Exceptions[0])
		}
	}
}

func TestExceptions(t *testing.T) {
	const day = "2027-01-31"
	high := in("CVE-2024-1", "lodash", "high fixed")
	accepted := "- {id: CVE-2024-1, reason: not reachable, by: security team, expires: " + day + "}\n"
	expired := "- {id: CVE-2024-1, reason: not reachable, expires: 2026-10-01}\n"
	tests := []struct {
		name     string
		file     string
		finding  match.Finding
		rule     string
		fails    bool
		grounds  string // by, reason, until, written
		accepted int
	}{
		{"accepted", accepted, high, "accepted", false, "security team|not reachable|2027-01-31|a.yaml line 2", 1},
		{"below the threshold", accepted, in("CVE-2024-1", "lodash", "low fixed"), "accepted", false, "security team|not reachable|2027-01-31|a.yaml line 2", 1},
		{"expired", expired, high, "severity", true, "|its exception expired on 2026-10-01: not reachable|2026-10-01|a.yaml line 2", 0},
		{"expired, and would pass without", expired, in("CVE-2024-1", "lodash", "low fixed"), "below-threshold", false, "|||", 0},
		{"expired, and another one", expired + "- {package: lodash, reason: r}\n", high, "accepted", false, "|r||a.yaml line 3", 1},
		{"another vulnerability", accepted, in("CVE-2024-2", "lodash", "high fixed"), "severity", true, "|||", 0},
		{"a package", "- {package: lodash, reason: r}\n", high, "accepted", false, "|r||a.yaml line 2", 1},
		{"another package", "- {package: underscore, reason: r}\n", high, "severity", true, "|||", 0},
		{"a pattern", "- {package-pattern: 'lo.*', reason: r}\n", high, "accepted", false, "|r||a.yaml line 2", 1},
		{"known exploited, by its id", accepted, in("CVE-2024-1", "lodash", "high kev"), "accepted", false, "security team|not reachable|2027-01-31|a.yaml line 2", 1},
		{"known exploited, by its package", "- {package: lodash, reason: r}\n", in("CVE-2024-1", "lodash", "high kev"), "known-exploited", true, "|||", 0},
		{"malicious", "- {id: MAL-1, reason: r}\n", in("MAL-1", "lodash", "high malicious"), "malicious", true, "|||", 0},
		{"kernel", accepted, in("CVE-2024-1", "linux", "high fixed kernel"), "kernel", false, "|||", 0},
	}
	for _, tt := range tests {
		v := excepted(t, []cyclonedx.File{ignoring("a.yaml", "exceptions:\n"+tt.file)}, tt.finding)
		if tt.rule == "kernel" {
			if len(v.Findings) != 0 || v.Exceptions[0].Unmatched != 0 {
				t.Errorf("kernel: %+v", v)
			}
			continue
		}
		f := v.Findings[0]
		until := ""
		if f.Until != nil {
			until = f.Until.Format(time.DateOnly)
		}
		if grounds := strings.Join([]string{f.By, f.Reason, until, f.Written}, "|"); f.Rule != tt.rule || f.Fails != tt.fails || grounds != tt.grounds {
			t.Errorf("%s: %s, fails %t, %s; want %s, %t, %s", tt.name, f.Rule, f.Fails, grounds, tt.rule, tt.fails, tt.grounds)
		}
		if v.Exceptions[0].Accepted != tt.accepted {
			t.Errorf("%s: %d accepted, want %d", tt.name, v.Exceptions[0].Accepted, tt.accepted)
		}
	}
}

// Expired and unmatched exceptions are named.
func TestNamedExceptions(t *testing.T) {
	v := excepted(t, []cyclonedx.File{
		ignoring("a.yaml", "exceptions:\n- {id: CVE-2024-1, reason: r}\n- {id: CVE-0000-0000, reason: r}\n- {id: CVE-2024-2, reason: r, expires: 2026-11-01}\n- {package: nothing, reason: r, expires: 2026-11-01}\n"),
		ignoring(".trivyignore", "CVE-2024-1\nCVE-2024-3 exp:soon\n"),
		ignoring(".grype.yaml", "ignore:\n- {namespace: nvd, vulnerability: CVE-2024-1}\n"),
	}, in("CVE-2024-1", "a", "high fixed"), in("CVE-2024-2", "b", "high fixed"))
	want := []verdict.ExceptionFile{
		{File: "a.yaml", Format: "assayignore", Entries: 4, Accepted: 1, Unmatched: 2, UnmatchedNames: []string{"CVE-0000-0000 (line 3)", "nothing (line 5)"},
			Expired: 1, ExpiredNames: []string{"CVE-2024-2 (line 4) on 2026-11-01"}},
		{File: ".trivyignore", Format: "trivyignore", Entries: 2, Unmatched: 1, UnmatchedNames: []string{`CVE-2024-3 (line 2), its date "soon" is invalid`}},
		{File: ".grype.yaml", Format: "grype", Entries: 1, Unmatched: 1, UnmatchedNames: []string{"CVE-2024-1 (line 2), namespace is not supported"}},
	}
	if got, want := fmt.Sprintf("%+v", v.Exceptions), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if v.Decision.Code != verdict.CodeFail || v.Counts.Failing != 1 {
		t.Errorf("%+v", v.Decision)
	}
}

// A file that cannot be read makes the answer untrusted, whatever else is found.
func TestUnreadExceptions(t *testing.T) {
	fine := ignoring("a.yaml", "exceptions:\n- {id: CVE-2024-1, reason: r}\n")
	var many []cyclonedx.File
	for range maxFiles + 1 {
		many = append(many, fine)
	}
	general := "ignore:\n" + strings.Repeat("- {package: {type: npm}}\n", maxGeneral+1)
	tests := []struct {
		name  string
		files []cyclonedx.File
		want  string
	}{
		{"not YAML", []cyclonedx.File{fine, ignoring("b.yaml", "{")}, "b.yaml cannot be read: not YAML"},
		{"an unknown kind", []cyclonedx.File{{Kind: "rego", Name: "x"}}, `unknown kind "rego" of file`},
		{"too many files", many, "more than 20 files"},
		{"too many patterns", []cyclonedx.File{ignoring("b.yaml", general)}, "more than 1000 exceptions without an id"},
		{"VEX in YAML", []cyclonedx.File{{Kind: cyclonedx.FileVEX, Name: "v.yaml", Body: []byte("statements: []")}}, "not a VEX document in JSON"},
		{"an image", []cyclonedx.File{ignoring("x", "\x89PNG\r\n\x1a\n")}, "not UTF-8"},
	}
	for _, tt := range tests {
		v := excepted(t, tt.files)
		if strings.Contains(v.Decision.Reasons[0].Hint, "policy convert") != (tt.name != "VEX in YAML") {
			t.Errorf("%s: hint %q", tt.name, v.Decision.Reasons[0].Hint)
		}
		if r := v.Decision.Reasons[0]; v.Decision.Code != verdict.CodeUntrusted || r.Rule != verdict.RuleExceptions || !strings.Contains(r.Text, tt.want) {
			t.Errorf("%s: %+v", tt.name, v.Decision)
		}
		v.Decision = verdict.Decision{Outcome: verdict.Pass, Reasons: []verdict.Reason{{Rule: verdict.RuleClean}}}
		if err := v.Check(); err == nil {
			t.Errorf("%s: a pass is believed", tt.name)
		}
	}
}

// 10,000 exceptions and many findings are decided quickly: most are found by id or name.
func TestManyExceptions(t *testing.T) {
	var text strings.Builder
	text.WriteString("exceptions:\n")
	var findings []match.Finding
	for i := range 5000 {
		fmt.Fprintf(&text, "- {id: CVE-2024-%d, reason: r}\n- {package: p%d, reason: r}\n", i, i)
		findings = append(findings, in(fmt.Sprintf("CVE-2024-%d", 2*i), fmt.Sprintf("p%d", 2*i+1), "high fixed"))
	}
	v := excepted(t, []cyclonedx.File{ignoring("a.yaml", text.String())}, findings...)
	if v.Exceptions[0].Accepted != 2500 || v.Exceptions[0].Unmatched != 5000 || len(v.Exceptions[0].UnmatchedNames) != maxNamed || v.Counts.Failing != 2500 {
		t.Errorf("%+v, %+v", v.Exceptions, v.Counts)
	}
}
