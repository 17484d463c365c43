package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"assay/remote/cyclonedx"
	"assay/service/policy"
	"assay/service/policy/ruleset"
	"assay/service/scan"
	"assay/service/snapshot"
	"assay/service/store"
	"assay/verdict"
	"assay/verdict/hint"
)

func (d *daemon) replayCommand() *cli.Command {
	return &cli.Command{
		Name:      "replay",
		Usage:     "decide a stored scan again, with the current data or with earlier data",
		ArgsUsage: "SCAN",
		Description: "Prints the verdict, and on standard error how it differs from the original one. The exit code is 0\n" +
			"whether it differs or not and whatever the verdict is, and 1 if the scan could not be decided again.",
		Flags: append(evaluatorFlags(), storeFlags(
			&cli.StringFlag{Name: "as-of", Usage: "decide with the data of `SNAPSHOT`, the id in a verdict or the beginning of it"},
			&cli.StringFlag{Name: "format", Usage: "print `FORMAT`: text or json", Value: "text"},
		)...),
		Action: d.replay,
	}
}

func (d *daemon) replay(c *cli.Context) (err error) {
	if c.NArg() != 1 {
		return hint.Errorf("assayd replay SCAN; every verdict names its scan", "one scan must be named")
	}
	if format := c.String("format"); format != "text" && format != "json" {
		return hint.Errorf("give --format text or --format json", "unknown format %q", format)
	}
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	kept, err := st.Scan(c.Context, c.Args().First())
	if err != nil {
		return hint.Errorf("every verdict names its scan", "%w", err)
	}
	head, err := st.Head(c.Context)
	if err != nil {
		return fmt.Errorf("read the state of the data: %w", err)
	}
	at, upTo := d.now(), head.Seq
	if id := c.String("as-of"); id != "" {
		if upTo, err = st.Snapshot(c.Context, id); err != nil {
			if errors.Is(err, store.ErrAmbiguous) {
				return hint.Errorf("give more digits of the id; the scan's own data has "+kept.Snapshot, "as of %q: %w", id, err)
			}
			return hint.Errorf("every verdict names its snapshot", "as of %q: %w", id, err)
		}
		at = kept.At
	}

	index, discard, err := indexOf(c.Context, st, upTo)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, discard()) }()
	view, err := index.View()
	if err != nil {
		return fmt.Errorf("open the snapshot: %w", err)
	}
	defer view.Close()

	s, before, err := scan.Decode(kept)
	if err != nil {
		return err
	}
	data := view.Data()
	// A snapshot does not include when the data was last updated. An earlier version of
	// the program may have had another id for the same data.
	if data.Snapshot == kept.Snapshot || c.String("as-of") == kept.Snapshot {
		data = before.Data
	}
	eval, err := evaluator(c)
	if err != nil {
		return err
	}
	if err := replayAge(c, st, &eval, data); err != nil {
		return err
	}
	if err := replayRules(c, st, &eval, kept, s, before, matching(view, at)); err != nil {
		return err
	}
	answer, err := eval.Answer(s, view, nil, data, at)
	if err != nil {
		return fmt.Errorf("replay %q: %w", kept.ID, err)
	}
	v := answer.Whole()
	v.Scan, v.Report, v.ProjectInherited = before.Scan, before.Report, before.ProjectInherited
	v.Options.Project = before.Options.Project // it may have come from the token
	return d.printReplay(c, kept, before, v)
}

// replayAge sets which age of the data counts: that of today's sources, or that of the data
// of the past.
func replayAge(c *cli.Context, st store.Feeds, eval *scan.Evaluator, data verdict.Data) error {
	if c.String("as-of") == "" {
		all, err := st.Sources(c.Context)
		if err != nil {
			return fmt.Errorf("read the sources: %w", err)
		}
		eval.Sources = func() []policy.Source { return dataSources(all) }
	} else if data.Updated.IsZero() {
		eval.MaxAge = 0 // the age of other data at that time is not stored
	}
	return nil
}

// replayRules sets the policy of the service, its ratchet and the baseline of a scan.
func replayRules(c *cli.Context, st store.Store, eval *scan.Evaluator, kept store.Scan, s cyclonedx.Scan, before verdict.Verdict, with scan.Matching) (err error) {
	if eval.Policy, err = replayPolicy(c, st, kept, s, before); err != nil {
		return err
	}
	if eval.Ratchet, err = replayRatchet(c, st, eval.Policy, kept, before, with); err != nil {
		return err
	}
	eval.Baseline, err = replayBaseline(c, st, s, before)
	return err
}

// replayPolicy returns what the current policy of the service says about a scan, or the
// version of the scan's own time if the data is that of the past.
func replayPolicy(c *cli.Context, st store.Store, kept store.Scan, s cyclonedx.Scan, before verdict.Verdict) (*ruleset.Effective, error) {
	var policy *ruleset.Policy
	var err error
	switch {
	case c.String("as-of") == "":
		policy, err = (&ruleset.Current{Store: st}).Get(c.Context)
	case before.Policy != nil:
		policy, err = ruleset.At(c.Context, st, before.Policy.Version)
	}
	if err != nil || policy == nil {
		return nil, err
	}
	token, err := tokenOf(c.Context, st, kept.Token)
	if err != nil {
		return nil, err
	}
	return scan.PolicyFor(policy, s, kept.Project, token), nil
}

// matching returns what the references of ratchets are matched with.
func matching(view *snapshot.View, now time.Time) scan.Matching {
	return scan.Matching{Index: view, Memo: view.Memo(), Snapshot: view.Data().Snapshot, Now: now}
}

// replayRatchet returns the ratchet of a policy with the reference that the scan had, or
// under today's policy with that of its time.
func replayRatchet(c *cli.Context, st store.Store, rules *ruleset.Effective, kept store.Scan, before verdict.Verdict, with scan.Matching) (*policy.Ratchet, error) {
	references := scan.References{Store: st}
	if c.String("as-of") == "" {
		return references.Ratchet(c.Context, rules, kept.Project, kept.At, with)
	}
	ratchet, err := references.RatchetOf(c.Context, rules, before, with)
	if errors.Is(err, store.ErrNotFound) {
		return nil, hint.Errorf("it was removed because of its age; without --as-of, the ratchet uses what is still stored", "%w", err)
	}
	return ratchet, err
}

// replayBaseline returns the stored scan that a scan named as its baseline.
func replayBaseline(c *cli.Context, st store.Store, s cyclonedx.Scan, before verdict.Verdict) (*policy.Baseline, error) {
	references := scan.References{Store: st}
	baseline, ok, err := references.BaselineOf(c.Context, s.Files, before)
	if err == nil && !ok {
		err = hint.Errorf("a stored scan is removed because of its age; a file of --baseline is stored with each scan", "the baseline, scan %q, cannot be read any more", baseline.Scan)
	}
	return baseline, err
}

func (d *daemon) printReplay(c *cli.Context, kept store.Scan, before, v verdict.Verdict) error {
	var err error
	if c.String("format") == "json" {
		err = verdict.WriteJSON(d.stdout, v)
	} else {
		err = verdict.WriteText(d.stdout, v, verdict.Style{Exit: v.Decision.Code})
	}
	if err != nil {
		return err
	}
	difference := scan.Compare(before, v)
	at := kept.At.UTC().Format(time.RFC3339)
	if difference.Empty() {
		fmt.Fprintf(d.stderr, "assayd: the decision and the findings are the same as at %s\n", at)
		return nil
	}
	fmt.Fprintf(d.stderr, "assayd: this verdict differs from the one given at %s:\n", at)
	return difference.WriteText(d.stderr)
}
