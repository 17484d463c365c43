// Package release holds the system that an os-release file names against the
// package that file belongs to: base-files, alpine-release, redhat-release and
// their kin. Who changes the one and not the other has the packages judged as those
// of another system.
package release

import (
	"fmt"
	"slices"
	"strings"

	"assay/inspect/inventory"
)

// Check returns an error where the packages of the operating system contradict what
// system says it is: none of them is of its kind, the release package is that of
// another system, or of another version. A system that is not known here, and one
// without such a package, contradicts nothing.
func Check(system inventory.System, packages []inventory.Package) error {
	typ, known := types()[system.ID]
	if !known {
		return nil
	}
	var of, others []inventory.Package // release packages, of the system and of others
	types := map[string]bool{}
	for _, p := range packages {
		if p.Type != "deb" && p.Type != "apk" && p.Type != "rpm" {
			continue
		}
		types[p.Type] = true
		if p.Type != typ {
			continue
		}
		switch ids := systems(p.Name); {
		case slices.Contains(ids, system.ID):
			of = append(of, p)
		case ids != nil:
			others = append(others, p)
		}
	}
	if len(types) > 0 && !types[typ] {
		return fmt.Errorf("the system is %q, but no package is of its type %q", system.ID, typ)
	}
	if len(of) == 0 && len(others) > 0 {
		return contradiction(system, others[0])
	}
	for _, p := range of {
		if !agrees(system, p) {
			return contradiction(system, p)
		}
	}
	return nil
}

func contradiction(system inventory.System, p inventory.Package) error {
	return fmt.Errorf("the system is %q %q, but its release package is %s %s", system.ID, system.VersionID, p.Name, p.Version)
}

// types returns the types of packages of the systems that are known here.
func types() map[string]string {
	return map[string]string{
		"debian": "deb", "ubuntu": "deb",
		"alpine": "apk", "wolfi": "apk", "chainguard": "apk",
		"rhel": "rpm", "centos": "rpm", "almalinux": "rpm", "rocky": "rpm", "ol": "rpm", "fedora": "rpm",
		"amzn": "rpm", "sles": "rpm", "opensuse-leap": "rpm", "photon": "rpm",
	}
}

// systems returns those whose os-release file the package of a name has, by their
// ID. It is nil where the package has none.
func systems(name string) []string {
	switch name {
	case "base-files":
		return []string{"debian", "ubuntu"}
	case "alpine-release":
		return []string{"alpine"}
	case "wolfi-baselayout", "chainguard-baselayout":
		return []string{"wolfi", "chainguard"}
	case "redhat-release", "redhat-release-server", "redhat-release-client", "redhat-release-workstation", "redhat-release-computenode":
		return []string{"rhel"}
	case "centos-release", "centos-linux-release", "centos-stream-release":
		return []string{"centos"}
	case "almalinux-release":
		return []string{"almalinux"}
	case "rocky-release":
		return []string{"rocky"}
	case "oraclelinux-release":
		return []string{"ol"}
	case "fedora-release", "fedora-release-common":
		return []string{"fedora"}
	case "system-release":
		return []string{"amzn"}
	case "sles-release":
		return []string{"sles"}
	case "openSUSE-release", "Leap-release":
		return []string{"opensuse-leap"}
	case "photon-release":
		return []string{"photon"}
	}
	return nil
}

// agrees reports whether a release package of the system is of its version.
func agrees(system inventory.System, p inventory.Package) bool {
	switch system.ID {
	case "debian":
		return agreesDebian(system.VersionID, p.Version)
	case "ubuntu":
		return agreesUbuntu(system.VersionID, p.Version)
	case "wolfi", "chainguard":
		return true // without versions
	}
	if system.VersionID == "" {
		return false
	}
	version := p.Version
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	version, _, _ = strings.Cut(version, "-")
	// One may have fewer parts than the other: "9" and "9.0".
	a, b := strings.Split(system.VersionID, "."), strings.Split(version, ".")
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}

// agreesDebian holds VERSION_ID against the version of base-files, "12.4+deb12u5",
// whose first number is that of the release. Before that is released there is no
// VERSION_ID.
func agreesDebian(id, version string) bool {
	if strings.Contains(version, "ubuntu") {
		return false
	}
	upstream, update, stable := strings.Cut(version, "+deb")
	if id == "" {
		return !stable
	}
	major := upstream[:len(upstream)-len(strings.TrimLeft(upstream, "0123456789"))]
	if release, _, ok := strings.Cut(update, "u"); ok && release != major {
		return false
	}
	return id == major
}

// agreesUbuntu holds VERSION_ID against the version of base-files, which says of
// releases with long support which they are. Others share some of theirs.
func agreesUbuntu(id, version string) bool {
	upstream, _, ok := strings.Cut(version, "ubuntu")
	if !ok {
		return false
	}
	for _, lts := range [...]struct{ id, upstream, revision string }{
		{"14.04", "7.2", "5"}, {"16.04", "9.4", "4"}, {"18.04", "10.1", "2"},
		{"20.04", "11", "5"}, {"22.04", "12", "4"}, {"24.04", "13", "10"},
	} {
		if id == lts.id {
			return upstream == lts.upstream
		}
		if rest, ok := strings.CutPrefix(version, lts.upstream+"ubuntu"+lts.revision); ok && (rest == "" || rest[0] == '.') {
			return false
		}
	}
	return true
}
