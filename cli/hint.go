package cli

import (
	"errors"

	"assay/cli/argv"
	"assay/remote"
)

// A hinted error says what to do next. Its exit code is 1.
type hinted struct {
	error
	hint string
}

func (h hinted) Hint() string  { return h.hint }
func (h hinted) Unwrap() error { return h.error }

// hintOf returns the hint of an error, or otherwise if it has none.
func hintOf(err error, otherwise string) string {
	h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err)
	if !ok {
		return otherwise
	}
	return h.Hint()
}

// classify returns the exit code of an error and what to try next.
func classify(err error) (code int, hint string) {
	code = codeUnable
	if _, ok := errors.AsType[*argv.UsageError](err); ok {
		code = codeUsage
	}
	if re, ok := errors.AsType[*remote.Error](err); ok {
		switch re.Kind {
		case remote.Token:
			code = codeRefused
		case remote.Setup:
			code = codeUsage
		}
	}
	return code, hintOf(err, "run it again, or run assay doctor instead of the scan to find the cause")
}
