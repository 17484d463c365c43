// Package manual writes the man page of a program and its completions for bash, zsh and
// fish. It derives them from the definition of the program's command line. The client does
// not link this package.
package manual

import (
	"fmt"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"
)

// A Program is a program with the data of its man page.
type Program struct {
	App     *ucli.App
	Section int    // of the manual: 1 for users, 8 for administrators
	Date    string // of the page, 2006-01-02
	SeeAlso string // another page, "assayd(8)"
}

// A command is the program itself or one of its visible commands.
type command struct {
	words    []string // after the program's name, such as "token", "create"
	usage    string
	args     string
	flags    []ucli.DocGenerationFlag
	commands []command // below it
}

// root returns the program as a command.
func root(app *ucli.App) command {
	c := command{usage: app.Usage, flags: documented(append(slices.Clone(app.Flags), ucli.VersionFlag))}
	for _, sub := range app.Commands {
		c.add(sub)
	}
	return c
}

func (c *command) add(sub *ucli.Command) {
	if sub.Hidden {
		return
	}
	below := command{
		words: append(slices.Clone(c.words), sub.Name), usage: sub.Usage, args: sub.ArgsUsage,
		flags: documented(sub.Flags),
	}
	for _, s := range sub.Subcommands {
		below.add(s)
	}
	c.commands = append(c.commands, below)
}

// documented returns the visible flags, and --help, which every command has, at the end.
func documented(flags []ucli.Flag) []ucli.DocGenerationFlag {
	var out []ucli.DocGenerationFlag
	for _, f := range append(slices.Clone(flags), ucli.HelpFlag) {
		d, ok := f.(ucli.DocGenerationFlag)
		visible, known := f.(ucli.VisibleFlag)
		seen := slices.ContainsFunc(out, func(o ucli.DocGenerationFlag) bool { return o.Names()[0] == f.Names()[0] })
		if ok && !(known && !visible.IsVisible()) && !seen {
			out = append(out, d)
		}
	}
	return out
}

// all returns the command and those below it, parents first.
func (c command) all() []command {
	out := []command{c}
	for _, sub := range c.commands {
		out = append(out, sub.all()...)
	}
	return out
}

// name returns the last word of the command.
func (c command) name() string { return c.words[len(c.words)-1] }

// dashed returns the names of a flag with their dashes.
func dashed(f ucli.Flag) []string {
	var out []string
	for _, n := range f.Names() {
		if len(n) == 1 {
			out = append(out, "-"+n)
		} else {
			out = append(out, "--"+n)
		}
	}
	return out
}

// allDashed returns the names of all flags of a command.
func (c command) allDashed() []string {
	var out []string
	for _, f := range c.flags {
		out = append(out, dashed(f)...)
	}
	return out
}

// valued returns the flags of the program that take a value, sorted.
func valued(c command) []string {
	var out []string
	for _, sub := range c.all() {
		for _, f := range sub.flags {
			if f.TakesValue() {
				out = append(out, dashed(f)...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// description returns what a flag does, without the backquotes around its placeholder.
func description(f ucli.DocGenerationFlag) string { return strings.ReplaceAll(f.GetUsage(), "`", "") }

// Man returns the man page.
func Man(p Program) string {
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	app, c := p.App, root(p.App)
	line(".TH %s %d %q %q", strings.ToUpper(app.Name), p.Section, p.Date, app.Name+" "+app.Version)
	line(".SH NAME")
	line("%s \\- %s", roff(app.Name), roff(app.Usage))
	line(".SH SYNOPSIS")
	synopsis := app.UsageText
	if synopsis == "" {
		synopsis = app.Name + " COMMAND [flags]"
	}
	line(".nf")
	for text := range strings.Lines(synopsis) {
		line("%s", roff(strings.TrimSpace(text)))
	}
	line(".fi")
	if app.Description != "" {
		line(".SH DESCRIPTION")
		for i, text := range strings.Split(strings.TrimSpace(app.Description), "\n") {
			if i > 0 {
				line(".PP")
			}
			para(line, text)
		}
	}
	line(".SH OPTIONS")
	manFlags(line, c.flags)
	line(".SH COMMANDS")
	for _, sub := range c.all()[1:] {
		line(".SS %s", roff(app.Name+" "+strings.Join(sub.words, " ")))
		text := sub.usage
		if sub.args != "" {
			text += ". Arguments: " + sub.args
		}
		para(line, strings.ToUpper(text[:1])+text[1:]+".")
		manFlags(line, sub.flags)
	}
	if p.SeeAlso != "" {
		line(".SH SEE ALSO")
		name, section, _ := strings.Cut(strings.TrimSuffix(p.SeeAlso, ")"), "(")
		line(".BR %s (%s)", name, section)
	}
	return out.String()
}

func manFlags(line func(string, ...any), flags []ucli.DocGenerationFlag) {
	for _, f := range flags {
		head, text, _ := strings.Cut(f.String(), "\t")
		line(".TP")
		line("\\fB%s\\fR", roff(strings.TrimSpace(head)))
		para(line, text)
	}
}

// para writes a paragraph in lines that are short enough for mandoc.
func para(line func(string, ...any), text string) {
	var now string
	for _, word := range strings.Fields(text) {
		if now != "" && len(roff(now+" "+word)) > 80 {
			line("%s", roff(now))
			now = ""
		}
		now = strings.TrimSpace(now + " " + word)
	}
	line("%s", roff(now))
}

// roff escapes a line of text.
func roff(s string) string {
	var out strings.Builder
	for i, r := range s {
		switch {
		case r == '\\':
			out.WriteString(`\e`)
		case r == '-':
			out.WriteString(`\-`)
		case r == '\'':
			out.WriteString(`\(aq`)
		case r == '^':
			out.WriteString(`\(ha`)
		case r == '~':
			out.WriteString(`\(ti`)
		case r == '`':
			out.WriteString(`\(ga`)
		case r == '.' && i == 0:
			out.WriteString(`\&.`)
		case r == '…': // missing in groff's ASCII
			out.WriteString("...")
		case r > '~':
			fmt.Fprintf(&out, `\[u%04X]`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
