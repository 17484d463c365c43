// Package ruleset reads the policy of the service: what holds for all scans, for those of a
// project and for those of a token. Its versions are kept in the store.
package ruleset

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"assay/service/policy/ignore"
	"assay/service/policy/yamltext"
	"assay/verdict"
)

// MaxBytes bounds the file of a policy.
const MaxBytes = yamltext.MaxBytes

// A Policy is one version of the policy of the service.
type Policy struct {
	Version  int // 0 if it is not stored
	sections []section
}

// A section holds for all scans, or for those of a project or a token.
type section struct {
	kind    string // "all", "project" or "token"
	pattern string // of the name; empty for all
	line    int

	defaults, mandatory   []Setting
	noIgnoreFiles, noVEX  int // the line that says so, or 0
	exceptions, forbidden []*ignore.Rule
	ratchet               *Ratchet
	cpe                   *Setting // whether findings by CPE fail; nil if it says nothing
}

// A Ratchet is the rule that findings which a reference has as well get a grace.
type Ratchet struct {
	// Against is the ref whose newest scan that passed is the reference. It is empty if the
	// section turns off the ratchet of an earlier one.
	Against string
	Grace   verdict.Seconds
	Line    int
}

// A Setting is the value of an option.
type Setting struct {
	Option verdict.Option
	Value  string
	Line   int
}

// Effective is what a policy says about one scan. A nil pointer says nothing.
type Effective struct {
	verdict.Policy
	// Defaults are the values of options that a build may change, later ones first in
	// rank. Mandatory are the weakest values that a build may have.
	Defaults, Mandatory []Setting
	// loosened are the options of loosening that are mandatory themselves.
	loosened []string
	// NoIgnoreFiles and NoVEX are the lines that forbid a build to bring files, or 0.
	NoIgnoreFiles, NoVEX int
	// Exceptions accept findings, and Forbidden make them fail whatever accepts them.
	Exceptions, Forbidden []*ignore.Rule
	// Inherited says that the project may come from the base image. A ratchet then has no
	// reference.
	Inherited bool
	// Ratchet is nil if there is none.
	Ratchet *Ratchet
	// ListCPE is the line that says that findings by CPE are listed and do not fail, or 0.
	ListCPE int
}

// loosening are the options with which a build could get around a mandatory fail-on.
var loosening = []string{"grace", "unrated", failOnBase}

const failOnBase = "fail-on-base"

// Written says where a line of the policy is.
func (e *Effective) Written(line int) string {
	return fmt.Sprintf("policy version %d line %d", e.Version, line)
}

// Parse reads the file of a policy.
func Parse(b []byte) (*Policy, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("more than %d bytes", MaxBytes)
	}
	if !utf8.Valid(b) {
		return nil, errors.New("not UTF-8")
	}
	top, err := yamltext.Read(b)
	if err != nil {
		return nil, err
	}
	p := new(Policy)
	if top == nil {
		return nil, errors.New("the policy is empty; an empty section \"all:\" has no rules")
	}
	err = yamltext.Fields(top, func(key string, v *yaml.Node) error {
		switch key {
		case "all":
			return p.section(v, section{kind: "all", line: v.Line})
		case "projects", "tokens":
			return yamltext.Fields(v, func(name string, v *yaml.Node) error {
				if name == "" {
					return fmt.Errorf("line %d: invalid name %q", v.Line, verdict.Short(name))
				}
				return p.section(v, section{kind: strings.TrimSuffix(key, "s"), pattern: name, line: v.Line})
			})
		}
		return yamltext.Unknown(key, v)
	})
	if err != nil {
		return nil, err
	}
	rank := []string{"all", "project", "token"}
	slices.SortStableFunc(p.sections, func(a, b section) int {
		return cmp.Compare(slices.Index(rank, a.kind), slices.Index(rank, b.kind))
	})
	return p, nil
}

func (p *Policy) section(n *yaml.Node, s section) error {
	err := yamltext.Fields(n, func(key string, v *yaml.Node) (err error) {
		switch key {
		case "default":
			s.defaults, err = settings(v)
		case "mandatory":
			s.mandatory, err = settings(v)
		case "ignore-files":
			s.noIgnoreFiles, err = refused(v)
		case "vex":
			s.noVEX, err = refused(v)
		case "exceptions":
			s.exceptions, err = ignore.ParseRules(v)
		case "forbidden":
			s.forbidden, err = ignore.ParseRules(v)
		case "ratchet":
			s.ratchet, err = ratchet(v)
		case "cpe":
			s.cpe, err = byCPE(v)
		default:
			err = yamltext.Unknown(key, v)
		}
		return err
	})
	p.sections = append(p.sections, s)
	return err
}

// settings reads options by name.
func settings(n *yaml.Node) ([]Setting, error) {
	var all []Setting
	err := yamltext.Fields(n, func(key string, v *yaml.Node) error {
		option, ok := verdict.DeclaredOption(key)
		if !ok || option.Effect == verdict.Label || key == "vex-product" {
			return yamltext.Unknown(key, v)
		}
		s := Setting{Option: option, Line: v.Line}
		if err := yamltext.Text(v, &s.Value); err != nil {
			return err
		}
		if !option.Set(new(verdict.Options), s.Value) {
			return fmt.Errorf("line %d: invalid value %q of %s, it takes %s", v.Line, verdict.Short(s.Value), key, option.Takes())
		}
		all = append(all, s)
		return nil
	})
	return all, err
}

// ratchet reads a ratchet, or "off".
func ratchet(n *yaml.Node) (*Ratchet, error) {
	r := &Ratchet{Line: n.Line}
	var word string
	if yamltext.Text(n, &word) == nil {
		if word != "off" {
			return nil, fmt.Errorf("line %d: invalid value %q of ratchet, want off, or against and grace", n.Line, verdict.Short(word))
		}
		return r, nil
	}
	err := yamltext.Fields(n, func(key string, v *yaml.Node) error {
		switch key {
		case "against":
			if err := yamltext.Text(v, &r.Against); err != nil {
				return err
			}
			if ref, _ := verdict.DeclaredOption("ref"); !ref.Set(new(verdict.Options), r.Against) {
				return fmt.Errorf("line %d: invalid value %q of against, it takes %s", v.Line, verdict.Short(r.Against), ref.Takes())
			}
			return nil
		case "grace":
			var text string
			if err := yamltext.Text(v, &text); err != nil {
				return err
			}
			if r.Grace.UnmarshalText([]byte(text)) != nil || r.Grace <= 0 {
				return fmt.Errorf("line %d: invalid value %q of grace, it takes a time such as 14d", v.Line, verdict.Short(text))
			}
			return nil
		}
		return yamltext.Unknown(key, v)
	})
	if err == nil && (r.Against == "" || r.Grace == 0) {
		err = fmt.Errorf("line %d: a ratchet needs against and grace", n.Line)
	}
	return r, err
}

// The values of cpe.
const (
	listCPE = "list" // the verdict lists findings by CPE, and they do not fail
	failCPE = "fail" // they fail like others
)

// byCPE reads what findings by CPE do.
func byCPE(v *yaml.Node) (*Setting, error) {
	s := &Setting{Line: v.Line}
	if err := yamltext.Text(v, &s.Value); err != nil {
		return nil, err
	}
	if s.Value != listCPE && s.Value != failCPE {
		return nil, fmt.Errorf("line %d: invalid value %q of cpe, want %s or %s", v.Line, verdict.Short(s.Value), listCPE, failCPE)
	}
	return s, nil
}

// refused reads whether builds may do something, and returns the line if they may not.
func refused(v *yaml.Node) (line int, err error) {
	var s string
	if err := yamltext.Text(v, &s); err != nil {
		return 0, err
	}
	switch s {
	case "allowed":
		return 0, nil
	case "refused":
		return v.Line, nil
	}
	return 0, fmt.Errorf("line %d: invalid value %q, want allowed or refused", v.Line, verdict.Short(s))
}

// about reports whether the section is about a scan.
func (s section) about(project, token string) bool {
	switch s.kind {
	case "project":
		return project != "" && matches(s.pattern, project)
	case "token":
		return token != "" && matches(s.pattern, token)
	}
	return true
}

// matches reports whether a name matches a pattern, in which "*" stands for any characters
// but a slash.
func matches(pattern, name string) bool {
	ok, err := path.Match(literal.Replace(pattern), name)
	return ok && err == nil
}

// literal escapes what else is special in a pattern of package path, because a name may have it.
var literal = strings.NewReplacer(`\`, `\\`, `?`, `\?`, `[`, `\[`)

// Sections returns the names of the sections, as verdicts have them.
func (p *Policy) Sections() []string {
	var names []string
	for _, s := range p.sections {
		names = append(names, s.name())
	}
	return names
}

func (s section) name() string { return strings.TrimSpace(s.kind + " " + s.pattern) }

// For returns what the policy says about a scan of a project, with a token. The sections
// count in the order all, projects, tokens. A later default or ratchet replaces an earlier one, and
// mandatory values add up.
func (p *Policy) For(project, token string) *Effective { return p.effective(project, token, false) }

// ForInherited is like For, for a project that an environment variable names. A build
// inherits it from its base image, so the sections of the project may only be stricter: they
// accept nothing, and their weaker defaults do not count.
func (p *Policy) ForInherited(project, token string) *Effective {
	return p.effective(project, token, true)
}

func (p *Policy) effective(project, token string, inherited bool) *Effective {
	if p == nil {
		return nil
	}
	e := &Effective{Policy: verdict.Policy{Version: p.Version, Sections: []string{}}, Inherited: inherited}
	for _, s := range p.sections {
		if !s.about(project, token) {
			continue
		}
		e.Sections = append(e.Sections, s.name())
		if inherited && s.kind == "project" {
			s.exceptions, s.defaults = nil, e.notWeaker(s.defaults)
		}
		e.Defaults = append(e.Defaults, s.defaults...)
		e.Mandatory = append(e.Mandatory, s.mandatory...)
		for _, m := range s.mandatory {
			if !inherited || s.kind != "project" { // which only makes the policy stricter
				e.loosened = append(e.loosened, m.Option.Name)
			}
		}
		e.NoIgnoreFiles = cmp.Or(e.NoIgnoreFiles, s.noIgnoreFiles)
		e.NoVEX = cmp.Or(e.NoVEX, s.noVEX)
		e.Exceptions = append(e.Exceptions, s.exceptions...)
		e.Forbidden = append(e.Forbidden, s.forbidden...)
		e.Ratchet = cmp.Or(s.ratchet, e.Ratchet)
		switch {
		case s.cpe == nil:
		case s.cpe.Value == failCPE:
			e.ListCPE = 0
		case !inherited || s.kind != "project":
			e.ListCPE = s.cpe.Line
		}
	}
	if e.Ratchet != nil && e.Ratchet.Against == "" {
		e.Ratchet = nil
	}
	return e
}

// notWeaker returns the defaults that are not weaker than those before them.
func (e *Effective) notWeaker(defaults []Setting) []Setting {
	o := e.Options()
	return slices.DeleteFunc(slices.Clone(defaults), func(s Setting) bool {
		own := o
		s.Option.Set(&own, s.Value)
		// A value for the base image could become weaker than a later fail-on.
		return s.Option.Name == failOnBase || s.Option.WeakerThan(own, o)
	})
}

// Options returns the options of a scan that sends none.
func (e *Effective) Options() verdict.Options {
	o := verdict.DefaultOptions()
	if e == nil {
		return o
	}
	for _, s := range e.Defaults {
		s.Option.Set(&o, s.Value)
	}
	return o
}

// required returns the mandatory values. With a mandatory fail-on, those of the options that
// could get around it are their defaults, unless they are mandatory themselves. Findings of the
// base image have no default of their own then: each mandatory fail-on holds for them, because
// a build chooses what it calls its base image.
func (e *Effective) required() []Setting {
	all := slices.Clone(e.Mandatory)
	first := slices.IndexFunc(all, isFailOn)
	if first < 0 {
		return all
	}
	for _, name := range loosening {
		if slices.Contains(e.loosened, name) {
			continue
		}
		option, _ := verdict.DeclaredOption(name)
		if name != failOnBase {
			all = append(all, Setting{Option: option, Value: option.Value(e.Options()), Line: all[first].Line})
			continue
		}
		for _, s := range e.Mandatory {
			if isFailOn(s) {
				all = append(all, Setting{Option: option, Value: s.Value, Line: s.Line})
			}
		}
	}
	return all
}

func isFailOn(s Setting) bool { return s.Option.Name == "fail-on" }

// Require makes options at least as strict as the mandatory values. It calls changed for
// each value that it changed.
func (e *Effective) Require(o *verdict.Options, changed func(s Setting, was string)) {
	if e == nil {
		return
	}
	all := e.required()
	// fail-on first, because it counts for the base image unless fail-on-base is given.
	last := func(s Setting) int {
		if s.Option.Name == failOnBase {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b Setting) int { return cmp.Compare(last(a), last(b)) })
	for _, s := range all {
		than := verdict.DefaultOptions()
		s.Option.Set(&than, s.Value)
		if s.Option.WeakerThan(*o, than) {
			was := s.Option.Value(*o)
			s.Option.Strengthen(o, than)
			changed(s, was)
		}
	}
}
