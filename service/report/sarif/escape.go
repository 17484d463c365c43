package sarif

import (
	"path"
	"strings"

	"assay/service/report"
)

// plain returns text from outside for a message: SARIF takes brackets for links, braces for
// placeholders and a backslash for an escape (sections 3.11.5 and 3.11.6).
func plain(s string, most int) string {
	return escapePlain.Replace(report.Line(s, most))
}

var escapePlain = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `{`, `{{`, `}`, `}}`)

// relative returns a path of the image as a relative reference (RFC 3986), which stays below
// the root.
func relative(file string) string {
	file = strings.TrimLeft(path.Clean("/"+file), "/")
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(file) {
		c := file[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~/", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}
