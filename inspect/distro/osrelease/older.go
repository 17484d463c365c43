package osrelease

import (
	"errors"
	"io"
	"strings"

	"assay/inspect/ident"
	"assay/inspect/inventory"
)

// ParseDebianVersion reads /etc/debian_version: a point release, "12.5", or the
// codename of the next release, "trixie/sid".
func ParseDebianVersion(r io.Reader) (inventory.System, error) {
	text, err := read(r)
	if err != nil {
		return inventory.System{}, err
	}
	version := strings.TrimSpace(string(text))
	sys := inventory.System{ID: "debian"}
	codename, unreleased := strings.CutSuffix(version, "/sid")
	switch {
	case unreleased && isWord(codename):
		sys.Codename = codename
	case isWord(version) && ident.IsDigit(version[0]):
		// os-release has only the major version as VERSION_ID.
		sys.VersionID, _, _ = strings.Cut(version, ".")
	default:
		return inventory.System{}, errors.New("invalid Debian version")
	}
	return sys, nil
}

// ParseAlpineRelease reads /etc/alpine-release, which contains only the version.
func ParseAlpineRelease(r io.Reader) (inventory.System, error) {
	text, err := read(r)
	if err != nil {
		return inventory.System{}, err
	}
	version := strings.TrimSpace(string(text))
	if !isWord(version) || !ident.IsDigit(version[0]) {
		return inventory.System{}, errors.New("invalid Alpine version")
	}
	return inventory.System{ID: "alpine", VersionID: version}, nil
}

// ParseLSBRelease reads /etc/lsb-release, which has the variables of lsb_release(1).
// Without DISTRIB_ID it names no system, which is not an error: Red Hat's file has
// other variables.
func ParseLSBRelease(r io.Reader) (inventory.System, error) {
	text, err := read(r)
	if err != nil {
		return inventory.System{}, err
	}
	values, err := assignments(text, "DISTRIB_ID", "DISTRIB_RELEASE", "DISTRIB_CODENAME")
	id := strings.ToLower(values["DISTRIB_ID"])
	if id == "" {
		return inventory.System{}, err
	}
	return inventory.System{
		ID:         id,
		VersionID:  values["DISTRIB_RELEASE"],
		Codename:   values["DISTRIB_CODENAME"],
		PrettyName: values["DISTRIB_DESCRIPTION"],
	}, err
}

// ParseRedHatRelease reads the single line of /etc/redhat-release and similar files,
// "CentOS Linux release 7.6.1810 (Core)". The version is returned in the form that
// later releases of the system have as VERSION_ID: only the first number for CentOS and
// Fedora, two numbers for the others.
func ParseRedHatRelease(r io.Reader) (inventory.System, error) {
	text, err := read(r)
	if err != nil {
		return inventory.System{}, err
	}
	line := strings.TrimSpace(inventory.Text(string(text)))
	name, rest, ok := strings.Cut(line, " release ")
	id, like := redHatID(name)
	fields := strings.Fields(rest)
	if !ok || id == "" || strings.Contains(line, "\n") || len(fields) == 0 || !isWord(fields[0]) {
		return inventory.System{}, errors.New("unknown or invalid release")
	}
	numbers := strings.Split(fields[0], ".")
	keep := 2
	if id == "centos" || id == "fedora" {
		keep = 1
	}
	return inventory.System{
		ID:         id,
		IDLike:     like,
		VersionID:  strings.Join(numbers[:min(keep, len(numbers))], "."),
		PrettyName: line,
	}, nil
}

// redHatID returns the ID and ID_LIKE that the system with this name has in its
// os-release, or nothing if the name is unknown. Red Hat Linux, without Enterprise, is
// a different and long obsolete system.
func redHatID(name string) (id string, like []string) {
	for _, s := range []struct {
		prefix, id string
		like       []string
	}{
		{"Red Hat Enterprise Linux", "rhel", []string{"fedora"}},
		{"CentOS", "centos", []string{"rhel", "fedora"}},
		{"Oracle Linux", "ol", []string{"fedora"}},
		{"AlmaLinux", "almalinux", []string{"rhel", "centos", "fedora"}},
		{"Rocky Linux", "rocky", []string{"rhel", "centos", "fedora"}},
		{"Scientific Linux", "scientific", []string{"rhel", "centos", "fedora"}},
		{"Amazon Linux", "amzn", []string{"rhel", "fedora"}},
		{"Fedora", "fedora", nil},
	} {
		if strings.HasPrefix(name, s.prefix) {
			return s.id, s.like
		}
	}
	return "", nil
}

func isWord(s string) bool {
	for i := range len(s) {
		if !ident.IsAlnum(s[i]) && strings.IndexByte(".-+~_", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}
