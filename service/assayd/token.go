package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/httpserver"
	"assay/service/store"
	"assay/service/tokens"
	"assay/verdict/hint"
)

func (d *daemon) tokenCommand() *cli.Command {
	return &cli.Command{
		Name:            "token",
		Usage:           "create, rotate, list and revoke tokens",
		HideHelpCommand: true,
		Subcommands: []*cli.Command{
			{
				Name:  "create",
				Usage: "create a token, and print it to standard output; it is never shown again",
				Flags: storeFlags(
					&cli.StringFlag{Name: "name", Usage: "give the token `NAME`, such as that of the pipeline which uses it (required)"},
					&cli.StringSliceFlag{Name: "scope", Usage: "allow `SCOPE`: scan, read or admin (repeatable)", Value: cli.NewStringSlice(httpserver.ScopeScan)},
					&cli.StringFlag{Name: "project", Usage: "limit the token to scans of `PROJECT`"},
					expiresFlag(),
				),
				Action: d.tokenCreate,
			},
			{
				Name:      "rotate",
				Usage:     "replace a token by a new one with the same name, scopes and project, and print the new token",
				ArgsUsage: "NAME",
				Flags: storeFlags(
					expiresFlag(),
					&cli.GenericFlag{Name: "overlap", Usage: "let the old token work for this `TIME`", Value: lifetimeOf(tokens.DefaultOverlap)},
				),
				Action: d.tokenRotate,
			},
			{Name: "list", Usage: "list the tokens, without their secrets", Flags: storeFlags(), Action: d.tokenList},
			{Name: "revoke", Usage: "revoke a token at once; a name also revokes the token that it replaces", ArgsUsage: "ID|NAME", Flags: storeFlags(), Action: d.tokenRevoke},
		},
	}
}

func expiresFlag() cli.Flag {
	return &cli.GenericFlag{Name: "expires", Usage: "let the token expire after this `TIME`, such as 90d or 12h, or never", Value: &expiry{*lifetimeOf(tokens.DefaultLifetime)}}
}

// expires returns the value of the flag.
func expires(c *cli.Context) time.Duration {
	return time.Duration(c.Generic("expires").(*expiry).Duration)
}

func (d *daemon) tokens(st store.Store) *tokens.Manager {
	return &tokens.Manager{Store: st, Now: d.now, Random: rand.Reader, Scopes: httpserver.Scopes()}
}

func (d *daemon) tokenCreate(c *cli.Context) error {
	t := store.Token{Name: c.String("name"), Scopes: c.StringSlice("scope"), Project: c.String("project")}
	if t.Name == "" {
		return hint.Errorf("give the token a name, such as --name ci: the list and the log show it", "--name is missing or empty")
	}
	st, err := openStore(c)
	if err != nil {
		return err
	}
	defer st.Close()
	made, err := d.tokens(st).Create(c.Context, tokens.Caller{Name: commandLine()}, t, expires(c))
	if errors.Is(err, store.ErrNameTaken) {
		return hint.Errorf("choose another --name; assayd token rotate replaces the old token; assayd token revoke ends it at once", "%w", err)
	}
	if err != nil {
		return err
	}
	d.showToken(c, made)
	return nil
}

func (d *daemon) tokenRotate(c *cli.Context) error {
	if c.NArg() != 1 {
		return hint.Errorf("assayd token rotate NAME; assayd token list shows the names", "one token must be named")
	}
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	made, err := d.tokens(st).Rotate(c.Context, tokens.Caller{Name: commandLine()}, c.Args().First(), expires(c), lifetimeIn(c, "overlap"))
	if errors.Is(err, store.ErrNotFound) {
		return hint.Errorf("assayd token list shows the names; assayd token create creates a token", "%w", err)
	}
	if err != nil {
		return err
	}
	d.showToken(c, made)
	for _, old := range made.Ended {
		fmt.Fprintf(d.stderr, "\nthe old token %q (%s) is valid until %s; assayd token revoke %s ends it now\n",
			old.Name, old.ID, old.Expires.UTC().Format(time.RFC3339), old.ID)
	}
	return nil
}

// showToken prints a new token, and lines for a Dockerfile.
func (d *daemon) showToken(c *cli.Context, made tokens.Created) {
	t := made.Token
	fmt.Fprintln(d.stdout, made.Secret)
	ends := "It never expires; --expires 90d creates a token that does."
	if !t.Expires.IsZero() {
		ends = "It expires on " + t.Expires.UTC().Format("2006-01-02 at 15:04 UTC")
		if t.Expires.Sub(d.now()) > 30*24*time.Hour {
			ends += "; builds warn for 30 days before."
		} else {
			ends += "; builds warn until then."
		}
	}
	url, note := publicURL(c.String("data")), ""
	if url == "" {
		url, note = "https://assay.example.com", "\nReplace https://assay.example.com by the address of your assayd.\n"
	}
	fmt.Fprintf(d.stderr, `token %q (%s) was created. It is shown only once.
%[5]s

In a Dockerfile, with the token in a file given as a secret,
docker build --secret id=assay_token,src=FILE:

    ADD %[3]s/assay /
    RUN chmod +x /assay
    RUN --mount=type=secret,id=assay_token ["/assay"]

or with the token as a build argument, on every builder,
docker build --build-arg token=TOKEN:

    ADD %[3]s/assay /
    RUN chmod +x /assay
    ARG token
    RUN /assay ${token}
%[4]s`, t.Name, t.ID, url, note, ends)
}

func (d *daemon) tokenList(c *cli.Context) error {
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	list, err := d.tokens(st).List(c.Context, tokens.Caller{})
	if err != nil {
		return fmt.Errorf("list tokens: %w", err)
	}
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tSCOPES\tPROJECT\tCREATED\tLAST USED\tEXPIRES\tSTATE")
	for _, t := range list {
		state := tokens.State(t, list, d.now())
		if !t.Revoked.IsZero() {
			state += " " + day(t.Revoked)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, strings.Join(t.Scopes, ","),
			cmp.Or(t.Project, "any"), day(t.Created), day(t.Used), day(t.Expires), state)
	}
	return w.Flush()
}

// day formats a date for people; the zero time is "never".
func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.DateOnly)
}

func (d *daemon) tokenRevoke(c *cli.Context) error {
	if c.NArg() != 1 {
		return hint.Errorf("assayd token revoke ID|NAME; assayd token list shows both", "one token must be named")
	}
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	revoked, err := d.tokens(st).Revoke(c.Context, tokens.Caller{Name: commandLine()}, c.Args().First())
	if err != nil {
		return hint.Errorf("assayd token list shows the tokens", "%w", err)
	}
	for _, t := range revoked {
		fmt.Fprintf(d.stdout, "revoked %q (%s)\n", t.Name, t.ID)
	}
	return nil
}
