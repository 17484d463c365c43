package match

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/service/version"
	"assay/verdict"
)

// Purl types of the packages of operating systems.
const (
	apk = "apk"
	deb = "deb"
	rpm = "rpm"
)

// A target is what the packages of a system are judged as.
type target struct {
	system verdict.System
	// scheme is how they are looked up; without ecosystems nothing can be said,
	// and then reason says why.
	scheme
	reason string
	// unfixed: the advisories name also what has no fix, so a package in which
	// they find nothing has nothing that is known.
	unfixed bool
	// answers: the distribution fixes what has to be fixed in its packages, so other
	// publishers' advisories about the software do not decide on them.
	answers bool
	// builder recognises who built the system's own packages, by their vendor.
	builder func(vendor string) bool
}

// maxShown bounds the bytes of each name, version or id of others in a text.
const maxShown = 100

// shown makes what others wrote fit for a text.
func shown(s string) string { return clip(verdict.Clean(head(s, maxShown+1)), maxShown) }

// judgedAs decides whose advisories speak of a system.
//
// A system is judged by its own. A derivative is not judged as what it derives
// from: Raspbian, Kali, Mint and their like rebuild or replace packages under
// versions of their own, for which the original's fixed versions mean nothing,
// so it is named instead, and nothing is said about its packages. Two are not
// derivatives in this sense: distroless images call themselves Debian and
// consist of Debian's packages, and CentOS Linux rebuilt those of Red Hat under
// the same versions.
func judgedAs(inv inventory.Inventory, today time.Time) target {
	s := inv.System
	t := target{system: verdict.System{ID: s.ID, VersionID: s.VersionID, PrettyName: s.PrettyName}}
	name := strings.TrimSpace(shown(s.ID) + " " + shown(s.VersionID))
	switch {
	case !s.Known():
		t.reason = "no operating system was recognised"
	case t.debs(inv), t.apks(s), t.rpms(inv):
	case len(s.IDLike) > 0:
		t.reason = fmt.Sprintf("%s derives from %s, whose advisories do not speak of its packages",
			name, shown(strings.Join(s.IDLike, " and ")))
	default:
		t.reason = fmt.Sprintf("no advisories for %s are held", name)
	}
	if t.reason == "" {
		t.order, _ = version.For(t.ecosystems[0])
		setEndOfLife(&t.system, endOfLife(t.system), today)
	}
	return t
}

// hold leaves those ecosystems that the index has records of, and gives a reason
// where it has none of the system's.
func (t *target) hold(ix Index) error {
	if t.reason != "" {
		return nil
	}
	var held []string
	for _, e := range t.ecosystems {
		n, err := ix.Records(e)
		if err != nil {
			return err
		}
		if n > 0 {
			held = append(held, e)
		}
	}
	switch {
	case t.extended != "" && (len(held) == 0 || redHatBase(held[0])):
		t.reason = fmt.Sprintf("no advisories for %s are held", t.system.Ecosystem)
	case !t.ranked && len(held) > 0:
		// Which of them it is called by does not matter, they are all its own.
		t.system.Ecosystem = held[0]
	case !slices.Contains(held, t.system.Ecosystem):
		t.reason = fmt.Sprintf("no advisories for %s are held", t.system.Ecosystem)
	}
	t.scheme.hold(held)
	return nil
}

// release sets what a system is judged as that has its advisories under one name,
// with or without the number of its release.
func (t *target) release(typ string, names naming, ecosystems ...string) {
	t.scheme = scheme{typ: typ, names: names, ecosystems: ecosystems}
	t.system.Ecosystem = ecosystems[0]
}

// unreleased says that a system has no advisories by that release.
func (t *target) unreleased(whose string) {
	t.scheme, t.system.Ecosystem = scheme{}, ""
	t.reason = fmt.Sprintf("%s advisories are kept by release, and %q is none", whose, shown(t.system.VersionID))
}

// debs sets what Debian, Ubuntu and Echo are judged as; false for all others.
func (t *target) debs(inv inventory.Inventory) bool {
	s := inv.System
	switch s.ID {
	case "debian":
		release, reason := debianRelease(s)
		if reason != "" {
			t.reason = reason
			return true
		}
		t.release(deb, bySource, "Debian:"+release, "Debian")
	case "ubuntu":
		release, ok := ubuntuRelease(s.VersionID)
		if !ok {
			t.unreleased("ubuntu's")
			return true
		}
		t.release(deb, bySource, "Ubuntu:"+release, "Ubuntu")
		if slices.ContainsFunc(inv.Packages, fromESM) {
			t.ecosystems = slices.Insert(t.ecosystems, 0, ubuntuPro+release)
		} else {
			t.ecosystems = append(t.ecosystems, ubuntuPro+release)
		}
	case "echo":
		t.release(deb, bySource, "Echo")
		return true
	default:
		return false
	}
	t.ranked = true
	t.unfixed = true
	t.builder = debianBuilt
	return true
}

// debianBuilt reports whether a maintainer is Debian or Ubuntu. Some of Debian's
// maintainers have addresses of their own; theirs are not told from strangers'.
func debianBuilt(maintainer string) bool {
	_, host, _ := strings.Cut(strings.TrimSuffix(maintainer, ">"), "@")
	for _, domain := range [...]string{"debian.org", "alioth-lists.debian.net", "ubuntu.com", "canonical.com"} {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}

// apks sets what the systems with apk packages are judged as; false for all
// others. Anyone may be the maintainer of an Alpine package, so all are taken
// for the system's own.
func (t *target) apks(s inventory.System) bool {
	switch s.ID {
	case "alpine":
		release, ok := alpineRelease(s)
		if !ok {
			t.unreleased("alpine's")
			return true
		}
		t.release(apk, bySource, "Alpine:"+release)
	case "alpaquita":
		if s.VersionID == "" {
			t.unreleased("alpaquita's")
			return true
		}
		t.release(apk, bySource, "Alpaquita:"+s.VersionID)
	case "chainguard":
		t.release(apk, byBoth, "Chainguard")
	case "minimos":
		t.release(apk, byBoth, "MinimOS")
	case "wolfi":
		t.release(apk, byBoth, "Wolfi")
	default:
		return false
	}
	t.builder = func(string) bool { return true }
	return true
}

// alpineRelease returns the release as Alpine's ecosystems name it, "v3.19" of
// "3.19.1". Edge has no advisories: its os-release has a version of the release
// to come ("3.20_alpha20231219").
func alpineRelease(s inventory.System) (string, bool) {
	v := s.VersionID
	if v == "" { // "Alpine Linux v3.15"
		_, v, _ = strings.Cut(s.PrettyName, " v")
	}
	major, rest, ok := strings.Cut(v, ".")
	minor, patch, _ := strings.Cut(rest, ".")
	if !ok || !number(major) || !number(minor) || strings.Contains(patch, "_") {
		return "", false
	}
	return "v" + major + "." + minor, true
}

// ubuntuPro begins the ecosystems of Ubuntu's subscription.
const ubuntuPro = "Ubuntu:Pro:"

// subscription names what has to be paid for to get the fixes of one of the
// ecosystems, empty where nothing has to.
func (s *scheme) subscription(ecosystem string) string {
	if strings.HasPrefix(ecosystem, ubuntuPro) && s.ecosystems[0] != ecosystem {
		return "Ubuntu Pro"
	}
	return ""
}

// fromESM reports whether a package comes from Ubuntu's Expanded Security
// Maintenance, whose versions carry the word ("6.0-9ubuntu1.6+esm1",
// "1:4.0.34-1ubuntu0.1~esm2"). One such package shows that the image is built
// with a subscription, and so Ubuntu Pro's fixes are within reach for all its
// packages. Without one they are not: Pro's advisories count only where no other
// names the vulnerability, and their fixes cannot be installed.
func fromESM(p inventory.Package) bool {
	return p.Type == deb && (strings.Contains(p.Version, "esm") || strings.Contains(p.SourceVersion, "esm"))
}

// debianRelease returns the number of a Debian release: "12" of "12" or "12.5",
// and for testing, whose os-release has no VERSION_ID, the number that its name
// will get. What calls itself testing may be unstable ("forky/sid"), nothing
// tells them apart; where only sid is named there are no advisories.
func debianRelease(s inventory.System) (release, reason string) {
	if s.VersionID != "" {
		major, _, _ := strings.Cut(s.VersionID, ".")
		if !number(major) {
			return "", fmt.Sprintf("debian's advisories are kept by release, and %q is none", shown(s.VersionID))
		}
		return major, ""
	}
	codename := s.Codename
	if codename == "" {
		// "Debian GNU/Linux buster/sid"
		words := strings.Fields(s.PrettyName)
		if len(words) > 0 {
			codename, _, _ = strings.Cut(words[len(words)-1], "/")
		}
	}
	switch codename {
	case "wheezy":
		return "7", ""
	case "jessie":
		return "8", ""
	case "stretch":
		return "9", ""
	case "buster":
		return "10", ""
	case "bullseye":
		return "11", ""
	case "bookworm":
		return "12", ""
	case "trixie":
		return "13", ""
	case "forky":
		return "14", ""
	case "duke":
		return "15", ""
	case "sid", "unstable":
		return "", "debian's advisories are kept by release, and unstable (sid) is none"
	}
	return "", fmt.Sprintf("no release of debian is known as %q", shown(codename))
}

// ubuntuRelease returns the release as Ubuntu's ecosystems name it: "24.10",
// and "22.04:LTS" for the April release of every second year.
func ubuntuRelease(versionID string) (string, bool) {
	year, month, ok := strings.Cut(versionID, ".")
	if !ok || len(year) != 2 || len(month) != 2 || !number(year) || !number(month) {
		return "", false
	}
	if month == "04" && (year[1]-'0')%2 == 0 {
		return versionID + ":LTS", true
	}
	return versionID, true
}

// number reports whether s is a number of at most three digits.
func number(s string) bool {
	return s != "" && len(s) <= 3 && digits(s)
}
