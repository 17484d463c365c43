// Package osrelease finds out which operating system a tree contains. It reads
// os-release(5) and, for older systems and for roots that have lost that file, the
// files that were used before it.
package osrelease

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"assay/inspect/inventory"
)

// Limit is how many bytes of a file are read. Real files have a few hundred.
const Limit = 64 << 10

// A Source is a file that may name the system.
type Source struct {
	Path  string // relative to the root
	Parse func(io.Reader) (inventory.System, error)
}

// Sources returns the files in order of precedence. The first of these files that
// exists and identifies a system is used. A derived system keeps the file of the system
// it is derived from and adds one of its own, so its own comes first.
func Sources() []Source {
	return []Source{
		{"etc/os-release", Parse},
		{"usr/lib/os-release", Parse},
		{"etc/alpine-release", ParseAlpineRelease},
		{"etc/oracle-release", ParseRedHatRelease},
		{"etc/centos-release", ParseRedHatRelease},
		{"etc/almalinux-release", ParseRedHatRelease},
		{"etc/rocky-release", ParseRedHatRelease},
		{"etc/fedora-release", ParseRedHatRelease},
		{"etc/redhat-release", ParseRedHatRelease},
		{"etc/system-release", ParseRedHatRelease},
		{"etc/lsb-release", ParseLSBRelease},
		{"etc/debian_version", ParseDebianVersion},
	}
}

// ErrStray means that a line of the file is not an assignment, but does not name a
// variable that identifies the system, and that the other lines identify it.
var ErrStray = errors.New("not an assignment")

// Parse reads an os-release file. A file without ID has the ID "linux", according to
// os-release(5). If there is an error, the system in the other lines is returned with
// it. A file with content but without any assignment identifies no system. The error is
// ErrStray if no line is worse than that.
func Parse(r io.Reader) (inventory.System, error) {
	text, err := read(r)
	if err != nil {
		return inventory.System{}, err
	}
	values, failed := assignments(text, "ID", "VERSION_ID", "VERSION_CODENAME")
	if len(values) == 0 && failed != nil {
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

// assignments returns the variables in a text, and an error for the first invalid line.
// id, version and codename are the names of the variables that identify the system. The
// error is ErrStray if no invalid line names one of them or opens a quote, and the
// other lines set id and one of the other two.
func assignments(text []byte, id, version, codename string) (map[string]string, error) {
	values := map[string]string{}
	var failed error
	stray := 0
	for n, line := range lines(text) {
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, err := assignment(line)
		switch {
		case err == nil:
			values[key] = value
		case failed == nil && (err != errNoAssignment || names(line, id, version, codename)):
			failed = fmt.Errorf("line %d: %w", n, err)
		case stray == 0:
			stray = n
		}
	}
	if failed == nil && stray > 0 {
		failed = fmt.Errorf("line %d: %w", stray, errNoAssignment)
		if values[id] != "" && (values[version] != "" || values[codename] != "") {
			failed = fmt.Errorf("line %d: %w", stray, ErrStray)
		}
	}
	return values, failed
}

// names reports whether one of variables is a word in the line before the equal sign.
func names(line string, variables ...string) bool {
	line, _, _ = strings.Cut(line, "=")
	for word := range strings.FieldsFuncSeq(line, func(r rune) bool { return !isName("_" + string(r)) }) {
		if slices.Contains(variables, word) {
			return true
		}
	}
	return false
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

// lines yields the number and the text of each line, without surrounding space.
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
