package snapshot

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"

	"assay/service/store"
	"assay/verdict"
)

// A Source has the data that the index is built from. A store.Store is a Source.
type Source interface {
	Head(ctx context.Context) (store.Head, error)
	Changes(ctx context.Context, after, upTo int64) iter.Seq2[store.Record, error]
	Lists(ctx context.Context, after, upTo int64) iter.Seq2[store.List, error]
	Published(ctx context.Context, snapshot string, upTo int64) error
	Snapshot(ctx context.Context, snapshot string) (upTo int64, err error)
}

var _ Source = store.Store(nil)

// A batch bounds what is parsed at once, and an increment what is written in one
// transaction, whose pages are in memory until it is committed. A larger change is written
// to a second file.
const (
	batchRecords = 2000
	batchBytes   = 16 << 20 // of the bodies of advisories
	increment    = 5000     // changes
)

// A Result says what CatchUp did.
type Result struct {
	// Data and Seq describe the published state.
	Data verdict.Data
	Seq  int64
	// Applied counts the advisories that were read, including removed ones, and the
	// catalogs.
	Applied int
	// Rebuilt is why an index with data was rebuilt, or nil.
	Rebuilt error
	// Unreadable are the advisories and catalogs in the store that cannot be parsed, at most
	// ten of UnreadableCount. They are not in the index.
	Unreadable      []error
	UnreadableCount int
}

const maxUnreadable = 10

// CatchUp updates the index to the current state of src. Meanwhile scans use the earlier
// state. Views that are opened afterwards have the new state as a whole. Before it is
// published, its id is passed to src with Published.
//
// After an error, or when ctx ends, the earlier state is still served, unless it is damaged.
// CatchUp may be called again at any time. If the index was built from another source, such
// as a store that was restored from an older copy, it is rebuilt.
func (db *DB) CatchUp(ctx context.Context, src Source) (Result, error) {
	db.writing.Lock()
	defer db.writing.Unlock()
	if db.closed { // set under writing too
		return Result{}, errClosed
	}
	res, err := db.catchUp(ctx, src)
	if err != nil {
		return Result{}, fmt.Errorf("catch up with the store: %w", err)
	}
	return res, nil
}

func (db *DB) catchUp(ctx context.Context, src Source) (Result, error) {
	head, err := src.Head(ctx)
	if err != nil {
		return Result{}, err
	}
	now, err := db.current.state()
	if err == nil {
		err = db.checkSource(ctx, src, head, now)
	}
	switch {
	case errors.Is(err, ErrDamaged):
		return db.stage(ctx, src, head, err)
	case err != nil && !errors.Is(err, errOtherStore):
		return Result{}, err
	case now.seq == 0 && (err != nil || head.Seq > 0): // nothing there yet
		return db.stage(ctx, src, head, nil)
	case err != nil:
		return db.stage(ctx, src, head, err)
	}
	var res Result
	if head.Seq-now.seq <= increment {
		res, err = db.increment(ctx, src, head, now)
	} else {
		res, err = db.stageCopy(ctx, src, head)
	}
	if errors.Is(err, ErrDamaged) {
		return db.stage(ctx, src, head, err)
	}
	return res, err
}

// errOtherStore means that the index is not an earlier state of the store.
var errOtherStore = errors.New("the store is not the one that the snapshot was built from")

// checkSource checks that the index is a state of src, to which the id of each state was
// passed before it was published.
func (db *DB) checkSource(ctx context.Context, src Source, head store.Head, now state) error {
	if head.Seq < now.seq {
		return fmt.Errorf("%w: the store is at %d, and the snapshot at %d", errOtherStore, head.Seq, now.seq)
	}
	_, err := src.Snapshot(ctx, now.id())
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: the store does not have %q", errOtherStore, now.id())
	}
	return err
}

// state returns the state of the file.
func (h *handle) state() (s state, err error) {
	err = h.read(func(tx *bolt.Tx) error {
		b, err := openBuckets(tx)
		if err == nil {
			s, err = b.state()
		}
		return err
	})
	return s, err
}

// increment applies the changes in one transaction.
func (db *DB) increment(ctx context.Context, src Source, head store.Head, now state) (Result, error) {
	if head.Seq == now.seq && head.Updated.Equal(now.updated) && head.Sample == now.sample {
		return Result{Data: now.data(), Seq: now.seq}, nil
	}
	h := db.current
	l := loader{handle: h, writer: writer{state: now}}
	if err := l.begin(); err != nil {
		return Result{}, err
	}
	defer l.rollback()
	if err := l.load(ctx, src, now.seq, head.Seq); err != nil {
		return Result{}, err
	}
	if err := l.finish(head, head.Seq); err != nil {
		return Result{}, err
	}
	if err := src.Published(ctx, l.writer.state.id(), head.Seq); err != nil {
		return Result{}, err
	}
	if err := l.commit(); err != nil {
		return Result{}, err
	}
	return l.result(), nil
}

// stage rebuilds the index in a second file. cause is the reason, or nil if the index was
// empty.
func (db *DB) stage(ctx context.Context, src Source, head store.Head, cause error) (Result, error) {
	path := stagePath(db.path)
	if err := removeFile(path); err != nil {
		return Result{}, err
	}
	l, err := build(ctx, src, head, head.Seq, path)
	if err != nil {
		return Result{}, err
	}
	res, err := db.publish(ctx, src, l)
	res.Rebuilt = cause
	return res, err
}

// stageCopy applies the changes in batches to a copy of the file.
func (db *DB) stageCopy(ctx context.Context, src Source, head store.Head) (Result, error) {
	path := stagePath(db.path)
	if err := removeFile(path); err != nil {
		return Result{}, err
	}
	err := db.current.read(func(tx *bolt.Tx) error { return tx.CopyFile(path, 0o600) })
	if err != nil {
		return Result{}, errors.Join(err, removeFile(path))
	}
	l, err := fill(ctx, src, head, head.Seq, path)
	if err != nil {
		return Result{}, err
	}
	return db.publish(ctx, src, l)
}

// publish replaces the first file with the second, which has been synchronised with the
// disk. If a power failure undoes the renaming, the first file is still intact.
func (db *DB) publish(ctx context.Context, src Source, l *loader) (Result, error) {
	path := stagePath(db.path)
	err := src.Published(ctx, l.writer.state.id(), l.writer.state.seq)
	if err == nil {
		err = os.Rename(path, db.path)
	}
	if err != nil {
		return Result{}, errors.Join(err, l.handle.close(), removeFile(path))
	}
	db.replace(l.handle)
	return l.result(), nil
}

// looseName returns the file that a build fills before it is compacted to path.
func looseName(path string) string { return path + ".loose" }

// build writes a new file at path with the state upTo. Pages that are filled in the order of
// the advisories are half empty. Compacting the file makes it and its map about half as
// large.
func build(ctx context.Context, src Source, head store.Head, upTo int64, path string) (*loader, error) {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("build snapshot: %q exists", path)
	}
	loose := looseName(path)
	if err := removeFile(loose); err != nil {
		return nil, err
	}
	l, err := fill(ctx, src, head, upTo, loose)
	if err != nil {
		return nil, err
	}
	packed, err := pack(l.handle, path)
	if err := errors.Join(err, l.handle.close(), removeFile(loose)); err != nil {
		return nil, errors.Join(err, packed.close(), removeFile(path))
	}
	l.handle = packed
	return l, nil
}

func pack(from *handle, path string) (*handle, error) {
	h, err := lockFile(path)
	if err != nil {
		return h, err
	}
	return h, h.unsynced(func() error {
		return from.releasing(func() error {
			return h.releasing(func() error {
				return h.guard(func() error { return bolt.Compact(h.bolt, from.bolt, batchBytes) })
			})
		})
	})
}

// unsynced runs f on a file that is not read yet, and synchronises it with the disk once at
// the end.
func (h *handle) unsynced(f func() error) error {
	h.bolt.NoSync, h.bolt.NoGrowSync = true, true
	defer func() { h.bolt.NoSync, h.bolt.NoGrowSync = false, false }()
	if err := f(); err != nil {
		return err
	}
	return h.bolt.Sync()
}

// fill applies the changes up to upTo to the file at path, which is not read yet. If it
// returns an error, it has removed the file.
func fill(ctx context.Context, src Source, head store.Head, upTo int64, path string) (_ *loader, err error) {
	h, err := lockFile(path)
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close(), removeFile(path))
		}
	}()
	if err != nil {
		return nil, err
	}
	l := &loader{handle: h, commits: true}
	if l.writer.spill, err = newSpill(path + ".edits"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.writer.spill.close()) }()
	return l, h.unsynced(func() error {
		if err := h.check(); err != nil {
			return err
		}
		now, err := h.state()
		if err != nil {
			return err
		}
		l.writer.state = now
		if err := l.begin(); err != nil {
			return err
		}
		defer l.rollback()
		if err := h.releasing(func() error { return l.load(ctx, src, now.seq, upTo) }); err != nil {
			return err
		}
		if now.seq == 0 && upTo == head.Seq && l.live != head.Records {
			return fmt.Errorf("%w: the store has %d records and returned %d", store.ErrDamaged, head.Records, l.live)
		}
		if err := l.finish(head, upTo); err != nil {
			return err
		}
		return l.commit()
	})
}

// Build writes a separate index at path, which must not exist, with the state of src at the
// sequence number upTo. It is for deciding with data of the past. The Updated of such a
// state is zero, because src does not keep the times of imports. The caller closes the index
// and removes the file.
func Build(ctx context.Context, src Source, upTo int64, path string) (*DB, error) {
	head, err := src.Head(ctx)
	if err != nil {
		return nil, fmt.Errorf("build snapshot: %w", err)
	}
	if upTo < 0 || upTo > head.Seq {
		return nil, fmt.Errorf("build snapshot: the store is at %d and has no state %d", head.Seq, upTo)
	}
	if upTo < head.Seq {
		head.Updated = time.Time{}
	}
	l, err := build(ctx, src, head, upTo, path)
	if err != nil {
		return nil, fmt.Errorf("build snapshot: %w", err)
	}
	return &DB{path: path, current: l.handle}, nil
}
