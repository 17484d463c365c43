package feed

import (
	"strings"

	"assay/verdict"
)

// OneLine is what is kept and shown of an error: one line of printable text,
// whatever a server put into it.
func OneLine(err error) string {
	return verdict.Clean(strings.Join(strings.Fields(err.Error()), " "))
}
