package v1

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/service/distro"
	"assay/service/match"
	"assay/service/store"
)

// The formats of versions. Clair compares the versions of Alpine like those of Debian.
const (
	formatDpkg = "dpkg"
	formatRPM  = "rpm"
)

// formatOf returns the format of versions of a purl type.
func formatOf(typ string) string {
	switch typ {
	case distro.Deb, distro.Apk:
		return formatDpkg
	case distro.RPM:
		return formatRPM
	}
	return typ
}

// namespaceOfPackage returns the namespace of a purl type in an image whose own namespace is
// system.
func namespaceOfPackage(typ, system string) string {
	if distro.SystemPackage(typ) {
		return system
	}
	if ecosystem, ok := match.LanguageEcosystem(typ); ok {
		return ecosystem
	}
	return typ
}

// systemNamespace returns the namespace of an image, as Clair finds it: "debian:12". Systems
// that Clair does not know have that of their ecosystem. It is empty for an unknown system.
func systemNamespace(s inventory.System, ecosystem string) string {
	if !s.Known() {
		return ""
	}
	major, rest, _ := strings.Cut(s.VersionID, ".")
	switch s.ID {
	case "debian":
		return "debian:" + cmp.Or(s.VersionID, "unstable") // testing and sid have no version
	case "ubuntu":
		return join(s.ID, s.VersionID)
	case "alpine":
		if minor, _, _ := strings.Cut(rest, "."); minor != "" {
			return "alpine:v" + major + "." + minor
		}
	case "rhel", "centos": // which have the same advisories in Clair, too
		return join("centos", major)
	case "ol":
		return join("oracle", major)
	case "rocky", "almalinux", "fedora":
		return join(s.ID, major)
	case "amzn":
		return join(s.ID, s.VersionID)
	}
	if ecosystem != "" {
		name, _ := namespaceOf(ecosystem)
		return name
	}
	return join(strings.ToLower(s.ID), s.VersionID)
}

func join(id, version string) string {
	if version == "" {
		return id
	}
	return id + ":" + version
}

// A vendor is how the ecosystems of a distribution become namespaces.
type vendor struct {
	ecosystem, namespace, format string
}

var vendors = []vendor{
	{"AlmaLinux", "almalinux", formatRPM},
	{"Alpine", "alpine", formatDpkg},
	{"Amazon Linux", "amzn", formatRPM},
	{"Debian", "debian", formatDpkg},
	{"Fedora", "fedora", formatRPM},
	{"Oracle Linux", "oracle", formatRPM},
	{"Rocky Linux", "rocky", formatRPM},
	{"Ubuntu", "ubuntu", formatDpkg},
}

// redHat begins the ecosystems of Red Hat Enterprise Linux: "Red Hat:enterprise_linux:9::baseos".
const redHat = "Red Hat:enterprise_linux:"

// namespaceOf returns the namespace of an ecosystem: "debian:12" of "Debian:12". Ecosystems of
// systems that Clair does not know, and of languages, are namespaces of the same name.
func namespaceOf(ecosystem string) (name, format string) {
	if rest, ok := strings.CutPrefix(ecosystem, redHat); ok {
		release, _, _ := strings.Cut(rest, ":")
		major, _, _ := strings.Cut(release, ".")
		return "centos:" + major, formatRPM
	}
	of, release, ok := strings.Cut(ecosystem, ":")
	i := slices.IndexFunc(vendors, func(v vendor) bool { return v.ecosystem == of })
	if i < 0 || !ok {
		return ecosystem, ecosystem
	}
	release = strings.TrimSuffix(release, ":LTS")
	if strings.Contains(release, ":") { // "Ubuntu:Pro:22.04:LTS", whose fixes need a subscription
		return ecosystem, vendors[i].format
	}
	return vendors[i].namespace + ":" + release, vendors[i].format
}

// getNamespaces answers with the namespaces that have advisories.
func (h *Service) getNamespaces(w http.ResponseWriter, r *http.Request, _ store.Token) error {
	view, err := h.View()
	if err != nil {
		return err
	}
	defer view.Close()
	ecosystems, err := view.Ecosystems()
	if err != nil {
		return err
	}
	list := []namespace{}
	for _, e := range ecosystems {
		name, format := namespaceOf(e)
		list = append(list, namespace{name, format})
	}
	slices.SortFunc(list, func(a, b namespace) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.VersionFormat, b.VersionFormat))
	})
	list = slices.CompactFunc(list, func(a, b namespace) bool { return a.Name == b.Name })
	write(w, r, http.StatusOK, namespaceEnvelope{&list})
	return nil
}

// ecosystemsOf returns the ecosystems of a namespace. Without any it is not found.
func ecosystemsOf(view View, namespace string) ([]string, error) {
	all, err := view.Ecosystems()
	if err != nil {
		return nil, err
	}
	var list []string
	for _, e := range all {
		if name, _ := namespaceOf(e); name == namespace || e == namespace {
			list = append(list, e)
		}
	}
	if len(list) == 0 {
		return nil, notFound("")
	}
	return list, nil
}
