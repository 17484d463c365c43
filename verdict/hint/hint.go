// Package hint makes errors that say what to do next. The program prints the hint
// on a line of its own, after the error.
package hint

import (
	"errors"
	"fmt"
)

// Errorf returns an error with a hint. The error is formatted as by fmt.Errorf.
func Errorf(hint, format string, args ...any) error {
	return &hinted{fmt.Errorf(format, args...), hint}
}

// Of returns the hint of an error, or of the first error that it wraps and that has
// one. It returns an empty string if there is none.
func Of(err error) string {
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return h.Hint()
	}
	return ""
}

type hinted struct {
	error
	hint string
}

func (h *hinted) Hint() string  { return h.hint }
func (h *hinted) Unwrap() error { return h.error }
