package advisory

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bounds of one record. The largest genuine ones are a few hundred KiB, and
// nest to a depth of about ten.
const (
	MaxSize  = 16 << 20 // bytes
	MaxDepth = 64       // arrays and objects within each other
	maxID    = 256      // bytes
)

// Parse reads one OSV record. Fields that it does not know are passed over, so
// that later minor versions of the schema are read too; another major version
// is an error, and a missing one means 1.0.0. A record needs an id and, in the
// form of RFC 3339, the time of its last change. An event must have exactly one
// field that is known and filled in: with none or several the range would not
// say what is affected, and half a range must not pass for a whole one.
//
// Genuine records, among them all in the Go project's own repository, have a
// modification time of 0001-01-01T00:00:00Z, which is the zero time.
//
// What Parse returns shares no memory with b. A raw field that is null is nil.
func Parse(b []byte) (Advisory, error) {
	if len(b) > MaxSize {
		return Advisory{}, fmt.Errorf("record of %d bytes, at most %d are read", len(b), MaxSize)
	}
	if tooDeep(b) {
		return Advisory{}, fmt.Errorf("record nests deeper than %d levels", MaxDepth)
	}
	var in struct {
		Advisory
		Modified *time.Time `json:"modified"` // in place of Advisory's: nil is missing
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return Advisory{}, fmt.Errorf("not an OSV record: %w", err)
	}
	if in.Modified == nil {
		return Advisory{}, fmt.Errorf("record %q without a modification time", in.ID)
	}
	a := in.Advisory
	a.Modified = *in.Modified
	if err := a.check(); err != nil {
		return Advisory{}, err
	}
	a.dropNulls()
	return a, nil
}

// check holds what a record must have, and fills in the schema version.
func (a *Advisory) check() error {
	switch {
	case a.ID == "":
		return errors.New("record without an id")
	case len(a.ID) > maxID:
		return fmt.Errorf("id of %d bytes, at most %d are taken", len(a.ID), maxID)
	case strings.ContainsFunc(a.ID, notInID):
		return fmt.Errorf("id %q has spaces or control characters", a.ID)
	}
	if a.SchemaVersion == "" {
		a.SchemaVersion = "1.0.0"
	}
	if major, _, _ := strings.Cut(a.SchemaVersion, "."); major != "1" {
		return fmt.Errorf("record %q: schema version %q is not read, 1.x is", a.ID, a.SchemaVersion)
	}
	for _, entry := range a.Affected {
		for _, r := range entry.Ranges {
			for _, e := range r.Events {
				if n := e.fields(); n != 1 {
					return fmt.Errorf("record %q: an event of package %q has %d of the fields introduced, fixed, last_affected and limit; it must have one",
						a.ID, entry.Package.Name, n)
				}
			}
		}
	}
	return nil
}

func notInID(r rune) bool { return r <= ' ' || r == 0x7f }

// fields counts the fields that are filled in.
func (e Event) fields() int {
	n := 0
	for _, v := range [...]string{e.Introduced, e.Fixed, e.LastAffected, e.Limit} {
		if v != "" {
			n++
		}
	}
	return n
}

// dropNulls makes a raw field that says null the same as one that is missing.
func (a *Advisory) dropNulls() {
	dropNull(&a.DatabaseSpecific)
	for i := range a.Affected {
		entry := &a.Affected[i]
		dropNull(&entry.EcosystemSpecific)
		dropNull(&entry.DatabaseSpecific)
		for j := range entry.Ranges {
			dropNull(&entry.Ranges[j].DatabaseSpecific)
		}
	}
}

func dropNull(raw *json.RawMessage) {
	if string(*raw) == "null" {
		*raw = nil
	}
}

// tooDeep reports whether arrays and objects nest deeper than MaxDepth. It
// needs no valid JSON: what is wrong with it, the decoder says.
func tooDeep(b []byte) bool {
	depth := 0
	inString := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
