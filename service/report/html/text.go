package html

import (
	"strings"

	"assay/service/report"
	"assay/verdict"
)

// The most runes of a text from outside.
const (
	maxName = 200 // a name, a version, an id, a path
	maxText = 800 // a sentence
)

func name(s string) string { return report.Line(s, maxName) }

// names returns the first most names and the number of the others.
func names(all []string, most int) string {
	var b strings.Builder
	for i, s := range all {
		if i == most {
			b.WriteString(" and " + verdict.Number(len(all)-most) + " more")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name(s))
	}
	return b.String()
}

func sentence(s string) string { return report.Sentence(s, maxText) }

// command returns a command, or "" if it has a character that is not printable ASCII: what
// people paste must be what they see.
func command(s string) string {
	for _, r := range s {
		if r < ' ' || r > '~' {
			return ""
		}
	}
	return s
}
