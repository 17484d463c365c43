// Package plain has the two formats that the client can write by itself: the log and the
// JSON of the verdict.
package plain

import (
	"io"

	"assay/service/report"
	"assay/verdict"
)

// Text is the log with all findings.
func Text() report.Format {
	return report.Format{Name: "text", Type: "text/plain; charset=utf-8", Extension: ".txt", Render: func(w io.Writer, s report.Scan) error {
		return verdict.WriteText(w, s.Verdict, verdict.Style{Verbose: true, Exit: s.Verdict.Decision.Code})
	}}
}

// JSON is the verdict as docs/api.md describes it.
func JSON() report.Format {
	return report.Format{Name: "json", Type: "application/json", Extension: ".json", Render: func(w io.Writer, s report.Scan) error {
		return verdict.WriteJSON(w, s.Verdict)
	}}
}
