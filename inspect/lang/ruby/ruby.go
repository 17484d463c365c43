// Package ruby reads what RubyGems and Bundler record of installed gems: the
// specifications in a gem home, one file of Ruby code each, in the form that
// RubyGems itself writes (Gem::Specification#to_ruby). No code is run: two
// assignments are read, and the comment that RubyGems reads for the same reason.
// What counts as installed is what "gem list" shows.
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
	// Limit is how many bytes of a specification may be read. Some list thousands
	// of files; only their beginning is read.
	Limit = 8 << 20

	// maxLine is how much of a line is looked at; the rest is read past. It is also
	// how much of most specifications is read at all.
	maxLine = 4 << 10
	// maxValue bounds a name and a version.
	maxValue = 256
	// maxLines bounds the lines that are looked at. RubyGems has what is looked for
	// among the first ten.
	maxLines = 10_000
)

// Read reads the specification of an installed gem at path. Of a gem for one
// platform (nokogiri-1.15.0-x86_64-linux) the platform is no part of the version.
//
// Name and version are those that the block of Gem::Specification.new assigns as
// plain strings, as for gem list. Where it assigns none, they are those of the
// second line, "# stub: NAME VERSION PLATFORM PATHS". Where neither has them, as
// where a version is computed, there is an error and no package.
func Read(r io.Reader, path string) ([]inventory.Package, error) {
	s, err := scan(r)
	if err != nil {
		return nil, err
	}
	switch {
	case s.name == "":
		return nil, errors.New("no name that is a plain string")
	case !isName(s.name):
		return nil, fmt.Errorf("%q: not the name of a gem", s.name)
	case s.version == "":
		return nil, fmt.Errorf("gem %q: no version that is a plain string", s.name)
	case !isVersion(s.version):
		return nil, fmt.Errorf("gem %q: %q: not a version", s.name, s.version)
	}
	return []inventory.Package{{
		Type:     "gem",
		Name:     s.name,
		Version:  s.version,
		Evidence: []inventory.Evidence{{Path: path, Kind: Kind}},
	}}, nil
}

// A specification is what is read of one.
type specification struct{ name, version string }

// scan reads lines until it has both values, or there are no more.
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

// assignment returns what a line assigns to an attribute of variable, if that is
// a plain string: `s.name = "rake".freeze`.
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

// plainString returns the string that s begins with, and what follows it: one in
// quotes, or as old versions of RubyGems wrote it, %q{…}. One with a backslash or
// "#" is code, or no name and no version.
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

// isName reports whether s is a name as RubyGems takes it
// (Gem::Specification::VALID_NAME_PATTERN).
func isName(s string) bool {
	for i := range len(s) {
		if !ident.IsAlnum(s[i]) && strings.IndexByte("._-", s[i]) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= maxValue
}

// isVersion reports whether s is a version as RubyGems takes it
// (Gem::Version.correct?): letters and digits with dots between them and hyphens,
// and a digit first.
func isVersion(s string) bool {
	for i := range len(s) {
		if !ident.IsAlnum(s[i]) && s[i] != '-' && (s[i] != '.' || i == len(s)-1 || s[i+1] == '.') {
			return false
		}
	}
	return s != "" && len(s) <= maxValue && ident.IsDigit(s[0])
}
