package verdict

import (
	"fmt"
	"io"
)

// WriteError writes the log of a scan without a verdict: the error, a hint, which may be
// empty, and the stable line with the exit code, which is CodeUnable, CodeUsage or
// CodeRefused. exit is the code that the client ends with: code, or 0 under
// --on-error warn, which the last line then says in capitals.
func WriteError(w io.Writer, what, hint string, code, exit int) error {
	const most = 3 // lines of the error, and of the hint
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
