package v4

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/service/clair"
	"assay/service/distro"
	"assay/service/report"
	"assay/verdict"
)

// The states of an index report, as Clair names them.
const (
	stateFinished = "IndexFinished"
	stateError    = "IndexError"
	stateRunning  = "ScanLayers"
)

// contents are what the two reports have in common.
type contents struct {
	Packages      map[string]pkg           `json:"packages"`
	Distributions map[string]distribution  `json:"distributions"`
	Repositories  map[string]repository    `json:"repository"`
	Environments  map[string][]environment `json:"environments"`
}

// An indexReport is what was found in an image.
type indexReport struct {
	Hash  string `json:"manifest_hash"`
	State string `json:"state"`
	contents
	Success bool   `json:"success"`
	Err     string `json:"err"` // Quay demands it
}

type pkg struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Kind    string `json:"kind,omitempty"`
	Source  *pkg   `json:"source,omitempty"`
	Module  string `json:"module,omitempty"`
	Arch    string `json:"arch,omitempty"`
	CPE     string `json:"cpe,omitempty"`
}

// The kinds of packages.
const (
	kindBinary = "BINARY"
	kindSource = "SOURCE"
)

// A distribution has all fields, because Quay demands them.
type distribution struct {
	ID         string `json:"id"`
	DID        string `json:"did"`
	Name       string `json:"name"`
	Version    string `json:"version"`
	Codename   string `json:"version_code_name"`
	VersionID  string `json:"version_id"`
	Arch       string `json:"arch"`
	CPE        string `json:"cpe"`
	PrettyName string `json:"pretty_name"`
}

type repository struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	URI  string `json:"uri,omitempty"`
}

type environment struct {
	PackageDB    string   `json:"package_db"`
	IntroducedIn string   `json:"introduced_in"`
	Distribution string   `json:"distribution_id"`
	Repositories []string `json:"repository_ids"`
}

// theDistribution is the id of the only distribution of a report.
const theDistribution = "1"

// contentsOf describes an inventory. The layers are those of the manifest.
func contentsOf(inv inventory.Inventory, layers []recordLayer) contents {
	c := contents{
		Packages: make(map[string]pkg, len(inv.Packages)), Environments: make(map[string][]environment, len(inv.Packages)),
		Distributions: map[string]distribution{}, Repositories: map[string]repository{},
	}
	if d, ok := distributionOf(inv); ok {
		c.Distributions[theDistribution] = d
	}
	hashes := make(map[string]string, len(layers))
	for _, l := range slices.Backward(layers) { // the lowest of equal layers counts
		hashes[l.DiffID] = l.Hash
	}
	repositories := map[string]string{}
	for i, p := range inv.Packages {
		id := packageID(i)
		c.Packages[id] = packageOf(id, p)
		e := environment{IntroducedIn: hashes[p.Layer], Repositories: []string{}}
		if e.IntroducedIn == "" && len(layers) > 0 {
			// The package is there in the uppermost layer at the latest.
			e.IntroducedIn = layers[len(layers)-1].Hash
		}
		if len(p.Evidence) > 0 {
			e.PackageDB = p.Evidence[0].Path
		}
		if distro.SystemPackage(p.Type) {
			if len(c.Distributions) > 0 {
				e.Distribution = theDistribution
			}
		} else {
			at, ok := repositories[p.Type]
			if !ok {
				at = strconv.Itoa(len(repositories) + 1)
				repositories[p.Type] = at
				c.Repositories[at] = repositoryOf(at, p.Type)
			}
			e.Repositories = append(e.Repositories, at)
		}
		c.Environments[id] = []environment{e}
	}
	return c
}

// packageID returns the id of a package with an index in the inventory.
func packageID(i int) string { return strconv.Itoa(i + 1) }

func packageOf(id string, p inventory.Package) pkg {
	v := pkg{ID: id, Name: p.Name, Version: p.Version, Kind: kindBinary, Module: p.Module, Arch: p.Arch}
	if isCPE(p.CPE) {
		v.CPE = p.CPE
	}
	if p.Source != "" {
		v.Source = &pkg{ID: id + "s", Name: p.Source, Version: cmp.Or(p.SourceVersion, p.Version), Kind: kindSource}
	}
	return v
}

func distributionOf(inv inventory.Inventory) (distribution, bool) {
	s := inv.System
	if !s.Known() {
		return distribution{}, false
	}
	// A CPE that means anything, where the system has none: both Clair's file and Quay want one.
	d := distribution{ID: theDistribution, DID: s.ID, Name: s.ID, Version: s.VersionID, Codename: s.Codename, VersionID: s.VersionID, CPE: "cpe:2.3:o:*:*:*:*:*:*:*:*:*:*", PrettyName: s.PrettyName}
	if isCPE(s.CPE) {
		d.CPE = s.CPE
	}
	if s.Codename != "" {
		d.Version = strings.TrimSpace(s.VersionID + " (" + s.Codename + ")")
	}
	for _, p := range inv.Packages {
		if distro.SystemPackage(p.Type) && p.Arch != "" && p.Arch != "all" && p.Arch != "noarch" {
			d.Arch = p.Arch
			break
		}
	}
	return d, true
}

// The forms of a CPE name, from the OpenAPI file.
var (
	cpe22 = regexp.MustCompile(`^[c][pP][eE]:/[AHOaho]?(:[A-Za-z0-9._\-~%]*){0,6}$`)
	cpe23 = regexp.MustCompile(`^cpe:2\.3:[aho*\-](:([a-zA-Z0-9\-._]|\\[\\*?!"#$%&'()+,/:;<=>@\[\]^` + "`" + `{|}~])+|:[*\-]){5}:([a-zA-Z]{2,3}|[*\-])(:([a-zA-Z0-9\-._]|\\[\\*?!"#$%&'()+,/:;<=>@\[\]^` + "`" + `{|}~])+|:[*\-]){4}$`)
)

func isCPE(s string) bool { return cpe22.MatchString(s) || cpe23.MatchString(s) }

// repositoryOf describes the registry of a language, with Clair's name where it has one.
func repositoryOf(id, purlType string) repository {
	r := repository{ID: id, Name: purlType}
	switch purlType {
	case "pypi":
		r.URI = "https://pypi.org/simple"
	case "gem":
		r.Name, r.URI = "rubygems", "https://rubygems.org/gems/"
	case "maven":
		r.URI = "https://repo1.maven.apache.org/maven2"
	case "golang":
		r.Name, r.URI = "go", "https://pkg.go.dev/"
	case "npm":
		r.URI = "https://www.npmjs.com/"
	}
	return r
}

// A vulnerabilityReport is what is wrong with an image.
type vulnerabilityReport struct {
	Hash string `json:"manifest_hash"`
	contents
	Vulnerabilities        map[string]vulnerability    `json:"vulnerabilities"`
	PackageVulnerabilities map[string][]string         `json:"package_vulnerabilities"`
	Enrichments            map[string][]map[string]any `json:"enrichments"`
}

// A vulnerability has the fields that Quay demands, also if they are empty.
type vulnerability struct {
	ID                 string        `json:"id"`
	Updater            string        `json:"updater"`
	Name               string        `json:"name"`
	Description        string        `json:"description"`
	Issued             *time.Time    `json:"issued,omitempty"`
	Links              string        `json:"links"`
	Severity           string        `json:"severity"`
	NormalizedSeverity string        `json:"normalized_severity"`
	Package            pkg           `json:"package"`
	Distribution       *distribution `json:"distribution,omitempty"`
	Repository         *repository   `json:"repository,omitempty"`
	FixedInVersion     string        `json:"fixed_in_version"`
	ArchOp             string        `json:"arch_op"`
}

// vulnerabilityReportOf returns the report with all findings of a verdict on an inventory.
func vulnerabilityReportOf(hash string, inv inventory.Inventory, layers []recordLayer, v verdict.Verdict) (vulnerabilityReport, error) {
	r := vulnerabilityReport{
		Hash: hash, contents: contentsOf(inv, layers),
		Vulnerabilities: map[string]vulnerability{}, PackageVulnerabilities: map[string][]string{}, Enrichments: map[string][]map[string]any{},
	}
	packages := make(map[string][]string, len(inv.Packages))
	for i, p := range inv.Packages {
		key := inventoryKey(p)
		packages[key] = append(packages[key], packageID(i))
	}
	ids := map[string]string{}
	scores := map[string]any{}
	for _, f := range v.Findings {
		of := packages[findingKey(f.Package)]
		if len(of) == 0 {
			return r, fmt.Errorf("%s is about the package %q, which is not in the inventory", f.ID, f.Package.Name)
		}
		found := r.vulnerabilityOf(f, of[0], v.System)
		// Packages from one source package have one vulnerability, as in Clair.
		key := strings.Join([]string{found.Name, found.Updater, found.Package.Name, found.FixedInVersion, found.NormalizedSeverity, found.Severity, found.Links}, "\x00")
		id, known := ids[key]
		if !known {
			id = strconv.Itoa(len(ids) + 1)
			ids[key], found.ID = id, id
			r.Vulnerabilities[id] = found
			if score, ok := cvssOf(f); ok {
				scores[id] = []any{score}
			}
		}
		for _, p := range of {
			if !slices.Contains(r.PackageVulnerabilities[p], id) {
				r.PackageVulnerabilities[p] = append(r.PackageVulnerabilities[p], id)
			}
		}
	}
	if len(scores) > 0 {
		r.Enrichments[cvssEnrichment] = []map[string]any{scores}
	}
	return r, nil
}

// inventoryKey and findingKey are equal for a package and a finding in it.
func inventoryKey(p inventory.Package) string {
	var paths []string
	for _, e := range p.Evidence {
		if !slices.Contains(paths, e.Path) {
			paths = append(paths, e.Path)
		}
	}
	return strings.Join(append([]string{p.Type, p.Name, p.Version, p.Arch}, paths...), "\x00")
}

func findingKey(p verdict.Package) string {
	return strings.Join(append([]string{p.Type, p.Name, p.Version, p.Arch}, p.Paths...), "\x00")
}

// vulnerabilityOf describes a finding in the package with an id of the report.
func (r *vulnerabilityReport) vulnerabilityOf(f verdict.Finding, id string, s verdict.System) vulnerability {
	v := vulnerability{
		Name: f.ID, Description: f.Summary, Issued: f.FixPublished, Links: links(f),
		Severity: cmp.Or(f.Vector, string(f.Severity)), NormalizedSeverity: clair.Severity(f.Severity),
		FixedInVersion: f.Fixed, ArchOp: "equals",
		Updater: "assay/" + f.Package.Type,
		Package: pkg{ID: id, Name: f.Package.Name, Kind: kindBinary},
	}
	if f.Package.Source != "" {
		v.Package = pkg{ID: id + "s", Name: f.Package.Source, Kind: kindSource}
	}
	e := r.Environments[id][0]
	if d, ok := r.Distributions[e.Distribution]; ok {
		v.Distribution = &d
		v.Updater = "assay/" + cmp.Or(s.Ecosystem, d.DID)
	}
	for _, at := range e.Repositories {
		at := r.Repositories[at]
		v.Repository = &at
	}
	return v
}

// links returns the pages about a finding, separated by spaces.
func links(f verdict.Finding) string {
	var list []string
	for _, id := range slices.Concat([]string{f.ID}, f.Advisories, f.Aliases) {
		if _, address := report.Page(id); !slices.Contains(list, address) {
			list = append(list, address)
		}
	}
	return strings.Join(list, " ")
}

// cvssEnrichment is what Clair's CVSS enricher names its data.
const cvssEnrichment = "message/vnd.clair.map.vulnerability; enricher=clair.cvss schema=https://csrc.nist.gov/schema/nvd/api/2.0/cve_api_json_2.0.schema"

// cvssOf returns the score of a finding, with the fields that the schema of NVD requires. It
// has version 3 only, as Clair's clients read it.
func cvssOf(f verdict.Finding) (map[string]any, bool) {
	version, _, ok := strings.Cut(strings.TrimPrefix(f.Vector, "CVSS:"), "/")
	if !ok || f.Score <= 0 || !strings.HasPrefix(f.ID, "CVE-") || version != "3.0" && version != "3.1" {
		return nil, false
	}
	word := "CRITICAL"
	switch {
	case f.Score < 4:
		word = "LOW"
	case f.Score < 7:
		word = "MEDIUM"
	case f.Score < 9:
		word = "HIGH"
	}
	return map[string]any{"version": version, "vectorString": f.Vector, "baseScore": f.Score, "baseSeverity": word}, true
}
