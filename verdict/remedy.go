package verdict

import (
	"path"
	"slices"
	"strings"
)

// remedy says what to do first, in at most most lines. most is two or more.
func (t *text) remedy(most int) []string {
	var lines []string
	if t.Decision.Outcome == Fail {
		lines = t.upgrade(most)
	}
	for _, r := range t.Decision.Reasons {
		if r.Hint == "" || len(lines) >= most {
			continue
		}
		// These rules are about findings, whose fix precedes this.
		if len(lines) > 0 && failsFinding(r.Rule) {
			continue
		}
		lines = append(lines, t.labelled("hint:", r.Hint, most-len(lines))...)
	}
	return lines
}

// A todo sorts the failing groups by what to do about them. Each entry is text for people.
type todo struct {
	remove   []string // malicious packages
	debs     []string // names of Debian packages to upgrade
	rebuild  []string // Go programs
	upgrade  []string // other packages
	paid     []string // packages of which only subscribers get the fix
	unfixed  []string
	ofSystem bool // apk and rpm packages are among upgrade
}

func (t *text) todo() todo {
	var d todo
	for _, g := range t.failing {
		name := clean(g.name, 50)
		switch {
		case g.malicious:
			d.remove = append(d.remove, name+" "+clean(g.installed, 40))
		case g.fixed == "" && g.subscription != "":
			d.paid = append(d.paid, name+" ("+clean(g.subscription, 40)+")")
		case g.fixed == "":
			d.unfixed = append(d.unfixed, name)
		case g.typ == "deb":
			d.debs = append(d.debs, g.binaries...)
		case g.typ == "golang" && g.name == "stdlib" && len(g.paths) > 0:
			// The fix of Go's standard library is in the compiler that builds a program.
			for _, p := range g.paths {
				d.rebuild = append(d.rebuild, clean(path.Base(p), 50)+" with Go "+clean(g.fixed, 40))
			}
		default:
			d.upgrade = append(d.upgrade, name+" to "+clean(g.fixed, 40))
		}
		d.ofSystem = d.ofSystem || g.fixed != "" && (g.typ == "apk" || g.typ == "rpm")
	}
	return d
}

// upgrade says how to fix the findings, in at most most lines.
func (t *text) upgrade(most int) []string {
	d := t.todo()
	var lines []string
	say := func(s string) {
		if len(lines) >= most {
			return
		}
		label := ""
		if len(lines) == 0 {
			label = "fix:"
		}
		lines = append(lines, t.labelled(label, s, 1)...)
	}
	if len(d.remove) > 0 {
		say("remove " + few(d.remove) + ": malicious; and change every secret that it could read")
	}
	blocked := t.System.Repositories
	if blocked != nil && (len(d.debs) > 0 || d.ofSystem) {
		lines = append(lines, t.unblock(*blocked, len(d.debs) > 0, most-len(lines), len(lines) == 0)...)
		d.debs = nil
	}
	if room := most - len(lines); len(d.debs) > 0 && room >= 2 {
		say("add to the Dockerfile before the scan, or --pull a newer base image:")
		lines = append(lines, t.apt(d.debs, room-1)...)
	}
	var byHand []string // no single command does these
	if len(d.rebuild) > 0 {
		byHand = append(byHand, "rebuild "+few(d.rebuild))
	}
	if len(d.upgrade) > 0 {
		byHand = append(byHand, "upgrade "+few(d.upgrade))
	}
	if len(byHand) > 0 {
		say(strings.Join(byHand, "; "))
	}
	if len(lines) == 0 && len(d.paid) > 0 {
		say("the fix needs a subscription: " + few(d.paid) + "; leave it out, or use another base image")
	}
	if len(lines) == 0 && len(d.unfixed) > 0 {
		say("no fix exists for " + few(d.unfixed) + ": leave it out, or use another base image")
	}
	return lines
}

// unblock says what to do if the repositories of the image do not have the fixes. If
// there is room, it has the commands for apt.
func (t *text) unblock(r Repositories, apt bool, most int, first bool) []string {
	label := ""
	if first {
		label = "fix:"
	}
	if most <= 0 {
		return nil
	}
	missing := clean(r.Missing, 40)
	switch {
	case r.Missing == "" || !pasteable(r.Add):
		return t.labelled(label, "use a newer base image: this one has no package repository with the fixes", most)
	case !apt:
		return t.labelled(label, "add "+clean(r.Add, 90)+" to /etc/apk/repositories, which has no "+missing, min(2, most))
	}
	indent := pad("", labels)
	command := []string{
		indent + "RUN echo '" + r.Add + `' \`,
		indent + "    >>/etc/apt/sources.list && apt-get update && apt-get -y upgrade",
	}
	if most > 2 && max(len(command[0]), len(command[1])) <= t.width {
		say := t.labelled(label, "add to the Dockerfile before the scan (the image's apt sources lack "+missing+"):", 1)
		return append(say, command...)
	}
	short := t.labelled(label, "upgrade after adding '"+r.Add+"' to its apt sources", min(2, most))
	if strings.HasSuffix(short[len(short)-1], "...") {
		return t.labelled(label, "add "+missing+" to its apt sources, then upgrade", most)
	}
	return short
}

// pasteable reports whether s is safe to paste into a shell between single quotes.
func pasteable(s string) bool {
	return s != "" && len(s) <= 120 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(" :/.-", r)
	})
}

// apt returns the command that upgrades Debian packages, ready to paste. It upgrades all
// packages if the names do not fit into most lines.
func (t *text) apt(names []string, most int) []string {
	const (
		update = "RUN apt-get update && apt-get "
		named  = "install -y --only-upgrade"
		few    = 5
	)
	slices.Sort(names)
	names = slices.Compact(names)
	indent := pad("", labels)
	every := []string{indent + update + "-y upgrade"}
	// The names come from the image and people run this line, so only valid names are in it.
	if len(names) > few || slices.ContainsFunc(names, func(n string) bool { return !debianName(n) }) {
		return every
	}
	list := strings.Join(names, " ")
	if one := indent + update + named + " " + list; len(one) <= t.width {
		return []string{one}
	}
	two := []string{indent + update + named + ` \`, indent + "    " + list}
	if most < 2 || max(len(two[0]), len(two[1])) > t.width {
		return every
	}
	return two
}

// debianName reports whether s is a valid package name by section 5.6.1 of the Debian
// policy.
func debianName(s string) bool {
	for i, r := range s {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
		case i > 0 && strings.ContainsRune("+-.", r):
		default:
			return false
		}
	}
	return len(s) >= 2
}

// few returns the first names and the number of the others.
func few(names []string) string {
	const most = 3
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + " and " + number(more) + " more"
	}
	return strings.Join(names, ", ")
}
