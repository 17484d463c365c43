package feed

import (
	"strings"

	"assay/verdict"
)

// OneLine returns the text of an error as one line of printable text, whatever a server
// has put into it.
func OneLine(err error) string {
	return verdict.Clean(strings.Join(strings.Fields(err.Error()), " "))
}
