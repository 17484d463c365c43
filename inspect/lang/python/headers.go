package python

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// maxLine is how much of a line is looked at; the rest is read past. It is also
	// how much of most records is read at all.
	maxLine = 4 << 10
	// maxValue bounds the value of a header that is kept.
	maxValue = 1 << 10
)

// headers are those of a record that are kept. Of repeated ones the first counts.
type headers struct {
	name, version string
}

// readHeaders reads the headers at the beginning of r, as Python's email parser
// does: a header is a name, a colon and a value, which goes on in lines that begin
// with a space or tab; case does not matter; the first line of another form ends
// the headers. It stops when it has all that it looks for.
func readHeaders(r io.Reader) (headers, error) {
	var h headers
	var has struct{ name, version bool }
	var value *string // of the header that the next line may continue
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		part, err := lines.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		line := bytes.TrimRight(part, "\r\n")
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			if value != nil {
				*value = strings.TrimSpace(*value + " " + string(bytes.TrimSpace(line)))
			}
		} else {
			name, rest, ok := bytes.Cut(line, []byte(":"))
			if has.name && has.version || !ok || !isHeaderName(name) {
				return h, ignoreEnd(err)
			}
			value = nil
			switch {
			case bytes.EqualFold(name, []byte("Name")) && !has.name:
				has.name, value = true, &h.name
			case bytes.EqualFold(name, []byte("Version")) && !has.version:
				has.version, value = true, &h.version
			}
			if value != nil {
				*value = string(bytes.TrimSpace(rest))
			}
		}
		if value != nil && (long || len(*value) > maxValue) {
			return h, fmt.Errorf("value longer than %d bytes", maxValue)
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = lines.ReadSlice('\n')
		}
		if err != nil {
			return h, ignoreEnd(err)
		}
	}
}

// ignoreEnd returns err unless it says that a file, or the part of a line that
// was read, has ended.
func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, bufio.ErrBufferFull) {
		return nil
	}
	return err
}

func isHeaderName(name []byte) bool {
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(name) > 0
}
