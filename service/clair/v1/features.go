package v1

import (
	"cmp"
	"slices"
	"strings"

	"assay/service/clair"
	"assay/service/distro"
	"assay/service/report"
	"assay/verdict"
)

// A featureKey identifies a feature. As in Clair, the packages of Debian and its kin that were
// built from one source package are one feature with the source's name and version.
type featureKey struct{ typ, name, version string }

func keyOf(typ, name, version, source, sourceVersion string) featureKey {
	if typ == distro.Deb && source != "" {
		return featureKey{typ, source, cmp.Or(sourceVersion, version)}
	}
	return featureKey{typ, name, version}
}

// features returns what the image has installed, sorted by name, with the vulnerabilities if
// they are asked for.
func (e evaluation) features(vulnerabilities bool) []feature {
	system := systemNamespace(e.scanned.Sent.Inventory.System, e.scanned.Verdict.System.Ecosystem)
	found := map[featureKey]*feature{}
	layer := map[featureKey]int{} // index of the lowest layer
	of := func(k featureKey) *feature {
		f := found[k]
		if f == nil {
			f = &feature{Name: k.name, Version: k.version, NamespaceName: namespaceOfPackage(k.typ, system), VersionFormat: formatOf(k.typ)}
			found[k] = f
		}
		return f
	}
	for _, p := range e.scanned.Sent.Inventory.Packages {
		k := keyOf(p.Type, p.Name, p.Version, p.Source, p.SourceVersion)
		f := of(k)
		at := slices.Index(e.order, p.Layer)
		if before, ok := layer[k]; at >= 0 && (!ok || at < before) {
			layer[k] = at
			f.AddedBy = e.names[p.Layer]
		}
	}
	if vulnerabilities {
		seen := map[featureKey]map[string]bool{}
		for _, v := range e.scanned.Verdict.Findings {
			k := keyOf(v.Package.Type, v.Package.Name, v.Package.Version, v.Package.Source, v.Package.SourceVersion)
			f := of(k)
			if seen[k] == nil {
				seen[k] = map[string]bool{}
			}
			if seen[k][v.ID] {
				continue
			}
			seen[k][v.ID] = true
			f.Vulnerabilities = append(f.Vulnerabilities, vulnerabilityOf(v, f.NamespaceName))
		}
	}
	list := make([]feature, 0, len(found))
	for _, f := range found {
		slices.SortFunc(f.Vulnerabilities, func(a, b vulnerability) int { return cmp.Compare(a.Name, b.Name) })
		list = append(list, *f)
	}
	slices.SortFunc(list, func(a, b feature) int {
		return cmp.Or(cmp.Compare(a.NamespaceName, b.NamespaceName), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	return list
}

// vulnerabilityOf returns a finding as Clair has it.
func vulnerabilityOf(f verdict.Finding, namespace string) vulnerability {
	return vulnerability{
		Name: f.ID, NamespaceName: namespace, Description: f.Summary, Link: linkOf(f.ID, namespace),
		Severity: clair.Severity(f.Severity), Metadata: metadataOf(f), FixedBy: f.Fixed,
	}
}

// metadataOf returns what assay says of a finding and Clair has no field for.
func metadataOf(f verdict.Finding) map[string]any {
	about := map[string]any{"Rule": f.Rule, "Fails": f.Fails, "Advisories": f.Advisories}
	if f.Score > 0 {
		about["Score"], about["Vector"] = f.Score, f.Vector
	}
	if f.SeveritySource != "" {
		about["SeveritySource"] = f.SeveritySource
	}
	if f.EPSS > 0 {
		about["EPSS"] = f.EPSS
	}
	if f.KnownExploited {
		about["KnownExploited"] = true
	}
	if f.Malicious {
		about["Malicious"] = true
	}
	return map[string]any{"assay": about}
}

// linkOf returns the page about a vulnerability: that of the distribution for Debian and Ubuntu,
// as in Clair.
func linkOf(id, namespace string) string {
	vendor, _, _ := strings.Cut(namespace, ":")
	if strings.HasPrefix(id, "CVE-") {
		switch vendor {
		case "debian":
			return "https://security-tracker.debian.org/tracker/" + id
		case "ubuntu":
			return "https://ubuntu.com/security/" + id
		}
	}
	_, address := report.Page(id)
	return address
}
