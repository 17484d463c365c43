package store

import (
	"context"
	"errors"
)

// Transfer is the part of a Store that copies it into another store of any
// implementation. It works on rows, so that a copy has the same numbers, times and digests
// as the original. Nothing else may write to either store meanwhile.
type Transfer interface {
	// DumpRows returns the first rows of a table, at most limit, whose key is greater
	// than after, in the order of their keys. With after nil it begins at the first.
	DumpRows(ctx context.Context, t Table, after any, limit int) ([]Row, error)
	// RowAt returns the row with a key, or nil.
	RowAt(ctx context.Context, t Table, key any) (Row, error)
	// LoadRows writes rows of a table in one transaction, all or none. A row whose key is
	// there already replaces that one, unless rows of the table never change.
	LoadRows(ctx context.Context, t Table, rows []Row) error
	// RemoveRows removes the rows with the keys.
	RemoveRows(ctx context.Context, t Table, keys []any) error
	// CountRows returns the number of rows of a table and the greatest key, or nil.
	CountRows(ctx context.Context, t Table) (n int64, last any, err error)
	// BeginCopy marks the store as an incomplete copy of a state of another store, until
	// EndCopy. Check returns an error meanwhile.
	BeginCopy(ctx context.Context, state string) error
	EndCopy(ctx context.Context) error
	// Copying returns the state of which the store is an incomplete copy, or "" if it is
	// not an incomplete copy.
	Copying(ctx context.Context) (state string, err error)
}

// A Table is one kind of rows.
type Table string

// A Row has a value for each column of its table: int64, string, []byte, bool,
// time.Time, []string, or nil. The first is the key.
type Row []any

// The tables in the order in which they are copied: rows refer only to earlier ones.
const (
	TableSource   Table = "source"   // n, name
	TableFeed     Table = "feed"     // n, name, source, part, state, succeeded, failed, error
	TableImport   Table = "import"   // n, feed, at, whole, sample, added, changed, unchanged, removed, rejected
	TableAdvisory Table = "advisory" // n, id, source, feed, seq, modified, digest
	TableVersion  Table = "version"  // seq, advisory, import, modified, fixes, body, and of the record: id, source, part
	TableList     Table = "list"     // seq, kind, import, published, entries, digest, body, and the name of its feed
	TableHead     Table = "head"     // 1, seq, records, updated, newest, sample
	TableSnapshot Table = "snapshot" // id, seq
	TableToken    Table = "token"    // id, hash, name, scopes, project, created, expires, revoked, used
	TableDerived  Table = "derived"  // hash, parent, expires, scopes or nil
	TableEvent    Table = "event"    // n, at, actor, action, object, project, detail, refused
	TableSetting  Table = "setting"  // name, value
	TableFile     Table = "file"     // name, modified, body
	TableScan     Table = "scan"     // n, id, at, token, key, project, ref, commit, snapshot, seq, hash and bytes and size of the request, verdict
)

// Tables lists all tables in the order in which they are copied.
func Tables() []Table {
	return []Table{TableSource, TableFeed, TableImport, TableAdvisory, TableVersion, TableList, TableHead,
		TableSnapshot, TableToken, TableDerived, TableEvent, TableSetting, TableFile, TableScan}
}

// Constant reports whether rows of the table never change once they are written.
func (t Table) Constant() bool {
	return t == TableImport || t == TableVersion || t == TableList || t == TableScan
}

// ErrIncomplete is returned for a store that is an incomplete copy of another.
var ErrIncomplete = errors.New("the store is an incomplete copy of another")

// CheckComplete returns ErrIncomplete for an incomplete copy.
func CheckComplete(ctx context.Context, s Transfer) error {
	state, err := s.Copying(ctx)
	if err == nil && state != "" {
		err = ErrIncomplete
	}
	return err
}
