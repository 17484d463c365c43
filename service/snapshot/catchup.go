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

// A Source is what the index is built from; a store.Store is one.
type Source interface {
	Head(ctx context.Context) (store.Head, error)
	Changes(ctx context.Context, after, upTo int64) iter.Seq2[store.Record, error]
	Lists(ctx context.Context, after, upTo int64) iter.Seq2[store.List, error]
	Published(ctx context.Context, snapshot string, upTo int64) error
	Snapshot(ctx context.Context, snapshot string) (upTo int64, err error)
}

var _ Source = store.Store(nil)

// A batch bounds what is taken apart at once, an increment what goes in one
// transaction, whose pages are all in memory until it is committed. What is
// larger than that goes to a second file.
const (
	batchRecords = 2000
	batchBytes   = 16 << 20 // of advisories as they came
	increment    = 5000     // changes
)

// A Result says what CatchUp did.
type Result struct {
	// Data and Seq are the state that is served now.
	Data verdict.Data
	Seq  int64
	// Applied counts the advisories that were read, removed ones among them, and
	// the lists.
	Applied int
	// Rebuilt is why everything was built anew though the index held something;
	// nil where that was not so.
	Rebuilt error
	// Unreadable are the advisories and lists that the store holds and nobody can
	// read, at most ten of UnreadableCount. They are not in the index.
	Unreadable      []error
	UnreadableCount int
}

const maxUnreadable = 10

// CatchUp brings the index to the present state of src. Scans go on meanwhile
// with the earlier state, and see the new one whole from their next view on.
// Before it can be seen, src learns its id through Published.
//
// After an error, or when ctx ends, the earlier state is still served, unless it
// was found damaged; CatchUp may be called again at any time. A source that the
// index was not built from, such as a store restored from an older copy, makes
// it build anew.
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

// errOtherStore says that what is new in the store does not continue what the
// index holds.
var errOtherStore = errors.New("the store is not the one that the snapshot was built from")

// checkSource holds that the index is a state of src: its id was published
// there before anybody could see it.
func (db *DB) checkSource(ctx context.Context, src Source, head store.Head, now state) error {
	if head.Seq < now.seq {
		return fmt.Errorf("%w: it is at %d, the snapshot was at %d already", errOtherStore, head.Seq, now.seq)
	}
	_, err := src.Snapshot(ctx, now.id())
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: it does not know %q", errOtherStore, now.id())
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

// increment applies what is new in one transaction.
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

// stage builds everything anew in a second file. cause says why, nil where there
// was nothing before.
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

// stageCopy applies what is new, in batches, to a copy of the file.
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

// publish puts a second file in the place of the first. Its content is on the
// disk; should its name get lost in a power failure, the first file is whole too.
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

// looseName is the file that a build fills before it is packed to path.
func looseName(path string) string { return path + ".loose" }

// build makes a new file at path of the state upTo. Filled in the order in which
// advisories come, its pages are half empty; packed, the file and the memory that
// it is mapped to are about half as large.
func build(ctx context.Context, src Source, head store.Head, upTo int64, path string) (*loader, error) {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("build snapshot: %q is there already", path)
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
		return h.guard(func() error { return bolt.Compact(h.bolt, from.bolt, batchBytes) })
	})
}

// unsynced runs f on a file that nobody reads yet: it is synchronised with the
// disk once, at the end.
func (h *handle) unsynced(f func() error) error {
	h.bolt.NoSync, h.bolt.NoGrowSync = true, true
	defer func() { h.bolt.NoSync, h.bolt.NoGrowSync = false, false }()
	if err := f(); err != nil {
		return err
	}
	return h.bolt.Sync()
}

// fill applies what is new up to upTo to the file at path, which nobody reads
// yet. With an error the file is removed.
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
		if err := l.load(ctx, src, now.seq, upTo); err != nil {
			return err
		}
		if now.seq == 0 && upTo == head.Seq && l.live != head.Records {
			return fmt.Errorf("%w: the store has %d records, and gave %d", store.ErrDamaged, head.Records, l.live)
		}
		if err := l.finish(head, upTo); err != nil {
			return err
		}
		return l.commit()
	})
}

// Build makes a separate index at path, where nothing may be yet, of the state
// that src had at the sequence number upTo. It serves to answer for a state of
// the past; src keeps no imports, so the Updated of such a state is zero. The
// caller closes the index and removes the file.
func Build(ctx context.Context, src Source, upTo int64, path string) (*DB, error) {
	head, err := src.Head(ctx)
	if err != nil {
		return nil, fmt.Errorf("build snapshot: %w", err)
	}
	if upTo < 0 || upTo > head.Seq {
		return nil, fmt.Errorf("build snapshot: the store is at %d, there is no state %d", head.Seq, upTo)
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
