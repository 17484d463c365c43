package osv

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A listing is the content of modified_id.csv.
type listing struct {
	modified map[string]time.Time // by id
	newest   time.Time
}

// maxID is the bound of package advisory.
const maxID = 256

// parseListing parses lines of a time (RFC 3339) and an id. The id may be prefixed with
// the folder of its ecosystem, as in the list of the whole bucket. The order does not
// matter. If an id is listed twice, the newest time counts. An invalid line, or a last
// line without its end, is an error: records that should be listed would be missing, and
// would be marked as removed.
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
			return l, fmt.Errorf("line %d: invalid time %.40q", n, at)
		}
		id = strings.TrimPrefix(id, ecosystem+"/")
		if !isID(id) {
			return l, fmt.Errorf("line %d: invalid id %.80q", n, id)
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
		return l, errors.New("the list is empty")
	case b[len(b)-1] != '\n':
		return l, errors.New("the list is cut off in its last line")
	}
	return l, nil
}

// isID reports whether an id can be the name of a file and of an advisory.
func isID(id string) bool {
	bad := func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == '/' || r == '\\' || r == '"' || r == ',' || r == '?'
	}
	return id != "" && len(id) <= maxID && id[0] != '.' && !strings.ContainsFunc(id, bad)
}
