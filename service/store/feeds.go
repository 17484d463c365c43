package store

import (
	"context"
	"errors"
	"iter"
	"time"
)

// ErrLocked is wrapped by the error for a lock that another process holds.
var ErrLocked = errors.New("locked by another process")

// ErrLeadLost is wrapped by an error if a Lead has ended before its Release: another
// process may be updating feeds.
var ErrLeadLost = errors.New("the lead of feeds was lost")

// Feeds is the part of a Store that records where advisories come from and when they
// were updated. A feed is an origin that is updated repeatedly; see Import.State.
type Feeds interface {
	// LeadFeeds makes the caller the only process that updates feeds, until Release, the
	// end of the process, or the loss of the lead. The error wraps ErrLocked if another
	// process leads. Other processes can still import.
	LeadFeeds(ctx context.Context) (Lead, error)
	// FeedFailed records that an update of an origin failed, and the reason in one line.
	// The next import from the origin clears it. The origin may be new.
	FeedFailed(ctx context.Context, from Origin, at time.Time, reason string) error
	// FeedState sets the state of an origin without an import, clears its failure, and
	// with a time that is not zero records that it was updated then. The age of the data
	// does not depend on it. The origin may be new.
	FeedState(ctx context.Context, from Origin, at time.Time, state string) error
	// Sources returns all origins of imports so far, by name and part.
	Sources(ctx context.Context) ([]Source, error)
	// Held yields the advisories that belong to an origin and are not removed, by id. It
	// sets only ID, Seq, Modified and Origin.
	Held(ctx context.Context, from Origin) iter.Seq2[Record, error]
}

// A Lead is the right to update feeds. Its methods write like those of the store. Once
// the lead is lost they write nothing, and their errors wrap ErrLeadLost.
type Lead interface {
	// Context is derived from the context of LeadFeeds. It ends, with ErrLeadLost as its
	// cause, when the lead is lost, and before another process can lead.
	Context() context.Context
	Import(ctx context.Context, im Import, records iter.Seq2[Record, error]) (Imported, error)
	KeepList(ctx context.Context, im Import, l List) (changed bool, err error)
	FeedFailed(ctx context.Context, from Origin, at time.Time, reason string) error
	FeedState(ctx context.Context, from Origin, at time.Time, state string) error
	// Release ends the lead. It is called once.
	Release() error
}

// A Source describes an origin of records or of a list.
type Source struct {
	Origin  Origin
	Feed    bool
	State   string    // of the last import with a state
	Records int       // not removed ones that belong to it, or entries of its list
	Updated time.Time // the newest import; zero: none
	Failed  time.Time // the last failure since then; zero: none
	Err     string    // of that failure
}

// Lists is the part of a Store that keeps exploit catalogs. A new version of a list
// replaces all of the one before. Lists share the sequence numbers of the advisories, so
// that a state of all data has one number.
type Lists interface {
	// KeepList makes l the newest version of the list of its kind, and reports whether it
	// differs from the one before. Its age does not count towards that of the advisories.
	KeepList(ctx context.Context, im Import, l List) (changed bool, err error)
	// Lists yields the newest version in (after, upTo] of every list that has one, by
	// sequence number.
	Lists(ctx context.Context, after, upTo int64) iter.Seq2[List, error]
}

// A List is one version of one list. The store does not read its body.
type List struct {
	Seq       int64     // set by the store
	Kind      string    // "kev", "epss"
	Source    string    // set by the store on reading
	Published time.Time // by the publisher; zero if unknown
	Entries   int
	Body      []byte
}
