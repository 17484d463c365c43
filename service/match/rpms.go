package match

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/inspect/inventory"
)

// rpms sets what the systems with rpm packages are judged as; false for all
// others.
func (t *target) rpms(inv inventory.Inventory) bool {
	s := inv.System
	major, minor, _ := strings.Cut(s.VersionID, ".")
	switch s.ID {
	case "almalinux":
		t.release(rpm, byName, "AlmaLinux:"+major)
		t.builder = by("AlmaLinux")
		t.answers = true
	case "amzn":
		t.release(rpm, byName, "Amazon Linux:"+major)
		t.builder = by("Amazon")
	case "azurelinux", "mariner": // "3.0"
		t.release(rpm, bySource, "Azure Linux:"+major)
		t.builder = by("Microsoft")
	case "centos":
		if strings.Contains(s.PrettyName, "Stream") {
			t.reason = "centos stream is ahead of rhel, whose advisories do not speak of its packages"
			return true
		}
		t.release(rpm, byName, redHat("enterprise_linux:"+major)...)
		t.builder = by("CentOS")
		t.answers = true
	case "fedora":
		t.release(rpm, byName, "Fedora:"+major)
		t.builder = by("Fedora")
	case "mageia":
		t.release(rpm, bySource, "Mageia:"+major)
		t.builder = by("Mageia")
	case "ol":
		t.release(rpm, byName, "Oracle Linux:"+major)
		t.builder = func(vendor string) bool { // MySQL's own are "Oracle and/or its affiliates"
			return strings.HasPrefix(vendor, "Oracle") && !strings.HasPrefix(vendor, "Oracle and/or")
		}
	case "openEuler":
		t.release(rpm, byBoth, "openEuler:"+openEulerRelease(s))
		t.builder = by("openEuler", "http://openeuler.org")
	case "opensuse-leap", "opensuse":
		t.release(rpm, bySource, "openSUSE:Leap "+s.VersionID)
		t.builder = by("openSUSE", "SUSE")
	case "opensuse-tumbleweed":
		t.release(rpm, bySource, "openSUSE:Tumbleweed")
		t.builder = by("openSUSE", "SUSE")
	case "photon": // "4.0"
		t.release(rpm, byName, "Photon OS:"+s.VersionID, "Photon OS:"+major)
		t.builder = by("VMware", "Broadcom")
	case "rhel":
		extended := extendedSupport(inv, major, minor)
		t.release(rpm, byName, redHatEcosystems(extended, major)...)
		if len(extended) > 0 {
			_, t.extended, _ = strings.Cut(extended[0], ":")
		}
		t.answers = true
		t.builder = by("Red Hat")
	case "rocky":
		t.release(rpm, bySource, "Rocky Linux:"+major)
		t.builder = by("Rocky", "RESF")
		t.answers = true
	case "sled", "sles", "sles_sap":
		t.release(rpm, bySource, suseProducts(major, minor, s.ID == "sles_sap" || strings.Contains(s.CPE, ":sles_sap:"))...)
		t.builder = by("SUSE", "openSUSE")
	case "sle-micro":
		t.release(rpm, bySource, "SUSE:Linux Enterprise Micro "+s.VersionID)
		t.builder = by("SUSE", "openSUSE")
	case "sl-micro":
		t.release(rpm, bySource, "SUSE:Linux Micro "+s.VersionID)
		t.builder = by("SUSE", "openSUSE")
	default:
		return false
	}
	if (major == "" || len(major) > len("2023") || !digits(major)) && s.ID != "opensuse-tumbleweed" {
		t.unreleased(s.ID + "'s")
	}
	return true
}

// by recognises vendors by how their names begin.
func by(names ...string) func(vendor string) bool {
	return func(vendor string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(vendor, n) })
	}
}

// redHatEcosystems returns the ecosystems of a Red Hat Enterprise Linux, those of its
// extended support first. Red Hat's name is the end of a CPE: product, version and,
// mostly, repository ("enterprise_linux:9::baseos"). All repositories of the release
// are taken, as an image does not say from which of them a package came, and no
// package name stands in two of them for different things.
func redHatEcosystems(extended []string, major string) []string {
	products := append(slices.Clone(extended), "enterprise_linux:"+major)
	if len(major) > 1 {
		// Since 10 the products have minor versions, and what mends an image may
		// stand under a later one.
		for n := range 11 {
			products = append(products, fmt.Sprintf("enterprise_linux:%s.%d", major, n))
		}
	}
	return redHat(products...)
}

// extendedSupport returns the products of extended support (EUS, AUS, TUS, E4S) of a
// minor release that an image is of, sorted. It is recognised by its CPE, or by the
// content sets that its packages came from.
func extendedSupport(inv inventory.Inventory, major, minor string) []string {
	var extended []string
	add := func(product string) {
		if !slices.Contains(extended, product) {
			extended = append(extended, product)
		}
	}
	// "cpe:/o:redhat:rhel_eus:9.2::baseos"
	if parts := strings.Split(inv.System.CPE, ":"); len(parts) > 4 && strings.HasPrefix(parts[3], "rhel_") {
		add(parts[3] + ":" + parts[4])
	}
	if number(minor) {
		for _, p := range inv.Packages {
			for _, set := range p.ContentSets {
				for _, support := range [...]string{"eus", "aus", "tus", "e4s"} {
					if strings.Contains(set, "-"+support+"-") { // "rhel-9-for-x86_64-baseos-eus-rpms"
						add("rhel_" + support + ":" + major + "." + minor)
					}
				}
			}
		}
	}
	slices.Sort(extended)
	return extended
}

// redHatBase reports whether an ecosystem is that of a whole Red Hat Enterprise
// Linux, which moves on from minor release to minor release.
func redHatBase(ecosystem string) bool {
	return strings.HasPrefix(ecosystem, "Red Hat:enterprise_linux:")
}

// mainPhase reports whether an advisory for the whole of a Red Hat Enterprise Linux
// is for its minor release too, whose extended support has advisories of its own. It
// is if it appeared while that was the newest: builds name the release that they
// were made for (el8_4), and those that do not are told by the day on which the next
// one came. Where neither is known it is taken for one.
func mainPhase(release, fix string, published time.Time) bool {
	major, minor, _ := strings.Cut(release, ".")
	_, tag, ok := strings.Cut(fix, "el"+major)
	if ok && tag != "" && (tag[0] == '_' || tag[0] == '.' && modular(fix)) {
		n := 1
		for n < len(tag) && '0' <= tag[n] && tag[n] <= '9' {
			n++
		}
		if of := tag[1:n]; of != "" {
			return len(of) < len(minor) || len(of) == len(minor) && of <= minor
		}
	}
	next := redHatSince(major, minor)
	return next.IsZero() || published.IsZero() || published.Before(next)
}

// redHatSince returns the day on which the minor release after the named one of a
// Red Hat Enterprise Linux came, zero where that is not known.
func redHatSince(major, minor string) time.Time {
	var days []string // of the releases from .1 on
	switch major {
	case "7":
		days = []string{"2015-03-05", "2015-11-19", "2016-11-03", "2017-08-01", "2018-04-10", "2018-10-30", "2019-08-06", "2020-03-31", "2020-09-29"}
	case "8":
		days = []string{
			"2019-11-05", "2020-04-28", "2020-11-03", "2021-05-18", "2021-11-09", "2022-05-10", "2022-11-09", "2023-05-16", "2023-11-14", "2024-05-22",
		}
	case "9":
		days = []string{"2022-11-15", "2023-05-10", "2023-11-07", "2024-04-30", "2024-11-12", "2025-05-20"}
	}
	n, err := strconv.Atoi(minor)
	if err != nil || n < 0 || n >= len(days) {
		return time.Time{}
	}
	day, err := time.Parse(time.DateOnly, days[n])
	if err != nil {
		return time.Time{}
	}
	return day
}

// redHat returns the ecosystems of products in all their repositories.
func redHat(products ...string) []string {
	var ecosystems []string
	for _, p := range products {
		ecosystems = append(ecosystems, "Red Hat:"+p)
		for _, repository := range [...]string{
			"baseos", "appstream", "crb", "supplementary", "highavailability", "resilientstorage", "nfv", "realtime", "sap", "sap_hana",
			"server", "client", "workstation", "computenode", // up to 7
		} {
			ecosystems = append(ecosystems, "Red Hat:"+p+"::"+repository)
		}
	}
	return ecosystems
}

// suseProducts returns the ecosystems of a SUSE Linux Enterprise, which is made
// of modules whose packages have the same versions in every product. The one for
// SAP applications has entries of its own beside those of the server.
func suseProducts(major, minor string, sap bool) []string {
	release := major
	if minor != "" && minor != "0" {
		release += " SP" + minor
	}
	ecosystems := []string{"SUSE:Linux Enterprise Server " + release, "SUSE:Linux Enterprise Server " + release + "-LTSS"}
	if sap {
		ecosystems = append(ecosystems, "SUSE:Linux Enterprise Server for SAP Applications "+release)
	}
	if major == "12" {
		return append(ecosystems, "SUSE:Linux Enterprise Software Development Kit "+release)
	}
	for _, module := range [...]string{
		"Basesystem", "Certifications", "Containers", "Desktop Applications", "Development Tools", "Legacy", "Package Hub", "Public Cloud",
		"Python 3", "Server Applications", "Web and Scripting",
	} {
		ecosystems = append(ecosystems, "SUSE:Linux Enterprise Module for "+module+" "+release)
	}
	return ecosystems
}

// openEulerRelease returns the release as openEuler's ecosystems name it:
// "24.03-LTS-SP1" of "openEuler 24.03 (LTS-SP1)".
func openEulerRelease(s inventory.System) string {
	_, words, _ := strings.Cut(s.PrettyName, "(")
	words, _, ok := strings.Cut(words, ")")
	if !ok || words == "" {
		return s.VersionID
	}
	return s.VersionID + "-" + words
}
