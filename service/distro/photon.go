package distro

import "assay/inspect/inventory"

var photon = Distribution{
	Name:      "Photon OS",
	IDs:       []string{"photon"},
	Format:    RPM,
	Ecosystem: "Photon OS",
	Publisher: "photon",
	Names:     ByBoth, // most entries name the source package
	Release: func(inv inventory.Inventory) (r Release, reason string) {
		major, _, ok := majorRelease(inv.System) // "4.0"
		if !ok {
			return r, noRelease(inv.System)
		}
		r.Name = inv.System.VersionID
		r.Ecosystems = main("Photon OS:"+r.Name, "Photon OS:"+major)
		return r, ""
	},
	Builds: vendors("VMware", "Broadcom"),
	Kernel: photonKernel,
	Errata: []string{"PHSA"},
}

// photonKernel recognises kernels by the source package, which has a name of its own:
// "linux", "linux-esx".
func photonKernel(_, source string) bool {
	switch source {
	case "linux", "linux-api-headers", "linux-aws", "linux-esx", "linux-rt", "linux-secure":
		return true
	}
	return false
}
