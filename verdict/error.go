package verdict

import (
	"fmt"
	"io"
)

// WriteError writes what people read where there is no verdict: what went
// wrong, what to try, which may be empty, and the stable line with the exit
// code of docs/exit-codes.md, 1, 2 or 3. exit is the code that the client ends
// with: code, or 0 under --on-error warn, which is then said where nobody can
// overlook it.
func WriteError(w io.Writer, what, hint string, code, exit int) error {
	const most = 3 // lines of each
	p := newPage(Style{})
	p.add(p.wrap("assay: error: ", "  ", sentence(what, most*maxWidth), most)...)
	if hint != "" {
		p.add(p.wrap("hint: ", "  ", sentence(hint, most*maxWidth), most)...)
	}
	stable := fmt.Sprintf("assay: verdict=error code=%d", code)
	if exit == code {
		p.add(stable)
	} else {
		p.add(
			fmt.Sprintf("%s exit=%d", stable, exit),
			"assay: THIS IMAGE WAS NOT SCANNED, yet THE BUILD GOES ON (--on-error warn)",
		)
	}
	return p.writeTo(w)
}
