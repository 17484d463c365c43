// Package updateinfo reads the errata of rpm repositories, as dnf and yum do: the file
// repodata/repomd.xml of a repository names its updateinfo.xml, with a checksum.
//
// An erratum may be in several repositories, in each with the packages of that repository.
// Errata joins the parts and converts them to records.
package updateinfo

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
)

// An Erratum is an announcement of updates.
type Erratum struct {
	ID, Title, Description string
	// Kind is what it announces, "security" for vulnerabilities. Status is "final" for a
	// published erratum.
	Kind, Status string
	Severity     string // the publisher's word
	// Issued and Updated are zero if they are missing or have an unknown form.
	Issued, Updated time.Time
	CVEs            []string
	Bugs            []string // titles of the bugs that it fixes
	// Link is the page of the erratum.
	Link     string
	Packages []Package
}

// A Package is a fixed build of a binary package.
type Package struct {
	Name, Epoch, Version, Release, Arch string
	Source                              string // file name of the source rpm
	Module                              string // stream of a module, "nodejs:18"
}

// Bounds of updateinfo.xml. The largest genuine errata have a few thousand packages and
// about 1 MiB.
const (
	maxErratum  = 32 << 20 // bytes
	maxPackages = 100_000  // of an erratum
	maxDepth    = 16       // elements within each other
	readAhead   = 64 << 10 // bytes that a decoder reads beyond an element, at most
)

// Read yields the errata of an updateinfo.xml. An error ends it: the caller must not use
// what came before it. Document types, and so entities, are errors.
func Read(r io.Reader) iter.Seq2[Erratum, error] {
	return func(yield func(Erratum, error) bool) {
		if err := read(r, func(e Erratum) bool { return yield(e, nil) }); err != nil {
			yield(Erratum{}, fmt.Errorf("read updateinfo.xml: %w", err))
		}
	}
}

func read(r io.Reader, yield func(Erratum) bool) error {
	d := newDecoder(r, maxErratum)
	if err := d.root("updates"); err != nil {
		return err
	}
	for {
		start, ok, err := d.child()
		if err != nil {
			return err
		}
		if !ok {
			return d.end()
		}
		if start.Name.Local != "update" {
			if err := d.Skip(); err != nil {
				return err
			}
			continue
		}
		e, err := d.erratum(start)
		if err != nil {
			return err
		}
		if !yield(e) {
			return nil
		}
	}
}

// A decoder reads XML without document types, whose elements below the root have at most
// limit bytes each.
type decoder struct {
	*xml.Decoder
	in *bounded
}

func newDecoder(r io.Reader, limit int64) decoder {
	in := &bounded{r: r, limit: limit}
	in.reset()
	return decoder{xml.NewTokenDecoder(&guard{d: xml.NewDecoder(in)}), in}
}

// A guard refuses document types and deep nesting, also in elements that are skipped: the
// decoder keeps each open element in memory. The decoder that reads it checks the names.
type guard struct {
	d     *xml.Decoder
	depth int
}

// Token implements xml.TokenReader.
func (g *guard) Token() (xml.Token, error) {
	t, err := g.d.RawToken()
	switch t.(type) {
	case xml.Directive:
		return nil, errors.New("a document type is not allowed")
	case xml.StartElement:
		if g.depth++; g.depth > maxDepth {
			return nil, fmt.Errorf("elements are nested deeper than %d levels", maxDepth)
		}
	case xml.EndElement:
		g.depth--
	}
	return t, err
}

// A bounded reader fails after left bytes.
type bounded struct {
	r           io.Reader
	left, limit int64
}

func (b *bounded) reset() { b.left = b.limit + readAhead }

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("an element has more than %d bytes", b.limit)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// next returns the next start or end of an element.
func (d decoder) next() (xml.Token, error) {
	for {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t.(type) {
		case xml.StartElement, xml.EndElement:
			return t, nil
		}
	}
}

// root reads the start of the root element.
func (d decoder) root(name string) error {
	t, err := d.next()
	if err != nil {
		return fmt.Errorf("not XML: %w", err)
	}
	if start, ok := t.(xml.StartElement); !ok || start.Name.Local != name {
		return fmt.Errorf("the root element is not %q", name)
	}
	return nil
}

// child returns the next child of the root element. It is not ok at the end of the root.
func (d decoder) child() (start xml.StartElement, ok bool, err error) {
	d.in.reset()
	t, err := d.next()
	if err != nil {
		return start, false, err
	}
	start, ok = t.(xml.StartElement)
	return start, ok, nil
}

// end reads what follows the root element.
func (d decoder) end() error {
	d.in.reset()
	switch _, err := d.next(); err {
	case io.EOF:
		return nil
	case nil:
		return errors.New("the root element is followed by another")
	default:
		return err
	}
}

// erratum reads the element update.
func (d decoder) erratum(update xml.StartElement) (Erratum, error) {
	e := Erratum{Kind: attribute(update, "type"), Status: attribute(update, "status")}
	module, depth := "", 0
	for {
		t, err := d.next()
		if err != nil {
			return e, err
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			if depth--; depth < 0 {
				return e, nil
			}
			continue
		}
		depth++
		switch start.Name.Local {
		case "collection":
			module = ""
		case "module":
			module = stream(attribute(start, "name"), attribute(start, "stream"))
		case "package":
			e.Packages = append(e.Packages, Package{
				attribute(start, "name"), attribute(start, "epoch"), attribute(start, "version"), attribute(start, "release"),
				attribute(start, "arch"), attribute(start, "src"), module,
			})
			if len(e.Packages) > maxPackages {
				return e, fmt.Errorf("%q has more than %d packages", e.ID, maxPackages)
			}
		case "reference":
			switch attribute(start, "type") {
			case "cve":
				e.CVEs = append(e.CVEs, attribute(start, "id"))
			case "bugzilla":
				e.Bugs = append(e.Bugs, attribute(start, "title"))
			}
		default:
			if depth > 1 {
				continue
			}
			if ok, err := d.field(&e, start); err != nil {
				return e, err
			} else if ok {
				depth--
			}
		}
	}
}

// field reads a field of an erratum to its end. It is not ok, and reads nothing, if the
// element is not one of a text.
func (d decoder) field(e *Erratum, start xml.StartElement) (ok bool, err error) {
	var text *string
	switch start.Name.Local {
	case "id":
		text = &e.ID
	case "title":
		text = &e.Title
	case "severity":
		text = &e.Severity
	case "description":
		text = &e.Description
	case "issued":
		e.Issued = date(attribute(start, "date"))
		return false, nil
	case "updated":
		e.Updated = date(attribute(start, "date"))
		return false, nil
	default:
		return false, nil
	}
	if err := d.DecodeElement(text, &start); err != nil {
		return false, err
	}
	*text = strings.TrimSpace(*text)
	return true, nil
}

func attribute(start xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// stream joins the name and the stream of a module.
func stream(name, stream string) string {
	if name == "" || stream == "" {
		return ""
	}
	return name + ":" + stream
}

// date parses a date in the forms that distributions use.
func date(text string) time.Time {
	for _, layout := range [...]string{"2006-01-02 15:04", time.DateTime, time.DateTime + " UTC", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
