package verdict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// An EncodedFinding is a finding as JSON, but for its package and what the policy
// decides. A service that finds the same in thousands of images encodes it once.
type EncodedFinding struct {
	head   []byte // up to the package
	middle []byte // up to Fails
	tail   []byte // after Rule
}

// The places of an encoded finding that are filled in later. They cannot stand
// in a string: there a quotation mark is escaped.
const (
	openPackage  = `{"type":"","name":"","version":"","purl":""}`
	openDecision = `"fails":false,"rule":""`
	openFindings = `"findings":[]`
)

// Encode returns f without its package and its decision.
func (f Finding) Encode() (*EncodedFinding, error) {
	f.Package, f.Fails, f.Rule = Package{}, false, ""
	b, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode finding %q: %w", f.ID, err)
	}
	var e EncodedFinding
	var ok, ok2 bool
	e.head, e.middle, ok = bytes.Cut(b, []byte(`"package":`+openPackage))
	e.middle, e.tail, ok2 = bytes.Cut(e.middle, []byte(openDecision))
	if !ok || !ok2 {
		return nil, fmt.Errorf("encode finding %q: no place for its package and decision", f.ID)
	}
	return &e, nil
}

// Append appends the finding to b, in a package, which is JSON too, and with what
// was decided. The rule is one of a Finding's.
func (e *EncodedFinding) Append(b, pkg []byte, fails bool, rule string) []byte {
	b = append(b, e.head...)
	b = append(b, `"package":`...)
	b = append(b, pkg...)
	b = append(b, e.middle...)
	b = append(b, `"fails":`...)
	b = strconv.AppendBool(b, fails)
	b = append(b, `,"rule":"`...)
	b = append(b, rule...)
	b = append(b, '"')
	return append(b, e.tail...)
}

// EncodeAround returns v as JSON without its findings: what comes before the first,
// and what comes after the last.
func (v Verdict) EncodeAround() (before, after []byte, err error) {
	v.Findings = []Finding{}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, nil, fmt.Errorf("encode verdict: %w", err)
	}
	before, after, ok := bytes.Cut(b, []byte(openFindings))
	if !ok {
		return nil, nil, errors.New("encode verdict: no place for its findings")
	}
	before = append(slices.Clip(before), openFindings[:len(openFindings)-1]...)
	return before, append([]byte{']'}, after...), nil
}
