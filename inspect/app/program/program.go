// Package program recognises well-known programs and libraries that were copied into an image,
// or built there, by the version that their own build puts into the file. It reads a file only
// if its name is that of such a program, and never executes it.
package program

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"assay/inspect/elf"
	"assay/inspect/inventory"
)

const (
	// Kind is the kind of the evidence.
	Kind = "program"
	// Type is the purl type of programs, which no package manager has.
	Type = "generic"
	// maxTexts bounds the texts of a section that are read, in bytes. Node.js has 60 MB.
	maxTexts = 256 << 20
	// window is how much is read at once, and overlap how much of the end of a window is
	// read again with the next. No evidence is longer.
	window  = 256 << 10
	overlap = 512
	// maxVersion bounds the length of a version.
	maxVersion = 40
	// maxVersions bounds the different versions in one file.
	maxVersions = 8
)

// Read returns the program in a file, if it is one of the table and has its version. It is an
// error if the file has several versions, more texts than are read, or sections without names,
// or if it is certainly the program and its version has no form that is known. The file must
// have been opened with Sections.
func Read(f *elf.File, path string) ([]inventory.Package, error) {
	base := path[strings.LastIndexByte(path, '/')+1:]
	unread := ""
	for i := range programs {
		p := &programs[i]
		if !p.has(base) {
			continue
		}
		s := search{program: p, branch: branch(base)}
		if err := s.read(f); err != nil {
			return nil, fmt.Errorf("version of %s: %w", p.name, err)
		}
		if len(s.versions) > 1 {
			return nil, fmt.Errorf("it has several versions of %s: %s", p.name, strings.Join(s.versions, ", "))
		}
		if len(s.versions) == 1 {
			return []inventory.Package{pack(p.name, s.versions[0], p.product, path)}, nil
		}
		if s.sure && unread == "" {
			unread = p.name
		}
	}
	if unread != "" {
		return nil, fmt.Errorf("version of %s: it is in no known form", unread)
	}
	return nil, nil
}

// Sections returns the names of the sections where compilers put texts, to pass to elf.Open
// before Read.
func Sections() []string { return []string{".rodata", ".data"} }

func pack(name, version, product, path string) inventory.Package {
	return inventory.Package{
		Type: Type, Name: name, Version: version,
		CPE:      "cpe:2.3:a:" + product + ":" + version + ":*:*:*:*:*:*:*",
		Evidence: []inventory.Evidence{{Path: path, Kind: Kind}},
	}
}

// number returns the digits and dots at the beginning of a text, without a dot at their end.
func number(text string) string {
	return strings.TrimRight(text[:len(text)-len(strings.TrimLeft(text, "0123456789."))], ".")
}

// branch returns the two numbers in the name of a file, "3.11" of "libpython3.11.so.1.0", or an
// empty text if there are not exactly two.
func branch(base string) string {
	i := strings.IndexAny(base, "0123456789")
	if i < 0 {
		return ""
	}
	n := number(base[i:])
	if strings.Count(n, ".") != 1 {
		return ""
	}
	return n
}

// A search looks for the version of a program in its file.
type search struct {
	*program
	// branch, if not empty, is what the version of a Python begins with.
	branch string
	// versions are the different versions that were found, in order.
	versions []string
	// sure means that the file has the identity of the program.
	sure bool
	// ids and numbers are texts of programs whose version is in front of an ID.
	ids, numbers []string
}

// read reads the texts of a file.
func (s *search) read(f *elf.File) error {
	if !f.Named() {
		return errors.New("the sections of the file have no names")
	}
	for _, name := range Sections() {
		texts, ok := f.Section(name)
		if !ok {
			continue
		}
		if texts.Size > maxTexts {
			return fmt.Errorf("more than %d bytes of texts", maxTexts)
		}
		if err := s.section(io.NewSectionReader(f.At(texts.Addr), 0, int64(texts.Size))); err != nil {
			return err
		}
	}
	for _, n := range s.numbers {
		if slices.ContainsFunc(s.ids, func(id string) bool { return strings.HasPrefix(id, n) }) {
			s.add(n)
		}
	}
	if s.name == "python" && s.branch == "" && !s.sure {
		s.versions = nil // three numbers alone are not evidence
	}
	slices.Sort(s.versions)
	return nil
}

// add adds a version that is not known yet.
func (s *search) add(v string) {
	if v != "" && !slices.Contains(s.versions, v) && len(s.versions) < maxVersions {
		s.versions = append(s.versions, v)
	}
}

// section searches the texts of a section.
func (s *search) section(texts *io.SectionReader) error {
	marker := s.before
	switch s.name {
	case "python":
		marker += cmp.Or(s.branch, "3") + "."
	case "sqlite":
		marker += "3."
	case "perl":
		marker += "5."
	}
	identity := []byte(s.identity())
	buf := make([]byte, window+overlap)
	for off := int64(0); off < texts.Size(); off += window {
		n, err := texts.ReadAt(buf, off)
		if err != nil && err != io.EOF {
			return err
		}
		data := buf[:n]
		s.sure = s.sure || bytes.Contains(data, identity)
		switch {
		case s.isID():
			s.builds(data, off == 0)
		case s.name == "mariadb":
			s.backwards(data)
		default:
			s.forwards(data, []byte(marker))
		}
	}
	return nil
}

// forwards adds the versions after the texts that begin with marker.
func (s *search) forwards(data, marker []byte) {
	for at := 0; at < min(len(data), window); at++ {
		i := bytes.Index(data[at:], marker)
		if i < 0 {
			return
		}
		at += i
		v := s.version(data[at+len(s.before):])
		if v == unicodeVersion && s.name == "python" && s.branch == "" {
			continue
		}
		s.add(v)
	}
}

// unicodeVersion is the version of an old Unicode database, which each Python 3 has.
const unicodeVersion = "3.2.0"

// backwards adds the versions that it finds by the text after them, for programs that have no
// fixed text before their version.
func (s *search) backwards(data []byte) {
	suffix := []byte(s.after)
	for at := 0; ; at++ {
		i := bytes.Index(data[at:], suffix)
		if i < 0 {
			return
		}
		at += i
		from := max(0, at-maxVersion-1)
		if end := bytes.LastIndexByte(data[from:at], 0); end >= 0 { // of the text before
			s.add(s.version(data[from+end+1:]))
		}
	}
}

const (
	// minID and maxID bound the length of a version with the ID of a build, which ends with
	// commitLen digits of a commit.
	minID, maxID, commitLen = 20, 128, 8
	// minTime is how many digits the ID has at least in front of the commit: the time of the
	// build in seconds, and the number of changed lines.
	minTime = 11
	// maxNumbers bounds the numbers and the IDs that are kept.
	maxNumbers = 64
)

// builds keeps the texts that are a number like "7.2.3", and those that end with the ID of a
// build. The ID follows the version without anything between ("7.2.3host-1702957734000000000",
// or "7.2.31702957734000000000"), so that the number says where the version ends. first means
// that data begins with a text.
func (s *search) builds(data []byte, first bool) {
	for begin := 0; ; {
		n := bytes.IndexByte(data[begin:], 0)
		if n < 0 {
			return
		}
		text := data[begin : begin+n]
		whole := first || begin > 0
		begin += n + 1
		switch {
		case whole && n < minID && strings.Count(number(string(text)), ".") == s.parts-1 && len(number(string(text))) == n && len(s.numbers) < maxNumbers:
			s.numbers = append(s.numbers, string(text))
		case n >= minID:
			if id := buildID(text[max(0, n-maxID):]); id != "" && len(s.ids) < maxNumbers {
				s.ids = append(s.ids, id)
			}
		}
	}
}

// buildID returns the version and the ID of a build at the end of a text, or an empty text.
func buildID(text []byte) string {
	rest := text[:len(text)-commitLen]
	if len(bytes.TrimRight(text[len(rest):], "0123456789abcdef")) > 0 || len(rest)-len(bytes.TrimRight(rest, "0123456789")) < minTime {
		return ""
	}
	begin := len(text)
	for begin > 0 && isVersion(text[begin-1]) {
		begin--
	}
	return strings.TrimLeftFunc(string(text[begin:]), func(r rune) bool { return r < '0' || r > '9' })
}

// version returns the version at the beginning of data. It is empty if what follows is not one
// of the texts that end the program's version.
func (p *program) version(data []byte) string {
	n := 0
	for n < min(len(data), maxVersion) && isVersion(data[n]) {
		n++
	}
	text := data[:n]
	for len(text) > 0 && !p.ends(data[len(text):]) {
		text = text[:len(text)-1]
	}
	// What ends a version may be part of what looks like one: "-" and "p".
	for i := 1; i < len(text); i++ {
		if p.ends(text[i:]) && !isPrerelease(text[i:]) {
			text = text[:i]
		}
	}
	v := string(text)
	if v == "" || v[0] < '0' || v[0] > '9' || strings.Count(number(v), ".")+1 < p.parts || p.name == "openssh" && !strings.Contains(v, "p") {
		return ""
	}
	return v
}

// isPrerelease reports whether a part of a version says that it is not a release.
func isPrerelease(text []byte) bool {
	word := strings.ToLower(string(bytes.TrimLeft(text, "-~")))
	for prefix := range strings.SplitSeq("alpha beta dev pre rc", " ") {
		if strings.HasPrefix(word, prefix) {
			return true
		}
	}
	return false
}

// ends reports whether data begins with a text that ends the version.
func (p *program) ends(data []byte) bool {
	for text := range strings.SplitSeq(p.after, "|") {
		if bytes.HasPrefix(data, []byte(text)) {
			return true
		}
	}
	return false
}

func isVersion(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '.' || c == '-' || c == '+' || c == '~' || c == '_'
}
