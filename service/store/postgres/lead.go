package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
)

// The term of the lease, by the clock of the server. The holder renews the lease long
// before its end. It counts the term from the time of its request, by its own monotonic
// clock, and gives up some time before the end, because it cannot know whether it will
// reach the server again. Correctness does not depend on this alone: a write under the
// lease checks, in its own transaction, that the lease is still held.
type lease struct {
	term   time.Duration
	renew  time.Duration // how often
	answer time.Duration // how long one renewal may take
	margin time.Duration // given up before the end
}

var defaultLease = lease{term: 15 * time.Second, renew: 4 * time.Second, answer: 3 * time.Second, margin: 2 * time.Second}

const (
	takeLease = `
	UPDATE lease SET holder = $1, term = term + 1, ends = clock_timestamp() + $2::interval
	WHERE name = 'feeds' AND (ends <= clock_timestamp() OR holder = $1) RETURNING term`
	renewLease = `
	UPDATE lease SET ends = clock_timestamp() + $3::interval
	WHERE name = 'feeds' AND holder = $1 AND term = $2 AND ends > clock_timestamp()`
	endLease = `UPDATE lease SET ends = '-infinity' WHERE name = 'feeds' AND holder = $1 AND term = $2`
	// The lock keeps another process from taking the lease until the transaction ends.
	checkLease = `
	SELECT 1 FROM lease WHERE name = 'feeds' AND holder = $1 AND term = $2 AND ends > clock_timestamp() FOR SHARE`
)

// LeadFeeds implements store.Feeds.
func (s *Store) LeadFeeds(ctx context.Context) (store.Lead, error) {
	if !s.leading.TryLock() {
		return nil, fmt.Errorf("lead feeds: %w", store.ErrLocked)
	}
	l := &lead{store: s, stopped: make(chan struct{})}
	asked := time.Now()
	err := s.row(ctx, takeLease, []any{s.holder, s.lease.term}, &l.term)
	if err != nil {
		s.leading.Unlock()
		if errors.Is(err, pgx.ErrNoRows) {
			err = store.ErrLocked
		}
		return nil, fmt.Errorf("lead feeds: %w", err)
	}
	l.ctx, l.lose = context.WithCancelCause(ctx)
	go l.renew(asked)
	return l, nil
}

// A lead is a term of the lease.
type lead struct {
	store   *Store
	term    int64
	ctx     context.Context
	lose    context.CancelCauseFunc
	stopped chan struct{} // closed when renew has ended
}

// renew keeps the lease until it is lost or released.
func (l *lead) renew(asked time.Time) {
	defer close(l.stopped)
	times := l.store.lease
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			hangUp(conn)
		}
	}()
	// A timer runs by the monotonic clock.
	end := time.AfterFunc(times.term-times.margin-time.Since(asked), func() { l.lose(store.ErrLeadLost) })
	defer end.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-time.After(times.renew):
		}
		asked := time.Now()
		held, err := l.again(&conn)
		switch {
		case err != nil && conn != nil:
			hangUp(conn)
			conn = nil
		case err == nil && !held:
			l.lose(store.ErrLeadLost)
			return
		case err == nil:
			end.Reset(times.term - times.margin - time.Since(asked))
		}
	}
}

// again renews the lease, on a connection of its own. It reports whether the lease is
// still held. After an error that is unknown.
func (l *lead) again(conn **pgx.Conn) (held bool, err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.store.lease.answer)
	defer cancel()
	if *conn == nil {
		if *conn, err = l.store.connect(ctx); err != nil {
			*conn = nil
			return false, err
		}
	}
	tag, err := (*conn).Exec(ctx, renewLease, l.store.holder, l.term, l.store.lease.term)
	return tag.RowsAffected() == 1, err
}

// fence returns an error unless the lease is held, and keeps it from being taken until
// the transaction ends. A nil lead needs no lease.
func (l *lead) fence(tx transaction) error {
	if l == nil {
		return nil
	}
	var one int
	err := tx.row(checkLease, []any{l.store.holder, l.term}, &one)
	if errors.Is(err, pgx.ErrNoRows) {
		l.lose(store.ErrLeadLost)
		return store.ErrLeadLost
	}
	return err
}

// Context implements store.Lead.
func (l *lead) Context() context.Context { return l.ctx }

// Import implements store.Lead.
func (l *lead) Import(ctx context.Context, im store.Import, records iter.Seq2[store.Record, error]) (store.Imported, error) {
	return l.store.importAs(ctx, l, im, records)
}

// KeepList implements store.Lead.
func (l *lead) KeepList(ctx context.Context, im store.Import, list store.List) (changed bool, err error) {
	return l.store.keepListAs(ctx, l, im, list)
}

// FeedFailed implements store.Lead.
func (l *lead) FeedFailed(ctx context.Context, from store.Origin, at time.Time, reason string) error {
	return l.store.feedFailedAs(ctx, l, from, at, reason)
}

// FeedState implements store.Lead.
func (l *lead) FeedState(ctx context.Context, from store.Origin, at time.Time, state string) error {
	return l.store.feedStateAs(ctx, l, from, at, state)
}

// Release implements store.Lead. If the server cannot be reached, the lease ends with its
// term.
func (l *lead) Release() error {
	l.lose(context.Canceled)
	<-l.stopped
	defer l.store.leading.Unlock()
	_, err := l.store.exec(context.WithoutCancel(l.ctx), endLease, l.store.holder, l.term)
	if err != nil {
		return fmt.Errorf("release the lead of feeds: %w", err)
	}
	return nil
}
