package encode

import (
	"bytes"
	"encoding/json"
)

// Passed reports whether the JSON of a verdict is that of a pass, of a scan whose project no
// base image can have named. It reads no further than the decision, which is at the
// beginning.
func Passed(text []byte) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return false
		}
		if name == "decision" {
			var decision struct { // as in package verdict
				Outcome string
				Code    int
			}
			return d.Decode(&decision) == nil && decision.Outcome == "pass" && decision.Code == 0
		}
		var other json.RawMessage
		if d.Decode(&other) != nil || name == "project_inherited" && string(other) != "false" {
			return false
		}
	}
	return false
}
