// Package secdb is the feeds of the distributions whose security databases have the form
// of Alpine's secdb: for each package, the versions in which vulnerabilities were fixed.
package secdb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"

	"assay/service/advisory"
	"assay/service/feed"
	"assay/service/feed/whole"
	"assay/service/store"
)

// Bounds of what is read. The largest genuine file, Wolfi's, has about 5 MiB. All files of
// Alpine have about 300,000 fixes.
const (
	maxFile  = 64 << 20
	maxFixes = 3_000_000
	maxName  = 200 // bytes of the name of a package, or of a version
	maxIDs   = 100 // in one text; genuine ones have a few
)

// neverAffected is the version under which vulnerabilities are listed that never affected the
// package.
const neverAffected = "0"

// A database says how the files of one distribution become advisories.
type database struct {
	prefix    string // begins the IDs
	ecosystem string
	// release finds valid releases, each of which has an ecosystem of its own. It is nil if
	// there are none.
	release *regexp.Regexp
	// page is the address of the page about a CVE, without the CVE. It may be empty.
	page string
	// packages is the address of the packages as the file names it. It shows that the file is
	// not that of another distribution. It may be empty if the release shows that.
	packages string
}

// records yields an advisory for each vulnerability in the files.
func (d database) records(paths []string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		r := reader{database: d, vulnerabilities: make(map[string]*vulnerability), read: make(map[string]bool)}
		r.reject = func(name string, err error) bool { return yield(store.Record{}, whole.Rejected(name, err)) }
		for _, path := range paths {
			if err := feed.Text(path, maxFile, r.file); errors.Is(err, errEnough) {
				return
			} else if err != nil {
				yield(store.Record{}, fmt.Errorf("%q: %w", whole.Name(path), err))
				return
			}
		}
		for _, id := range slices.Sorted(maps.Keys(r.vulnerabilities)) {
			if !yield(whole.Converted(id, r.vulnerabilities[id].advisory(d, id), nil)) {
				return
			}
		}
	}
}

// errEnough ends the reading when the caller wants no more.
var errEnough = errors.New("enough")

// A reader collects the vulnerabilities of all files, which name each vulnerability once
// for each release and package.
type reader struct {
	database
	vulnerabilities map[string]*vulnerability // by ID
	read            map[string]bool           // the repositories of releases
	fixes           int
	// reject reports a rejected entry. It returns false if the caller wants no more.
	reject func(name string, err error) bool
}

// A vulnerability is what the files say about one vulnerability.
type vulnerability struct {
	related []string // other IDs beside its ID, each as often as it is named
	fixed   map[advisory.Package][]string
}

// file reads one file.
func (r *reader) file(f io.Reader) error {
	var release, repository, prefix string
	var packages whole.Value
	for v, err := range whole.Values(f, maxFile) {
		if err != nil {
			return err
		}
		switch v.Name {
		case "distroversion":
			err = json.Unmarshal(v.JSON, &release)
		case "reponame":
			err = json.Unmarshal(v.JSON, &repository)
		case "urlprefix":
			err = json.Unmarshal(v.JSON, &prefix)
		case "packages":
			packages = v
		}
		if err != nil {
			return fmt.Errorf("%q: %w", v.Name, err)
		}
	}
	if packages.JSON == nil {
		return errors.New("the file has no packages")
	}
	if r.packages != "" && prefix != r.packages {
		return fmt.Errorf("the file is about the packages of %.100q, not %q", prefix, r.packages)
	}
	ecosystem := r.ecosystem
	if r.release == nil {
		release = ""
	} else if !r.release.MatchString(release) {
		return fmt.Errorf("invalid release %.40q", release)
	} else {
		ecosystem += ":" + release
	}
	if r.read[release+"/"+repository] {
		return fmt.Errorf("two files are about %.40q of release %q", repository, release)
	}
	r.read[release+"/"+repository] = true
	if empty(packages.JSON) {
		if repository == "main" || r.release == nil { // otherwise its packages would lose their fixes
			return errors.New("the file has no packages")
		}
		return nil
	}
	for b, err := range whole.Items(packages) {
		if err == nil {
			err = r.pkg(ecosystem, release, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// empty reports whether a value is empty. The program that generates Alpine's files cannot
// tell an empty list from an empty object or text.
func empty(b json.RawMessage) bool {
	var v any
	if len(b) > 100 || json.Unmarshal(b, &v) != nil {
		return false
	}
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// pkg reads the fixes of one package.
func (r *reader) pkg(ecosystem, release string, b json.RawMessage) error {
	var p struct {
		Pkg struct {
			Name     string          `json:"name"`
			Secfixes json.RawMessage `json:"secfixes"`
		} `json:"pkg"`
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return r.rejected(release, p.Pkg.Name, err)
	}
	if !plain(p.Pkg.Name) {
		return r.rejected(release, p.Pkg.Name, errors.New("invalid name of a package"))
	}
	name := advisory.Package{Ecosystem: ecosystem, Name: p.Pkg.Name}
	if p.Pkg.Secfixes == nil || empty(p.Pkg.Secfixes) {
		return nil
	}
	if p.Pkg.Secfixes[0] != '{' {
		return r.rejected(release, p.Pkg.Name, errors.New("secfixes is not an object"))
	}
	for v, err := range whole.Values(bytes.NewReader(p.Pkg.Secfixes), maxFile) {
		if err != nil {
			return err
		}
		if err := r.version(name, release, v); err != nil {
			return err
		}
	}
	return nil
}

// plain reports whether a name or version has a usual length and no blanks or control
// characters.
func plain(s string) bool {
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == 0x7f })
}

func (r *reader) rejected(release, pkg string, err error) error {
	if !r.reject(strings.TrimSpace(release+" "+pkg), err) {
		return errEnough
	}
	return nil
}

// version reads the vulnerabilities that are fixed in one version of a package.
func (r *reader) version(p advisory.Package, release string, fixed whole.Value) error {
	if empty(fixed.JSON) {
		return nil
	}
	if !plain(fixed.Name) {
		return r.rejected(release, p.Name, fmt.Errorf("invalid version %.100q", fixed.Name))
	}
	var list []string
	if err := json.Unmarshal(fixed.JSON, &list); err != nil {
		return r.rejected(release, p.Name, fmt.Errorf("version %.100q: %w", fixed.Name, err))
	}
	for _, text := range list {
		cves, others, bad := identify(text)
		if len(cves)+len(others) > maxIDs {
			cves, others, bad = nil, nil, true
		}
		if bad || len(cves)+len(others) == 0 {
			if err := r.rejected(release, p.Name, fmt.Errorf("version %.100q: no valid ID in %.100q", fixed.Name, text)); err != nil {
				return err
			}
		}
		ids, related := cves, others
		if len(cves) == 0 {
			ids, related = others, nil
		}
		for _, id := range ids {
			if err := r.add(id, related, p, fixed.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// add notes that a vulnerability is fixed in a version of a package.
func (r *reader) add(id string, related []string, p advisory.Package, version string) error {
	if r.fixes++; r.fixes > maxFixes {
		return fmt.Errorf("more than %d fixes", maxFixes)
	}
	id = r.prefix + "-" + id
	v := r.vulnerabilities[id]
	if v == nil {
		v = &vulnerability{fixed: make(map[advisory.Package][]string)}
		r.vulnerabilities[id] = v
	}
	v.related = append(v.related, related...)
	v.fixed[p] = append(v.fixed[p], version)
	return nil
}

// advisory returns the advisory of a vulnerability.
func (v *vulnerability) advisory(d database, id string) advisory.Advisory {
	upstream := strings.TrimPrefix(id, d.prefix+"-")
	slices.Sort(v.related)
	a := advisory.Advisory{ID: id, Upstream: []string{upstream}, Related: slices.Compact(v.related)}
	if d.page != "" && advisory.IsCVE(upstream) {
		a.References = []advisory.Reference{{Type: "ADVISORY", URL: d.page + upstream}}
	}
	packages := slices.SortedFunc(maps.Keys(v.fixed), advisory.Package.Compare)
	for _, p := range packages {
		a.Affected = append(a.Affected, affected(p, v.fixed[p]))
	}
	return a
}

// affected returns the entry of a package. The version "0" means that the package was never
// affected, unless another version is listed too. "None", which SecureOS writes, means
// that there is no fix.
//
// A vulnerability may be listed under several versions: after an incomplete fix, or because
// the package was updated in between. It is unknown from which version on the fix is
// complete, so every version below the newest counts as affected, as in Grype and Clair.
// Each version is a range, so that one which cannot be compared makes the package not
// evaluated instead of unaffected.
func affected(p advisory.Package, versions []string) advisory.Affected {
	entry := advisory.Affected{Package: p}
	slices.Sort(versions)
	for _, v := range slices.Compact(versions) {
		switch v {
		case neverAffected:
		case "None":
			entry.Ranges = append(entry.Ranges, advisory.Before(""))
		default:
			entry.Ranges = append(entry.Ranges, advisory.Before(v))
		}
	}
	if len(entry.Ranges) == 0 {
		entry.EcosystemSpecific = advisory.StatusField(advisory.StatusNotAffected)
	}
	return entry
}

var (
	// cve finds a CVE, also in a file name or spelled with another separator.
	cve = regexp.MustCompile(`(?i)\bCVE[-_ ]([0-9]{4})-([0-9]{4,19})(?:[^0-9]|$)`)
	// other finds the ID of another publisher: XSA-207, GHSA-h6cc-rc6q-23j4, wnpa-sec-2017-18.
	other = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9]{1,15}(-[A-Za-z0-9]{1,20}){1,6}|[A-Z]{2,8}[0-9]{3,10})$`)
	digit = regexp.MustCompile(`[0-9]`)
)

// identify returns the IDs in a text: the CVEs, and those of other publishers, which are
// other names of the CVEs if there are any. Remarks are ignored. bad reports a CVE without
// a valid number.
//
// Genuine texts are "CVE-2016-9932 XSA-200", "CVE-2017-2616 (+ regression fix)",
// "CVE_2019-2426", "CVE-2017-8073.patch", "CVE-2017-17434-1" and "CVE-????-????? XSA-284".
func identify(text string) (cves, others []string, bad bool) {
	for _, m := range cve.FindAllStringSubmatch(text, -1) {
		cves = append(cves, "CVE-"+m[1]+"-"+m[2])
	}
	for word := range strings.FieldsSeq(cve.ReplaceAllString(text, " ")) {
		switch {
		case !digit.MatchString(word):
		case strings.HasPrefix(strings.ToUpper(word), "CVE"):
			bad = true
		case other.MatchString(word):
			others = append(others, word)
		}
	}
	return cves, others, bad
}
