// Package csv writes a report as a table for spreadsheets: comma-separated values as RFC
// 4180 describes them, in UTF-8, with one header line.
package csv

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"time"

	"assay/service/report"
	"assay/verdict"
)

// Format is the table.
func Format() report.Format {
	return report.Format{Name: "csv", Type: "text/csv; charset=utf-8; header=present", Extension: ".csv", Render: render}
}

// maxCell is the most runes of a cell. Excel takes 32,767.
const maxCell = 4000

// The values of the first column.
const (
	recordScan    = "scan"          // the outcome; always the first row
	recordGap     = "not-evaluated" // what the scan did not evaluate
	recordFinding = "finding"
)

// A column is a header and the value of a finding.
type column struct {
	name  string
	value func(verdict.Finding) string
}

func columns() []column {
	return []column{
		{"record", func(verdict.Finding) string { return recordFinding }},
		{"result", func(f verdict.Finding) string {
			if f.Fails {
				return "fail"
			}
			return "pass"
		}},
		{"rule", func(f verdict.Finding) string { return f.Rule }},
		{"severity", func(f verdict.Finding) string { return string(f.Severity) }},
		{"id", func(f verdict.Finding) string { return f.ID }},
		{"package", func(f verdict.Finding) string { return f.Package.Name }},
		{"version", func(f verdict.Finding) string { return f.Package.Version }},
		{"fixed", func(f verdict.Finding) string { return f.Fixed }},
		{"type", func(f verdict.Finding) string { return f.Package.Type }},
		{"arch", func(f verdict.Finding) string { return f.Package.Arch }},
		{"source", func(f verdict.Finding) string { return f.Package.Source }},
		{"source_version", func(f verdict.Finding) string { return f.Package.SourceVersion }},
		{"paths", func(f verdict.Finding) string { return strings.Join(f.Package.Paths, " ") }},
		{"score", func(f verdict.Finding) string { return number(f.Score) }},
		{"vector", func(f verdict.Finding) string { return f.Vector }},
		{"severity_source", func(f verdict.Finding) string { return f.SeveritySource }},
		{"epss", func(f verdict.Finding) string { return number(f.EPSS) }},
		{"known_exploited", func(f verdict.Finding) string { return strconv.FormatBool(f.KnownExploited) }},
		{"malicious", func(f verdict.Finding) string { return strconv.FormatBool(f.Malicious) }},
		{"aliases", func(f verdict.Finding) string { return strings.Join(f.Aliases, " ") }},
		{"advisories", func(f verdict.Finding) string { return strings.Join(f.Advisories, " ") }},
		{"by", func(f verdict.Finding) string { return f.By }},
		{"reason", func(f verdict.Finding) string { return f.Reason }},
		{"until", func(f verdict.Finding) string {
			if f.Until == nil {
				return ""
			}
			return f.Until.UTC().Format(time.RFC3339)
		}},
		{"written", func(f verdict.Finding) string { return f.Written }},
		{"summary", func(f verdict.Finding) string { return f.Summary }},
		{"why", func(f verdict.Finding) string { return f.Why }},
		{"purl", func(f verdict.Finding) string { return f.Package.PURL }},
	}
}

func number(n float64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}

func render(w io.Writer, s report.Scan) error {
	out := bufio.NewWriter(w)
	all := columns()
	row := make([]string, len(all))
	for i, c := range all {
		row[i] = c.name
	}
	write(out, row)
	// A row that is not about a finding has a rule, and a text in the last but one column.
	special := func(record, result, rule, id, text string) {
		clear(row)
		row[0], row[1], row[2], row[4], row[len(row)-2] = record, result, rule, id, text
		write(out, row)
	}
	var rule, text string
	if reasons := s.Verdict.Decision.Reasons; len(reasons) > 0 {
		rule, text = reasons[0].Rule, reasons[0].Text
	}
	special(recordScan, string(s.Verdict.Decision.Outcome), rule, s.Verdict.Scan, text)
	for _, g := range s.Incomplete() {
		special(recordGap, string(verdict.Untrusted), g.Rule, "", g.Text)
	}
	for _, f := range s.Verdict.Findings {
		for i, c := range all {
			row[i] = c.value(f)
		}
		write(out, row)
	}
	return out.Flush()
}

// write writes a row. Each cell is quoted, so that no text can begin another cell, and
// neutral, so that none is a formula. The writer keeps its error until Flush.
func write(out *bufio.Writer, row []string) {
	for i, cell := range row {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteByte('"')
		out.WriteString(strings.ReplaceAll(neutral(report.Line(cell, maxCell)), `"`, `""`))
		out.WriteByte('"')
	}
	out.WriteString("\r\n")
}

// neutral puts an apostrophe before a text that a spreadsheet would take for a formula, as
// OWASP recommends against CSV injection. The full-width forms count too.
func neutral(cell string) string {
	for _, begin := range []string{"=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"} {
		if strings.HasPrefix(cell, begin) {
			return "'" + cell
		}
	}
	return cell
}
