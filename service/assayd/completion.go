package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

func (d *daemon) completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print what completes the command line of assayd in a shell",
		ArgsUsage: "bash|zsh|fish",
		Action: func(c *cli.Context) error {
			var text string
			var err error
			switch c.Args().First() {
			case "bash":
				text = bashCompletion(c.App)
			case "zsh":
				text = "#compdef assayd\nautoload -U +X bashcompinit && bashcompinit\n" + bashCompletion(c.App)
			case "fish":
				text, err = c.App.ToFishCompletion()
			default:
				return hintf("assayd completion bash|zsh|fish", "no completion for %q", c.Args().First())
			}
			if err == nil {
				_, err = fmt.Fprint(d.stdout, text)
			}
			return err
		},
	}
}

// bashCompletion is a function of bash that completes the commands and flags of app.
// After a flag that takes a value, and for arguments, names of files are completed.
func bashCompletion(app *cli.App) string {
	var b strings.Builder
	b.WriteString(`_assayd() {
	local word path=assayd words i
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case "$path $word" in
`)
	var paths []string
	walkCommands("assayd", app.Commands, func(path string, _ *cli.Command) { paths = append(paths, "'"+path+"'") })
	b.WriteString("\t\t" + strings.Join(paths, "|") + ") path=\"$path $word\" ;;\n\t\tesac\n\tdone\n\tcase $path in\n")
	line := func(path string, commands []*cli.Command, flags []cli.Flag) {
		var words []string
		for _, c := range commands {
			if !c.Hidden {
				words = append(words, c.Name)
			}
		}
		for _, f := range flags {
			for _, name := range f.Names() {
				if len(name) > 1 {
					words = append(words, "--"+name)
				}
			}
		}
		slices.Sort(words)
		fmt.Fprintf(&b, "\t'%s') words='%s' ;;\n", path, strings.Join(words, " "))
	}
	line("assayd", app.Commands, app.Flags)
	walkCommands("assayd", app.Commands, func(path string, c *cli.Command) { line(path, c.Subcommands, c.Flags) })
	b.WriteString(`	esac
	COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _assayd assayd
`)
	return b.String()
}

func walkCommands(path string, commands []*cli.Command, f func(path string, c *cli.Command)) {
	for _, c := range commands {
		f(path+" "+c.Name, c)
		walkCommands(path+" "+c.Name, c.Subcommands, f)
	}
}
