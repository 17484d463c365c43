package verdict

import (
	"encoding/json"
	"fmt"
	"io"
)

// WriteJSON writes v as indented JSON with a line end. The same verdict gives
// the same bytes, and all of them are those of ASCII: a build log is a terminal.
func WriteJSON(w io.Writer, v Verdict) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("verdict as JSON: %w", err)
	}
	_, err = ASCII(w).Write(append(b, '\n'))
	return err
}
