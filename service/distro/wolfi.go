package distro

// Wolfi, Chainguard, MinimOS and SecureOS have no releases. Their records name packages and
// source packages, which have the same versions.

var wolfi = Distribution{
	Name:      "Wolfi",
	IDs:       []string{"wolfi"},
	Format:    Apk,
	Ecosystem: "Wolfi",
	Publisher: "wolfi",
	Names:     ByBoth,
	Builds:    anyMaintainer,
	Kernel:    alpineKernel,
}

var chainguard = Distribution{
	Name:      "Chainguard",
	IDs:       []string{"chainguard"},
	Format:    Apk,
	Ecosystem: "Chainguard",
	Names:     ByBoth,
	Builds:    anyMaintainer,
	Kernel:    alpineKernel,
}

var minimOS = Distribution{
	Name:      "MinimOS",
	IDs:       []string{"minimos"},
	Format:    Apk,
	Ecosystem: "MinimOS",
	Publisher: "minimos",
	Names:     ByBoth,
	Builds:    anyMaintainer,
	Kernel:    alpineKernel,
}

var secureOS = Distribution{
	Name:      "SecureOS",
	IDs:       []string{"secureos"},
	Format:    Apk,
	Ecosystem: "SecureOS",
	Publisher: "secureos",
	Names:     ByBoth,
	Builds:    anyMaintainer,
	Kernel:    alpineKernel,
}
