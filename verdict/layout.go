package verdict

import (
	"io"
	"strconv"
	"strings"
)

const (
	maxWidth = 100 // columns of a line
	minWidth = 60
	labels   = 8 // columns of a label such as "fix:" or "report:"
)

// A page collects the lines of a log. They are written at the end, because the tail has a
// limited number of lines.
type page struct {
	width int
	color bool
	lines []string
	size  int // bytes of lines, with newlines
}

func newPage(style Style) *page {
	width := maxWidth
	if style.Width > 0 {
		width = max(minWidth, min(style.Width, maxWidth))
	}
	return &page{width: width, color: style.Color}
}

func (p *page) add(lines ...string) {
	for _, l := range lines {
		l = strings.TrimRight(l, " ")
		p.lines = append(p.lines, l)
		p.size += len(l) + 1
	}
}

// blank adds an empty line between two parts.
func (p *page) blank() {
	if n := len(p.lines); n > 0 && p.lines[n-1] != "" {
		p.add("")
	}
}

func (p *page) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, strings.Join(p.lines, "\n")+"\n")
	return err
}

// paint colours a word in the colour of a severity. Nothing else is coloured.
func (p *page) paint(s Severity, word string) string {
	if !p.color {
		return word
	}
	code := ""
	switch s {
	case Critical:
		code = "1;31"
	case High:
		code = "31"
	case Medium:
		code = "33"
	case Low:
		code = "36"
	case Unrated:
		code = "35"
	default:
		return word
	}
	return "\x1b[" + code + "m" + word + "\x1b[0m"
}

// severityColumns is the width of the longest severity and the gap after it.
const severityColumns = len(Negligible) + 2

// severity returns a word in the column of severities, in the colour of s.
func (p *page) severity(s Severity, word string) string {
	word = clean(word, len(Negligible))
	return p.paint(s, word) + strings.Repeat(" ", severityColumns-len(word))
}

// wrap breaks words into lines. The first line begins with first, the others with rest.
// If most is not 0, there are at most most lines, and dots show that words are missing.
func (p *page) wrap(first, rest string, words []string, most int) []string {
	const dots = " ..."
	var lines []string
	line, empty := first, true
	for i, w := range words {
		last := i == len(words)-1
		room := p.width
		if !last && most > 0 && len(lines)+1 == most {
			room -= len(dots)
		}
		if !empty && columns(line)+1+columns(w) > room {
			if most > 0 && len(lines)+1 == most {
				return append(lines, line+dots)
			}
			lines = append(lines, line)
			line, empty = rest, true
			room = p.width
			if !last && most > 0 && len(lines)+1 == most {
				room -= len(dots)
			}
		}
		if !empty {
			line += " "
		}
		line += clip(w, room-columns(line))
		empty = false
	}
	return append(lines, line)
}

// labelled returns a sentence after a label, in at most most lines.
func (p *page) labelled(label, text string, most int) []string {
	return p.wrap(pad(label, labels), pad("", labels), sentence(text, 4*maxWidth), most)
}

// columns returns the width of a line. Colour codes, the only escapes of a line, have no
// width.
func columns(s string) int {
	n := len(s)
	for {
		_, after, found := strings.Cut(s, "\x1b[")
		if !found {
			return n
		}
		var code string
		code, s, _ = strings.Cut(after, "m")
		n -= len("\x1b[") + len(code) + len("m")
	}
}

// clip shortens a word that is too long for a line.
func clip(w string, room int) string {
	if columns(w) <= room {
		return w
	}
	return w[:max(0, room-3)] + "..."
}

func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-len(s)))
}

// Number formats n in groups of three digits.
func Number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Count returns a number with its noun: "1 finding", "2,017 findings".
func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return Number(n) + " " + noun
}

// Age returns a number of seconds as text, in the unit that people would use.
func Age(seconds int64) string {
	const minute, hour, day = 60, 60 * 60, 24 * 60 * 60
	switch {
	case seconds < minute:
		return "less than a minute"
	case seconds < 2*hour:
		return Count(int(seconds/minute), "minute")
	case seconds < 2*day:
		return Count(int(seconds/hour), "hour")
	}
	return Count(int(seconds/day), "day")
}
