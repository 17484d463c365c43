package java

import (
	"io"
	"strconv"
	"strings"

	"assay/inspect/ident"
)

// coordinates identify a version of a Maven package.
type coordinates struct{ group, artifact, version string }

// valid reports whether Maven accepts the coordinates. Placeholders that a build has
// not replaced ("${project.version}") are invalid.
func (c coordinates) valid() bool {
	return isID(c.group) && isID(c.artifact) && isVersion(c.version)
}

// isID reports whether s can be a group or an artifact.
func isID(s string) bool {
	for i := range len(s) {
		if !ident.IsAlnum(s[i]) && strings.IndexByte(".-_", s[i]) < 0 {
			return false
		}
	}
	return ident.Is(s)
}

// isVersion reports whether s can be a version. Maven forbids only some characters.
func isVersion(s string) bool {
	return ident.Is(s) && !strings.ContainsAny(s, `\/:"<>|?*[](){}$,;`)
}

// readProperties reads a pom.properties, which has the format of java.util.Properties.
// Missing coordinates are empty.
func readProperties(r io.Reader) (coordinates, error) {
	var c coordinates
	text, err := io.ReadAll(r)
	for rest := string(text); rest != ""; {
		var line string
		line, rest = logicalLine(rest)
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		key, value := property(line)
		switch key {
		case "groupId":
			c.group = value
		case "artifactId":
			c.artifact = value
		case "version":
			c.version = value
		}
	}
	return c, err
}

// logicalLine returns the first line of text, joined with the lines that a backslash at
// its end continues.
func logicalLine(text string) (line, rest string) {
	for joined := false; ; joined = true {
		i := strings.IndexAny(text, "\r\n")
		part := text
		if i < 0 {
			text = ""
		} else {
			part = text[:i]
			if strings.HasPrefix(text[i:], "\r\n") {
				i++
			}
			text = text[i+1:]
		}
		line += strings.TrimLeft(part, " \t\f")
		comment := !joined && line != "" && (line[0] == '#' || line[0] == '!')
		backslashes := len(part) - len(strings.TrimRight(part, `\`))
		if comment || backslashes%2 == 0 || text == "" {
			return line, text
		}
		line = line[:len(line)-1]
	}
}

// property splits a line into key and value.
func property(line string) (key, value string) {
	i := 0
	for ; i < len(line) && !strings.ContainsRune("=: \t\f", rune(line[i])); i++ {
		if line[i] == '\\' {
			i++
		}
	}
	i = min(i, len(line))
	value = strings.TrimLeft(line[i:], " \t\f")
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = value[1:]
	}
	return unescape(line[:i]), strings.TrimSpace(unescape(value))
}

func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if s[i] == 'u' && i+4 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+5], 16, 16); err == nil {
				b.WriteRune(rune(n))
				i += 4
				continue
			}
		}
		switch s[i] {
		case 't', 'n', 'r', 'f':
			b.WriteByte(' ')
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
