// Package cpe parses CPE names, version 2.3 (NIST IR 7695): the formatted string
// "cpe:2.3:a:gnu:bash:5.2:*:*:*:*:*:*:*" and the URI "cpe:/a:gnu:bash:5.2".
package cpe

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Values of an attribute that are not text.
const (
	Any = "*"
	NA  = "-" // not applicable
)

const maxLen = 1024 // bytes of a name

// A Name is a parsed name. An attribute is Any, NA, or text without escapes. All but
// Version and Update are in lower case: names differ in case only by mistake, but the
// order of versions may depend on it.
type Name struct {
	Part            string // "a" application, "o" operating system, "h" hardware
	Vendor, Product string
	Version, Update string
	Edition         string
	Language        string
	SWEdition       string
	TargetSW        string
	TargetHW        string
	Other           string
}

// fields returns the attributes in the order of both forms.
func (n *Name) fields() [11]*string {
	return [11]*string{&n.Part, &n.Vendor, &n.Product, &n.Version, &n.Update, &n.Edition, &n.Language,
		&n.SWEdition, &n.TargetSW, &n.TargetHW, &n.Other}
}

const editionField = 5 // where the URI packs the attributes from edition on but language

// Parse parses a name in either form. Patterns are not supported: a name with "*" or "?"
// within an attribute is an error, since it would be unclear which packages it names.
func Parse(s string) (Name, error) {
	n, err := parse(s)
	if err != nil {
		return Name{}, fmt.Errorf("invalid CPE name %.200q: %w", s, err)
	}
	return n, nil
}

func parse(s string) (Name, error) {
	if len(s) > maxLen {
		return Name{}, fmt.Errorf("it has %d bytes, more than %d", len(s), maxLen)
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return Name{}, errors.New("it has characters other than printable ASCII")
		}
	}
	var n Name
	var err error
	if rest, ok := strings.CutPrefix(s, "cpe:2.3:"); ok {
		n, err = parseString(rest)
	} else if rest, ok := strings.CutPrefix(strings.ToLower(s[:min(5, len(s))])+s[min(5, len(s)):], "cpe:/"); ok {
		n, err = parseURI(rest)
	} else {
		err = errors.New(`it begins with neither "cpe:2.3:" nor "cpe:/"`)
	}
	if err != nil {
		return Name{}, err
	}
	for _, f := range n.fields() {
		if f != &n.Version && f != &n.Update {
			*f = strings.ToLower(*f)
		}
	}
	if n.Part != "a" && n.Part != "o" && n.Part != "h" {
		return Name{}, fmt.Errorf("unknown part %q", n.Part)
	}
	return n, nil
}

// parseString parses the attributes of a formatted string.
func parseString(s string) (Name, error) {
	var n Name
	fields := n.fields()
	for i, f := range fields {
		end := 0
		for end < len(s) && s[end] != ':' {
			if s[end] == '\\' {
				end++
			}
			end++
		}
		if end > len(s) {
			return n, errors.New("it ends with a backslash")
		}
		if (end == len(s)) != (i == len(fields)-1) {
			return n, fmt.Errorf("it does not have %d attributes", len(fields))
		}
		var err error
		if *f, err = unquote(s[:end]); err != nil {
			return n, err
		}
		s = s[min(end+1, len(s)):]
	}
	return n, nil
}

// unquote returns the value of an attribute of a formatted string.
func unquote(s string) (string, error) {
	switch s {
	case "":
		return "", errors.New("an attribute is empty")
	case Any, NA:
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '*', '?':
			return "", errors.New("patterns are not supported")
		case '\\':
			i++
		}
		b.WriteByte(s[i])
	}
	return text(b.String())
}

// text returns the text of an attribute. Text that is the same as Any or NA is an error.
func text(s string) (string, error) {
	if s == Any || s == NA {
		return "", fmt.Errorf("an attribute is the character %q", s)
	}
	return s, nil
}

// parseURI parses the attributes of a URI. Missing ones are Any.
func parseURI(s string) (Name, error) {
	n := Name{}
	fields := n.fields()
	for _, f := range fields {
		*f = Any
	}
	components := strings.Split(s, ":")
	if len(components) > 7 {
		return n, errors.New("it has more than 7 components")
	}
	for i, c := range components {
		if i == editionField && strings.HasPrefix(c, "~") {
			packed := strings.Split(c[1:], "~")
			if len(packed) != 5 {
				return n, errors.New("its edition does not have 5 parts")
			}
			for j, f := range [...]*string{&n.Edition, &n.SWEdition, &n.TargetSW, &n.TargetHW, &n.Other} {
				var err error
				if *f, err = decode(packed[j]); err != nil {
					return n, err
				}
			}
			continue
		}
		var err error
		if *fields[i], err = decode(c); err != nil {
			return n, err
		}
	}
	return n, nil
}

// decode returns the value of a component of a URI.
func decode(s string) (string, error) {
	switch s {
	case "":
		return Any, nil
	case NA:
		return NA, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errors.New("it has an incomplete escape")
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		switch {
		case err != nil || c > '~':
			return "", fmt.Errorf("invalid escape %q", s[i:i+3])
		case c == 1 || c == 2: // "?" and "*"
			return "", errors.New("patterns are not supported")
		case c <= ' ':
			return "", fmt.Errorf("invalid escape %q", s[i:i+3])
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return text(b.String())
}

// Package returns the name of the package in the ecosystem CPE: vendor and product with
// a colon between. Colons and backslashes of the vendor are preceded by a backslash, so
// that two packages never have the same name. It is not ok if either is not text.
func (n *Name) Package() (name string, ok bool) {
	for _, s := range [...]string{n.Vendor, n.Product} {
		if s == Any || s == NA || s == "" {
			return "", false
		}
	}
	return escapeVendor.Replace(n.Vendor) + ":" + n.Product, true
}

var escapeVendor = strings.NewReplacer(`\`, `\\`, ":", `\:`)
