package verdict

import "strings"

// remedies lists what fixes the failing findings.
func (t *text) remedies() {
	if len(t.Remedies) == 0 || t.full {
		return
	}
	t.blank()
	t.add("What fixes it:")
	for i, r := range t.Remedies {
		if i == 2*maxNotes {
			t.add("  ... and " + Number(len(t.Remedies)-i) + " more")
			break
		}
		say := Count(r.Findings, "finding") + ": " + r.Text
		if r.Command != "" {
			say += ":"
		}
		t.add(t.wrap("  ", "    ", sentence(say, 4*maxWidth), 4)...)
		t.add(t.command("    ", r.Command, 12)...)
	}
}

// remedy says what to do first, in at most most lines. most is two or more.
func (t *text) remedy(most int) []string {
	var lines []string
	if t.Decision.Outcome == Fail {
		lines = t.fix(most)
	}
	for _, r := range t.Decision.Reasons {
		if r.Hint == "" || len(lines) >= most {
			continue
		}
		// These rules are about findings, whose fix precedes this.
		if len(lines) > 0 && failsFinding(r.Rule) {
			continue
		}
		lines = append(lines, t.labelled("hint:", r.Hint, most-len(lines))...)
	}
	return lines
}

// fix says how to fix the findings, in at most most lines: the first remedies whole, and
// how many there are more.
func (t *text) fix(most int) []string {
	var lines []string
	for i, r := range t.Remedies {
		room, more := most-len(lines), len(t.Remedies)-i
		if more > 1 {
			room-- // for the number of the others
		}
		part := t.short(r, room)
		if len(part) == 0 {
			if len(lines) < most {
				say := "see \"What fixes it\" above"
				if i > 0 {
					say = "and " + Number(more) + " more: " + say
				}
				lines = append(lines, t.labelled("fix:", say, 1)...)
			}
			break
		}
		lines = append(lines, part...)
	}
	return lines
}

// short returns a remedy in at most most lines, or nothing if it does not fit. A command is
// never cut.
func (t *text) short(r Remedy, most int) []string {
	const label = "fix:"
	if most <= 0 {
		return nil
	}
	indent := pad("", labels)
	if r.Command == "" {
		return t.labelled(label, r.Text, min(2, most))
	}
	for _, command := range []string{r.Command, r.Short} {
		if one := t.labelled(label, r.Text+": "+command, 1); command != "" && len(one) == 1 && strings.HasSuffix(one[0], clean(command, 4*maxWidth)) {
			return one
		}
		if lines := t.command(indent, command, min(4, most-1)); len(lines) > 0 {
			return append(t.labelled(label, r.Text+":", min(2, most-len(lines))), lines...)
		}
	}
	return nil
}

// command returns a command in at most most lines, which end in a backslash but for the
// last. A word that is too long for the page may have up to 100 columns, so that what people
// paste is whole. The result is empty if there are more lines.
func (t *text) command(indent, command string, most int) []string {
	if command == "" || most <= 0 || len(command) > 10*maxWidth || clean(command, len(command)) != command {
		return nil
	}
	const end = ` \`
	rest := indent + "    " // the beginning of the next lines
	lines, line := []string(nil), indent
	all := words(command)
	for i, word := range all {
		switch room := t.width - len(line) - len(end); {
		case i == 0:
			line += word
		case 1+len(word) > room, all[i-1] == "&&" && step(all[i:]) > room && len(rest)+step(all[i:]) < t.width:
			lines = append(lines, line+end)
			line = rest + word
		default:
			line += " " + word
		}
		if len(line)+len(end) > maxWidth {
			return nil
		}
	}
	if lines = append(lines, line); len(lines) > most {
		return nil
	}
	return lines
}

// step returns the length of a command up to the next "&&", with a space before each word.
func step(words []string) int {
	n := 0
	for _, w := range words {
		n += 1 + len(w)
		if w == "&&" {
			break
		}
	}
	return n
}

// words splits a command at the spaces that are not within single quotes.
func words(command string) []string {
	quoted := false
	return strings.FieldsFunc(command, func(r rune) bool {
		quoted = quoted != (r == '\'')
		return r == ' ' && !quoted
	})
}
