//go:build !urfave_cli_no_docs

package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func (d *daemon) manCommand() *cli.Command {
	return &cli.Command{
		Name:  "man",
		Usage: "print the manual page of assayd",
		Action: func(c *cli.Context) error {
			page, err := c.App.ToManWithSection(8)
			if err != nil {
				return fmt.Errorf("make the manual page: %w", err)
			}
			_, err = fmt.Fprint(d.stdout, page)
			return err
		},
	}
}
