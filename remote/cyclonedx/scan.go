package cyclonedx

import (
	"time"

	"assay/inspect/inventory"
	"assay/verdict"
)

// A Scan is one request to the service.
type Scan struct {
	Inventory inventory.Inventory
	Options   []Option
	Files     []File
	// Modified is when the package databases of the system were last modified, or zero.
	// The time is beside the inventory, which the same tree always gives.
	Modified time.Time
	// Image is the finished image whose layers were read, or nil.
	Image *verdict.Image
	// Client is the name and version of the tool that wrote the document, such as
	// "assay 0.1.0".
	Client string
}

// A File is a file of exceptions, VEX statements, or the inventory of the base image. It
// travels as it is, and the service reads it.
type File struct {
	Kind string // one of those below
	Name string // as it was given; the id of a FileBaselineScan
	Body []byte
}

// The kinds of files.
const (
	FileIgnore = "ignore"
	FileVEX    = "vex"
	// FileBaseline is the inventory of the base image, and FileBaselineScan, which has no
	// body, names a stored scan in its place.
	FileBaseline     = "baseline"
	FileBaselineScan = "baseline-scan"
)

// Baseline reports whether the file is or names the inventory of the base image.
func (f File) Baseline() bool { return f.Kind == FileBaseline || f.Kind == FileBaselineScan }

// An Option is one option of a scan as it travels: its long flag's name, the
// text given, and who gave it. The service parses it and decides whether to use it.
type Option struct {
	Name   string // "fail-on"
	Value  string // "critical"; "true" for a switch
	Origin string // "flag", or the name of the environment variable
}

// Option returns the value of an option that a flag gave, or else a variable; the last one
// counts. It is empty if nobody gave it.
func (s Scan) Option(name string) string { return s.Given(name).Value }

// Given is like Option, with who gave it.
func (s Scan) Given(name string) Option {
	var given Option
	for _, o := range s.Options {
		if o.Name == name && (given.Origin != "flag" || o.Origin == "flag") {
			given = o
		}
	}
	return given
}
