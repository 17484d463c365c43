package remote

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/verdict"
)

// checkSent holds a pass against the scan that it answers, and reports the first thing
// by which it is about another one, or was made by a weaker policy than was asked for:
// the answer to another scan may come from a cache, or from whoever stands in between.
func checkSent(v verdict.Verdict, scan cyclonedx.Scan) error {
	inv := scan.Inventory
	if v.Counts.Packages != len(inv.Packages) {
		return fmt.Errorf("%d packages were sent and it is about %d", len(inv.Packages), v.Counts.Packages)
	}
	if v.Decision.Outcome != verdict.Pass {
		return nil
	}
	if v.System.ID != inv.System.ID || v.System.VersionID != inv.System.VersionID {
		return fmt.Errorf("it is about the system %q and %q was sent",
			clean(v.System.ID+" "+v.System.VersionID), clean(inv.System.ID+" "+inv.System.VersionID))
	}
	sent := map[string]int{}
	for _, p := range inv.Packages {
		sent[p.Type]++
	}
	told := map[string]int{}
	for _, p := range v.Evaluated {
		told[p.Type] += p.Packages
	}
	for typ, n := range told {
		if typ != "" && n != sent[typ] {
			return fmt.Errorf("%d packages of the type %q were sent and it is about %d", sent[typ], clean(typ), n)
		}
	}
	for _, p := range inv.Partial {
		if v.Options.Strict || p.Kind == inventory.GapDatabase || p.Kind == inventory.GapSystem {
			return fmt.Errorf("outcome %q although /%s could not be read", v.Decision.Outcome, clean(p.Path))
		}
	}
	return checkOptions(v.Options, scan.Options)
}

// checkOptions holds the options of a pass against those that were sent. A flag must
// have been taken. A variable may have been, or not.
func checkOptions(o verdict.Options, sent []cyclonedx.Option) error {
	for _, known := range []struct {
		name, value, otherwise string
		onlyFlag               bool
	}{
		{"fail-on", string(o.FailOn), string(verdict.High), false},
		{"unrated", string(o.Unrated), string(verdict.High), false},
		{"strict", fmt.Sprint(o.Strict), "false", false},
		{"fail-on-unfixed", fmt.Sprint(o.FailOnUnfixed), "false", false},
		{"fail-on-eol", fmt.Sprint(o.FailOnEOL), "false", false},
		{"kernel", fmt.Sprint(o.Kernel), "false", false},
		{"no-os-packages", fmt.Sprint(o.NoOSPackages), "false", true},
	} {
		may := []string{known.otherwise}
		for _, s := range sent {
			switch {
			case s.Name != known.name:
			case s.Origin == "flag":
				may = []string{normal(s.Value)}
			case !known.onlyFlag:
				may = append(may, normal(s.Value))
			}
		}
		if !slices.Contains(may, known.value) {
			return fmt.Errorf("it was made with --%s=%s, which was not asked for", known.name, clean(known.value))
		}
	}
	return nil
}

// normal is the one form of the texts by which the value of an option may be given.
func normal(value string) string {
	if b, err := strconv.ParseBool(value); err == nil {
		return fmt.Sprint(b)
	}
	return strings.ToLower(value)
}
