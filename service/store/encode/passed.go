package encode

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Passed reports whether the JSON of a verdict is that of a pass, of a scan whose project no
// base image can have named.
func Passed(text []byte) bool {
	outcome, code, inherited := decision(text)
	return outcome == "pass" && code == 0 && !inherited
}

// Outcome returns the outcome in the JSON of a verdict, a word of small letters, or an empty
// text if there is none.
func Outcome(text []byte) string {
	outcome, _, _ := decision(text)
	if len(outcome) > 20 || strings.ContainsFunc(outcome, func(r rune) bool { return r < 'a' || r > 'z' }) {
		return ""
	}
	return outcome
}

// decision reads the decision of a verdict, and whether a base image may have named its
// project. It reads no further than the decision, which is at the beginning.
func decision(text []byte) (outcome string, code int, inherited bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return "", 0, false
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return "", 0, false
		}
		if name == "decision" {
			var decision struct { // as in package verdict
				Outcome string
				Code    int
			}
			if d.Decode(&decision) != nil {
				return "", 0, false
			}
			return decision.Outcome, decision.Code, inherited
		}
		var other json.RawMessage
		if d.Decode(&other) != nil {
			return "", 0, false
		}
		if name == "project_inherited" && string(other) != "false" {
			inherited = true
		}
	}
	return "", 0, false
}
