// Package failures collects the errors of a reader that continues after an invalid part
// of its file.
package failures

import "fmt"

// A List has the first error of a file and counts the others. The zero value is empty.
type List struct {
	n     int
	line  int // of the first error, or 0
	first error
}

// Add adds an error. Its line is 0 if it is not known. The error with the lowest line is
// the first.
func (l *List) Add(line int, err error) {
	if l.n++; l.first == nil || line < l.line {
		l.line, l.first = line, err
	}
}

// Len returns the number of errors.
func (l *List) Len() int { return l.n }

// Err returns the first error with the number of the others, which are called parts, such
// as "invalid lines". It returns nil if there are none.
func (l *List) Err(parts string) error {
	if l.n == 0 {
		return nil
	}
	err := l.first
	if l.line > 0 {
		err = fmt.Errorf("line %d: %w", l.line, err)
	}
	if l.n > 1 {
		err = fmt.Errorf("%w, and %d more %s", err, l.n-1, parts)
	}
	return err
}
