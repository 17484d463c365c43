package index

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/version"
	"assay/verdict"
)

// A specific has the fields of an affected entry that databases define for themselves.
type specific struct {
	Urgency        any `json:"urgency"`         // Debian
	UbuntuPriority any `json:"ubuntu_priority"` // Ubuntu, in older records
	// Imports are the affected packages of a Go module, each with the systems and
	// architectures that it is limited to.
	Imports []struct {
		Path   string   `json:"path"`
		GOOS   []string `json:"goos"`
		GOARCH []string `json:"goarch"`
	} `json:"imports"`
	// CustomRanges have the tags of a Go module that are not versions to the go command.
	CustomRanges []advisory.Range `json:"custom_ranges"`
	// Affects are the systems and architectures that a crate's vulnerability is limited
	// to.
	Affects struct {
		OS   []string `json:"os"`
		Arch []string `json:"arch"`
	} `json:"affects"`
	Binaries binaries `json:"binaries"`
	Patterns any      `json:"patterns"` // Jenkins
	// Modularity is the module stream of an rpm package ("nodejs:18"), or
	// advisory.NoModule. Grype's data has the field too.
	Modularity any `json:"rpm_modularity"`
}

// binaries are the packages that were built from a source package of Ubuntu. Values of
// another form, which other databases have in this field, are ignored.
type binaries []struct {
	Name    string `json:"binary_name"`
	Version string `json:"binary_version"`
}

func (b *binaries) UnmarshalJSON(text []byte) error {
	type list binaries
	var read list
	if json.Unmarshal(text, &read) == nil {
		*b = binaries(read)
	}
	return nil
}

// maxBinary bounds the name of a binary package. Debian's policy has no bound. The longest
// genuine name has less than 100 bytes.
const maxBinary = 256

// binaries returns the names of the packages that were built from the source package of
// an entry, sorted. Packages with a version of their own are left out, since the versions
// of the entry do not apply to them.
func (s specific) binaries(af advisory.Affected) []string {
	if base, _, _ := strings.Cut(af.Package.Ecosystem, ":"); base != "Ubuntu" {
		return nil
	}
	ofSource := func(v string) bool {
		return slices.Contains(af.Versions, v) || slices.ContainsFunc(af.Ranges, func(r advisory.Range) bool {
			return slices.ContainsFunc(r.Events, func(e advisory.Event) bool { return v == e.Fixed || v == e.LastAffected })
		})
	}
	var names []string
	for _, b := range s.Binaries {
		if b.Name != "" && len(b.Name) <= maxBinary && !strings.Contains(b.Name, "\x00") && b.Version != "" && ofSource(b.Version) {
			names = append(names, b.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Bounds of what an entry of Jenkins and WordPress has in its own fields.
const (
	maxPatterns = 64   // real entries have up to four
	maxPattern  = 1001 // bytes; one more than can be evaluated
	maxNote     = 100  // bytes
)

// patterns returns the patterns of the versions that an entry of Jenkins affects. A
// pattern that is too long stays, and cannot be evaluated. An empty pattern, which cannot be
// evaluated either, replaces values of another form and those above the bound.
func (s specific) patterns(af advisory.Affected) []string {
	if af.Package.Ecosystem != "Jenkins" || s.Patterns == nil {
		return nil
	}
	list, ok := s.Patterns.([]any)
	if !ok {
		return []string{""}
	}
	var patterns []string
	for _, p := range list[:min(len(list), maxPatterns)] {
		text, _ := p.(string)
		patterns = append(patterns, head(text, maxPattern))
	}
	if len(list) > maxPatterns {
		patterns = append(patterns, "")
	}
	return patterns
}

// note returns the note that the conversion of a record has left: about WordPress, and the
// reason of Debian's and Ubuntu's status.
func note(af advisory.Affected) string {
	var specific struct {
		Note any `json:"note"`
	}
	base, _, _ := strings.Cut(af.Package.Ecosystem, ":")
	if !slices.Contains([]string{"WordPress", "Debian", "Ubuntu"}, base) || len(af.DatabaseSpecific) == 0 || json.Unmarshal(af.DatabaseSpecific, &specific) != nil {
		return ""
	}
	text, _ := specific.Note.(string)
	return clip(text, maxNote)
}

// readSpecific reads the known fields of an entry. If one of them has an unexpected form,
// only the rating is read.
func readSpecific(af advisory.Affected) specific {
	var s specific
	if len(af.EcosystemSpecific) == 0 {
		return s
	}
	if json.Unmarshal(af.EcosystemSpecific, &s) != nil {
		return specific{Urgency: s.Urgency, UbuntuPriority: s.UbuntuPriority}
	}
	return s
}

// words returns the distribution's words for an affected entry in lower case: Debian's,
// and Ubuntu's.
func (s specific) words() (words [2]string) {
	for i, w := range [...]any{s.Urgency, s.UbuntuPriority} {
		word, _ := w.(string)
		// Debian's tracker marks guesses with asterisks: "low**".
		words[i] = strings.ToLower(strings.TrimRight(strings.TrimSpace(word), "*"))
	}
	return words
}

// urgency returns the distribution's rating of an affected entry, or an empty string.
func (s specific) urgency() string {
	for _, word := range s.words() {
		if distro.Severity(word) != verdict.Unrated {
			return word
		}
	}
	return ""
}

// status returns the status of an entry: that of the record, or that which a word in the
// place of a rating means.
func (s specific) status(af advisory.Affected) advisory.Status {
	status := af.Status
	for _, word := range s.words() {
		if status == advisory.StatusAffected {
			status = distro.Status(word)
		}
	}
	return status
}

const maxBound = 100 // bytes of a version

// bound returns the end that GitHub's advisories give to a range without an end, in a
// field of their own: a fix for "< 2.1.3", the last affected version for "<= 2.1.2".
func bound(af advisory.Affected) (end advisory.Event, ok bool) {
	var specific struct {
		Range any `json:"last_known_affected_version_range"`
	}
	if len(af.DatabaseSpecific) == 0 || json.Unmarshal(af.DatabaseSpecific, &specific) != nil {
		return end, false
	}
	text, _ := specific.Range.(string)
	sign, version, _ := strings.Cut(strings.TrimSpace(text), " ")
	version = strings.TrimSpace(version)
	switch {
	case version == "" || len(version) > maxBound || strings.ContainsAny(version, " ,<>="):
		return end, false
	case sign == "<":
		return advisory.Event{Fixed: version}, true
	case sign == "<=":
		return advisory.Event{LastAffected: version}, true
	}
	return end, false
}

// Bounded returns an entry whose open ranges have the end that its database gives in a
// field of its own. Listed versions after all ranges are left out, because such lists are
// generated from the ranges. An end that is before the range or cannot be parsed is
// ignored.
func Bounded(af advisory.Affected) advisory.Affected {
	end, ok := bound(af)
	order, known := version.For(af.Package.Ecosystem)
	if !ok || !known {
		return af
	}
	compare := order.Comparer()
	ranges, open := slices.Clone(af.Ranges), false
	for i, r := range ranges {
		if r.Type == advisory.Git || slices.ContainsFunc(r.Events, func(e advisory.Event) bool { return e.Introduced == "" }) {
			continue
		}
		ended := slices.Concat(r.Events, []advisory.Event{end})
		if in, _, err := advisory.InRange(compare, cmp.Or(end.LastAffected, end.Fixed), ended); err != nil || in != (end.Fixed == "") {
			continue
		}
		ranges[i].Events, open = ended, true
	}
	if !open {
		return af
	}
	af.Ranges = ranges
	af.Versions = slices.DeleteFunc(slices.Clone(af.Versions), func(v string) bool {
		if c, err := compare(v, cmp.Or(end.LastAffected, end.Fixed)); err != nil || c < 0 || c == 0 && end.Fixed == "" {
			return false
		}
		return !slices.ContainsFunc(ranges, func(r advisory.Range) bool {
			in, _, err := advisory.InRange(compare, v, r.Events)
			return r.Type != advisory.Git && (in || err != nil)
		})
	})
	return af
}

// platforms returns the architectures on which Linux is affected, or nil for all. It is not
// ok if Linux is not affected.
func (s specific) platforms() (arches []string, ok bool) {
	affected := func(systems []string) bool { return len(systems) == 0 || slices.Contains(systems, "linux") }
	if !affected(s.Affects.OS) {
		return nil, false
	}
	arches = s.Affects.Arch
	ok, all := len(s.Imports) == 0, len(arches) == 0 && len(s.Imports) == 0
	for _, im := range s.Imports {
		if affected(im.GOOS) {
			ok, all = true, all || len(im.GOARCH) == 0
			arches = append(arches, im.GOARCH...)
		}
	}
	if all || !ok {
		return nil, ok
	}
	names := make([]string, len(arches))
	for i, a := range arches {
		names[i] = GoArch(a)
	}
	slices.Sort(names)
	return slices.Compact(names), true
}

// maxImports bounds the imports of an entry. Real ones have up to 200.
const maxImports = 2000

// imports returns the affected packages of a Go module on Linux, as index.Affected has them.
// It returns none if a path is not that of a package of the module.
func (s specific) imports(module string) []string {
	if len(s.Imports) > maxImports {
		return nil
	}
	var paths []string
	for _, im := range s.Imports {
		if len(im.GOOS) > 0 && !slices.Contains(im.GOOS, "linux") {
			continue
		}
		path, ok := im.Path, im.Path != "" && !strings.ContainsAny(im.Path, " \x00")
		if module != "stdlib" {
			path, ok = strings.CutPrefix(im.Path, module)
			ok = ok && (path == "" || path[0] == '/' && len(path) > 1) && !strings.ContainsAny(path, " \x00")
			path = cmp.Or(strings.TrimPrefix(path, "/"), ".")
		}
		if !ok {
			return nil
		}
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// GoArch returns Go's name of an architecture, given the name in Debian, rpm, apk or Rust.
// Unknown names are returned unchanged.
func GoArch(arch string) string {
	switch arch {
	case "x86_64", "x86_64_v2", "x86_64_v3", "x86_64_v4": // those of AlmaLinux 10
		return "amd64"
	case "x86", "i386", "i486", "i586", "i686":
		return "386"
	case "aarch64":
		return "arm64"
	case "armel", "armhf", "armv7", "armv7l", "armv7hl":
		return "arm"
	case "ppc64el":
		return "ppc64le"
	}
	return arch
}

// ranges returns the ranges of an entry that versions are compared with: those of the
// schema, or those in custom_ranges of a record of the Go project.
//
// If the tags of a module are not versions to the go command, such as v2.0.0 of a module
// whose path does not end with /v2, the record's SEMVER range affects every version from
// some version on, without an end, and custom_ranges has the affected tags. These are used
// then. A pseudo-version without a tag (v0.0.0-2024…) cannot be compared with tags and
// stays affected, unless the tags are affected from the first on or custom_ranges has
// such pseudo-versions.
func (s specific) ranges(ranges []advisory.Range) []advisory.Range {
	if len(s.CustomRanges) == 0 || len(ranges) != 1 || len(ranges[0].Events) != 1 || ranges[0].Events[0].Introduced == "" {
		return ranges
	}
	const untagged = "0.0.0"
	start := ranges[0].Events[0].Introduced
	var own []advisory.Range
	covered := start != "0" // the ranges cover pseudo-versions
	for _, r := range s.CustomRanges {
		own = append(own, advisory.Range{Type: r.Type, Events: slices.Clone(r.Events)})
		events := own[len(own)-1].Events
		for i := range events {
			if events[i].Introduced == "0" {
				events[i].Introduced, covered = start, true
			}
			covered = covered || strings.HasPrefix(cmp.Or(events[i].Introduced, events[i].Fixed), untagged+"-")
		}
	}
	if !covered {
		own = append(own, advisory.Range{Type: advisory.Semver, Events: []advisory.Event{{Introduced: "0"}, {LastAffected: untagged}}})
	}
	return own
}

// Causes of LeftOut.
const (
	NotLinux       = "not-linux"        // the entry is about other operating systems
	NothingToMatch = "nothing-to-match" // it has no version that a package has
)

// LeftOut returns why no index has an affected entry of a record: the cause, and a
// sentence for people. It is not ok if indexes have the entry.
func LeftOut(af advisory.Affected) (cause, why string, ok bool) {
	specific := readSpecific(af)
	if _, linux := specific.platforms(); !linux {
		systems := slices.Clone(specific.Affects.OS)
		for _, im := range specific.Imports {
			systems = append(systems, im.GOOS...)
		}
		slices.Sort(systems)
		systems = slices.Compact(systems)
		for i := range systems {
			systems[i] = verdict.Short(systems[i])
		}
		return NotLinux, "the entry is about " + strings.Join(systems, ", ") + " only", true
	}
	if len(Entries(advisory.Advisory{Affected: []advisory.Affected{af}}, nil)) == 0 {
		return NothingToMatch, "the entry has no versions to compare with", true
	}
	return "", "", false
}
