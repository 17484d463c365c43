package match

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"assay/verdict"
)

// AppendJSON appends a JSON array of findings, with the bytes that encoding/json makes
// of the array of their Verdicts. A match is encoded once for all findings and scans
// that share it, and a package once for its findings: to encode each finding of a large
// image takes longer than to match and decide all of them.
func AppendJSON(b []byte, findings []Finding) ([]byte, error) {
	packages := make(map[*verdict.Package][]byte)
	b = append(b, '[')
	for i, f := range findings {
		pkg := packages[f.Package]
		if pkg == nil {
			var err error
			if pkg, err = json.Marshal(f.Package); err != nil {
				return nil, fmt.Errorf("encode package %q: %w", f.Package.Name, err)
			}
			packages[f.Package] = pkg
		}
		e, err := f.Match.encode()
		if err != nil {
			return nil, fmt.Errorf("encode finding %q: %w", f.ID, err)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e.head...)
		b = append(b, `"package":`...)
		b = append(b, pkg...)
		b = append(b, e.middle...)
		b = append(b, `"fails":`...)
		b = strconv.AppendBool(b, f.Fails)
		b = append(b, `,"rule":"`...)
		b = append(b, f.Rule...) // a word of the policy, which needs no escapes
		b = append(b, '"')
		if f.Origin != "" {
			b = append(b, `,"origin":"`...)
			b = append(b, f.Origin...) // as the rule
			b = append(b, '"')
		}
		if f.Layer != "" {
			layer, err := json.Marshal(f.Layer)
			if err != nil {
				return nil, fmt.Errorf("encode finding %q: %w", f.ID, err)
			}
			b = append(b, `,"layer":`...)
			b = append(b, layer...)
		}
		if b, err = appendGrounds(b, f.Grounds); err != nil {
			return nil, fmt.Errorf("encode finding %q: %w", f.ID, err)
		}
		b = append(b, e.tail...)
	}
	return append(b, ']'), nil
}

// appendGrounds appends the fields of g that are not empty, each after a comma.
func appendGrounds(b []byte, g *verdict.Grounds) ([]byte, error) {
	if g == nil {
		return b, nil
	}
	text, err := json.Marshal(g)
	if err != nil || string(text) == "{}" {
		return b, err
	}
	b = append(b, ',')
	return append(b, text[1:len(text)-1]...), nil
}

// An encoding is the JSON of a match as a finding, without the package and the decision.
type encoding struct {
	head   []byte // before the package
	middle []byte // between the package and the decision
	tail   []byte // after the decision
}

// What encoding/json makes of an empty package and decision. It cannot be part of a
// JSON string, which escapes quotation marks.
const (
	emptyPackage  = `"package":{"type":"","name":"","version":"","purl":""}`
	emptyDecision = `"fails":false,"rule":""`
)

// encode returns the encoding of a match, which it makes once.
func (c *Match) encode() (*encoding, error) {
	if e := c.encoded.Load(); e != nil {
		return e, nil
	}
	f := c.Finding
	f.Package, f.Fails, f.Rule, f.Origin, f.Grounds = verdict.Package{}, false, "", "", verdict.Grounds{}
	text, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	head, rest, ok := bytes.Cut(text, []byte(emptyPackage))
	middle, tail, ok2 := bytes.Cut(rest, []byte(emptyDecision))
	if !ok || !ok2 {
		return nil, fmt.Errorf("no place for the package and the decision in %s", text)
	}
	e := &encoding{head, middle, tail}
	c.encoded.Store(e) // two scans may both make it; the results are equal
	return e, nil
}
