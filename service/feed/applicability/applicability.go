// Package applicability converts the configurations of NVD, which CVE records have too,
// into affected entries: which platforms, named by CPE, are vulnerable.
package applicability

// A Configuration is a set of nodes. With the operator AND all of them must apply:
// usually one node names a program, and another one the platform it runs on.
type Configuration struct {
	Operator string `json:"operator"` // "AND" or "OR"; missing means OR
	Negate   bool   `json:"negate"`
	Nodes    []Node `json:"nodes"`
}

// A Node is a set of matches.
type Node struct {
	Operator string  `json:"operator"` // "AND" or "OR"
	Negate   bool    `json:"negate"`
	Matches  []Match `json:"cpeMatch"`
}

// A Match names platforms by a CPE name and bounds of their version. Without Vulnerable
// it is a condition: the platform on which a program is vulnerable.
type Match struct {
	Vulnerable     bool   `json:"vulnerable"`
	Criteria       string `json:"criteria"`
	ID             string `json:"matchCriteriaId"`
	StartIncluding string `json:"versionStartIncluding"`
	StartExcluding string `json:"versionStartExcluding"`
	EndIncluding   string `json:"versionEndIncluding"`
	EndExcluding   string `json:"versionEndExcluding"`
}
