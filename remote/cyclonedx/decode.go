package cyclonedx

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/remote/jsonread"
	"assay/remote/purl"
)

// Limits limit the size of a document. Decode rejects a larger one.
type Limits = jsonread.Limits

// DefaultLimits returns limits for the bills of materials of the largest images, in the most
// verbose format: about 20,000 packages of Syft. Each value needs at most about 300 bytes of
// memory.
func DefaultLimits() Limits { return Limits{Bytes: 64 << 20, Values: 2_000_000, Depth: 64} }

// ErrTooLarge is returned for a document that exceeds the limits.
var ErrTooLarge = jsonread.ErrTooLarge

// ErrTooDeep is returned for a document that is nested more deeply than the limits.
var ErrTooDeep = jsonread.ErrTooDeep

// Decode reads a CycloneDX 1.x document in JSON, written by Encode or by another tool. The
// purl of a component says which package it is. Decode also reads the properties of Syft and
// Trivy for source packages, systems and paths, and ignores everything unknown. It records a
// library without a valid purl as a scan error. The inventory has nested components, but not
// the component that the document describes. The inventory is sorted. Its strings share the
// memory of the whole document: clone one that is kept for longer than the scan.
func Decode(from io.Reader, limits Limits) (Scan, error) {
	text, err := jsonread.Text(from, limits.Bytes)
	if err != nil {
		return Scan{}, fmt.Errorf("read the CycloneDX document: %w", err)
	}
	return DecodeText(text, limits)
}

// DecodeText is Decode for a text that was read, within the limit of bytes.
func DecodeText(text string, limits Limits) (Scan, error) {
	var s Scan
	r := documentReader{Reader: jsonread.New(text, limits)}
	d := decoder{inventory: &s.Inventory, reader: &r.Reader}
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

// A decoder is a taker that collects an inventory from components.
type decoder struct {
	inventory  *inventory.Inventory
	hasSystem  bool
	guess      inventory.System     // from the first package of a distribution
	reader     *jsonread.Reader     // for the position in the text
	evidence   []inventory.Evidence // memory for the evidence of the next packages
	qualifiers []purl.Qualifier     // memory for the qualifiers of a purl
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
		if key, ok := strings.CutPrefix(p.Name, propFile); ok {
			kind, name, _ := strings.Cut(key, ":")
			body, err := base64.StdEncoding.DecodeString(p.Value)
			if err != nil {
				return fmt.Errorf("property %q: %w", p.Name, err)
			}
			s.Files = append(s.Files, File{Kind: kind, Name: name, Body: body})
		}
		if p.Name == propModified { // a malformed time is like none: it only serves as advice
			s.Modified, _ = time.Parse(time.RFC3339, p.Value)
		}
		if p.Name == propImage {
			if err := json.Unmarshal([]byte(p.Value), &s.Image); err != nil {
				return fmt.Errorf("property %q: %w", p.Name, err)
			}
		}
		if p.Name == propPartial {
			e, err := ScanErrorOf(p.Value)
			if err != nil {
				return fmt.Errorf("property %q: %w", p.Name, err)
			}
			d.inventory.ScanErrors = append(d.inventory.ScanErrors, e)
		}
	}
	return nil
}

// isImage reports whether a purl names a container image, which does not count as a package.
func isImage(text string) bool {
	typ, _, _ := strings.Cut(strings.TrimPrefix(text, "pkg:"), "/")
	return strings.EqualFold(typ, "oci") || strings.EqualFold(typ, "docker")
}

// ScanErrorOf returns the scan error that the value of a property "assay:partial" describes.
func ScanErrorOf(value string) (inventory.ScanError, error) {
	var v partial
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		return inventory.ScanError{}, err
	}
	return inventory.ScanError{Path: v.Path, Kind: errorKindOf(v.Kind), Err: v.Err}, nil
}

// ScanErrorText is the reverse of ScanErrorOf.
func ScanErrorText(e inventory.ScanError) (string, error) {
	value, err := json.Marshal(partial{e.Path, string(e.Kind), e.Err})
	return string(value), err
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
	default: // "platform", "firmware", "file" …: a package only if it has a purl
		if c.PURL != "" && !isImage(c.PURL) {
			d.component(c)
		}
	}
	d.components(c.Components)
}

// grow makes room for a package, and for the next ones. It estimates their number from the
// part of the text that was read, because growing often would copy the packages often.
func (d *decoder) grow() {
	packages := d.inventory.Packages
	if len(packages) < cap(packages) {
		return
	}
	read, rest := d.reader.Position()
	expected := len(packages) * rest / read
	d.inventory.Packages = slices.Grow(packages, min(max(16, expected+expected/8), 1024))
}

func (d *decoder) component(c *component) {
	// Both stay on the stack, where they are cheap.
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
	// Tools write a lock file or a program that contains packages as an application without
	// a purl. The packages are components of their own.
	if c.PURL == "" && c.Type == "application" {
		return
	}
	scanError := inventory.ScanError{Kind: inventory.KindFile, Err: fmt.Sprintf("component %q: %v", c.Name, err)}
	if len(p.Evidence) > 0 {
		scanError.Path = p.Evidence[0].Path
	}
	d.inventory.ScanErrors = append(d.inventory.ScanErrors, scanError)
}
