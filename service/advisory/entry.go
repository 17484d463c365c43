package advisory

import (
	"cmp"
	"encoding/json"
)

// Compare orders packages by ecosystem and name.
func (p Package) Compare(o Package) int {
	return cmp.Or(cmp.Compare(p.Ecosystem, o.Ecosystem), cmp.Compare(p.Name, o.Name))
}

// Before returns the range of every version before a fix, or of every version if fixed is
// empty.
func Before(fixed string) Range {
	events := []Event{{Introduced: "0"}}
	if fixed != "" {
		events = append(events, Event{Fixed: fixed})
	}
	return Range{Type: Ecosystem, Events: events}
}

// SeverityField returns a database_specific with the word of a publisher for the severity, or
// nil if it has none.
func SeverityField(word string) json.RawMessage {
	if word == "" {
		return nil
	}
	return object("severity", word)
}

// StatusField returns an ecosystem_specific with a status.
func StatusField(s Status) json.RawMessage { return object("status", s.String()) }

// object returns an object with a text, which can always be encoded.
func object(name, text string) json.RawMessage {
	b, _ := json.Marshal(map[string]string{name: text})
	return b
}
