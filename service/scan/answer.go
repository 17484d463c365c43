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

// AppendJSON appends what encoding/json makes of Whole. Between two cuts is one
// finding, with the comma before it; there are none if there is no finding.
func (a Answer) AppendJSON(b []byte) (text []byte, cuts []int, err error) {
	before, after, err := a.EncodeAround()
	if err != nil {
		return nil, nil, err
	}
	b = append(b, before...)
	packages := make(map[*verdict.Package][]byte)
	if len(a.findings) > 0 {
		cuts = append(make([]int, 0, len(a.findings)+1), len(b))
	}
	for i, f := range a.findings {
		pkg := packages[f.Package]
		if pkg == nil {
			if pkg, err = json.Marshal(f.Package); err != nil {
				return nil, nil, fmt.Errorf("encode package %q: %w", f.Package.Name, err)
			}
			packages[f.Package] = pkg
		}
		e, err := f.Encoded()
		if err != nil {
			return nil, nil, err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = e.Append(b, pkg, f.Fails, f.Rule)
		cuts = append(cuts, len(b))
	}
	return append(b, after...), cuts, nil
}

// Count returns the number of findings.
func (a Answer) Count() int { return len(a.findings) }
