// Package release compares the system in the os-release file with the package that the
// file belongs to: base-files, alpine-release, redhat-release and so on. If only one of
// them was changed, the packages would be evaluated as those of another system.
package release

import (
	"fmt"
	"slices"
	"strings"

	"assay/inspect/inventory"
)

// Check returns an error if the operating system's packages contradict system: if none
// of them has its type, or if the release package is that of another system or of
// another version. There is no contradiction for a system that is not known here or has
// no such package.
func Check(system inventory.System, packages []inventory.Package) error {
	typ, known := types()[system.ID]
	if !known {
		return nil
	}
	var of, others []inventory.Package // the release packages of the system, and of other systems
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
		return fmt.Errorf("the system is %q, but no package has its type %q", system.ID, typ)
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

// types returns the package types of the known systems.
func types() map[string]string {
	return map[string]string{
		"debian": "deb", "ubuntu": "deb",
		"alpine": "apk", "wolfi": "apk", "chainguard": "apk",
		"rhel": "rpm", "centos": "rpm", "almalinux": "rpm", "rocky": "rpm", "ol": "rpm", "fedora": "rpm",
		"amzn": "rpm", "sles": "rpm", "opensuse-leap": "rpm", "photon": "rpm",
	}
}

// systems returns the IDs of the systems whose os-release file is in the package with
// this name, or nil if the package has no such file.
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

// agrees reports whether a release package of the system has the system's version.
func agrees(system inventory.System, p inventory.Package) bool {
	switch system.ID {
	case "debian":
		return agreesDebian(system.VersionID, p.Version)
	case "ubuntu":
		return agreesUbuntu(system.VersionID, p.Version)
	case "wolfi", "chainguard":
		return true // they have no versions
	}
	if system.VersionID == "" {
		return false
	}
	version := p.Version
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	version, _, _ = strings.Cut(version, "-")
	// One version may have fewer parts than the other: "9" and "9.0".
	a, b := strings.Split(system.VersionID, "."), strings.Split(version, ".")
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}

// agreesDebian compares VERSION_ID with the version of base-files, "12.4+deb12u5". Its
// first number is that of the release. Before the release there is no VERSION_ID.
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

// agreesUbuntu compares VERSION_ID with the version of base-files, which identifies the
// releases with long-term support. The other releases share some versions.
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
