package distro

var echo = Distribution{
	Name:      "Echo",
	IDs:       []string{"echo"},
	Format:    Deb,
	Ecosystem: "Echo",
	Publisher: "echo",
	Names:     BySource,
	// The maintainers of its packages are not known.
	Builds: func(string) bool { return false },
	Kernel: debianKernel,
}
