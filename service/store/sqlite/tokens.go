package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"assay/service/store"
)

const addToken = `
	INSERT INTO token (id, hash, name, scopes, project, created, expires, revoked, used, sum)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// CreateToken implements store.Tokens. An id or a hash that exists already is an error,
// too.
func (s *Store) CreateToken(ctx context.Context, t store.Token, hash [32]byte, e store.Event) error {
	err := s.state.update(ctx, durable, func(tx transaction) error {
		named, err := queryTokens(tx.ctx, tx.stmts, validByName, t.Name, toMicro(t.Created))
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
		WHERE name = ?1 AND revoked IS NULL AND (expires IS NULL OR expires > ?2) ORDER BY created, id`
	endToken = `UPDATE token SET expires = min(coalesce(expires, ?2), ?2) WHERE id = ?1`
)

// RotateToken implements store.Tokens.
func (s *Store) RotateToken(ctx context.Context, t store.Token, hash [32]byte, r store.Rotation, e store.Event) (store.Token, []store.Token, error) {
	var before []store.Token
	err := s.state.update(ctx, durable, func(tx transaction) error {
		var err error
		if before, err = queryTokens(tx.ctx, tx.stmts, validByName, t.Name, toMicro(t.Created)); err != nil {
			return err
		}
		if len(before) == 0 {
			return fmt.Errorf("no valid token: %w", store.ErrNotFound)
		}
		for i, old := range before {
			if r.Project != "" && old.Project != r.Project {
				return fmt.Errorf("%w: %q", store.ErrOtherProject, old.ID)
			}
			if _, err := tx.exec(endToken, old.ID, toMicro(r.End)); err != nil {
				return err
			}
			if err := sealTokens(tx, tokenByID, old.ID); err != nil {
				return err
			}
			if old.Expires.IsZero() || r.End.Before(old.Expires) {
				before[i].Expires = fromMicro(toMicro(r.End))
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
	scopes, err := json.Marshal(t.Scopes)
	if err != nil {
		return err
	}
	_, err = tx.exec(addToken, t.ID, hash[:], t.Name, string(scopes), t.Project,
		toMicro(t.Created), nullMicro(t.Expires), nullMicro(t.Revoked), nullMicro(t.Used),
		tokenSum(t.ID, t.Name, string(scopes), t.Project, toMicro(t.Created), nullMicro(t.Expires), nullMicro(t.Revoked)))
	return err
}

const tokenColumns = `id, name, scopes, project, created, expires, revoked, used, sum`

const findToken = `SELECT ` + tokenColumns + ` FROM token WHERE hash = ?`

// TokenByHash implements store.Tokens. The time of the search in an index depends on the
// hash. That does not help to guess a secret: at most it reveals the beginning of the
// SHA-256 of a secret. No secret is compared here.
func (s *Store) TokenByHash(ctx context.Context, hash [32]byte) (store.Token, error) {
	// The query takes less time than watching for the end of ctx.
	ctx = context.WithoutCancel(ctx)
	tokens, err := queryTokens(ctx, s.state.read, findToken, hash[:])
	if err == nil && len(tokens) == 0 {
		return s.derivedToken(ctx, hash)
	}
	if err != nil {
		return store.Token{}, fmt.Errorf("find token: %w", err)
	}
	return tokens[0], nil
}

const (
	findParent  = `SELECT ` + tokenColumns + ` FROM token WHERE id = (SELECT parent FROM derived WHERE hash = ?)`
	findDerived = `SELECT parent, expires, scopes, sum FROM derived WHERE hash = ?`
	addDerived  = `INSERT INTO derived (hash, parent, expires, scopes, sum) SELECT ?1, id, ?3, ?4, ?5 FROM token WHERE id = ?2
		ON CONFLICT (hash) DO UPDATE SET
			parent  = CASE WHEN excluded.expires > expires THEN excluded.parent  ELSE parent  END,
			scopes  = CASE WHEN excluded.expires > expires THEN excluded.scopes  ELSE scopes  END,
			sum     = CASE WHEN excluded.expires > expires THEN excluded.sum     ELSE sum     END,
			expires = CASE WHEN excluded.expires > expires THEN excluded.expires ELSE expires END`
	dropDerived = `DELETE FROM derived WHERE expires < ?`
)

func (s *Store) derivedToken(ctx context.Context, hash [32]byte) (store.Token, error) {
	tokens, err := queryTokens(ctx, s.state.read, findParent, hash[:])
	if err == nil && len(tokens) == 0 {
		err = store.ErrNotFound
	}
	var micro int64
	var scopes sql.NullString
	if err == nil {
		var parent string
		var sum sql.NullInt64
		err = s.state.read.row(ctx, findDerived, []any{hash[:]}, &parent, &micro, &scopes, &sum)
		if err == nil {
			err = checkSum(sum, derivedSum(hash[:], parent, micro, scopes.String))
		}
	}
	if errors.Is(err, sql.ErrNoRows) { // expired and removed between the two
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Token{}, fmt.Errorf("find token: %w", err)
	}
	t := tokens[0]
	t.Until = fromMicro(micro)
	if !scopes.Valid {
		t.Derived, t.Scopes = true, []string{"scan"}
	} else if err := json.Unmarshal([]byte(scopes.String), &t.Scopes); err != nil {
		return store.Token{}, fmt.Errorf("find token: scopes of one derived from %q: %w", t.ID, err)
	}
	return t, nil
}

// DeriveToken implements store.Tokens.
func (s *Store) DeriveToken(ctx context.Context, parent string, hash [32]byte, scopes []string, now, expires time.Time) error {
	var list sql.NullString
	if scopes != nil {
		b, err := json.Marshal(scopes)
		if err != nil {
			return err
		}
		list = sql.NullString{String: string(b), Valid: true}
	}
	err := s.state.update(ctx, durable, func(tx transaction) error {
		if _, err := tx.exec(dropDerived, toMicro(now)); err != nil {
			return err
		}
		n, err := tx.exec(addDerived, hash[:], parent, toMicro(expires), list, derivedSum(hash[:], parent, toMicro(expires), list.String))
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
	tokens, err := queryTokens(ctx, s.state.read, listTokens)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return tokens, nil
}

const (
	ofProject    = ` AND (?2 = '' OR project = ?2)`
	findByName   = `SELECT ` + tokenColumns + ` FROM token WHERE (id = ?1 OR name = ?1)` + ofProject + ` ORDER BY created, id`
	revokeByName = `UPDATE token SET revoked = ?3 WHERE (id = ?1 OR name = ?1)` + ofProject + ` AND revoked IS NULL`
)

// RevokeToken implements store.Tokens. On a full disk it uses the reserve. All tokens of
// a name are revoked. One that was revoked before keeps its time and is returned too.
func (s *Store) RevokeToken(ctx context.Context, r store.Revocation, e store.Event) ([]store.Token, error) {
	var tokens []store.Token
	revoke := func(tx transaction) error {
		changed, err := tx.exec(revokeByName, r.Token, r.Project, toMicro(r.At))
		if err != nil {
			return err
		}
		// The new checksum also covers damaged rows. They are revoked, so that is safe.
		if err := sealTokens(tx, sumsByName, r.Token, r.Project); err != nil {
			return err
		}
		tokens, err = queryTokens(tx.ctx, tx.stmts, findByName, r.Token, r.Project)
		if err == nil && len(tokens) == 0 {
			err = store.ErrNotFound
		}
		if err == nil && changed > 0 {
			err = writeEvent(tx, e.Ended(tokens))
		}
		return err
	}
	err := s.reserve.with(func() error { return s.state.update(ctx, durable, revoke) })
	s.reserve.whole()
	if err != nil {
		return nil, fmt.Errorf("revoke token %q: %w", r.Token, err)
	}
	return tokens, nil
}

const useToken = `UPDATE token SET used = max(coalesce(used, ?2), ?2) WHERE id = ?1`

// UsedToken implements store.Tokens. It tries to write once a minute for each token,
// also if that fails: on a full disk it does not fail for every request.
func (s *Store) UsedToken(ctx context.Context, id string, at time.Time) error {
	if !s.used.note(id, at) {
		return nil
	}
	err := s.state.update(ctx, quick, func(tx transaction) error {
		n, err := tx.exec(useToken, id, toMicro(at))
		if err == nil && n == 0 {
			err = store.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save the use of token %q: %w", id, err)
	}
	return nil
}

// lastUses has the time of the last attempt to write the use of each token.
type lastUses struct {
	mu sync.Mutex
	at map[string]time.Time
}

// note reports whether a use has to be written now, and records the attempt.
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

func queryTokens(ctx context.Context, s *statements, query string, args ...any) ([]store.Token, error) {
	var tokens []store.Token
	err := s.rows(ctx, query, args, func(rows *sql.Rows) (bool, error) {
		var t store.Token
		var scopes string
		var created int64
		var expires, revoked, used, sum sql.NullInt64
		err := rows.Scan(&t.ID, &t.Name, &scopes, &t.Project, &created, &expires, &revoked, &used, &sum)
		if err != nil {
			return false, err
		}
		if err := checkSum(sum, tokenSum(t.ID, t.Name, scopes, t.Project, created, expires, revoked)); err != nil {
			return false, fmt.Errorf("token %q: %w", t.ID, err)
		}
		if err := json.Unmarshal([]byte(scopes), &t.Scopes); err != nil {
			return false, fmt.Errorf("scopes of token %q: %w", t.ID, err)
		}
		t.Created = fromMicro(created)
		t.Expires, t.Revoked, t.Used = fromNull(expires), fromNull(revoked), fromNull(used)
		tokens = append(tokens, t)
		return true, nil
	})
	return tokens, err
}

const (
	tokenByID  = `SELECT id, name, scopes, project, created, expires, revoked FROM token WHERE id = ?`
	sumsByName = `SELECT id, name, scopes, project, created, expires, revoked FROM token WHERE (id = ?1 OR name = ?1)` + ofProject
	unsealed   = `SELECT id, name, scopes, project, created, expires, revoked FROM token WHERE sum IS NULL`
	sealToken  = `UPDATE token SET sum = ? WHERE id = ?`
)

// sealTokens writes the checksums of tokens that were changed.
func sealTokens(tx transaction, query string, args ...any) error {
	sums := map[string]int64{}
	err := tx.stmts.rows(tx.ctx, query, args, func(rows *sql.Rows) (bool, error) {
		var id, name, scopes, project string
		var created int64
		var expires, revoked sql.NullInt64
		err := rows.Scan(&id, &name, &scopes, &project, &created, &expires, &revoked)
		sums[id] = tokenSum(id, name, scopes, project, created, expires, revoked)
		return err == nil, err
	})
	if err != nil {
		return err
	}
	for id, sum := range sums {
		if _, err := tx.exec(sealToken, sum, id); err != nil {
			return err
		}
	}
	return nil
}

// sealEarlier writes the checksums of tokens of an earlier version of the program.
func (s *Store) sealEarlier() error {
	ctx := context.Background()
	found := false
	err := s.state.read.rows(ctx, unsealed, nil, func(*sql.Rows) (bool, error) {
		found = true
		return false, nil
	})
	if err != nil || !found {
		return err
	}
	return s.state.update(ctx, durable, func(tx transaction) error { return sealTokens(tx, unsealed) })
}

// nullMicro stores the zero time, which means never, as NULL.
func nullMicro(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: toMicro(t), Valid: !t.IsZero()}
}

func fromNull(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return fromMicro(n.Int64)
}
