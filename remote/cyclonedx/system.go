package cyclonedx

import (
	"strings"

	"assay/inspect/inventory"
)

// systemOf reads an operating-system component. Name and version are the ID and VERSION_ID
// of os-release. assay's own and Syft's properties take precedence.
func systemOf(c *component) inventory.System {
	s := inventory.System{
		ID:         c.Name,
		IDLike:     all(c.Properties, propIDLike),
		VersionID:  c.Version,
		PrettyName: c.Description,
		CPE:        c.CPE,

		Repositories: all(c.Properties, propRepository),
	}
	if len(c.Evidence.Occurrences) > 0 {
		s.Path = relative(c.Evidence.Occurrences[0].Location)
	}
	s.Codename, _ = first(c.Properties, propCodename, "syft:distro:versionCodename")

	if _, ok := lookup(c.Properties, "aquasecurity:trivy:Type"); ok {
		s.ID = TrivyID(s.ID)
	}
	if id, ok := lookup(c.Properties, "syft:distro:id"); ok {
		s.ID = id
	}
	if version, ok := lookup(c.Properties, "syft:distro:versionID"); ok {
		s.VersionID = version
	}
	if pretty, ok := lookup(c.Properties, "syft:distro:prettyName"); ok {
		s.PrettyName = pretty
	}
	for _, p := range c.Properties {
		if strings.HasPrefix(p.Name, "syft:distro:idLike:") {
			s.IDLike = append(s.IDLike, p.Value)
		}
	}
	return s
}

// TrivyID returns the os-release ID for Trivy's name of a system.
func TrivyID(name string) string {
	switch name = strings.ToLower(name); name {
	case "redhat":
		return "rhel"
	case "amazon":
		return "amzn"
	case "oracle":
		return "ol"
	case "alma":
		return "almalinux"
	case "opensuse.leap":
		return "opensuse-leap"
	case "opensuse.tumbleweed":
		return "opensuse-tumbleweed"
	case "suse linux enterprise server":
		return "sles"
	case "cbl-mariner":
		return "mariner"
	}
	return name
}
