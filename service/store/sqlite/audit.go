package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"assay/service/store"
)

const (
	nextEvent = `SELECT coalesce(max(n), 0) + 1 FROM event`
	addEvent  = `INSERT INTO event (n, at, actor, action, object, project, detail, refused, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`

	everyEvent = `SELECT n, at, actor, action, object, project, detail, refused, sum FROM event`
	findEvents = everyEvent + `
	WHERE at >= ?1 AND (?2 = 0 OR n < ?2) AND (?3 = '' OR project = ?3) AND (?4 = '' OR action = ?4) ORDER BY n DESC LIMIT ?5`
)

// AddEvent implements store.Audit.
func (s *Store) AddEvent(ctx context.Context, e store.Event) error {
	err := s.state.update(ctx, durable, func(tx transaction) error { return writeEvent(tx, e) })
	if err != nil {
		return fmt.Errorf("write the audit trail: %w", err)
	}
	return nil
}

// writeEvent adds an event within a transaction. An event without an action is not written.
func writeEvent(tx transaction, e store.Event) error {
	if e.Action == "" {
		return nil
	}
	e = e.Bounded()
	if err := tx.row(nextEvent, nil, &e.N); err != nil {
		return err
	}
	at := toMicro(e.At)
	_, err := tx.exec(addEvent, e.N, at, e.Actor, e.Action, e.Object, e.Project, e.Detail, boolean(e.Refused), eventSum(e, at))
	return err
}

// Events implements store.Audit.
func (s *Store) Events(ctx context.Context, f store.EventFilter) ([]store.Event, error) {
	var since int64
	if !f.Since.IsZero() {
		since = toMicro(f.Since)
	}
	var list []store.Event
	err := s.state.read.rows(ctx, findEvents, []any{since, f.Before, f.Project, f.Action, f.Limit}, func(rows *sql.Rows) (bool, error) {
		e, err := scanEvent(rows)
		list = append(list, e)
		return true, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	return list, nil
}

// scanEvent reads a row of everyEvent. The error wraps store.ErrDamaged if its checksum does
// not match.
func scanEvent(rows *sql.Rows) (store.Event, error) {
	var e store.Event
	var at int64
	var sum sql.NullInt64
	if err := rows.Scan(&e.N, &at, &e.Actor, &e.Action, &e.Object, &e.Project, &e.Detail, &e.Refused, &sum); err != nil {
		return e, err
	}
	if err := checkSum(sum, eventSum(e, at)); err != nil {
		return e, fmt.Errorf("event %d of the audit trail: %w", e.N, err)
	}
	e.At = fromMicro(at)
	return e, nil
}

// verifyEvents calls report with the number of each damaged event.
func (s *Store) verifyEvents(ctx context.Context, report func(n int64, err error)) error {
	return s.state.read.rows(ctx, everyEvent, nil, func(rows *sql.Rows) (bool, error) {
		e, err := scanEvent(rows)
		if errors.Is(err, store.ErrDamaged) {
			report(e.N, err)
			err = nil
		}
		return true, err
	})
}
