package distro

// Wolfi, Chainguard and MinimOS have no releases. Their records name packages and
// source packages, which have the same versions.

var wolfi = Distribution{
	Name:      "Wolfi",
	IDs:       []string{"wolfi"},
	Format:    Apk,
	Ecosystem: "Wolfi",
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
	Names:     ByBoth,
	Builds:    anyMaintainer,
	Kernel:    alpineKernel,
}
