// Package scan turns one request into one verdict: match, then policy. It
// serves the API and the replay of kept scans alike.
package scan

import (
	"fmt"
	"time"

	"assay/remote/cyclonedx"
	"assay/service/match"
	"assay/service/policy"
	"assay/verdict"
)

// An Evaluator is what the service's owner decided for all scans.
type Evaluator struct {
	// MaxAge is how old the data may be for an answer to be trusted; zero means
	// any age.
	MaxAge time.Duration
	// Allow are the options that an environment variable may weaken.
	Allow policy.Allow
	// Without are the ecosystems ("PyPI") whose advisories the service does without:
	// that they are not held is no reason to distrust an answer.
	Without []string
}

// A BadOptionError is a request whose options cannot be understood.
type BadOptionError struct{ Err error }

func (e *BadOptionError) Error() string { return e.Err.Error() }
func (e *BadOptionError) Unwrap() error { return e.Err }

// Answer decides on a scan at the time now with the data of ix, which data
// describes. memo, if not nil, is that of ix. The id of the scan and the report's
// address are the caller's to fill in.
func (e Evaluator) Answer(s cyclonedx.Scan, ix match.Index, memo *match.Memo, data verdict.Data, now time.Time) (Answer, error) {
	options, ignored, err := policy.Options(s.Options, e.Allow)
	if err != nil {
		return Answer{}, &BadOptionError{err}
	}
	result, err := match.Inventory(s.Inventory, ix, memo, now)
	if err != nil {
		return Answer{}, fmt.Errorf("match: %w", err)
	}
	var ahead time.Duration
	if !data.Updated.IsZero() {
		ahead = data.Updated.Sub(now)
		data.Age = max(0, int64(now.Sub(data.Updated)/time.Second))
	}
	in := policy.Input{
		Result:     result,
		ScanErrors: s.Inventory.ScanErrors,
		Data:       data,
		MaxAge:     e.MaxAge,
		Ahead:      ahead,
		Options:    options,
		Without:    e.Without,
	}
	decision, findings, counts := policy.Decide(in)
	v := verdict.Verdict{
		Version:   verdict.Version,
		Decision:  decision,
		Counts:    counts,
		Evaluated: policy.Evaluated(in),
		Without:   e.Without,
		System:    result.System,
		Data:      data,
		Options:   options,
		Ignored:   ignored,
		Notices:   policy.Notices(result),
	}
	v.System.Repositories = lacking(s.Inventory, v.System)
	for _, p := range s.Inventory.ScanErrors {
		v.ScanErrors = append(v.ScanErrors, verdict.ScanError{Path: p.Path, Kind: string(p.Kind), Err: p.Err})
	}
	return Answer{v, findings}, nil
}
