package postgres

import (
	"context"
	"fmt"
	"time"

	"assay/service/store"
)

// A head is the row of counters that imports maintain.
type head struct {
	seq, records    int64
	updated, newest *time.Time
	sample          bool
}

const (
	readHead  = `SELECT seq, records, updated, newest, sample FROM head`
	lockHead  = readHead + ` FOR UPDATE`
	writeHead = `UPDATE head SET seq = $1, records = $2, updated = $3, newest = $4, sample = $5`
)

func (h *head) dest() []any { return []any{&h.seq, &h.records, &h.updated, &h.newest, &h.sample} }

// Head implements store.Advisories.
func (s *Store) Head(ctx context.Context) (store.Head, error) {
	var h head
	if err := s.row(ctx, readHead, nil, h.dest()...); err != nil {
		return store.Head{}, fmt.Errorf("read the state of the data: %w", err)
	}
	out := store.Head{Seq: h.seq, Records: int(h.records)}
	if h.updated != nil { // advisories were imported, not only lists
		out.Updated, out.Sample = h.updated.UTC(), h.sample
	}
	if h.newest != nil {
		out.Newest = h.newest.UTC()
	}
	return out, nil
}

// timeOf returns the zero time for null.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// orNull returns nil, which is stored as null, for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func later(a *time.Time, b time.Time) *time.Time {
	if a != nil && a.After(b) {
		return a
	}
	return &b
}
