package snapshot

import (
	"context"
	"iter"

	bolt "go.etcd.io/bbolt"

	"assay/service/exploit"
	"assay/service/store"
)

// A loader passes changes to a writer in batches. It uses the file under the handle's guard,
// but not advisories, so that a panic of the compiler is not reported as a damaged file.
type loader struct {
	handle  *handle
	writer  writer
	commits bool // after each batch, for a file that is not read yet

	tx      *bolt.Tx
	pending []change
	size    int // of the bodies in pending
	live    int // records that are not removed
	done    Result
}

func (l *loader) begin() (err error) {
	if l.tx, err = l.handle.begin(true); err != nil {
		return err
	}
	err = l.handle.guard(func() error { return l.writer.begin(l.tx) })
	if err != nil {
		l.rollback()
	}
	return err
}

// rollback undoes what has not been committed.
func (l *loader) rollback() {
	if l.tx != nil {
		l.handle.rollback(l.tx)
		l.tx = nil
	}
}

func (l *loader) commit() error {
	err := l.handle.guard(l.tx.Commit)
	if err == nil {
		l.tx = nil
	}
	return err
}

// load applies the changes of src in (after, upTo].
func (l *loader) load(ctx context.Context, src Source, after, upTo int64) error {
	if err := l.loadLists(src.Lists(ctx, after, upTo)); err != nil {
		return err
	}
	return l.loadChanges(ctx, src.Changes(ctx, after, upTo))
}

func (l *loader) loadLists(lists iter.Seq2[store.List, error]) error {
	for kept, err := range lists {
		if err != nil {
			return err
		}
		l.done.Applied++
		entries, err := exploit.Decode(exploit.Kind(kept.Kind), kept.Body)
		if err != nil {
			// It replaces the earlier version, which is no longer valid, without any entries.
			l.unreadable(err)
		}
		unreadable := err != nil
		err = l.handle.guard(func() error {
			if err := l.writer.noteUnreadable(listKey(kept.Kind), unreadable); err != nil {
				return err
			}
			return l.writer.putCatalog(kept, entries)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// unreadable records what is left out.
func (l *loader) unreadable(err error) {
	l.done.UnreadableCount++
	if len(l.done.Unreadable) < maxUnreadable {
		l.done.Unreadable = append(l.done.Unreadable, err)
	}
}

func (l *loader) loadChanges(ctx context.Context, changes iter.Seq2[store.Record, error]) error {
	for r, err := range changes {
		if err != nil {
			return err
		}
		if !r.Removed {
			l.live++
		}
		c, err := readChange(r)
		if err != nil {
			l.unreadable(err)
		}
		l.done.Applied++
		l.pending = append(l.pending, c)
		l.size += len(r.Body)
		if len(l.pending) >= batchRecords || l.size >= batchBytes {
			if err := l.flush(ctx); err != nil {
				return err
			}
			if err := l.next(); err != nil {
				return err
			}
		}
	}
	if err := l.flush(ctx); err != nil {
		return err
	}
	return l.applySpill(ctx)
}

// batchEdits bounds the bytes of the entries of packages that are written at once.
const batchEdits = 8 << 20

// applySpill edits the packages, if that was left to the end.
func (l *loader) applySpill(ctx context.Context) error {
	if l.writer.spill == nil {
		return nil
	}
	if err := l.next(); err != nil {
		return err
	}
	size := 0
	return l.writer.spill.each(func(key string, e *edit) error {
		n := 0
		err := l.handle.guard(func() (err error) {
			n, err = l.writer.edit([]byte(key), e)
			return err
		})
		if err != nil {
			return err
		}
		if size += n; size < batchEdits {
			return nil
		}
		size = 0
		if err := ctx.Err(); err != nil {
			return err
		}
		return l.next()
	})
}

func (l *loader) flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := l.handle.guard(func() error { return l.writer.apply(l.pending) })
	clear(l.pending)
	l.pending, l.size = l.pending[:0], 0
	return err
}

// next ends a batch.
func (l *loader) next() error {
	if !l.commits {
		return nil
	}
	if err := l.commit(); err != nil {
		return err
	}
	return l.begin()
}

// finish writes the state. The time of the last import does not follow from the records,
// since an import may change nothing.
func (l *loader) finish(head store.Head, seq int64) error {
	s := &l.writer.state
	s.seq, s.updated, s.sample = seq, head.Updated.UTC(), head.Sample
	return l.handle.guard(l.writer.finish)
}

func (l *loader) result() Result {
	l.done.Data, l.done.Seq = l.writer.state.data(), l.writer.state.seq
	return l.done
}
