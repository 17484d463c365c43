package verdict

import (
	"encoding/json"
	"fmt"
	"io"
)

// WriteJSON writes v as indented JSON with a newline at the end. It is printable ASCII,
// because people see it in a terminal. Equal verdicts have equal bytes.
func WriteJSON(w io.Writer, v Verdict) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("verdict as JSON: %w", err)
	}
	_, err = ASCII(w).Write(append(b, '\n'))
	return err
}
