// Package tokens creates, rotates and revokes tokens, for the command line and for the API.
// Every change, and every refused one, is in the audit trail with the name of who asked.
package tokens

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"assay/remote/token"
	"assay/service/store"
	"assay/verdict/hint"
)

const (
	// DefaultLifetime is how long a token is valid if nothing else is asked for.
	DefaultLifetime = 365 * 24 * time.Hour
	// Never is the lifetime of a token that does not expire.
	Never time.Duration = -1
	// DefaultOverlap is how long a rotated token stays valid, for builds that run.
	DefaultOverlap = 24 * time.Hour
	// maxLifetime keeps dates within what JSON and both databases can represent.
	maxLifetime = 200 * 365 * 24 * time.Hour
	// maxName bounds the bytes of a name and of a project.
	maxName = 200
)

// Store is the part of the store that this package needs.
type Store interface {
	CreateToken(ctx context.Context, t store.Token, hash [32]byte, e store.Event) error
	RotateToken(ctx context.Context, t store.Token, hash [32]byte, r store.Rotation, e store.Event) (store.Token, []store.Token, error)
	RevokeToken(ctx context.Context, r store.Revocation, e store.Event) ([]store.Token, error)
	ListTokens(ctx context.Context) ([]store.Token, error)
	AddEvent(ctx context.Context, e store.Event) error
}

// A Manager changes tokens.
type Manager struct {
	Store  Store
	Now    func() time.Time
	Random io.Reader // crypto/rand.Reader, except in tests
	// Scopes are the valid scopes.
	Scopes []string
}

// A Caller asks for a change.
type Caller struct {
	Name    string // for the audit trail
	Project string // if set, the caller manages only tokens of this project
	// Unrecorded, if set, is asked whether a refusal is left out of the audit trail: a
	// caller may repeat a request without end.
	Unrecorded func() bool
}

// Created is a new token.
type Created struct {
	Secret string
	Token  store.Token
	Ended  []store.Token // that it replaces, with their new expiry
}

// A RequestError is the error for a request that is invalid, or that the caller may not
// make.
type RequestError struct {
	Forbidden bool // it would be valid for another caller
	err       error
}

func (e *RequestError) Error() string { return e.err.Error() }
func (e *RequestError) Unwrap() error { return e.err }

func invalid(next, format string, args ...any) error {
	return &RequestError{err: hint.Errorf(next, format, args...)}
}

// CheckName returns an error for a name that a list or a log could not show.
func CheckName(name string) error {
	switch {
	case name == "":
		return invalid("give the token a name, such as ci: the list and the log show it", "the name is missing or empty")
	case len(name) > maxName:
		return invalid("choose a shorter one", "the name is longer than %d bytes", maxName)
	case looksLikeToken(name):
		return invalid("choose another name, and replace a token that you sent as a name", "the name looks like a token, which no list may show")
	case !visible(name):
		return invalid("choose another name", "the name has a character that is not visible, or is not UTF-8")
	}
	return nil
}

// visible reports whether a list or a log shows all of a text, in its order: control
// characters can move the cursor, and format characters can reverse the text or have no
// width.
func visible(s string) bool {
	return utf8.ValidString(s) && s == strings.TrimSpace(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// looksLikeToken reports whether a text may have the secret of a token in it. People paste
// a token into the wrong field.
func looksLikeToken(s string) bool { return strings.Contains(s, "assay_") }

// Create makes a token. Its errors are RequestError, store.ErrNameTaken and those of the
// store.
func (m *Manager) Create(ctx context.Context, by Caller, t store.Token, life time.Duration) (Created, error) {
	if by.Project != "" && t.Project == "" {
		t.Project = by.Project
	}
	// Until the request is valid the event is of the caller's own project: nobody writes
	// into the trail of another one.
	e := store.Event{Actor: by.Name, Action: store.ActionTokenCreate, Object: t.Name, Project: by.Project}
	if err := CheckName(t.Name); err != nil {
		e.Object = ""
		return Created{}, m.refused(ctx, by, e, err)
	}
	if err := m.check(by, t); err != nil {
		return Created{}, m.refused(ctx, by, e, err)
	}
	e.Project, t.Scopes = t.Project, unique(t.Scopes)
	made, err := m.make(t, life)
	if err != nil {
		return made, m.refused(ctx, by, e, err)
	}
	e.At, e.Detail = made.Token.Created, describe(made.Token)+", scopes "+strings.Join(t.Scopes, ",")
	if err := m.Store.CreateToken(ctx, made.Token, token.Hash(made.Secret), e); err != nil {
		return Created{}, m.refused(ctx, by, e, err)
	}
	return made, nil
}

func (m *Manager) check(by Caller, t store.Token) error {
	if len(t.Project) > maxName || !visible(t.Project) {
		return invalid("choose another one", "the project has a character that is not visible, or is not UTF-8, or is longer than %d bytes", maxName)
	}
	if looksLikeToken(t.Project) {
		return invalid("choose another one, and replace a token that you sent as a project", "the project looks like a token, which no list may show")
	}
	if len(t.Scopes) == 0 {
		return invalid("scopes are "+strings.Join(m.Scopes, ", "), "no scopes")
	}
	for _, s := range t.Scopes {
		if !slices.Contains(m.Scopes, s) {
			if looksLikeToken(s) {
				s = "[secret]"
			}
			return invalid("scopes are "+strings.Join(m.Scopes, ", "), "unknown scope %.40q", s)
		}
	}
	if by.Project != "" && t.Project != by.Project {
		return &RequestError{Forbidden: true, err: hint.Errorf("leave the project out, or use an admin token of that project",
			"this token manages the tokens of project %q only", by.Project)}
	}
	return nil
}

// unique returns the scopes in their order, each once.
func unique(scopes []string) []string {
	var all []string
	for _, s := range scopes {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// Rotate makes a token with the scopes and the project of the valid one with its name, which
// stays valid for the time overlap. Its errors are RequestError, store.ErrNotFound,
// store.ErrOtherProject and those of the store.
func (m *Manager) Rotate(ctx context.Context, by Caller, name string, life, overlap time.Duration) (Created, error) {
	e := store.Event{Actor: by.Name, Action: store.ActionTokenRotate, Object: name, Project: by.Project}
	if err := CheckName(name); err != nil {
		e.Object = ""
		return Created{}, m.refused(ctx, by, e, err)
	}
	made, err := m.make(store.Token{Name: name}, life)
	if err == nil && (overlap < 0 || overlap > maxLifetime) {
		err = invalid("give a time such as 24h", "invalid overlap %v", overlap)
	}
	if err != nil {
		return made, m.refused(ctx, by, e, err)
	}
	e.At, e.Detail = made.Token.Created, describe(made.Token)
	rotation := store.Rotation{End: made.Token.Created.Add(overlap), Project: by.Project}
	made.Token, made.Ended, err = m.Store.RotateToken(ctx, made.Token, token.Hash(made.Secret), rotation, e)
	if err != nil {
		return Created{}, m.refused(ctx, by, e, err)
	}
	return made, nil
}

// make returns a new token with a lifetime, which is not stored yet. Zero is the default
// lifetime.
func (m *Manager) make(t store.Token, life time.Duration) (Created, error) {
	if life == 0 {
		life = DefaultLifetime
	}
	t.Created = m.Now().Truncate(time.Microsecond) // the precision of the store
	if life != Never {
		if life < 0 || life > maxLifetime {
			return Created{}, invalid("give a time such as 90d, or never", "invalid lifetime %v", life)
		}
		t.Expires = t.Created.Add(life)
	}
	secret, err := token.New(m.Random)
	if err != nil {
		return Created{}, fmt.Errorf("make a token: %w", err)
	}
	t.ID, err = newID(m.Random)
	return Created{Secret: secret, Token: t}, err
}

// newID returns 10 random letters and digits, 50 bits.
func newID(random io.Reader) (string, error) {
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
	var b [10]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	for i, v := range b {
		b[i] = alphabet[v%32]
	}
	return string(b[:]), nil
}

func describe(t store.Token) string {
	if t.Expires.IsZero() {
		return fmt.Sprintf("id %s, never expires", t.ID)
	}
	return fmt.Sprintf("id %s, expires %s", t.ID, t.Expires.UTC().Format(time.DateOnly))
}

// refused records a change that was not made, and returns err.
func (m *Manager) refused(ctx context.Context, by Caller, e store.Event, err error) error {
	if errors.Is(err, store.ErrUnavailable) || by.Unrecorded != nil && by.Unrecorded() {
		return err
	}
	e.At, e.Refused, e.Detail = m.Now(), true, err.Error()
	switch { // the trail of a project says nothing about others, and the error has the name that was asked for
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrOtherProject):
		e.Detail = store.ErrNotFound.Error()
	case errors.Is(err, store.ErrNameTaken):
		e.Detail = store.ErrNameTaken.Error()
	}
	return errors.Join(err, Record(ctx, m.Store, e))
}

// A RecordError is the error for a refusal that could not be added to the audit trail. It is
// joined to the refusal.
type RecordError struct{ err error }

func (e *RecordError) Error() string { return e.err.Error() }
func (e *RecordError) Unwrap() error { return e.err }

// Record adds a refusal to the audit trail, also if the caller has gone away: one that does
// not wait for the answer would leave no trace. Its error is a RecordError.
func Record(ctx context.Context, s interface {
	AddEvent(ctx context.Context, e store.Event) error
}, e store.Event) error {
	if err := s.AddEvent(context.WithoutCancel(ctx), e); err != nil {
		return &RecordError{err}
	}
	return nil
}

// Revoke ends tokens at once, by id or by name. Its errors are RequestError,
// store.ErrNotFound and those of the store.
func (m *Manager) Revoke(ctx context.Context, by Caller, idOrName string) ([]store.Token, error) {
	now := m.Now()
	e := store.Event{At: now, Actor: by.Name, Action: store.ActionTokenRevoke, Object: idOrName, Project: by.Project}
	if looksLikeToken(idOrName) {
		e.Object = ""
		return nil, m.refused(ctx, by, e, invalid("name it by its id or its name", "the secret of a token does not name it"))
	}
	revoked, err := m.Store.RevokeToken(ctx, store.Revocation{Token: idOrName, Project: by.Project, At: now}, e)
	if err != nil {
		if !visible(idOrName) {
			e.Object = ""
		}
		return nil, m.refused(ctx, by, e, err)
	}
	return revoked, nil
}

// List returns the tokens that the caller manages, by creation time.
func (m *Manager) List(ctx context.Context, by Caller) ([]store.Token, error) {
	list, err := m.Store.ListTokens(ctx)
	if by.Project != "" {
		list = slices.DeleteFunc(list, func(t store.Token) bool { return t.Project != by.Project })
	}
	return list, err
}

// State says in a word whether a token of a list is valid, and whether a newer one has
// replaced it.
func State(t store.Token, list []store.Token, now time.Time) string {
	switch {
	case !t.Revoked.IsZero():
		return "revoked"
	case !t.Valid(now):
		return "expired"
	}
	newer := func(o store.Token) bool {
		return o.Name == t.Name && o.Valid(now) && o.Created.After(t.Created)
	}
	if slices.ContainsFunc(list, newer) {
		return "replaced"
	}
	return "valid"
}
