package wordpress

import (
	"strings"

	"assay/inspect/ident"
	"assay/inspect/inventory"
)

// readCore returns WordPress itself, with the version that its version.php assigns:
//
//	$wp_version = '6.8.5';
//
// The version is unknown if the file has no such line, or several with different versions, or
// is larger than Limit: WordPress's has about a kilobyte.
// ClassicPress, a fork of WordPress with versions and fixes of its own, is another package.
func readCore(text, path string) inventory.Package {
	if len(text) == Limit {
		return found(core, "", path)
	}
	p := found(core, assigned(text, "$wp_version"), path)
	if strings.Contains(text, "$cp_version") {
		p = found("classicpress", assigned(text, "$cp_version"), path)
		p.Type = "generic"
	}
	return p
}

// assigned returns the text that the lines of a PHP file assign to a variable, or "" if that
// is unknown.
func assigned(text, variable string) string {
	value := ""
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimLeft(line, " \t"), variable)
		if !ok {
			continue
		}
		if rest != "" && (ident.IsAlnum(rest[0]) || rest[0] == '_') {
			continue // another variable
		}
		rest, _ = strings.CutPrefix(strings.TrimLeft(rest, " \t"), "=")
		got := quoted(strings.TrimLeft(rest, " \t"))
		if got == "" || value != "" && got != value {
			return ""
		}
		value = got
	}
	return value
}

// quoted returns the text of a line that begins with a PHP string and its semicolon.
func quoted(s string) string {
	if s == "" || s[0] != '\'' && s[0] != '"' {
		return ""
	}
	value, rest, ok := strings.Cut(s[1:], s[:1])
	if !ok || !strings.HasPrefix(strings.TrimLeft(rest, " \t"), ";") || strings.ContainsAny(value, `\$`) {
		return ""
	}
	return value
}
