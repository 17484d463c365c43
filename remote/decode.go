package remote

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// decode reads the JSON of an answer into to. An object with two keys that
// encoding/json would read into the same field is an error: it would take the last of
// them without a word, and another program that reads the answer may take the first.
func decode(body []byte, to any) error {
	if err := json.Unmarshal(body, to); err != nil {
		return err
	}
	return checkKeys(body)
}

// checkKeys reports the first key of an object that repeats another one, ignoring case
// as encoding/json does. The body is valid JSON.
func checkKeys(body []byte) error {
	type object struct {
		keys  map[string]bool // nil for an array
		value bool            // the next token is a value
	}
	var open []object
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return nil // the end: encoding/json has accepted the body
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			open = open[:len(open)-1]
			continue
		}
		if n := len(open); n > 0 && open[n-1].keys != nil {
			inner := &open[n-1]
			if inner.value = !inner.value; inner.value { // it is the key
				key, _ := token.(string)
				folded := strings.ToLower(strings.ToUpper(key))
				if inner.keys[folded] {
					return fmt.Errorf("the key %q is repeated", key)
				}
				inner.keys[folded] = true
				continue
			}
		}
		switch token {
		case json.Delim('{'):
			open = append(open, object{keys: map[string]bool{}})
		case json.Delim('['):
			open = append(open, object{})
		}
	}
}
