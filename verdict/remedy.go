package verdict

import (
	"path"
	"slices"
	"strings"
)

// remedy says what to do first, on most lines at the most, two or more.
func (t *text) remedy(most int) []string {
	var lines []string
	if t.Decision.Outcome == Fail {
		lines = t.upgrade(most)
	}
	for _, r := range t.Decision.Reasons {
		if r.Hint == "" || len(lines) >= most {
			continue
		}
		// The fix of findings was just said, better than a rule can.
		if len(lines) > 0 && failsFinding(r.Rule) {
			continue
		}
		lines = append(lines, t.labelled("hint:", r.Hint, most-len(lines))...)
	}
	return lines
}

// upgrade is what mends the findings.
func (t *text) upgrade(most int) []string {
	var malicious, debs, others, programs, paid, unfixed []string
	for _, g := range t.failing {
		switch {
		case g.malicious:
			malicious = append(malicious, clean(g.name, 50)+" "+clean(g.installed, 40))
		case g.fixed == "" && g.subscription != "":
			paid = append(paid, clean(g.name, 50)+" by "+clean(g.subscription, 40))
		case g.fixed == "":
			unfixed = append(unfixed, clean(g.name, 50))
		case g.typ == "deb":
			debs = append(debs, g.binaries...)
		case g.typ == "golang" && g.name == "stdlib" && len(g.paths) > 0:
			// Nothing in an image can be upgraded for it.
			for _, p := range g.paths {
				programs = append(programs, clean(path.Base(p), 50)+" with Go "+clean(g.fixed, 40))
			}
		default:
			others = append(others, clean(g.name, 50)+" to "+clean(g.fixed, 40))
		}
	}
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
	if len(malicious) > 0 {
		say("remove " + few(malicious) + ": malicious; and change every secret that it could read")
	}
	blocked := t.System.Repositories
	if blocked != nil && (len(debs) > 0 || t.ofSystem()) {
		lines = append(lines, t.unblock(*blocked, len(debs) > 0, most-len(lines), len(lines) == 0)...)
		debs = nil
	}
	if room := most - len(lines); len(debs) > 0 && room >= 2 {
		say("add to the Dockerfile before the scan, or --pull a newer base image:")
		lines = append(lines, t.apt(debs, room-1)...)
	}
	var apart []string // what no one command does
	if len(programs) > 0 {
		apart = append(apart, "rebuild "+few(programs))
	}
	if len(others) > 0 {
		apart = append(apart, "upgrade "+few(others))
	}
	if len(apart) > 0 {
		say(strings.Join(apart, "; "))
	}
	if len(lines) == 0 && len(paid) > 0 {
		say("a fix is given for " + few(paid) + " alone: leave it out, or take another base image")
	}
	if len(lines) == 0 && len(unfixed) > 0 {
		say("no fix exists for " + few(unfixed) + ": leave it out, or take another base image")
	}
	return lines
}

// ofSystem reports whether a package of apk or rpm fails and has a fix.
func (t *text) ofSystem() bool {
	return slices.ContainsFunc(t.failing, func(g group) bool { return (g.typ == "apk" || g.typ == "rpm") && g.fixed != "" })
}

// unblock says what to do where the repositories of the image do not have the fixes:
// with the command for apt, as far as there is room.
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
		return t.labelled(label, "take a newer base image: this one has no package repository with the fixes", most)
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

// pasteable reports whether s means itself in a shell between single quotes, and in a
// log.
func pasteable(s string) bool {
	return s != "" && len(s) <= 120 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(" :/.-", r)
	})
}

// apt is the command that upgrades Debian packages, ready to paste: by name as
// long as that fits, else everything.
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
	// The names come from the image, and this line is made to be run.
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

// debianName reports whether s is a package's name by Debian's policy, 5.6.1.
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

// few is the first of names, and the number of the others.
func few(names []string) string {
	const most = 3
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + " and " + number(more) + " more"
	}
	return strings.Join(names, ", ")
}
