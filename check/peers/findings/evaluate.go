package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/index"
	"assay/service/match"
)

// An evaluated input has the findings of one side.
type evaluated struct {
	packages int
	findings []finding
}

// data has the advisories of the test data, as assay indexes them.
type data struct {
	byID  map[string][]kept
	index *index.Memory
}

// A kept record is a record with the ecosystem of its archive.
type kept struct {
	advisory.Advisory
	archive string
}

// loadData reads a folder in the layout of the public bucket.
func loadData(osv string) (*data, error) {
	d := data{byID: make(map[string][]kept)}
	archives, err := filepath.Glob(filepath.Join(osv, "*", "all.zip"))
	if err != nil {
		return nil, err
	}
	var all []advisory.Advisory
	for _, file := range archives {
		for r, err := range load.Open(file).Records() {
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			a, err := advisory.Parse(r.Body)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", file, r.ID, err)
			}
			a.Details = "" // details and references are most of a record
			if !strings.HasPrefix(a.ID, "GHSA-") {
				a.References = nil
			}
			d.byID[a.ID] = append(d.byID[a.ID], kept{a, filepath.Base(filepath.Dir(file))})
			all = append(all, a)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no advisories", osv)
	}
	d.index = index.NewMemory(all, nil)
	return &d, nil
}

// evaluate matches an inventory, and also returns the ecosystem of its system. The day
// only decides whether support has ended, so no finding depends on it.
func (d *data) evaluate(inv inventory.Inventory) (j evaluated, ecosystem string, err error) {
	res, err := match.Inventory(inv, d.index, nil, time.Unix(0, 0).UTC())
	if err != nil {
		return evaluated{}, "", err
	}
	j.packages = res.Packages
	for _, f := range res.Findings {
		about := pkgOf(inventory.Package{Type: f.Package.Type, Name: f.Package.Name, Version: f.Package.Version})
		names := slices.Concat([]string{f.ID}, f.Aliases)
		if !isCVE(f.ID) {
			names = append(names, f.Advisories...)
		}
		j.findings = append(j.findings, newFinding(about, names, f.Advisories...))
	}
	return j, res.System.Ecosystem, nil
}

// pkgOf returns a package as the findings of both sides name it, without the epoch of an
// rpm package, which osv-scanner does not always print.
func pkgOf(p inventory.Package) pkg {
	about := pkg{index.NormalName(ecosystemOf(p.Type), p.Name), p.Version}
	if p.Type == "rpm" {
		about.version = cutEpoch(about.version)
	}
	return about
}

// ecosystemOf returns the ecosystem of a purl type, or an empty string. It knows the types
// of languages that have advisories in the test data and that osv-scanner reads.
func ecosystemOf(typ string) string {
	switch typ {
	case "cargo":
		return "crates.io"
	case "composer":
		return "Packagist"
	case "cran":
		return "CRAN"
	case "gem":
		return "RubyGems"
	case "golang":
		return "Go"
	case "maven":
		return "Maven"
	case "pypi":
		return "PyPI"
	}
	return ""
}

func cutEpoch(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		return rest
	}
	return version
}
