package peers

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Table returns the lines of the table below a heading in a text of Markdown, cut
// into cells without the backquotes around them:
//
//	| `rpm/*-ndb` | trivy | lacks | `gpg-*` | another rule | why |
//
// Lines whose first cell is not in backquotes, such as the head of the table, are skipped.
// A vertical bar in a cell is written \|. The section ends at the next heading of the same
// or a higher level. The error names a line with another number of cells than columns.
func Table(text, heading string, columns int) ([][]string, error) {
	_, section, ok := strings.Cut("\n"+text, "\n"+heading+"\n")
	if !ok {
		return nil, fmt.Errorf("no section %q", heading)
	}
	var lines [][]string
	level, _, _ := strings.Cut(heading, " ")
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if marks, _, ok := strings.Cut(line, " "); ok && strings.Trim(marks, "#") == "" && marks != "" && len(marks) <= len(level) {
			break
		}
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		const bar = "\x00"
		cells := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, bar), "|"), "|")
		if len(cells) != columns {
			return nil, fmt.Errorf("%q: %d cells, want %d", line, len(cells), columns)
		}
		for i, c := range cells {
			c = strings.TrimSpace(strings.ReplaceAll(c, bar, "|"))
			if inner := strings.Trim(c, "`"); len(inner) == len(c)-2 && !strings.Contains(inner, "`") {
				c = inner
			}
			cells[i] = c
		}
		lines = append(lines, cells)
	}
	return lines, nil
}

// Agree returns an error if differences and the entries of a table do not agree, and
// writes the problems to out.
func Agree(out io.Writer, problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	fmt.Fprintf(out, "\n%s\n", strings.Join(problems, "\n"))
	return errors.New("differences and entries do not agree")
}
