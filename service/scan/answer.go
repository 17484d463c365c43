package scan

import (
	"encoding/json"
	"fmt"

	"assay/service/policy"
	"assay/verdict"
)

// An Answer is a verdict whose findings are not spelled out: most of what is in
// them has been found, and encoded, for other scans before.
type Answer struct {
	verdict.Verdict // but for Findings, which is nil
	findings        []policy.Finding
}

// Whole returns the verdict with its findings.
func (a Answer) Whole() verdict.Verdict {
	v := a.Verdict
	v.Findings = make([]verdict.Finding, len(a.findings)) // in JSON a list, also where there is none
	for i, f := range a.findings {
		v.Findings[i] = f.Claim.Finding
		v.Findings[i].Package = *f.Package
		v.Findings[i].Fails, v.Findings[i].Rule = f.Fails, f.Rule
	}
	return v
}

// AppendJSON appends what encoding/json makes of Whole.
func (a Answer) AppendJSON(b []byte) ([]byte, error) {
	before, after, err := a.EncodeAround()
	if err != nil {
		return nil, err
	}
	b = append(b, before...)
	packages := make(map[*verdict.Package][]byte)
	for i, f := range a.findings {
		pkg := packages[f.Package]
		if pkg == nil {
			if pkg, err = json.Marshal(f.Package); err != nil {
				return nil, fmt.Errorf("encode package %q: %w", f.Package.Name, err)
			}
			packages[f.Package] = pkg
		}
		e, err := f.Encoded()
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = e.Append(b, pkg, f.Fails, f.Rule)
	}
	return append(b, after...), nil
}

// Count returns the number of findings.
func (a Answer) Count() int { return len(a.findings) }
