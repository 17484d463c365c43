package scan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"assay/service/match"
	"assay/verdict"
)

// An Answer is a verdict and its findings. AppendJSON encodes it without a copy of each
// finding.
type Answer struct {
	verdict.Verdict // without Findings
	findings        []match.Finding
}

// Whole returns the verdict with its findings.
func (a Answer) Whole() verdict.Verdict {
	v := a.Verdict
	v.Findings = make([]verdict.Finding, len(a.findings)) // not nil, which JSON writes as null
	for i, f := range a.findings {
		v.Findings[i] = f.Verdict()
	}
	return v
}

// noFindings is the JSON of an empty list of findings. It cannot be part of a JSON string,
// which escapes quotation marks.
const noFindings = `"findings":[]`

// AppendJSON appends the JSON of Whole, with the bytes of encoding/json.
func (a Answer) AppendJSON(b []byte) ([]byte, error) {
	v := a.Verdict
	v.Findings = []verdict.Finding{}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode verdict: %w", err)
	}
	before, after, ok := bytes.Cut(text, []byte(noFindings))
	if !ok {
		return nil, errors.New("encode verdict: no place for its findings")
	}
	b = append(b, before...)
	b = append(b, `"findings":`...)
	if b, err = match.AppendJSON(b, a.findings); err != nil {
		return nil, fmt.Errorf("encode verdict: %w", err)
	}
	return append(b, after...), nil
}

// Count returns the number of findings.
func (a Answer) Count() int { return len(a.findings) }
