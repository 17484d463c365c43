package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
)

const (
	addEvent = `INSERT INTO event (at, actor, action, object, project, detail, refused) VALUES ($1, $2, $3, $4, $5, $6, $7)`

	findEvents = `SELECT n, at, actor, action, object, project, detail, refused FROM event
	WHERE at >= $1 AND ($2 = 0 OR n < $2) AND ($3 = '' OR project = $3) AND ($4 = '' OR action = $4) ORDER BY n DESC LIMIT $5`
)

// AddEvent implements store.Audit.
func (s *Store) AddEvent(ctx context.Context, e store.Event) error {
	if err := s.update(ctx, func(tx transaction) error { return writeEvent(tx, e) }); err != nil {
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
	_, err := tx.exec(addEvent, e.At, text(e.Actor), text(e.Action), text(e.Object), text(e.Project), text(e.Detail), e.Refused)
	return err
}

// Events implements store.Audit.
func (s *Store) Events(ctx context.Context, f store.EventFilter) ([]store.Event, error) {
	var list []store.Event
	args := []any{f.Since, f.Before, text(f.Project), text(f.Action), f.Limit}
	err := s.rows(ctx, slowTime, findEvents, args, func(rows pgx.Rows) error {
		var e store.Event
		err := rows.Scan(&e.N, &e.At, &e.Actor, &e.Action, &e.Object, &e.Project, &e.Detail, &e.Refused)
		e.At = e.At.UTC()
		list = append(list, e)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	return list, nil
}
