package match

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"assay/service/distro"
	"assay/service/index"
	"assay/service/version"
)

// ownBuild returns those entries of one advisory about an rpm package that are about
// the build that is installed. The trace records the others.
func (m *matcher) ownBuild(l lookup, compare version.Compare, key index.Key, entries []index.Affected, e *evaluation) []index.Affected {
	own := slices.DeleteFunc(slices.Clone(entries), func(entry index.Affected) bool {
		other := !l.sameBuild(key.Ecosystem, entry)
		if other && m.trace != nil {
			m.trace.entry(e, key, entry, EntryOtherBuild, l.otherBuild(entry), nil)
		}
		return other
	})
	if len(own) < 2 {
		return own
	}
	among, newest := own, l.rules.names == distro.ByBinary
	if newest {
		among = sameMinor(l.version, own)
	}
	nearest := nearestBuild(compare, l.version, among, newest)
	m.trace.nearest(e, key, own, nearest)
	return nearest
}

// sameBuild reports whether an entry is about the kind of build that an rpm package is.
// An entry without a fix is about all of them, unless it names streams. If the package is a
// module build of an unknown stream, it is about a stream only if it names one.
func (l lookup) sameBuild(ecosystem string, e index.Affected) bool {
	if !l.inModule(e) {
		return false
	}
	fixes, same := 0, false
	for _, r := range e.Ranges {
		if fix := r.LastFix(); fix != "" {
			fixes++
			same = same || l.rules.distribution.SameBuild(ecosystem, e.Advisory, fix, l.version, l.module)
		}
	}
	return fixes == 0 && (!l.unknownStream() || len(e.Modules) > 0) || same
}

// inModule reports whether the package may be of one of the streams that an entry names.
func (l lookup) inModule(e index.Affected) bool {
	if len(e.Modules) == 0 {
		return true
	}
	if l.unknownStream() {
		return slices.ContainsFunc(e.Modules, func(stream string) bool { return stream != "" })
	}
	return slices.Contains(e.Modules, l.stream)
}

// unknownStream reports whether a package is a module build of an unknown stream.
func (l lookup) unknownStream() bool { return l.module && l.stream == "" }

// otherBuild says why an entry is not about the build that a package is.
func (l lookup) otherBuild(e index.Affected) string {
	named := strings.Join(e.Modules, ", ")
	switch {
	case l.inModule(e):
	case named == "":
		return "the entry is about packages of no module, the package is of " + cmp.Or(shown(l.stream), "one")
	case l.stream == "":
		return "the entry is about the module stream " + shown(named) + ", the package is of no module"
	default:
		return "the entry is about the module stream " + shown(named) + ", the package is of " + shown(l.stream)
	}
	if l.unknownStream() {
		return "the package is a module build whose stream is unknown"
	}
	return "the entry is about another build of the package"
}

// nearestBuild returns which of the entries of one advisory about one package are about
// the installed build. AlmaLinux's advisories name every fixed build of a package, one
// for each stream or repository, which only their versions distinguish. It is the entry
// with the fix that has the longest common prefix with the installed version. Of
// several such fixes it is the oldest: every version from there on has the fix. With newest
// it is the newest: the fixes of Red Hat's documents are those of several minor releases, and
// a build of a later one need not have the fix of an earlier one. If no fix has anything in
// common with the version, all entries are used.
func nearestBuild(compare version.Compare, installed string, entries []index.Affected, newest bool) []index.Affected {
	best, most := 0, 0
	for i, e := range entries {
		if len(e.Ranges) != 1 || e.Ranges[0].LastFix() == "" || e.Ranges[0].Events[0].Introduced != "0" {
			return entries
		}
		fix := e.Ranges[0].LastFix()
		shared := sharedParts(installed, fix)
		if shared > most {
			best, most = i, shared
		} else if shared == most && most > 0 {
			if c, err := compare(fix, entries[best].Ranges[0].LastFix()); err == nil && (c > 0) == newest {
				best = i
			}
		}
	}
	if most == 0 {
		return entries
	}
	return entries[best : best+1]
}

var minorRelease = regexp.MustCompile(`\.el[0-9]+_[0-9]+`)

// sameMinor returns those of the entries of one advisory whose fixes were built for the minor
// release of Red Hat Enterprise Linux that the installed build is for ("el9_2"), if it names
// one and there are any. Later builds for it have their fix.
func sameMinor(installed string, entries []index.Affected) []index.Affected {
	minor := minorRelease.FindString(installed)
	var same []index.Affected
	for _, e := range entries {
		if len(e.Ranges) != 1 || e.Ranges[0].LastFix() == "" {
			return entries
		}
		if minor != "" && minorRelease.FindString(e.Ranges[0].LastFix()) == minor {
			same = append(same, e)
		}
	}
	if len(same) == 0 {
		return entries
	}
	return same
}

// sharedParts counts the parts that two rpm versions without their epochs have in
// common from the beginning.
func sharedParts(a, b string) int {
	parts := func(s string) []string {
		return strings.FieldsFunc(version.WithoutEpoch(s), func(r rune) bool { return strings.ContainsRune(".-_+~^", r) })
	}
	pa, pb := parts(a), parts(b)
	n := 0
	for n < len(pa) && n < len(pb) && pa[n] == pb[n] {
		n++
	}
	return n
}
