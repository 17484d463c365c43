package java

import (
	"cmp"
	"slices"
	"strings"

	"assay/inspect/ident"
	"assay/inspect/inventory"
)

// maxPOMXML bounds the pom.xml files of an archive that are considered. One of them can
// be the archive's own.
const maxPOMXML = 1000

// contents are what an archive says about the packages in it.
type contents struct {
	poms        []coordinates // from pom.properties
	xml         []coordinates // from the paths of pom.xml, without versions
	manifest    manifest
	hasManifest bool
}

// A pack is a package that was found in an archive. Without a group it is unidentified.
type pack struct {
	coordinates
	own bool // the archive itself is this package, rather than containing it
}

func (p pack) name() string {
	if p.group == "" {
		return p.artifact
	}
	return p.group + ":" + p.artifact
}

// addPOMXML records META-INF/maven/GROUP/ARTIFACT/pom.xml.
func (c *contents) addPOMXML(name string) {
	parts := strings.Split(name, "/")
	if len(parts) != 5 || parts[1] != "maven" || !isID(parts[2]) || !isID(parts[3]) || len(c.xml) >= maxPOMXML {
		return
	}
	c.xml = append(c.xml, coordinates{group: parts[2], artifact: parts[3]})
}

// packages returns the packages of the archive at path file: those with pom.properties
// in it, and the archive itself if it is not one of them. In Maven's local repository
// the path says which package the archive is. If neither a name nor a version is found
// for an archive, it is not a package.
func (c *contents) packages(file string) []pack {
	base := file[strings.LastIndexByte(file, '/')+1:]
	if ext := extension(base); !isDigitAt(ext, 1) { // otherwise it is the last part of a version
		base = base[:len(base)-len(ext)]
	}
	var found []pack
	met := make(map[coordinates]bool, len(c.poms))
	for _, pom := range c.poms {
		if !met[pom] {
			met[pom] = true
			found = append(found, pack{coordinates: pom})
		}
	}
	if p := (pack{repositoryCoordinates(file), true}); p.group != "" {
		if i := slices.Index(found, pack{coordinates: p.coordinates}); i >= 0 {
			found[i] = p
		} else {
			found = append(found, p)
		}
	} else if i := c.own(found, base); i >= 0 {
		found[i].own = true
	} else if p, ok := c.itself(base); ok {
		found = append(found, p)
	}
	return found
}

// own returns the index of the package that the archive itself is, or -1. It is found
// by the name of the file, then by the manifest, then by the name without digits
// (Debian's maven3-core is maven-core). A single package is the archive itself unless
// one of these contradicts it.
func (c *contents) own(found []pack, base string) int {
	best := -1
	for i, p := range found {
		if p.names(base) && (best < 0 || compareOwn(p.coordinates, found[best].coordinates, base) > 0) {
			best = i
		}
	}
	if best >= 0 {
		return best
	}
	only := func(is func(coordinates) bool) int {
		at := -1
		for i, p := range found {
			if c.manifest.agrees(p.version) && is(p.coordinates) {
				if at >= 0 {
					return -1
				}
				at = i
			}
		}
		return at
	}
	if i := only(c.manifest.names); i >= 0 {
		return i
	}
	plain := withoutDigits(base)
	if i := only(func(p coordinates) bool { return withoutDigits(p.artifact) == plain }); i >= 0 || len(found) > 1 {
		return i
	}
	_, version, versioned := splitName(base)
	return only(func(p coordinates) bool {
		return !versioned || samePrefix(version, p.version) || strings.HasSuffix(version, "-"+p.version)
	})
}

func withoutDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, s)
}

// names reports whether the name base of a file is that of the package: "artifact", or
// "artifact-1.2.3" with any classifier before or after the version, or the same
// preceded by the group, as in Quarkus and OSGi. Debian writes "-" instead of "_".
func (c coordinates) names(base string) bool {
	base = strings.ReplaceAll(base, "_", "-")
	artifact := strings.ReplaceAll(c.artifact, "_", "-")
	for _, prefix := range []string{"", c.group + ".", c.group + "-"} {
		rest, ok := strings.CutPrefix(base, prefix)
		if !ok {
			continue
		}
		if rest, ok = strings.CutPrefix(rest, artifact); ok && (rest == "" ||
			len(rest) > 1 && rest[0] == '-' && (ident.IsDigit(rest[1]) || strings.HasPrefix(rest[1:], c.version) || strings.HasSuffix(rest, "-"+c.version))) {
			return true
		}
	}
	return false
}

// compareOwn compares two packages that a file named base may be.
func compareOwn(a, b coordinates, base string) int {
	return cmp.Or(
		cmp.Compare(len(a.artifact), len(b.artifact)),
		compareBool(strings.Contains(base, a.version), strings.Contains(base, b.version)),
		compareBool(strings.HasPrefix(base, a.group), strings.HasPrefix(base, b.group)),
		cmp.Compare(b.group, a.group), // the first in order
		cmp.Compare(b.artifact, a.artifact),
		cmp.Compare(b.version, a.version),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// names reports whether the manifest names the archive like the package.
func (m manifest) names(c coordinates) bool {
	return m.title == c.artifact || m.plugin == c.artifact ||
		m.bundle == c.artifact || m.bundle == c.group+"."+c.artifact
}

// agrees reports whether the manifest has no version other than v. OSGi writes "1.2" as
// "1.2.0" and "27.0-jre" as "27.0.0.jre".
func (m manifest) agrees(v string) bool {
	if m.version == "" && m.bundleVersion == "" {
		return true
	}
	return samePrefix(m.version, v) || samePrefix(m.bundleVersion, v)
}

// samePrefix reports whether one of two versions begins with the other.
func samePrefix(a, b string) bool {
	return a != "" && b != "" && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a))
}

// itself returns the package that an archive without pom.properties of its own is. Its
// coordinates are, in this order, those of a Jenkins plugin, those in the path of a
// pom.xml that matches the archive's name, those that follow from the manifest, or
// those of the group that publishes a library with this name. Otherwise the package is
// unidentified.
func (c *contents) itself(base string) (pack, bool) {
	m := c.manifest
	if m.title == "Java Runtime Environment" { // rt.jar, jrt-fs.jar and others
		return pack{}, false
	}
	if plugin := (coordinates{m.pluginGroup, m.plugin, m.pluginVersion}); plugin.valid() {
		return pack{plugin, true}, true
	}
	artifact, version, versioned := splitName(base)
	if versioned && m.version != "" && !samePrefix(m.version, version) {
		versioned = false
	}
	if !versioned {
		version = cmp.Or(m.version, m.bundleVersion)
		version = strings.TrimSuffix(version, ".???") // of Derby, if its build does not know the revision
		artifact = strings.TrimSuffix(base, "-"+version)
		if isID(m.title) {
			artifact = m.title
		}
	} else if v := cmp.Or(m.version, m.bundleVersion); v != "" {
		if strings.HasPrefix(version, v+"-") {
			version = v // the rest is a classifier
		} else if name, ok := strings.CutSuffix(base, "-"+v); ok {
			artifact, version = name, v // log4j-1.2-1.2.17
		}
	}
	if !isVersion(version) {
		return pack{}, false
	}
	for _, xml := range c.xml {
		xml.version = version
		if (xml.names(base) || m.title == xml.artifact) && xml.valid() {
			return pack{xml, true}, true
		}
	}
	if c := m.coordinates(artifact, version); c.valid() {
		return pack{c, true}, true
	}
	for _, name := range [...]string{artifact, base} {
		if c := published(name, version); c.valid() {
			return pack{c, true}, true
		}
	}
	artifact = inventory.Text(artifact)
	return pack{coordinates{"", strings.ReplaceAll(artifact, ":", "-"), version}, true}, artifact != ""
}

// splitName splits the name of a file without its extension, "artifact-1.2.3", at the
// first hyphen that is followed by a digit. A classifier stays with the version,
// because it cannot be told from a part of the version ("33.0-jre").
func splitName(base string) (artifact, version string, ok bool) {
	for i := 1; i+1 < len(base); i++ {
		if base[i] == '-' && ident.IsDigit(base[i+1]) {
			return base[:i], base[i+1:], isVersion(base[i+1:])
		}
	}
	return "", "", false
}
