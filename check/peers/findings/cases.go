package main

import (
	"encoding/json"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/version"
)

// A detailed difference has the package and the records that it is about.
type detailed struct {
	difference
	system    inventory.System
	ecosystem string // that has the advisories of the package
	about     inventory.Package
	// entries are the affected entries about the package in the records of the one side,
	// and archives are the archives that have the records.
	entries  []entryOf
	archives []string
}

// An entryOf is an affected entry and its record.
type entryOf struct {
	record advisory.Advisory
	advisory.Affected
}

// detailsOf returns a function that adds the details to a difference in an input. The
// ecosystem is that of the input's system.
func (d *data) detailsOf(in input, ecosystem string) func(difference) detailed {
	packages := make(map[pkg]inventory.Package)
	for _, p := range in.inventory.Packages {
		packages[pkgOf(p)] = p
	}
	return func(diff difference) detailed {
		c := detailed{difference: diff, system: in.inventory.System, ecosystem: ecosystem, about: packages[diff.pkg]}
		if e := ecosystemOf(c.about.Type); e != "" {
			c.ecosystem = e
		}
		d.lookUp(&c)
		return c
	}
}

// lookUp fills in the entries and archives.
func (d *data) lookUp(c *detailed) {
	for _, id := range c.records {
		for _, kept := range d.byID[id] {
			c.archives = append(c.archives, kept.archive)
			for _, e := range kept.Affected {
				name := index.NormalName(e.Package.Ecosystem, e.Package.Name)
				if e.Package.Ecosystem == c.ecosystem && (name == c.name || name == c.about.Source) {
					c.entries = append(c.entries, entryOf{kept.Advisory, e})
				}
			}
		}
	}
}

// byName is the case of an entry that names packages and vulnerabilities instead.
const byName = "by name"

// caseOf returns a function that reports whether a difference belongs to the named case,
// or nil for an unknown case. The function looks at the package and at the records as they
// were published, and not at what assay made of them.
func caseOf(name string) func(detailed) bool {
	switch name {
	case byName:
		return func(detailed) bool { return true }
	case "kernel":
		return func(c detailed) bool { return c.about.Source == "linux" }
	case "source version":
		return func(c detailed) bool { return c.about.Source != "" && c.about.SourceVersion != c.about.Version }
	case "release":
		return func(c detailed) bool { return !strings.HasSuffix(c.ecosystem, ":"+c.system.VersionID) }
	case "no version":
		return detailed.unversioned
	case "notice":
		return func(c detailed) bool { return c.every(entryOf.notice) }
	case "other system":
		return func(c detailed) bool { return c.every(entryOf.otherSystem) }
	case "module":
		return func(c detailed) bool { return c.every(c.otherBuild) }
	case "several builds":
		return func(c detailed) bool { return len(c.entries) > len(c.records) }
	case "git first":
		return func(c detailed) bool {
			return c.every(func(e entryOf) bool { return len(e.Ranges) > 1 && e.Ranges[0].Type == advisory.Git })
		}
	case "end in another field":
		return func(c detailed) bool { return c.every(entryOf.endElsewhere) }
	case "touching ranges":
		return func(c detailed) bool { return c.every(entryOf.touching) }
	case "spelling":
		return func(c detailed) bool {
			return c.every(func(e entryOf) bool { return e.Package.Name != c.name })
		}
	case "custom ranges":
		return func(c detailed) bool { return slices.ContainsFunc(c.entries, entryOf.custom) }
	case "other archive":
		return func(c detailed) bool {
			own, _, _ := strings.Cut(c.ecosystem, ":")
			return len(c.archives) > 0 && !slices.Contains(c.archives, own)
		}
	}
	return nil
}

// every reports whether there are entries, and is reports true for all of them.
func (c detailed) every(is func(entryOf) bool) bool {
	return len(c.entries) > 0 && !slices.ContainsFunc(c.entries, func(e entryOf) bool { return !is(e) })
}

// unversioned reports whether the version of the package is invalid in its ecosystem.
func (c detailed) unversioned() bool {
	order, ok := version.For(c.ecosystem)
	if !ok {
		return false
	}
	_, err := order.Comparer()(c.version, c.version)
	return err != nil
}

// notice reports whether the record is one of RustSec's informational kinds other than
// "unsound", or an erratum of AlmaLinux without a CVE.
func (e entryOf) notice() bool {
	if (record{ID: e.record.ID}).erratum() {
		return !slices.ContainsFunc(e.record.Related, isCVE)
	}
	var about struct{ Informational string }
	return json.Unmarshal(e.DatabaseSpecific, &about) == nil && about.Informational != "" && about.Informational != "unsound"
}

// otherSystem reports whether the entry names operating systems without Linux.
func (e entryOf) otherSystem() bool {
	var about struct {
		Affects struct{ OS []string }
		Imports []struct{ GOOS []string }
	}
	if json.Unmarshal(e.EcosystemSpecific, &about) != nil {
		return false
	}
	for _, i := range about.Imports {
		if len(i.GOOS) == 0 || slices.Contains(i.GOOS, "linux") {
			return false
		}
	}
	if systems := about.Affects.OS; len(systems) > 0 {
		return !slices.Contains(systems, "linux")
	}
	return len(about.Imports) > 0
}

// custom reports whether the ranges of the schema have no end, and the entry also has
// custom_ranges.
func (e entryOf) custom() bool {
	var about struct {
		CustomRanges []json.RawMessage `json:"custom_ranges"`
	}
	if json.Unmarshal(e.EcosystemSpecific, &about) != nil || len(about.CustomRanges) == 0 {
		return false
	}
	return !slices.ContainsFunc(e.Ranges, func(r advisory.Range) bool {
		return slices.ContainsFunc(r.Events, func(v advisory.Event) bool { return v.Introduced == "" })
	})
}

// otherBuild reports whether only one of the fix and the package is a build of a module,
// or the summary names another stream of the module than that of the package.
func (c detailed) otherBuild(e entryOf) bool {
	const mark = ".module_"
	installed := strings.Contains(c.version, mark)
	for _, r := range e.Ranges {
		for _, v := range r.Events {
			if v.Fixed != "" && strings.Contains(v.Fixed, mark) != installed {
				return true
			}
		}
	}
	name, rest, _ := strings.Cut(c.about.Module, ":")
	stream, _, _ := strings.Cut(rest, ":")
	for _, word := range strings.FieldsFunc(e.record.Summary, func(r rune) bool { return r == ' ' || r == ',' }) {
		if of, other, ok := strings.Cut(word, ":"); ok && installed && of == name && other != stream {
			return true
		}
	}
	return false
}

// endElsewhere reports whether the ranges have no end and GitHub gives one in another
// field.
func (e entryOf) endElsewhere() bool {
	var about struct {
		Range string `json:"last_known_affected_version_range"`
	}
	if json.Unmarshal(e.DatabaseSpecific, &about) != nil || about.Range == "" {
		return false
	}
	return !slices.ContainsFunc(e.Ranges, func(r advisory.Range) bool {
		return slices.ContainsFunc(r.Events, func(v advisory.Event) bool { return v.Introduced == "" })
	})
}

// touching reports whether a range ends where another begins.
func (e entryOf) touching() bool {
	begins := make(map[string]bool)
	for _, r := range e.Ranges {
		for _, v := range r.Events {
			begins[v.Introduced] = true
		}
	}
	return slices.ContainsFunc(e.Ranges, func(r advisory.Range) bool {
		return slices.ContainsFunc(r.Events, func(v advisory.Event) bool { return v.Fixed != "" && begins[v.Fixed] })
	})
}
