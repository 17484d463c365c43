package updateinfo

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"

	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/feed/whole"
	"assay/service/store"
)

// Bounds of all errata of a source.
const (
	maxErrata  = 500_000
	maxEntries = 10_000_000
	maxText    = 1 << 30  // bytes of titles and descriptions
	maxDetails = 64 << 10 // bytes of one description
	maxCVEs    = 10_000   // of one erratum
)

// Errata collects the errata of a source. The zero value is ready to use.
type Errata struct {
	// BySource: records name source packages. Otherwise they name binary packages.
	BySource bool
	// Related: records have their CVEs in related, as OSV's records of the distribution
	// do, in place of upstream.
	Related bool
	// InText: errata name their CVEs in the titles of bugs. If no bug names one, the title or
	// the description of the erratum does.
	InText bool
	// Others are architectures of the distribution that the collected errata do not cover.
	Others []string

	byID          map[string]*erratum
	entries, text int
	// epochs are the epochs of source packages that are known from any erratum.
	epochs map[sourceName]string
}

// A sourceName is a source package of a release.
type sourceName struct{ ecosystem, name string }

// An erratum is one erratum with its parts joined.
type erratum struct {
	Erratum
	cves    map[string]bool
	entries map[entry]arches
	// epochs are the epochs of the packages that have the version of their source.
	epochs map[entry]string
	// err is why a part of it cannot be converted.
	err error
}

// An entry is a fixed build of a package. The version has no epoch if the package is a
// source package.
type entry struct{ ecosystem, name, version, module string }

// arches is a set of architectures.
type arches uint8

const (
	anyArch arches = 1 << iota
	x86
	arm64
	arm
	ppc64
	ppc64le
	s390x
	riscv64
)

// archOf returns the architecture of a package. An image of x86_64 may have packages of
// the 32-bit architectures. It is not ok if the architecture is unknown.
func archOf(name string) (arches, bool) {
	a, ok := map[string]arches{
		"noarch": anyArch, "x86_64": x86, "x86_64_v2": x86, "i386": x86, "i486": x86, "i586": x86, "i686": x86,
		"aarch64": arm64, "armv7hl": arm, "ppc64": ppc64, "ppc64le": ppc64le, "s390x": s390x, "riscv64": riscv64,
	}[name]
	return a, ok
}

// names returns the architectures that an entry is limited to, or nil if it is not
// limited. A build for both x86_64 and aarch64 counts for all.
func (a arches) names(others []string) []string {
	if a&anyArch != 0 || a&x86 != 0 && a&arm64 != 0 {
		return nil
	}
	names := slices.Clone(others)
	for bit, arch := range map[arches][]string{
		x86: {"x86_64", "i686"}, arm64: {"aarch64"}, arm: {"armv7hl"}, ppc64: {"ppc64"}, ppc64le: {"ppc64le"}, s390x: {"s390x"}, riscv64: {"riscv64"},
	} {
		if a&bit != 0 {
			names = append(names, arch...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Add adds an erratum, or a part of one that was added before, which is about packages of
// an ecosystem ("AlmaLinux:9"). The error is about the errata as a whole. An erratum that
// cannot be converted is rejected by Records.
func (s *Errata) Add(ecosystem string, e Erratum) error {
	e.Title = strings.Join(strings.Fields(e.Title), " ")
	if len(e.Description) > maxDetails {
		e.Description = strings.Clone(strings.ToValidUTF8(e.Description[:maxDetails], ""))
	}
	if s.InText {
		e.CVEs = slices.Concat(e.CVEs, inText(e))
	}
	known := s.known(e)
	known.join(e)
	if d := distro.Erratum(e.ID); d == nil || !strings.HasPrefix(ecosystem, d.Ecosystem+":") {
		known.reject(fmt.Errorf("it does not have the ID of an erratum of %q", ecosystem))
	}
	before := len(known.entries)
	for _, p := range e.Packages {
		if err := s.add(known, ecosystem, p); err != nil {
			known.reject(fmt.Errorf("package %.100q: %w", p.Name, err))
		}
	}
	s.entries += len(known.entries) - before
	return s.check()
}

// Reject rejects an erratum that cannot be read. name is its ID, or says where it is.
func (s *Errata) Reject(name string, err error) error {
	s.known(Erratum{ID: name}).reject(err)
	return s.check()
}

// known returns what is known of an erratum, which is new if there is nothing.
func (s *Errata) known(e Erratum) *erratum {
	if s.byID == nil {
		s.byID, s.epochs = make(map[string]*erratum), make(map[sourceName]string)
	}
	known := s.byID[e.ID]
	if known == nil {
		e.Packages, e.CVEs, e.Bugs = nil, nil, nil
		known = &erratum{Erratum: e, cves: make(map[string]bool), entries: make(map[entry]arches), epochs: make(map[entry]string)}
		s.byID[e.ID] = known
		s.text += len(e.ID) + len(e.Title) + len(e.Description) + len(e.Severity) + len(e.Link)
	}
	return known
}

// check returns an error if there is more than a source can have.
func (s *Errata) check() error {
	if len(s.byID) > maxErrata || s.entries > maxEntries || s.text > maxText {
		return errors.New("there are too many errata")
	}
	return nil
}

var cve = regexp.MustCompile(`\bCVE-[0-9]{4}-[0-9]{4,19}\b`)

// inText returns the CVEs that the texts of an erratum name.
func inText(e Erratum) []string {
	for _, text := range []string{strings.Join(e.Bugs, " "), e.Title, e.Description} {
		if cves := cve.FindAllString(text, -1); len(cves) > 0 {
			return cves
		}
	}
	return nil
}

// reject notes why an erratum cannot be converted. The first reason stays.
func (known *erratum) reject(err error) { known.err = cmp.Or(known.err, err) }

// join adds what another part of an erratum says about it as a whole.
func (known *erratum) join(e Erratum) {
	switch e.Status {
	case "", "final", "stable":
	default:
		known.reject(fmt.Errorf("unsupported status %.20q", e.Status))
	}
	if e.Updated.After(known.Updated) {
		known.Updated = e.Updated
	}
	for _, id := range e.CVEs {
		switch {
		case !advisory.IsCVE(id): // "CVE-PENDING" is a placeholder
		case len(known.cves) == maxCVEs:
			known.reject(fmt.Errorf("it names more than %d CVEs", maxCVEs))
		default:
			known.cves[id] = true
		}
	}
}

// add adds a package of an erratum.
func (s *Errata) add(known *erratum, ecosystem string, p Package) error {
	if p.Arch == "src" || p.Arch == "nosrc" {
		return nil
	}
	arch, ok := archOf(p.Arch)
	switch {
	case !ok:
		return fmt.Errorf("unknown architecture %.20q", p.Arch)
	case !word(p.Name) || !word(p.Version) || !word(p.Release) || strings.Contains(p.Version+p.Release, "-"):
		return fmt.Errorf("invalid version %.100q", p.Version+"-"+p.Release)
	case strings.Trim(p.Epoch, "0123456789") != "" || len(p.Epoch) > maxEpoch:
		return fmt.Errorf("invalid epoch %.20q", p.Epoch)
	case len(p.Module) > maxModule:
		return fmt.Errorf("invalid module stream %.100q", p.Module)
	}
	epoch := strings.TrimLeft(p.Epoch, "0")
	version := p.Version + "-" + p.Release
	if !distro.ModuleBuild(version) {
		p.Module = "" // AlmaLinux's errata also give it to packages that follow those of a module
	}
	if !s.BySource {
		known.entries[entry{ecosystem, p.Name, withEpoch(epoch, version), p.Module}] |= arch
		return nil
	}
	name, sourceVersion, ok := source(p.Source)
	if !ok {
		return fmt.Errorf("invalid name of a source package %.100q", p.Source)
	}
	en := entry{ecosystem, name, sourceVersion, p.Module}
	known.entries[en] |= arch
	if version == sourceVersion {
		raise(known.epochs, en, epoch)
		raise(s.epochs, sourceName{ecosystem, name}, epoch)
	}
	return nil
}

// raise sets an epoch unless a higher one is known. If packages of one source have several,
// a fix with a lower one would be below all versions of the others.
func raise[K comparable](epochs map[K]string, of K, epoch string) {
	before, ok := epochs[of]
	if !ok || cmp.Or(cmp.Compare(len(epoch), len(before)), cmp.Compare(epoch, before)) > 0 {
		epochs[of] = epoch
	}
}

// Bounds of texts, in bytes. Epochs are numbers of 32 bits.
const (
	maxEpoch  = 10
	maxModule = 256
)

// word reports whether s is a part of the name of a package.
func word(s string) bool {
	return s != "" && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' || r == '/' })
}

// source splits the file name of a source rpm: "lz4-1.8.3-3.el8_4.src.rpm".
func source(file string) (name, version string, ok bool) {
	nvr, ok := strings.CutSuffix(file, ".src.rpm")
	release := strings.LastIndexByte(nvr, '-')
	if !ok || release < 0 || !word(nvr) {
		return "", "", false
	}
	v := strings.LastIndexByte(nvr[:release], '-')
	if v <= 0 || v+1 == release || release+1 == len(nvr) {
		return "", "", false
	}
	return nvr[:v], nvr[v+1:], true
}

func withEpoch(epoch, version string) string {
	if epoch == "" {
		return version
	}
	return epoch + ":" + version
}

// fixed returns the fixed version of an entry. The file name of a source rpm has no epoch.
// It is that of a package with the version of its source in the same erratum, or else in
// any other of the release. Without an epoch, the versions of a source that has one would all
// be above the fix, so an unknown one is an error.
func (s *Errata) fixed(e *erratum, en entry) (string, error) {
	if !s.BySource {
		return en.version, nil
	}
	epoch, ok := e.epochs[en]
	if !ok {
		epoch, ok = s.epochs[sourceName{en.ecosystem, en.name}]
	}
	if !ok {
		return "", fmt.Errorf("the epoch of the source package %.100q is unknown", en.name)
	}
	return withEpoch(epoch, en.version), nil
}

// Records yields the records, sorted by ID.
func (s *Errata) Records() iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(s.byID)) {
			e := s.byID[id]
			var a advisory.Advisory
			err := e.err
			switch {
			case err != nil:
			case len(e.entries) == 0:
				err = errors.New("it names no package")
			default:
				a, err = s.convert(e)
			}
			if !yield(whole.Converted(id, a, err)) {
				return
			}
		}
	}
}

// notices are the kinds of errata that are not about vulnerabilities. An unknown kind may be.
var notices = []string{"bugfix", "enhancement", "newpackage", "optional", "recommended", "unspecified"}

// convert returns the record of an erratum.
func (s *Errata) convert(e *erratum) (advisory.Advisory, error) {
	a := advisory.Advisory{ID: e.ID, Published: e.Issued, Modified: e.Updated, Summary: e.Title, Details: e.Description}
	if a.Modified.Before(a.Published) {
		a.Modified = a.Published
	}
	cves := slices.SortedFunc(maps.Keys(e.cves), advisory.CompareIDs)
	if s.Related {
		a.Related = cves
	} else {
		a.Upstream = cves
	}
	if e.Link != "" {
		a.References = []advisory.Reference{{Type: "ADVISORY", URL: e.Link}}
	}
	if !strings.EqualFold(e.Severity, "none") {
		a.DatabaseSpecific = advisory.SeverityField(e.Severity)
	}
	var notice json.RawMessage
	if slices.Contains(notices, e.Kind) && len(cves) == 0 {
		notice = encode(map[string]string{"informational": "notice"})
	}
	for _, en := range slices.SortedFunc(maps.Keys(e.entries), compareEntries) {
		fixed, err := s.fixed(e, en)
		if err != nil {
			return a, err
		}
		a.Affected = append(a.Affected, advisory.Affected{
			Package:           advisory.Package{Ecosystem: en.ecosystem, Name: en.name},
			Ranges:            []advisory.Range{advisory.Before(fixed)},
			EcosystemSpecific: specific(en.module, e.entries[en].names(s.Others)),
			DatabaseSpecific:  notice,
		})
	}
	return a, nil
}

func compareEntries(a, b entry) int {
	return cmp.Or(cmp.Compare(a.ecosystem, b.ecosystem), cmp.Compare(a.name, b.name), cmp.Compare(a.version, b.version), cmp.Compare(a.module, b.module))
}

// specific returns the ecosystem_specific of an entry, which package index reads.
func specific(module string, arches []string) json.RawMessage {
	fields := map[string]any{}
	if module != "" {
		fields["rpm_modularity"] = module
	}
	if arches != nil {
		fields["affects"] = map[string][]string{"arch": arches}
	}
	if len(fields) == 0 {
		return nil
	}
	return encode(fields)
}

// encode encodes strings, which cannot fail.
func encode(v any) json.RawMessage {
	b, _ := json.Marshal(v)
	return b
}
