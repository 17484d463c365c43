package distro

import (
	"strings"

	"assay/inspect/inventory"
	"assay/service/version"
)

var amazonLinux = Distribution{
	Name:         "Amazon Linux",
	IDs:          []string{"amzn"},
	Format:       RPM,
	Ecosystem:    "Amazon Linux",
	Names:        ByName,
	Release:      amazonRelease,
	Publisher:    "amazon",
	Builds:       vendors("Amazon"),
	Signers:      []string{"Amazon Linux"},
	Kernel:       amazonKernel,
	OtherBuild:   otherExtra,
	ErrataPrefix: "ALAS", // ALAS-2024-1, ALAS2-…, ALASDOCKER-…
}

// amazonRelease recognises a release by its major number. The first Amazon Linux had
// releases by year and month, up to 2018.03, which share their advisories.
func amazonRelease(inv inventory.Inventory) (r Release, reason string) {
	r, reason = byMajor("Amazon Linux")(inv)
	if len(r.Name) == len("2018") && r.Name <= "2018" {
		r = Release{Name: inv.System.VersionID, Ecosystems: main("Amazon Linux:1")}
	}
	return r, reason
}

// amazonKernel recognises kernels by the source package, which may have a version in its
// name: "kernel6.12".
func amazonKernel(name, source string) bool {
	rest, ok := strings.CutPrefix(source, "kernel")
	return rpmKernel(name, source) || ok && rest != "" && version.Digits(rest[:1])
}

// otherExtra reports whether a fix of an Amazon Linux 2 advisory is of an extra that
// the installed version cannot be from. Next to its core, Amazon Linux 2 has extras
// with packages of the same names, each in a repository of its own, which an rpm
// database does not name. But if an extra is named after the version of a package,
// it has no other version of that package. Advisories of extras without a version in
// their name always apply.
func otherExtra(ecosystem, advisory, fix, installed string) bool {
	if ecosystem != "Amazon Linux:2" {
		return false
	}
	extra := extraVersion(advisory)
	return extra != "" && hasVersion(fix, extra) && !hasVersion(installed, extra)
}

// extraVersion returns the version in the name of the extra of Amazon Linux 2 that an
// advisory id names: 14 of ALAS2POSTGRESQL14-2023-003, 5.10 of
// ALASKERNEL-5.10-2024-049. It is empty if there is none.
func extraVersion(id string) string {
	extra, ok := strings.CutPrefix(id, "ALAS2")
	if !ok {
		extra, ok = strings.CutPrefix(id, "ALAS")
	}
	year := max(strings.LastIndexByte(extra, '-'), 0)
	year = strings.LastIndexByte(extra[:year], '-')
	if !ok || year <= 0 {
		return ""
	}
	extra = extra[:year]
	return extra[strings.LastIndexFunc(extra, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })+1:]
}

// hasVersion reports whether an rpm version begins with the numbers of another:
// 14.8-1 with 14.
func hasVersion(v, numbers string) bool {
	rest, ok := strings.CutPrefix(version.WithoutEpoch(v), numbers)
	return ok && (rest == "" || !version.Digits(rest[:1]))
}
