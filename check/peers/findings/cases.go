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

// A claim is a difference with all that it is about.
type claim struct {
	difference
	system    inventory.System
	ecosystem string // whose advisories speak of the package
	about     inventory.Package
	// entries are those of the records of the one side that speak of the package,
	// and archives where each of them stands.
	entries  []entryOf
	archives []string
}

// An entryOf is an affected entry and its record.
type entryOf struct {
	record advisory.Advisory
	advisory.Affected
}

// claims returns what looks up what a difference is about that was found in an
// input, whose system's advisories are those of ecosystem.
func (d *data) claims(in input, ecosystem string) func(difference) claim {
	packages := make(map[pkg]inventory.Package)
	for _, p := range in.inventory.Packages {
		packages[pkgOf(p)] = p
	}
	return func(diff difference) claim {
		c := claim{difference: diff, system: in.inventory.System, ecosystem: ecosystem, about: packages[diff.pkg]}
		if e := ecosystemOf(c.about.Type); e != "" {
			c.ecosystem = e
		}
		d.lookUp(&c)
		return c
	}
}

// lookUp fills in the entries and archives of a claim.
func (d *data) lookUp(c *claim) {
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

// byName is the case of an entry whose packages and vulnerabilities say enough.
const byName = "by name"

// caseOf returns the test of a case that an entry names, nil for none: whether a
// claim is one of it. It looks at the package and at the records as they stand,
// not at what assay made of them.
func caseOf(name string) func(claim) bool {
	switch name {
	case byName:
		return func(claim) bool { return true }
	case "kernel":
		return func(c claim) bool { return c.about.Source == "linux" }
	case "source version":
		return func(c claim) bool { return c.about.Source != "" && c.about.SourceVersion != c.about.Version }
	case "release":
		return func(c claim) bool { return !strings.HasSuffix(c.ecosystem, ":"+c.system.VersionID) }
	case "no version":
		return claim.unversioned
	case "notice":
		return func(c claim) bool { return c.every(entryOf.notice) }
	case "other system":
		return func(c claim) bool { return c.every(entryOf.otherSystem) }
	case "module":
		return func(c claim) bool { return c.every(c.otherBuild) }
	case "several builds":
		return func(c claim) bool { return len(c.entries) > len(c.records) }
	case "git first":
		return func(c claim) bool {
			return c.every(func(e entryOf) bool { return len(e.Ranges) > 1 && e.Ranges[0].Type == advisory.Git })
		}
	case "end beside it":
		return func(c claim) bool { return c.every(entryOf.endBeside) }
	case "touching ranges":
		return func(c claim) bool { return c.every(entryOf.touching) }
	case "spelling":
		return func(c claim) bool {
			return c.every(func(e entryOf) bool { return e.Package.Name != c.name })
		}
	case "custom ranges":
		return func(c claim) bool { return slices.ContainsFunc(c.entries, entryOf.custom) }
	case "other archive":
		return func(c claim) bool {
			own, _, _ := strings.Cut(c.ecosystem, ":")
			return len(c.archives) > 0 && !slices.Contains(c.archives, own)
		}
	}
	return nil
}

// every reports whether all entries are of a kind, and there are some.
func (c claim) every(is func(entryOf) bool) bool {
	return len(c.entries) > 0 && !slices.ContainsFunc(c.entries, func(e entryOf) bool { return !is(e) })
}

// unversioned: the package's version is none to its ecosystem.
func (c claim) unversioned() bool {
	order, ok := version.For(c.ecosystem)
	if !ok {
		return false
	}
	_, err := order.Comparer()(c.version, c.version)
	return err != nil
}

// notice: the record is of RustSec's informational kinds but "unsound", or a
// bulletin of AlmaLinux without a CVE.
func (e entryOf) notice() bool {
	if (record{ID: e.record.ID}).bulletin() {
		return !slices.ContainsFunc(e.record.Related, isCVE)
	}
	var about struct{ Informational string }
	return json.Unmarshal(e.DatabaseSpecific, &about) == nil && about.Informational != "" && about.Informational != "unsound"
}

// otherSystem: the entry names operating systems, and Linux is not among them.
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

// custom: the range that the schema knows has no end, and another form of it
// stands beside.
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

// otherBuild: the fix is a module's build and the package is none, or the other
// way round, or the summary names another stream of a module than the package's.
func (c claim) otherBuild(e entryOf) bool {
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

// endBeside: the range has no end, and GitHub gives one in a field beside it.
func (e entryOf) endBeside() bool {
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

// touching: a range ends where another begins.
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
