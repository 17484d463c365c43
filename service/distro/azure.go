package distro

var azureLinux = Distribution{
	Name:      "Azure Linux",
	IDs:       []string{"azurelinux", "mariner"},
	Format:    RPM,
	Ecosystem: "Azure Linux",
	Names:     BySource,
	Release:   byMajor("Azure Linux"),
	Builds:    vendors("Microsoft"),
	Signers:   []string{"Azure Linux", "Microsoft"},
	Kernel:    rpmKernel,
	Publisher: "azurelinux",
}
