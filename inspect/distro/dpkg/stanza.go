package dpkg

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// maxValue bounds the value of a kept field, in bytes.
	maxValue = 4 << 10
	// maxLine is how many bytes of a line are read; the rest is skipped. Only fields
	// that are not needed are longer.
	maxLine = 64 << 10
	// maxStanza bounds one stanza, in bytes. The largest real ones have about 200 KiB.
	maxStanza = 4 << 20
)

// The fields that are kept.
const (
	fieldPackage = iota
	fieldStatus
	fieldVersion
	fieldArchitecture
	fieldSource
	fieldMaintainer
	fieldMultiArch
	numFields
	fieldOther = -1
)

func fieldNames() [numFields]string {
	return [numFields]string{"Package", "Status", "Version", "Architecture", "Source", "Maintainer", "Multi-Arch"}
}

// fieldOf returns the field with a name, ignoring case.
func fieldOf(name []byte) int {
	for i, known := range fieldNames() {
		if len(name) == len(known) && strings.EqualFold(string(name), known) {
			return i
		}
	}
	return fieldOther
}

// A stanza is a paragraph of fields.
type stanza struct {
	line  int // number of its first line, 0 before that
	value [numFields]string
	has   [numFields]bool
	err   error // the first thing wrong with it
	cut   bool  // the file ends within its last line
	size  int   // bytes
	begun bool  // it has a field
	last  int   // the last field, which a continuation line extends
}

// A scanner splits a database into stanzas. It holds only one line in memory.
type scanner struct {
	r      *bufio.Reader
	line   int
	stanza stanza
	ended  bool
	err    error // why the file could not be read to its end
}

func newScanner(r io.Reader) *scanner {
	return &scanner{r: bufio.NewReaderSize(r, maxLine)}
}

// next reads the next stanza and reports whether there was one. A stanza in which
// reading fails is dropped.
func (s *scanner) next() bool {
	s.stanza = stanza{last: fieldOther}
	st := &s.stanza
	for !s.ended {
		s.line++
		part, err := s.r.ReadSlice('\n')
		long := err == bufio.ErrBufferFull
		text := bytes.TrimRight(part, "\r\n")
		if len(text) > 0 {
			if st.line == 0 {
				st.line = s.line
			}
			st.add(text, long)
		}
		st.size += len(part)
		for err == bufio.ErrBufferFull {
			part, err = s.r.ReadSlice('\n')
			st.size += len(part)
		}
		if st.size > maxStanza && st.err == nil {
			st.err = fmt.Errorf("stanza larger than %d bytes", maxStanza)
		}
		switch {
		case err == io.EOF:
			s.ended = true
			st.cut = len(text) > 0
		case err != nil:
			s.ended, s.err = true, err
			return false
		case len(text) == 0 && st.line > 0:
			return true
		}
	}
	return st.line > 0
}

// add adds a non-empty line. long says that it is only the beginning of a line.
func (st *stanza) add(line []byte, long bool) {
	if st.err != nil {
		return
	}
	if line[0] == ' ' || line[0] == '\t' {
		switch {
		case !st.begun:
			st.err = errors.New("continuation line before the first field")
		case st.last != fieldOther && st.last != fieldMaintainer:
			st.err = fmt.Errorf("continuation line of %s", fieldNames()[st.last])
		}
		return
	}
	name, value, ok := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	if !ok || !isFieldName(name) {
		st.err = fmt.Errorf("invalid field %q", line[:min(len(line), 40)])
		return
	}
	st.begun = true
	st.last = fieldOf(name)
	if st.last == fieldOther {
		return
	}
	value = bytes.TrimSpace(value)
	switch {
	case st.has[st.last]:
		st.err = fmt.Errorf("repeated %s", fieldNames()[st.last])
	case long || len(value) > maxValue:
		st.err = fmt.Errorf("%s longer than %d bytes", fieldNames()[st.last], maxValue)
	default:
		st.has[st.last] = true
		st.value[st.last] = string(value)
	}
}

func isFieldName(name []byte) bool {
	if len(name) == 0 || name[0] == '#' || name[0] == '-' {
		return false
	}
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
