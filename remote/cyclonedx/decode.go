package cyclonedx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/remote/purl"
)

// Limits bound what Decode takes in. A document that exceeds one is refused.
type Limits struct {
	Bytes  int64 // of the document, not compressed
	Values int   // of JSON, at any depth
	Depth  int   // of nesting
}

// DefaultLimits returns limits that a bill of materials of the largest images,
// written by the most talkative of tools, stays below: some 20,000 packages of
// Syft. Memory is bounded by about 300 bytes for each value.
func DefaultLimits() Limits { return Limits{Bytes: 64 << 20, Values: 2_000_000, Depth: 64} }

// ErrTooLarge is a document that exceeds the limits.
var ErrTooLarge = errors.New("the document is too large")

// ErrTooDeep is a document that is nested more deeply than the limits.
var ErrTooDeep = errors.New("the document is nested too deeply")

// Decode reads a document of CycloneDX 1.x JSON: one that Encode wrote, or one
// of another tool. The purl of a component says what package it is; Syft's and
// Trivy's properties for source packages, systems and paths are understood, and
// what is not known is ignored. A library without a valid purl is recorded as
// a scan error. Nested components are taken, the component that the document is
// about is not: it is no part of the inventory. The inventory is sorted. Its
// strings share the memory of the whole document: who keeps one for longer than
// the scan clones it.
func Decode(from io.Reader, limits Limits) (Scan, error) {
	text, err := readText(from, limits.Bytes)
	if err != nil {
		return Scan{}, fmt.Errorf("read the CycloneDX document: %w", err)
	}
	var s Scan
	r := documentReader{reader: newReader(text, limits)}
	d := decoder{inventory: &s.Inventory, reader: &r.reader}
	doc, err := r.document(&d)
	if err != nil {
		return Scan{}, fmt.Errorf("read the CycloneDX document: %w", err)
	}
	if doc.BOMFormat != "CycloneDX" {
		return Scan{}, fmt.Errorf("not a CycloneDX document: bomFormat is %q", doc.BOMFormat)
	}
	if !strings.HasPrefix(doc.SpecVersion, "1.") {
		return Scan{}, fmt.Errorf("CycloneDX of specVersion %q is not supported, only 1.x", doc.SpecVersion)
	}

	s.Client = clientOf(doc.Metadata.Tools)
	if err := d.metadata(doc.Metadata.Properties, &s); err != nil {
		return Scan{}, err
	}
	if doc.Metadata.Component != nil {
		d.components(doc.Metadata.Component.Components)
	}
	if !d.hasSystem {
		s.Inventory.System = d.guess
	}
	s.Inventory.Sort()
	return s, nil
}

// readText reads all of r, which has at most limit bytes.
func readText(r io.Reader, limit int64) (string, error) {
	var b strings.Builder
	if sized, ok := r.(interface{ Len() int }); ok { // as what is held in memory already
		b.Grow(int(min(int64(sized.Len()), limit+1)))
	}
	n, err := io.Copy(&b, io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return b.String(), err
}

func clientOf(t tools) string {
	if len(t.Components) == 0 {
		return ""
	}
	first := t.Components[0]
	if first.Version == "" {
		return first.Name
	}
	return first.Name + " " + first.Version
}

// A decoder gathers an inventory from components, as their taker.
type decoder struct {
	inventory  *inventory.Inventory
	hasSystem  bool
	guess      inventory.System     // what the first package of a distribution says
	reader     *reader              // where in the text the components come from
	evidence   []inventory.Evidence // room for that of the next packages
	qualifiers []purl.Qualifier     // memory for those of a purl
}

func (d *decoder) metadata(properties []property, s *Scan) error {
	for _, p := range properties {
		if key, ok := strings.CutPrefix(p.Name, propOption); ok {
			origin, name, ok := strings.Cut(key, ":")
			if !ok {
				return fmt.Errorf("property %q is not %sORIGIN:NAME", p.Name, propOption)
			}
			s.Options = append(s.Options, Option{Name: name, Value: p.Value, Origin: origin})
		}
		if p.Name == propPartial {
			var v partial
			if err := json.Unmarshal([]byte(p.Value), &v); err != nil {
				return fmt.Errorf("property %q: %w", p.Name, err)
			}
			d.inventory.ScanErrors = append(d.inventory.ScanErrors, inventory.ScanError{Path: v.Path, Kind: errorKindOf(v.Kind), Err: v.Err})
		}
	}
	return nil
}

// isImage reports whether a purl is that of a container image, which is not counted
// as a package.
func isImage(text string) bool {
	typ, _, _ := strings.Cut(strings.TrimPrefix(text, "pkg:"), "/")
	return strings.EqualFold(typ, "oci") || strings.EqualFold(typ, "docker")
}

// errorKindOf returns the kind of a scan error. One that this version does not know may
// mean anything, so it is taken for the worst.
func errorKindOf(kind string) inventory.ErrorKind {
	switch k := inventory.ErrorKind(kind); k {
	case inventory.KindDatabase, inventory.KindSystem, inventory.KindDirectory, inventory.KindFile:
		return k
	}
	return inventory.KindDatabase
}

func (d *decoder) components(list []*component) {
	for _, c := range list {
		if c != nil {
			d.take(c)
		}
	}
}

func (d *decoder) reset() {
	d.inventory.Packages, d.inventory.ScanErrors = nil, nil
	d.inventory.System, d.hasSystem, d.guess = inventory.System{}, false, inventory.System{}
}

func (d *decoder) take(c *component) {
	switch c.Type {
	case "operating-system":
		if !d.hasSystem {
			d.inventory.System, d.hasSystem = systemOf(c), true
		}
	case "library", "framework", "application", "":
		d.component(c)
	default: // "platform", "firmware", "file" …: a package only where it says so
		if c.PURL != "" && !isImage(c.PURL) {
			d.component(c)
		}
	}
	d.components(c.Components)
}

// grow makes room for a package, and for those behind it if the rest of the text
// is like what was read of it; to copy them again and again takes long.
func (d *decoder) grow() {
	packages := d.inventory.Packages
	if len(packages) < cap(packages) {
		return
	}
	read, rest := d.reader.i, len(d.reader.s)-d.reader.i
	expected := len(packages) * rest / read
	d.inventory.Packages = slices.Grow(packages, min(max(16, expected+expected/8), 1024))
}

func (d *decoder) component(c *component) {
	// Both keep to the stack, where they are cheap to fill in.
	u := purl.PURL{Qualifiers: d.qualifiers[:0]}
	var p inventory.Package
	err := d.packageOf(&p, &u, c)
	d.qualifiers = u.Qualifiers
	if err == nil {
		d.grow()
		d.inventory.Packages = append(d.inventory.Packages, p)
		if d.guess.ID == "" {
			d.guess = u.System()
		}
		return
	}
	// An application without a purl is how tools write a lock file or a program
	// with packages in it; those follow on their own.
	if c.PURL == "" && c.Type == "application" {
		return
	}
	scanError := inventory.ScanError{Kind: inventory.KindFile, Err: fmt.Sprintf("component %q: %v", c.Name, err)}
	if len(p.Evidence) > 0 {
		scanError.Path = p.Evidence[0].Path
	}
	d.inventory.ScanErrors = append(d.inventory.ScanErrors, scanError)
}
