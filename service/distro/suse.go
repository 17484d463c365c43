package distro

import (
	"strings"

	"assay/inspect/inventory"
)

// SUSE's distributions share one tracker, whose errata have the ids SUSE-… and
// openSUSE-….

var suseLinux = Distribution{
	Name:      "SUSE",
	IDs:       []string{"sled", "sles", "sles_sap"},
	Format:    RPM,
	Ecosystem: "SUSE",
	Names:     BySource,
	Publisher: "suse",
	OwnNames:  true,
	Release:   suseRelease,
	Builds:    vendors("SUSE", "openSUSE"),
	Signers:   []string{"SUSE", "openSUSE"},
	Kernel:    rpmKernel,
	Errata:    []string{"SUSE", "openSUSE"},
}

var suseLinuxEnterpriseMicro = Distribution{
	Name:      "SUSE",
	IDs:       []string{"sle-micro"},
	Format:    RPM,
	Ecosystem: "SUSE",
	Names:     BySource,
	Publisher: "suse",
	OwnNames:  true,
	Release:   byVersion("SUSE:Linux Enterprise Micro "),
	Builds:    vendors("SUSE", "openSUSE"),
	Signers:   []string{"SUSE", "openSUSE"},
	Kernel:    rpmKernel,
}

var suseLinuxMicro = Distribution{
	Name:      "SUSE",
	IDs:       []string{"sl-micro"},
	Format:    RPM,
	Ecosystem: "SUSE",
	Names:     BySource,
	Publisher: "suse",
	OwnNames:  true,
	Release:   byVersion("SUSE:Linux Micro "),
	Builds:    vendors("SUSE", "openSUSE"),
	Signers:   []string{"SUSE", "openSUSE"},
	Kernel:    rpmKernel,
}

var openSUSELeap = Distribution{
	Name:      "openSUSE",
	IDs:       []string{"opensuse", "opensuse-leap"},
	Format:    RPM,
	Ecosystem: "openSUSE",
	Names:     BySource,
	Publisher: "suse",
	OwnNames:  true,
	Release:   byVersion("openSUSE:Leap "),
	Builds:    vendors("openSUSE", "SUSE"),
	Signers:   []string{"SUSE", "openSUSE"},
	Kernel:    rpmKernel,
}

var openSUSETumbleweed = Distribution{
	Name:      "openSUSE",
	IDs:       []string{"opensuse-tumbleweed"},
	Format:    RPM,
	Ecosystem: "openSUSE:Tumbleweed",
	Names:     BySource,
	Publisher: "suse",
	OwnNames:  true,
	Builds:    vendors("openSUSE", "SUSE"),
	Signers:   []string{"SUSE", "openSUSE"},
	Kernel:    rpmKernel,
}

// suseRelease recognises a release of SUSE Linux Enterprise by its service pack. It
// is made of modules, whose packages have the same versions in every product. The
// products for SAP applications and for desktops have entries of their own in addition to
// those of the server.
func suseRelease(inv inventory.Inventory) (r Release, reason string) {
	s := inv.System
	major, minor, ok := majorRelease(s)
	if !ok {
		return r, noRelease(s)
	}
	// Since 16 there are minor versions in the place of service packs, and no modules.
	numbered := len(major) == 2 && major >= "16"
	r.Name = major
	switch {
	case numbered:
		r.Name = s.VersionID
	case minor != "" && minor != "0":
		r.Name += " SP" + minor
	}
	products := []string{"SUSE:Linux Enterprise Server " + r.Name, "SUSE:Linux Enterprise Server " + r.Name + "-LTSS"}
	if s.ID == "sled" {
		products = append(products, "SUSE:Linux Enterprise Desktop "+r.Name)
	}
	if s.ID == "sles_sap" || strings.Contains(s.CPE, ":sles_sap:") {
		products = append(products, "SUSE:Linux Enterprise Server for SAP Applications "+r.Name)
	}
	switch {
	case numbered:
	case major == "12":
		products = append(products, "SUSE:Linux Enterprise Software Development Kit "+r.Name)
	default:
		for _, module := range [...]string{
			"Basesystem", "Certifications", "Containers", "Desktop Applications", "Development Tools", "Legacy", "Package Hub", "Public Cloud",
			"Python 3", "Server Applications", "Web and Scripting",
		} {
			products = append(products, "SUSE:Linux Enterprise Module for "+module+" "+r.Name)
		}
	}
	r.Ecosystems = main(products...)
	return r, ""
}
