// Package purl parses and formats package URLs by the purl specification, and converts them
// from and to the packages of an inventory.
//
// It does not follow two rules of the specification, which would merge different packages:
// the names of npm and Go keep their case ("JSONStream" and "jsonstream" are two packages of
// npm).
package purl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A PURL is a package URL in its parts, none of them percent-encoded.
type PURL struct {
	Type      string // lower case
	Namespace string // segments joined by "/", or empty
	Name      string
	Version   string
	// Qualifiers are sorted by key. Keys are lower case and unique, values are not empty.
	Qualifiers []Qualifier
	Subpath    string // segments joined by "/", or empty
}

// A Qualifier is one key and its value.
type Qualifier struct {
	Key, Value string
}

// Qualifier returns the value of a qualifier, or "".
func (p PURL) Qualifier(key string) string {
	for _, q := range p.Qualifiers {
		if q.Key == key {
			return q.Value
		}
	}
	return ""
}

// set adds a qualifier with a new key. It ignores an empty value.
func (p *PURL) set(key, value string) {
	if value == "" {
		return
	}
	i, _ := slices.BinarySearchFunc(p.Qualifiers, key, func(q Qualifier, key string) int {
		return strings.Compare(q.Key, key)
	})
	p.Qualifiers = slices.Insert(p.Qualifiers, i, Qualifier{key, value})
}

// maxQualifiers limits what Parse accepts. The specification names about ten.
const maxQualifiers = 64

// Parse reads a package URL into p. Names are normalised by the rules of their type, so
// that String of the result is the canonical form. The strings share the memory of s
// unless they were encoded. The memory of p.Qualifiers is reused, so a caller that reads
// many package URLs one after another needs only one p. On an error p is empty.
func (p *PURL) Parse(s string) error {
	empty := PURL{Qualifiers: p.Qualifiers[:0]}
	*p = empty
	if err := p.parse(s); err != nil {
		*p = empty
		return fmt.Errorf("purl %q: %w", s, err)
	}
	return nil
}

// parse reads s into p, which is empty.
func (p *PURL) parse(s string) error {
	rest, ok := strings.CutPrefix(s, "pkg:")
	if !ok {
		return errors.New("the scheme is not \"pkg\"")
	}
	var err error
	if i := lastIndex(rest, '#'); i >= 0 {
		if p.Subpath, err = parseSegments(rest[i+1:], "subpath"); err != nil {
			return err
		}
		rest = rest[:i]
	}
	if i := lastIndex(rest, '?'); i >= 0 {
		if err = p.parseQualifiers(rest[i+1:]); err != nil {
			return err
		}
		rest = rest[:i]
	}
	typ, rest, ok := strings.Cut(strings.TrimLeft(rest, "/"), "/")
	if !ok {
		return errors.New("type or name is missing")
	}
	p.Type = strings.ToLower(typ)
	if !validType(p.Type) {
		return fmt.Errorf("invalid type %q", typ)
	}
	if i := versionAt(rest); i >= 0 {
		if p.Version, err = decode(rest[i+1:]); err != nil {
			return err
		}
		rest = rest[:i]
	}
	rest = strings.Trim(rest, "/")
	name := rest
	if i := strings.LastIndexByte(rest, '/'); i >= 0 {
		name = rest[i+1:]
		if p.Namespace, err = parseSegments(rest[:i], "namespace"); err != nil {
			return err
		}
	}
	if p.Name, err = decode(name); err != nil {
		return err
	}
	if p.Name == "" {
		return errors.New("the name is missing")
	}
	p.Namespace, p.Name = normalise(p.Type, p.Namespace, p.Name)
	return nil
}

// lastIndex is strings.LastIndexByte, but faster if c is rare.
func lastIndex(s string, c byte) int {
	last := -1
	for i := strings.IndexByte(s, c); i >= 0; i = strings.IndexByte(s[last+1:], c) {
		last += 1 + i
	}
	return last
}

// versionAt returns the index of the "@" before the version, or -1. An "@" at the start of a
// segment that is not the last one belongs to the scope of an npm package, which should have
// been encoded.
func versionAt(s string) int {
	i := lastIndex(s, '@')
	if i < 0 {
		return -1
	}
	if (i == 0 || s[i-1] == '/') && strings.Contains(s[i:], "/") {
		return -1
	}
	return i
}

// parseSegments parses a namespace or a subpath; what says which. It drops empty segments,
// and the segments "." and ".." of a subpath.
func parseSegments(s, what string) (string, error) {
	segments := make([]string, 0, 8) // usually on the stack
	same := true                     // the result equals s, as usual
	for rest, more := s, true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		decoded, err := decode(segment)
		if err != nil {
			return "", err
		}
		if encoded := len(decoded) != len(segment); encoded && strings.Contains(decoded, "/") {
			return "", fmt.Errorf("the %s segment %q contains a slash", what, decoded)
		}
		if decoded == "" || what == "subpath" && (decoded == "." || decoded == "..") {
			same = false
			continue
		}
		same = same && len(decoded) == len(segment)
		segments = append(segments, decoded)
	}
	if same {
		return s, nil
	}
	return strings.Join(segments, "/"), nil
}

// parseQualifiers parses s into the qualifiers of p, which must be empty.
func (p *PURL) parseQualifiers(s string) error {
	n := strings.Count(s, "&") + 1
	if n > maxQualifiers {
		return fmt.Errorf("more than %d qualifiers", maxQualifiers)
	}
	qualifiers := slices.Grow(p.Qualifiers, n)
	ordered := true // as in the canonical form
	for more := true; more; {
		var pair string
		if pair, s, more = strings.Cut(s, "&"); pair == "" {
			continue
		}
		key, encoded, _ := strings.Cut(pair, "=")
		key = strings.ToLower(key)
		if !validKey(key) {
			return fmt.Errorf("invalid qualifier key %q", key)
		}
		value, err := decode(encoded)
		if err != nil {
			return err
		}
		if value != "" {
			ordered = ordered && (len(qualifiers) == 0 || qualifiers[len(qualifiers)-1].Key < key)
			qualifiers = append(qualifiers, Qualifier{key, value})
		}
	}
	if !ordered {
		slices.SortStableFunc(qualifiers, func(a, b Qualifier) int { return strings.Compare(a.Key, b.Key) })
		for i := 1; i < len(qualifiers); i++ {
			if qualifiers[i].Key == qualifiers[i-1].Key {
				return fmt.Errorf("the qualifier %q is repeated", qualifiers[i].Key)
			}
		}
	}
	p.Qualifiers = qualifiers
	return nil
}

// String returns the canonical form. It returns "" for a PURL without a valid type or without
// a name.
func (p PURL) String() string {
	typ := strings.ToLower(p.Type)
	if !validType(typ) || p.Name == "" {
		return ""
	}
	namespace, name := normalise(typ, p.Namespace, p.Name)
	var b strings.Builder
	b.WriteString("pkg:")
	b.WriteString(typ)
	for segment := range strings.SplitSeq(namespace, "/") {
		if segment != "" {
			b.WriteByte('/')
			encode(&b, segment, ":")
		}
	}
	b.WriteByte('/')
	encode(&b, name, ":")
	if p.Version != "" {
		b.WriteByte('@')
		encode(&b, p.Version, ":")
	}
	separator := byte('?')
	for _, q := range p.Qualifiers {
		b.WriteByte(separator)
		separator = '&'
		b.WriteString(q.Key)
		b.WriteByte('=')
		encode(&b, q.Value, ":/")
	}
	if p.Subpath != "" {
		separator = '#'
		for segment := range strings.SplitSeq(p.Subpath, "/") {
			b.WriteByte(separator)
			separator = '/'
			encode(&b, segment, ":")
		}
	}
	return b.String()
}

// normalise applies the rules of a type to its namespace and name.
func normalise(typ, namespace, name string) (string, string) {
	switch typ {
	case "alpm", "apk", "bitbucket", "composer", "deb", "github", "hex", "qpkg":
		return strings.ToLower(namespace), strings.ToLower(name)
	case "rpm":
		return strings.ToLower(namespace), name
	case "bitnami":
		return namespace, strings.ToLower(name)
	case "pypi":
		return namespace, strings.ReplaceAll(strings.ToLower(name), "_", "-")
	}
	return namespace, name
}

func validType(s string) bool {
	return s != "" && !isDigit(s[0]) && allBytes(s, func(c byte) bool {
		return isLower(c) || isDigit(c) || c == '.' || c == '-' || c == '+'
	})
}

func validKey(s string) bool {
	return s != "" && !isDigit(s[0]) && allBytes(s, func(c byte) bool {
		return isLower(c) || isDigit(c) || c == '.' || c == '-' || c == '_'
	})
}

func allBytes(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// encode writes s percent-encoded, except for letters, digits, ".-_~" and the bytes of plain.
func encode(b *strings.Builder, s, plain string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if isLower(c) || isUpper(c) || isDigit(c) || strings.IndexByte(".-_~", c) >= 0 || strings.IndexByte(plain, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
}

// decode decodes percent-encoding. A "+" stays a plus.
func decode(s string) (string, error) {
	if strings.IndexByte(s, '%') >= 0 {
		var b strings.Builder
		b.Grow(len(s))
		for i := 0; i < len(s); i++ {
			if s[i] != '%' {
				b.WriteByte(s[i])
				continue
			}
			if i+2 >= len(s) {
				return "", fmt.Errorf("%q ends inside a percent-encoding", s)
			}
			high, low := unhex(s[i+1]), unhex(s[i+2])
			if high < 0 || low < 0 {
				return "", fmt.Errorf("invalid percent-encoding %q", s[i:i+3])
			}
			b.WriteByte(byte(high<<4 | low))
			i += 2
		}
		s = b.String()
	}
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("%q is not UTF-8", s)
	}
	return s, nil
}

func unhex(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
