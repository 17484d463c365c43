// Package osrelease reads which operating system a tree holds: os-release(5),
// and debian_version where a Debian root has lost that.
package osrelease

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"assay/inspect/inventory"
)

// Limit is how many bytes of a file are read. Real ones have a few hundred.
const Limit = 64 << 10

// A Source is a file that may name the system.
type Source struct {
	Path  string // relative to the root
	Parse func(io.Reader) (inventory.System, error)
}

// Sources lists the files in their order of precedence: the first that is there
// and names a system decides.
func Sources() []Source {
	return []Source{
		{"etc/os-release", Parse},
		{"usr/lib/os-release", Parse},
		{"etc/debian_version", ParseDebianVersion},
	}
}

// Parse reads an os-release file. A file without ID is that of a "linux", as
// os-release(5) has it. With an error comes what the other lines say; a file
// with content and without a single assignment is no system at all.
func Parse(r io.Reader) (inventory.System, error) {
	text, err := read(r)
	if err != nil {
		return inventory.System{}, err
	}
	values := map[string]string{}
	var failed error
	empty := true
	for n, line := range lines(text) {
		if line == "" || line[0] == '#' {
			continue
		}
		empty = false
		key, value, err := assignment(line)
		if err != nil {
			if failed == nil {
				failed = fmt.Errorf("line %d: %w", n, err)
			}
			continue
		}
		values[key] = value
	}
	if len(values) == 0 && !empty {
		return inventory.System{}, failed
	}
	sys := inventory.System{
		ID:         values["ID"],
		IDLike:     strings.Fields(values["ID_LIKE"]),
		VersionID:  values["VERSION_ID"],
		Codename:   values["VERSION_CODENAME"],
		PrettyName: values["PRETTY_NAME"],
		CPE:        values["CPE_NAME"],
	}
	if sys.ID == "" {
		sys.ID = "linux"
	}
	if len(sys.IDLike) == 0 {
		sys.IDLike = nil
	}
	return sys, failed
}

// ParseDebianVersion reads /etc/debian_version: a point release, "12.5", or the
// codename of what is to be released, "trixie/sid".
func ParseDebianVersion(r io.Reader) (inventory.System, error) {
	text, err := read(r)
	if err != nil {
		return inventory.System{}, err
	}
	version := strings.TrimSpace(string(text))
	sys := inventory.System{ID: "debian"}
	codename, unreleased := strings.CutSuffix(version, "/sid")
	switch {
	case unreleased && isWord(codename):
		sys.Codename = codename
	case isWord(version) && '0' <= version[0] && version[0] <= '9':
		// VERSION_ID of os-release is the major version alone.
		sys.VersionID, _, _ = strings.Cut(version, ".")
	default:
		return inventory.System{}, errors.New("not a version of Debian")
	}
	return sys, nil
}

func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '+' && r != '~'
	})
}

func read(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, Limit+1))
	if err != nil {
		return nil, err
	}
	if len(text) > Limit {
		return nil, fmt.Errorf("larger than %d bytes", Limit)
	}
	return text, nil
}

// lines yields the number and the text of each line, without space around it.
func lines(text []byte) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		n := 0
		for line := range bytes.Lines(text) {
			n++
			if !yield(n, strings.TrimSpace(inventory.Text(string(line)))) {
				return
			}
		}
	}
}
