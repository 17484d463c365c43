package remedy

import (
	"slices"
	"strings"
	"time"

	"assay/service/distro"
	"assay/service/match"
	"assay/verdict"
)

// A manager is a package manager of a system.
type manager struct {
	name string
	pkg  string // the package that it is installed with
	typ  string // the purl type of its packages
	// named upgrades the packages whose names follow, every all packages.
	named, every string
	held         string // the flag with which named also upgrades held packages
}

// managers are those whose commands are known, of a purl type the preferred one first.
var managers = []manager{
	{name: "apt-get", pkg: "apt", typ: distro.Deb, named: "apt-get update && apt-get install -y --only-upgrade",
		every: "apt-get update && apt-get -y --with-new-pkgs upgrade", held: "--allow-change-held-packages"},
	{name: "apk", pkg: "apk-tools", typ: distro.Apk, every: "apk --no-cache upgrade"}, // older releases take no names
	{name: "dnf", pkg: "dnf", typ: distro.RPM, named: "dnf -y upgrade", every: "dnf -y upgrade"},
	{name: "dnf5", pkg: "dnf5", typ: distro.RPM, named: "dnf5 -y upgrade", every: "dnf5 -y upgrade"},
	{name: "microdnf", pkg: "microdnf", typ: distro.RPM, named: "microdnf -y update", every: "microdnf -y update"},
	{name: "tdnf", pkg: "tdnf", typ: distro.RPM, named: "tdnf -y update", every: "tdnf -y update"},
	{name: "yum", pkg: "yum", typ: distro.RPM, named: "yum -y update", every: "yum -y update"},
	{name: "zypper", pkg: "zypper", typ: distro.RPM, named: "zypper --non-interactive update", every: "zypper --non-interactive update"},
	{name: "pacman", pkg: "pacman", typ: "alpm", every: "pacman -Syu --noconfirm"}, // Arch supports no partial upgrades
}

// manager returns the package manager that is installed in the image, or nil.
func (w *work) manager(typ string) *manager {
	for i, m := range managers {
		if m.typ == typ && w.installed(typ, m.pkg) {
			return &managers[i]
		}
	}
	return nil
}

func (w *work) installed(typ, name string) bool {
	for _, p := range w.Inventory.Packages {
		if p.Type == typ && p.Name == name {
			return true
		}
	}
	return false
}

// system returns the remedies for packages of the operating system.
func (w *work) system() []verdict.Remedy {
	var all []verdict.Remedy
	for _, typ := range w.types {
		if distro.SystemPackage(typ) {
			all = append(all, w.upgrade(typ, w.packages[typ])...)
		}
	}
	return all
}

// upgrade returns how to upgrade the packages of a type.
func (w *work) upgrade(typ string, items []*item) []verdict.Remedy {
	m := w.manager(typ)
	r := verdict.Remedy{Action: verdict.ActionBase, Packages: names(items), Findings: count(items), Base: ofBase(items)}
	lacks := w.System.Repositories
	switch {
	case w.System.Ended:
		r.Text = "use a base image of a newer release: this one gets no more security updates"
	case m == nil:
		r.Text = "use a newer base image: this one has no package manager that could upgrade it"
	case lacks != nil && (lacks.Missing == "" || !safeLine(lacks.Add)):
		r.Text = "use a newer base image: this one has no package repository with the fixes"
	case lacks != nil:
		return []verdict.Remedy{w.unblock(m, *lacks, r, items)}
	default:
		r.Action, r.Manager = verdict.ActionUpgrade, m.name
		r.Command, r.Short = m.commands(w.toUpgrade(typ, items))
		r.Text = where(items)
		if !w.stale(items) {
			return []verdict.Remedy{r}
		}
		r.Text = "if no step before the scan upgrades yet, add"
		again := verdict.Remedy{
			Action: verdict.ActionRebuild, Manager: m.name, Packages: r.Packages, Findings: r.Findings, Base: r.Base,
			Text: "the packages are of " + w.Modified.UTC().Format(time.DateOnly) +
				" and the fixes are newer: the layer is from the build cache or the base",
			Command: "docker build --pull --no-cache .",
		}
		return []verdict.Remedy{again, r}
	}
	return []verdict.Remedy{r}
}

// where says where packages of the system are upgraded. It promises no newer base image: that
// there is one with the fixes is not known.
func where(items []*item) string {
	const here = "add to the Dockerfile before the scan"
	switch of, n := origin(items), ofBase(items); {
	case of == verdict.OriginBase:
		return "from the base image: use a newer one (FROM, --pull) if it has the fixes, or " + here
	case of == verdict.OriginOwn:
		return here
	case n > 0:
		return here + "; a newer base image (FROM, --pull) may fix " + number(n) + " of them"
	}
	return here + ", or --pull a newer base image"
}

// unblock returns how to upgrade after adding a repository.
func (w *work) unblock(m *manager, lacks verdict.Repositories, r verdict.Remedy, items []*item) verdict.Remedy {
	r.Action, r.Manager = verdict.ActionUpgrade, m.name
	file := "/etc/apt/sources.list"
	if m.typ == distro.Apk {
		file = "/etc/apk/repositories"
	}
	named, _ := m.commands(w.toUpgrade(m.typ, items))
	add := "RUN echo '" + lacks.Add + "' >>" + file + " && "
	r.Command = add + strings.TrimPrefix(named, "RUN ")
	r.Short = add + m.every
	r.Text = "add to the Dockerfile before the scan (" + m.name + " has no source " + verdict.Short(lacks.Missing) + " here)"
	return r
}

// safeLine reports whether a line is safe in a shell between single quotes.
func safeLine(s string) bool {
	return s != "" && len(s) <= 120 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(" :/.-", r)
	})
}

// A wanted is a package to upgrade.
type wanted struct {
	name string
	held bool
}

// toUpgrade returns the installed packages that items are about, sorted by name.
func (w *work) toUpgrade(typ string, items []*item) []wanted {
	about := map[string]bool{}
	for _, it := range items {
		about[it.pkg.Name] = true
	}
	var all []wanted
	for name := range about {
		held := false
		for _, p := range w.Inventory.Packages {
			held = held || p.Type == typ && p.Name == name && p.Held
		}
		all = append(all, wanted{name, held})
	}
	slices.SortFunc(all, func(a, b wanted) int { return strings.Compare(a.name, b.name) })
	return all
}

// maxNamed is how many packages a command names. If there are more, all are upgraded.
const maxNamed = 8

// commands returns the lines of a Dockerfile that upgrade packages: by their names, and a
// shorter one that upgrades all, which is empty if it would not fix them.
func (m *manager) commands(packages []wanted) (command, short string) {
	var named, held []string
	for _, p := range packages {
		if !safe(p.name) || m.named == "" {
			return "RUN " + m.every, "" // held packages with such names do not occur
		}
		named = append(named, p.name)
		if p.held && m.held != "" {
			held = append(held, p.name)
		}
	}
	switch {
	case len(held) == 0 && len(named) > maxNamed:
		return "RUN " + m.every, ""
	case len(held) == 0:
		return "RUN " + m.named + " " + strings.Join(named, " "), "RUN " + m.every
	case len(named) > maxNamed:
		_, install, _ := strings.Cut(m.named, " && ")
		return "RUN " + m.every + " && " + install + " " + m.held + " " + strings.Join(held, " "), ""
	}
	return "RUN " + m.named + " " + m.held + " " + strings.Join(named, " "), ""
}

// recent is how old a package database may be that a step of this build has written.
const recent = 15 * time.Minute

// stale reports whether all fixes of items are newer than the package database of the
// image, which no step of this build has written.
func (w *work) stale(items []*item) bool {
	// Times before that are set by tools that build images reproducibly.
	if w.Modified.Year() < 2000 || w.Now.Sub(w.Modified) < recent {
		return false
	}
	atOnce := w.firstSeen()
	for _, it := range items {
		for _, f := range it.findings {
			if at := known(f, atOnce); f.Fixed != "" && !at.After(w.Modified) {
				return false
			}
		}
	}
	return true
}

// firstSeen returns when the service first saw any fix.
func (w *work) firstSeen() time.Time {
	var first time.Time
	for _, f := range w.Findings {
		if f.FirstSeen != nil && (first.IsZero() || f.FirstSeen.Before(first)) {
			first = *f.FirstSeen
		}
	}
	return first
}

// known returns a time before which a fix was not known, or zero if that is unknown. If the
// service saw it at the time first, with the first advisories of all, the fix may be older.
func known(f match.Finding, first time.Time) time.Time {
	at := f.Published
	if f.FirstSeen != nil && f.FirstSeen.Sub(first) > time.Hour && f.FirstSeen.After(at) {
		at = *f.FirstSeen
	}
	return at
}
