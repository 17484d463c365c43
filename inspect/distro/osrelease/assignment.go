package osrelease

import (
	"errors"
	"fmt"
	"strings"

	"assay/inspect/ident"
)

var (
	errNoAssignment = errors.New("not an assignment")
	errQuote        = errors.New("unterminated quote")
)

// assignment parses a line KEY=value as a shell would, but without expanding anything.
func assignment(line string) (key, value string, err error) {
	key, word, ok := strings.Cut(line, "=")
	if !ok || !isName(key) {
		return "", "", errNoAssignment
	}
	if value, err = unquote(word); err != nil {
		return "", "", fmt.Errorf("%s: %w", key, err)
	}
	return key, value, nil
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && !ident.IsLetter(c) && (i == 0 || !ident.IsDigit(c)) {
			return false
		}
	}
	return s != ""
}

// unquote removes the quotes and escapes of a shell word. Spaces outside quotes are
// kept, although a shell would end the word there: there are files with unquoted names,
// and their meaning is clear. A comment after a space is removed.
func unquote(s string) (string, error) {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == '\'':
			b.WriteByte(c)
		case c == '\\' && i+1 < len(s):
			i++
			if quote == '"' && !strings.ContainsRune("$`\"\\", rune(s[i])) {
				b.WriteByte('\\')
			}
			b.WriteByte(s[i])
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && c == '#' && i > 0 && (s[i-1] == ' ' || s[i-1] == '\t'):
			return strings.TrimRight(b.String(), " \t"), nil
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", errQuote
	}
	return b.String(), nil
}
