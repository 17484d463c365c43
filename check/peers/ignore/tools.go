package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"assay/check/peers"
	"assay/service/match"
	"assay/service/policy/ignore"
)

//go:embed testdata/grype.go
var grypeSource []byte

// tools has the programs, and the folder for their files.
type tools struct{ trivy, grype, tmp string }

// A decision is what a tool does with the findings about a file.
type decision struct {
	accepted map[int]bool // by the index of the finding
	// unsupported are rules of assay that accept nothing, with the cause.
	unsupported []*ignore.Rule
	refused     string // why the file cannot be read; then nothing is accepted
}

// assayDecides returns the decision of assay.
func assayDecides(name string, text []byte, findings []finding) decision {
	f, err := ignore.Parse(name, text)
	if err != nil {
		return decision{refused: err.Error()}
	}
	d := decision{accepted: map[int]bool{}}
	for _, r := range f.Rules {
		if r.Inactive != "" {
			d.unsupported = append(d.unsupported, r)
		}
	}
	now := time.Now()
	for i, of := range findings {
		d.accepted[i] = slices.ContainsFunc(f.Rules, func(r *ignore.Rule) bool {
			return r.Matches(match.Finding{Match: of.match, Package: &of.pkg}) && !r.Expired(now)
		})
	}
	return d
}

// cause returns why assay has no rule about a finding, or nothing.
func (d decision) cause(id string) string {
	for _, r := range d.unsupported {
		if r.ID == "" || r.ID == id {
			return r.Inactive
		}
	}
	return ""
}

// trivyDecides converts a report with the findings.
func (t tools) trivyDecides(ctx context.Context, name string, text []byte, findings []finding) (decision, error) {
	file, err := t.write(name, text)
	if err != nil {
		return decision{}, err
	}
	type vulnerability struct {
		VulnerabilityID, PkgID, PkgName, InstalledVersion, FixedVersion, PkgPath, Severity string
		PkgIdentifier                                                                      struct{ PURL string }
	}
	type result struct {
		Target, Class                string
		Vulnerabilities              []vulnerability
		ExperimentalModifiedFindings []struct{ Finding vulnerability }
	}
	var doc struct {
		SchemaVersion              int
		ArtifactName, ArtifactType string
		Results                    []result
	}
	doc.SchemaVersion, doc.ArtifactName, doc.ArtifactType = 2, "image", "container_image"
	for i, f := range findings {
		v := vulnerability{VulnerabilityID: f.match.ID, PkgID: fmt.Sprint(i), PkgName: f.pkg.Name, InstalledVersion: f.trivy.version,
			FixedVersion: f.match.Fixed, PkgPath: f.trivy.path, Severity: "HIGH"}
		v.PkgIdentifier.PURL = f.trivy.purl
		doc.Results = append(doc.Results, result{Target: f.trivy.target, Class: "lang-pkgs", Vulnerabilities: []vulnerability{v}})
	}
	report, err := t.writeJSON("report.json", doc)
	if err != nil {
		return decision{}, err
	}
	out, err := peers.Output(ctx, nil, nil, t.trivy, "convert", "--quiet", "--format", "json", "--show-suppressed", "--ignorefile", file, report)
	if reason, ok := refusal(err); ok {
		return decision{refused: reason}, nil
	}
	if err != nil {
		return decision{}, err
	}
	doc.Results = nil
	if err := json.Unmarshal(out, &doc); err != nil {
		return decision{}, fmt.Errorf("trivy: %w", err)
	}
	d, left := decision{accepted: map[int]bool{}}, 0
	for _, r := range doc.Results {
		left += len(r.Vulnerabilities)
		for _, m := range r.ExperimentalModifiedFindings {
			var i int
			if _, err := fmt.Sscan(m.Finding.PkgID, &i); err != nil {
				return decision{}, fmt.Errorf("trivy: package %q: %w", m.Finding.PkgID, err)
			}
			d.accepted[i] = true
		}
	}
	if left+len(d.accepted) != len(findings) {
		return decision{}, fmt.Errorf("trivy: %d findings left and %d accepted of %d", left, len(d.accepted), len(findings))
	}
	return d, nil
}

// grypeDecides applies the rules of a configuration.
func (t tools) grypeDecides(ctx context.Context, name string, text []byte, findings []finding) (decision, error) {
	file, err := t.write(name, text)
	if err != nil {
		return decision{}, err
	}
	type match struct {
		ID       string
		Aliases  []string
		FixState string
		Package  grypePackage
	}
	all := make([]match, 0, len(findings))
	for _, f := range findings {
		all = append(all, match{f.match.ID, f.match.Aliases, f.grypeState(), f.grype})
	}
	matches, err := t.writeJSON("findings.json", all)
	if err != nil {
		return decision{}, err
	}
	out, err := peers.Output(ctx, nil, nil, t.grype, "ignored", file, matches)
	if reason, ok := refusal(err); ok {
		return decision{refused: reason}, nil
	}
	if err != nil {
		return decision{}, err
	}
	var ignored []int
	if err := json.Unmarshal(out, &ignored); err != nil {
		return decision{}, fmt.Errorf("grype: %w", err)
	}
	d := decision{accepted: map[int]bool{}}
	for _, i := range ignored {
		d.accepted[i] = true
	}
	return d, nil
}

// refusal returns the message of a tool that ended with an error.
func refusal(err error) (string, bool) {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return "", false
	}
	return strings.TrimSpace(string(exit.Stderr)), true
}

// write writes a file with the base name of name.
func (t tools) write(name string, text []byte) (string, error) {
	path := filepath.Join(t.tmp, filepath.Base(name))
	return path, os.WriteFile(path, text, 0o644)
}

func (t tools) writeJSON(name string, v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return t.write(name, text)
}
