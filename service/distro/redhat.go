package distro

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/verdict"
)

var redHat = Distribution{
	Name:         "Red Hat",
	IDs:          []string{"rhel"},
	Format:       RPM,
	Ecosystem:    "Red Hat",
	Names:        ByBinary,
	Release:      redHatRelease,
	WithProducts: redHatProducts,
	Publisher:    "redhat",
	Builds:       vendors("Red Hat"),
	Signers:      []string{"Red Hat"},
	Kernel:       rpmKernel,
	FixesOwn:     true,
	OwnUnfixed:   true,
	// GitHub and AlmaLinux, Rocky Linux and others use these words too.
	Severities: map[string]verdict.Severity{"important": verdict.High, "moderate": verdict.Medium},
	Statuses:   map[string]advisory.Status{"will not fix": advisory.StatusWontFix, "wont-fix": advisory.StatusWontFix},
	Errata:     []string{"RHSA", "RHBA", "RHEA"},
	// The maintenance phase. Source:
	// https://access.redhat.com/support/policy/updates/errata. The paid support after it
	// (ELS) does not count.
	EndOfLife: map[string]string{
		"6": "2020-11-30",
		"7": "2024-06-30",
		"8": "2029-05-31",
		"9": "2032-05-31",
	},
}

// centOS is CentOS Linux, which rebuilt the packages of Red Hat Enterprise Linux under
// the same versions.
var centOS = Distribution{
	Name:       "CentOS",
	IDs:        []string{"centos"},
	Format:     RPM,
	Ecosystem:  "Red Hat",
	Names:      ByBinary,
	Release:    centOSRelease,
	Publisher:  "redhat",
	Builds:     vendors("CentOS"),
	Signers:    []string{"CentOS"},
	Kernel:     rpmKernel,
	FixesOwn:   true,
	OwnUnfixed: true,
	// Source: https://www.centos.org/centos-linux-eol/.
	EndOfLife: map[string]string{
		"5": "2017-03-31",
		"6": "2020-11-30",
		"7": "2024-06-30",
		"8": "2021-12-31",
	},
}

// hummingbird is the system of Red Hat Hardened Images. It has no releases, and is a product
// in Red Hat's documents.
var hummingbird = Distribution{
	Name:       "Hummingbird",
	IDs:        []string{"hummingbird"},
	Format:     RPM,
	Ecosystem:  "Red Hat:hummingbird:1",
	Names:      ByBinary,
	Builds:     vendors("Red Hat"),
	Signers:    []string{"Red Hat"},
	Kernel:     rpmKernel,
	FixesOwn:   true,
	Publisher:  "redhat",
	OwnUnfixed: true,
}

// wholeRelease begins the products of a whole Red Hat Enterprise Linux, in contrast to
// those of extended support for a minor release.
const wholeRelease = "enterprise_linux:"

// redHatRelease recognises a release by its major number. All repositories of the
// release count, because an image does not say from which of them a package came. No
// package name means different things in two of them.
func redHatRelease(inv inventory.Inventory) (r Release, reason string) {
	major, minor, ok := majorRelease(inv.System)
	if !ok {
		return r, noRelease(inv.System)
	}
	return redHatOf(major, extendedSupport(inv, major, minor)), ""
}

// redHatOf returns a release whose image has the extended support of some products.
func redHatOf(major string, extended []string) Release {
	r := Release{Name: major}
	whole := []string{wholeRelease + major}
	if len(major) > 1 {
		// Since 10 the products have minor versions, and the fix for an image may be
		// listed for a later one.
		for n := range 11 {
			whole = append(whole, fmt.Sprintf("%s%s.%d", wholeRelease, major, n))
		}
	}
	r.Ecosystems = main(repositories(whole...)...)
	if len(extended) == 0 {
		return r
	}
	_, release, _ := strings.Cut(extended[0], ":")
	r.Extended = release
	for i := range r.Ecosystems {
		e := &r.Ecosystems[i]
		e.Main, e.Rank = false, 1
		e.Applies = func(fix string, published time.Time) bool { return inMainPhase(release, fix, published) }
	}
	r.Ecosystems = append(main(repositories(extended...)...), r.Ecosystems...)
	return r
}

// redHatProducts returns the release of an image with packages of products, which the table
// of repositories gives for the content sets of its packages. The products of extended
// support for other minor releases than the image's are left out: a repository may belong to
// all of them. Those of other products are looked up in addition, in the ecosystems of all
// CPEs that match them.
func redHatProducts(inv inventory.Inventory, cpes []string) Release {
	major, minor, _ := majorRelease(inv.System)
	extended := extendedSupport(inv, major, minor)
	var layered []string
	for _, cpe := range cpes {
		p, ok := productOf(cpe)
		switch {
		case !ok || p.name == enterpriseLinux:
		case !p.extendsSupport():
			layered = append(layered, p.patterns()...)
		case p.version == major || p.version == inv.System.VersionID:
			extended = append(extended, p.name+":"+p.version)
		}
	}
	slices.Sort(extended)
	r := redHatOf(major, slices.Compact(extended))
	rank := 0
	if r.Extended != "" {
		rank = 1 // as the release, which extended support comes before
	}
	slices.Sort(layered)
	for _, name := range slices.Compact(layered) {
		r.Ecosystems = append(r.Ecosystems, Ecosystem{Name: name, Rank: rank})
	}
	return r
}

func centOSRelease(inv inventory.Inventory) (r Release, reason string) {
	if strings.Contains(inv.System.PrettyName, "Stream") {
		return r, "centos stream is ahead of rhel, whose advisories do not cover its packages"
	}
	major, _, ok := majorRelease(inv.System)
	if !ok {
		return r, noRelease(inv.System)
	}
	return Release{Name: major, Ecosystems: main(repositories(wholeRelease + major)...)}, ""
}

// repositories returns the ecosystems of products in all their repositories. An
// ecosystem of Red Hat is the end of a CPE: product, version and usually repository
// ("enterprise_linux:9::baseos").
func repositories(products ...string) []string {
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

// extendedSupport returns the products of extended support (EUS, AUS, TUS, E4S) of the
// minor release that an image is of, sorted. They are recognised by the CPE of the
// image, or by the content sets of its packages.
func extendedSupport(inv inventory.Inventory, major, minor string) []string {
	var extended []string
	add := func(product string) {
		if !slices.Contains(extended, product) {
			extended = append(extended, product)
		}
	}
	// "cpe:/o:redhat:rhel_eus:9.2::baseos"
	if p, ok := productOf(inv.System.CPE); ok && p.extendsSupport() && p.version != "" {
		add(p.name + ":" + p.version)
	}
	if number(minor) {
		for _, p := range inv.Packages {
			for _, set := range p.ContentSets {
				for _, support := range [...]string{"eus", "aus", "tus", "e4s"} {
					if !strings.Contains(set, "-"+support+"-") { // "rhel-9-for-x86_64-baseos-eus-rpms"
						continue
					}
					if len(major) > 1 {
						add(enterpriseLinux + "_" + support + ":" + major + "." + minor)
					} else {
						add("rhel_" + support + ":" + major + "." + minor)
					}
				}
			}
		}
	}
	slices.Sort(extended)
	return extended
}

// inMainPhase reports whether an advisory for the whole of a Red Hat Enterprise Linux
// is also for a minor release that has extended support with advisories of its own.
// It is if it appeared while that minor release was the newest. A build may name the
// release that it was made for (el8_4). For others, the date of the advisory is
// compared with that of the next minor release. If neither is known, it counts.
func inMainPhase(release, fix string, published time.Time) bool {
	major, minor, _ := strings.Cut(release, ".")
	_, tag, ok := strings.Cut(fix, "el"+major)
	if ok && tag != "" && (tag[0] == '_' || tag[0] == '.' && ModuleBuild(fix)) {
		n := 1
		for n < len(tag) && '0' <= tag[n] && tag[n] <= '9' {
			n++
		}
		if of := tag[1:n]; of != "" {
			return len(of) < len(minor) || len(of) == len(minor) && of <= minor
		}
	}
	next := nextMinorRelease(major, minor)
	return next.IsZero() || published.IsZero() || published.Before(next)
}

// nextMinorRelease returns the release date of the minor release after the named one,
// or the zero time if it is unknown.
func nextMinorRelease(major, minor string) time.Time {
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
