// Package ruby reads the records of gems that RubyGems and Bundler install: the
// specifications in a gem home, one file of Ruby code per gem, in the form that
// RubyGems writes (Gem::Specification#to_ruby). No code is run: only two assignments
// are read, and a comment that RubyGems also reads in order not to run code. A gem is
// installed if "gem list" shows it.
package ruby

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"assay/inspect/ident"
	"assay/inspect/inventory"
)

const (
	// Kind is the evidence's kind.
	Kind = "ruby"
	// Limit is how many bytes of a specification may be read. Some list thousands of
	// files; only their beginning is read.
	Limit = 8 << 20

	// maxLine is how many bytes of a line are read; the rest is skipped. It is also how
	// much of most specifications is read at all.
	maxLine = 4 << 10
	// maxValue bounds a name and a version, in bytes.
	maxValue = 256
	// maxLines bounds the lines that are read. RubyGems writes the two assignments
	// among the first ten lines.
	maxLines = 10_000
)

// Read reads the specification of an installed gem at path. The platform of a gem
// (nokogiri-1.15.0-x86_64-linux) is not part of its version.
//
// The name and the version are the plain strings that the block of
// Gem::Specification.new assigns, as for gem list. If it assigns none, they are taken
// from the second line, "# stub: NAME VERSION PLATFORM PATHS". If neither has them, for
// example because a version is computed, the result is an error and no package.
func Read(r io.Reader, path string) ([]inventory.Package, error) {
	s, err := scan(r)
	if err != nil {
		return nil, err
	}
	switch {
	case s.name == "":
		return nil, errors.New("name is missing or not a plain string")
	case !isName(s.name):
		return nil, fmt.Errorf("invalid gem name %q", s.name)
	case s.version == "":
		return nil, fmt.Errorf("gem %q: version is missing or not a plain string", s.name)
	case !isVersion(s.version):
		return nil, fmt.Errorf("gem %q: invalid version %q", s.name, s.version)
	}
	return []inventory.Package{{
		Type:     "gem",
		Name:     s.name,
		Version:  s.version,
		Evidence: []inventory.Evidence{{Path: path, Kind: Kind}},
	}}, nil
}

// A specification has the values that were read.
type specification struct{ name, version string }

// scan reads lines until it has both values or there are no more lines.
func scan(r io.Reader) (specification, error) {
	var assigned, stub specification
	var variable string // of the block, "s"
	lines := bufio.NewReaderSize(r, maxLine)
	for n := 1; n <= maxLines && (assigned.name == "" || assigned.version == ""); n++ {
		part, err := lines.ReadSlice('\n')
		if err == nil || err == io.EOF {
			line := string(bytes.TrimSpace(part))
			if rest, ok := strings.CutPrefix(line, "# stub: "); ok && n == 2 {
				if fields := strings.Fields(rest); len(fields) >= 4 {
					stub = specification{fields[0], fields[1]}
				}
			} else if v, ok := blockVariable(line); ok && variable == "" {
				variable = v
			} else if attribute, value, ok := assignment(line, variable); ok {
				switch attribute {
				case "name":
					assigned.name = value
				case "version":
					assigned.version = value
				}
			}
		}
		for err == bufio.ErrBufferFull {
			_, err = lines.ReadSlice('\n')
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return specification{}, err
		}
	}
	if assigned.name == "" {
		assigned.name = stub.name
	}
	if assigned.version == "" {
		assigned.version = stub.version
	}
	return assigned, nil
}

// blockVariable returns the variable of the block that a line opens:
// "Gem::Specification.new do |s|".
func blockVariable(line string) (string, bool) {
	rest, ok := strings.CutPrefix(line, "Gem::Specification.new")
	if !ok {
		return "", false
	}
	rest = strings.TrimSpace(rest)
	for _, open := range []string{"do", "{"} {
		if block, ok := strings.CutPrefix(rest, open); ok {
			block, ok = strings.CutPrefix(strings.TrimSpace(block), "|")
			variable, _, closed := strings.Cut(block, "|")
			variable = strings.TrimSpace(variable)
			return variable, ok && closed && variable != ""
		}
	}
	return "", false
}

// assignment returns what a line assigns to an attribute of variable if it is a plain
// string: `s.name = "rake".freeze`.
func assignment(line, variable string) (attribute, value string, ok bool) {
	rest, ok := strings.CutPrefix(line, variable)
	if !ok || variable == "" {
		return "", "", false
	}
	if rest, ok = strings.CutPrefix(rest, "."); !ok {
		return "", "", false
	}
	attribute, rest, ok = strings.Cut(rest, "=")
	if !ok {
		return "", "", false
	}
	value, rest, ok = plainString(strings.TrimSpace(rest))
	if !ok {
		return "", "", false
	}
	rest = strings.TrimSpace(strings.TrimPrefix(rest, ".freeze"))
	return strings.TrimSpace(attribute), value, rest == "" || rest[0] == '#'
}

// plainString returns the string at the beginning of s and what follows it. The string
// is in quotes or, from old versions of RubyGems, in %q{…}. A string with a backslash
// or "#" is code or cannot be a name or version.
func plainString(s string) (value, rest string, ok bool) {
	var end string
	switch {
	case strings.HasPrefix(s, `"`), strings.HasPrefix(s, "'"):
		end, s = s[:1], s[1:]
	case strings.HasPrefix(s, "%q{"):
		end, s = "}", s[3:]
	case strings.HasPrefix(s, "%q<"):
		end, s = ">", s[3:]
	case strings.HasPrefix(s, "%q("):
		end, s = ")", s[3:]
	case strings.HasPrefix(s, "%q["):
		end, s = "]", s[3:]
	default:
		return "", "", false
	}
	value, rest, ok = strings.Cut(s, end)
	return value, rest, ok && !strings.ContainsAny(value, `\#`)
}

// isName reports whether RubyGems accepts s as a name
// (Gem::Specification::VALID_NAME_PATTERN).
func isName(s string) bool {
	for i := range len(s) {
		if !ident.IsAlnum(s[i]) && strings.IndexByte("._-", s[i]) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= maxValue
}

// isVersion reports whether RubyGems accepts s as a version (Gem::Version.correct?):
// letters, digits and hyphens, with single dots between them, beginning with a digit.
func isVersion(s string) bool {
	for i := range len(s) {
		if !ident.IsAlnum(s[i]) && s[i] != '-' && (s[i] != '.' || i == len(s)-1 || s[i+1] == '.') {
			return false
		}
	}
	return s != "" && len(s) <= maxValue && ident.IsDigit(s[0])
}
