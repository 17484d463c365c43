package distro

var almaLinux = Distribution{
	Name:      "AlmaLinux",
	IDs:       []string{"almalinux"},
	Format:    RPM,
	Ecosystem: "AlmaLinux",
	Names:     ByName,
	Release:   byMajor("AlmaLinux"),
	Publisher: "almalinux",
	Builds:    vendors("AlmaLinux"),
	Signers:   []string{"AlmaLinux"},
	Kernel:    rpmKernel,
	FixesOwn:  true,
	Errata:    []string{"ALSA", "ALBA", "ALEA"},
	Notices:   []string{"ALBA", "ALEA"},
	// ALSA records have no other field for them.
	RelatedCVEs: true,
	// Source: https://wiki.almalinux.org/release-notes/.
	EndOfLife: map[string]string{
		"8": "2029-03-01",
		"9": "2032-05-31",
	},
}
