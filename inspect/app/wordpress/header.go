package wordpress

import "strings"

// header returns the value of a key in the header of a plugin or a theme, or "" if there is
// none, and whether it is in the last line. It does what get_file_data of WordPress does with
// the lines of a file, in its newest form. The first line that matches this expression, in
// any case, has the value:
//
//	^(?:[ \t]*<\?(?:php)?)?[ \t\/*#@]*KEY:(.*)$
//
// The value ends before "*/" or "?>".
func header(lines []string, key string) (value string, last bool) {
	for i, line := range lines {
		if value, ok := field(line, key); ok {
			return value, i == len(lines)-1
		}
	}
	return "", false
}

// field returns the value in a line that begins with key.
func field(line, key string) (value string, ok bool) {
	const before = " \t/*#@"
	starts := []string{line}
	if open, isPHP := strings.CutPrefix(strings.TrimLeft(line, " \t"), "<?"); isPHP {
		starts = append(starts, open)
		if len(open) >= 3 && strings.EqualFold(open[:3], "php") {
			starts = append(starts, open[3:])
		}
	}
	for _, s := range starts {
		s = strings.TrimLeft(s, before)
		if len(s) > len(key) && s[len(key)] == ':' && strings.EqualFold(s[:len(key)], key) {
			return clean(s[len(key)+1:]), true
		}
	}
	return "", false
}

// clean returns the value without what closes the comment or the program. To PHP, "0" is no
// value.
func clean(value string) string {
	if value == "0" {
		return ""
	}
	for _, closing := range [...]string{"*/", "?>"} {
		value, _, _ = strings.Cut(value, closing)
	}
	return strings.Trim(value, " \t\n\r\x00\x0b\x0c")
}
