package store

import (
	"context"
	"errors"
	"iter"
	"time"
)

// ErrLocked is returned, wrapped, where another holds the lock.
var ErrLocked = errors.New("locked by another process")

// ErrLeadLost is returned, wrapped, where a Lead has ended before its Release: another
// process may be updating feeds.
var ErrLeadLost = errors.New("the lead of feeds was lost")

// Feeds is the part that knows where advisories come from and how current they
// are. A feed is an origin that is updated again and again; see Import.State.
type Feeds interface {
	// LeadFeeds makes the caller the only one that updates feeds, over all processes,
	// until Release, the end of the process, or the loss of the lead. The error wraps
	// ErrLocked where another one leads. Nobody is kept from importing.
	LeadFeeds(ctx context.Context) (Lead, error)
	// FeedFailed notes that an update of an origin failed and why, in one line.
	// The next import from it takes the note away. The origin may be new.
	FeedFailed(ctx context.Context, from Origin, at time.Time, reason string) error
	// Sources returns every origin that was ever imported from, by name and part.
	Sources(ctx context.Context) ([]Source, error)
	// Held yields the advisories that belong to an origin and are not removed, by
	// id: their ID, Seq, Modified and Origin alone.
	Held(ctx context.Context, from Origin) iter.Seq2[Record, error]
}

// A Lead is the right to update feeds. Its methods write as those of the store do, and
// write nothing once the lead is lost: the error then wraps ErrLeadLost.
type Lead interface {
	// Context is derived from the context of LeadFeeds. It ends, with ErrLeadLost as its
	// cause, when the lead is lost, and before another process can lead.
	Context() context.Context
	Import(ctx context.Context, im Import, records iter.Seq2[Record, error]) (Imported, error)
	KeepList(ctx context.Context, im Import, l List) (changed bool, err error)
	FeedFailed(ctx context.Context, from Origin, at time.Time, reason string) error
	// Release ends the lead. It is called once.
	Release() error
}

// A Source is what is known of an origin of records or of a list.
type Source struct {
	Origin  Origin
	Feed    bool
	State   string    // of the last import that had one
	Records int       // that belong to it and are not removed, or entries of its list
	Updated time.Time // the newest import; zero: none
	Failed  time.Time // the last failure since then; zero: none
	Err     string    // what failed
}

// Lists is the part that keeps lists, each of which comes as a whole: a new
// version replaces the one before. They share the sequence numbers of the
// advisories, so that a state of the data has one number.
type Lists interface {
	// KeepList makes l the newest version of the list of its kind, and reports
	// whether it is another than before. Its age does not count to that of the
	// advisories.
	KeepList(ctx context.Context, im Import, l List) (changed bool, err error)
	// Lists yields, by sequence number, the newest version in (after, upTo] of
	// every list that has one.
	Lists(ctx context.Context, after, upTo int64) iter.Seq2[List, error]
}

// A List is one version of one list. The store does not look into it.
type List struct {
	Seq       int64     // set by the store
	Kind      string    // "kev", "epss"
	Source    string    // set by the store on reading
	Published time.Time // by who made it; zero where that is not known
	Entries   int
	Body      []byte
}
