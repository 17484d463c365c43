package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"assay/cli/manual"
	"assay/verdict/hint"
)

func (d *daemon) completionCommand() *cli.Command {
	return &cli.Command{
		Name:            "completion",
		Usage:           "print shell completions of assayd",
		ArgsUsage:       "bash|zsh|fish",
		HideHelpCommand: true,
		Action: func(c *cli.Context) error {
			var text string
			switch shell := c.Args().First(); shell {
			case "bash":
				text = manual.Bash(c.App)
			case "zsh":
				text = manual.Zsh(c.App)
			case "fish":
				text = manual.Fish(c.App)
			default:
				return hint.Errorf("assayd completion bash|zsh|fish", "no completion for %q", shell)
			}
			_, err := fmt.Fprint(d.stdout, text)
			return err
		},
	}
}

func (d *daemon) manCommand() *cli.Command {
	return &cli.Command{
		Name:            "man",
		Usage:           "print the manual page of assayd",
		HideHelpCommand: true,
		Flags:           []cli.Flag{&cli.StringFlag{Name: "date", Usage: "`DATE` of the page, such as 2006-01-02"}},
		Action: func(c *cli.Context) error {
			_, err := fmt.Fprint(d.stdout, manual.Man(manual.Program{App: c.App, Section: 8, Date: c.String("date"), SeeAlso: "assay(1)"}))
			return err
		},
	}
}
