package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
)

const (
	addToken = `
	INSERT INTO token (id, hash, name, scopes, project, created, expires, revoked, used)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	// A name belongs to one valid token at a time. Validity depends on the clock, so a
	// unique index cannot enforce that. Creating a token therefore takes the lock of its
	// name.
	lockName = `SELECT pg_advisory_xact_lock(1953458286, hashtext($1))`
)

// CreateToken implements store.Tokens. An existing id or hash is also an error.
func (s *Store) CreateToken(ctx context.Context, t store.Token, hash [32]byte, e store.Event) error {
	err := s.update(ctx, func(tx transaction) error {
		if _, err := tx.exec(lockName, t.Name); err != nil {
			return err
		}
		named, err := tokens(tx, validByName, t.Name, t.Created)
		if err == nil && len(named) > 0 {
			err = fmt.Errorf("%w: %q", store.ErrNameTaken, named[0].ID)
		}
		if err != nil {
			return err
		}
		if err := insertToken(tx, t, hash); err != nil {
			return err
		}
		return writeEvent(tx, e)
	})
	if err != nil {
		return fmt.Errorf("create token %q: %w", t.Name, err)
	}
	return nil
}

const (
	validByName = `SELECT ` + tokenColumns + ` FROM token
		WHERE name = $1 AND revoked IS NULL AND (expires IS NULL OR expires > $2) ORDER BY created, id FOR UPDATE`
	endToken = `UPDATE token SET expires = least(expires, $2) WHERE id = $1`
)

// RotateToken implements store.Tokens.
func (s *Store) RotateToken(ctx context.Context, t store.Token, hash [32]byte, r store.Rotation, e store.Event) (store.Token, []store.Token, error) {
	var before []store.Token
	err := s.update(ctx, func(tx transaction) error {
		if _, err := tx.exec(lockName, t.Name); err != nil {
			return err
		}
		var err error
		if before, err = tokens(tx, validByName, t.Name, t.Created); err != nil {
			return err
		}
		if len(before) == 0 {
			return fmt.Errorf("no valid token: %w", store.ErrNotFound)
		}
		for i, old := range before {
			if r.Project != "" && old.Project != r.Project {
				return fmt.Errorf("%w: %q", store.ErrOtherProject, old.ID)
			}
			if _, err := tx.exec(endToken, old.ID, r.End); err != nil {
				return err
			}
			if old.Expires.IsZero() || r.End.Before(old.Expires) {
				before[i].Expires = r.End.Truncate(time.Microsecond).UTC()
			}
		}
		newest := before[len(before)-1]
		t.Scopes, t.Project = newest.Scopes, newest.Project
		if err := insertToken(tx, t, hash); err != nil {
			return err
		}
		return writeEvent(tx, e.Ended(before))
	})
	if err != nil {
		return store.Token{}, nil, fmt.Errorf("rotate token %q: %w", t.Name, err)
	}
	return t, before, nil
}

func insertToken(tx transaction, t store.Token, hash [32]byte) error {
	_, err := tx.exec(addToken, t.ID, hash[:], t.Name, t.Scopes, t.Project, t.Created, orNull(t.Expires), orNull(t.Revoked), orNull(t.Used))
	return err
}

const tokenColumns = `id, name, scopes, project, created, expires, revoked, used`

// findToken finds a token by its own hash, or by that of one derived from it, with the
// expiry and the scopes of the derived one.
const findToken = `
	SELECT ` + tokenColumns + `, NULL::timestamptz, NULL::text[] FROM token WHERE hash = $1
	UNION ALL
	SELECT t.id, t.name, t.scopes, t.project, t.created, t.expires, t.revoked, t.used, d.expires, d.scopes
	FROM derived d JOIN token t ON t.id = d.parent WHERE d.hash = $1`

// TokenByHash implements store.Tokens. It does not compare secrets: the time of the lookup
// could only reveal something about a SHA-256, which does not lead to the secret.
func (s *Store) TokenByHash(ctx context.Context, hash [32]byte) (store.Token, error) {
	var r tokenRow
	var derived *time.Time
	var scopes []string
	if err := s.row(ctx, findToken, []any{hash[:]}, append(r.dest(), &derived, &scopes)...); err != nil {
		return store.Token{}, fmt.Errorf("find token: %w", notFound(err))
	}
	t := r.get()
	if derived == nil {
		return t, nil
	}
	t.Until, t.Scopes = derived.UTC(), scopes
	if scopes == nil {
		t.Derived, t.Scopes = true, []string{"scan"}
	}
	return t, nil
}

const (
	addDerived = `
	INSERT INTO derived (hash, parent, expires, scopes) SELECT $1, id, $3, $4 FROM token WHERE id = $2
	ON CONFLICT (hash) DO UPDATE SET
		parent  = CASE WHEN excluded.expires > derived.expires THEN excluded.parent ELSE derived.parent END,
		scopes  = CASE WHEN excluded.expires > derived.expires THEN excluded.scopes ELSE derived.scopes END,
		expires = greatest(excluded.expires, derived.expires)`
	dropDerived = `DELETE FROM derived WHERE expires < $1`
)

// DeriveToken implements store.Tokens.
func (s *Store) DeriveToken(ctx context.Context, parent string, hash [32]byte, scopes []string, now, expires time.Time) error {
	err := s.update(ctx, func(tx transaction) error {
		if _, err := tx.exec(dropDerived, now); err != nil {
			return err
		}
		n, err := tx.exec(addDerived, hash[:], text(parent), expires, scopes)
		if err == nil && n == 0 {
			err = store.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("derive a token of %q: %w", parent, err)
	}
	return nil
}

const listTokens = `SELECT ` + tokenColumns + ` FROM token ORDER BY created, id`

// ListTokens implements store.Tokens.
func (s *Store) ListTokens(ctx context.Context) ([]store.Token, error) {
	var list []store.Token
	err := s.rows(ctx, slowTime, listTokens, nil, func(rows pgx.Rows) error {
		var r tokenRow
		err := rows.Scan(r.dest()...)
		list = append(list, r.get())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return list, nil
}

const (
	ofName       = `(id = $1 OR name = $1) AND ($2 = '' OR project = $2)`
	findByName   = `SELECT ` + tokenColumns + ` FROM token WHERE ` + ofName + ` ORDER BY created, id`
	revokeByName = `UPDATE token SET revoked = $3 WHERE ` + ofName + ` AND revoked IS NULL`
)

// RevokeToken implements store.Tokens. All tokens of a name are revoked. One that was
// revoked before keeps its time and is returned too.
func (s *Store) RevokeToken(ctx context.Context, r store.Revocation, e store.Event) ([]store.Token, error) {
	name, project := text(r.Token), text(r.Project)
	var list []store.Token
	err := s.update(ctx, func(tx transaction) error {
		// A token that is created at the same time is either revoked, or created
		// afterwards.
		if _, err := tx.exec(lockName, name); err != nil {
			return err
		}
		changed, err := tx.exec(revokeByName, name, project, r.At)
		if err != nil {
			return err
		}
		list, err = tokens(tx, findByName, name, project)
		if err == nil && len(list) == 0 {
			err = store.ErrNotFound
		}
		if err == nil && changed > 0 {
			err = writeEvent(tx, e.Ended(list))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("revoke token %q: %w", r.Token, err)
	}
	return list, nil
}

// useToken does not wait for the disk. If the server crashes, a use may be lost, but the
// recorded time is only accurate to a minute anyway.
const useToken = `
	WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
	UPDATE token SET used = greatest(used, $2) FROM quick WHERE id = $1`

// UsedToken implements store.Tokens. It writes once a minute for each token.
func (s *Store) UsedToken(ctx context.Context, id string, at time.Time) error {
	if !s.used.note(id, at) {
		return nil
	}
	n, err := s.exec(ctx, useToken, text(id), at)
	if err == nil && n == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		s.used.drop(id)
		return fmt.Errorf("save the use of token %q: %w", id, err)
	}
	return nil
}

// lastUses are the last uses of tokens that were saved.
type lastUses struct {
	mu sync.Mutex
	at map[string]time.Time
}

// note reports whether the use has to be saved, and records it as saved.
func (l *lastUses) note(id string, at time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, ok := l.at[id]; ok && at.Sub(last) < time.Minute {
		return false
	}
	if l.at == nil {
		l.at = map[string]time.Time{}
	}
	l.at[id] = at
	return true
}

// drop forgets a use that could not be saved.
func (l *lastUses) drop(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.at, id)
}

func tokens(tx transaction, query string, args ...any) ([]store.Token, error) {
	var list []store.Token
	err := tx.rows(query, args, func(rows pgx.Rows) error {
		var r tokenRow
		err := rows.Scan(r.dest()...)
		list = append(list, r.get())
		return err
	})
	return list, err
}

// A tokenRow has the values of tokenColumns.
type tokenRow struct {
	t                      store.Token
	expires, revoked, used *time.Time
}

func (r *tokenRow) dest() []any {
	return []any{&r.t.ID, &r.t.Name, &r.t.Scopes, &r.t.Project, &r.t.Created, &r.expires, &r.revoked, &r.used}
}

func (r *tokenRow) get() store.Token {
	t := r.t
	t.Created = t.Created.UTC()
	t.Expires, t.Revoked, t.Used = timeOf(r.expires), timeOf(r.revoked), timeOf(r.used)
	return t
}
