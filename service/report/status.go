package report

import (
	"net/url"
	"strings"

	"assay/verdict"
)

// A Status is what is known about a vulnerability in a package, in the words of VEX.
type Status string

// The statuses, the worst first.
const (
	Affected           Status = "affected"
	UnderInvestigation Status = "under_investigation"
	NotAffected        Status = "not_affected"
)

// Statuses returns the status of each finding. Only a VEX statement makes a package not
// affected. A finding that an exception accepts, or that the policy lets pass, is affected:
// somebody accepts the risk, and it is there. A finding that is left to the distribution, or
// whose code the program seems to lack, is under investigation. Findings of one vulnerability
// in packages with the same purl have the same status, the worst of theirs, because VEX does
// not tell these packages apart.
func Statuses(findings []verdict.Finding) []Status {
	type key struct{ id, purl string }
	worst := map[key]Status{}
	for _, f := range findings {
		k := key{f.ID, f.Package.PURL}
		if now := statusOf(f); worst[k] == "" || now.rank() < worst[k].rank() {
			worst[k] = now
		}
	}
	all := make([]Status, len(findings))
	for i, f := range findings {
		all[i] = worst[key{f.ID, f.Package.PURL}]
	}
	return all
}

func statusOf(f verdict.Finding) Status {
	switch {
	case f.Fails:
		return Affected
	case f.Rule == verdict.RuleVEX:
		return NotAffected
	case f.Rule == verdict.RuleOwned, f.Rule == verdict.RuleNotLinked:
		return UnderInvestigation
	}
	return Affected
}

func (s Status) rank() int {
	switch s {
	case NotAffected:
		return 2
	case UnderInvestigation:
		return 1
	}
	return 0
}

// Page returns the page about a vulnerability or an advisory, and the name of its publisher.
func Page(id string) (publisher, address string) {
	escaped := url.PathEscape(id)
	switch prefix, _, _ := strings.Cut(id, "-"); prefix {
	case "CVE":
		return "NVD", "https://nvd.nist.gov/vuln/detail/" + escaped
	case "GHSA":
		return "GITHUB", "https://github.com/advisories/" + escaped
	case "DSA", "DLA":
		return "DEBIAN", "https://security-tracker.debian.org/tracker/" + escaped
	case "RHSA", "RHBA", "RHEA":
		return "REDHAT", "https://access.redhat.com/errata/" + escaped
	case "USN":
		return "UBUNTU", "https://ubuntu.com/security/notices/" + escaped
	}
	return "OSV", "https://osv.dev/vulnerability/" + escaped
}

// Fix says how to fix a finding, as one sentence without a period.
func Fix(f verdict.Finding) string {
	name := f.Package.Name
	if f.Package.Source != "" && f.Package.Source != name {
		name += ", built from " + f.Package.Source + ","
	}
	switch {
	case f.Malicious:
		return "remove " + f.Package.Name + ", which is malicious"
	case f.Fixed != "":
		return "upgrade " + name + " to " + f.Fixed
	case f.Subscription != "":
		return "the fix of " + f.Package.Name + " needs " + f.Subscription
	}
	return "no fix of " + f.Package.Name + " is known"
}
