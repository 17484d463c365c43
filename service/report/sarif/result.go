package sarif

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"assay/service/report"
	"assay/verdict"
)

// maxLocations are the locations of a result that GitHub shows.
const maxLocations = 100

// resultOf returns the result of a finding. ruleIndex is the index of its rule.
func resultOf(f verdict.Finding, ruleIndex int, fingerprint string, o verdict.Options) result {
	r := result{
		RuleID:       identity(f),
		RuleIndex:    ruleIndex,
		Level:        levelOf(f, o),
		Message:      text{Text: message(f)},
		Fingerprints: map[string]string{"primaryLocationLineHash": fingerprint, "assayFinding/v1": fingerprint},
		Suppressions: []suppression{}, // an empty list says that nothing suppresses it
		Properties: map[string]any{
			"purl": report.Line(f.Package.PURL, maxText), "installedVersion": report.Line(f.Package.Version, maxName),
			"severity": report.Line(string(f.Severity), maxName), "fails": f.Fails, "rule": report.Line(f.Rule, maxName),
		},
	}
	if f.Origin != "" {
		r.Properties["origin"] = report.Line(f.Origin, maxName)
	}
	if f.Fixed != "" {
		r.Properties["fixedVersion"] = report.Line(f.Fixed, maxName)
	}
	if f.EPSS > 0 {
		r.Properties["epss"] = f.EPSS
	}
	for _, p := range paths(f) {
		r.Locations = append(r.Locations, location{
			Physical: physicalLocation{artifactLocation{p}, region{StartLine: 1}},
			Logical: []logicalLocation{{
				Name: report.Line(f.Package.Name, maxName), QualifiedName: report.Line(f.Package.PURL, maxText), Kind: "package",
			}},
		})
	}
	if !f.Fails && (f.Rule == verdict.RuleAccepted || f.Rule == verdict.RuleVEX) {
		r.Suppressions = append(r.Suppressions, suppression{"external", "accepted", report.Line(decision(f), maxText)})
	}
	return r
}

// levelOf is error for a finding that fails. Others are a warning from medium severity on.
func levelOf(f verdict.Finding, o verdict.Options) string {
	s := f.Severity
	if s == verdict.Unrated {
		s = o.Unrated
	}
	switch {
	case f.Fails:
		return "error"
	case f.Rule == verdict.RuleAccepted, f.Rule == verdict.RuleVEX, s == verdict.Low, s == verdict.Negligible:
		return "note"
	}
	return "warning"
}

// message describes a finding. Viewers with little room show its first sentence.
func message(f verdict.Finding) string {
	text := fmt.Sprintf("%s %s is affected by %s", plain(f.Package.Name, maxName), plain(f.Package.Version, maxName), plain(identity(f), maxName))
	switch {
	case f.Fixed != "":
		text += ", fixed in " + plain(f.Fixed, maxName)
	case f.Subscription != "":
		text += ", and the fix needs " + plain(f.Subscription, maxName)
	default:
		text += ", and has no fix"
	}
	text += "."
	if f.Summary != "" {
		text += " " + plain(f.Summary, maxText/2)
	}
	if !f.Fails {
		text += " It does not fail the scan: " + plain(decision(f), maxText/2)
	}
	return text
}

// decision says by which rule a finding passes, and who decided that.
func decision(f verdict.Finding) string {
	text := cmp.Or(f.Rule, "no reason given")
	switch f.Rule {
	case verdict.RuleAccepted:
		text = "accepted by an exception"
	case verdict.RuleVEX:
		text = "not affected according to a VEX statement"
	}
	return text + f.Grounds.Text()
}

// paths returns the places of a package as relative URIs. Code scanning needs one, so a
// package without a path has its type and name as the place.
func paths(f verdict.Finding) []string {
	var all []string
	for _, p := range f.Package.Paths {
		if p = relative(p); p != "" && !slices.Contains(all, p) {
			all = append(all, p)
		}
		if len(all) == maxLocations {
			break
		}
	}
	if len(all) == 0 {
		all = append(all, cmp.Or(relative(f.Package.Type+"/"+f.Package.Name), "unknown"))
	}
	return all
}

// fingerprints returns a fingerprint for each finding. It is the same in the next scan, also
// after the package was updated: it depends on the vulnerability, the package and its places,
// and not on versions or times. Findings that differ only in their version are numbered
// in the order of their versions, so the order of findings does not matter.
func fingerprints(findings []verdict.Finding) []string {
	bases := make([]string, len(findings))
	order := make([]int, len(findings))
	for i, f := range findings {
		order[i] = i
		places := make([]string, 0, len(f.Package.Paths))
		for _, p := range f.Package.Paths {
			if f.Package.Version != "" {
				p = strings.ReplaceAll(p, f.Package.Version, "*")
			}
			places = append(places, p)
		}
		slices.Sort(places)
		h := sha256.New()
		for _, part := range append([]string{f.ID, f.Package.Type, f.Package.Name, f.Package.Arch}, places...) {
			fmt.Fprintf(h, "%d:%s", len(part), part)
		}
		bases[i] = hex.EncodeToString(h.Sum(nil)[:16])
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := findings[i].Package, findings[j].Package
		return cmp.Or(strings.Compare(bases[i], bases[j]), strings.Compare(a.Version, b.Version), strings.Compare(a.PURL, b.PURL), slices.Compare(a.Paths, b.Paths))
	})
	prints := make([]string, len(findings))
	n := 0
	for at, i := range order {
		n++
		if at == 0 || bases[order[at-1]] != bases[i] {
			n = 1
		}
		prints[i] = fmt.Sprintf("%s:%d", bases[i], n)
	}
	return prints
}
