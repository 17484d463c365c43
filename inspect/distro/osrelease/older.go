package osrelease

import (
	"errors"
	"io"
	"strings"

	"assay/inspect/ident"
	"assay/inspect/inventory"
)

// ParseDebianVersion reads /etc/debian_version: a point release, "12.5", or the
// codename of what is to be released, "trixie/sid".
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
		// VERSION_ID of os-release is the major version alone.
		sys.VersionID, _, _ = strings.Cut(version, ".")
	default:
		return inventory.System{}, errors.New("not a version of Debian")
	}
	return sys, nil
}

// ParseAlpineRelease reads /etc/alpine-release, which has the version alone.
func ParseAlpineRelease(r io.Reader) (inventory.System, error) {
	text, err := read(r)
	if err != nil {
		return inventory.System{}, err
	}
	version := strings.TrimSpace(string(text))
	if !isWord(version) || !ident.IsDigit(version[0]) {
		return inventory.System{}, errors.New("not a version of Alpine")
	}
	return inventory.System{ID: "alpine", VersionID: version}, nil
}

// ParseLSBRelease reads /etc/lsb-release, whose variables are those of
// lsb_release(1). Without DISTRIB_ID it names no system, which is no error: Red
// Hat's has other variables.
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

// ParseRedHatRelease reads the one line of /etc/redhat-release and its kin,
// "CentOS Linux release 7.6.1810 (Core)". The version is written as the system
// itself writes VERSION_ID since it has an os-release: CentOS and Fedora the
// first number alone, the others with a second one.
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
		return inventory.System{}, errors.New("not the release of a system that is known")
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

// redHatID returns what the os-release of the system that calls itself name has
// as ID and ID_LIKE, or nothing. Red Hat Linux, without Enterprise, is another
// system, long gone.
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
