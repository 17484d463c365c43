package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/service/match"
	"assay/verdict"
)

// FuzzDecide: no decision contradicts the rest of its verdict, for any image, options and
// service. The client ends with code 5 if one does.
func FuzzDecide(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"))
	f.Add([]byte("\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5\xf4\xf3\xf2\xf1\xf0\x10\x20\x30\x40"))
	f.Add([]byte("a system, a language, and what is not held of it"))
	f.Fuzz(func(t *testing.T, data []byte) {
		next := func(n int) int {
			if len(data) == 0 {
				return 0
			}
			b := data[0]
			data = data[1:]
			return int(b) % n
		}
		in := Input{Options: verdict.DefaultOptions(), Data: verdict.Data{Records: next(3), Updated: time.Unix(1, 0), Age: int64(next(100))}, MaxAge: time.Duration(next(60)) * time.Second}
		o := &in.Options
		o.Strict, o.Kernel, o.NoOSPackages, o.FailOnEOL, o.FailOnUnfixed = next(2) == 1, next(2) == 1, next(2) == 1, next(2) == 1, next(2) == 1
		o.FailOn = append(verdict.Severities()[:5], verdict.FailOnNone)[next(6)]
		o.Unrated = verdict.Severities()[next(5)]
		o.FailOnEPSS, o.Grace, in.Now = []float64{0, 0.5, 0.9}[next(3)], verdict.Seconds(next(2)*3600), time.Unix(7200, 0)
		if next(2) == 1 {
			in.Data.Sources = []verdict.DataSource{{Name: "epss", Contributes: verdict.SourceEnrichment}}
		}
		if next(2) == 1 {
			in.Result.System = verdict.System{ID: "debian", Ended: next(2) == 1, EndOfLife: "2020-01-01"}
		}
		if next(2) == 1 {
			in.Without = []string{"npm"}
		}
		gaps := []inventory.ErrorKind{inventory.KindDatabase, inventory.KindSystem, inventory.KindDirectory, inventory.KindFile}
		for range next(3) {
			in.ScanErrors = append(in.ScanErrors, inventory.ScanError{Path: "x", Kind: gaps[next(len(gaps))]})
		}
		// As in a result of the match, each package is evaluated or has a cause.
		missing := true
		for _, part := range []verdict.Part{
			{Part: verdict.PartSystem, Type: "deb"}, {Part: verdict.PartLanguage, Type: "npm", Ecosystem: "npm"},
			{Part: verdict.PartLanguage, Type: "pypi", Ecosystem: "PyPI"}, {Part: verdict.PartOther, Type: "generic"},
		} {
			causes := map[string][]string{
				verdict.PartSystem:   {verdict.CauseSystem, verdict.CauseVendor, verdict.CauseVersion},
				verdict.PartLanguage: {verdict.CauseType, verdict.CauseVersion, verdict.CauseName, verdict.CauseOwner},
				verdict.PartOther:    {verdict.CauseUncovered},
			}[part.Part]
			for range next(4) {
				part.Packages++
				if part.Part != verdict.PartOther && next(2) == 1 {
					part.Evaluated++
					continue
				}
				part.Causes = append(part.Causes, verdict.PartCause{Cause: causes[next(len(causes))], Packages: 1, Text: "x"})
			}
			if part.Packages == 0 {
				continue
			}
			missing = missing && part.Part != verdict.PartSystem
			part.State = part.StateOf()
			in.Result.Parts = append(in.Result.Parts, part)
			in.Result.Packages += part.Packages
		}
		if missing && in.Result.System.ID != "" {
			part := verdict.Part{Part: verdict.PartSystem, Causes: []verdict.PartCause{{Cause: verdict.CauseMissing, Text: "x"}}}
			part.State = part.StateOf()
			in.Result.Parts = slices.Insert(in.Result.Parts, 0, part)
		}
		words := []string{"fixed", "kev", "malicious", "kernel", "unimportant", "wontfix", "owned", "absent", "probable"}
		for range next(5) {
			var chosen []string
			for _, w := range words {
				if next(3) == 1 {
					chosen = append(chosen, w)
				}
			}
			chosen = append(chosen, string(verdict.Severities()[next(6)]))
			finding := found(strings.Join(chosen, " "))
			seen := time.Unix(int64(next(3))*3600, 0)
			finding.FirstSeen = &seen
			in.Result.Findings = append(in.Result.Findings, finding)
		}
		o.FailOnBase = append(verdict.Severities()[:5], verdict.FailOnNone, "")[next(7)]
		if next(2) == 1 {
			in.Baseline = &Baseline{Baseline: verdict.Baseline{File: "x", Error: []string{"", "x"}[next(2)]}}
			in.Baseline.Components = ComponentsOf(inventory.Inventory{Packages: []inventory.Package{{Name: "p", Version: "1"}}})
			for _, f := range in.Result.Findings {
				f.Package.Version = []string{"1", "2"}[next(2)]
			}
		}

		d, findings, counts := Decide(in)
		v := verdict.Verdict{
			Decision: d, Counts: counts, Evaluated: Evaluated(in), Without: in.Without,
			System: in.Result.System, Data: in.Data, Options: in.Options,
		}
		for _, f := range findings {
			v.Findings = append(v.Findings, f.Verdict())
		}
		if in.Baseline != nil {
			v.Baseline = &in.Baseline.Baseline
		}
		for _, p := range in.ScanErrors {
			v.ScanErrors = append(v.ScanErrors, verdict.ScanError{Path: p.Path, Kind: string(p.Kind)})
		}
		if err := v.Check(); err != nil {
			t.Errorf("%v\n%+v", err, v)
		}
		if d.Code != verdict.CodePass {
			return
		}
		// The causes that a pass may have.
		for _, p := range v.Evaluated {
			for _, c := range p.Causes {
				held := c.Cause == verdict.CauseWithout || c.Cause == verdict.CauseMissing && o.NoOSPackages ||
					slices.Contains([]string{verdict.CauseVersion, verdict.CauseName, verdict.CauseVendor, verdict.CauseOwner, verdict.CauseUncovered}, c.Cause)
				if !held || o.Strict && c.Packages > 0 {
					t.Errorf("a pass with %+v of %+v", c, p)
				}
			}
		}
		if slices.ContainsFunc(in.Result.Findings, func(f match.Finding) bool { return f.Malicious }) {
			t.Errorf("a pass with a malicious package: %+v", v)
		}
	})
}
