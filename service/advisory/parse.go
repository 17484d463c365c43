package advisory

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bounds of one record. The largest genuine records have a few hundred KiB and are nested
// about ten levels deep.
const (
	MaxSize  = 16 << 20 // bytes
	MaxDepth = 64       // arrays and objects within each other
	maxID    = 256      // bytes
)

// Parse parses one OSV record. Unknown fields are ignored, so that later minor versions of
// the schema can be read. Another major version is an error, and a missing version means
// 1.0.0. A record must have an id and the time of its last change, in the form of RFC 3339.
// Each event must have exactly one known field: otherwise it would be unclear what the
// range affects, and an incomplete range must not pass for a complete one.
//
// Some genuine records have the modification time 0001-01-01T00:00:00Z, which is the zero
// time. All records in the Go project's repository do.
//
// The result shares no memory with b. A raw field that is null is nil.
func Parse(b []byte) (Advisory, error) {
	if len(b) > MaxSize {
		return Advisory{}, fmt.Errorf("record has %d bytes, more than %d", len(b), MaxSize)
	}
	if tooDeep(b) {
		return Advisory{}, fmt.Errorf("record is nested deeper than %d levels", MaxDepth)
	}
	var in struct {
		Advisory
		Modified *time.Time `json:"modified"` // in place of Advisory's: nil is missing
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return Advisory{}, fmt.Errorf("not an OSV record: %w", err)
	}
	if in.Modified == nil {
		return Advisory{}, fmt.Errorf("record %q has no modification time", in.ID)
	}
	a := in.Advisory
	a.Modified = *in.Modified
	if err := a.check(); err != nil {
		return Advisory{}, err
	}
	a.dropNulls()
	for i := range a.Affected {
		a.Affected[i].Status = a.Affected[i].status()
	}
	return a, nil
}

// check checks the required fields and sets a missing schema version.
func (a *Advisory) check() error {
	switch {
	case a.ID == "":
		return errors.New("record has no id")
	case len(a.ID) > maxID:
		return fmt.Errorf("id has %d bytes, more than %d", len(a.ID), maxID)
	case strings.ContainsFunc(a.ID, notInID):
		return fmt.Errorf("id %q has spaces or control characters", a.ID)
	}
	if a.SchemaVersion == "" {
		a.SchemaVersion = "1.0.0"
	}
	if major, _, _ := strings.Cut(a.SchemaVersion, "."); major != "1" {
		return fmt.Errorf("record %q: unsupported schema version %q, want 1.x", a.ID, a.SchemaVersion)
	}
	for _, entry := range a.Affected {
		for _, r := range entry.Ranges {
			for _, e := range r.Events {
				if n := e.fields(); n != 1 {
					return fmt.Errorf("record %q: an event of package %q has %d of the fields introduced, fixed, last_affected and limit; it must have exactly one",
						a.ID, entry.Package.Name, n)
				}
			}
		}
	}
	return nil
}

func notInID(r rune) bool { return r <= ' ' || r == 0x7f }

// fields counts the fields that are set.
func (e Event) fields() int {
	n := 0
	for _, v := range [...]string{e.Introduced, e.Fixed, e.LastAffected, e.Limit} {
		if v != "" {
			n++
		}
	}
	return n
}

// dropNulls makes raw fields that are null the same as missing ones.
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

// tooDeep reports whether arrays and objects are nested deeper than MaxDepth. It does not
// validate JSON, which the decoder does.
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
