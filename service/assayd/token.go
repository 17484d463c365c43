package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"assay/remote/token"
	"assay/service/httpserver"
	"assay/service/store"
	"assay/verdict/hint"
)

func (d *daemon) tokenCommand() *cli.Command {
	return &cli.Command{
		Name:            "token",
		Usage:           "create, list and revoke tokens",
		HideHelpCommand: true,
		Subcommands: []*cli.Command{
			{
				Name:  "create",
				Usage: "create a token, and print it to standard output; it is never shown again",
				Flags: storeFlags(
					&cli.StringFlag{Name: "name", Usage: "what the token is for (required)"},
					&cli.StringSliceFlag{Name: "scope", Usage: "scan, read or admin (repeatable)", Value: cli.NewStringSlice(httpserver.ScopeScan)},
					&cli.StringFlag{Name: "project", Usage: "for scans of `PROJECT` only"},
					&cli.GenericFlag{Name: "expires", Usage: "let the token expire after this `TIME`, such as 90d or 12h; default never", Value: new(lifetime)},
					&cli.BoolFlag{Name: "rotate", Usage: "replace the valid token of this name, with its scopes and project unless others are given"},
					&cli.GenericFlag{Name: "overlap", Usage: "with --rotate: let the old token work for this `TIME`", Value: lifetimeOf(24 * time.Hour)},
				),
				Action: d.tokenCreate,
			},
			{Name: "list", Usage: "list the tokens, without their secrets", Flags: storeFlags(), Action: d.tokenList},
			{Name: "revoke", Usage: "revoke a token at once", ArgsUsage: "ID|NAME", Flags: storeFlags(), Action: d.tokenRevoke},
		},
	}
}

func (d *daemon) tokenCreate(c *cli.Context) error {
	t := store.Token{Name: c.String("name"), Scopes: c.StringSlice("scope"), Project: c.String("project"), Created: d.now()}
	for _, s := range t.Scopes {
		if !slices.Contains([]string{httpserver.ScopeScan, httpserver.ScopeRead, httpserver.ScopeAdmin}, s) {
			return hint.Errorf("scopes are scan, read and admin", "unknown scope %q", s)
		}
	}
	rotate := c.Bool("rotate")
	switch {
	case t.Name == "":
		return hint.Errorf("give the token a name, such as --name ci: the list and the log show it", "--name is missing or empty")
	case c.IsSet("overlap") && !rotate:
		return hint.Errorf("with --rotate, --overlap sets how long the old token keeps working", "--overlap without --rotate")
	}
	if c.IsSet("expires") {
		life := lifetimeIn(c, "expires")
		if life <= 0 {
			return hint.Errorf("leave --expires out for a token that never expires", "--expires is %v: the token would never be valid", life)
		}
		t.Expires = t.Created.Add(life)
	}
	st, err := openStore(c)
	if err != nil {
		return err
	}
	defer st.Close()
	secret, err := token.New(rand.Reader)
	if err != nil {
		return fmt.Errorf("make a token: %w", err)
	}
	t.ID = strings.ToLower(rand.Text()[:10])
	if rotate {
		return d.tokenRotate(c, st, t, secret)
	}
	err = st.CreateToken(c.Context, t, token.Hash(secret), store.Event{})
	if errors.Is(err, store.ErrNameTaken) {
		return hint.Errorf("choose another --name; --rotate replaces the old token; assayd token revoke ends it at once", "%w", err)
	}
	if err != nil {
		return err
	}
	d.showToken(c, t, secret)
	return nil
}

// tokenRotate creates a token that replaces the valid ones of its name.
func (d *daemon) tokenRotate(c *cli.Context, st store.Tokens, t store.Token, secret string) error {
	tokens, err := st.ListTokens(c.Context)
	if err != nil {
		return fmt.Errorf("list tokens: %w", err)
	}
	for _, old := range tokens { // the newest counts
		if old.Name != t.Name || !old.Valid(t.Created) {
			continue
		}
		if !c.IsSet("scope") {
			t.Scopes = old.Scopes
		}
		if !c.IsSet("project") {
			t.Project = old.Project
		}
	}
	replaced, err := st.RotateToken(c.Context, t, token.Hash(secret), store.Rotation{End: t.Created.Add(lifetimeIn(c, "overlap"))}, store.Event{})
	if err != nil {
		return err
	}
	d.showToken(c, t, secret)
	for _, old := range replaced {
		fmt.Fprintf(d.stderr, "\nthe old token %q (%s) is valid until %s; assayd token revoke %s ends it now\n",
			old.Name, old.ID, old.Expires.UTC().Format(time.RFC3339), old.ID)
	}
	return nil
}

// showToken prints a new token, and lines for a Dockerfile.
func (d *daemon) showToken(c *cli.Context, t store.Token, secret string) {
	fmt.Fprintln(d.stdout, secret)
	url, note := publicURL(c.String("data")), ""
	if url == "" {
		url, note = "https://assay.example.com", "\nhttps://assay.example.com stands for the address of your assayd.\n"
	}
	fmt.Fprintf(d.stderr, `token %q (%s) was created. It is shown only once.

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
%[4]s`, t.Name, t.ID, url, note)
}

func (d *daemon) tokenList(c *cli.Context) error {
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	tokens, err := st.ListTokens(c.Context)
	if err != nil {
		return fmt.Errorf("list tokens: %w", err)
	}
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tSCOPES\tPROJECT\tCREATED\tLAST USED\tSTATE")
	for _, t := range tokens {
		state := "valid"
		switch {
		case !t.Revoked.IsZero():
			state = "revoked " + day(t.Revoked)
		case !t.Valid(d.now()):
			state = "expired " + day(t.Expires)
		case !t.Expires.IsZero():
			state = "valid until " + day(t.Expires)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, strings.Join(t.Scopes, ","),
			cmp.Or(t.Project, "any"), day(t.Created), day(t.Used), state)
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
	revoked, err := st.RevokeToken(c.Context, store.Revocation{Token: c.Args().First(), At: d.now()}, store.Event{})
	if err != nil {
		return hint.Errorf("assayd token list shows the tokens", "%w", err)
	}
	for _, t := range revoked {
		fmt.Fprintf(d.stdout, "revoked %q (%s)\n", t.Name, t.ID)
	}
	return nil
}
