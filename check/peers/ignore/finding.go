package main

import (
	"path"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/remote/purl"
	"assay/service/advisory"
	"assay/service/match"
	"assay/verdict"
)

// A finding is one finding in the form of each tool.
type finding struct {
	name  string // what is special about it, as in the table
	match *match.Match
	pkg   verdict.Package
	trivy trivyPackage
	grype grypePackage
	state string // Grype's fix state, where assay's does not say it
}

// A trivyPackage has the fields of a package in a report of Trivy that its ignore files are
// compared with, and the version.
type trivyPackage struct{ version, target, path, purl string }

// A grypePackage is a package as Grype names it.
type grypePackage struct {
	Name, Version, Type, Language, PURL string
	Locations, Upstreams                []string
}

// A subject is what a finding is about, before it takes the form of each tool.
type subject struct {
	name      string // of the finding
	id, alias string
	pkg       inventory.Package
	system    inventory.System
	path      string // of the package's file, without a slash at the beginning
	fixed     string
	wontFix   bool
	state     string
	grypeType string // if it is not that of the purl type
}

// finding returns the subject in the form of each tool, with the same version, path and
// package URL for all.
func (s subject) finding() finding {
	f := finding{name: s.name, state: s.state, match: &match.Match{}}
	f.match.ID, f.match.Fixed = s.id, s.fixed
	if s.alias != "" {
		f.match.Aliases = []string{s.alias}
	}
	if s.wontFix {
		f.match.Status = advisory.StatusWontFix
	}
	url := purl.Of(s.pkg, s.system).String()
	own := s.pkg
	if own.Type == "golang" && own.Name == "stdlib" {
		own.Version = strings.TrimPrefix(strings.TrimPrefix(own.Version, "go"), "v") // as assay reads it from a program
	}
	f.pkg = verdict.Package{Type: own.Type, Name: own.Name, Version: own.Version, Source: own.Source,
		SourceVersion: own.SourceVersion, PURL: purl.Of(own, s.system).String(), Paths: []string{s.path}}
	f.trivy = trivyPackage{version: s.pkg.Version, target: "Node.js", path: s.path, purl: url}
	kind := grypeKinds[s.pkg.Type]
	f.grype = grypePackage{Name: s.pkg.Name, Version: s.pkg.Version, Type: kind.typ, Language: kind.language, PURL: url,
		Locations: []string{"/" + s.path}}
	if s.grypeType != "" {
		f.grype.Type, f.grype.Language = s.grypeType, ""
	}
	if _, artifact, ok := strings.Cut(s.pkg.Name, ":"); ok && s.pkg.Type == "maven" {
		f.grype.Name = artifact
	}
	if s.pkg.Source != "" && s.pkg.Source != s.pkg.Name {
		f.grype.Upstreams = []string{s.pkg.Source}
	}
	return f
}

// grypeState returns the fix state of a finding as Grype names it.
func (f finding) grypeState() string {
	switch {
	case f.state != "":
		return f.state
	case f.match.Fixed != "":
		return "fixed"
	case f.match.Status == advisory.StatusWontFix:
		return "wont-fix"
	}
	return "not-fixed"
}

// grypeKinds are the types and languages that Syft gives to the packages of a purl type.
var grypeKinds = map[string]struct{ typ, language string }{
	"deb": {"deb", ""}, "rpm": {"rpm", ""}, "apk": {"apk", ""}, "npm": {"npm", "javascript"}, "pypi": {"python", "python"},
	"gem": {"gem", "ruby"}, "maven": {"java-archive", "java"}, "golang": {"go-module", "go"}, "cargo": {"rust-crate", "rust"},
	"composer": {"php-composer", "php"}, "nuget": {"dotnet", "dotnet"},
}

// typeOf returns the purl type of one of Grype's types or languages.
func typeOf(grype string) string {
	for typ, kind := range grypeKinds {
		if grype != "" && (kind.typ == grype || kind.language == grype) {
			return typ
		}
	}
	return ""
}

// concrete returns a path that a pattern matches, for patterns without classes.
func concrete(pattern string) string {
	pattern = strings.TrimPrefix(pattern, "/")
	if before, rest, ok := strings.Cut(pattern, "{"); ok {
		if list, after, ok := strings.Cut(rest, "}"); ok {
			first, _, _ := strings.Cut(list, ",")
			pattern = before + first + after
		}
	}
	pattern = strings.ReplaceAll(pattern, "**", "srv/app")
	return path.Clean(strings.NewReplacer("*", "x", "?", "y").Replace(pattern))
}

// sample returns a name that a regular expression of simple form matches.
func sample(pattern string) string {
	if !strings.ContainsAny(pattern, `^$*+?[](){}|\`) {
		return pattern
	}
	pattern, _, _ = strings.Cut(strings.Trim(pattern, "^$()"), "|")
	return strings.NewReplacer(".*", "x", ".+", "x", `\.`, ".", `\d+`, "1", "[0-9]+", "1", "?", "", "*", "", "+", "", "(", "", ")", "", `\`, "").Replace(pattern)
}

// variants returns the subject itself, and others that differ from it in one respect.
func (s subject) variants(e item) []subject {
	all := []subject{s}
	add := func(name string, change func(*subject)) {
		other := s
		other.pkg.Evidence = nil
		change(&other)
		other.name = name
		all = append(all, other)
	}
	add("alias", func(o *subject) { o.id, o.alias = otherID, s.id })
	add("other id", func(o *subject) { o.id = otherID })
	add("id in lower case", func(o *subject) { o.id = strings.ToLower(s.id) })
	add("longer id", func(o *subject) { o.id += "0" })
	add("other package", func(o *subject) { o.pkg.Name = "other" })
	add("longer name", func(o *subject) { o.pkg.Name += "-extra" })
	add("name in capitals", func(o *subject) { o.pkg.Name = strings.ToUpper(o.pkg.Name) })
	add("other version", func(o *subject) { o.pkg.Version = "99.99.99" })
	add("equal version in another spelling", func(o *subject) { o.pkg.Version = respell(o.pkg.Type, o.pkg.Version) })
	add("other path", func(o *subject) { o.path = "opt/other/file" })
	add("path below", func(o *subject) { o.path += "/below/file" })
	add("path above", func(o *subject) { o.path = path.Dir(o.path) })
	add("path within another", func(o *subject) { o.path = "srv/" + o.path })
	add("other architecture", func(o *subject) { o.pkg.Arch = "arm64" })
	add("other distribution", func(o *subject) { o.system = inventory.System{ID: "other", VersionID: "1"} })
	add("other type", func(o *subject) {
		types := []string{"npm", "deb"}
		o.pkg.Type = types[1-max(0, slices.Index(types, s.pkg.Type))]
	})
	add("with a fix", func(o *subject) { o.fixed, o.wontFix = "99", false })
	add("without a fix", func(o *subject) { o.fixed, o.wontFix = "", false })
	add("will not be fixed", func(o *subject) { o.fixed, o.wontFix = "", true })
	add("unknown fix state", func(o *subject) { o.fixed, o.wontFix, o.state = "", false, "unknown" })
	add("source package", func(o *subject) {
		if o.pkg.Source != "" {
			o.pkg.Name = o.pkg.Source
		} else {
			o.pkg.Source, o.pkg.Name = s.pkg.Name, s.pkg.Name+"-part"
		}
	})
	if s.pkg.Type == "maven" && e.name != "" && !strings.Contains(e.name, ":") {
		add("artifact of a group", func(o *subject) { o.pkg.Name = "org.example:" + s.pkg.Name })
		add("group of that name", func(o *subject) { o.pkg.Name = s.pkg.Name + ":other" })
	}
	return all
}

const otherID = "CVE-1999-99999"

// respell returns another spelling of a version that the order of the type calls equal, if
// it has one.
func respell(typ, version string) string {
	switch typ {
	case "deb", "rpm":
		if !strings.Contains(version, ":") {
			return "0:" + version
		}
	case "pypi", "maven", "gem", "composer", "nuget":
		return version + ".0"
	case "golang":
		return "v" + strings.TrimPrefix(version, "v")
	}
	return version
}
