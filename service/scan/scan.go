// Package scan turns an inventory into a verdict: it matches the packages, then applies
// the policy. Both the API and the replay of kept scans use it.
package scan

import (
	"fmt"
	"slices"
	"time"

	"assay/remote/cyclonedx"
	"assay/service/distro"
	"assay/service/match"
	"assay/service/policy"
	"assay/service/policy/ruleset"
	"assay/service/remedy"
	"assay/service/store"
	"assay/verdict"
)

// An Evaluator answers scans. It has the settings of the service's owner.
type Evaluator struct {
	// MaxAge is the age up to which data is trusted. Zero means any age.
	MaxAge time.Duration
	// Allow names the options that an environment variable may weaken.
	Allow policy.Allow
	// Without lists ecosystems ("PyPI") for which the service may lack advisories. An
	// answer is trusted even if their packages are not evaluated.
	Without []string
	// Policy is what the policy of the service says about the scan, or nil.
	Policy *ruleset.Effective
	// Ratchet is that of the policy of the service, with its reference, or nil. It counts one
	// scan.
	Ratchet *policy.Ratchet
	// Baseline is the stored scan that the client named as its baseline, or nil. A file is
	// read by Answer.
	Baseline *policy.Baseline
	// Sources returns the sources of the data. It may be nil; the age of the data as a
	// whole counts then.
	Sources func() []policy.Source
	// Timed, if set, is called with the time that each stage of an answer took.
	Timed func(stage string, took time.Duration)
}

// needed returns data with the sources that the image needs.
func (e Evaluator) needed(data verdict.Data, result match.Result, now time.Time) verdict.Data {
	if e.Sources != nil {
		return policy.Needed(data, result, e.Sources(), now)
	}
	data.Sources = slices.Clone(data.Sources) // of a stored scan
	for i, s := range data.Sources {
		data.Sources[i].Age = int64(now.Sub(s.Updated) / time.Second)
	}
	return data
}

// Whole returns data with the time when the oldest of all advisories were updated.
func (e Evaluator) Whole(data verdict.Data) verdict.Data {
	if e.Sources != nil {
		if at, ok := policy.Oldest(e.Sources()); ok {
			data.Updated = at
		}
	}
	return data
}

// TooOld says why the advisories of an ecosystem, which has no release, are not trusted
// because of their age at the time now, or returns an empty string.
func (e Evaluator) TooOld(data verdict.Data, ecosystem string, now time.Time) string {
	needs := match.Result{Needs: map[string][]string{"": {ecosystem}}}
	return policy.TooOld(e.needed(data, needs, now), e.MaxAge, e.Without, now)
}

// Stages of an answer.
const (
	StageMatch  = "match"  // looking up the packages and matching them
	StagePolicy = "policy" // deciding
)

func (e Evaluator) timed(stage string, start time.Time) {
	if e.Timed != nil {
		e.Timed(stage, time.Since(start))
	}
}

// A BadOptionError is an unknown or invalid option of a scan.
type BadOptionError struct{ Err error }

func (e *BadOptionError) Error() string { return e.Err.Error() }
func (e *BadOptionError) Unwrap() error { return e.Err }

// Answer decides a scan at the time now. The data is that of ix and is described by data;
// memo is the memo of ix or nil. The caller sets the id of the scan and the address of the
// report.
func (e Evaluator) Answer(s cyclonedx.Scan, ix match.Index, memo *match.Memo, data verdict.Data, now time.Time) (Answer, error) {
	options, ignored, err := policy.Options(s.Options, e.Allow, e.Policy)
	if err != nil {
		return Answer{}, &BadOptionError{err}
	}
	start := time.Now()
	result, err := match.Inventory(s.Inventory, ix, memo, now)
	e.timed(StageMatch, start)
	if err != nil {
		return Answer{}, fmt.Errorf("match: %w", err)
	}
	data = e.needed(data, result, now)
	var ahead time.Duration
	if !data.Updated.IsZero() {
		ahead = data.Updated.Sub(now)
		data.Age = max(0, int64(now.Sub(data.Updated)/time.Second))
	}
	in := policy.Input{
		Result:     result,
		ScanErrors: s.Inventory.ScanErrors,
		Data:       data,
		MaxAge:     shorter(e.MaxAge, options.MaxAge.Duration()),
		Now:        now,
		Exceptions: policy.ReadExceptions(s.Files, options.VEXProduct, e.Policy),
		Ratchet:    e.Ratchet,
		Baseline:   e.baseline(s),
		Ahead:      ahead,
		Options:    options,
		Without:    e.Without,
	}
	if e.Ratchet != nil {
		e.Ratchet.Arch = policy.NativeArch(s.Inventory)
	}
	start = time.Now()
	decision, findings, counts := policy.Decide(in)
	e.timed(StagePolicy, start)
	v := verdict.Verdict{
		Version:   verdict.Version,
		Decision:  decision,
		Counts:    counts,
		Evaluated: policy.Evaluated(in),
		Without:   e.Without,
		System:    result.System,
		Image:     s.Image,
		Data:      data,
		Options:   options,
		Ignored:   ignored,
		Notices:   policy.Notices(result),
	}
	v.Exceptions = in.Exceptions.Result(now)
	v.Ignored = append(v.Ignored, in.Exceptions.Refused...)
	if e.Policy != nil {
		v.Policy = &e.Policy.Policy
	}
	if e.Ratchet != nil {
		v.Ratchet = &e.Ratchet.Ratchet
	}
	if in.Baseline != nil {
		v.Baseline = &in.Baseline.Baseline
		v.Notices = append(v.Notices, in.Baseline.Notices(result.System)...)
	} else if s.Option("fail-on-base") != "" {
		v.Notices = append(v.Notices, "--fail-on-base changes nothing without --baseline")
	}
	if asked := options.MaxAge.Duration(); asked > in.MaxAge {
		v.Notices = append(v.Notices, fmt.Sprintf("--max-age %s is longer than the service's %s, which counts",
			options.MaxAge, verdict.Age(int64(in.MaxAge/time.Second))))
	}
	if !v.System.Ended { // without security support there are no fixes to install
		v.System.Repositories = distro.Lacking(s.Inventory)
	}
	v.Remedies = remedy.Of(remedy.Input{
		Findings: findings, Inventory: s.Inventory, System: v.System, Modified: s.Modified, Now: now,
	})
	for _, p := range s.Inventory.ScanErrors {
		v.ScanErrors = append(v.ScanErrors, verdict.ScanError{Path: p.Path, Kind: string(p.Kind), Err: p.Err})
	}
	return Answer{v, findings}, nil
}

// baseline returns the baseline of a scan, or nil. Decide may count in it.
func (e Evaluator) baseline(s cyclonedx.Scan) *policy.Baseline {
	b := policy.ReadBaseline(s.Files, Read)
	if id := b.Wanted(); id != "" && e.Baseline != nil && e.Baseline.Scan == id {
		stored := *e.Baseline
		return &stored
	}
	return b
}

// PolicyFor returns what the policy of the service says about a scan of a project with a
// token.
func PolicyFor(p *ruleset.Policy, s cyclonedx.Scan, project string, t store.Token) *ruleset.Effective {
	if ProjectInherited(s, t) {
		return p.ForInherited(project, t.Name)
	}
	return p.For(project, t.Name)
}

// ProjectInherited reports whether a variable names the project of a scan, and not the
// token or a flag. The base image may then have named it.
func ProjectInherited(s cyclonedx.Scan, t store.Token) bool {
	given := s.Given("project")
	return t.Project == "" && given.Value != "" && given.Origin != "flag"
}

// shorter returns the shorter one of two ages up to which data is trusted. Zero means any
// age.
func shorter(a, b time.Duration) time.Duration {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}
