package cli

import (
	"context"
	"fmt"

	ucli "github.com/urfave/cli/v2"

	"assay/remote"
	"assay/verdict"
)

// scanned is the action of assay scanned, the last step of a CI job. It fails unless the
// service has a passing scan of the commit.
func (r *run) scanned(c *ucli.Context) error {
	s, err := r.settings(c)
	if err != nil {
		return err
	}
	commit, project := "", ""
	for _, o := range s.options {
		switch o.Name {
		case "commit":
			commit = o.Value
		case "project":
			project = o.Value
		}
	}
	if commit == "" {
		return usage("assay scanned --commit SHA", "the commit is missing")
	}
	secret, err := findToken(c, r.env.LookupEnv, readTokenFile)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, s.timeout)
	defer cancel()
	client, err := remote.New(r.remote(s, secret, r.note))
	if err != nil {
		return err
	}
	got, err := client.Scanned(ctx, commit, project)
	if err != nil {
		return err
	}
	switch {
	case got.Passed:
		if !s.quiet {
			fmt.Fprintf(r.env.Stdout, "assay: %s\n", verdict.Clean(got.Text))
		}
	case got.Scan != "" && got.Code == codeFindings:
		r.code = codeFindings
	default: // the code of the service is not used: the process would end with 0 for 256
		r.code = codeUntrusted
	}
	if r.code != codePass {
		fmt.Fprintf(r.env.Stderr, "assay: error: %s\nhint: %s\n", verdict.Clean(got.Text), verdict.Clean(got.Hint))
	}
	return nil
}
