package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/policy/ignore"
	"assay/service/policy/ruleset"
	"assay/service/scan"
	"assay/service/snapshot"
	"assay/service/store"
	"assay/verdict"
	"assay/verdict/hint"
)

func (d *daemon) policyCommand() *cli.Command {
	return &cli.Command{
		Name:  "policy",
		Usage: "work with the policy of the service, and with files of exceptions",
		Subcommands: []*cli.Command{
			{
				Name: "set", ArgsUsage: "FILE", Flags: storeFlags(), Action: d.policySet,
				Usage: "store a new version of the policy, which counts for every scan from then on",
			},
			{
				Name: "show", ArgsUsage: "[VERSION]", Flags: storeFlags(), Action: d.policyShow,
				Usage: "print the current version of the policy, or another one",
			},
			{Name: "list", Usage: "list the versions of the policy", Flags: storeFlags(), Action: d.policyList},
			{
				Name: "check", ArgsUsage: "FILE", Action: d.policyCheck,
				Usage:       "say what contradicts itself in a policy, or has no effect",
				Description: "The exit code is 1 if there is anything.",
			},
			{
				Name: "test", ArgsUsage: "FILE", Action: d.policyTest,
				Usage: "decide stored scans again with a policy, and print those that would change",
				Flags: append(evaluatorFlags(), storeFlags(
					&cli.IntFlag{Name: "limit", Usage: "decide the newest `N` scans", Value: 100},
				)...),
			},
			{
				Name: "convert", ArgsUsage: "FILE", Action: d.convert,
				Usage: "print a file of exceptions in the format of .assayignore.yaml",
				Description: "FILE is a .trivyignore, a .trivyignore.yaml, the configuration of Grype, or an .assayignore.yaml,\n" +
					"which is checked. Rules that assay does not support are printed as comments.",
			},
		},
	}
}

// readPolicy reads and parses the file that a command names.
func readPolicy(c *cli.Context, command string) (*ruleset.Policy, []byte, error) {
	if c.NArg() != 1 {
		return nil, nil, hint.Errorf("assayd policy "+command+" FILE", "one file must be named")
	}
	name := c.Args().First()
	text, err := readBounded(name, ruleset.MaxBytes)
	if err != nil {
		return nil, nil, err
	}
	p, err := ruleset.Parse(text)
	if err != nil {
		return nil, nil, hint.Errorf("docs/policy.md has the format", "read %q: %w", name, err)
	}
	return p, text, nil
}

func (d *daemon) policySet(c *cli.Context) error {
	p, text, err := readPolicy(c, "set")
	if err != nil {
		return err
	}
	for _, problem := range p.Check(d.now()) {
		fmt.Fprintf(d.stderr, "assayd: note: %s\n", verdict.Clean(problem))
	}
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	version, err := ruleset.Set(c.Context, st, text, fmt.Sprintf("policy set %d", os.Getpid()), d.now())
	if errors.Is(err, ruleset.ErrBusy) {
		return hint.Errorf("run the command again", "%w", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(d.stdout, "stored version %d of the policy\n", version)
	return st.AddEvent(c.Context, d.event(store.ActionPolicy, "version "+strconv.Itoa(version), c.Args().First()))
}

func (d *daemon) policyShow(c *cli.Context) error {
	if c.NArg() > 1 {
		return hint.Errorf("assayd policy show [VERSION]", "unexpected argument %q", c.Args().Get(1))
	}
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	all, err := ruleset.Versions(c.Context, st)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return hint.Errorf("assayd policy set FILE stores one", "the service has no policy")
	}
	version := all[len(all)-1].Number
	if c.NArg() == 1 {
		if version, err = strconv.Atoi(c.Args().First()); err != nil {
			return hint.Errorf("assayd policy list shows them", "invalid version %q", c.Args().First())
		}
	}
	text, err := ruleset.Text(c.Context, st, version)
	if err != nil {
		return hint.Errorf("assayd policy list shows them", "%w", err)
	}
	_, err = d.stdout.Write(text)
	return err
}

func (d *daemon) policyList(c *cli.Context) error {
	if c.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", c.Args().First())
	}
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	all, err := ruleset.Versions(c.Context, st)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VERSION\tSTORED")
	for _, v := range all {
		fmt.Fprintf(w, "%d\t%s\n", v.Number, v.At.UTC().Format(time.RFC3339))
	}
	return w.Flush()
}

func (d *daemon) policyCheck(c *cli.Context) error {
	p, _, err := readPolicy(c, "check")
	if err != nil {
		return err
	}
	problems := p.Check(d.now())
	for _, problem := range problems {
		fmt.Fprintln(d.stdout, verdict.Clean(problem))
	}
	if len(problems) > 0 {
		return fmt.Errorf("contradictions or rules without effect in %q: %d", c.Args().First(), len(problems))
	}
	return nil
}

// policyTest decides stored scans with the current policy and with that of a file, both
// with the current data.
func (d *daemon) policyTest(c *cli.Context) (err error) {
	p, _, err := readPolicy(c, "test")
	if err != nil {
		return err
	}
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	current, err := (&ruleset.Current{Store: st}).Get(c.Context)
	if err != nil {
		return err
	}
	head, err := st.Head(c.Context)
	if err != nil {
		return fmt.Errorf("read the state of the data: %w", err)
	}
	index, discard, err := indexOf(c.Context, st, head.Seq)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, discard()) }()
	view, err := index.View()
	if err != nil {
		return fmt.Errorf("open the snapshot: %w", err)
	}
	defer view.Close()
	eval, err := evaluator(c)
	if err != nil {
		return err
	}
	if err := replayAge(c, st, &eval, view.Data()); err != nil {
		return err
	}
	scans, err := st.ListScans(c.Context, c.Int("limit"))
	if err != nil {
		return err
	}
	t := policyTest{references: scan.References{Store: st}, store: st, eval: eval, view: view, now: d.now()}
	changed, used := 0, map[string]bool{}
	for _, listed := range scans {
		kept, err := st.Scan(c.Context, listed.ID)
		if err != nil {
			return err
		}
		before, _, err := t.decide(c.Context, kept, current)
		if err != nil {
			return err
		}
		after, sections, err := t.decide(c.Context, kept, p)
		if err != nil {
			return err
		}
		for _, name := range sections {
			used[name] = true
		}
		if before.Outcome != after.Outcome || before.Reasons[0].Rule != after.Reasons[0].Rule {
			changed++
			fmt.Fprintf(d.stdout, "%s %s %s: %s (%s) -> %s (%s)\n", kept.ID, kept.At.UTC().Format(time.RFC3339), cmp.Or(printable(kept.Project), "(no project)"),
				before.Outcome, before.Reasons[0].Rule, after.Outcome, after.Reasons[0].Rule)
		}
	}
	for _, name := range p.Sections() {
		if !used[name] {
			fmt.Fprintf(d.stdout, "%s: the section is about none of these scans\n", verdict.Clean(name))
		}
	}
	fmt.Fprintf(d.stdout, "%d of %d scans would change\n", changed, len(scans))
	return nil
}

// A policyTest decides stored scans with the data of a view.
type policyTest struct {
	references scan.References
	store      store.Store
	eval       scan.Evaluator
	view       *snapshot.View
	now        time.Time
}

// decide decides a scan with a policy, and returns the sections that are about it.
func (t *policyTest) decide(ctx context.Context, kept store.Scan, policy *ruleset.Policy) (decision verdict.Decision, sections []string, err error) {
	sent, answered, err := scan.Decode(kept)
	if err != nil {
		return decision, nil, err
	}
	token, err := tokenOf(ctx, t.store, kept.Token)
	if err != nil {
		return decision, nil, err
	}
	eval := t.eval
	// A baseline that was removed makes the answer untrusted.
	if eval.Baseline, _, err = t.references.BaselineOf(ctx, sent.Files, answered); err != nil {
		return decision, nil, err
	}
	if eval.Policy = scan.PolicyFor(policy, sent, kept.Project, token); eval.Policy != nil {
		sections = eval.Policy.Sections
	}
	if eval.Ratchet, err = t.references.Ratchet(ctx, eval.Policy, kept.Project, kept.At, matching(t.view, t.now)); err != nil {
		return decision, nil, err
	}
	answer, err := eval.Answer(sent, t.view, t.view.Memo(), t.view.Data(), t.now)
	if err != nil {
		return decision, nil, fmt.Errorf("decide scan %q: %w", kept.ID, err)
	}
	return answer.Decision, sections, nil
}

// tokenOf returns the token with an id, or an empty one if it is no longer stored.
func tokenOf(ctx context.Context, st store.Tokens, id string) (store.Token, error) {
	all, err := st.ListTokens(ctx)
	if err != nil {
		return store.Token{}, fmt.Errorf("read the tokens: %w", err)
	}
	for _, t := range all {
		if t.ID == id {
			return t, nil
		}
	}
	return store.Token{}, nil
}

func (d *daemon) convert(c *cli.Context) error {
	if c.NArg() != 1 {
		return hint.Errorf("assayd policy convert FILE", "one file must be named")
	}
	name := c.Args().First()
	b, err := readBounded(name, ignore.MaxBytes)
	if err != nil {
		return err
	}
	f, err := ignore.Parse(name, b)
	if err != nil {
		return hint.Errorf("docs/policy.md has the formats", "read %q: %w", name, err)
	}
	if err := ignore.Write(d.stdout, f); err != nil {
		return err
	}
	left := 0
	for _, r := range f.Rules {
		if r.Inactive != "" {
			left++
		}
	}
	if left > 0 {
		fmt.Fprintf(d.stderr, "assayd: %d of %d rules of %s accept nothing and were not converted\n", left, len(f.Rules), verdict.Clean(name))
	}
	return nil
}

// readBounded reads a file, and at most one byte more than most bytes of it.
func readBounded(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", name, err)
	}
	return b, nil
}
