package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
)

// changeChannel is the channel that imports notify.
const changeChannel = "assayd_change"

// serveLock is the key of the advisory lock that processes that watch the data share, and
// that Lock takes exclusively.
const serveLock = 0x617373617902 // "assay" 2

// lockPatience is how long Lock waits, because the server may notice the end of a process
// only after a moment.
const lockPatience = time.Second

// Lock excludes processes that serve from the database until unlock. The error wraps
// store.ErrLocked if one is serving, or if another process has the lock.
func (s *Store) Lock(ctx context.Context) (unlock func(), err error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock the database: %w", failed(ctx, err))
	}
	limited, cancel := context.WithTimeout(ctx, quickTime)
	defer cancel()
	locked := false
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(lockPatience / 10) {
		err = failed(ctx, conn.QueryRow(limited, `SELECT pg_try_advisory_lock($1)`, int64(serveLock)).Scan(&locked))
		if err == nil && !locked {
			err = store.ErrLocked
		}
		if !errors.Is(err, store.ErrLocked) || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		hangUp(conn)
		return nil, fmt.Errorf("lock the database: %w", err)
	}
	return func() { hangUp(conn) }, nil // the lock ends with the session
}

// pollEvery bounds how late a change is seen if its notification was lost.
const pollEvery = 10 * time.Second

// Watch implements store.Advisories. It listens on a connection of its own. It also polls,
// because notifications are lost if the connection fails.
func (s *Store) Watch(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	signal := func() {
		select {
		case changed <- struct{}{}:
		default: // the receiver has not looked yet, and will see this change too
		}
	}
	go func() {
		defer close(changed)
		for ctx.Err() == nil {
			s.listen(ctx, signal)
			signal()
			select {
			case <-ctx.Done():
			case <-time.After(time.Second): // before it connects again
			}
		}
	}()
	return changed
}

// listen signals for every notification, until the connection fails or ctx ends.
func (s *Store) listen(ctx context.Context, signal func()) {
	conn, err := s.connect(ctx)
	if err != nil {
		return
	}
	defer hangUp(conn)
	limited := func(d time.Duration) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, d) }
	begin, cancel := limited(quickTime)
	_, err = conn.Exec(begin, "LISTEN "+changeChannel)
	if err == nil {
		// It ends with the connection. It is not waited for: who has the lock marks the
		// store as incomplete, and no process starts to serve from such a store.
		_, err = conn.Exec(begin, `SELECT pg_try_advisory_lock_shared($1)`, int64(serveLock))
	}
	cancel()
	for err == nil {
		signal()
		wait, cancel := limited(s.poll)
		_, err = conn.WaitForNotification(wait)
		quiet := wait.Err() != nil && ctx.Err() == nil
		cancel()
		if quiet && !conn.IsClosed() {
			// The wait timed out. The ping distinguishes a quiet connection from a
			// stalled one.
			ping, cancel := limited(pingTime)
			err = conn.Ping(ping)
			cancel()
		}
	}
}

// connect makes a connection outside of the pool, so that scans cannot use it up.
func (s *Store) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	return pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
}

func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), pingTime)
	defer cancel()
	_ = conn.Close(ctx) // the connection is given up, whatever it says
}
