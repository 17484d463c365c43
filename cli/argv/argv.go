// Package argv puts a command line in the order that urfave/cli reads: flags
// before positional arguments. The library stops at the first positional one,
// and people write flags on either side.
package argv

import (
	"fmt"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"
)

// A UsageError is a command line that cannot be understood.
type UsageError struct{ What, Next string }

func (e *UsageError) Error() string { return e.What }

// Hint is the next step, for people.
func (e *UsageError) Hint() string { return e.Next }

// Permute returns args, which begins with the program's name, with the names of
// commands first, then flags with their values, then positional arguments
// behind "--". hints tells for unknown flags, by name, what to use instead. The
// error is a *UsageError.
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

// arity maps each name of a flag to whether a value follows it.
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

// takesValue reports whether the argument behind the flag a is its value. The
// flag's own "=value" may be a secret and is never repeated in an error.
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

// shortGroup reads a group of one-letter flags, of which only the last may take
// a value: -cn, -cd DIR.
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
