package match

import "strings"

// kernelPackage reports whether a package of a purl type is a kernel, its modules
// or its headers, by its own name and that of its source.
func kernelPackage(typ, name, source string) bool {
	switch typ {
	case deb:
		return kernelSource(source)
	case rpm:
		return kernelRPM(source)
	case apk:
		return kernelAPK(source) || kernelAPK(name)
	}
	return false
}

// kernelRPM reports whether a source package of the systems with rpm builds
// kernels: "kernel", Red Hat's "kernel-rt", Oracle's "kernel-uek", SUSE's
// "kernel-default", Amazon's "kernel6.12", Photon's "linux-esx".
func kernelRPM(source string) bool {
	rest, ok := strings.CutPrefix(source, "kernel")
	if ok {
		return rest == "" || rest[0] == '-' && rest != "-srpm-macros" && rest != "-install-tools" || '0' <= rest[0] && rest[0] <= '9'
	}
	switch source {
	case "linux", "linux-api-headers", "linux-aws", "linux-esx", "linux-rt", "linux-secure":
		return true
	}
	return false
}

// kernelAPK reports whether a package of Alpine and its like is a kernel or its
// headers.
func kernelAPK(name string) bool {
	switch name {
	case "linux-edge", "linux-grsec", "linux-hardened", "linux-headers", "linux-lts", "linux-rpi", "linux-rpi2", "linux-vanilla",
		"linux-virt", "linux-virtgrsec", "linux-stable":
		return true
	}
	return false
}

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
