package match

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/verdict"
)

// A target is what the packages of a system are looked up as.
type target struct {
	system verdict.System
	// ecosystems hold the advisories that speak of the system, the most telling
	// first: "Ubuntu:Pro:22.04:LTS", "Ubuntu:22.04:LTS", "Ubuntu". Empty where
	// nothing can be said, and then reason says why.
	ecosystems []string
	reason     string
}

// maxShown bounds the bytes of each name, version or id of others in a text.
const maxShown = 100

// shown makes what others wrote fit for a text.
func shown(s string) string { return clip(verdict.Clean(head(s, maxShown+1)), maxShown) }

// judgedAs decides whose advisories speak of a system.
//
// Debian and Ubuntu are judged by their own. A derivative is not judged as what
// it derives from: Raspbian, Kali, Mint and their like rebuild or replace
// packages under versions of their own, for which the original's fixed versions
// mean nothing, so it is named instead, and nothing is said about its packages.
// Distroless images call themselves Debian and consist of Debian's packages.
func judgedAs(inv inventory.Inventory, today time.Time) target {
	s := inv.System
	t := target{system: verdict.System{ID: s.ID, VersionID: s.VersionID, PrettyName: s.PrettyName}}
	name := strings.TrimSpace(shown(s.ID) + " " + shown(s.VersionID))
	switch {
	case !s.Known():
		t.reason = "no operating system was recognised"
	case s.ID == "debian":
		release, reason := debianRelease(s)
		if reason != "" {
			t.reason = reason
			return t
		}
		t.system.Ecosystem = "Debian:" + release
		t.ecosystems = []string{t.system.Ecosystem, "Debian"}
		setEndOfLife(&t.system, debianEndOfLife(release), today)
	case s.ID == "ubuntu":
		release, ok := ubuntuRelease(s.VersionID)
		if !ok {
			t.reason = fmt.Sprintf("ubuntu's advisories are kept by release, and %q is none", shown(s.VersionID))
			return t
		}
		t.system.Ecosystem = "Ubuntu:" + release
		t.ecosystems = []string{t.system.Ecosystem, "Ubuntu"}
		if slices.ContainsFunc(inv.Packages, fromESM) {
			t.ecosystems = slices.Insert(t.ecosystems, 0, "Ubuntu:Pro:"+release)
		}
		setEndOfLife(&t.system, ubuntuEndOfLife(s.VersionID), today)
	case slices.Contains(s.IDLike, "debian"), slices.Contains(s.IDLike, "ubuntu"):
		t.reason = fmt.Sprintf("%s derives from %s, whose advisories do not speak of its packages",
			name, shown(strings.Join(s.IDLike, " and ")))
	default:
		t.reason = fmt.Sprintf("no advisories for %s are held", name)
	}
	return t
}

// fromESM reports whether a package comes from Ubuntu's Expanded Security
// Maintenance, whose versions carry the word ("6.0-9ubuntu1.6+esm1",
// "1:4.0.34-1ubuntu0.1~esm2"). One such package shows that the image is built
// with a subscription, and so Ubuntu Pro's fixes are within reach for all its
// packages. Without one they are not, and Pro's advisories are left alone.
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
