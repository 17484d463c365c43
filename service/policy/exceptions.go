package policy

import (
	"fmt"
	"slices"
	"time"

	"assay/remote/cyclonedx"
	"assay/remote/purl"
	"assay/service/match"
	"assay/service/policy/ignore"
	"assay/service/policy/ruleset"
	"assay/service/policy/vex"
	"assay/verdict"
)

// Bounds of the files of a scan.
const (
	maxFiles = 20
	// maxGeneral bounds the exceptions that name neither a vulnerability nor a package,
	// because each is compared with each package.
	maxGeneral = 1000
	maxNamed   = 20 // entries that a verdict names
	// maxWork bounds the comparisons with packages, which then take some ten seconds.
	maxWork = 30_000_000
)

// Exceptions are the files of exceptions and VEX statements of one scan. A nil pointer has none.
type Exceptions struct {
	// Refused are the files that the policy of the service refuses.
	Refused []verdict.IgnoredOption

	service    *ruleset.Effective
	forbidden  []*ignore.Rule
	files      []*exceptionFile
	byID       map[string][]*entry
	byName     map[string][]*entry     // of those without an id, by the name of the package
	general    []*entry                // the others
	statements map[string][]*statement // by the ids of their vulnerabilities
	product    *purl.PURL              // of the image in statements, or nil
	badProduct error
	work       int // comparisons so far
	// about has the entries without an id that match a package.
	about map[*verdict.Package][]*entry
}

type exceptionFile struct {
	verdict.ExceptionFile
	kind       string // of cyclonedx.File
	entries    []*entry
	statements []*statement
}

// An entry is one exception, and whether it matched a finding.
type entry struct {
	*ignore.Rule
	file    *exceptionFile
	matched bool
}

// A statement is one VEX statement, and whether it is about a finding.
type statement struct {
	*vex.Statement
	file    *exceptionFile
	matched bool
}

// ReadExceptions reads the files of a scan. product is the purl of the image in VEX
// statements, or empty. service, which may be nil, is the policy of the service, whose
// exceptions come first. What cannot be read is in the result, and makes the answer
// untrusted.
func ReadExceptions(files []cyclonedx.File, product string, service *ruleset.Effective) *Exceptions {
	x := &Exceptions{
		byID: map[string][]*entry{}, byName: map[string][]*entry{}, about: map[*verdict.Package][]*entry{},
		statements: map[string][]*statement{},
	}
	if product != "" {
		x.product = new(purl.PURL)
		x.badProduct = x.product.Parse(product)
	}
	if service != nil {
		x.addService(service)
	}
	files = slices.DeleteFunc(slices.Clone(files), cyclonedx.File.Baseline) // see ReadBaseline
	for i, f := range files {
		read := &exceptionFile{ExceptionFile: verdict.ExceptionFile{File: f.Name}, kind: f.Kind}
		x.files = append(x.files, read)
		err := fmt.Errorf("unknown kind %q of file", verdict.Short(f.Kind))
		switch {
		case i >= maxFiles:
			err = fmt.Errorf("more than %d files", maxFiles)
		case x.refused(service, f):
			err = nil
		case f.Kind == cyclonedx.FileIgnore:
			err = x.addRules(read, f)
		case f.Kind == cyclonedx.FileVEX:
			err = x.addStatements(read, f)
		}
		if err != nil {
			read.Error = err.Error()
		}
		if i >= maxFiles {
			break
		}
	}
	return x
}

// addService adds the exceptions of the service, and what it forbids.
func (x *Exceptions) addService(service *ruleset.Effective) {
	x.service = service
	by := &exceptionFile{ExceptionFile: verdict.ExceptionFile{File: fmt.Sprintf("policy version %d", service.Version)}}
	for _, r := range service.Exceptions {
		x.add(by, r)
	}
	x.forbidden = service.Forbidden
}

// refused reports whether the policy of the service refuses a file.
func (x *Exceptions) refused(service *ruleset.Effective, f cyclonedx.File) bool {
	if service == nil {
		return false
	}
	line, flag := service.NoIgnoreFiles, "ignore-file"
	if f.Kind == cyclonedx.FileVEX {
		line, flag = service.NoVEX, "vex"
	}
	if line == 0 {
		return false
	}
	x.Refused = append(x.Refused, verdict.IgnoredOption{Name: flag, Value: f.Name, Origin: flagOrigin,
		Reason: "the policy of the service refuses it (" + service.Written(line) + ")"})
	return true
}

// forbids returns the grounds on which the policy of the service forbids a finding, or nil.
func (x *Exceptions) forbids(f match.Finding, now time.Time) *verdict.Grounds {
	if x == nil {
		return nil
	}
	for _, r := range x.forbidden {
		if !r.Expired(now) && r.MayMatch(f) {
			g := &verdict.Grounds{By: r.By, Reason: r.Reason, Written: x.service.Written(r.Line)}
			if !r.Expires.IsZero() {
				g.Until = &r.Expires
			}
			return g
		}
	}
	return nil
}

func (x *Exceptions) addRules(read *exceptionFile, f cyclonedx.File) error {
	parsed, err := ignore.Parse(f.Name, f.Body)
	read.Format = parsed.Format
	if err != nil {
		return err
	}
	general := len(x.general)
	for _, r := range parsed.Rules {
		if r.ID == "" && r.Package == "" {
			general++
		}
	}
	if general > maxGeneral {
		return fmt.Errorf("more than %d exceptions without an id or the name of a package", maxGeneral)
	}
	read.Entries = len(parsed.Rules)
	for _, r := range parsed.Rules {
		read.entries = append(read.entries, x.add(read, r))
	}
	return nil
}

// add adds an entry of a file.
func (x *Exceptions) add(file *exceptionFile, r *ignore.Rule) *entry {
	e := &entry{Rule: r, file: file}
	switch {
	case r.ID != "":
		x.byID[r.ID] = append(x.byID[r.ID], e)
	case r.Package != "":
		x.byName[r.Package] = append(x.byName[r.Package], e)
		if python := ignore.PythonName(r.Package); python != r.Package {
			x.byName[python] = append(x.byName[python], e)
		}
	default:
		x.general = append(x.general, e)
	}
	return e
}

func (x *Exceptions) addStatements(read *exceptionFile, f cyclonedx.File) error {
	doc, err := vex.Parse(f.Name, f.Body)
	read.Format = doc.Format
	if err != nil {
		return err
	}
	read.Entries = len(doc.Statements)
	for _, s := range doc.Statements {
		st := &statement{Statement: s, file: read}
		read.statements = append(read.statements, st)
		for _, id := range slices.Compact(slices.Sorted(slices.Values(s.IDs))) {
			x.statements[id] = append(x.statements[id], st)
		}
	}
	return nil
}

// vex returns the grounds of the newest VEX statement about a finding, if it says that the
// vulnerability does not apply. If the newest ones contradict each other, none counts. A
// statement without a time that says otherwise may be the newest, and one that accepts only
// counts from its time on.
func (x *Exceptions) vex(f match.Finding, now time.Time) *acceptance {
	if x == nil || len(x.statements) == 0 {
		return nil
	}
	var newest *statement
	contradicted, undated := false, false
	for _, id := range append([]string{f.ID}, f.Aliases...) {
		for _, s := range x.statements[id] {
			if !x.affords(s.Size) || !s.About(f.Package, x.product) {
				continue
			}
			s.matched = true
			switch {
			case s.Accepts() && s.At.After(now.Add(verdict.ClockSkew)):
			case s.At.IsZero() && !s.Accepts():
				undated = true
			case newest == nil || s.At.After(newest.At):
				newest, contradicted = s, false
			case s.At.Equal(newest.At) && s.Accepts() != newest.Accepts():
				contradicted = true
			}
		}
	}
	if newest == nil || contradicted || undated || !newest.Accepts() || f.Malicious {
		return nil
	}
	g := verdict.Grounds{By: newest.By, Reason: newest.Reason, Written: fmt.Sprintf("%s statement %d", newest.file.File, newest.N)}
	return &acceptance{g, newest.file}
}

// accept returns the acceptance of a finding by an exception, or nil. expired is that of an
// exception that would if it had not expired.
func (x *Exceptions) accept(f match.Finding, now time.Time) (accepted, expired *acceptance) {
	if x == nil {
		return nil, nil
	}
	var by *entry
	look := func(list []*entry) {
		for _, e := range list {
			if !x.affords(e.Size()) || !e.Matches(f) {
				continue
			}
			e.matched = true
			switch {
			case f.Malicious, f.KnownExploited && e.ID == "":
			case e.Expired(now) && expired == nil:
				expired = e.acceptance("its exception expired on " + e.Expires.UTC().Format(time.DateOnly))
			case !e.Expired(now) && by == nil:
				by = e
			}
		}
	}
	look(x.byID[f.ID])
	for _, alias := range f.Aliases {
		look(x.byID[alias])
	}
	look(x.of(f.Package))
	if by != nil {
		return by.acceptance(""), nil
	}
	return x.listed(f), expired
}

// listed returns the acceptance of a finding by CPE, if the policy of the service only lists such
// findings, or nil. A finding that is known to be exploited is accepted only by its id.
func (x *Exceptions) listed(f match.Finding) *acceptance {
	if x.service == nil || x.service.ListCPE == 0 || !f.ByCPE() || f.Malicious || f.KnownExploited {
		return nil
	}
	written := x.service.Written(x.service.ListCPE)
	return &acceptance{verdict.Grounds{Reason: "it was matched by CPE", Written: written}, new(exceptionFile)}
}

// of returns the entries without an id that may match a package.
func (x *Exceptions) of(p *verdict.Package) []*entry {
	if len(x.byName)+len(x.general) == 0 {
		return nil
	}
	list, ok := x.about[p]
	if !ok {
		names := ignore.PackageNames(p)
		if python := ignore.PythonName(p.Name); p.Type == "pypi" && python != p.Name {
			names = append(names, python)
		}
		for _, name := range names {
			list = append(list, x.byName[name]...)
		}
		for _, e := range x.general {
			if x.affords(e.Size()) && e.MatchesPackage(p) {
				list = append(list, e)
			}
		}
		x.about[p] = list
	}
	return list
}

// affords reports whether there is room for some comparisons, and counts them.
func (x *Exceptions) affords(comparisons int) bool {
	x.work += comparisons
	return x.work <= maxWork
}

// An acceptance is the grounds on which a file accepts a finding.
type acceptance struct {
	verdict.Grounds
	file *exceptionFile
}

// acceptance returns the grounds of a decision by the entry. what, if not empty, comes before
// its reason.
func (e *entry) acceptance(what string) *acceptance {
	g := verdict.Grounds{By: e.By, Reason: e.Reason, Written: fmt.Sprintf("%s line %d", e.file.File, e.Line)}
	if what != "" && g.Reason != "" {
		what += ": "
	}
	g.Reason = what + g.Reason
	if !e.Expires.IsZero() {
		g.Until = &e.Expires
	}
	return &acceptance{g, e.file}
}

// unread returns a reason for each file that could not be read: the answer is not the one
// that was asked for.
func (x *Exceptions) unread() []verdict.Reason {
	if x == nil {
		return nil
	}
	var reasons []verdict.Reason
	if x.badProduct != nil {
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RuleExceptions,
			Text: "--vex-product is invalid: " + verdict.Clean(x.badProduct.Error()),
			Hint: "give the product of the VEX statements, such as pkg:oci/app",
		})
	}
	if x.work > maxWork {
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RuleExceptions,
			Text: fmt.Sprintf("the exceptions and VEX statements need more than %d comparisons with packages", maxWork),
			Hint: "name an id or a package in each, and leave out those of other images",
		})
	}
	for _, f := range x.files {
		if f.Error != "" {
			next := "docs/policy.md has the formats; assayd policy convert FILE checks a file"
			if f.kind == cyclonedx.FileVEX {
				next = "--vex reads OpenVEX, CycloneDX and CSAF in JSON, and --ignore-file reads exceptions"
			}
			reasons = append(reasons, verdict.Reason{
				Rule: verdict.RuleExceptions,
				Text: fmt.Sprintf("%s cannot be read: %s", verdict.Short(f.File), f.Error),
				Hint: next,
			})
		}
	}
	return reasons
}

// Result returns what became of the files, after Decide.
func (x *Exceptions) Result(now time.Time) []verdict.ExceptionFile {
	var all []verdict.ExceptionFile
	for _, f := range x.files {
		out := f.ExceptionFile
		for _, e := range f.entries {
			switch {
			case e.matched && e.Expired(now):
				out.Expired++
				out.ExpiredNames = named(out.ExpiredNames, fmt.Sprintf("%s on %s", e.Title(), e.Expires.UTC().Format(time.DateOnly)))
			case !e.matched:
				title := e.Title()
				if e.Inactive != "" {
					title += ", " + e.Inactive
				}
				out.Unmatched++
				out.UnmatchedNames = named(out.UnmatchedNames, title)
			}
		}
		for _, s := range f.statements {
			if !s.matched {
				out.Unmatched++
				out.UnmatchedNames = named(out.UnmatchedNames, s.Title())
			}
		}
		all = append(all, out)
	}
	return all
}

// named appends a name to a list that has room.
func named(list []string, name string) []string {
	if len(list) == maxNamed {
		return list
	}
	return append(list, name)
}
