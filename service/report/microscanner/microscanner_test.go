package microscanner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/reporttest"
	"assay/service/report"
	"assay/verdict"
)

func read(t *testing.T, s report.Scan) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(reporttest.Render(t, Format(), s), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// sample is the beginning and the end of what MicroScanner printed in 2019 about an Alpine 3.3.
const sample = `{"scan_started":{"seconds":1564927343,"nanos":722759087},"scan_duration":2,
"digest":"cbaf1026d5a0e866536032b2c5bae5a4ead085f61900b9e976e50030c0b7163e","os":"alpine","version":"3.3.3","resources":[
{"resource":{"format":"apk","name":"busybox","version":"1.24.2-r2","arch":"x86_64","cpe":"pkg:/alpine:3.3.3:busybox:1.24.2-r2","license":"GPL2"},"scanned":true,
"vulnerabilities":[{"name":"CVE-2015-9261","description":"x","nvd_score":4.3,"nvd_score_version":"CVSS v2","nvd_vectors":"AV:N/AC:M/Au:N/C:N/I:N/A:P","nvd_severity":"medium",
"nvd_url":"https://web.nvd.nist.gov/view/vuln/detail?vulnId=CVE-2015-9261","vendor_score":4.3,"vendor_score_version":"CVSS v2","vendor_vectors":"AV:N/AC:M/Au:N/C:N/I:N/A:P","vendor_severity":"medium",
"publish_date":"2018-07-26","modification_date":"2019-06-13","nvd_score_v3":5.5,"nvd_vectors_v3":"CVSS:3.0/AV:L/AC:L/PR:N/UI:R/S:U/C:N/I:N/A:H","nvd_severity_v3":"medium"}]}],
"vulnerability_summary":{"total":8,"high":1,"medium":7,"low":0,"negligible":0,"sensitive":0,"malware":0,"score_average":4.9624996,"max_score":7.5},
"scan_options":{},"initiating_user":"token","data_date":1564873427,"changed_result":false,"function_metadata":{}}`

// shape returns the type of each field of a JSON value by its path. Elements of arrays share
// a path.
func shape(prefix string, v any, into map[string]string) map[string]string {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			shape(prefix+"."+key, inner, into)
		}
	case []any:
		for _, inner := range v {
			shape(prefix+"[]", inner, into)
		}
	default:
		into[prefix] = fmt.Sprintf("%T", v)
	}
	return into
}

// TestSample: the report has every field of MicroScanner's, with the same type.
func TestSample(t *testing.T) {
	var theirs, ours any
	if err := json.Unmarshal([]byte(sample), &theirs); err != nil {
		t.Fatal(err)
	}
	s := reporttest.Debian(t)
	s.Verdict.Findings[0].Score, s.Verdict.Findings[0].Vector = 7.5, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"
	if err := json.Unmarshal(reporttest.Render(t, Format(), s), &ours); err != nil {
		t.Fatal(err)
	}
	got := shape("", ours, map[string]string{})
	want := shape("", theirs, map[string]string{})
	if len(want) < 30 {
		t.Fatalf("only %d fields", len(want))
	}
	for path, typ := range want {
		if got[path] != typ {
			t.Errorf("%s is %q, want %q", path, got[path], typ)
		}
	}
}

// TestDebian: each finding of a real Debian is a vulnerability of its package, and the
// summary counts them.
func TestDebian(t *testing.T) {
	s := reporttest.Debian(t)
	d := read(t, s)
	n := 0
	for _, r := range d.Resources {
		for _, v := range r.Vulnerabilities {
			n++
			if !r.Scanned || v.NVDSeverity == "" || v.Name == "" || v.NVDURL == "" {
				t.Errorf("%+v in %+v", v, r.Resource)
			}
		}
	}
	m := d.Summary
	if n != len(s.Verdict.Findings) || m.Total != n || m.High+m.Medium+m.Low+m.Negligible != n || d.OS != "debian" || d.Version != "12" || n < 10 {
		t.Errorf("%d vulnerabilities of %d findings: %+v", n, len(s.Verdict.Findings), m)
	}
}

// TestNotClean: a script that counts high vulnerabilities finds one in every image that did
// not pass for another reason.
func TestNotClean(t *testing.T) {
	ended := reporttest.Clean(t)
	ended.Verdict.Decision = verdict.Decision{Outcome: verdict.Fail, Code: 4, Reasons: []verdict.Reason{{Rule: verdict.RuleEndOfLife, Text: "x"}}}
	for name, tt := range map[string]struct {
		scan    report.Scan
		high    int
		partial bool
	}{
		"clean": {reporttest.Clean(t), 0, false}, "untrusted": {reporttest.Untrusted(t), 1, true}, "end of life": {ended, 1, false}, "empty": {report.Scan{}, 1, true},
	} {
		if d := read(t, tt.scan); (d.Summary.High > 0) != (tt.high > 0) || d.Partial != tt.partial {
			t.Errorf("%s: %+v, partial %t", name, d.Summary, d.Partial)
		}
	}
}

// TestJQ runs the queries of users' scripts.
func TestJQ(t *testing.T) {
	jq, err := exec.LookPath("jq")
	if err != nil {
		testkit.Missing(t, "jq")
	}
	s := reporttest.Rules(t)
	doc := reporttest.Render(t, Format(), s)
	for query, lines := range map[string]int{
		`.resources[].vulnerabilities[] | [.name,.description]`:                                               len(s.Verdict.Findings),
		`.vulnerability_summary.high`:                                                                         1,
		`.resources[] | select(.vulnerabilities != null) | .resource.name`:                                    len(read(t, s).Resources),
		`[.resources[].vulnerabilities[] | select(.nvd_severity=="high" or .vendor_severity=="high")]|length`: 1,
	} {
		cmd := exec.Command(jq, "-c", query)
		cmd.Stdin = bytes.NewReader(doc)
		out, err := cmd.CombinedOutput()
		if got := strings.Count(string(out), "\n"); err != nil || got != lines {
			t.Errorf("%s: %v, %d lines, want %d: %s", query, err, got, lines, out)
		}
	}
}
