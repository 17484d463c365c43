package distro

import (
	"strings"

	"assay/service/version"
)

// This file has the kernels of each package format.

// rpmKernel recognises kernels by the source package of an rpm: "kernel", Red Hat's
// "kernel-rt", Oracle's "kernel-uek", SUSE's "kernel-default", Amazon's "kernel6.12",
// Photon's "linux-esx".
func rpmKernel(_, source string) bool {
	rest, ok := strings.CutPrefix(source, "kernel")
	if ok {
		return rest == "" || rest[0] == '-' && rest != "-srpm-macros" && rest != "-install-tools" || version.Digits(rest[:1])
	}
	switch source {
	case "linux", "linux-api-headers", "linux-aws", "linux-esx", "linux-rt", "linux-secure":
		return true
	}
	return false
}

// apkKernel recognises kernels by the name or the source package of an apk package.
func apkKernel(name, source string) bool { return apkKernelName(source) || apkKernelName(name) }

func apkKernelName(name string) bool {
	switch name {
	case "linux-edge", "linux-grsec", "linux-hardened", "linux-headers", "linux-lts", "linux-rpi", "linux-rpi2", "linux-vanilla",
		"linux-virt", "linux-virtgrsec", "linux-stable":
		return true
	}
	return false
}

// debKernel recognises kernels by the source package of a Debian or Ubuntu package.
// It has a list of flavours, because programs have names that begin with "linux-" too
// (linux-ftpd, linux-atm). A new flavour then fails a build until it is added here,
// which somebody notices, but no program passes as a kernel.
func debKernel(_, source string) bool {
	if source == "linux" {
		return true
	}
	flavour, ok := strings.CutPrefix(source, "linux-")
	if !ok || flavour == "" {
		return false
	}
	if version.Digits(flavour[:1]) { // linux-6.1
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
