package store

import (
	"testing"
	"time"
)

// A name can be that of a token of another project that was revoked long ago.
func TestEnded(t *testing.T) {
	at := time.Date(2026, 11, 24, 10, 0, 0, 1999, time.UTC)
	e := Event{At: at, Action: ActionTokenRevoke}.Ended([]Token{
		{ID: "now", Project: "shop", Revoked: at.Truncate(time.Microsecond)},
		{ID: "valid", Project: "shop"},
		{ID: "before", Project: "web", Revoked: at.Add(-time.Hour)},
	})
	if e.Detail != "ended now, valid" || e.Project != "shop" {
		t.Errorf("detail %q, project %q", e.Detail, e.Project)
	}
}
