package remote

import (
	"bytes"
	"strconv"
	"strings"
)

// redacted replaces the token.
const redacted = "[token]"

// scrub replaces the token in a text, even if some of its characters are
// percent-encoded or escaped as in JSON, once or several times. A text that contains
// it only in such a form is returned decoded.
func scrub(text, token string) string {
	if token == "" {
		return text
	}
	decoded := decodeWords(text)
	if !strings.Contains(decoded, token) {
		return text
	}
	return strings.ReplaceAll(decoded, token, redacted)
}

// decodeWords decodes every letter, digit and underscore that is written as %61 or
// \u0061, until none is left. These are the characters of a token.
func decodeWords(text string) string {
	for strings.Contains(text, "%") || strings.Contains(text, `\`) {
		var out strings.Builder
		for i := 0; i < len(text); i++ {
			c, n := escaped(text[i:])
			if n == 0 {
				c, n = text[i], 1
			}
			out.WriteByte(c)
			i += n - 1
		}
		if out.Len() == len(text) {
			break
		}
		text = out.String()
	}
	return text
}

// escaped reads an escape at the start of s. It returns the character that is encoded
// and the length of the escape, 0 if there is none. The escapes of % and \ count too:
// they may begin an escape that was escaped itself.
func escaped(s string) (c byte, n int) {
	switch {
	case strings.HasPrefix(s, `\\`):
		return '\\', 2
	case strings.HasPrefix(s, "%") && len(s) >= 3:
		n = 3
	case strings.HasPrefix(s, `\u00`) && len(s) >= 6:
		n = 6
	default:
		return 0, 0
	}
	b, err := strconv.ParseUint(s[n-2:n], 16, 8)
	if c = byte(b); err != nil || !wordByte(c) && c != '%' && c != '\\' {
		return 0, 0
	}
	return c, n
}

func wordByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// scrubJSON replaces the token in JSON, even if its characters are escaped. The JSON
// stays valid and otherwise says the same.
func scrubJSON(b []byte, token string) []byte {
	if token == "" {
		return b
	}
	if bytes.Contains(b, []byte(`\u00`)) {
		b = unescapeWords(b)
	}
	return bytes.ReplaceAll(b, []byte(token), []byte(redacted))
}

// unescapeWords replaces the escapes of letters, digits and underscores in JSON by the
// characters themselves, which does not change its meaning.
func unescapeWords(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			out = append(out, b[i])
			continue
		}
		if c, n := escaped(string(b[i:min(i+6, len(b))])); n > 0 && wordByte(c) {
			out = append(out, c)
			i += n - 1
			continue
		}
		out = append(out, b[i], b[i+1])
		i++
	}
	return out
}
