package distro

var mageia = Distribution{
	Name:      "Mageia",
	IDs:       []string{"mageia"},
	Format:    RPM,
	Ecosystem: "Mageia",
	Names:     BySource,
	Release:   byMajor("Mageia"),
	Builds:    vendors("Mageia"),
	Signers:   []string{"Mageia"},
	Kernel:    rpmKernel,
	Errata:    []string{"MGASA", "MGAA"},
}
