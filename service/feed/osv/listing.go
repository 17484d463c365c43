package osv

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A listing is what modified_id.csv says.
type listing struct {
	modified map[string]time.Time // by id
	newest   time.Time
}

// maxID is the bound that advisories set.
const maxID = 256

// parseListing reads lines of a time in the form of RFC 3339 and an id, which
// may stand behind the folder of its ecosystem, as it does in the list of the
// whole bucket. Their order does not matter; of an id that is listed twice the
// newest time counts. A line that makes no sense is an error of the whole, and so
// is a last one that does not end: what should be listed would be missing, and be
// taken for removed.
func parseListing(b []byte, ecosystem string) (listing, error) {
	l := listing{modified: map[string]time.Time{}}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line = strings.TrimRight(line, "\r\n")
		at, id, ok := strings.Cut(line, ",")
		if !ok {
			return l, fmt.Errorf("line %d: %.80q is not a time and an id", n, line)
		}
		modified, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			return l, fmt.Errorf("line %d: %.40q is no time", n, at)
		}
		id = strings.TrimPrefix(id, ecosystem+"/")
		if !isID(id) {
			return l, fmt.Errorf("line %d: %.80q is no id", n, id)
		}
		modified = modified.UTC()
		if before, ok := l.modified[id]; !ok || modified.After(before) {
			l.modified[id] = modified
		}
		if len(l.modified) > maxRecords {
			return l, fmt.Errorf("more than %d records", maxRecords)
		}
		if modified.After(l.newest) {
			l.newest = modified
		}
	}
	switch {
	case n == 0:
		return l, errors.New("it is empty")
	case b[len(b)-1] != '\n':
		return l, errors.New("it is cut off: its last line does not end")
	}
	return l, nil
}

// isID reports whether an id can be the name of a file and of an advisory.
func isID(id string) bool {
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || r == '/' || r == '\\' || r == '"' || r == ',' }
	return id != "" && len(id) <= maxID && id[0] != '.' && !strings.ContainsFunc(id, bad)
}
