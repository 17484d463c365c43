package match

import (
	"cmp"
	"slices"
	"strings"

	"assay/service/version"
)

// Beside its ordinary build, an rpm package may have others under the same name,
// with versions that have nothing to do with each other: one for each stream of
// a module, those that Oracle patches in memory (ksplice) or has validated (fips),
// and those of Amazon Linux's extras. Their versions say so in the release:
// "module_el8.6.0+2741+01592ae8", "ksplice1" and "_fips".
// An advisory that mends one build says nothing about the others.

// modules returns the module streams that an advisory is about, "nodejs:18".
// The records of AlmaLinux, Rocky Linux and Red Hat have no field for them, but
// name them in their summaries ("Important: nodejs:18 security update"), unless
// the versions that mend it are no module builds and the summary means a version.
func modules(summary string, ranges []Range) []string {
	if !slices.ContainsFunc(ranges, func(r Range) bool { return modular(lastFix(r)) }) {
		return nil
	}
	var streams []string
	for word := range strings.FieldsSeq(head(summary, maxSummary)) {
		// "httpd:2.4/mod_http2," names a package of the module.
		word, _, _ = strings.Cut(strings.Trim(word, "(),;"), "/")
		name, stream, _ := strings.Cut(word, ":")
		if name != "" && stream != "" && !strings.Contains(stream, ":") {
			streams = append(streams, word)
		}
	}
	slices.Sort(streams)
	return slices.Compact(streams)
}

// lastFix returns the last fix of a range, empty where it has none.
func lastFix(r Range) string {
	fix := ""
	for _, e := range r.Events {
		fix = cmp.Or(e.Fixed, fix)
	}
	return fix
}

// modular reports whether a version is a module's build.
func modular(version string) bool {
	return strings.Contains(version, ".module+el") || strings.Contains(version, ".module_el")
}

// ksplice returns the part of a version that names a ksplice build.
func ksplice(version string) string {
	_, rest, ok := strings.Cut(version, ".ksplice")
	if !ok {
		return ""
	}
	n, _, _ := strings.Cut(rest, ".")
	return "ksplice" + n
}

// validated reports whether a version is one of Oracle's builds that are validated
// by FIPS 140 and have versions of their own: "10:3.0.7-18.0.1.el9_2_fips".
func validated(version string) bool { return strings.HasSuffix(version, "_fips") }

// sameBuild reports whether an entry is about the build that an rpm package is.
// An entry that names no fix is about all of them, unless it names streams or
// nobody knows the stream of a module's build.
func (s subject) sameBuild(e Affected) bool {
	if len(e.Modules) > 0 && s.stream != "" && !slices.Contains(e.Modules, s.stream) {
		return false
	}
	fixes, same := 0, false
	for _, r := range e.Ranges {
		if fix := lastFix(r); fix != "" {
			fixes++
			same = same || modular(fix) == s.modular && ksplice(fix) == ksplice(s.version) &&
				validated(fix) == validated(s.version) && !s.otherExtra(e.Advisory, fix)
		}
	}
	return fixes == 0 && !s.unlabelled() || same
}

// unlabelled reports whether a package is a module's build and nobody says of which
// stream.
func (s subject) unlabelled() bool { return s.modular && s.stream == "" }

// extraVersion returns the version after which an extra of Amazon Linux 2 is named
// whose advisory id is one of: 14 of ALAS2POSTGRESQL14-2023-003, 5.10 of
// ALASKERNEL-5.10-2024-049; empty where there is none.
func extraVersion(id string) string {
	extra, ok := strings.CutPrefix(id, "ALAS2")
	if !ok {
		extra, ok = strings.CutPrefix(id, "ALAS")
	}
	year := max(strings.LastIndexByte(extra, '-'), 0)
	year = strings.LastIndexByte(extra[:year], '-')
	if !ok || year <= 0 {
		return ""
	}
	extra = extra[:year]
	return extra[strings.LastIndexFunc(extra, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })+1:]
}

// otherExtra reports whether a fix of an Amazon Linux 2 advisory is of an extra that
// the package cannot be from. Beside its core the system has extras with packages
// of the same names, each in a repository of its own, which an rpm database does
// not name. But where an extra is called after the version of a package, no other
// version of it is in there. Advisories of an extra without
// a version in its name are used.
func (s subject) otherExtra(id, fix string) bool {
	if len(s.scheme.ecosystems) != 1 || s.scheme.ecosystems[0] != "Amazon Linux:2" {
		return false
	}
	extra := extraVersion(id)
	return extra != "" && ofVersion(fix, extra) && !ofVersion(s.version, extra)
}

// ofVersion reports whether a version of rpm begins with the numbers of another:
// 14.8-1 with 14.
func ofVersion(v, numbers string) bool {
	rest, ok := strings.CutPrefix(withoutEpoch(v), numbers)
	return ok && (rest == "" || rest[0] < '0' || rest[0] > '9')
}

// ownEntries returns which of the entries that one advisory has for one package
// are about the build that is installed. AlmaLinux's name every build of a
// package that mends the same thing, one for each stream or repository, and
// nothing but their versions tells them apart. It is the one whose fix shares
// the most of its beginning with the version, of several alike the oldest: what
// is not older than that has been mended in it. Where no fix has anything in
// common with the version, all of them are heard.
func ownEntries(compare version.Compare, installed string, entries []Affected) []Affected {
	best, most := 0, 0
	for i, e := range entries {
		if len(e.Ranges) != 1 || lastFix(e.Ranges[0]) == "" || e.Ranges[0].Events[0].Introduced != "0" {
			return entries
		}
		fix := lastFix(e.Ranges[0])
		shared := sharedParts(installed, fix)
		if shared > most {
			best, most = i, shared
		} else if shared == most && most > 0 {
			if c, err := compare(fix, lastFix(entries[best].Ranges[0])); err == nil && c < 0 {
				best = i
			}
		}
	}
	if most == 0 {
		return entries
	}
	return entries[best : best+1]
}

// sharedParts counts the parts that two versions of rpm have in common from
// their beginning on, epochs aside.
func sharedParts(a, b string) int {
	parts := func(s string) []string {
		return strings.FieldsFunc(withoutEpoch(s), func(r rune) bool { return strings.ContainsRune(".-_+~^", r) })
	}
	pa, pb := parts(a), parts(b)
	n := 0
	for n < len(pa) && n < len(pb) && pa[n] == pb[n] {
		n++
	}
	return n
}
