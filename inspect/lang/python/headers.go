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
	// maxLine is how many bytes of a line are read; the rest is skipped. It is also how
	// much of most records is read at all.
	maxLine = 4 << 10
	// maxValue bounds the value of a kept header, in bytes.
	maxValue = 1 << 10
)

// headers are the headers that are kept. If a header is repeated, the first one counts.
type headers struct {
	name, version string
}

// readHeaders reads the headers at the beginning of r, like Python's email parser: a
// header is a name, a colon and a value, and continues in lines that begin with a space
// or tab. Names are case-insensitive. The first line of any other form ends the
// headers. Reading stops when both headers have been found.
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

// ignoreEnd returns err unless it means the end of the file or of the part of a line
// that was read.
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
