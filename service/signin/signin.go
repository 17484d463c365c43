// Package signin turns the OpenID Connect tokens (JWTs) of continuous integration into
// tokens of assayd.
//
// Each project that a rule grants has one token of its own, which has no secret. A JWT is
// accepted in its place, and can be exchanged for a secret that is valid for two hours.
// What was scanned with either belongs to that token, and revoking it ends both.
package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"assay/remote/token"
	"assay/service/oidc"
	"assay/service/store"
)

// Lifetime is how long an exchanged token is valid: longer than a build takes.
const Lifetime = 2 * time.Hour

// Tokens is the part of the store that this package needs.
type Tokens interface {
	CreateToken(ctx context.Context, t store.Token, hash [32]byte, e store.Event) error
	DeriveToken(ctx context.Context, parent string, hash [32]byte, scopes []string, now, expires time.Time) error
	TokenByHash(ctx context.Context, hash [32]byte) (store.Token, error)
}

// A SignIn accepts JWTs.
type SignIn struct {
	Verifier *oidc.Verifier
	Tokens   Tokens
	Now      func() time.Time
	Random   io.Reader
}

// An Exchanged token is the answer to a JWT.
type Exchanged struct {
	Secret  string
	Token   store.Token // that of the rule and project
	Expires time.Time
	Grant   oidc.Grant
}

// Token returns the token of the rule and project that a JWT matches, until the JWT
// expires. The errors are those of oidc.Verifier, and those of the store.
func (s *SignIn) Token(ctx context.Context, jwt string) (store.Token, error) {
	grant, err := s.Verifier.Verify(ctx, jwt)
	if err != nil {
		return store.Token{}, err
	}
	t, err := s.parent(ctx, grant)
	if err != nil {
		return store.Token{}, err
	}
	t.Until = grant.Expires
	return t, nil
}

// Exchange returns a new secret for what a JWT grants.
func (s *SignIn) Exchange(ctx context.Context, jwt string) (Exchanged, error) {
	grant, err := s.Verifier.Verify(ctx, jwt)
	if err != nil {
		return Exchanged{}, err
	}
	t, err := s.parent(ctx, grant)
	if err != nil {
		return Exchanged{}, err
	}
	secret, err := token.New(s.Random)
	if err != nil {
		return Exchanged{}, fmt.Errorf("make a token: %w", err)
	}
	now := s.Now()
	if !t.Valid(now) {
		return Exchanged{}, &oidc.RefusedError{Issuer: grant.Issuer, Subject: grant.Subject, Err: fmt.Errorf("rule %q: its token %q was revoked", grant.Rule, t.Name)}
	}
	expires := now.Add(Lifetime)
	if err := s.Tokens.DeriveToken(ctx, t.ID, token.Hash(secret), t.Scopes, now, expires); err != nil {
		return Exchanged{}, err
	}
	return Exchanged{Secret: secret, Token: t, Expires: expires, Grant: grant}, nil
}

// parent returns the token of a rule and project, and makes it where it does not exist.
// Its digest is that of a text that is not a token, so that no secret leads to it.
func (s *SignIn) parent(ctx context.Context, g oidc.Grant) (store.Token, error) {
	name := "oidc " + g.Rule
	if g.Project != "" {
		name += " " + g.Project
	}
	hash := sha256.Sum256([]byte("sign-in\x00" + g.Issuer + "\x00" + g.Rule + "\x00" + g.Project + "\x00" + strings.Join(g.Scopes, "\x00")))
	t, err := s.Tokens.TokenByHash(ctx, hash)
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return t, err
	}
	id := strings.ToLower(base32.StdEncoding.EncodeToString(hash[:])[:10])
	t = store.Token{ID: id, Name: name, Scopes: g.Scopes, Project: g.Project, Created: s.Now()}
	create := func() error {
		return s.Tokens.CreateToken(ctx, t, hash, store.Event{
			At: t.Created, Actor: fmt.Sprintf("sign-in rule %q", g.Rule), Action: store.ActionTokenCreate, Object: t.Name, Project: t.Project,
			Detail: fmt.Sprintf("id %s, scopes %s, for the first JWT, of subject %q", t.ID, strings.Join(t.Scopes, ","), g.Subject),
		})
	}
	err = create()
	if errors.Is(err, store.ErrNameTaken) { // by a token from before the rule was changed
		t.Name += " " + id
		err = create()
	}
	if err != nil { // another request or replica may have been first
		if again, found := s.Tokens.TokenByHash(ctx, hash); found == nil {
			return again, nil
		}
		return store.Token{}, err
	}
	return t, nil
}

// New returns a SignIn with the system's source of random numbers.
func New(v *oidc.Verifier, tokens Tokens, now func() time.Time) *SignIn {
	return &SignIn{Verifier: v, Tokens: tokens, Now: now, Random: rand.Reader}
}
