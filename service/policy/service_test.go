package policy

import (
	"fmt"
	"strings"
	"testing"

	"assay/remote/cyclonedx"
	"assay/service/match"
	"assay/service/policy/ruleset"
	"assay/verdict"
)

// servicePolicy returns what a policy says about all scans.
func servicePolicy(t *testing.T, text string) *ruleset.Effective {
	t.Helper()
	p, err := ruleset.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p.Version = 3
	return p.For("", "")
}

// A build may be stricter than the mandatory values of the service, and not weaker.
func TestServiceOptions(t *testing.T) {
	service := servicePolicy(t, "all:\n  default: {fail-on: medium, strict: true}\n  mandatory: {fail-on: critical, fail-on-eol: true}\n")
	tests := []struct {
		sent    []cyclonedx.Option
		failOn  string
		strict  bool
		ignored string
	}{
		{nil, "medium", true, ""}, // the defaults are not what the build asked for
		{[]cyclonedx.Option{{Name: "fail-on-eol", Value: "false", Origin: "flag"}}, "medium", true,
			"fail-on-eol=false flag the service requires true (policy version 3 line 3)"},
		{[]cyclonedx.Option{{Name: "fail-on", Value: "critical", Origin: "flag"}, {Name: "fail-on-eol", Value: "true", Origin: "flag"}}, "critical", true, ""},
		{[]cyclonedx.Option{{Name: "fail-on", Value: "none", Origin: "flag"}, {Name: "fail-on-eol", Value: "true", Origin: "flag"}}, "critical", true,
			"fail-on=none flag the service requires critical (policy version 3 line 3)"},
		{[]cyclonedx.Option{{Name: "strict", Value: "false", Origin: "flag"}, {Name: "fail-on-eol", Value: "true", Origin: "flag"}}, "medium", false, ""},
		{[]cyclonedx.Option{{Name: "strict", Value: "false", Origin: "ASSAY_STRICT"}, {Name: "fail-on-eol", Value: "true", Origin: "flag"}}, "medium", true,
			"strict=false ASSAY_STRICT an environment variable may not weaken the gate, a flag in the Dockerfile may"},
		{[]cyclonedx.Option{{Name: "fail-on", Value: "high", Origin: "ASSAY_FAIL_ON"}, {Name: "fail-on-eol", Value: "true", Origin: "flag"}}, "medium", true,
			"fail-on=high ASSAY_FAIL_ON an environment variable may not weaken the gate, a flag in the Dockerfile may"},
	}
	for _, tt := range tests {
		o, ignored, err := Options(tt.sent, Allow{}, service)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, i := range ignored {
			got += fmt.Sprintf("%s=%s %s %s", i.Name, i.Value, i.Origin, i.Reason)
		}
		if string(o.FailOn) != tt.failOn || o.Strict != tt.strict || !o.FailOnEOL || got != tt.ignored {
			t.Errorf("%v: %+v, ignored %s; want %s", tt.sent, o, got, tt.ignored)
		}
	}
}

// The service accepts and forbids findings, and may refuse the files of builds.
func TestServiceRules(t *testing.T) {
	service := servicePolicy(t, `
all:
  ignore-files: refused
  exceptions:
    - {id: CVE-2024-1, reason: not reachable, by: security team}
    - {id: CVE-2024-9, reason: not reachable}
  forbidden:
    - {package: lodash, versions: < 2, reason: replaced by our own, by: platform team}
`)
	files := []cyclonedx.File{ignoring("a.yaml", "exceptions:\n- {id: CVE-2024-2, reason: r}\n- {id: CVE-2024-3, reason: r}\n")}
	input := scanned(in("CVE-2024-1", "a", "high fixed"), in("CVE-2024-2", "b", "high fixed"), in("CVE-2024-3", "lodash", "low"), in("MAL-1", "lodash", "low malicious"))
	input.Now, input.Exceptions = today, ReadExceptions(files, "", service)
	d, findings, _ := Decide(input)
	want := map[string]string{
		"CVE-2024-1": "accepted: security team, not reachable, policy version 3 line 5",
		"CVE-2024-2": "severity: , , ", // the file of the build is refused
		"CVE-2024-3": "forbidden: platform team, replaced by our own, policy version 3 line 8",
		"MAL-1":      "malicious: , , ",
	}
	for _, f := range findings {
		v := f.Verdict()
		if got := fmt.Sprintf("%s: %s, %s, %s", v.Rule, v.By, v.Reason, v.Written); got != want[v.ID] {
			t.Errorf("%s is %s, want %s", v.ID, got, want[v.ID])
		}
	}
	if d.Code != verdict.CodeFail || len(d.Reasons) != 3 || d.Reasons[1].Rule != verdict.RuleForbidden {
		t.Errorf("%+v", d)
	}
	if want := "1 finding is forbidden by the policy of the service: replaced by our own (platform team, policy version 3 line 8)"; d.Reasons[1].Text != want {
		t.Errorf("%q, want %q", d.Reasons[1].Text, want)
	}
	refused := input.Exceptions.Refused
	if len(refused) != 1 || refused[0].Name != "ignore-file" || refused[0].Reason != "the policy of the service refuses it (policy version 3 line 3)" {
		t.Errorf("refused %+v", refused)
	}
	// The log of a build does not name what the service accepts elsewhere.
	if r := input.Exceptions.Result(today); len(r) != 1 || r[0].File != "a.yaml" || r[0].Entries != 0 {
		t.Errorf("%+v", r)
	}
}

// With "cpe: list", findings by CPE are listed and do not fail, unless they are known to be
// exploited, malicious or forbidden.
func TestServiceCPE(t *testing.T) {
	byCPE := func(id, name, words string) match.Finding {
		f := in(id, name, words)
		f.Package.Type = "generic"
		return f
	}
	findings := func() []match.Finding {
		return []match.Finding{
			byCPE("CVE-2024-1", "nginx", "high fixed"), byCPE("CVE-2024-2", "bash", "critical fixed kev"),
			byCPE("CVE-2024-3", "curl", "low"), byCPE("CVE-2024-4", "php", "high fixed"), in("CVE-2024-5", "lodash", "high fixed"),
		}
	}
	const rules = "  exceptions: [{id: CVE-2024-4, reason: not reachable}]\n  forbidden: [{id: CVE-2024-3, reason: r}]\n"
	for text, want := range map[string]map[string]string{
		"all:\n" + rules: {"CVE-2024-1": "severity", "CVE-2024-2": "known-exploited", "CVE-2024-3": "forbidden r policy version 3 line 3",
			"CVE-2024-4": "accepted not reachable policy version 3 line 2", "CVE-2024-5": "severity"},
		"all:\n" + rules + "  cpe: list\n": {"CVE-2024-1": "accepted it was matched by CPE policy version 3 line 4", "CVE-2024-2": "known-exploited",
			"CVE-2024-3": "forbidden r policy version 3 line 3", "CVE-2024-4": "accepted not reachable policy version 3 line 2", "CVE-2024-5": "severity"},
	} {
		input := scanned(findings()...)
		input.Now, input.Exceptions = today, ReadExceptions(nil, "", servicePolicy(t, text))
		_, decided, counts := Decide(input)
		if len(decided) != len(want) || counts.Findings != len(want) {
			t.Errorf("%d findings", len(decided))
		}
		for _, f := range decided {
			v := f.Verdict()
			if got := strings.TrimSpace(fmt.Sprintf("%s %s %s", v.Rule, v.Reason, v.Written)); got != want[v.ID] {
				t.Errorf("%q: %s is %q, want %q", text, v.ID, got, want[v.ID])
			}
		}
	}
}
