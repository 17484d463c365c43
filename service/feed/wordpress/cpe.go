package wordpress

import (
	"fmt"
	"maps"
	"slices"

	"assay/service/advisory"
	"assay/service/feed/applicability"
)

// FromCPE returns entries of the ecosystem CPE, with packages of the ecosystem WordPress in
// those about WordPress, its plugins and its themes where it is certain which package it
// is. The product of a CPE name is not the slug of a plugin: half of them differ. So the
// links must name exactly one plugin or theme, and the entries must agree on what is
// affected: then they are spellings of one product. Editions that are sold elsewhere have
// slugs of their own, which no link names. Other entries stay in the ecosystem CPE.
func FromCPE(entries []advisory.Affected, links []string) []advisory.Affected {
	name, certain := Linked(links)
	var extension *advisory.Affected
	for _, e := range entries {
		if !isExtension(e) {
			continue
		}
		if extension != nil && !sameVersions(*extension, e) {
			certain = false
		}
		extension = &e
	}
	var all []advisory.Affected
	for _, e := range entries {
		switch {
		case e.Package.Name == "wordpress:wordpress" && applicability.SpecificOf(e).Part == "a":
			e.Package = Package(Core)
		case certain && isExtension(e):
			e.Package = Package(name)
			if i := slices.IndexFunc(all, func(o advisory.Affected) bool { return o.Package == e.Package }); i >= 0 {
				s := applicability.SpecificOf(all[i])
				s.Criteria = append(s.Criteria, applicability.SpecificOf(e).Criteria...)
				all[i].DatabaseSpecific = s.Encode()
				continue
			}
		}
		all = append(all, e)
	}
	return all
}

// isExtension reports whether an entry is about an edition of a plugin or theme that can
// be the one with the slug.
func isExtension(e advisory.Affected) bool {
	s := applicability.SpecificOf(e)
	return s.TargetSW == "wordpress" && s.Part == "a" && e.Package.Name != "wordpress:wordpress" && freeEditions[s.SWEdition]
}

var freeEditions = map[string]bool{"": true, "-": true, "free": true, "lite": true, "basic": true, "community": true}

func sameVersions(a, b advisory.Affected) bool {
	set := func(e advisory.Affected) map[string]bool {
		m := map[string]bool{}
		for _, v := range e.Versions {
			m[v] = true
		}
		for _, r := range e.Ranges {
			m[fmt.Sprint(r.Events)] = true
		}
		return m
	}
	return maps.Equal(set(a), set(b))
}
