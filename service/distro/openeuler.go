package distro

import (
	"strings"

	"assay/inspect/inventory"
)

var openEuler = Distribution{
	Name:      "openEuler",
	IDs:       []string{"openEuler"},
	Format:    RPM,
	Ecosystem: "openEuler",
	Names:     ByBoth,
	Release:   openEulerRelease,
	Builds:    vendors("openEuler", "http://openeuler.org"),
	Signers:   []string{"openEuler"},
	Kernel:    rpmKernel,
	Errata:    []string{"OESA"},
}

// openEulerRelease recognises a release with its service pack, which is in the pretty
// name only: "24.03-LTS-SP1" of "openEuler 24.03 (LTS-SP1)".
func openEulerRelease(inv inventory.Inventory) (r Release, reason string) {
	if _, _, ok := majorRelease(inv.System); !ok {
		return r, noRelease(inv.System)
	}
	r.Name = inv.System.VersionID
	_, words, _ := strings.Cut(inv.System.PrettyName, "(")
	if words, _, ok := strings.Cut(words, ")"); ok && words != "" {
		r.Name += "-" + words
	}
	r.Ecosystems = main("openEuler:" + r.Name)
	return r, ""
}
