// Package openvex renders a scan as an OpenVEX 0.2.0 document
// (https://github.com/openvex/spec): a statement for each vulnerability, about the packages
// that have it.
package openvex

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"assay/service/report"
	"assay/verdict"
)

// Format is the format "openvex".
func Format() report.Format {
	return report.Format{Name: "openvex", Type: "application/json", Extension: ".vex.json", Render: render}
}

const maxText = 1000 // runes of a text

// The vulnerabilities of statements about the scan as a whole. They are not ids, so they match
// no finding.
const (
	notEvaluated = "assay:not-evaluated"
	noFindings   = "assay:no-findings"
	notListed    = "assay:not-listed"
)

type document struct {
	Context    string      `json:"@context"`
	ID         string      `json:"@id"`
	Author     string      `json:"author"`
	Role       string      `json:"role"`
	Timestamp  string      `json:"timestamp"`
	Version    int         `json:"version"`
	Tooling    string      `json:"tooling"`
	Statements []statement `json:"statements"`
}

type statement struct {
	Vulnerability   vulnerability `json:"vulnerability"`
	Products        []product     `json:"products"`
	Status          report.Status `json:"status"`
	StatusNotes     string        `json:"status_notes,omitempty"`
	Justification   string        `json:"justification,omitempty"`
	ImpactStatement string        `json:"impact_statement,omitempty"`
	ActionStatement string        `json:"action_statement,omitempty"`
}

type vulnerability struct {
	ID          string   `json:"@id,omitempty"`
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Aliases     []string `json:"aliases,omitempty"`
}

type product struct {
	component
	Subcomponents []component `json:"subcomponents,omitempty"`
}

type component struct {
	ID          string       `json:"@id"`
	Identifiers *identifiers `json:"identifiers,omitempty"`
}

type identifiers struct {
	PURL string `json:"purl"`
}

func render(w io.Writer, s report.Scan) error {
	id, err := s.URI("openvex", s.Verdict)
	if err != nil {
		return fmt.Errorf("encode OpenVEX: %w", err)
	}
	doc := document{
		Context:    "https://openvex.dev/ns/v0.2.0",
		ID:         id,
		Author:     cmp.Or(s.PublicURL, "assayd"),
		Role:       "vulnerability scanner",
		Timestamp:  s.At.UTC().Format(time.RFC3339),
		Version:    1,
		Tooling:    strings.TrimSpace("assayd " + s.Service),
		Statements: statements(s.Verdict),
	}
	image := component{ID: id}
	if p := s.Verdict.Options.VEXProduct; p != "" {
		image = purlComponent(p)
	}
	doc.Statements = append(whole(s, image, len(doc.Statements) == 0), doc.Statements...)
	e := json.NewEncoder(verdict.ASCII(w))
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		return fmt.Errorf("encode OpenVEX: %w", err)
	}
	return nil
}

// whole returns statements about the scan: one for each thing that was not evaluated, so that
// no reader takes the image for clean, and one about the findings that a verdict counts and does
// not list. A document must have a statement, so one without findings says that.
func whole(s report.Scan, image component, empty bool) []statement {
	var all []statement
	for _, g := range s.Incomplete() {
		all = append(all, statement{
			Vulnerability: vulnerability{Name: notEvaluated, Description: "a part of the image was not evaluated, so vulnerabilities may be missing"},
			Products:      []product{{component: image}},
			Status:        report.UnderInvestigation,
			StatusNotes:   report.Line(g.Rule+": "+g.Text, maxText),
		})
	}
	if n := s.Verdict.Counts.Findings - len(s.Verdict.Findings); n > 0 {
		all = append(all, statement{
			Vulnerability: vulnerability{Name: notListed, Description: "vulnerabilities of kernel packages and headers"},
			Products:      []product{{component: image}},
			Status:        report.UnderInvestigation,
			StatusNotes:   fmt.Sprintf("%s of kernel packages and headers are counted and not listed, because an image does not run its kernel", verdict.Count(n, "finding")),
		})
	}
	if len(all) == 0 && empty {
		all = append(all, statement{
			Vulnerability:   vulnerability{Name: noFindings, Description: "no vulnerability was found"},
			Products:        []product{{component: image}},
			Status:          report.NotAffected,
			ImpactStatement: fmt.Sprintf("%d packages were evaluated, and no known vulnerability was found in them", s.Verdict.Counts.Evaluated),
		})
	}
	return all
}

// statements returns the statements about findings. Findings of one vulnerability are one
// statement if it says the same about all their packages.
func statements(v verdict.Verdict) []statement {
	all := []statement{}
	index := map[string]int{}
	type about struct {
		statement int
		purl      string
	}
	listed := map[about]bool{}
	statuses := report.Statuses(v.Findings)
	for i, f := range v.Findings {
		s := statementOf(f, statuses[i])
		key := fmt.Sprintf("%q", []any{s.Vulnerability, s.Status, s.StatusNotes, s.Justification, s.ImpactStatement, s.ActionStatement})
		at, ok := index[key]
		if !ok {
			at = len(all)
			index[key] = at
			all = append(all, s)
		}
		if of := (about{at, f.Package.PURL}); !listed[of] {
			listed[of] = true
			all[at].Products = append(all[at].Products, productOf(f.Package, v.Options.VEXProduct))
		}
	}
	return all
}

func statementOf(f verdict.Finding, status report.Status) statement {
	_, page := report.Page(f.ID)
	s := statement{
		Vulnerability: vulnerability{ID: page, Name: cmp.Or(f.ID, "unknown"), Description: report.Line(f.Summary, maxText)},
		Status:        status,
	}
	switch status {
	case report.NotAffected:
		// No aliases: another vulnerability may share one, and nobody said that it does not
		// apply.
		s.Justification = justification(f.Reason)
		s.ImpactStatement = report.Line("not affected according to a VEX statement"+f.Grounds.Text(), maxText)
		return s
	case report.Affected:
		s.ActionStatement = report.Line(report.Fix(f), maxText)
	}
	s.Vulnerability.Aliases = f.Aliases
	s.StatusNotes = report.Line(notes(f), maxText)
	return s
}

// notes says what the scan decided. Nothing of it makes the package less affected.
func notes(f verdict.Finding) string {
	text := "severity " + string(f.Severity)
	if f.Score > 0 {
		text += fmt.Sprintf(", CVSS %.1f", f.Score)
	}
	if f.KnownExploited {
		text += ", known to be exploited"
	}
	switch {
	case f.Fails:
		text += "; fails the scan by the rule " + f.Rule
	case f.Rule == verdict.RuleAccepted:
		text += "; the risk is accepted by an exception"
	default:
		text += "; does not fail the scan by the rule " + f.Rule
	}
	return text + f.Grounds.Text()
}

// justification returns the reason of a statement if it is one of the words of OpenVEX, or "".
func justification(reason string) string {
	switch word := strings.ReplaceAll(reason, " ", "_"); word {
	case "component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path",
		"vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist":
		return word
	}
	return ""
}

// productOf returns a package as a part of the image, if its purl is known, or else as the
// product itself.
func productOf(p verdict.Package, image string) product {
	pkg := purlComponent(p.PURL)
	if p.PURL == "" {
		pkg = component{ID: "urn:assay:package:" + fmt.Sprintf("%x", sha256.Sum256([]byte(p.Type+"\x00"+p.Name+"\x00"+p.Version)))}
	}
	if image == "" {
		return product{component: pkg}
	}
	return product{component: purlComponent(image), Subcomponents: []component{pkg}}
}

func purlComponent(purl string) component {
	return component{ID: purl, Identifiers: &identifiers{purl}}
}
