package distro

var rockyLinux = Distribution{
	Name:      "Rocky Linux",
	IDs:       []string{"rocky"},
	Format:    RPM,
	Ecosystem: "Rocky Linux",
	Names:     BySource,
	Release:   byMajor("Rocky Linux"),
	Publisher: "rocky",
	Builds:    vendors("Rocky", "RESF"),
	Signers:   []string{"Rocky Linux"},
	Kernel:    rpmKernel,
	FixesOwn:  true,
	Errata:    []string{"RLSA", "RXSA", "RLBA", "RLEA"},
	Notices:   []string{"RLBA", "RLEA"},
	// RLSA records have no other field for them.
	RelatedCVEs: true,
	// Source: https://wiki.rockylinux.org/rocky/version/.
	EndOfLife: map[string]string{
		"8": "2029-05-31",
		"9": "2032-05-31",
	},
}
