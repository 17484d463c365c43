// Package report is the model of what the formats of reports render: a kept scan. Each
// format has a folder below this one, and package formats lists them.
package report

import (
	"io"
	"time"

	"assay/remote/cyclonedx"
	"assay/verdict"
)

// A Scan is what a report is about.
type Scan struct {
	// Verdict is the answer to the scan. Its ID is empty if the scan is not kept, and so is
	// its Report.
	Verdict verdict.Verdict
	// Sent is the inventory of the image. It is set only for a format with Inventory.
	Sent cyclonedx.Scan
	// At is the time of the scan.
	At time.Time
	// PublicURL is the address of the service, without a slash at the end.
	PublicURL string
	// Service is the version of assayd.
	Service string
}

// A Format is one form of a report.
type Format struct {
	// Name is the word for --output, --format and ?format=.
	Name string
	// Type is the media type, with its parameters.
	Type string
	// Extension is the usual one of its files, with a dot.
	Extension string
	// Inventory says that Render reads Scan.Sent.
	Inventory bool
	// Render writes the report. The same scan gives the same bytes. Names, summaries and
	// paths come from images and feeds: Render escapes them for its format, and drops
	// control characters.
	Render func(w io.Writer, s Scan) error
}
