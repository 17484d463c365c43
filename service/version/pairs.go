package version

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxPair bounds a line of ComparePairs, in bytes.
const MaxPair = 64 << 10

// ComparePairs reads lines of two versions with a tab between them, and writes for each
// -1, 0 or 1, or "error: " and the error. It writes when no more input is waiting, so
// that another program can wait for each result.
func ComparePairs(in io.Reader, out io.Writer, compare Compare) error {
	r, w := bufio.NewReaderSize(in, MaxPair), bufio.NewWriter(out)
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("a line is longer than %d bytes", MaxPair)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read versions: %w", err)
		}
		if len(line) > 0 {
			fmt.Fprintln(w, comparePair(strings.TrimRight(string(line), "\r\n"), compare))
		}
		end := err != nil
		if end || r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return fmt.Errorf("write: %w", err)
			}
		}
		if end {
			return nil
		}
	}
}

// comparePair compares the two versions of a line.
func comparePair(line string, compare Compare) string {
	a, b, ok := strings.Cut(line, "\t")
	if !ok || strings.Contains(b, "\t") {
		return "error: a line is two versions with one tab between them"
	}
	c, err := compare(a, b)
	if err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprint(c)
}
