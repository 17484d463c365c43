// Package argv sorts a command line into the order that urfave/cli expects: flags before
// positional arguments. The library stops reading flags at the first positional argument,
// but people also write flags after it.
package argv

import (
	"fmt"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"
)

// A UsageError reports an invalid command line.
type UsageError struct{ What, Next string }

func (e *UsageError) Error() string { return e.What }

// Hint says what to try next.
func (e *UsageError) Hint() string { return e.Next }

// Permute returns args, which begins with the program's name, in this order: the names of
// commands, flags with their values, "--", positional arguments. hints has the hint for an
// unknown flag, by the name of the flag. The error is a *UsageError.
func Permute(args []string, app *ucli.App, hints map[string]string) ([]string, error) {
	if len(args) == 0 {
		return args, nil
	}
	known, commands := arity(app.Flags), app.Commands
	out := args[:1:1]
	var flags, rest []string
	for i := 1; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if len(a) < 2 || a[0] != '-' {
			if c := named(commands, a); c != nil && len(rest) == 0 {
				out, known, commands = append(out, a), arity(c.Flags), c.Subcommands
				continue
			}
			rest = append(rest, a)
			continue
		}
		value, err := takesValue(a, known, hints)
		if err != nil {
			return nil, err
		}
		flags = append(flags, a)
		if value {
			if i++; i == len(args) {
				return nil, &UsageError{fmt.Sprintf("flag %q needs a value", a), args[0] + " --help lists the flags"}
			}
			flags = append(flags, args[i])
		}
	}
	out = append(out, flags...)
	if len(rest) > 0 {
		out = append(append(out, "--"), rest...)
	}
	return out, nil
}

func named(commands []*ucli.Command, name string) *ucli.Command {
	i := slices.IndexFunc(commands, func(c *ucli.Command) bool { return c.HasName(name) })
	if i < 0 {
		return nil
	}
	return commands[i]
}

// arity maps each name of a flag to whether it takes a value.
func arity(flags []ucli.Flag) map[string]bool {
	known := map[string]bool{"help": false, "h": false, "version": false, "v": false}
	for _, f := range flags {
		_, isSwitch := f.(*ucli.BoolFlag)
		for _, name := range f.Names() {
			known[name] = !isSwitch
		}
	}
	return known
}

// takesValue reports whether the argument after the flag a is its value. The error does
// not contain what follows "=" in a, because it may be a secret.
func takesValue(a string, known map[string]bool, hints map[string]string) (bool, error) {
	flag, _, inline := strings.Cut(a, "=")
	name := strings.TrimLeft(flag, "-")
	if value, ok := known[name]; ok {
		return value && !inline, nil
	}
	if !strings.HasPrefix(a, "--") && !inline {
		if value, ok := shortGroup(name, known); ok {
			return value, nil
		}
	}
	next, ok := hints[name]
	if !ok {
		next = "--help lists the flags"
	}
	return false, &UsageError{fmt.Sprintf("unknown flag %q", flag), next}
}

// shortGroup reads a group of one-letter flags, such as -cn or -cd DIR. Only the last one
// may take a value.
func shortGroup(group string, known map[string]bool) (value, ok bool) {
	for i, r := range group {
		v, ok := known[string(r)]
		if !ok || v && i != len(group)-1 {
			return false, false
		}
		value = v
	}
	return value, true
}
