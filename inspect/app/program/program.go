// Package program recognises well-known programs and libraries that were copied into an image,
// or built there, by the version that their own build puts into the file. It reads a file only
// if its name is that of such a program, and never executes it.
package program

import (
	"bytes"
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
// error if the file has several versions, more texts than are read, or sections without names.
// The file must have been opened with Sections.
func Read(f *elf.File, path string) ([]inventory.Package, error) {
	base := path[strings.LastIndexByte(path, '/')+1:]
	p, ok := find(base)
	if !ok {
		return nil, nil
	}
	if !f.Named() {
		return nil, fmt.Errorf("version of %s: the sections of the file have no names", p.name)
	}
	var versions []string
	for _, name := range Sections() {
		texts, ok := f.Section(name)
		if !ok {
			continue
		}
		if texts.Size > maxTexts {
			return nil, fmt.Errorf("version of %s: more than %d bytes of texts", p.name, maxTexts)
		}
		var err error
		versions, err = p.versions(versions, io.NewSectionReader(f.At(texts.Addr), 0, int64(texts.Size)), branch(base))
		if err != nil {
			return nil, fmt.Errorf("version of %s: %w", p.name, err)
		}
	}
	switch len(versions) {
	case 0:
		return nil, nil
	case 1:
		return []inventory.Package{pack(p.name, versions[0], p.vendor, p.product, path)}, nil
	}
	return nil, fmt.Errorf("it has several versions of %s: %s", p.name, strings.Join(versions, ", "))
}

// Sections returns the names of the sections where compilers put texts, to pass to elf.Open
// before Read.
func Sections() []string { return []string{".rodata", ".data"} }

func pack(name, version, vendor, product, path string) inventory.Package {
	return inventory.Package{
		Type: Type, Name: name, Version: version,
		CPE:      "cpe:2.3:a:" + vendor + ":" + product + ":" + version + ":*:*:*:*:*:*:*",
		Evidence: []inventory.Evidence{{Path: path, Kind: Kind}},
	}
}

// find returns the program with a file of a name.
func find(base string) (program, bool) {
	i := slices.IndexFunc(programs, func(p program) bool {
		return slices.ContainsFunc(p.files, func(pattern string) bool { return matches(pattern, base) })
	})
	if i < 0 {
		return program{}, false
	}
	return programs[i], true
}

// matches reports whether a name is that of a pattern of the table.
func matches(pattern, base string) bool {
	if before, after, ok := strings.Cut(pattern, "#"); ok {
		rest, ok := strings.CutPrefix(base, before)
		if !ok {
			return false
		}
		return matches(after, rest[len(number(rest)):])
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		rest, ok := strings.CutPrefix(base, prefix)
		return ok && !strings.HasSuffix(rest, ".debug")
	}
	return pattern == base
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

// versions adds the different versions that the texts have to those that were found. branch, if
// not empty, is what the version of a Python begins with.
func (p program) versions(found []string, texts *io.SectionReader, branch string) ([]string, error) {
	marker := []byte(p.before)
	switch p.name {
	case "python":
		if branch == "" {
			return found, nil // three numbers alone are not evidence
		}
		marker = []byte(p.before + branch + ".")
	case "sqlite":
		marker = []byte(p.before + "3.")
	case "perl":
		marker = []byte(p.before + "5.")
	}
	skip := len(p.before)
	buf := make([]byte, window+overlap)
	for off := int64(0); off < texts.Size(); off += window {
		n, err := texts.ReadAt(buf, off)
		if err != nil && err != io.EOF {
			return nil, err
		}
		data := buf[:n]
		if p.name == "mariadb" {
			found = p.backwards(found, data)
			continue
		}
		for at := 0; at < min(n, window); {
			i := bytes.Index(data[at:], marker)
			if i < 0 {
				break
			}
			at += i
			if v := p.version(data[at+skip:]); v != "" && !slices.Contains(found, v) && len(found) < maxVersions {
				found = append(found, v)
			}
			at++
		}
	}
	slices.Sort(found)
	return found, nil
}

// backwards adds the versions that it finds by the text after them, for programs that have no
// fixed text before their version.
func (p program) backwards(found []string, data []byte) []string {
	suffix := []byte(p.after[0])
	for at := 0; ; at++ {
		i := bytes.Index(data[at:], suffix)
		if i < 0 {
			return found
		}
		at += i
		from := max(0, at-maxVersion-1)
		end := bytes.LastIndexByte(data[from:at], 0) // of the text before
		if end < 0 {
			continue
		}
		if v := p.version(data[from+end+1:]); v != "" && !slices.Contains(found, v) && len(found) < maxVersions {
			found = append(found, v)
		}
	}
}

// version returns the version at the beginning of data. It is empty if what follows is not one
// of the texts that end the program's version.
func (p program) version(data []byte) string {
	n := 0
	for n < min(len(data), maxVersion) && isVersion(data[n]) {
		n++
	}
	text := data[:n]
	for len(text) > 0 {
		if ends(data[len(text):], p.after) {
			break
		}
		text = text[:len(text)-1]
	}
	// What ends a version may be part of what looks like one: "-" and "p".
	for _, after := range p.after {
		if i := bytes.Index(text, []byte(after)); i > 0 && isVersion(after[0]) {
			text = text[:i]
		}
	}
	v := string(text)
	if v == "" || v[0] < '0' || v[0] > '9' || strings.Count(number(v), ".")+1 < p.parts || p.name == "openssh" && !strings.Contains(v, "p") {
		return ""
	}
	return v
}

// ends reports whether data begins with one of the texts.
func ends(data []byte, texts []string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return bytes.HasPrefix(data, []byte(t)) })
}

func isVersion(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '.' || c == '-' || c == '+' || c == '~' || c == '_'
}
