package explain

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"assay/service/advisory"
	"assay/service/exploit"
	"assay/service/match"
	"assay/service/store"
	"assay/verdict"
)

// Explain explains one vulnerability, by its id or that of an advisory. Records
// are those of the time of the scan; the index of now serves to find them.
func Explain(ctx context.Context, in Input) (Explanation, error) {
	e := &explainer{Input: in, prober: prober{held: in.Index, today: in.Scan.At, left: maxProbes + len(in.Inventory.Packages)}}
	out, err := e.explain(ctx)
	if err != nil {
		return Explanation{}, fmt.Errorf("explain %q: %w", in.ID, err)
	}
	return out, nil
}

type explainer struct {
	Input
	prober   prober
	subjects []subject
	naming   naming
	records  []held
}

// A held is a record with its text.
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
	if e.subjects, err = e.prober.subjects(e.Inventory); err != nil {
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
	folded, err := e.judge()
	if err != nil {
		return out, err
	}
	for _, h := range e.records {
		out.Records = append(out.Records, h.Record)
	}
	out.Reason = reason(out, folded)
	return out, nil
}

// exploits fills in what the exploit catalogs say.
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

// find returns the ids of the records that speak of the vulnerability: by its
// names, by the verdict, and by the packages of the image.
func (e *explainer) find(out Explanation) ([]string, error) {
	e.naming.ids = map[string]bool{e.ID: true}
	for _, f := range out.Findings {
		for _, id := range f.Advisories {
			e.naming.ids[id] = true
		}
	}
	seen := map[lookup]bool{}
	for _, s := range e.subjects {
		for l := range s.lookups {
			if seen[l] {
				continue
			}
			seen[l] = true
			entries, err := e.Index.Affected(l.ecosystem, l.name)
			if err != nil {
				return nil, err
			}
			for _, entry := range entries {
				vs, err := e.Index.Vulnerabilities(entry.Advisory)
				if err != nil {
					return nil, err
				}
				if slices.ContainsFunc(vs, e.naming.speaks) {
					e.naming.ids[entry.Advisory] = true
				}
			}
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

// load reads the records, as they were at the time of the scan.
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
	h.describe()
	h.used = h.State == StateUsed
	e.records = append(e.records, h)
	return nil
}

func (h *held) describe() {
	a := h.advisory
	h.Summary = match.Describe(a).Summary
	if !a.Published.IsZero() {
		p := a.Published.UTC()
		h.Published = &p
	}
	if a.Withdrawn != nil {
		w := a.Withdrawn.UTC()
		h.Withdrawn, h.State = &w, StateWithdrawn
	}
}

// judge holds each entry of each record against the packages that have its name.
// It reports whether a package is a finding that the verdict does not list, as
// those of kernels are.
func (e *explainer) judge() (folded bool, err error) {
	names := map[string]bool{}
	var used []advisory.Advisory
	for _, h := range e.records {
		for _, entry := range h.advisory.Affected {
			names[match.NormalName(entry.Package.Ecosystem, entry.Package.Name)] = true
			names[entry.Package.Name] = true
		}
		if h.used {
			used = append(used, h.advisory)
		}
	}
	e.prober.narrow(e.Inventory, e.subjects, func(s subject) bool {
		for n := range s.names {
			if names[n] {
				return true
			}
		}
		return false
	})
	res, _, err := e.prober.run(e.prober.inventory, used...)
	if err != nil {
		return false, err
	}
	// A bulletin brings findings of other vulnerabilities too.
	together := byPackage(slices.DeleteFunc(res.Findings, func(f match.Finding) bool { return !e.naming.of(f.Finding) }))
	for i := range e.records {
		h := &e.records[i]
		for _, entry := range h.advisory.Affected {
			if err := e.entry(h, entry, together); err != nil {
				return false, err
			}
		}
		slices.Sort(h.Elsewhere)
		h.Elsewhere = slices.Compact(h.Elsewhere)
		h.ElsewhereCount = len(h.Elsewhere)
		h.Elsewhere = h.Elsewhere[:min(len(h.Elsewhere), maxElsewhere)]
	}
	for _, f := range together {
		folded = folded || f.Kernel && !e.Verdict.Options.Kernel
	}
	return folded, nil
}

// entry judges one affected entry.
func (e *explainer) entry(h *held, entry advisory.Affected, together map[packageKey]match.Finding) error {
	name := match.NormalName(entry.Package.Ecosystem, entry.Package.Name)
	if entry.Package.Ecosystem == "" || name == "" {
		return nil
	}
	named := slices.DeleteFunc(slices.Clone(e.subjects), func(s subject) bool { return !s.names[name] && !s.names[entry.Package.Name] })
	if len(named) == 0 {
		h.Elsewhere = append(h.Elsewhere, entry.Package.Ecosystem+" "+entry.Package.Name)
		return nil
	}
	af := Affected{Ecosystem: entry.Package.Ecosystem, Name: entry.Package.Name, VersionCount: len(entry.Versions)}
	af.Versions = entry.Versions[:min(len(entry.Versions), maxVersions)]
	for _, r := range entry.Ranges {
		af.Ranges = append(af.Ranges, Range{r.Type, r.Events})
	}
	found, gaps, err := e.prober.matched(h.advisory, entry)
	if err != nil {
		return err
	}
	for _, s := range named {
		p := Package{Package: verdict.Package{
			Type: s.pkg.Type, Name: s.pkg.Name, Version: s.pkg.Version, Arch: s.pkg.Arch,
			Source: s.pkg.Source, SourceVersion: s.pkg.SourceVersion,
		}}
		for _, ev := range s.pkg.Evidence {
			if !slices.Contains(p.Package.Paths, ev.Path) {
				p.Package.Paths = append(p.Package.Paths, ev.Path)
			}
		}
		f, matches := found[s.key]
		if matches {
			p.Package.PURL = f.Package.PURL
		}
		if p.Outcome, p.Why, err = e.outcome(h, entry, s, f, matches, gaps, together); err != nil {
			return err
		}
		af.Packages = append(af.Packages, p)
	}
	h.Affected = append(h.Affected, af)
	return nil
}

// outcome says what one entry means for one package that has its name.
func (e *explainer) outcome(h *held, entry advisory.Affected, s subject, f match.Finding, matches bool, gaps []match.Unjudged, together map[packageKey]match.Finding) (outcome, why string, err error) {
	ecosystem := entry.Package.Ecosystem
	looked := s.lookups[lookup{ecosystem, match.NormalName(ecosystem, entry.Package.Name)}]
	switch {
	case h.State == StateWithdrawn:
		return NotUsed, "the record was withdrawn on " + h.Withdrawn.Format(time.DateOnly), nil
	case s.unjudged != "":
		return NotJudged, s.unjudged, nil
	case !looked:
		outcome, why := elsewhere(s, ecosystem)
		return outcome, why, nil
	case match.Describe(h.advisory).Notice:
		return NotUsed, "the record is a notice, not a vulnerability", nil
	case matches:
		// Without the others the finding is called by another id, perhaps.
		_, stands := together[s.key]
		if h.used && !stands {
			return Overruled, f.Why + "; but another record of the vulnerability says that the package is not affected", nil
		}
		return Matches, f.Why, nil
	case len(gaps) > 0:
		return NotComparable, gaps[0].Reason, nil
	}
	how, applies, err := e.prober.stands(s, h.advisory, entry)
	if err != nil {
		return "", "", err
	}
	if !applies {
		return NotApplicable, "the entry is about another build of the package, whatever its version", nil
	}
	version := s.pkg.Version
	if s.pkg.SourceVersion != "" && s.pkg.Source == entry.Package.Name {
		version = s.pkg.SourceVersion
	}
	why = version + " is not among the listed versions"
	if len(how) > 0 {
		why = version + " " + strings.Join(how, ", ")
	} else if len(entry.Versions) == 0 {
		why = "the entry has nothing to compare " + version + " with"
	}
	return NotAffected, why, nil
}

// elsewhere says why a package is not looked up where an entry is kept.
func elsewhere(s subject, ecosystem string) (outcome, why string) {
	var in []string
	same := false
	for l := range s.lookups {
		if !slices.Contains(in, l.ecosystem) {
			in = append(in, l.ecosystem)
		}
		same = same || base(l.ecosystem) == base(ecosystem)
	}
	slices.Sort(in)
	why = "the entry is about " + ecosystem + ", this package is looked up in " + strings.Join(in, " and ")
	if same {
		return OtherRelease, why
	}
	return OtherEcosystem, why
}
