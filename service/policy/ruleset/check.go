package ruleset

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"assay/service/policy/ignore"
	"assay/verdict"
)

// Check returns what contradicts itself in a policy, or has no effect, one sentence each.
func (p *Policy) Check(now time.Time) []string {
	var found []string
	all := p.For("", "")
	for _, s := range p.sections {
		e := all
		if s.kind != "all" {
			e = p.withAll(s)
		}
		o := e.Options()
		for _, d := range s.defaults {
			asked := verdict.DefaultOptions()
			d.Option.Set(&asked, d.Value)
			if by := e.weaker(d.Option, asked); by != nil {
				found = append(found, fmt.Sprintf("%s: the default %s=%s in line %d never counts, because line %d requires %s",
					s.name(), d.Option.Name, d.Value, d.Line, by.Line, by.Value))
			}
		}
		for i, m := range s.mandatory {
			asked := verdict.DefaultOptions()
			m.Option.Set(&asked, m.Value)
			for _, other := range append(earlier(all, s), s.mandatory[:i]...) {
				than := verdict.DefaultOptions()
				other.Option.Set(&than, other.Value)
				if other.Option.Name == m.Option.Name && m.Option.WeakerThan(asked, than) {
					found = append(found, fmt.Sprintf("%s: %s=%s in line %d is weaker than line %d, which holds here too",
						s.name(), m.Option.Name, m.Value, m.Line, other.Line))
				}
			}
		}
		if o.FailOn == verdict.FailOnNone && o.FailOnEPSS == 0 && o.FailOnUnfixed {
			found = append(found, s.name()+": fail-on-unfixed has no effect, because no severity fails")
		}
		found = append(found, s.checkName()...)
		found = append(found, s.checkRatchet(all, e)...)
		found = append(found, s.checkRules(e, now)...)
	}
	return found
}

// checkName returns what is wrong with the pattern of a section.
func (s section) checkName() []string {
	problem := ""
	switch p := s.pattern; {
	case s.kind == "all":
	case strings.TrimSpace(p) != p, strings.ContainsFunc(p, func(r rune) bool { return !unicode.IsPrint(r) }):
		problem = "no name has spaces around it or characters that cannot be printed, so the section is never about a scan"
	case strings.Contains(p, "**"):
		problem = "\"**\" means the same as \"*\", which matches no slash: use one pattern for each depth, such as shop/* and shop/*/*"
	case strings.HasPrefix(p, "/"), strings.HasSuffix(p, "/"):
		problem = "the slash at the beginning or the end is part of the name"
	case strings.ContainsAny(p, "?[]{}^$+|\\"):
		problem = "only \"*\" is special, the other characters are part of the name"
	}
	if problem == "" {
		return nil
	}
	return []string{s.name() + ": " + problem}
}

// longGrace is the grace of a ratchet from which known findings hardly ever fail.
const longGrace = 365 * 24 * time.Hour

// checkRatchet returns contradictions of the ratchet of a section. all is what the section
// all says, and e what it says together with s.
func (s section) checkRatchet(all, e *Effective) []string {
	r := s.ratchet
	if r == nil {
		return nil
	}
	var found []string
	add := func(format string, args ...any) {
		found = append(found, fmt.Sprintf("%s: ", s.name())+fmt.Sprintf(format, args...))
	}
	if r.Against == "" {
		if s.kind == "all" || all.Ratchet == nil && s.kind == "project" {
			add("the ratchet that line %d turns off is on nowhere before", r.Line)
		}
		return found
	}
	if s.pattern == r.Against && s.kind == "project" {
		add("line %d names the project %s as the ref to compare with", r.Line, r.Against)
	}
	held := func(name string) *Setting {
		for i, m := range e.Mandatory {
			if m.Option.Name == name && (s.kind != "token" || slices.ContainsFunc(all.Mandatory, func(o Setting) bool { return o.Line == m.Line })) {
				return &e.Mandatory[i]
			}
		}
		return nil
	}
	if m := held("fail-on"); m == nil || m.Value == string(verdict.FailOnNone) {
		add("a build can pass as %s with weaker options and so make its findings known, because no mandatory fail-on holds for all tokens", r.Against)
	}
	if r.Grace.Duration() > longGrace {
		add("the grace of the ratchet, %s in line %d, is longer than a year", r.Grace, r.Line)
	}
	o := e.Options()
	if o.Grace > r.Grace {
		add("what a build introduces has a grace of %s by default, which is longer than the %s of the ratchet in line %d", o.Grace, r.Grace, r.Line)
	}
	if m := held("grace"); m != nil {
		most := verdict.DefaultOptions()
		m.Option.Set(&most, m.Value)
		if r.Grace > most.Grace {
			add("the grace of the ratchet, %s in line %d, is longer than the %s that line %d requires, and known findings have it", r.Grace, r.Line, most.Grace, m.Line)
		}
	}
	return found
}

// withAll returns what the sections all and s say together.
func (p *Policy) withAll(s section) *Effective {
	two := &Policy{Version: p.Version}
	for _, other := range p.sections {
		if other.kind == "all" {
			two.sections = append(two.sections, other)
		}
	}
	s.kind = "all"
	two.sections = append(two.sections, s)
	return two.For("", "")
}

// earlier returns the mandatory values of the section all that hold for another one.
func earlier(all *Effective, s section) []Setting {
	if s.kind == "all" {
		return nil
	}
	return append([]Setting(nil), all.Mandatory...)
}

// weaker returns the mandatory value that an option is weaker than, or nil.
func (e *Effective) weaker(d verdict.Option, o verdict.Options) *Setting {
	required := e.required()
	for i, m := range required {
		than := verdict.DefaultOptions()
		m.Option.Set(&than, m.Value)
		if m.Option.Name == d.Name && d.WeakerThan(o, than) {
			return &required[i]
		}
	}
	return nil
}

// checkRules returns the exceptions and forbidden findings of a section that have no effect.
func (s section) checkRules(e *Effective, now time.Time) []string {
	var found []string
	for _, r := range slices.Concat(s.exceptions, s.forbidden) {
		if why := r.UnknownID(); why != "" {
			found = append(found, fmt.Sprintf("%s: %s matches no finding, because %s", s.name(), r.Title(), why))
		}
	}
	for _, r := range s.forbidden {
		if r.Expired(now) {
			found = append(found, fmt.Sprintf("%s: %s is forbidden no longer since %s", s.name(), r.Title(), r.Expires.UTC().Format(time.DateOnly)))
		}
	}
	for _, r := range s.exceptions {
		if r.Expired(now) {
			found = append(found, fmt.Sprintf("%s: the exception of %s expired on %s", s.name(), r.Title(), r.Expires.UTC().Format(time.DateOnly)))
		}
		for _, f := range e.Forbidden {
			if covers(f, r) {
				found = append(found, fmt.Sprintf("%s: the exception of %s never counts, because line %d forbids the same", s.name(), r.Title(), f.Line))
			}
		}
	}
	return found
}

// covers reports whether a rule that forbids is about the vulnerability or the package of an
// exception, and has no other condition.
func covers(forbidden, accepted *ignore.Rule) bool {
	if len(forbidden.PURLs)+len(forbidden.Paths)+len(forbidden.Types) > 0 || forbidden.Versions+forbidden.FixState+forbidden.Source+
		forbidden.SourcePattern+forbidden.PackagePattern != "" {
		return false
	}
	return (forbidden.ID == "" || forbidden.ID == accepted.ID) && (forbidden.Package == "" || forbidden.Package == accepted.Package)
}
