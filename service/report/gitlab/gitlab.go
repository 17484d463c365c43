// Package gitlab writes a report of GitLab's container scanning, version 15.1.4 of the schema
// of security reports. GitLab shows it in pipelines, merge requests and the vulnerability
// report of a project.
package gitlab

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"assay/service/report"
	"assay/verdict"
)

// Format is GitLab's report.
func Format() report.Format {
	return report.Format{Name: "gitlab", Type: "application/json", Extension: ".json", Render: render}
}

const (
	version = "15.1.4"
	schema  = "https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/v" + version + "/dist/container-scanning-report-format.json"
	clock   = "2006-01-02T15:04:05"

	// The most runes of texts, and the most identifiers that GitLab stores.
	maxName        = 255
	maxText        = 4000
	maxIdentifiers = 20
)

type document struct {
	Schema          string          `json:"schema"`
	Version         string          `json:"version"`
	Scan            scan            `json:"scan"`
	Vulnerabilities []vulnerability `json:"vulnerabilities"`
}

type scan struct {
	Analyzer tool      `json:"analyzer"`
	Scanner  tool      `json:"scanner"`
	Type     string    `json:"type"`
	Start    string    `json:"start_time"`
	End      string    `json:"end_time"`
	Status   string    `json:"status"` // "success" or "failure"
	Messages []message `json:"messages,omitempty"`
}

type tool struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Vendor  vendor `json:"vendor"`
}

type vendor struct {
	Name string `json:"name"`
}

type message struct {
	Level string `json:"level"` // "info", "warn" or "fatal"
	Value string `json:"value"`
}

type vulnerability struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Severity    string            `json:"severity"`
	Solution    string            `json:"solution,omitempty"`
	Identifiers []identifier      `json:"identifiers"`
	Vectors     []vector          `json:"cvss_vectors,omitempty"`
	Links       []link            `json:"links"`
	Details     map[string]detail `json:"details"`
	Flags       []flag            `json:"flags,omitempty"`
	Location    location          `json:"location"`
}

type identifier struct {
	Type  string `json:"type"`
	Name  string `json:"name"`
	Value string `json:"value"`
	URL   string `json:"url"`
}

type vector struct {
	Vendor string `json:"vendor"`
	Vector string `json:"vector"`
}

type link struct {
	URL string `json:"url"`
}

type detail struct {
	Type  string `json:"type"`
	Name  string `json:"name"`
	Value any    `json:"value"`
}

type flag struct {
	Type        string `json:"type"`
	Origin      string `json:"origin"`
	Description string `json:"description"`
}

type location struct {
	Dependency dependency `json:"dependency"`
	System     string     `json:"operating_system"`
	Image      string     `json:"image"`
}

type dependency struct {
	Package struct {
		Name string `json:"name"`
	} `json:"package"`
	Version string `json:"version"`
}

func render(w io.Writer, s report.Scan) error {
	at := s.At.UTC().Format(clock)
	self := tool{ID: "assay", Name: "assay", Version: cmp.Or(report.Line(s.Service, maxName), "unknown"), Vendor: vendor{Name: "assay"}}
	d := document{
		Schema: schema, Version: version, Vulnerabilities: []vulnerability{},
		Scan: scan{Analyzer: self, Scanner: self, Type: "container_scanning", Start: at, End: at, Status: "success"},
	}
	d.Scan.messages(s)
	place := location{
		System: cmp.Or(report.Line(strings.TrimSpace(s.Verdict.System.ID+" "+s.Verdict.System.VersionID), maxName), "unknown"),
		Image:  cmp.Or(report.Line(s.Verdict.Options.Project, maxName), "image"), // without the ref: GitLab compares branches by it
	}
	for _, f := range s.Verdict.Findings {
		d.Vulnerabilities = append(d.Vulnerabilities, vulnerabilityOf(f, place))
	}
	b, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		return fmt.Errorf("encode the report of GitLab: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// messages says what was not evaluated. A scan whose answer is untrusted has failed, so that
// GitLab does not take it for one that found nothing.
func (c *scan) messages(s report.Scan) {
	add := func(level, text string) {
		if text = report.Line(text, maxText); text != "" {
			c.Messages = append(c.Messages, message{level, text})
		}
	}
	if o := s.Verdict.Decision.Outcome; o != verdict.Pass && o != verdict.Fail {
		c.Status = "failure"
	}
	seen := map[string]bool{}
	for _, r := range s.Causes() {
		seen[r.Text] = true
		level := "fatal"
		if r.Rule == verdict.RuleEndOfLife {
			level = "warn"
		} else {
			c.Status = "failure"
		}
		add(level, r.Text)
	}
	for _, g := range s.Incomplete() {
		if !seen[g.Text] {
			add("warn", g.Text)
		}
	}
}

func vulnerabilityOf(f verdict.Finding, place location) vulnerability {
	name := cmp.Or(report.Line(f.Package.Name, maxName), "unknown")
	place.Dependency.Package.Name = name
	place.Dependency.Version = report.Line(f.Package.Version, maxName)
	v := vulnerability{
		ID:          idOf(f),
		Name:        cmp.Or(report.Line(f.ID, maxName), "unknown"),
		Description: cmp.Or(report.Markdown(f.Summary, maxText), report.Markdown(f.Why, maxText)),
		Severity:    severity(f.Severity),
		Solution:    report.Markdown(report.Fix(f), maxText/2), // at most 7,000 characters
		Location:    place,
		Details: map[string]detail{
			"decision": {"text", "Decision", decision(f)},
			"why":      {"text", "Match", report.Line(f.Why, maxText)},
			"purl":     {"text", "Package URL", report.Line(f.Package.PURL, maxText)},
			"exploited": {
				"text", "Known exploited", map[bool]string{true: "yes", false: "no"}[f.KnownExploited]},
		},
	}
	if f.EPSS > 0 {
		v.Details["epss"] = detail{"value", "EPSS", f.EPSS}
	}
	for i, p := range f.Package.Paths {
		if i == 10 {
			break
		}
		v.Details[fmt.Sprintf("path%d", i)] = detail{"text", "Path", "/" + report.Line(p, maxText)}
	}
	for _, id := range append([]string{f.ID}, f.Aliases...) {
		if id = report.Line(id, maxName); id != "" && len(v.Identifiers) < maxIdentifiers {
			_, address := report.Page(id)
			v.Identifiers = append(v.Identifiers, identifier{Type: kind(id), Name: id, Value: id, URL: address})
		}
	}
	if v.Identifiers == nil {
		v.Identifiers = []identifier{{Type: "assay", Name: "unknown", Value: "unknown", URL: "https://osv.dev/"}}
	}
	v.Links = []link{{v.Identifiers[0].URL}}
	if vectors.MatchString(f.Vector) && len(f.Vector) <= 128 {
		v.Vectors = []vector{{"unknown", f.Vector}}
	}
	if f.Rule == verdict.RuleVEX {
		v.Flags = []flag{{"flagged-as-likely-false-positive", "assay", cmp.Or(decision(f), "a VEX statement")}}
	}
	return v
}

// decision says what the policy decided on a finding, and why.
func decision(f verdict.Finding) string {
	text := "passes by the rule " + f.Rule
	if f.Fails {
		text = "fails by the rule " + f.Rule
	}
	for _, more := range []string{f.By, f.Reason, f.Written} {
		if more != "" {
			text += "; " + more
		}
	}
	return report.Line(text, maxText)
}

// vectors matches the vectors of CVSS 3 that the schema takes. Its other form, CVSS 2, has no
// finding: the service rates by a newer one. GitLab rejects a whole report for one
// vector that does not match.
var vectors = regexp.MustCompile(`^CVSS:3[.][01]/((AV:[NALP]|AC:[LH]|PR:[NLH]|UI:[NR]|S:[UC]|[CIA]:[NLH]|E:[XUPFH]|RL:[XOTWU]|RC:[XURC]|[CIA]R:[XLMH]|MAV:[XNALP]|MAC:[XLH]|MPR:[XNLH]|MUI:[XNR]|MS:[XUC]|M[CIA]:[XNLH])/){7,}` +
	`(AV:[NALP]|AC:[LH]|PR:[NLH]|UI:[NR]|S:[UC]|[CIA]:[NLH]|E:[XUPFH]|RL:[XOTWU]|RC:[XURC]|[CIA]R:[XLMH]|MAV:[XNALP]|MAC:[XLH]|MPR:[XNLH]|MUI:[XNR]|MS:[XUC]|M[CIA]:[XNLH])$`)

// kind returns the type of an identifier.
func kind(id string) string {
	for prefix, kind := range map[string]string{"CVE-": "cve", "GHSA-": "ghsa", "RHSA-": "rhsa", "USN-": "usn", "ELSA-": "elsa"} {
		if strings.HasPrefix(id, prefix) {
			return kind
		}
	}
	return "osv"
}

func severity(s verdict.Severity) string {
	switch s {
	case verdict.Critical:
		return "Critical"
	case verdict.High:
		return "High"
	case verdict.Medium:
		return "Medium"
	case verdict.Low:
		return "Low"
	case verdict.Negligible:
		return "Info"
	}
	return "Unknown"
}

// idOf returns a UUID that stays the same for a finding in later scans.
func idOf(f verdict.Finding) string {
	path := ""
	if f.Package.Source == "" && len(f.Package.Paths) > 0 {
		path = f.Package.Paths[0]
	}
	return report.UUID(fmt.Appendf(nil, "%q", []string{f.ID, f.Package.Type, f.Package.Name, f.Package.Version, f.Package.Arch, path}))
}
