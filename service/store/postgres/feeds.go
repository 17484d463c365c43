package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
)

const noteFailure = `UPDATE feed SET failed = $1, error = $2 WHERE n = $3`

// FeedFailed implements store.Feeds.
func (s *Store) FeedFailed(ctx context.Context, from store.Origin, at time.Time, reason string) error {
	return s.feedFailedAs(ctx, nil, from, at, reason)
}

func (s *Store) feedFailedAs(ctx context.Context, lead *lead, from store.Origin, at time.Time, reason string) error {
	err := s.update(ctx, func(tx transaction) error {
		feed, _, err := originOf(tx, from)
		if err != nil {
			return err
		}
		if _, err := tx.exec(noteFailure, at, text(reason), feed); err != nil {
			return err
		}
		return lead.fence(tx)
	})
	if err != nil {
		return fmt.Errorf("save the failure of %q: %w", from, err)
	}
	return nil
}

const saveState = `UPDATE feed SET state = $2, failed = NULL, error = NULL, succeeded = coalesce($3, succeeded) WHERE n = $1`

// FeedState implements store.Feeds.
func (s *Store) FeedState(ctx context.Context, from store.Origin, at time.Time, state string) error {
	return s.feedStateAs(ctx, nil, from, at, state)
}

func (s *Store) feedStateAs(ctx context.Context, lead *lead, from store.Origin, at time.Time, state string) error {
	err := s.update(ctx, func(tx transaction) error {
		feed, _, err := originOf(tx, from)
		if err != nil {
			return err
		}
		if _, err := tx.exec(saveState, feed, state, orNull(at)); err != nil {
			return err
		}
		return lead.fence(tx)
	})
	if err != nil {
		return fmt.Errorf("save the state of %q: %w", from, err)
	}
	return nil
}

// text replaces the parts of a string that PostgreSQL does not accept.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// maxLabel bounds the project, ref and commit of a scan. An entry of an index has at most
// 2,704 bytes, and one index has two of them.
const maxLabel = 1200

// label is text for a column that is in an index. What is longer than maxLabel is cut off.
func label(s string) string {
	s = text(s)
	if len(s) <= maxLabel {
		return s
	}
	return strings.ToValidUTF8(s[:maxLabel], "") // without the part of a cut rune
}

const listSources = `
	SELECT s.name, f.part, f.state, f.succeeded, f.failed, f.error,
		(SELECT count(*) FROM advisory a WHERE a.feed = f.n AND a.digest IS NOT NULL),
		coalesce((SELECT l.entries FROM list l JOIN import i ON i.n = l.import WHERE i.feed = f.n ORDER BY l.seq DESC LIMIT 1), 0)
	FROM feed f JOIN source s ON s.n = f.source ORDER BY s.name, f.part`

// Sources implements store.Feeds.
func (s *Store) Sources(ctx context.Context) ([]store.Source, error) {
	var sources []store.Source
	err := s.rows(ctx, slowTime, listSources, nil, func(rows pgx.Rows) error {
		var src store.Source
		var state, reason *string
		var succeeded, failed *time.Time
		var entries int
		if err := rows.Scan(&src.Origin.Source, &src.Origin.Part, &state, &succeeded, &failed, &reason, &src.Records, &entries); err != nil {
			return err
		}
		if src.Feed = state != nil; src.Feed {
			src.State = *state
		}
		if reason != nil {
			src.Err = *reason
		}
		src.Updated, src.Failed = timeOf(succeeded), timeOf(failed)
		src.Records += entries
		sources = append(sources, src)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list sources: %w", err)
	}
	return sources, nil
}

const listHeld = `
	SELECT a.id, a.seq, a.modified FROM advisory a
	WHERE a.feed = (SELECT n FROM feed WHERE name = $1) AND a.digest IS NOT NULL AND a.id > $2
	ORDER BY a.id LIMIT 5000`

// Held implements store.Feeds.
func (s *Store) Held(ctx context.Context, from store.Origin) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		err := s.read(ctx, func(tx transaction) error {
			for last := ""; ; {
				var page []store.Record
				err := tx.rows(listHeld, []any{from.String(), last}, func(rows pgx.Rows) error {
					r := store.Record{Origin: from}
					err := rows.Scan(&r.ID, &r.Seq, &r.Modified)
					r.Modified = r.Modified.UTC()
					page = append(page, r)
					return err
				})
				if err != nil || len(page) == 0 {
					return err
				}
				for _, r := range page {
					if !yield(r, nil) {
						return errStopped
					}
				}
				last = page[len(page)-1].ID
			}
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(store.Record{}, fmt.Errorf("read the advisories of %q: %w", from, err))
		}
	}
}
