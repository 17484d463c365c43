package distro

import "strings"

var archLinux = Distribution{
	Name:      "Arch Linux",
	IDs:       []string{"arch"},
	Format:    Alpm,
	Ecosystem: "Arch Linux",
	Publisher: "arch",
	Names:     ByName,
	// Packages name their packager, a person.
	Builds: anyMaintainer,
	Kernel: archKernel,
	// A group of vulnerabilities, and the announcement of its fix.
	Errata:       []string{"AVG", "ASA"},
	ListsUnfixed: true,
}

// archKernel recognises kernels and their headers by name: "linux", "linux-lts-headers".
func archKernel(name, _ string) bool {
	switch strings.TrimSuffix(strings.TrimSuffix(name, "-headers"), "-docs") {
	case "linux", "linux-hardened", "linux-lts", "linux-rt", "linux-rt-lts", "linux-zen", "linux-api":
		return true
	}
	return false
}
