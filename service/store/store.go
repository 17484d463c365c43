// Package store is the source of record of the service: advisories with their
// earlier versions, tokens, scans and inventories. Its implementations are
// hand-written, one for each database, and held to one suite, storetest.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// ErrNotFound is returned, wrapped, where what was asked for is not kept.
var ErrNotFound = errors.New("not found")

// ErrAmbiguous is returned, wrapped, where the beginning of an id is that of several.
var ErrAmbiguous = errors.New("several ids begin so")

// MinPrefix is how much of an id stands for the whole, at least.
const MinPrefix = 6

// ErrNameTaken is returned, wrapped, for a token whose name a valid token has.
var ErrNameTaken = errors.New("a valid token has this name")

// ErrDamaged is returned, wrapped, where what is kept is not what was written.
var ErrDamaged = errors.New("damaged data")

// ErrUnavailable is returned, wrapped, where the store cannot be reached for now, or not
// in time. The same call may work later. A write that failed so may have been committed.
var ErrUnavailable = errors.New("the store is unavailable")

// ErrRejected is wrapped by an error that an iterator of records yields for one
// record that cannot be read. An import goes on after it.
var ErrRejected = errors.New("record rejected")

// A Store keeps everything. It is used by several goroutines, and by several
// processes, at once: what one has committed the others see. Times are kept to
// the microsecond and read in UTC.
type Store interface {
	Advisories
	Lists
	Feeds
	Tokens
	Scans
	Retention
	Transfer
	Maintenance
	Close() error
}

// Advisories is the part that import writes and the snapshot reads.
type Advisories interface {
	// Import writes records in one transaction: either all of it is seen by
	// others or nothing. A record replaces the one with its id from the same
	// source, and no other: each source has a record of its own. A record whose
	// bytes are the current ones is counted as unchanged and gets no new version.
	//
	// Within a source a record belongs to the part that brought it last. With
	// im.Whole, records of im.Origin that are not in the import are marked as
	// removed: those of the part, or all of the source where no part is named.
	//
	// Where several records of an import have the same id, the one modified last
	// counts, and of equals the first. A record with Removed set marks the one
	// with its id as removed, if it belongs to im.Origin.
	//
	// An error among the records ends the import and leaves nothing of it, but
	// for one that wraps ErrRejected: it is counted, and since what was rejected
	// may be a record that is kept, such an import marks nothing as missing.
	Import(ctx context.Context, im Import, records iter.Seq2[Record, error]) (Imported, error)
	// Head returns the state of the data now.
	Head(ctx context.Context) (Head, error)
	// Watch returns a channel that receives soon after the data may have changed, by
	// whichever process, and at first. It may receive without a change. It is closed
	// after ctx ends.
	Watch(ctx context.Context) <-chan struct{}
	// Changes yields, in the order of their sequence numbers, the newest version
	// in (after, upTo] of every advisory that has one.
	Changes(ctx context.Context, after, upTo int64) iter.Seq2[Record, error]
	// Record returns the newest version up to upTo of one advisory of a source,
	// which may be a Removed one; ErrNotFound where it has none.
	Record(ctx context.Context, source, id string, upTo int64) (Record, error)
	// RecordsOf returns the newest version up to upTo of the advisory of every
	// source that has one with this id, by source. Removed ones are among them.
	RecordsOf(ctx context.Context, id string, upTo int64) ([]Record, error)
	// Published keeps that the state upTo has the snapshot id; Snapshot finds
	// the sequence number again, by the whole id or by a beginning of it that has
	// at least MinPrefix bytes. ErrNotFound where no such id was published,
	// ErrAmbiguous where a beginning is that of several.
	Published(ctx context.Context, snapshot string, upTo int64) error
	Snapshot(ctx context.Context, snapshot string) (upTo int64, err error)
}

// A Record is one version of one advisory.
type Record struct {
	Seq      int64 // set by the store
	ID       string
	Modified time.Time
	Origin   Origin // set by the store on reading
	Removed  bool   // no longer part of its source; Body is then empty
	Body     []byte // the OSV record as it came, JSON
	// Fixes are the fixes that the record names. The importer fills in what they
	// are; the store keeps for each the time when any version of the record first
	// named it, and fills that in on reading.
	Fixes []Fix
}

// A Fix is a version that mends one package.
type Fix struct {
	Ecosystem, Package, Version string
	FirstSeen                   time.Time
}

// An Origin is where records come from.
type Origin struct {
	// Source is a publisher's data as a whole: "osv", "import". Records are kept
	// by source and id. The name has no colon and no NUL.
	Source string
	// Part is what is updated by itself within the source, such as an ecosystem;
	// empty for the source as a whole.
	Part string
}

// String returns "osv:Debian", or the source alone where there is no part.
func (o Origin) String() string {
	if o.Part == "" {
		return o.Source
	}
	return o.Source + ":" + o.Part
}

// Check returns an error for an origin that records cannot be kept under.
func (o Origin) Check() error {
	switch {
	case o.Source == "":
		return errors.New("no source is named")
	case strings.ContainsAny(o.Source, ":\x00"):
		return fmt.Errorf("invalid source name %q: it has a colon or a NUL", o.Source)
	case strings.Contains(o.Part, "\x00"):
		return fmt.Errorf("invalid part %q of source %q: it has a NUL", o.Part, o.Source)
	}
	return nil
}

// An Import says where records come from.
type Import struct {
	Origin Origin
	At     time.Time // the clock of the caller
	Whole  bool      // the import is everything that the origin has
	Sample bool      // a small set for demonstration
	// MayRemove, if set, is called before records are marked as removed by Whole,
	// with how many of the held ones that are. Its error ends the import.
	MayRemove func(missing, held int) error
	// State makes the origin a feed: it is kept with the origin, for the next
	// update to go on from, in the transaction of the import. Empty, it leaves
	// what is there.
	State string
}

// Imported counts what an import did.
type Imported struct {
	Added, Changed, Unchanged, Removed int
	Rejected                           int   // errors among the records
	Seq                                int64 // of the last version written, by this import or before it
}

// A Head is the state of the data: the last sequence number and what is said
// about its age.
type Head struct {
	Seq     int64
	Records int // advisories that are not removed
	// Updated is since when all of the data is as its feeds have it: the time of
	// the last success of that feed, of those that hold records, which was not
	// reached for the longest time. Without feeds it is the newest import.
	Updated time.Time
	Newest  time.Time // modification time of the newest record
	Sample  bool      // every import so far was a sample
}

// Tokens is the part that guards the door. Secrets are never kept, only their
// SHA-256: they are 190 random bits, which no dictionary holds.
type Tokens interface {
	// CreateToken keeps a new token. It returns ErrNameTaken where another token of
	// its name is valid at t.Created: two of one name cannot be told apart in a log.
	CreateToken(ctx context.Context, t Token, hash [32]byte) error
	// RotateToken keeps a new token beside the valid ones of its name, which expire
	// at end unless they expire earlier. It returns those, by creation time.
	RotateToken(ctx context.Context, t Token, hash [32]byte, end time.Time) ([]Token, error)
	// TokenByHash returns the token of a secret, also one expired or revoked. For
	// the secret of a derived token it returns the parent with the single scope
	// "scan", Derived set, and the earlier of both expiry times.
	TokenByHash(ctx context.Context, hash [32]byte) (Token, error)
	// DeriveToken keeps the hash of a token that may scan in place of its parent
	// until expires. Keeping it again only moves expires further. Derived tokens
	// that expired before now are removed. ErrNotFound where parent is not an id.
	DeriveToken(ctx context.Context, parent string, hash [32]byte, now, expires time.Time) error
	ListTokens(ctx context.Context) ([]Token, error) // by creation time
	// RevokeToken revokes by id or by name, and returns the tokens revoked.
	RevokeToken(ctx context.Context, idOrName string, at time.Time) ([]Token, error)
	// UsedToken saves the time of the last use. That may be late by a minute, and after
	// an error by another minute: a call may do nothing within a minute of the one before.
	UsedToken(ctx context.Context, id string, at time.Time) error
}

// A Token is what is known of a token beside its secret.
type Token struct {
	ID      string
	Name    string
	Scopes  []string // "scan", "read", "admin"
	Project string   // when set, scans of other projects are refused
	Created time.Time
	Expires time.Time // zero: never
	Revoked time.Time // zero: not
	Used    time.Time // zero: never
	Derived bool      // see DeriveToken; set by TokenByHash only
}

// Valid reports whether the token is neither revoked nor expired at a time.
func (t Token) Valid(at time.Time) bool {
	return t.Revoked.IsZero() && (t.Expires.IsZero() || at.Before(t.Expires))
}

// Scans is the part that keeps what was asked and answered.
type Scans interface {
	// KeepScan keeps a scan under its ID, which NewID makes, and its inventory,
	// which is kept once for all scans that sent the same bytes. Where the token has
	// sent the same Key before, nothing is written and the earlier scan is
	// returned, without Request and Verdict. Of the bytes in s it keeps copies.
	KeepScan(ctx context.Context, s Scan) (Scan, error)
	Scan(ctx context.Context, id string) (Scan, error)
	// FindScan returns a scan without Request and Verdict, and how large these are.
	FindScan(ctx context.Context, id string) (Scan, Sizes, error)
	// ScanVerdict returns the Verdict of a scan alone.
	ScanVerdict(ctx context.Context, id string) ([]byte, error)
	// ListScans returns the newest scans first.
	ListScans(ctx context.Context, limit int) ([]Scan, error)
	// ScansOfCommit returns the newest scans of a commit first, without Request and
	// Verdict. A project that is not empty leaves out all others.
	ScansOfCommit(ctx context.Context, commit, project string, limit int) ([]Scan, error)
}

// Sizes are the bytes of the documents of a scan. Where they were not kept with it
// they are as large as there can be.
type Sizes struct{ Request, Verdict int64 }

// A Scan is one kept scan.
type Scan struct {
	ID       string
	At       time.Time
	Token    string // id
	Key      string // idempotency key, unique for a token; may be empty
	Project  string
	Ref      string
	Commit   string
	Snapshot string // id of the snapshot that answered
	Seq      int64  // sequence number of that snapshot
	// Request is the body as it came, decompressed: CycloneDX JSON with the
	// options in it. ListScans leaves it and Verdict empty.
	Request []byte
	// RequestGzip is Request in gzip where it came so. It spares KeepScan to
	// compress it again; scans that are read have none.
	RequestGzip []byte
	Verdict     []byte // JSON of verdict.Verdict
}

// Maintenance checks what is stored and frees what is no longer needed.
type Maintenance interface {
	// Ready returns an error, within a few seconds, where the store cannot be used now.
	Ready(ctx context.Context) error
	// Check looks for damage that concerns the store as a whole. It is quick enough
	// to run at every start: single rows are checked when they are read. The error
	// wraps ErrDamaged where the data is damaged.
	Check(ctx context.Context) error
	// Verify reads everything that is stored and describes what is damaged, one
	// problem in each string. The number of problems is bounded. An error means that
	// the data could not be examined.
	Verify(ctx context.Context) (problems []string, err error)
	// Tidy frees space that an interrupted import has left behind. It is called once
	// a minute, returns at once where there is nothing to do, and does not wait for
	// readers or writers.
	Tidy(ctx context.Context) error
}
