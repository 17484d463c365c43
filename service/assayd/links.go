package main

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/lifetime"
	"assay/service/links"
	"assay/service/store"
	"assay/verdict"
	"assay/verdict/hint"
)

func reportLinksFlag() cli.Flag {
	return &cli.GenericFlag{Name: "report-links", Usage: "let everybody with the link in a build's log open the report of its scan, for this `TIME` after the scan, such as 7d; default: a report needs a token", Value: new(lifetime.Duration)}
}

// reportLinks returns how long links to reports work, or 0 if there are no links.
func reportLinks(c *cli.Context, public string, log *slog.Logger) (time.Duration, error) {
	life := lifetimeIn(c, "report-links")
	switch {
	case life == 0:
		return 0, nil
	case life < time.Minute || life > links.MaxLifetime:
		return 0, hint.Errorf("give a time from 1m to 90d", "invalid --report-links %s", lifetimeOf(life))
	}
	if !strings.HasPrefix(public, "https://") {
		log.Warn("report links are sent without TLS: who reads the traffic can open the reports", "public_url", public)
	}
	// An id of a scan has 16 characters.
	if n := len(links.Page(public, strings.Repeat("a", 16))) + 1 + links.Length; n > verdict.MaxReport {
		log.Warn("the public URL is too long for report links: the log of a build has no room for them", "columns", n, "most", verdict.MaxReport)
	}
	return life, nil
}

// newLinks returns the links of a service.
func (d *daemon) newLinks(st store.Store, life time.Duration) *links.Links {
	return &links.Links{Store: st, Lifetime: life, Now: d.now, Random: rand.Reader}
}

func (d *daemon) revokeLinkCommand() *cli.Command {
	return &cli.Command{
		Name:      "revoke-link",
		Usage:     "end the link to the report of a scan at once, on all replicas",
		ArgsUsage: "SCAN",
		Flags:     storeFlags(&cli.BoolFlag{Name: "all", Usage: "end the links to the reports of all scans so far"}),
		Action:    d.revokeLink,
	}
}

func (d *daemon) revokeLink(c *cli.Context) error {
	if all := c.Bool("all"); all && c.NArg() > 0 || !all && c.NArg() != 1 {
		return hint.Errorf("assayd revoke-link SCAN, or assayd revoke-link --all", "one scan must be named")
	}
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	if c.Bool("all") {
		if err := links.RevokeAll(c.Context, st); err != nil {
			return err
		}
		fmt.Fprintln(d.stdout, "revoked the links to all reports")
		return st.AddEvent(c.Context, d.event(store.ActionLinkRevoke, "all", ""))
	}
	scan, _, err := st.FindScan(c.Context, c.Args().First())
	if err != nil {
		return hint.Errorf("every verdict names its scan", "%w", err)
	}
	if err := links.Revoke(c.Context, st, scan.ID, d.now()); err != nil {
		return err
	}
	fmt.Fprintf(d.stdout, "revoked the link to the report of scan %s\n", scan.ID)
	e := d.event(store.ActionLinkRevoke, scan.ID, "")
	e.Project = scan.Project
	return st.AddEvent(c.Context, e)
}
