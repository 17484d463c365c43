package ubuntu

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/feed/whole"
)

// maxStatuses bounds the statuses of all documents. Canonical's have about two million.
const maxStatuses = 20_000_000

var errTooMany = fmt.Errorf("more than %d statuses of packages", maxStatuses)

// statuses are what VEX documents say about affected packages in addition to the OSV
// records, which do not tell a vulnerability that will be fixed from one that will not.
type statuses struct {
	cves map[string][]status
	// texts are the names of packages and releases, and notes, by the numbers that statuses
	// have for them. The first one is empty.
	texts   []string
	numbers map[string]uint32
	total   int
}

// A status is that of a package in a release.
type status struct {
	release, pkg uint32
	status       advisory.Status
	note         uint32
	// sure: the statement says that the package is vulnerable, and not only that its
	// release is no longer supported.
	sure bool
}

func (a status) compare(b status) int {
	return cmp.Or(cmp.Compare(a.release, b.release), cmp.Compare(a.pkg, b.pkg))
}

func newStatuses() *statuses {
	return &statuses{cves: make(map[string][]status), texts: []string{""}, numbers: map[string]uint32{"": 0}}
}

func (s *statuses) number(text string) uint32 {
	n, ok := s.numbers[text]
	if !ok {
		text = strings.Clone(text) // it may be a part of a document
		n = uint32(len(s.texts))
		s.texts = append(s.texts, text)
		s.numbers[text] = n
	}
	return n
}

// A statement is one of a document: the status of a CVE in some packages.
type statement struct {
	Vulnerability struct {
		Name string `json:"name"`
	} `json:"vulnerability"`
	Status   string `json:"status"`
	Action   string `json:"action_statement"` // of an affected package
	Notes    string `json:"status_notes"`
	Products []struct {
		ID string `json:"@id"`
	} `json:"products"`
}

// add adds a document, which is about one CVE.
func (s *statuses) add(document []byte) error {
	cve, products, sources := "", 0, 0
	found := make(map[status]status) // by release and package
	for v, err := range whole.Values(bytes.NewReader(document), int64(len(document))) {
		if err != nil {
			return err
		}
		if v.Name != "statements" {
			continue
		}
		for item, err := range whole.Items(v) {
			if err != nil {
				return err
			}
			var st statement
			if err := json.Unmarshal(item, &st); err != nil {
				return err
			}
			if cve == "" {
				cve = st.Vulnerability.Name
			}
			if cve != st.Vulnerability.Name || !advisory.IsCVE(cve) {
				return fmt.Errorf("a statement is about %.40q", st.Vulnerability.Name)
			}
			products += len(st.Products)
			sources += s.collect(st, found)
		}
	}
	if cve == "" {
		return errors.New("the document has no statements")
	}
	if products > 0 && sources == 0 {
		return errors.New("no product is a source package of a release")
	}
	if _, ok := s.cves[cve]; ok {
		return fmt.Errorf("a second document about %s", cve)
	}
	list := make([]status, 0, len(found))
	for _, st := range found {
		if st.status != advisory.StatusAffected {
			list = append(list, st)
		}
	}
	if s.total += len(list); s.total > maxStatuses {
		return errTooMany
	}
	slices.SortFunc(list, status.compare)
	s.cves[cve] = list
	return nil
}

// collect adds the source packages of a statement, and returns how many there are. A package
// with two statuses has none.
func (s *statuses) collect(st statement, found map[status]status) (sources int) {
	means, note := st.meaning()
	number, sure := s.number(note), strings.HasPrefix(st.Action, ignored)
	for _, p := range st.Products {
		name, release, ok := source(p.ID)
		if !ok {
			continue
		}
		sources++
		if means == advisory.StatusNotAffected {
			continue
		}
		key := status{release: s.number(release), pkg: s.number(name)}
		got := status{key.release, key.pkg, means, number, sure}
		if before, ok := found[key]; ok && before.status != means {
			got.status = advisory.StatusAffected
		}
		found[key] = got
	}
	return sources
}

// The beginnings of action statements with which Canonical says that it will not fix a
// package.
const (
	ignored     = "This package (for the given release) is vulnerable to the CVE, the problem is understood, but the Ubuntu Security Team decided to not fix it"
	unsupported = "This package (for the given release) is no longer supported"
	maxNote     = 200
)

// reason matches what Canonical writes before the reason of a status.
var reason = regexp.MustCompile(`(?i)CVE notes / justification:`)

// meaning returns what a statement means for packages that the OSV record lists without a
// fix, as Canonical documents it
// (https://documentation.ubuntu.com/security/security-updates/vex/): a package whose fix is
// deferred is under investigation. For statuses that add nothing it is StatusNotAffected.
func (st statement) meaning() (means advisory.Status, note string) {
	switch {
	case st.Status == "under_investigation" && strings.Contains(st.Notes, "deferred"):
		means, note = advisory.StatusFixDeferred, "fix deferred"
	case st.Status == "under_investigation":
		means, note = advisory.StatusUnderInvestigation, "not yet determined"
	case st.Status != "affected":
		return advisory.StatusNotAffected, ""
	case strings.HasPrefix(st.Action, ignored):
		means, note = advisory.StatusWontFix, "ignored"
	case strings.HasPrefix(st.Action, unsupported):
		means, note = advisory.StatusWontFix, "no longer supported"
	default:
		return advisory.StatusAffected, ""
	}
	text := cmp.Or(st.Action, st.Notes)
	if at := reason.FindStringIndex(text); at != nil {
		note += ": " + strings.Join(strings.Fields(text[at[1]:]), " ")
	}
	if len(note) > maxNote {
		note = strings.ToValidUTF8(note[:maxNote], "")
	}
	return means, note
}

// source returns the name and the release of a source package by its purl:
// "pkg:deb/ubuntu/curl@7.81.0-1ubuntu1.24?arch=source&distro=jammy". The release may have a
// pocket before it ("esm-infra/focal").
func source(purl string) (name, release string, ok bool) {
	rest, ok := strings.CutPrefix(purl, "pkg:deb/ubuntu/")
	rest, query, ok2 := strings.Cut(rest, "?")
	if !ok || !ok2 {
		return "", "", false
	}
	isSource := false
	for q := range strings.SplitSeq(query, "&") {
		switch key, value, _ := strings.Cut(q, "="); key {
		case "arch":
			isSource = value == "source"
		case "distro":
			release = value
		}
	}
	name, _, _ = strings.Cut(rest, "@")
	name, err := url.PathUnescape(name)
	return name, release, isSource && name != "" && release != "" && err == nil
}

// annotate writes the status of an affected entry without a fix into it, and reports whether
// there is one.
func (s *statuses) annotate(cve string, af *advisory.Affected) (bool, error) {
	for _, r := range af.Ranges {
		if slices.ContainsFunc(r.Events, func(e advisory.Event) bool { return e.Fixed != "" }) {
			return false, nil
		}
	}
	name, release, ok := source(af.Package.PURL)
	if !ok {
		return false, nil
	}
	list := s.cves[cve]
	i, ok := slices.BinarySearchFunc(list, status{release: s.numbers[release], pkg: s.numbers[name]}, status.compare)
	if !ok {
		return false, nil
	}
	var err error
	if af.EcosystemSpecific, err = with(af.EcosystemSpecific, "status", list[i].status.String()); err != nil {
		return false, fmt.Errorf("ecosystem_specific: %w", err)
	}
	if af.DatabaseSpecific, err = with(af.DatabaseSpecific, "note", s.texts[list[i].note]); err != nil {
		return false, fmt.Errorf("database_specific: %w", err)
	}
	return true, nil
}

// missing returns entries for the packages that Canonical will not fix and that an OSV record
// lacks, if it has no entry about the package in any pocket of the release. OSV records lack
// some packages of releases after their standard support. An entry only about a pocket of
// Ubuntu Pro says what the release itself lacks, so nothing is added to it.
func (s *statuses) missing(cve string, have []advisory.Affected) []advisory.Affected {
	known := make(map[[2]string]bool)
	for _, af := range have {
		if name, release, ok := source(af.Package.PURL); ok {
			known[[2]string{name, release[strings.LastIndexByte(release, '/')+1:]}] = true
		}
	}
	var more []advisory.Affected
	for _, st := range s.cves[cve] {
		name, release := s.texts[st.pkg], s.texts[st.release]
		if !st.sure || strings.Contains(release, "/") || known[[2]string{name, release}] {
			continue
		}
		af := advisory.Affected{
			Package:           advisory.Package{Ecosystem: distro.UbuntuEcosystem(release), Name: name},
			Ranges:            []advisory.Range{advisory.Before("")},
			EcosystemSpecific: advisory.StatusField(st.status),
		}
		af.DatabaseSpecific, _ = with(nil, "note", s.texts[st.note]) // a text can always be encoded
		more = append(more, af)
	}
	return more
}

// with returns an object with a member that is a text.
func with(object json.RawMessage, name, text string) (json.RawMessage, error) {
	members := make(map[string]json.RawMessage)
	if len(object) > 0 {
		if err := json.Unmarshal(object, &members); err != nil {
			return nil, err
		}
	}
	value, err := json.Marshal(text)
	if err != nil {
		return nil, err
	}
	members[name] = value
	return json.Marshal(members)
}
