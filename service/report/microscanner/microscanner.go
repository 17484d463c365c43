// Package microscanner writes a report in the JSON that Aqua's MicroScanner printed, for
// scripts that read it.
package microscanner

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"assay/service/report"
	"assay/verdict"
)

// Format is the JSON of MicroScanner.
func Format() report.Format {
	return report.Format{Name: "microscanner", Type: "application/json", Extension: ".json", Render: render}
}

const (
	maxName = 300 // runes
	maxText = 4000
)

type document struct {
	Started   started    `json:"scan_started"`
	Duration  int        `json:"scan_duration"` // seconds
	Digest    string     `json:"digest"`        // unknown inside a build
	OS        string     `json:"os"`
	Version   string     `json:"version"`
	Resources []resource `json:"resources"`
	Summary   summary    `json:"vulnerability_summary"`
	Options   struct{}   `json:"scan_options"`
	User      string     `json:"initiating_user"`
	// Partial says that something in the image was not evaluated.
	Partial  bool     `json:"partial_results"`
	Data     int64    `json:"data_date"` // Unix seconds
	Changed  bool     `json:"changed_result"`
	Function struct{} `json:"function_metadata"`
}

type started struct {
	Seconds int64 `json:"seconds"`
	Nanos   int   `json:"nanos"`
}

type resource struct {
	Resource        pkg             `json:"resource"`
	Scanned         bool            `json:"scanned"`
	Vulnerabilities []vulnerability `json:"vulnerabilities"`
}

type pkg struct {
	Format  string `json:"format"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Arch    string `json:"arch,omitempty"`
	CPE     string `json:"cpe"`
	Path    string `json:"path,omitempty"`
	License string `json:"license"` // unknown
}

// A vulnerability has MicroScanner's words for severities. It has ratings of the NVD and of
// the vendor; both are the one that decided.
type vulnerability struct {
	Name            string  `json:"name"`
	Description     string  `json:"description"`
	NVDScore        float64 `json:"nvd_score"`
	NVDScoreVersion string  `json:"nvd_score_version,omitempty"`
	NVDVectors      string  `json:"nvd_vectors,omitempty"`
	NVDSeverity     string  `json:"nvd_severity"`
	NVDURL          string  `json:"nvd_url"`
	VendorScore     float64 `json:"vendor_score"`
	VendorVersion   string  `json:"vendor_score_version,omitempty"`
	VendorVectors   string  `json:"vendor_vectors,omitempty"`
	VendorSeverity  string  `json:"vendor_severity"`
	VendorURL       string  `json:"vendor_url,omitempty"`
	Published       string  `json:"publish_date"`
	Modified        string  `json:"modification_date"`
	NVDScoreV3      float64 `json:"nvd_score_v3,omitempty"`
	NVDVectorsV3    string  `json:"nvd_vectors_v3,omitempty"`
	NVDSeverityV3   string  `json:"nvd_severity_v3,omitempty"`
	FixVersion      string  `json:"fix_version,omitempty"`
	Solution        string  `json:"solution,omitempty"`
	Classification  string  `json:"classification,omitempty"`
}

// A summary counts vulnerabilities. MicroScanner knew no severity above high: Critical is
// how many of High are critical.
type summary struct {
	Total      int     `json:"total"`
	Critical   int     `json:"critical"`
	High       int     `json:"high"`
	Medium     int     `json:"medium"`
	Low        int     `json:"low"`
	Negligible int     `json:"negligible"`
	Sensitive  int     `json:"sensitive"`
	Malware    int     `json:"malware"`
	Average    float64 `json:"score_average"`
	Max        float64 `json:"max_score"`
}

func render(w io.Writer, s report.Scan) error {
	v := s.Verdict
	d := document{
		Started: started{s.At.Unix(), s.At.Nanosecond()}, User: "token",
		OS: report.Line(v.System.ID, maxName), Version: report.Line(v.System.VersionID, maxName),
		Resources: []resource{}, Partial: len(s.Incomplete()) > 0,
	}
	if s.At.IsZero() {
		d.Started = started{}
	}
	if !v.Data.Updated.IsZero() {
		d.Data = v.Data.Updated.Unix()
	}
	d.causes(s)
	index := map[string]int{}
	for _, f := range v.Findings {
		p := d.pkg(f.Package)
		key := fmt.Sprintf("%q", []string{p.Format, p.Name, p.Version, p.Arch, p.Path})
		i, ok := index[key]
		if !ok {
			i = len(d.Resources)
			index[key] = i
			d.Resources = append(d.Resources, resource{Resource: p, Scanned: true})
		}
		r := &d.Resources[i]
		r.Vulnerabilities = append(r.Vulnerabilities, vulnerabilityOf(f, v.Options.Unrated))
		d.Summary.count(f, v.Options.Unrated)
	}
	d.Summary.average(v.Findings)
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report of MicroScanner: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// causes adds a resource for each reason why the scan did not pass that no finding shows. Its
// vulnerability is high, because scripts count those: an image that was not evaluated must
// not look like one without vulnerabilities.
func (d *document) causes(s report.Scan) {
	for _, r := range s.Causes() {
		name := "ASSAY-" + strings.ToUpper(report.Line(r.Rule, maxName))
		d.Resources = append(d.Resources, resource{
			Resource: pkg{Format: "assay", Name: "image"}, Scanned: false,
			Vulnerabilities: []vulnerability{{
				Name: name, Description: report.Line(r.Text, maxText), Solution: report.Line(r.Hint, maxText),
				NVDSeverity: "high", VendorSeverity: "high", NVDURL: s.PublicURL,
			}},
		})
		d.Summary.Total++
		d.Summary.High++
	}
}

func (d *document) pkg(p verdict.Package) pkg {
	out := pkg{
		Format: report.Line(p.Type, maxName), Name: report.Line(p.Name, maxName), Version: report.Line(p.Version, maxName), Arch: report.Line(p.Arch, maxName),
	}
	if p.Source == "" && len(p.Paths) > 0 {
		out.Path = "/" + report.Line(p.Paths[0], maxText)
	}
	out.CPE = "pkg:/" + d.OS + ":" + d.Version + ":" + out.Name + ":" + out.Version
	return out
}

func vulnerabilityOf(f verdict.Finding, unrated verdict.Severity) vulnerability {
	s := word(f, unrated)
	v := vulnerability{
		Name: report.Line(f.ID, maxName), Description: cmp.Or(report.Line(f.Summary, maxText), report.Line(f.Why, maxText)),
		NVDSeverity: s, VendorSeverity: s,
		FixVersion: report.Line(f.Fixed, maxName), Solution: report.Line(report.Fix(f), maxText),
		Classification: report.Line(f.Rule, maxName),
	}
	_, v.NVDURL = report.Page(report.Line(f.ID, maxName))
	if len(f.Advisories) > 0 {
		_, v.VendorURL = report.Page(report.Line(f.Advisories[0], maxName))
	}
	if f.FixPublished != nil {
		v.Published = f.FixPublished.UTC().Format(time.DateOnly)
		v.Modified = v.Published
	}
	if f.Score <= 0 {
		return v
	}
	vector := report.Line(f.Vector, maxName)
	v.NVDScore, v.NVDVectors, v.VendorScore, v.VendorVectors = f.Score, vector, f.Score, vector
	switch {
	case strings.HasPrefix(vector, "CVSS:3"):
		v.NVDScoreVersion = "CVSS v3"
		v.NVDScoreV3, v.NVDVectorsV3, v.NVDSeverityV3 = f.Score, vector, s
	case strings.HasPrefix(vector, "CVSS:4"):
		v.NVDScoreVersion = "CVSS v4"
	case vector != "":
		v.NVDScoreVersion = "CVSS v2"
	}
	v.VendorVersion = v.NVDScoreVersion
	return v
}

// word returns MicroScanner's word for the severity of a finding, as the scan counts it.
func word(f verdict.Finding, unrated verdict.Severity) string {
	switch s := severity(f, unrated); {
	case f.Malicious, s == verdict.Critical:
		return "high"
	default:
		return string(s)
	}
}

func severity(f verdict.Finding, unrated verdict.Severity) verdict.Severity {
	s := f.Severity
	if s == verdict.Unrated {
		s = unrated
	}
	if s.Rank() < 0 || s == verdict.Unrated {
		return verdict.High // unknown to this version
	}
	return s
}

func (s *summary) count(f verdict.Finding, unrated verdict.Severity) {
	s.Total++
	if f.Malicious {
		s.Malware++
	}
	if severity(f, unrated) == verdict.Critical {
		s.Critical++
	}
	switch word(f, unrated) {
	case "high":
		s.High++
	case "medium":
		s.Medium++
	case "low":
		s.Low++
	default:
		s.Negligible++
	}
}

// average sets the scores, which are those of CVSS and so between 0 and 10.
func (s *summary) average(findings []verdict.Finding) {
	sum, n := 0.0, 0
	for _, f := range findings {
		if f.Score > 0 {
			sum += f.Score
			n++
			s.Max = max(s.Max, f.Score)
		}
	}
	if n > 0 {
		s.Average = math.Round(sum/float64(n)*100) / 100
	}
}
