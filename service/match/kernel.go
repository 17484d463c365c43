package match

import "strings"

// kernelSource reports whether a source package of Debian or Ubuntu builds
// kernels, their modules or their headers. The flavours are listed and not
// guessed from "linux-…", under which programs go too (linux-ftpd, linux-atm):
// a new flavour then fails a build until it is listed here, which is seen, and
// no program passes one as a kernel.
func kernelSource(source string) bool {
	if source == "linux" {
		return true
	}
	flavour, ok := strings.CutPrefix(source, "linux-")
	if !ok || flavour == "" {
		return false
	}
	if '0' <= flavour[0] && flavour[0] <= '9' { // linux-6.1
		return true
	}
	flavour, _, _ = strings.Cut(flavour, "-")
	switch flavour {
	// Built from any kernel.
	case "signed", "meta", "latest", "headers", "modules", "restricted", "backports", "libc":
		return true
	// Ubuntu's flavours.
	case "allwinner", "aws", "azure", "bluefield", "dell300x", "fips", "gcp", "gke", "gkeop",
		"hwe", "ibm", "intel", "iot", "kvm", "laptop", "lowlatency", "lts", "nvidia", "oem",
		"oracle", "qcm", "raspi", "raspi2", "realtime", "riscv", "snapdragon", "starfive",
		"xilinx":
		return true
	}
	return false
}
