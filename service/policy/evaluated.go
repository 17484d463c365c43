package policy

import (
	"fmt"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/verdict"
)

// Evaluated returns the parts of an image with what the client and the owner of
// the service say of them: package databases that could not be read, and
// ecosystems that the service was told to do without.
func Evaluated(in Input) []verdict.Part {
	parts := slices.Clone(in.Result.Parts)
	for i := range parts {
		p := &parts[i]
		if p.Part == verdict.PartLanguage && slices.Contains(in.Without, p.Ecosystem) {
			p.Causes = slices.Clone(p.Causes)
			for j := range p.Causes {
				if c := &p.Causes[j]; c.Cause == verdict.CauseType {
					c.Cause = verdict.CauseWithout
					c.Text = "this service has no advisories for " + p.Ecosystem
				}
			}
		}
	}
	unreadable := unreadable(in)
	if len(unreadable) == 0 {
		return parts
	}
	cause := verdict.PartCause{Cause: verdict.CauseUnreadable, Text: "could not be read: " + some(unreadable)}
	if len(parts) == 0 || parts[0].Part != verdict.PartSystem {
		parts = slices.Insert(parts, 0, verdict.Part{Part: verdict.PartSystem})
	}
	for i := range parts {
		if p := &parts[i]; p.Part == verdict.PartSystem {
			p.Causes = append([]verdict.PartCause{cause}, p.Causes...)
			p.State = p.StateOf()
		}
	}
	return parts
}

// unreadable names what says which packages are installed and could not be read.
func unreadable(in Input) []string {
	var paths []string
	for _, p := range in.ScanErrors {
		if p.Kind == inventory.KindDatabase || p.Kind == inventory.KindSystem {
			paths = append(paths, "/"+p.Path)
		}
	}
	return paths
}

// A missing part is an ecosystem whose advisories are not held.
type missingPart struct {
	ecosystem string
	packages  int
}

// unevaluated sums up what was not evaluated.
type unevaluated struct {
	// system counts packages of the system without advisories, and systemTexts
	// says why.
	system      int
	systemTexts []string
	// systemMissing: the system is named, and none of its packages was found.
	systemMissing bool
	// systemNone: packages of the system were found, and not one was evaluated.
	systemNone int
	// missing are the ecosystems that public sources cover and the service does not
	// hold, without being told to.
	missing []missingPart
	single  int // all other packages
}

func sumUp(parts []verdict.Part, o verdict.Options) unevaluated {
	var u unevaluated
	for _, p := range parts {
		u.single += p.Packages - p.Evaluated
		for _, c := range p.Causes {
			switch c.Cause {
			case verdict.CauseSystem:
				u.system += c.Packages
				u.single -= c.Packages
				u.systemTexts = append(u.systemTexts, c.Text)
			case verdict.CauseMissing:
				u.systemMissing = !o.NoOSPackages
			case verdict.CauseType:
				u.missing = append(u.missing, missingPart{p.Ecosystem, c.Packages})
				u.single -= c.Packages
			}
		}
		if p.Part == verdict.PartSystem && p.Packages > 0 && p.Evaluated == 0 {
			u.systemNone += p.Packages
		}
	}
	return u
}

// withoutData names the ecosystems whose advisories are not held.
func (u unevaluated) withoutData() (text, hint string) {
	packages := 0
	var shown, flags []string
	for _, m := range u.missing {
		packages += m.packages
		shown = append(shown, m.ecosystem)
		if len(flags) < maxSome {
			flags = append(flags, "--without "+quoted(m.ecosystem))
		}
	}
	text = fmt.Sprintf("%s cannot be evaluated: the service holds no advisories of %s",
		plural(packages, "package", "packages"), some(shown))
	hint = "assayd update fetches them; to accept missing advisories, start the service with assayd serve " + strings.Join(flags, " ")
	return text, hint
}

// quoted quotes a name that a shell would divide.
func quoted(name string) string {
	if strings.Contains(name, " ") {
		return "'" + name + "'"
	}
	return name
}
