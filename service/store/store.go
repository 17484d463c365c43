// Package store defines the store of the service: the advisories with their earlier
// versions, the tokens, the scans and the inventories. There is one implementation for
// each database. Package storetest tests all of them.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// ErrNotFound is wrapped by the error for something that is not in the store.
var ErrNotFound = errors.New("not found")

// ErrAmbiguous is wrapped by the error for a prefix of several ids.
var ErrAmbiguous = errors.New("several ids begin with it")

// MinPrefix is the minimum length of a prefix that may be used in place of an id.
const MinPrefix = 6

// ErrNameTaken is wrapped by the error for a new token with the name of a valid one.
var ErrNameTaken = errors.New("a valid token has this name")

// ErrOtherProject is wrapped by the error for a token of another project.
var ErrOtherProject = errors.New("the token belongs to another project")

// ErrDamaged is wrapped by the error for data that is not what was written.
var ErrDamaged = errors.New("damaged data")

// ErrUnavailable is wrapped by an error if the store cannot be reached, or not in time.
// The same call may work later. A write that failed in this way may have been committed.
var ErrUnavailable = errors.New("the store is unavailable")

// ErrRejected is wrapped by the error that an iterator of records yields for a record
// that cannot be read. An import continues after it.
var ErrRejected = errors.New("record rejected")

// A Store keeps everything. Several goroutines and several processes may use it at the
// same time: each sees what another has committed. Times are kept to the microsecond and
// returned in UTC.
type Store interface {
	Advisories
	Lists
	Feeds
	Tokens
	Audit
	Scans
	Retention
	Files
	Transfer
	Maintenance
	Close() error
}

// Advisories is the part of a Store that an import writes and the snapshot reads.
type Advisories interface {
	// Import writes records in one transaction: readers see all of it or nothing. A
	// record replaces the one with its id from the same source only: each source has
	// its own record of an id. A record with the same bytes as the current one counts
	// as unchanged and gets no new version.
	//
	// Within a source, a record belongs to the part that imported it last. With
	// im.Whole, records of im.Origin that are not in the import are marked as
	// removed: those of the part, or all of the source if no part is named.
	//
	// If several records of an import have the same id, the one modified last
	// counts, and of equal ones the first. A record with Removed set marks the one
	// with its id as removed, if it belongs to im.Origin.
	//
	// An error among the records ends the import, and nothing is written. Errors that
	// wrap ErrRejected are only counted. An import with such an error marks no missing
	// records as removed, since one of them may be the rejected one.
	Import(ctx context.Context, im Import, records iter.Seq2[Record, error]) (Imported, error)
	// Head returns the current state of the data.
	Head(ctx context.Context) (Head, error)
	// Watch returns a channel that receives once at first, and then soon after any
	// process may have changed the data. It may receive without a change. It is closed
	// after ctx ends.
	Watch(ctx context.Context) <-chan struct{}
	// Changes yields the newest version in (after, upTo] of every advisory that has one,
	// by sequence number.
	Changes(ctx context.Context, after, upTo int64) iter.Seq2[Record, error]
	// Record returns the newest version up to upTo of one advisory of a source,
	// which may be a Removed one, or ErrNotFound if there is none.
	Record(ctx context.Context, source, id string, upTo int64) (Record, error)
	// RecordsOf returns the newest version up to upTo of the advisories with this id,
	// one for each source that has one, by source. It includes Removed ones.
	RecordsOf(ctx context.Context, id string, upTo int64) ([]Record, error)
	// Published stores that the state upTo has the snapshot id. Snapshot returns the
	// sequence number for an id, or for a prefix of at least MinPrefix bytes. It returns
	// ErrNotFound if no such id was published, and ErrAmbiguous for a prefix of several.
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
	// Fixes are the fixes that the record names. The store records for each the time
	// when a version of the record first named it, and sets FirstSeen on reading.
	Fixes []Fix
}

// A Fix is a version of a package in which the vulnerability is fixed.
type Fix struct {
	Ecosystem, Package, Version string
	FirstSeen                   time.Time
}

// An Origin is where records come from.
type Origin struct {
	// Source is all data of one publisher, such as "osv" or "import". A record is
	// identified by source and id. The name has no colon and no NUL.
	Source string
	// Part is a part of the source that is updated separately, such as an ecosystem.
	// It is empty for the source as a whole.
	Part string
}

// String returns "osv:Debian", or only the source if there is no part.
func (o Origin) String() string {
	if o.Part == "" {
		return o.Source
	}
	return o.Source + ":" + o.Part
}

// Check returns an error for an invalid origin.
func (o Origin) Check() error {
	switch {
	case o.Source == "":
		return errors.New("the name of the source is missing")
	case strings.ContainsAny(o.Source, ":\x00"):
		return fmt.Errorf("invalid source name %q: it has a colon or a NUL", o.Source)
	case strings.Contains(o.Part, "\x00"):
		return fmt.Errorf("invalid part %q of source %q: it has a NUL", o.Part, o.Source)
	}
	return nil
}

// An Import describes where the records of an import come from.
type Import struct {
	Origin Origin
	At     time.Time // the current time
	Whole  bool      // the import has all records of the origin
	Sample bool      // a small set for demonstration
	// MayRemove, if set, is called before records are marked as removed because of
	// Whole, with the number of these and of all records of the origin. Its error ends
	// the import.
	MayRemove func(missing, held int) error
	// State, if not empty, makes the origin a feed, and replaces its state in the
	// transaction of the import. The next update continues from it.
	State string
}

// Imported counts what an import did.
type Imported struct {
	Added, Changed, Unchanged, Removed int
	Rejected                           int   // errors among the records
	Seq                                int64 // of the last version written by this import or before it
}

// A Head is the state of the data: the last sequence number, and the age.
type Head struct {
	Seq     int64
	Records int // advisories that are not removed
	// Updated is the earliest of the last successful updates of the feeds that have
	// records: since then, all of the data is as the feeds publish it. Without feeds it
	// is the newest import.
	Updated time.Time
	Newest  time.Time // modification time of the newest record
	Sample  bool      // every import so far was a sample
}

// Tokens is the part of a Store for authentication. It never stores secrets, only their
// SHA-256. A secret has 190 random bits, so that its digest cannot be reversed.
type Tokens interface {
	// CreateToken stores a new token, and e in the audit trail. It returns ErrNameTaken if
	// another token with its name is valid at t.Created: in a log they would look the same.
	CreateToken(ctx context.Context, t Token, hash [32]byte, e Event) error
	// RotateToken stores a new token with the scopes and the project of the newest valid
	// one with its name, and e in the audit trail. The valid ones with the name expire at
	// r.End, unless they expire earlier. It returns the new token and those, by creation
	// time. It returns ErrNotFound if there are none, and ErrOtherProject if one of them
	// does not belong to r.Project.
	RotateToken(ctx context.Context, t Token, hash [32]byte, r Rotation, e Event) (made Token, ended []Token, err error)
	// TokenByHash returns the token of a secret, also if it has expired or was revoked.
	// For the secret of a derived token it returns the parent with the scopes of the
	// derived one, and Until set.
	TokenByHash(ctx context.Context, hash [32]byte) (Token, error)
	// DeriveToken stores the hash of a token that stands for its parent until expires,
	// with some of its scopes. With scopes nil it has only the scope "scan", and
	// TokenByHash sets Derived. Storing it again can only extend expires. DeriveToken
	// removes derived tokens that expired before now. It returns ErrNotFound if parent is
	// not the id of a token.
	DeriveToken(ctx context.Context, parent string, hash [32]byte, scopes []string, now, expires time.Time) error
	ListTokens(ctx context.Context) ([]Token, error) // by creation time
	// RevokeToken revokes by id or by name, and returns the tokens revoked. One that was
	// revoked before keeps its time and is returned too.
	RevokeToken(ctx context.Context, r Revocation, e Event) ([]Token, error)
	// UsedToken saves the time of the last use. That may be late by a minute, and after
	// an error by another minute: a call may do nothing within a minute of the one before.
	UsedToken(ctx context.Context, id string, at time.Time) error
}

// A Token describes a token, without its secret.
type Token struct {
	ID      string
	Name    string
	Scopes  []string // "scan", "read", "admin"
	Project string   // if set, scans of other projects are refused
	Created time.Time
	Expires time.Time // zero: never
	Revoked time.Time // zero: not revoked
	Used    time.Time // zero: never
	// Until is when a JWT or a derived token that is used in place of the token's own
	// secret ends; zero otherwise.
	Until   time.Time
	Derived bool // a derived token that can only scan; see DeriveToken
}

// End returns when the token, or what is used in its place, ends; zero: never.
func (t Token) End() time.Time {
	if t.Expires.IsZero() || !t.Until.IsZero() && t.Until.Before(t.Expires) {
		return t.Until
	}
	return t.Expires
}

// Valid reports whether the token is neither revoked nor expired at a time.
func (t Token) Valid(at time.Time) bool {
	end := t.End()
	return t.Revoked.IsZero() && (end.IsZero() || at.Before(end))
}

// A Rotation says what happens to the tokens that a new one replaces.
type Rotation struct {
	End     time.Time // when they expire
	Project string    // if set, they must belong to it
}

// A Revocation says which tokens to revoke.
type Revocation struct {
	Token   string // the id or the name
	Project string // if set, only tokens of this project
	At      time.Time
}

// Scans is the part of a Store that keeps requests and verdicts.
type Scans interface {
	// KeepScan stores a scan under its ID, which NewID makes. It stores an inventory once
	// for all scans that sent the same bytes. If the token has sent the same Key before,
	// it writes nothing and returns the earlier scan, without Request and Verdict. It
	// copies the bytes in s.
	KeepScan(ctx context.Context, s Scan) (Scan, error)
	Scan(ctx context.Context, id string) (Scan, error)
	// FindScan returns a scan without Request and Verdict, and the sizes of these.
	FindScan(ctx context.Context, id string) (Scan, Sizes, error)
	// ScanVerdict returns only the Verdict of a scan.
	ScanVerdict(ctx context.Context, id string) ([]byte, error)
	// ListScans returns the newest scans first.
	ListScans(ctx context.Context, limit int) ([]Scan, error)
	// FilterScans returns the scans that a filter chooses, the newest first. next is where
	// the list goes on, or empty at its end.
	FilterScans(ctx context.Context, f ScanFilter) (scans []ListedScan, next string, err error)
	// ScansOfCommit returns the newest scans of a commit first, without Request and
	// Verdict. If project is not empty, it returns only scans of the project.
	ScansOfCommit(ctx context.Context, commit, project string, limit int) ([]Scan, error)
	// PassedScan returns the newest scan of a project and a ref that was made before a
	// time and whose verdict is a pass, as FindScan does. Scans whose project a base image
	// may have named do not count, and neither do those that were kept by versions without
	// this method. It returns ErrNotFound if there is none.
	PassedScan(ctx context.Context, project, ref string, before time.Time) (Scan, Sizes, error)
}

// Sizes are the sizes of the documents of a scan, in bytes. If a scan was stored without
// them, they are the maximum.
type Sizes struct{ Request, Verdict int64 }

// A Scan is one stored scan.
type Scan struct {
	ID       string
	At       time.Time
	Token    string // id
	Key      string // idempotency key, unique for a token; may be empty
	Project  string
	Ref      string
	Commit   string
	Snapshot string // id of the snapshot that it was matched with
	Seq      int64  // sequence number of that snapshot
	// Request is the body as it came, decompressed: CycloneDX JSON with the
	// options in it. ListScans leaves it and Verdict empty.
	Request []byte
	// RequestGzip is Request in gzip, if it was sent so. KeepScan then need not compress
	// it again. It is not set on reading.
	RequestGzip []byte
	Verdict     []byte // JSON of verdict.Verdict
}

// Maintenance checks what is stored and frees what is no longer needed.
type Maintenance interface {
	// Ready returns an error, within a few seconds, if the store cannot be used now.
	Ready(ctx context.Context) error
	// Check looks for damage that concerns the store as a whole. It is quick enough
	// to run at every start: single rows are checked when they are read. The error
	// wraps ErrDamaged where the data is damaged.
	Check(ctx context.Context) error
	// Verify reads everything that is stored and describes what is damaged, one
	// problem in each string. The number of problems is bounded. An error means that
	// the data could not be examined.
	Verify(ctx context.Context) (problems []string, err error)
	// Pools returns how busy the connections to the database are.
	Pools() []Pool
	// Tidy frees space that an interrupted import has left behind. It is called once
	// a minute, returns at once where there is nothing to do, and does not wait for
	// readers or writers.
	Tidy(ctx context.Context) error
}

// A Pool says how busy one pool of connections is.
type Pool struct {
	Name string
	// Open connections, those in use now, and the most that may be open.
	Open, Used, Max int
	// Waits counts how often somebody had to wait for a connection, or for a lock of the
	// database, since the store was opened. Waited is for how long, in all.
	Waits  int64
	Waited time.Duration
}
