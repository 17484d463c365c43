package policy

import (
	"fmt"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/verdict"
)

// Evaluated returns the parts of an image. It adds causes to those of the match: package
// databases that the client could not read, and ecosystems whose advisories the service
// may lack by its configuration.
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
	markOld(in, parts)
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

// unreadable returns the paths of package databases and os-release files that the client
// could not read.
func unreadable(in Input) []string {
	var paths []string
	for _, p := range in.ScanErrors {
		if p.Kind == inventory.KindDatabase || p.Kind == inventory.KindSystem {
			paths = append(paths, "/"+p.Path)
		}
	}
	return paths
}

// A missingPart is an ecosystem for which the service has no advisories.
type missingPart struct {
	ecosystem string
	packages  int
}

// unevaluated sums up what was not evaluated.
type unevaluated struct {
	// system is the number of packages of the system without advisories, and systemTexts
	// are the causes.
	system      int
	systemTexts []string
	// systemMissing says that the image names a system and has none of its packages.
	systemMissing bool
	// systemNone is the number of packages of the system if none of them was evaluated.
	systemNone int
	// missing lists the ecosystems that public sources cover and for which the service
	// has no advisories, although its configuration does not allow that.
	missing []missingPart
	single  int // the number of all other packages
	// old says that a part was not evaluated because its advisories are too old.
	old bool
}

func sumUp(parts []verdict.Part, o verdict.Options) unevaluated {
	var u unevaluated
	for _, p := range parts {
		u.single += p.Packages - p.Evaluated
		old := false
		for _, c := range p.Causes {
			switch c.Cause {
			case verdict.CauseSystem:
				u.system += c.Packages
				u.single -= c.Packages
				u.systemTexts = append(u.systemTexts, c.Text)
			case verdict.CauseOld:
				old = true
				u.single -= c.Packages
			case verdict.CauseMissing:
				u.systemMissing = !o.NoOSPackages
			case verdict.CauseType:
				u.missing = append(u.missing, missingPart{p.Ecosystem, c.Packages})
				u.single -= c.Packages
			}
		}
		u.old = u.old || old
		if p.Part == verdict.PartSystem && p.Packages > 0 && p.Evaluated == 0 && !old {
			u.systemNone += p.Packages
		}
	}
	return u
}

// withoutData returns a reason that names the missing ecosystems, and a hint.
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
	hint = "assayd update fetches advisories; to accept that these are missing, start the service with assayd serve " + strings.Join(flags, " ")
	return text, hint
}

// quoted quotes a name that a shell would split.
func quoted(name string) string {
	if strings.Contains(name, " ") {
		return "'" + name + "'"
	}
	return name
}
