//go:build urfave_cli_no_docs

package main

import (
	"errors"

	"github.com/urfave/cli/v2"
)

func (*daemon) manCommand() *cli.Command {
	return &cli.Command{
		Name: "man", Hidden: true,
		Action: func(*cli.Context) error { return errors.New("this build has no manual page") },
	}
}
