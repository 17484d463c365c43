package manual

import (
	"fmt"
	"strings"

	ucli "github.com/urfave/cli/v2"
)

// quote quotes a word for all three shells. It uses single quotes, in which fish interprets
// backslashes.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, "", "'", `'\''`).Replace(s) + "'"
}

// where writes the lines of a case that find the command that is being typed, for bash and
// zsh. The command is the words after the program, each with a blank before it.
func where(out *strings.Builder, c command) {
	fmt.Fprintf(out, "\t\tcase $word in\n\t\t%s) skip=1; continue ;;\n\t\tesac\n", strings.Join(valued(c), " | "))
	out.WriteString("\t\tcase \"$at $word\" in\n")
	for _, sub := range c.all()[1:] {
		at := " " + strings.Join(sub.words, " ")
		fmt.Fprintf(out, "\t\t%s) at=%s ;;\n", quote(at), quote(at))
	}
	out.WriteString("\t\tesac\n")
}

// Bash returns the completion for bash, which needs only bash. For a value or an argument it
// completes file names.
func Bash(app *ucli.App) string {
	var out strings.Builder
	c := root(app)
	fmt.Fprintf(&out, "# Completion of %s for bash.\n_%s() {\n", app.Name, app.Name)
	out.WriteString("\tlocal at='' word skip='' flags='' commands='' i\n\tCOMPREPLY=()\n")
	out.WriteString("\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tword=${COMP_WORDS[i]}\n")
	out.WriteString("\t\t[ \"$word\" != = ] || { skip=1; continue; }\n")
	out.WriteString("\t\tif [ -n \"$skip\" ]; then skip=; continue; fi\n")
	where(&out, c)
	out.WriteString("\tdone\n\tword=${COMP_WORDS[COMP_CWORD]}\n\tif [ -n \"$skip\" ] || [ \"$word\" = = ]; then return; fi\n\tcase $at in\n")
	for _, sub := range c.all() {
		fmt.Fprintf(&out, "\t%s)\n\t\tflags=%s\n", quote(at(sub)), quote(strings.Join(sub.allDashed(), " ")))
		var names []string
		for _, s := range sub.commands {
			names = append(names, s.name())
		}
		if names != nil {
			fmt.Fprintf(&out, "\t\tcommands=%s\n", quote(strings.Join(names, " ")))
		}
		out.WriteString("\t\t;;\n")
	}
	out.WriteString("\tesac\n\tcase $word in\n\t-*) ;;\n\t*) flags=$commands ;;\n\tesac\n")
	out.WriteString("\tmapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"$word\")\n}\n")
	fmt.Fprintf(&out, "complete -o bashdefault -o default -F _%s %s\n", app.Name, app.Name)
	return out.String()
}

// Zsh returns the completion for zsh.
func Zsh(app *ucli.App) string {
	var out strings.Builder
	c := root(app)
	fmt.Fprintf(&out, "#compdef %s\n# Completion of %s for zsh.\n_%s() {\n", app.Name, app.Name, app.Name)
	out.WriteString("\tlocal at='' word skip='' i\n\tlocal -a given known\n")
	out.WriteString("\tfor ((i = 2; i < CURRENT; i++)); do\n\t\tword=$words[i]\n")
	out.WriteString("\t\tif [[ -n $skip ]]; then skip=; continue; fi\n")
	where(&out, c)
	out.WriteString("\tdone\n\tif [[ -n $skip ]]; then _files; return; fi\n\tcase $at in\n")
	for _, sub := range c.all() {
		fmt.Fprintf(&out, "\t%s)\n\t\tgiven=(\n", quote(at(sub)))
		for _, f := range sub.flags {
			for _, name := range dashed(f) {
				fmt.Fprintf(&out, "\t\t\t%s\n", quote(name+":"+description(f)))
			}
		}
		out.WriteString("\t\t)\n\t\tknown=(\n")
		for _, s := range sub.commands {
			fmt.Fprintf(&out, "\t\t\t%s\n", quote(s.name()+":"+s.usage))
		}
		out.WriteString("\t\t)\n\t\t;;\n")
	}
	out.WriteString("\tesac\n\tif [[ $words[CURRENT] == -* ]]; then\n\t\t_describe -o flag given\n")
	out.WriteString("\telif (( $#known )); then\n\t\t_describe command known\n\telse\n\t\t_files\n\tfi\n}\n")
	fmt.Fprintf(&out, "_%s \"$@\"\n", app.Name)
	return out.String()
}

// at returns the command in the form that where finds.
func at(c command) string {
	var s string
	for _, w := range c.words {
		s += " " + w
	}
	return s
}

// Fish returns the completion for fish.
func Fish(app *ucli.App) string {
	var out strings.Builder
	fmt.Fprintf(&out, "# Completion of %s for fish.\n", app.Name)
	all := root(app).all()
	for _, c := range all {
		here := []string{"__fish_use_subcommand"}
		if len(c.words) > 0 {
			here = nil
		}
		for _, w := range c.words {
			here = append(here, "__fish_seen_subcommand_from "+w)
		}
		// Fish looks for a command anywhere: "bundle import" is not "import".
		for _, other := range all {
			if len(c.words) == 1 && len(other.words) == 2 && other.words[1] == c.words[0] {
				here = append(here, "not __fish_seen_subcommand_from "+other.words[0])
			}
		}
		for _, f := range c.flags {
			fmt.Fprintf(&out, "complete -c %s -n %s", app.Name, quote(strings.Join(here, "; and ")))
			for _, n := range f.Names() {
				if len(n) == 1 {
					out.WriteString(" -s " + n)
				} else {
					out.WriteString(" -l " + n)
				}
			}
			if f.TakesValue() {
				out.WriteString(" -r")
			}
			fmt.Fprintf(&out, " -d %s\n", quote(description(f)))
		}
		var names []string
		for _, s := range c.commands {
			names = append(names, s.name())
		}
		if len(c.words) > 0 && names != nil {
			here = append(here, "not __fish_seen_subcommand_from "+strings.Join(names, " "))
		}
		for _, s := range c.commands {
			fmt.Fprintf(&out, "complete -c %s -n %s -f -a %s -d %s\n", app.Name, quote(strings.Join(here, "; and ")), s.name(), quote(s.usage))
		}
	}
	return out.String()
}
