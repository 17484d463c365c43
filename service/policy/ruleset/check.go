package ruleset

import (
	"fmt"
	"time"

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
		found = append(found, s.checkRules(e, now)...)
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
	for i, m := range e.Mandatory {
		than := verdict.DefaultOptions()
		m.Option.Set(&than, m.Value)
		if m.Option.Name == d.Name && d.WeakerThan(o, than) {
			return &e.Mandatory[i]
		}
	}
	return nil
}

// checkRules returns the exceptions of a section that accept nothing.
func (s section) checkRules(e *Effective, now time.Time) []string {
	var found []string
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
