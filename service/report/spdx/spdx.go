// Package spdx renders the inventory of a scan as SPDX 2.3 (ISO/IEC 5962). The format has no
// place for findings. The document can be sent to the service, which evaluates it again.
package spdx

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	wire "assay/remote/spdx"
	"assay/service/report"
	"assay/verdict"
)

// Format is the format "spdx".
func Format() report.Format {
	return report.Format{Name: "spdx", Type: "application/spdx+json", Extension: ".spdx.json", Inventory: true, Render: render}
}

const maxText = 1000 // runes of a text

func render(w io.Writer, s report.Scan) error {
	namespace, err := s.URI("spdx", []any{s.Verdict, s.Sent.Inventory})
	if err != nil {
		return fmt.Errorf("encode SPDX: %w", err)
	}
	var notes []string
	for _, g := range s.Incomplete() {
		if g.Rule == report.GapError {
			continue // an annotation of its own
		}
		notes = append(notes, "not evaluated: "+report.Line(g.Rule+": "+g.Text, maxText))
	}
	return wire.Write(verdict.ASCII(w), wire.Document{
		Name:      cmp.Or(report.Line(s.Verdict.Options.Project, maxText), "image"),
		Namespace: namespace,
		Created:   s.At,
		Tool:      strings.TrimSpace("assayd " + s.Service),
		Inventory: s.Sent.Inventory,
		Notes:     notes,
	})
}
