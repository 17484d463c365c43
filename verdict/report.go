package verdict

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxAnswer is the most bytes of an answer to a scan, with its reports. The client accepts
// no longer one. The verdicts of the largest images have about 10 MiB.
const MaxAnswer = 128 << 20

// A ReportFormat is a format that --format and --output accept.
type ReportFormat struct {
	Name string
	// JSON says that the report is JSON.
	JSON bool
}

// The formats that the client writes by itself. The service renders all others.
const (
	ReportText = "text"
	ReportJSON = "json"
)

// ReportFormats returns the formats in the order of the documentation.
func ReportFormats() []ReportFormat {
	return []ReportFormat{
		{Name: ReportText},
		{Name: ReportJSON, JSON: true},
		{Name: "html"},
		{Name: "sarif", JSON: true},
		{Name: "cyclonedx", JSON: true},
		{Name: "spdx", JSON: true},
		{Name: "openvex", JSON: true},
		{Name: "csv"},
		{Name: "markdown"},
		{Name: "junit"},
		{Name: "gitlab", JSON: true},
		{Name: "microscanner", JSON: true},
		{Name: "copa", JSON: true},
	}
}

// ReportNames returns the names of all formats.
func ReportNames() []string {
	var names []string
	for _, f := range ReportFormats() {
		names = append(names, f.Name)
	}
	return names
}

// ReportIsJSON reports whether a format is JSON.
func ReportIsJSON(name string) bool {
	return slices.Contains(ReportFormats(), ReportFormat{Name: name, JSON: true})
}

// Printable returns a report as a terminal may print it: with line breaks and tabs, and
// with every other control character, bidirectional control and invalid byte written like
// \u001b or \xff.
func Printable(text string) string {
	plain := func(r rune) bool {
		return r == '\n' || r == '\t' || r != utf8.RuneError && !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r) && r != '\u2028' && r != '\u2029'
	}
	if strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case plain(r) || strings.HasPrefix(text[i:], "\uFFFD"):
			b.WriteRune(r)
		case r == utf8.RuneError:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
