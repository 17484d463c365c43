package debian

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unique"

	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/feed/whole"
)

// A tracker has the vulnerabilities that were read so far. Most releases of a package, and
// all vulnerabilities that one upload fixes, have the same decision, which is kept once.
type tracker struct {
	issues map[string]*issue
	read   map[string]bool // packages
	pairs  int
}

// An issue is one vulnerability in all packages.
type issue struct {
	description string
	entries     []entry
	err         error // of the first package that could not be read
}

// An entry is what the tracker says about a package in a release.
type entry struct {
	pkg, ecosystem string
	decision       unique.Handle[decision]
}

// A decision is the form of an entry in a record.
type decision struct {
	status advisory.Status
	// fixed is empty if no version is fixed. unclear: the entry says too little to
	// evaluate a version.
	fixed   string
	unclear bool
	urgency string
	note    string // the reason of the status
}

// Bounds of texts. Genuine notes are a few words.
const (
	maxDescription = 600
	maxNote        = 200
	maxName        = 100
	maxReleases    = 100 // and other objects; genuine lists have six releases
)

var (
	// issueID matches the IDs of the tracker. Issues without a CVE have temporary ones:
	// TEMP-0841856-B18BAF.
	issueID     = regexp.MustCompile(`^(CVE-[0-9]{4}-[0-9]{4,19}|TEMP-[0-9]{1,12}-[0-9A-F]{6})$`)
	packageName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9+._-]*$`)
	codename    = regexp.MustCompile(`^[a-z]{2,20}$`)
)

// add adds the vulnerabilities of a source package.
func (t *tracker) add(pkg whole.Value) error {
	if !packageName.MatchString(pkg.Name) || len(pkg.Name) > maxName {
		return errors.New("not the name of a source package")
	}
	if !bytes.HasPrefix(pkg.JSON, []byte("{")) {
		return errors.New("a package must have an object of vulnerabilities")
	}
	repeated := t.read[pkg.Name]
	t.read[pkg.Name] = true
	for v, err := range whole.Values(bytes.NewReader(pkg.JSON), int64(len(pkg.JSON))) {
		if err != nil {
			return err
		}
		if t.pairs++; t.pairs > maxPairs {
			return errTooMany
		}
		i := t.issues[v.Name]
		if i == nil {
			i = &issue{}
			t.issues[v.Name] = i
		}
		err := i.add(pkg.Name, v)
		if repeated {
			err = errRepeated
		}
		if err != nil && i.err == nil {
			i.err = fmt.Errorf("package %q: %w", pkg.Name, err)
		}
	}
	return nil
}

// sorted yields the issues by ID.
func (t *tracker) sorted() iter.Seq2[string, *issue] {
	return func(yield func(string, *issue) bool) {
		for _, id := range slices.Sorted(maps.Keys(t.issues)) {
			if !yield(id, t.issues[id]) {
				return
			}
		}
	}
}

// A release is one release of a package with a vulnerability.
type release struct {
	Status  string `json:"status"`
	Fixed   string `json:"fixed_version"`
	Urgency string `json:"urgency"`
	// NoDSA says why there will be no announcement of a fix. The reason is "ignored",
	// "postponed" or missing.
	NoDSA  *string `json:"nodsa"`
	Reason string  `json:"nodsa_reason"`
	// Point: the next point release has the fix.
	Point bool `json:"next_point_update"`
}

var errRepeated = errors.New("the package is repeated")

// add adds what the tracker says about an issue in a package.
func (i *issue) add(pkg string, v whole.Value) error {
	if !issueID.MatchString(v.Name) {
		return errors.New("not the ID of a vulnerability")
	}
	var in struct {
		Description string          `json:"description"`
		Releases    json.RawMessage `json:"releases"`
	}
	if err := json.Unmarshal(v.JSON, &in); err != nil {
		return err
	}
	if i.description == "" {
		i.description = clip(in.Description, maxDescription)
	}
	if n := len(i.entries); n > 0 && i.entries[n-1].pkg == pkg {
		return errRepeated
	}
	if string(in.Releases) == "[]" {
		return nil
	}
	if n := bytes.Count(in.Releases, []byte("{")); n > maxReleases {
		return fmt.Errorf("releases: there are more than %d values", maxReleases)
	}
	var releases map[string]release
	if err := json.Unmarshal(in.Releases, &releases); err != nil {
		return fmt.Errorf("releases: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(releases)) {
		if !codename.MatchString(name) {
			return fmt.Errorf("invalid name of a release %.40q", name)
		}
		i.entries = append(i.entries, entry{pkg, distro.DebianEcosystem(name), unique.Make(decide(releases[name]))})
	}
	return nil
}

// decide returns what the tracker says about a release. A fixed version 0 means that the
// package was never affected.
func decide(r release) decision {
	d := decision{urgency: clip(r.Urgency, maxNote)}
	switch {
	case r.Status == "resolved" && r.Fixed == "0":
		d.status = advisory.StatusNotAffected
		return d
	case r.Status == "resolved":
		d.fixed, d.unclear = r.Fixed, r.Fixed == ""
		return d
	case r.Status == "undetermined":
		d.status, d.note = advisory.StatusUnderInvestigation, "not yet determined"
		return d
	case r.Status != "open":
		d.unclear = true
		return d
	}
	switch {
	case r.Urgency == "end-of-life":
		d.status, d.note = advisory.StatusWontFix, "end of life"
	case r.Reason == "ignored":
		d.status, d.note = advisory.StatusWontFix, "ignored"
	case r.Reason == "postponed":
		d.status, d.note = advisory.StatusFixDeferred, "fix postponed"
	case r.Point:
		d.note = "fix in the next point release"
	case r.NoDSA != nil:
		d.note = "no DSA"
	}
	if r.NoDSA != nil && *r.NoDSA != "" {
		d.note = clip(d.note+": "+*r.NoDSA, maxNote)
	}
	return d
}

// advisory returns the record of an issue.
func (i *issue) advisory(id string) advisory.Advisory {
	a := advisory.Advisory{
		ID:         id,
		Details:    i.description,
		References: []advisory.Reference{{Type: "ADVISORY", URL: "https://security-tracker.debian.org/tracker/" + id}},
	}
	if advisory.IsCVE(id) {
		a.ID, a.Upstream = "DEBIAN-"+id, []string{id}
	}
	for _, e := range i.entries {
		a.Affected = append(a.Affected, e.decision.Value().affected(e))
	}
	return a
}

// affected returns an entry as a record has it. An unclear entry has a range without a
// beginning: with it no version can be evaluated.
func (d decision) affected(e entry) advisory.Affected {
	af := advisory.Affected{Package: advisory.Package{Ecosystem: e.ecosystem, Name: e.pkg}}
	var specific struct {
		Status  string `json:"status,omitempty"`
		Urgency string `json:"urgency,omitempty"`
	}
	specific.Urgency = d.urgency
	if d.status != advisory.StatusAffected {
		specific.Status = d.status.String()
	}
	af.EcosystemSpecific = encode(specific)
	if d.note != "" {
		af.DatabaseSpecific = encode(map[string]string{"note": d.note})
	}
	switch {
	case d.status == advisory.StatusNotAffected:
	case d.unclear:
		af.Ranges = []advisory.Range{{Type: advisory.Ecosystem, Events: []advisory.Event{{Limit: "*"}}}}
	default:
		af.Ranges = []advisory.Range{advisory.Before(d.fixed)}
	}
	return af
}

// encode encodes a value of texts, which cannot fail.
func encode(v any) json.RawMessage {
	b, _ := json.Marshal(v)
	return b
}

// clip returns the first n bytes of a text in one line.
func clip(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return strings.Join(strings.Fields(s), " ")
}
