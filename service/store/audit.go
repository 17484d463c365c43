package store

import (
	"context"
	"strings"
	"time"
)

// Audit is the part of a Store that keeps the audit trail: who changed what, and when.
// Prune removes events that are older than the scans that it keeps, and older than a
// year.
type Audit interface {
	// AddEvent adds an event to the trail. Changes of tokens add theirs themselves, in
	// the transaction of the change.
	AddEvent(ctx context.Context, e Event) error
	// Events returns the newest events that the filter matches, the newest first.
	Events(ctx context.Context, f EventFilter) ([]Event, error)
}

// Actions of events. More may be added.
const (
	ActionTokenCreate = "token.create"
	ActionTokenRotate = "token.rotate"
	ActionTokenRevoke = "token.revoke"
	ActionImport      = "source.import" // assayd import
	ActionDrop        = "source.drop"   // all records of a source were removed
	ActionRestore     = "store.restore" // assayd restore
	ActionPolicy      = "policy.set"    // a new version of the policy of the service
	ActionLinkRevoke  = "link.revoke"   // a link to a report, or all of them
	ActionSettings    = "settings"      // assayd serve was started with other settings
)

// An Event is an entry of the audit trail. It never contains a secret.
type Event struct {
	N       int64     `json:"n"` // set by the store; later events have a higher number
	At      time.Time `json:"at"`
	Actor   string    `json:"actor"`             // who: `token "ci" (id)`, `command line root@host`
	Action  string    `json:"action"`            // one of the constants; an event without one is not stored
	Object  string    `json:"object,omitempty"`  // the name of what was changed
	Project string    `json:"project,omitempty"` // of the object
	Detail  string    `json:"detail,omitempty"`  // for people
	Refused bool      `json:"refused,omitempty"` // it was not done
}

// EventFilter selects events. The zero value of a field matches all.
type EventFilter struct {
	Since   time.Time
	Before  int64  // only events with a lower number
	Project string // only events of this project
	Action  string
	Limit   int // required
}

// maxEventText is the most bytes of a text of an event.
const maxEventText = 1000

// Bounded returns the event with its texts cut to a maximum length.
func (e Event) Bounded() Event {
	for _, s := range []*string{&e.Actor, &e.Action, &e.Object, &e.Project, &e.Detail} {
		if len(*s) > maxEventText {
			*s = strings.ToValidUTF8((*s)[:maxEventText], "")
		}
	}
	return e
}

// Ended returns the event with the tokens that a rotation or a revocation ended. A token that
// was revoked before the event is not one of them, and may be of another project.
func (e Event) Ended(tokens []Token) Event {
	var ids []string
	for _, t := range tokens {
		if !t.Revoked.IsZero() && t.Revoked.Before(e.At.Truncate(time.Microsecond)) {
			continue
		}
		ids = append(ids, t.ID)
		e.Project = t.Project
	}
	if len(ids) > 0 {
		e.Detail = strings.TrimPrefix(e.Detail+"; ended "+strings.Join(ids, ", "), "; ")
	}
	return e
}
