package cli

import (
	"cmp"
	"errors"

	"assay/cli/argv"
	"assay/remote"
	"assay/verdict/hint"
)

// classify returns the exit code of an error and its hint.
func classify(err error) (code int, next string) {
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
	return code, cmp.Or(hint.Of(err), "run it again, or run assay doctor instead of the scan to find the cause")
}
