package distro

import "strings"

var oracleLinux = Distribution{
	Name:      "Oracle Linux",
	IDs:       []string{"ol"},
	Format:    RPM,
	Ecosystem: "Oracle Linux",
	Names:     ByName,
	Release:   byMajor("Oracle Linux"),
	Builds: func(vendor string) bool { // MySQL's own are "Oracle and/or its affiliates"
		return strings.HasPrefix(vendor, "Oracle") && !strings.HasPrefix(vendor, "Oracle and/or")
	},
	Kernel:     rpmKernel,
	OtherBuild: otherOracleBuild,
	Publisher:  "oracle",
	Errata:     []string{"ELSA", "ELBA", "ELEA"},
	Notices:    []string{"ELBA", "ELEA"},
}

// otherOracleBuild reports whether two versions are of different kinds of build.
func otherOracleBuild(_, _, fix, installed string) bool {
	return ksplice(fix) != ksplice(installed) || validated(fix) != validated(installed)
}

// ksplice returns the part of a version that names a build which Oracle patches in
// memory, or an empty string.
func ksplice(version string) string {
	_, rest, ok := strings.Cut(version, ".ksplice")
	if !ok {
		return ""
	}
	n, _, _ := strings.Cut(rest, ".")
	return "ksplice" + n
}

// validated reports whether a version is one of Oracle's builds that are validated
// by FIPS 140 and have versions of their own: "10:3.0.7-18.0.1.el9_2_fips".
func validated(version string) bool { return strings.HasSuffix(version, "_fips") }
