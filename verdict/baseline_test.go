package verdict_test

import (
	"testing"
	"time"

	"assay/verdict"
)

// ofOrigin returns findings of an origin.
func ofOrigin(origin string, findings ...verdict.Finding) []verdict.Finding {
	for i := range findings {
		findings[i].Origin = origin
	}
	return findings
}

// based returns a verdict with a baseline: packages of the system and of languages, of the base
// image and of the build, and mild ones that each have another threshold.
func based() verdict.Verdict {
	const own, base = verdict.OriginOwn, verdict.OriginBase
	v := with(
		ofOrigin(base, debian("CVE-2023-4911", verdict.Critical, "glibc", "2.36-9", "2.36-9+deb12u3", "libc6", "libc-bin")...),
		ofOrigin(base, language("CVE-2025-22871", "golang", "stdlib", "1.18.2", "1.23.8", "usr/local/bin/gosu")),
		ofOrigin(own, debian("CVE-2023-5363", verdict.High, "openssl", "3.0.9-1", "3.0.11-1~deb12u2", "openssl")...),
		ofOrigin(own, language("CVE-2021-44906", "npm", "minimist", "1.2.5", "1.2.6", "srv/node_modules/minimist/package.json")),
		ofOrigin(base, passing(verdict.RuleBelow, debian("CVE-2023-5678", verdict.High, "perl", "5.36.0-7", "5.36.0-8", "perl-base"))...),
		ofOrigin(own, passing(verdict.RuleBelow, debian("CVE-2023-9999", verdict.Low, "curl", "7.88.1-10", "7.88.1-11", "curl"))...),
	)
	v.Options.FailOnBase = verdict.Critical
	v.Findings[2].Severity = verdict.Critical // of gosu
	v.Counts.BySeverity[verdict.High]--
	v.Counts.BySeverity[verdict.Critical]++
	v.Baseline = &verdict.Baseline{File: "/tmp/baseline.json", Packages: 88}
	for _, f := range v.Findings {
		v.Baseline.Count(f.Origin, f.Fails)
	}
	return v
}

func TestBaselineInWords(t *testing.T) {
	v := based()
	for _, tt := range []struct {
		name  string
		style verdict.Style
	}{{"baseline", verdict.Style{Exit: 4}}, {"baseline-verbose", verdict.Style{Exit: 4, Verbose: true}}, {"baseline-quiet", verdict.Style{Exit: 4, Quiet: true}}} {
		log := text(t, v, tt.style)
		hold(t, log, tt.style)
		golden(t, tt.name, log)
	}
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	v.Baseline.File, v.Baseline.Scan, v.Baseline.At = "", "mzxw6ytboi3dgnbv", &at
	golden(t, "baseline-scan", text(t, v, verdict.Style{Exit: 4, Width: 60}))
}

// A verdict must not call a finding one of the base image without a baseline, or with the
// wrong counts, and cannot pass with one that was not read.
func TestBaselineChecked(t *testing.T) {
	if err := based().Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*verdict.Verdict){
		"no baseline":               func(v *verdict.Verdict) { v.Baseline = nil },
		"no origin":                 func(v *verdict.Verdict) { v.Findings[0].Origin = "" },
		"another origin":            func(v *verdict.Verdict) { v.Findings[0].Origin = "vendor" },
		"a wrong count":             func(v *verdict.Verdict) { v.Baseline.Base++ },
		"a wrong count of failures": func(v *verdict.Verdict) { v.Baseline.OwnFailing-- },
		"not read":                  func(v *verdict.Verdict) { v.Baseline.Error = "x" },
		"own ones by the base's threshold": func(v *verdict.Verdict) {
			v.Findings[5].Origin = verdict.OriginOwn
			v.Baseline.Base--
			v.Baseline.Own++
		},
	} {
		v := based()
		change(&v)
		if v.Check() == nil {
			t.Errorf("%s: taken", name)
		}
	}
	pass := base()
	pass.Baseline = &verdict.Baseline{File: "base.json"}
	if err := pass.Check(); err != nil {
		t.Error(err)
	}
	if pass.Baseline.Error = "not JSON"; pass.Check() == nil {
		t.Error("a pass with a baseline that could not be read")
	}
}
