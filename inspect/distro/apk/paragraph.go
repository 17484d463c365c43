package apk

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
	// maxLine is how many bytes of a line are read; the rest is skipped. Only fields
	// that are not needed are longer, such as the list of what a package provides.
	maxLine = 64 << 10
	// maxValue bounds the value of a kept field, a folder and a file name, in bytes.
	maxValue = 4 << 10
)

// The fields that are kept, in the order of letters.
const (
	fieldName = iota
	fieldVersion
	fieldArch
	fieldOrigin
	fieldMaintainer
	numFields
)

const letters = "PVAom"

// A paragraph is the part of the database about one package: fields, then files.
type paragraph struct {
	line    int               // number of its first line, 0 before that
	value   [numFields]string // as inventory.Text
	has     [numFields]bool
	sha256  bool  // 20-byte digests are of SHA-256
	whole   bool  // all fields have been read and are valid
	ended   bool  // all fields have been read: the list of files has begun
	err     error // the first thing wrong with it
	errLine int
}

// A scanner splits a database into paragraphs. It holds only one line and the path of
// one file in memory.
type scanner struct {
	r         *bufio.Reader
	file      func(File) // nil if the files are not needed
	line      int
	paragraph paragraph
	ended     bool
	err       error // why the file could not be read to its end

	dir    []byte // the folder of the files, with a trailing slash unless it is the root
	path   []byte // the file that has not been passed to file yet
	open   bool   // there is such a file
	digest Digest // of that file
}

func newScanner(r io.Reader, file func(File)) *scanner {
	return &scanner{r: bufio.NewReaderSize(r, maxLine), file: file}
}

// next reads the next paragraph and reports whether there was one. If reading fails
// within a paragraph, it counts only if its fields are complete.
func (s *scanner) next() bool {
	s.paragraph = paragraph{}
	s.open = false
	p := &s.paragraph
	for !s.ended {
		s.line++
		line, err := s.r.ReadSlice('\n')
		text, terminated := bytes.CutSuffix(line, []byte("\n"))
		empty := len(text) == 0
		if !empty && p.line == 0 {
			p.line = s.line
		}
		switch {
		case terminated && !empty:
			s.add(text)
		case err == io.EOF && !empty:
			s.addLast(text)
		case err == bufio.ErrBufferFull:
			s.addLong(text[:2])
			for err == bufio.ErrBufferFull {
				_, err = s.r.ReadSlice('\n')
			}
			if err == io.EOF {
				s.broken(errCut)
			}
		}
		switch {
		case err == io.EOF:
			s.ended = true
		case err != nil:
			s.ended, s.err = true, err
			return p.whole
		case empty && p.line > 0:
			s.finish()
			return true
		}
	}
	s.finish()
	return p.line > 0
}

// broken records the first error of the paragraph. The rest of the paragraph is
// skipped.
func (s *scanner) broken(err error) {
	if p := &s.paragraph; p.err == nil {
		p.err, p.errLine = err, s.line
		s.open = false
	}
}

// finish ends the paragraph.
func (s *scanner) finish() {
	s.endFields()
	s.giveFile()
}

// endFields ends the fields of the paragraph, if they have not ended.
func (s *scanner) endFields() {
	p := &s.paragraph
	if p.err != nil || p.ended || p.line == 0 {
		return
	}
	p.ended = true
	if err := p.check(); err != nil {
		s.broken(err)
		return
	}
	p.whole = true
}

// giveFile passes the last file to s.file.
func (s *scanner) giveFile() {
	if s.open && s.file != nil {
		s.file(File{Package: s.paragraph.value[fieldName], Path: s.path, Digest: s.digest})
	}
	s.open = false
}

// add adds a complete, non-empty line.
func (s *scanner) add(line []byte) {
	p := &s.paragraph
	if p.err != nil {
		return
	}
	if !isField(line) {
		s.broken(fmt.Errorf("invalid field %q", line[:min(len(line), 40)]))
		return
	}
	name, value := line[0], line[2:]
	if wanted(name) && len(value) > maxValue {
		s.broken(tooLong(name))
		return
	}
	switch name {
	case 'f': // flags of the package
		p.sha256 = bytes.IndexByte(value, 'S') >= 0
	case 'F': // a folder
		s.giveFile()
		s.endFields()
		s.dir = append(s.dir[:0], value...)
		if len(value) > 0 {
			s.dir = append(s.dir, '/')
		}
	case 'R': // a file in it
		s.giveFile()
		switch {
		case !p.ended:
			s.broken(errors.New("file (R) before its folder (F)"))
		case len(value) == 0:
			s.broken(errors.New("file (R) without a name"))
		default:
			s.path = append(append(s.path[:0], s.dir...), value...)
			s.open, s.digest = true, Digest{}
		}
	case 'Z': // the file's digest
		digest, err := parseDigest(value, p.sha256)
		switch {
		case !s.open:
			s.broken(errors.New("digest (Z) without a file"))
		case err != nil:
			s.broken(err)
		default:
			s.digest = digest
		}
	default:
		f := strings.IndexByte(letters, name)
		switch {
		case f < 0:
		case p.ended:
			s.broken(fmt.Errorf("%c after the files", name))
		case p.has[f]:
			s.broken(fmt.Errorf("repeated %c", name))
		default:
			p.has[f], p.value[f] = true, inventory.Text(string(value))
		}
	}
}

var errCut = errors.New("file ends within a line")

// lateFields are the fields that apk writes after the fields that are kept.
const lateFields = "mtckDpirqs"

// addLast adds a last line without a newline if it is certain that it is complete or
// has nothing that is kept.
func (s *scanner) addLast(line []byte) {
	p := &s.paragraph
	whole := false
	switch {
	case !isField(line):
	case line[0] == 'Z':
		_, err := parseDigest(line[2:], p.sha256)
		whole = err == nil
	case !p.ended && strings.IndexByte(lateFields, line[0]) >= 0:
		whole = p.has[fieldName] && p.has[fieldVersion] && p.has[fieldArch] && p.has[fieldOrigin]
	}
	if !whole {
		s.broken(errCut)
		return
	}
	s.add(line)
}

// addLong adds a line of which only the beginning was read.
func (s *scanner) addLong(begin []byte) {
	if !isField(begin) || wanted(begin[0]) {
		s.broken(tooLong(begin[0]))
	}
}

func tooLong(name byte) error {
	return fmt.Errorf("%q longer than %d bytes", name, maxValue)
}

func isField(line []byte) bool {
	return len(line) >= 2 && line[1] == ':' && ident.IsLetter(line[0])
}

// wanted reports whether the value of a field is used.
func wanted(name byte) bool {
	return strings.IndexByte(letters+"fFRZ", name) >= 0
}
