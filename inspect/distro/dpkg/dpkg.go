// Package dpkg reads the databases of dpkg: the status file, and the folder status.d of
// images that were built without dpkg, with one stanza per file. The format of both is
// described in deb-control(5). Which packages are installed is decided as in dpkg. The
// package also reads which files the packages have installed, from the folder info.
package dpkg

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"assay/inspect/failures"
	"assay/inspect/ident"
	"assay/inspect/inventory"
)

const (
	// Kind is the kind of the evidence.
	Kind = "dpkg"
	// Limit is how many bytes of a database are read. The status file of a machine with
	// 6,000 packages has 9 MiB.
	Limit = 64 << 20
	// maxPackages bounds the packages of one database. Debian has about 65,000 for one
	// architecture.
	maxPackages = 100_000
)

// StatusFiles returns the paths where a status file may be.
func StatusFiles() []string {
	return []string{"var/lib/dpkg/status", "usr/lib/dpkg/status"}
}

// StatusDirs returns the paths where a folder status.d may be.
func StatusDirs() []string {
	return []string{"var/lib/dpkg/status.d", "usr/lib/dpkg/status.d"}
}

// IsStanzaFile reports whether a file in a folder status.d contains a stanza. The other
// files are lists of digests.
func IsStanzaFile(name string) bool { return !strings.HasSuffix(name, ".md5sums") }

// UpdatesDir is the folder, next to a status file, with the changes since dpkg last
// wrote the status file.
const UpdatesDir = "updates"

// IsUpdate reports whether a file in that folder is an update. The names are numbers of
// equal length.
func IsUpdate(name string) bool {
	return name != "" && strings.Trim(name, "0123456789") == ""
}

// An Update is a file in the folder UpdatesDir: a stanza that replaces the package's
// stanza in the status file.
type Update struct {
	Path    string
	Content io.Reader
}

// ReadStatus reads the status file at path and the updates to it, in the order of
// their names, and returns the installed packages: those in the states installed,
// unpacked, half-configured, triggers-awaited and triggers-pending, regardless of the
// wanted state. In these states the files are on disk; in the states half-installed
// and config-files they are not. updates may be nil.
//
// If stanzas are invalid, the error names the first one and counts the others, and
// the packages of the valid stanzas are returned with it. A stanza without Status is
// invalid if others have one: dpkg never writes such a stanza and treats it as not
// installed, but it may be the rest of a damaged one. A file in which no stanza has a
// Status was not written by dpkg; all its packages are installed, as in ReadStanza.
// An empty file has no packages and is not an error. The error of an update is
// returned only if the status file has none.
func ReadStatus(r io.Reader, path string, updates iter.Seq[Update]) ([]inventory.Package, error) {
	var db records
	err := db.read(r, path, statusFile)
	if updates == nil {
		return db.packages, err
	}
	db.updating = true
	for u := range updates {
		if failed := db.read(u.Content, u.Path, updateFile); failed != nil && err == nil {
			err = fmt.Errorf("%s: %w", u.Path, failed)
		}
	}
	return db.packages, err
}

// ReadStanza reads a file in a folder status.d. All packages there are installed, and a
// stanza may lack Status.
func ReadStanza(r io.Reader, path string) ([]inventory.Package, error) {
	var db records
	err := db.read(r, path, stanzaFile)
	return db.packages, err
}

// HasInstalled reports whether a status file was written by dpkg and contains an
// installed package, which is a stanza with such a Status.
func HasInstalled(r io.Reader) bool {
	s := newScanner(r)
	for s.next() {
		if _, installed, err := s.stanza.decode(true, true); err == nil && installed {
			return true
		}
	}
	return false
}

// records are the packages that have been read from a database.
type records struct {
	packages []inventory.Package
	// same says, for each package, whether it can be installed for several
	// architectures at once.
	same []bool
	// updating says that a stanza replaces an earlier one of the same package.
	updating bool
}

// A form is the kind of a database file.
type form int

const (
	stanzaFile form = iota // in a folder status.d
	statusFile
	updateFile // in a folder UpdatesDir
)

// read reads a file.
func (db *records) read(r io.Reader, path string, form form) error {
	var broken failures.List
	// without are the lines of the stanzas without Status in a status file, as long as
	// no stanza has one. Their packages are the last ones of db.
	var without []int
	hasStatus := form == updateFile
	whole := form != stanzaFile
	s := newScanner(r)
	for s.next() {
		if form == statusFile && !hasStatus && s.stanza.has[fieldStatus] {
			hasStatus = true
			rest := len(db.packages) - len(without)
			for i, line := range without {
				broken.Add(line, wrap(db.packages[rest+i].Name, errNoStatus))
			}
			db.packages, db.same = db.packages[:rest], db.same[:rest]
		}
		p, installed, err := s.stanza.decode(whole, hasStatus)
		same := s.stanza.value[fieldMultiArch] == "same"
		if err == nil && db.updating {
			db.remove(s.stanza.value[fieldPackage], inventory.Text(s.stanza.value[fieldArchitecture]), same)
		}
		switch {
		case err != nil:
			broken.Add(s.stanza.line, err)
		case len(db.packages) == maxPackages:
			return fmt.Errorf("line %d: more than %d packages", s.stanza.line, maxPackages)
		case installed:
			p.Evidence = []inventory.Evidence{{Path: path, Kind: Kind}}
			db.packages = append(db.packages, p)
			db.same = append(db.same, same)
			if form == statusFile && !hasStatus {
				without = append(without, s.stanza.line)
			}
		}
	}
	err := broken.Err("invalid stanzas")
	if err != nil && s.err != nil {
		return fmt.Errorf("%w; %w", err, s.err)
	}
	return cmp.Or(err, s.err)
}

// remove removes the packages with this name. Packages of another architecture stay if
// both can be installed together.
func (db *records) remove(name, arch string, same bool) {
	n := 0
	for i, p := range db.packages {
		if p.Name == name && (p.Arch == arch || !same || !db.same[i]) {
			continue
		}
		db.packages[n], db.same[n] = p, db.same[i]
		n++
	}
	db.packages, db.same = db.packages[:n], db.same[:n]
}

// decode returns the package of a stanza and whether it is installed. If whole is set,
// the file must not end within the last line of the stanza; if hasStatus is set, the
// stanza must have a Status.
func (st *stanza) decode(whole, hasStatus bool) (inventory.Package, bool, error) {
	if st.err != nil {
		return inventory.Package{}, false, st.err
	}
	if whole && st.cut {
		return inventory.Package{}, false, errors.New("file ends within a line")
	}
	name := st.value[fieldPackage]
	if name == "" {
		return inventory.Package{}, false, errors.New("stanza without Package")
	}
	if !isName(name) {
		return inventory.Package{}, false, fmt.Errorf("invalid package name %q", name)
	}
	if hasStatus || st.value[fieldStatus] != "" {
		installed, err := isInstalled(st.value[fieldStatus])
		if err != nil || !installed {
			return inventory.Package{}, false, wrap(name, err)
		}
	}
	version, arch := st.value[fieldVersion], st.value[fieldArchitecture]
	switch {
	case version == "":
		return inventory.Package{}, false, wrap(name, errors.New("no Version"))
	case !ident.IsWord(version):
		return inventory.Package{}, false, wrap(name, fmt.Errorf("invalid version %q", version))
	case !ident.IsWord(arch):
		return inventory.Package{}, false, wrap(name, fmt.Errorf("invalid architecture %q", arch))
	}
	source, sourceVersion := splitSource(st.value[fieldSource])
	if source == "" {
		source = name
	}
	if sourceVersion == "" {
		sourceVersion = version
	}
	return inventory.Package{
		Type:          "deb",
		Name:          name,
		Version:       inventory.Text(version),
		Arch:          inventory.Text(arch),
		Source:        inventory.Text(source),
		SourceVersion: inventory.Text(sourceVersion),
		Vendor:        inventory.Text(st.value[fieldMaintainer]),
		Held:          strings.EqualFold(wanted(st.value[fieldStatus]), "hold"),
	}, true, nil
}

// wanted returns the first word of a status, the wanted state.
func wanted(status string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(status), " ")
	return word
}

var errNoStatus = errors.New("no Status")

func wrap(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("package %q: %w", name, err)
}

// isInstalled parses the value of Status: the wanted state, a flag, and the current
// state.
func isInstalled(status string) (bool, error) {
	if status == "" {
		return false, errNoStatus
	}
	bad := fmt.Errorf("invalid status %q", status)
	words := strings.Fields(strings.ToLower(status))
	if len(words) != 3 {
		return false, bad
	}
	switch words[0] {
	case "unknown", "install", "hold", "deinstall", "purge":
	default:
		return false, bad
	}
	switch words[1] {
	case "ok", "reinstreq":
	default:
		return false, bad
	}
	switch words[2] {
	case "installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending":
		return true, nil
	case "not-installed", "config-files", "half-installed":
		return false, nil
	}
	return false, bad
}

// splitSource splits the value of Source, "name" or "name (version)".
func splitSource(v string) (name, version string) {
	name, version, _ = strings.Cut(v, "(")
	version, _, _ = strings.Cut(version, ")")
	return strings.TrimSpace(name), strings.TrimSpace(version)
}

// isName reports whether dpkg accepts s as a package name.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !ident.IsAlnum(c) && (i == 0 || !strings.ContainsRune("-+._", rune(c))) {
			return false
		}
	}
	return s != ""
}
