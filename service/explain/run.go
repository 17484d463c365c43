package explain

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"assay/remote/purl"
	"assay/service/advisory"
	"assay/service/exploit"
	"assay/service/index"
	"assay/service/match"
	"assay/service/store"
	"assay/verdict"
)

// Explain explains one vulnerability, given its id or that of an advisory. It uses the
// records of the time of the scan, which it finds with the current index.
func Explain(ctx context.Context, in Input) (Explanation, error) {
	e := &explainer{Input: in}
	out, err := e.explain(ctx)
	if err != nil {
		return Explanation{}, fmt.Errorf("explain %q: %w", in.ID, err)
	}
	return out, nil
}

type explainer struct {
	Input
	packages []*installed // of the inventory, in its order
	byName   map[string][]*installed
	owners   map[index.Key]bool // the keys of packages that others are part of
	pairs    int                // of an affected entry and a package
	naming   naming
	records  []held
}

// A held is a record and its parsed advisory.
type held struct {
	Record
	advisory advisory.Advisory
	used     bool // by the matcher, as it was at the time of the scan
}

func (e *explainer) explain(ctx context.Context) (Explanation, error) {
	out := Explanation{
		Scan: e.Scan.ID, ID: e.ID,
		System: e.Verdict.System, Data: e.Verdict.Data, Records: []Record{},
	}
	var err error
	if out.Names, err = namesOf(e.Index, e.ID); err != nil {
		return out, err
	}
	e.naming.names = out.Names
	for _, f := range e.Verdict.Findings {
		if e.naming.of(f) {
			out.Findings = append(out.Findings, f)
		}
	}
	out.Found = len(out.Findings) > 0
	if err := e.exploits(&out); err != nil {
		return out, err
	}
	if err := e.lookUpPackages(); err != nil {
		return out, err
	}
	ids, err := e.find(out)
	if err != nil {
		return out, err
	}
	if out.More = len(ids) - maxRecords; out.More > 0 {
		ids = ids[:maxRecords]
	}
	out.More = max(out.More, 0)
	if err := e.load(ctx, ids); err != nil {
		return out, err
	}
	folded, err := e.evaluate()
	if err != nil {
		return out, err
	}
	for _, h := range e.records {
		out.Records = append(out.Records, h.Record)
	}
	out.Reason = reason(out, folded)
	return out, nil
}

// exploits sets what the exploit catalogs say.
func (e *explainer) exploits(out *Explanation) error {
	score := exploit.Score(0)
	for _, n := range out.Names {
		c, ok := exploit.ParseCVE(n)
		if !ok {
			continue
		}
		kev, epss, err := e.Index.Exploit(c)
		if err != nil {
			return err
		}
		if day := kev.Added.Format(time.DateOnly); kev.CVE == c && (out.KEV == "" || day < out.KEV) {
			out.KEV = day
		}
		score = max(score, epss.EPSS)
	}
	out.EPSS = score.Float()
	return nil
}

// find returns the ids of the records about the vulnerability: by its names, and by
// the verdict.
func (e *explainer) find(out Explanation) ([]string, error) {
	e.naming.ids = map[string]bool{e.ID: true}
	for _, f := range out.Findings {
		for _, id := range f.Advisories {
			e.naming.ids[id] = true
		}
	}
	for _, name := range e.naming.names {
		ids, err := e.Index.Mentions(name)
		if err != nil {
			return nil, err
		}
		for _, id := range ids[:min(len(ids), maxRecords)] {
			e.naming.ids[id] = true
		}
	}
	if err := e.naming.refer(e.Index); err != nil {
		return nil, err
	}
	for _, name := range e.naming.names {
		ids, err := e.Index.Withdrawn(name)
		if err != nil {
			return nil, err
		}
		for _, id := range ids[:min(len(ids), maxRecords)] {
			e.naming.ids[id] = true
		}
	}
	return slices.Collect(keys(e.naming.ids)), nil
}

// load reads the records as they were at the time of the scan.
func (e *explainer) load(ctx context.Context, ids []string) error {
	sources, err := e.Records.Sources(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		now, err := e.Records.RecordsOf(ctx, id, math.MaxInt64)
		if err != nil {
			return err
		}
		then, err := e.Records.RecordsOf(ctx, id, e.Scan.Seq)
		if err != nil {
			return err
		}
		for _, r := range then {
			if err := e.add(r, StateUsed, !slices.ContainsFunc(now, func(n store.Record) bool { return n.Seq == r.Seq }), sources); err != nil {
				return err
			}
		}
		for _, r := range now {
			if slices.ContainsFunc(then, func(t store.Record) bool { return t.Origin.Source == r.Origin.Source }) {
				continue
			}
			if err := e.add(r, StateLater, false, sources); err != nil {
				return err
			}
		}
	}
	return nil
}

// add adds one source's record.
func (e *explainer) add(r store.Record, state string, changed bool, sources []store.Source) (err error) {
	h := held{Record: Record{ID: r.ID, State: state, Changed: changed, Modified: r.Modified.UTC(), Source: r.Origin.String()}}
	for _, src := range sources {
		if src.Origin == r.Origin && !src.Updated.IsZero() {
			h.SourceUpdated = &src.Updated
			h.SourceAge = max(0, int64(e.Now.Sub(src.Updated)/time.Second))
		}
	}
	if r.Removed {
		h.State = StateRemoved
		e.records = append(e.records, h)
		return nil
	}
	if h.advisory, err = advisory.Parse(r.Body); err != nil {
		return fmt.Errorf("record %q: %w", r.ID, err)
	}
	h.advisory.Source = r.Origin.Source
	h.describe(e.naming.names)
	h.used = h.State == StateUsed
	e.records = append(e.records, h)
	return nil
}

// describe sets the fields of the record as a whole. names are those of the vulnerability.
func (h *held) describe(names []string) {
	a := h.advisory
	h.Summary = index.Describe(a).Summary
	h.Related = onlyRelated(a, names)
	if !a.Published.IsZero() {
		p := a.Published.UTC()
		h.Published = &p
	}
	if a.Withdrawn != nil {
		w := a.Withdrawn.UTC()
		h.Withdrawn, h.State = &w, StateWithdrawn
	}
}

// evaluate evaluates each entry of each record for the packages with its name. folded reports
// whether there is a finding that the verdict counts but does not list, as for kernels.
func (e *explainer) evaluate() (folded bool, err error) {
	var used, all []advisory.Advisory
	for _, h := range e.records {
		if h.used {
			used = append(used, h.advisory)
		}
		if h.used || h.State == StateLater {
			all = append(all, h.advisory)
		}
	}
	res, trace, err := e.run(used)
	if err != nil {
		return false, err
	}
	then := e.read(trace)
	now := then // with the records that came later
	if len(all) > len(used) {
		if _, trace, err = e.run(all); err != nil {
			return false, err
		}
		now = e.read(trace)
	}
	for i := range e.records {
		h := &e.records[i]
		by := then
		if h.State == StateLater {
			by = now
		}
		for _, entry := range h.advisory.Affected {
			if err := e.entry(h, entry, by); err != nil {
				return false, err
			}
		}
		slices.Sort(h.Elsewhere)
		h.Elsewhere = slices.Compact(h.Elsewhere)
		h.ElsewhereCount = len(h.Elsewhere)
		h.Elsewhere = h.Elsewhere[:min(len(h.Elsewhere), maxElsewhere)]
	}
	for _, f := range res.Findings {
		folded = folded || f.Kernel && !e.Verdict.Options.Kernel && e.naming.of(f.Finding)
	}
	return folded, nil
}

// entry evaluates one affected entry.
func (e *explainer) entry(h *held, entry advisory.Affected, by reading) error {
	name := index.NormalName(entry.Package.Ecosystem, entry.Package.Name)
	if entry.Package.Ecosystem == "" || name == "" {
		return nil
	}
	named := e.named(name, entry.Package.Name)
	if len(named) == 0 {
		h.Elsewhere = append(h.Elsewhere, entry.Package.Ecosystem+" "+entry.Package.Name)
		return nil
	}
	if e.pairs += len(named); e.pairs > maxPairs {
		return errTooMuch
	}
	af := Affected{Ecosystem: entry.Package.Ecosystem, Name: entry.Package.Name, VersionCount: len(entry.Versions)}
	af.Versions = entry.Versions[:min(len(entry.Versions), maxVersions)]
	for _, r := range entry.Ranges {
		af.Ranges = append(af.Ranges, Range{r.Type, r.Events})
	}
	// The entry as it is indexed.
	one := h.advisory
	one.Affected = []advisory.Affected{entry}
	indexed := index.Entries(one, nil)
	for _, s := range named {
		p := Package{Package: verdict.Package{
			Type: s.pkg.Type, Name: s.pkg.Name, Version: s.pkg.Version, Arch: s.pkg.Arch,
			Source: s.pkg.Source, SourceVersion: s.pkg.SourceVersion,
			PURL: purl.Of(s.pkg, e.Inventory.System).String(),
		}}
		for _, ev := range s.pkg.Evidence {
			if !slices.Contains(p.Package.Paths, ev.Path) {
				p.Package.Paths = append(p.Package.Paths, ev.Path)
			}
		}
		p.Outcome, p.Why = e.outcome(h, entry, indexed, s, by)
		af.Packages = append(af.Packages, p)
	}
	h.Affected = append(h.Affected, af)
	return nil
}

// outcome returns the outcome of one entry for one package with its name.
func (e *explainer) outcome(h *held, entry advisory.Affected, indexed []index.Entry, s *installed, by reading) (outcome, why string) {
	ecosystem := entry.Package.Ecosystem
	l := index.Key{Ecosystem: ecosystem, Name: index.NormalName(ecosystem, entry.Package.Name)}
	left, leftWhy, out := index.LeftOut(entry)
	owner := by.trace.Packages[s.i].Owner
	switch {
	case h.State == StateWithdrawn:
		return NotUsed, "the record was withdrawn on " + h.Withdrawn.Format(time.DateOnly)
	case s.notEvaluated != "" && left == index.NotLinux:
		return NotApplicable, leftWhy // even if the package is not evaluated
	case s.notEvaluated != "":
		return NotJudged, s.notEvaluated
	case owner != "" && len(s.lookups) == 0:
		return JudgedByOwner, e.byOwner(owner)
	case !s.lookups[l]:
		return elsewhere(s, ecosystem)
	case index.Describe(h.advisory).Notice:
		return NotUsed, "the record is a notice, not a vulnerability"
	case left == index.NotLinux:
		return NotApplicable, leftWhy
	case out:
		return NotAffected, leftWhy
	}
	var t *match.TracedEntry
	for _, in := range indexed {
		if t == nil {
			t = by.entry(s, l, in.Affected)
		}
	}
	if t == nil {
		return NotApplicable, "the matcher did not use the entry for this package"
	}
	return e.traced(h, t, s, by)
}

// traced returns the outcome of an entry that the matcher used for a package.
func (e *explainer) traced(h *held, t *match.TracedEntry, s *installed, by reading) (outcome, why string) {
	owner := by.trace.Packages[s.i].Owner
	switch t.Verdict {
	case match.EntryAffects:
		if owner != "" {
			return JudgedByOwner, e.byOwner(owner)
		}
		for _, f := range by.findings[s.i] {
			if slices.Contains(f.Advisories, h.ID) && t.Overruled[f.ID] == "" {
				return Matches, t.Why
			}
		}
		return Overruled, t.Why + "; but " + e.overruled(t)
	case match.EntryNotAffected:
		return NotAffected, t.Why
	case match.EntryNotComparable:
		if len(t.Overruled) > 0 {
			return Overruled, t.Why + "; but " + e.overruled(t)
		}
		return NotComparable, t.Why
	}
	return NotApplicable, t.Why
}

func (e *explainer) byOwner(owner string) string {
	return fmt.Sprintf("its owner %s, built by %s, is evaluated in its place", owner, e.Verdict.System.Ecosystem)
}

// overruled says why an entry that affects a package is not a finding.
func (e *explainer) overruled(t *match.TracedEntry) string {
	for _, id := range slices.Sorted(maps.Keys(t.Overruled)) {
		if slices.Contains(e.naming.names, id) || len(t.Overruled) == 1 {
			return t.Overruled[id]
		}
	}
	return "another record of the vulnerability takes precedence"
}
