package match

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/service/distro"
	"assay/service/version"
	"assay/verdict"
)

// rules are how the packages of one purl type are looked up and compared.
type rules struct {
	typ string // purl type of the packages
	// ecosystems have the advisories about them.
	ecosystems []distro.Ecosystem
	names      distro.Names
	order      version.Order
	// spellings: versions that compare as equal are one release, so a listed version
	// may be written in another way.
	spellings bool
	// distribution is that of system packages, else nil.
	distribution *distro.Distribution
	// extended is the minor release of Red Hat Enterprise Linux ("8.4") whose extended
	// support has ecosystems before those of the whole release; empty for none.
	extended string
	// key identifies all of the above.
	key string
}

// hold keeps those ecosystems that the index has records of.
func (r *rules) hold(ix Index) error {
	held := make([]distro.Ecosystem, 0, len(r.ecosystems))
	for _, e := range r.ecosystems {
		n, err := ix.Records(e.Name)
		if err != nil {
			return err
		}
		if n > 0 {
			held = append(held, e)
		}
	}
	r.ecosystems = held
	parts := make([]string, 0, 3+len(held))
	parts = append(parts, r.typ)
	if r.distribution != nil {
		parts = append(parts, r.distribution.Name, r.extended)
	}
	for _, e := range held {
		parts = append(parts, e.Name)
	}
	r.key = strings.Join(parts, "\x00")
	return nil
}

// A system is the operating system of an image, and how its packages are evaluated.
type system struct {
	verdict verdict.System
	release distro.Release
	// reason is why its packages cannot be evaluated, if so.
	reason string
	rules
}

// systemOf recognises the operating system of an inventory. An error comes from ix.
func systemOf(inv inventory.Inventory, ix Index, today time.Time) (system, error) {
	id := inv.System
	s := system{verdict: verdict.System{ID: id.ID, VersionID: id.VersionID, PrettyName: id.PrettyName}}
	if s.release, s.reason = distro.Of(inv); s.reason != "" {
		return s, nil
	}
	var err error
	if s.release, err = withProducts(s.release, inv, ix); err != nil {
		return s, err
	}
	d := s.release.Distribution
	s.verdict.Ecosystem = distro.MainEcosystem(s.release.Ecosystems)
	if s.verdict.EndOfLife, err = endOfLife(s.release, ix); err != nil {
		return s, err
	}
	// Days are those of UTC.
	s.verdict.Ended = s.verdict.EndOfLife != "" && today.UTC().Format(time.DateOnly) > s.verdict.EndOfLife
	s.rules = rules{typ: d.Format, ecosystems: s.release.Ecosystems, names: d.Names, distribution: d, extended: s.release.Extended}
	s.order, _ = version.For(d.Format)
	if err := s.rules.hold(ix); err != nil {
		return s, err
	}
	if held := distro.MainEcosystem(s.ecosystems); held != "" {
		// It does not matter which of the main ecosystems names the system.
		s.verdict.Ecosystem = held
	} else {
		s.reason = fmt.Sprintf("this service has no advisories for %s", s.verdict.Ecosystem)
	}
	return s, nil
}

// withProducts returns the release of an image, with the products of the repositories that
// it was built from, and those that it is of.
func withProducts(r distro.Release, inv inventory.Inventory, ix Index) (distro.Release, error) {
	if r.WithProducts == nil {
		return r, nil
	}
	var sets, cpes []string
	for _, p := range inv.Packages {
		// The packages of one layer have the same list, which is added once.
		if len(p.ContentSets) > 0 && !slices.Equal(p.ContentSets, sets[max(0, len(sets)-len(p.ContentSets)):]) {
			sets = append(sets, p.ContentSets...)
		}
	}
	slices.Sort(sets)
	for _, set := range slices.Compact(sets) {
		if strings.HasPrefix(set, "cpe:") {
			cpes = append(cpes, set)
			continue
		}
		entries, err := ix.Affected(distro.RepositoryEcosystem, set)
		if err != nil {
			return r, err
		}
		for _, e := range entries {
			cpes = append(cpes, e.Versions...)
		}
	}
	if len(cpes) == 0 {
		return r, nil
	}
	d := r.Distribution
	r = d.WithProducts(inv, cpes)
	r.Distribution = d
	return r, nil
}

// endOfLife returns the last day of free security support of a release, or an empty string
// if it is unknown. What a source of such dates publishes takes precedence over the dates
// in the program, which may be older.
func endOfLife(release distro.Release, ix Index) (string, error) {
	if name := release.EndOfLifeName(); name != "" {
		entries, err := ix.Affected(distro.EndOfLifeEcosystem, name)
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			if len(e.Versions) != 1 {
				continue
			}
			if _, err := time.Parse(time.DateOnly, e.Versions[0]); err == nil {
				return e.Versions[0], nil
			}
		}
	}
	return release.EndOfLife(), nil
}

// shown makes the text of others fit for a sentence.
func shown(s string) string { return verdict.Short(s) }
