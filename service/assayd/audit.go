package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/lifetime"
	"assay/service/store"
	"assay/verdict/hint"
)

func (d *daemon) auditCommand() *cli.Command {
	return &cli.Command{
		Name:  "audit",
		Usage: "list who changed tokens, sources and settings, and when; the newest event is last",
		Flags: storeFlags(
			&cli.StringFlag{Name: "since", Usage: "list only events since `TIME`, such as 2026-11-24, or 30d for the last 30 days"},
			&cli.IntFlag{Name: "limit", Usage: "list only the newest `N` events", Value: 1000},
			&cli.BoolFlag{Name: "json", Usage: "print a JSON object in each line"},
		),
		Action: d.audit,
	}
}

func (d *daemon) audit(c *cli.Context) error {
	if c.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", c.Args().First())
	}
	filter := store.EventFilter{Limit: c.Int("limit")}
	if filter.Limit < 1 {
		return hint.Errorf("give a positive number, such as --limit 100", "invalid --limit %d", filter.Limit)
	}
	var err error
	if filter.Since, err = sinceTime(c.String("since"), d.now()); err != nil {
		return err
	}
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	events, err := st.Events(c.Context, filter)
	if err != nil {
		return err
	}
	slices.Reverse(events)
	if c.Bool("json") {
		return writeLines(d.stdout, events)
	}
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tWHO\tWHAT\tOBJECT\tPROJECT\tDETAIL")
	for _, e := range events {
		action := e.Action
		if e.Refused {
			action += " (refused)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", e.At.Format(time.RFC3339), printable(e.Actor), action,
			printable(e.Object), cmp.Or(printable(e.Project), "-"), printable(e.Detail))
	}
	return w.Flush()
}

// printable quotes a text with characters that would break the line.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// sinceTime parses a date, a time, or how long ago.
func sinceTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	var ago lifetime.Duration
	if err := ago.Set(s); err != nil {
		return time.Time{}, hint.Errorf("give a date such as 2026-11-24, a time such as 2026-11-24T10:00:00Z, or how long ago: 30d", "invalid --since %q", s)
	}
	return now.Add(-time.Duration(ago)), nil
}

// commandLine names who runs this command, for the audit trail.
func commandLine() string {
	name := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return "command line " + name + "@" + host
}

// event returns an event of the audit trail that this command causes.
func (d *daemon) event(action, object, detail string) store.Event {
	return store.Event{At: d.now(), Actor: commandLine(), Action: action, Object: object, Detail: detail}
}

// settings describes the settings that decide what passes and who may scan.
func (conf serveConfig) settings(c *cli.Context, keep time.Duration) string {
	list := func(names []string) string { return cmp.Or(strings.Join(names, ","), "none") }
	signIn := "none"
	if conf.oidc != nil {
		rules := sha256.Sum256(fmt.Append(nil, conf.oidc.Issuers))
		signIn = fmt.Sprintf("%d issuers, digest %x", len(conf.oidc.Issuers), rules[:6])
	}
	settings := fmt.Sprintf("max-age %s; without %s; allow-env %s; keep %s; oidc %s",
		conf.evaluator.MaxAge, list(conf.evaluator.Without), list(c.StringSlice("allow-env")), keep, signIn)
	if conf.reportLinks > 0 {
		settings += fmt.Sprintf("; report-links %s", lifetimeOf(conf.reportLinks))
	}
	if path := c.String("clair-psk"); path != "" {
		settings += fmt.Sprintf("; clair-psk %s for project %s", path, c.String("clair-psk-project"))
	}
	if conf.osvAnonymous {
		settings += "; osv-anonymous"
	}
	return settings + conf.images.settings(c) + conf.clair.settings()
}

// noteSettings adds the settings to the audit trail, unless they are the last ones there.
func (d *daemon) noteSettings(ctx context.Context, st store.Store, settings string) error {
	last, err := st.Events(ctx, store.EventFilter{Action: store.ActionSettings, Limit: 1})
	if err != nil || len(last) > 0 && last[0].Detail == settings {
		return err
	}
	return st.AddEvent(ctx, d.event(store.ActionSettings, "assayd serve", settings))
}

// writeLines writes each element of a list as one line of JSON.
func writeLines[T any](w io.Writer, list []T) error {
	out := json.NewEncoder(w)
	for _, e := range list {
		if err := out.Encode(e); err != nil {
			return err
		}
	}
	return nil
}
