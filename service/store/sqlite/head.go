package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"assay/service/store"
)

// A head is the row of counters that imports maintain.
type head struct {
	seq, records, updated, newest int64
	sample                        bool
}

const (
	readHead  = `SELECT seq, records, updated, newest, sample, sum FROM head`
	writeHead = `INSERT OR REPLACE INTO head (one, seq, records, updated, newest, sample, sum) VALUES (1, ?, ?, ?, ?, ?, ?)`
)

func (h *head) read(ctx context.Context, s *statements) error {
	var sum sql.NullInt64
	if err := s.row(ctx, readHead, nil, &h.seq, &h.records, &h.updated, &h.newest, &h.sample, &sum); err != nil {
		return err
	}
	return checkSum(sum, h.sum())
}

func (h *head) write(tx transaction) error {
	_, err := tx.exec(writeHead, h.seq, h.records, h.updated, h.newest, h.sample, h.sum())
	return err
}

// next returns a new sequence number.
func (h *head) next() int64 {
	h.seq++
	return h.seq
}

// appear counts a record that becomes current.
func (h *head) appear(modified int64) {
	if h.records == 0 {
		h.newest = modified
	}
	h.records++
	h.newest = max(h.newest, modified)
}

// Head implements store.Advisories. It is zero before the first import.
func (s *Store) Head(ctx context.Context) (store.Head, error) {
	var h head
	err := h.read(ctx, s.advisories.read)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Head{}, nil
	}
	if err != nil {
		return store.Head{}, fmt.Errorf("read the state of the data: %w", err)
	}
	out := store.Head{Seq: h.seq, Records: int(h.records)}
	if h.updated != 0 { // advisories were imported, not only lists
		out.Updated, out.Sample = fromMicro(h.updated), h.sample
	}
	if h.records > 0 {
		out.Newest = fromMicro(h.newest)
	}
	return out, nil
}

// pollEvery is how often Watch signals. Another process does not say that it has written;
// to look takes some microseconds.
const pollEvery = time.Second

// Watch implements store.Advisories.
func (s *Store) Watch(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	go func() {
		defer close(changed)
		tick := time.NewTicker(pollEvery)
		defer tick.Stop()
		for {
			select {
			case changed <- struct{}{}:
			default:
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return changed
}
