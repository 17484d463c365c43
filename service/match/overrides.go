package match

import "slices"

// Sources of CPE data, of which one corrects the other.
const (
	nvd          = "nvd"
	nvdOverrides = "nvd-overrides"
)

// preferOverrides drops the matching candidates of NVD if the overrides for NVD have an
// entry for the same package and the same CVE: they correct ranges, or fill in what NVD had
// not analysed when they were made.
func (f candidates) preferOverrides(g *group) {
	g.matching = slices.DeleteFunc(g.matching, f.overridden)
}

// overridden reports whether the overrides replace a candidate of NVD.
func (f candidates) overridden(c *candidate) bool {
	return c.entry.Source == nvd && slices.ContainsFunc(f.byName[c.entry.Advisory], func(o *candidate) bool {
		return o.entry.Source == nvdOverrides && o.entry.Advisory == c.entry.Advisory && !o.failed
	})
}
