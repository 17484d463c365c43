// Package oval reads OVAL 5 definitions about rpm packages
// (https://oval.mitre.org/language/version5.10.1/) and says which packages they affect.
// Oracle, SUSE and Microsoft publish advisories in this format.
//
// A document has four lists: definitions, and the tests, objects and states that the
// definitions refer to. The lists of tests, objects and states are read first and kept in
// memory. The definitions are then read one at a time.
package oval

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"assay/service/feed"
)

// Bounds of a document. The largest genuine one has about 1 GiB, 10,000 to 40,000
// definitions of up to 1 MiB, and a few hundred thousand tests.
const (
	maxDocument = 8 << 30 // bytes, decompressed
	maxElement  = 16 << 20
	maxDepth    = 64
	maxItems    = 8 << 20 // tests, objects and states
	maxText     = 1 << 10 // bytes of a name, a value or an ID
)

// A Definition is one definition with its tests.
type Definition struct {
	ID       string    `xml:"id,attr"`
	Class    string    `xml:"class,attr"`
	Metadata Metadata  `xml:"metadata"`
	Criteria *criteria `xml:"criteria"`

	lists *lists
}

// A Metadata describes a definition. Each publisher uses some of the fields.
type Metadata struct {
	Title       string      `xml:"title"`
	References  []Reference `xml:"reference"`
	Description string      `xml:"description"`
	Advisory    struct {
		Severity string `xml:"severity"`
		Issued   date   `xml:"issued"`
		Updated  date   `xml:"updated"`
		CVEs     []CVE  `xml:"cve"`
	} `xml:"advisory"`
	// Microsoft's own.
	Patchable    string `xml:"patchable"`
	AdvisoryDate string `xml:"advisory_date"`
	AdvisoryID   string `xml:"advisory_id"`
	Severity     string `xml:"severity"`
}

type date struct {
	Date string `xml:"date,attr"`
}

// A Reference is a link to another document about the same.
type Reference struct {
	Source string `xml:"source,attr"`
	ID     string `xml:"ref_id,attr"`
	URL    string `xml:"ref_url,attr"`
}

// A CVE is one of those that a definition is about.
type CVE struct {
	Text string `xml:",chardata"`
}

// Criteria are a tree of conditions.
type criteria struct {
	Operator string     `xml:"operator,attr"`
	Negate   string     `xml:"negate,attr"`
	Criteria []criteria `xml:"criteria"`
	Tests    []struct {
		Ref     string `xml:"test_ref,attr"`
		Comment string `xml:"comment,attr"`
		Negate  string `xml:"negate,attr"`
	} `xml:"criterion"`
	Extended []struct{} `xml:"extend_definition"`
}

// A Test is a condition about an installed package or a file.
type Test struct {
	// Kind is what the test is about: "rpminfo" for a package.
	Kind string
	// Comment is that of the criterion which refers to the test.
	Comment string
	// Check says how many of the packages called Name must have the state.
	Check string
	// Name is that of the package, or the path of the file.
	Name  string
	State State
}

// A State has the conditions of a test about a package, which must all be met. Missing
// ones have no operation.
type State struct {
	EVR, Version, Release, Arch, Signature Comparison
}

// A Comparison compares a property of a package with a value.
type Comparison struct{ Operation, Value string }

// Read yields the definitions of a document on the disk, which is plain or compressed with
// gzip or bzip2. namespace is the one of its IDs, such as "com.oracle.elsa". Another
// namespace is an error, because the document is not the publisher's. An error ends the
// document.
func Read(path, namespace string) iter.Seq2[Definition, error] {
	return func(yield func(Definition, error) bool) {
		l := &lists{namespace: namespace, tests: map[uint64]test{}, objects: map[uint64]object{}, states: map[uint64]state{}}
		err := feed.Text(path, maxDocument, l.read)
		found := false
		if err == nil {
			err = feed.Text(path, maxDocument, func(in io.Reader) error {
				return l.definitions(in, func(d Definition) bool {
					found = true
					return yield(d, nil)
				})
			})
		}
		if err == nil && !found {
			err = errors.New("the document has no definitions")
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(Definition{}, fmt.Errorf("read OVAL: %w", err))
		}
	}
}

// errEnough ends the reading of a document when the caller wants no more.
var errEnough = errors.New("enough")

// lists are the tests, objects and states of a document by their numbers. The field broken of
// each says why it cannot be evaluated: an unsupported element, or an ID that is repeated with
// another content.
type lists struct {
	namespace string
	tests     map[uint64]test
	objects   map[uint64]object
	states    map[uint64]state
}

type test struct {
	kind, check   string
	object, state uint64
	broken        string
}

type object struct{ kind, name, broken string }

type state struct {
	kind string
	State
	broken string
}

// read reads the tests, objects and states.
func (l *lists) read(in io.Reader) error {
	return walk(in, func(list string, d *xml.Decoder, item xml.StartElement) error {
		if list == "definitions" {
			return d.Skip()
		}
		if len(l.tests)+len(l.objects)+len(l.states) >= maxItems {
			return fmt.Errorf("more than %d tests, objects and states", maxItems)
		}
		var e element
		if err := d.DecodeElement(&e, &item); err != nil {
			return err
		}
		switch list {
		case "tests":
			return add(l, l.tests, e, "tst", l.test(e), func(t test) test { t.broken = repeated; return t })
		case "objects":
			return add(l, l.objects, e, "obj", e.object(), func(o object) object { o.broken = repeated; return o })
		default:
			return add(l, l.states, e, "ste", e.state(), func(s state) state { s.broken = repeated; return s })
		}
	})
}

// repeated is why an item cannot be evaluated whose ID another one has.
const repeated = "two elements have the same ID"

// add adds an item under its ID. Items that are repeated with another content are broken.
func add[T comparable](l *lists, list map[uint64]T, e element, kind string, item T, broken func(T) T) error {
	n, err := l.number(e.ID, kind)
	if err != nil {
		return err
	}
	if before, ok := list[n]; ok && before != item {
		item = broken(item)
	}
	list[n] = item
	return nil
}

// definitions reads the definitions.
func (l *lists) definitions(in io.Reader, yield func(Definition) bool) error {
	return walk(in, func(list string, d *xml.Decoder, item xml.StartElement) error {
		if list != "definitions" {
			return d.Skip()
		}
		definition := Definition{lists: l}
		if err := d.DecodeElement(&definition, &item); err != nil {
			return err
		}
		if !strings.HasPrefix(definition.ID, "oval:"+l.namespace+":def:") {
			return fmt.Errorf("the definition %.100q is not of %q", definition.ID, l.namespace)
		}
		if !yield(definition) {
			return errEnough
		}
		return nil
	})
}

// find returns the test that a criterion refers to.
func (l *lists) find(ref, comment string) (Test, error) {
	n, err := l.number(ref, "tst")
	if err != nil {
		return Test{}, err
	}
	t, ok := l.tests[n]
	o, ok2 := l.objects[t.object]
	s, ok3 := l.states[t.state]
	switch {
	case !ok:
		return Test{}, fmt.Errorf("the test %.100q is missing", ref)
	case t.broken != "":
		return Test{}, fmt.Errorf("the test %.100q: %s", ref, t.broken)
	case !ok2 || !ok3:
		return Test{}, fmt.Errorf("the object or the state of the test %.100q is missing", ref)
	case o.broken != "":
		return Test{}, fmt.Errorf("the object of the test %.100q: %s", ref, o.broken)
	case s.broken != "":
		return Test{}, fmt.Errorf("the state of the test %.100q: %s", ref, s.broken)
	case o.kind != t.kind || s.kind != t.kind:
		return Test{}, fmt.Errorf("the object or the state of the test %.100q is of another kind", ref)
	}
	return Test{Kind: t.kind, Comment: comment, Check: t.check, Name: o.name, State: s.State}, nil
}

// walk calls item for each element of the lists of a document. item reads the element to
// its end.
func walk(in io.Reader, item func(list string, d *xml.Decoder, item xml.StartElement) error) error {
	bound := &boundedReader{r: in, total: maxDocument}
	d := xml.NewTokenDecoder(&guard{d: xml.NewDecoder(bound)})
	path := make([]string, 0, 2)
	root := false
	for {
		bound.left = maxElement + readAhead
		t, err := d.Token()
		if err == io.EOF && root && len(path) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", d.InputOffset(), err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			name := t.Name.Local
			if len(path) == 0 && (root || name != "oval_definitions") {
				return fmt.Errorf("the element %.40q in place of \"oval_definitions\"", name)
			}
			root = true
			switch {
			case len(path) == 2:
				err = item(path[1], d, t)
			case len(path) == 1 && !slices.Contains([]string{"definitions", "tests", "objects", "states"}, name):
				err = d.Skip() // who made the document, and variables
			default:
				path = append(path, name)
			}
			if err != nil {
				return err
			}
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
}

// readAhead is how much a decoder may read beyond an element.
const readAhead = 64 << 10

// A boundedReader fails after left bytes, and after total bytes.
type boundedReader struct {
	r           io.Reader
	left, total int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("an element has more than %d bytes", int64(maxElement))
	}
	if b.total <= 0 {
		return 0, fmt.Errorf("the document has more than %d bytes", int64(maxDocument))
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left, b.total)])
	b.left -= int64(n)
	b.total -= int64(n)
	return n, err
}

// A guard refuses what a document does not need: document types, with which entities are
// defined, and deep nesting.
type guard struct {
	d     *xml.Decoder
	depth int
}

// Token implements xml.TokenReader. The decoder that reads it checks the names.
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

// An element is a test, an object or a state. The state_operator of a test does not count,
// because it has one state.
type element struct {
	XMLName   xml.Name
	ID        string     `xml:"id,attr"`
	Operator  string     `xml:"operator,attr"`        // of a state
	Check     string     `xml:"check,attr"`           // of a test
	Existence string     `xml:"check_existence,attr"` // of a test
	Parts     []property `xml:",any"`
}

type property struct {
	XMLName   xml.Name
	ObjectRef string `xml:"object_ref,attr"`
	StateRef  string `xml:"state_ref,attr"`
	VarRef    string `xml:"var_ref,attr"`
	Operation string `xml:"operation,attr"`
	Text      string `xml:",chardata"`
}

// kind returns what an element is about: "rpminfo" for "rpminfo_state".
func (e element) kind() string {
	i := strings.LastIndexByte(e.XMLName.Local, '_')
	return intern(e.XMLName.Local[:max(i, 0)])
}

// intern returns a text that most elements have without keeping a copy for each of them.
func intern(text string) string {
	for _, common := range [...]string{"rpminfo", "at least one", "all", "less than", "equals"} {
		if text == common {
			return common
		}
	}
	return text
}

// number returns the number at the end of an ID such as "oval:com.oracle.elsa:tst:1".
func (l *lists) number(id, kind string) (uint64, error) {
	rest, ok := strings.CutPrefix(id, "oval:"+l.namespace+":"+kind+":")
	n, err := strconv.ParseUint(rest, 10, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("%.100q is not an ID of %q", id, "oval:"+l.namespace+":"+kind)
	}
	return n, nil
}

// test returns a test. One with two states is broken, because each could be enough.
func (l *lists) test(e element) test {
	t := test{kind: e.kind(), check: intern(e.Check)}
	if e.Existence != "" && e.Existence != "at_least_one_exists" {
		t.broken = fmt.Sprintf("unsupported check_existence %.40q", e.Existence)
	}
	objects, states := 0, 0
	for _, p := range e.Parts {
		var err error
		switch p.XMLName.Local {
		case "object":
			objects++
			t.object, err = l.number(p.ObjectRef, "obj")
		case "state":
			states++
			t.state, err = l.number(p.StateRef, "ste")
		case "notes":
		default:
			err = fmt.Errorf("unsupported element %.40q", p.XMLName.Local)
		}
		if err != nil {
			t.broken = err.Error()
		}
	}
	if t.broken == "" && (objects != 1 || states != 1) {
		t.broken = fmt.Sprintf("it has %d objects and %d states, not one of each", objects, states)
	}
	return t
}

// object returns an object, which must name one package or one file.
func (e element) object() object {
	o := object{kind: e.kind()}
	names := 0
	for _, p := range e.Parts {
		local := p.XMLName.Local
		switch {
		case p.VarRef != "":
			o.broken = "it has a variable"
		case local == "name" || local == "filepath":
			names++
			var ok bool
			if o.name, ok = literal(p); !ok || o.name == "" || len(o.name) > maxText {
				o.broken = fmt.Sprintf("unsupported name %.100q", p.Text)
			}
		case o.kind == "rpminfo":
			o.broken = fmt.Sprintf("unsupported element %.40q", local)
		}
	}
	if o.broken == "" && names != 1 {
		o.broken = fmt.Sprintf("it has %d names, not one", names)
	}
	return o
}

// literal returns the one text that a property matches. It is not ok for a pattern that
// matches several.
func literal(p property) (text string, ok bool) {
	text = strings.TrimSpace(p.Text)
	switch p.Operation {
	case "", "equals":
		return text, true
	case "pattern match":
		text, begins := strings.CutPrefix(text, "^")
		text, ends := strings.CutSuffix(text, "$")
		plain := strings.ReplaceAll(text, `\.`, "")
		if begins && ends && !strings.ContainsAny(plain, `.*+?()[]{}|\^$`) {
			return strings.ReplaceAll(text, `\.`, "."), true
		}
	}
	return "", false
}

// state returns the conditions of a state. Those of other kinds than rpminfo are not read.
func (e element) state() state {
	s := state{kind: e.kind()}
	if s.kind != "rpminfo" {
		return s
	}
	if e.Operator != "" && e.Operator != "AND" {
		s.broken = fmt.Sprintf("unsupported operator %.40q", e.Operator)
	}
	for _, p := range e.Parts {
		if p.XMLName.Local == "notes" {
			continue
		}
		to := s.State.field(p.XMLName.Local)
		if to == nil {
			s.broken = fmt.Sprintf("unsupported element %.40q", p.XMLName.Local)
			continue
		}
		c := Comparison{intern(cmp.Or(p.Operation, "equals")), strings.TrimSpace(p.Text)}
		switch {
		case p.VarRef != "":
			s.broken = "it has a variable"
		case to.Operation != "":
			s.broken = fmt.Sprintf("it has several elements %q", p.XMLName.Local)
		case c.Value == "" || len(c.Value) > maxText || len(c.Operation) > maxText:
			s.broken = fmt.Sprintf("invalid value %.100q", c.Value)
		default:
			*to = c
		}
	}
	if s.broken == "" && s.State == (State{}) {
		s.broken = "it has no condition"
	}
	return s
}

// field returns the condition that an element of a state is, or nil.
func (s *State) field(element string) *Comparison {
	switch element {
	case "evr":
		return &s.EVR
	case "version":
		return &s.Version
	case "release":
		return &s.Release
	case "arch":
		return &s.Arch
	case "signature_keyid":
		return &s.Signature
	}
	return nil
}
