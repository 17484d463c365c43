package remote

import (
	"fmt"
	"slices"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/verdict"
)

// checkSent compares a verdict with the scan that was sent. It returns an error if the
// verdict is about another scan, or if a pass was made with a weaker policy than the scan
// asked for. A cache or a proxy may return the answer to another scan.
func checkSent(v verdict.Verdict, scan cyclonedx.Scan) error {
	inv := scan.Inventory
	if v.Counts.Packages != len(inv.Packages) {
		return fmt.Errorf("%d packages were sent, and the verdict is about %d", len(inv.Packages), v.Counts.Packages)
	}
	if err := checkFiles(v, scan.Files); err != nil {
		return err
	}
	if v.Decision.Outcome != verdict.Pass {
		return nil
	}
	if v.System.ID != inv.System.ID || v.System.VersionID != inv.System.VersionID {
		return fmt.Errorf("it is about the system %q, but %q was sent",
			clean(v.System.ID+" "+v.System.VersionID), clean(inv.System.ID+" "+inv.System.VersionID))
	}
	sent := map[string]int{}
	for _, p := range inv.Packages {
		sent[p.Type]++
	}
	reported := map[string]int{}
	for _, p := range v.Evaluated {
		reported[p.Type] += p.Packages
	}
	for typ, n := range reported {
		if typ != "" && n != sent[typ] {
			return fmt.Errorf("%d packages of the type %q were sent, and the verdict is about %d", sent[typ], clean(typ), n)
		}
	}
	for _, p := range inv.ScanErrors {
		if v.Options.Strict || p.Kind == inventory.KindDatabase || p.Kind == inventory.KindSystem {
			return fmt.Errorf("outcome %q although /%s could not be read", v.Decision.Outcome, clean(p.Path))
		}
	}
	return checkOptions(v.Options, scan.Options, v.Policy != nil)
}

// checkFiles returns an error if a verdict is not about the files that were sent.
func checkFiles(v verdict.Verdict, sent []cyclonedx.File) error {
	files, baseline, stored := 0, "", ""
	for _, f := range sent {
		if f.Baseline() {
			baseline = f.Name
			if f.Kind == cyclonedx.FileBaselineScan {
				stored = f.Name
			}
		} else {
			files++
		}
	}
	if len(v.Exceptions) < files {
		return fmt.Errorf("%d files of exceptions were sent, and the verdict is about %d", files, len(v.Exceptions))
	}
	if (baseline != "") != (v.Baseline != nil) || stored != "" && v.Baseline.Scan != stored {
		return fmt.Errorf("the baseline %q was sent, and the verdict is about another one", clean(baseline))
	}
	return nil
}

// checkOptions compares the options of a pass with those that were sent. A flag must
// have been applied. A variable may have been ignored, because the service decides. A
// policy of the service may have other defaults, and may be stricter than a flag.
func checkOptions(o verdict.Options, sent []cyclonedx.Option, byPolicy bool) error {
	for _, option := range verdict.DeclaredOptions() {
		if option.Effect != verdict.Gate {
			continue
		}
		may := []string{option.Value(verdict.DefaultOptions())}
		var flag *verdict.Options
		for _, s := range sent {
			asked := verdict.DefaultOptions()
			if s.Name != option.Name || !option.Set(&asked, s.Value) {
				continue
			}
			if s.Origin == "flag" {
				may, flag = []string{option.Value(asked)}, &asked
			} else if option.Env != verdict.EnvNever {
				may = append(may, option.Value(asked))
			}
		}
		if byPolicy && (flag == nil || !option.WeakerThan(o, *flag)) {
			continue
		}
		if value := option.Value(o); !slices.Contains(may, value) {
			return fmt.Errorf("it was made with --%s=%s, which was not requested", option.Name, clean(value))
		}
	}
	return nil
}
