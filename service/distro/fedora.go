package distro

var fedora = Distribution{
	Name:      "Fedora",
	IDs:       []string{"fedora"},
	Format:    RPM,
	Ecosystem: "Fedora",
	Publisher: "fedora",
	Names:     ByName,
	Release:   byMajor("Fedora"),
	Builds:    vendors("Fedora"),
	Signers:   []string{"Fedora"},
	Kernel:    rpmKernel,
	Errata:    []string{"FEDORA"},
}
