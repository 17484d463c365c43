package distro

import "assay/inspect/inventory"

var alpaquita = Distribution{
	Name:      "Alpaquita",
	IDs:       []string{"alpaquita"},
	Format:    Apk,
	Ecosystem: "Alpaquita",
	Names:     BySource,
	Release: func(inv inventory.Inventory) (r Release, reason string) {
		if inv.System.VersionID == "" {
			return r, noRelease(inv.System)
		}
		r.Name = inv.System.VersionID
		r.Ecosystems = main("Alpaquita:" + r.Name)
		return r, ""
	},
	Builds: anyMaintainer,
	Kernel: alpineKernel,
}
