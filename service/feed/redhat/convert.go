package redhat

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/feed/csaf"
)

// IDPrefix begins the IDs of the records. A record has one vulnerability.
const IDPrefix = "REDHAT-"

// maxProblems bounds the problems of one document that are named.
const maxProblems = 3

// A converter collects what a document says about packages.
type converter struct {
	doc      *csaf.Document
	v        *csaf.Vulnerability
	statuses map[string]advisory.Status // of affected products, by their IDs
	ratings  map[string]rating          // by the IDs of products
	products map[string]*product        // by ecosystem
	problems []string
	failed   int // problems
}

// A product is one of Red Hat's products, and what is said about its packages.
type product struct{ items []item }

// An item is what a document says about a package of a product. Items of the architectures
// and repositories of a product are equal.
type item struct {
	name   string
	kind   kind
	module module
	// fixed is the version with the fix. It is empty for all other statuses.
	fixed   string
	version string // of the package that the document names; empty for any version
	status  advisory.Status
	rating  rating
}

// A kind says what the name of an item is.
type kind uint8

const (
	binary kind = iota
	source
	either // a component, which old documents do not say more about
)

// A module is the stream of a module that a package belongs to.
type module struct {
	known  bool
	stream string // "postgresql:15"; empty for a package that belongs to no module
}

// A rating has the word and the vectors with which Red Hat rates a vulnerability in a
// product.
type rating struct{ word, v2, v3, v4 string }

// convert converts a document. It is not ok if the document says nothing about packages,
// as those of container images and Java products do. problems are what could not be read in
// it.
func convert(b []byte) (a advisory.Advisory, ok bool, problems []string, err error) {
	doc, err := csaf.Parse(b)
	if err != nil {
		return a, false, nil, err
	}
	if !advisory.IsCVE(doc.ID) {
		return a, false, nil, fmt.Errorf("the tracking ID %.40q is not a CVE ID", doc.ID)
	}
	a.ID = IDPrefix + doc.ID
	if doc.Status == "deleted" {
		return a, false, nil, nil
	}
	if doc.Category != csaf.VEX {
		return a, false, nil, fmt.Errorf("the category is %.40q, want %q", doc.Category, csaf.VEX)
	}
	if len(doc.Vulnerabilities) == 0 {
		return a, false, nil, nil
	}
	if len(doc.Vulnerabilities) > 1 {
		return a, false, nil, fmt.Errorf("the document has %d vulnerabilities, want one", len(doc.Vulnerabilities))
	}
	c := converter{doc: doc, v: &doc.Vulnerabilities[0], products: make(map[string]*product)}
	if c.v.CVE != doc.ID {
		return a, false, nil, fmt.Errorf("the document %q is about %.40q", doc.ID, c.v.CVE)
	}
	for list, ids := range c.v.Status {
		if len(ids) > 0 && !slices.Contains(statusLists, list) {
			return a, false, nil, fmt.Errorf("unknown product status %.40q", list)
		}
	}
	c.readStatuses()
	c.readRatings()
	for _, list := range statusLists {
		for _, id := range c.v.Status[list] {
			c.add(list, id)
		}
	}
	if c.failed > len(c.problems) {
		c.problems = append(c.problems, fmt.Sprintf("and %d more", c.failed-len(c.problems)))
	}
	c.describe(&a)
	return a, len(a.Affected) > 0, c.problems, nil
}

// statusLists are the lists of product statuses that Red Hat uses.
var statusLists = []string{csaf.Fixed, csaf.KnownAffected, csaf.UnderInvestigation, csaf.KnownNotAffected}

// words are the details of remediations that say what Red Hat does.
var words = map[string]advisory.Status{
	"affected":             advisory.StatusAffected,
	"fix deferred":         advisory.StatusFixDeferred,
	"out of support scope": advisory.StatusWontFix,
	"under investigation":  advisory.StatusUnderInvestigation,
	"will not fix":         advisory.StatusWontFix,
}

func (c *converter) readStatuses() {
	c.statuses = make(map[string]advisory.Status)
	for _, r := range c.v.Remediations {
		status, ok := words[strings.ToLower(strings.TrimSpace(r.Details))]
		switch {
		case r.Category != "no_fix_planned" && r.Category != "none_available":
			continue
		case !ok && r.Category == "no_fix_planned":
			status = advisory.StatusWontFix
		}
		for _, id := range r.Products {
			c.statuses[id] = max(c.statuses[id], status)
		}
	}
}

func (c *converter) readRatings() {
	c.ratings = make(map[string]rating)
	for _, s := range c.v.Scores {
		for _, id := range s.Products {
			c.ratings[id] = rating{v2: s.V2.Text, v3: s.V3.Text, v4: s.V4.Text}
		}
	}
	for _, t := range c.v.Threats {
		if t.Category != "impact" {
			continue
		}
		for _, id := range t.Products {
			r := c.ratings[id]
			r.word = strings.ToLower(t.Details)
			c.ratings[id] = r
		}
	}
}

// problem notes that something could not be read.
func (c *converter) problem(err error) {
	c.failed++
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, err.Error())
	}
}

// add adds what a list says about the product with an ID.
func (c *converter) add(list, id string) {
	component, err := c.doc.Component(id)
	if err != nil {
		c.problem(err)
		return
	}
	it, ok, err := c.item(list, id, component)
	if err != nil {
		c.problem(fmt.Errorf("%.100q: %w", id, err))
	}
	if !ok {
		return
	}
	ecosystem, ok := distro.RedHatEcosystem(component.Of.CPE)
	if !ok {
		c.problem(fmt.Errorf("%.100q is part of %.100q, which has no CPE of Red Hat", id, component.Of.ID))
		return
	}
	p := c.products[ecosystem]
	if p == nil {
		p = &product{}
		c.products[ecosystem] = p
	}
	p.items = append(p.items, it)
}

// item returns what a list says about a component. It is not ok if the component is not a
// package but an image, a module, a Java archive or a product as a whole. It may be ok with an
// error, which is about its module stream: the item is then about all streams.
func (c *converter) item(list, id string, of csaf.Component) (it item, ok bool, err error) {
	it = item{status: c.statuses[id], rating: c.ratings[id]}
	if of.PURL == "" {
		it.name, it.module, ok = componentName(of)
		it.kind = either
	} else {
		var p purl
		if p, err = parsePURL(of.PURL); err != nil {
			return it, false, err
		}
		if ok = p.typ == "rpm" && p.namespace == "redhat" && of.Of.ID != ""; !ok {
			return it, false, nil
		}
		it.name, it.version = p.name, p.evr()
		switch {
		case p.arch == "src" || p.arch == "nosrc":
			it.kind = source
		case p.arch == "":
			it.kind = either
		}
		it.module, err = moduleOf(p, of.Through)
	}
	if !ok || debug(it.name) {
		return it, false, err
	}
	switch list {
	case csaf.Fixed:
		it.status, it.fixed = advisory.StatusAffected, it.version
		if it.fixed == "" {
			return it, false, errors.Join(err, errors.New("a fix has no version"))
		}
	case csaf.UnderInvestigation:
		it.status = advisory.StatusUnderInvestigation
	case csaf.KnownNotAffected:
		it.status = advisory.StatusNotAffected
		if err == nil && !it.module.known {
			err = errors.New("the module stream of a package that is not affected is unknown")
		}
		if err != nil {
			return it, false, err // other streams may be affected
		}
	case csaf.KnownAffected:
		it.version = ""
	}
	return it, true, err
}

// componentName returns the name of a component that has no package URL, as old documents
// have them: "openssl", or "postgresql:12/postgresql" of a module. Other names with a slash
// are those of images.
func componentName(c csaf.Component) (name string, m module, ok bool) {
	if c.Of.ID == "" || c.CPE != "" || c.ID == "" {
		return "", module{}, false
	}
	stream, name, ok := strings.Cut(c.ID, "/")
	if !ok {
		return c.ID, module{known: true}, !strings.ContainsAny(c.ID, ":@ ")
	}
	m, err := streamOf(stream)
	return name, m, err == nil && !strings.Contains(name, "/")
}

// moduleOf returns the module of a package, which its package URL or the module that it is
// part of names. If neither does, a version shows whether it belongs to a module. The error
// is about a name that is not valid.
func moduleOf(p purl, through []csaf.Product) (module, error) {
	if p.module != "" {
		return streamOf(p.module)
	}
	for _, t := range through {
		of, err := parsePURL(t.PURL)
		if err == nil && of.typ == "rpmmod" {
			return streamOf(of.name + ":" + of.version)
		}
	}
	return module{known: len(through) == 0 && !distro.ModuleBuild(p.version)}, nil
}

// streamOf reads "postgresql:15:8100020240814101911:489197e6". Version and context may be
// missing.
func streamOf(text string) (module, error) {
	name, rest, _ := strings.Cut(text, ":")
	stream, _, _ := strings.Cut(rest, ":")
	if name == "" || stream == "" || strings.ContainsAny(name+stream, "/ ") {
		return module{}, fmt.Errorf("invalid module stream %.100q", text)
	}
	return module{known: true, stream: name + ":" + stream}, nil
}

// debug reports whether a package has debugging information only. It is never built without
// the package that it is about.
func debug(name string) bool {
	return strings.Contains(name, "-debuginfo") || strings.HasSuffix(name, "-debugsource")
}

// An entry identifies an affected entry.
type entry struct {
	name   string
	module module
	fixed  string
}

// described is what the document says about an entry.
type described struct {
	status advisory.Status
	rating rating
}

// describe fills in the record.
func (c *converter) describe(a *advisory.Advisory) {
	a.Upstream = []string{c.doc.ID}
	a.Summary = cmp.Or(c.v.Title, c.doc.Title)
	a.Modified = c.doc.Current
	a.Published = cmp.Or(c.v.Released.Time, c.doc.Initial)
	common := c.commonRating()
	a.Severity = common.severity()
	a.Related = c.errata()
	for _, ecosystem := range slices.Sorted(maps.Keys(c.products)) {
		entries := c.products[ecosystem].entries()
		for _, e := range slices.SortedFunc(maps.Keys(entries), entry.compare) {
			a.Affected = append(a.Affected, affected(ecosystem, e, entries[e], common))
		}
	}
}

// commonRating returns the rating of most products, which the record has. Only entries with
// another one have their own.
func (c *converter) commonRating() rating {
	counts := make(map[rating]int)
	for _, r := range c.ratings {
		counts[r]++
	}
	best := rating{word: strings.ToLower(c.doc.Severity)}
	for r, n := range counts {
		if n > counts[best] || n == counts[best] && r.less(best) {
			best = r
		}
	}
	return best
}

func (r rating) less(o rating) bool {
	return cmp.Or(cmp.Compare(r.word, o.word), cmp.Compare(r.v4, o.v4), cmp.Compare(r.v3, o.v3), cmp.Compare(r.v2, o.v2)) < 0
}

// severity returns the rating in the form of a record.
func (r rating) severity() []advisory.Severity {
	var all []advisory.Severity
	for _, s := range [...]advisory.Severity{
		{Type: advisory.SeverityWord, Score: r.word}, {Type: "CVSS_V4", Score: r.v4}, {Type: "CVSS_V3", Score: r.v3}, {Type: "CVSS_V2", Score: r.v2},
	} {
		if s.Score != "" {
			all = append(all, s)
		}
	}
	return all
}

// worse returns the rating with the more severe word.
func worse(a, b rating) rating {
	ra, rb := distro.Severity(a.word).Rank(), distro.Severity(b.word).Rank()
	if rb < ra || rb == ra && b.less(a) {
		return b
	}
	return a
}

var erratum = regexp.MustCompile(`^RH[SBE]A-[0-9]{4}:[0-9]{1,6}$`)

// errata returns the announcements of the fixes.
func (c *converter) errata() []string {
	var all []string
	for _, r := range c.v.Remediations {
		if id := path.Base(r.URL); r.Category == "vendor_fix" && erratum.MatchString(id) {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// entries returns the affected entries of a product. Binary packages that the entry of
// their source package covers have none.
func (p *product) entries() map[entry]described {
	p.settleKinds()
	own := p.own()
	entries := make(map[entry]described)
	add := func(name string, it item) {
		e := entry{name, it.module, it.fixed}
		is := described{it.status, it.rating}
		if before, ok := entries[e]; ok {
			is = described{worseStatus(before.status, is.status), worse(before.rating, is.rating)}
		}
		entries[e] = is
	}
	for _, it := range p.items {
		if it.kind != binary {
			add(it.name+distro.SourceSuffix, it)
		}
		if it.kind == either || it.kind == binary && own[it.name] {
			add(it.name, it)
		}
	}
	return entries
}

// worseStatus returns the status that counts of two that a document gives to one package.
func worseStatus(a, b advisory.Status) advisory.Status {
	if a == advisory.StatusNotAffected {
		return b
	}
	if b == advisory.StatusNotAffected {
		return a
	}
	return max(a, b)
}

// settleKinds decides what names without an architecture are. Newer documents list each
// binary package so, and the source package beside them. Older ones have the component
// alone, which is nearly always named like the source package.
func (p *product) settleKinds() {
	listed := make(map[bool]bool) // source packages, by whether they have a version
	named := make(map[string]bool)
	for _, it := range p.items {
		if it.kind == source {
			listed[it.version != ""], named[it.name] = true, true
		}
	}
	for i := range p.items {
		it := &p.items[i]
		switch {
		case it.kind != either:
		case listed[it.version != ""]:
			it.kind = binary
		case named[it.name]:
			it.kind = source
		}
	}
}

// A group identifies what a document says about the packages of a product.
type group struct {
	module module
	class  class
	// version is that of a fix or of a package that is not affected; empty for items
	// without a version.
	version string
}

type class uint8

const (
	isAffected class = iota
	isFixed
	isNotAffected
)

func (it item) class() class {
	switch {
	case it.fixed != "":
		return isFixed
	case it.status == advisory.StatusNotAffected:
		return isNotAffected
	}
	return isAffected
}

// own returns the names of the binary packages that need entries of their own. An item of
// a binary package is covered by one of a source package with the same version. One without
// a version is covered if the source packages of the product are all in the same list. If
// one item of a binary package is not covered, all of them stay: its own entries take
// precedence over those of its source package.
func (p *product) own() map[string]bool {
	sources := make(map[group]bool)
	classes := make(map[module]map[class]bool)
	for _, it := range p.items {
		if it.kind != source {
			continue
		}
		sources[group{it.module, it.class(), it.version}] = true
		if classes[it.module] == nil {
			classes[it.module] = make(map[class]bool)
		}
		classes[it.module][it.class()] = true
	}
	own := make(map[string]bool)
	for _, it := range p.items {
		switch it.kind {
		case source:
			continue
		case either:
			own[it.name] = true
			continue
		}
		covered := sources[group{it.module, it.class(), it.version}]
		if it.version == "" {
			covered = covered && len(classes[it.module]) == 1
		}
		if !covered {
			own[it.name] = true
		}
	}
	return own
}

func (e entry) compare(o entry) int {
	return cmp.Or(cmp.Compare(e.name, o.name), cmp.Compare(e.module.stream, o.module.stream), cmp.Compare(e.fixed, o.fixed),
		cmp.Compare(known(e.module), known(o.module)))
}

func known(m module) int {
	if m.known {
		return 1
	}
	return 0
}

// specific is what an affected entry has as its ecosystem_specific.
type specific struct {
	Status string `json:"status,omitempty"`
	Module string `json:"rpm_modularity,omitempty"`
}

func affected(ecosystem string, e entry, is described, common rating) advisory.Affected {
	af := advisory.Affected{Package: advisory.Package{Ecosystem: ecosystem, Name: e.name}}
	var s specific
	if is.status != advisory.StatusAffected {
		s.Status = is.status.String()
	}
	if e.module.known {
		s.Module = cmp.Or(e.module.stream, advisory.NoModule)
	}
	if s != (specific{}) {
		af.EcosystemSpecific, _ = json.Marshal(s) // of strings, cannot fail
	}
	if is.status != advisory.StatusNotAffected {
		af.Ranges = []advisory.Range{advisory.Before(e.fixed)}
		if is.rating != (rating{}) && is.rating != common {
			af.Severity = is.rating.severity()
		}
	}
	return af
}
