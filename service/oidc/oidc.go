// Package oidc authenticates CI pipelines by the OpenID Connect tokens (JWTs) that
// their platform issues, so that a pipeline needs no stored secret.
//
// A [Config] names the trusted issuers. For each issuer it has rules, which map claims
// to a project and scopes. A [Verifier] checks a token as OpenID Connect Core 1.0
// section 3.1.3.7 requires (signature, issuer, audience, expiry) and returns what the
// first matching rule grants.
package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/time/rate"
)

const (
	// maxToken bounds the bytes of a token. GitHub's have about 1,500.
	maxToken = 16 << 10
	// freshKeys is how long the keys of an issuer are used before they are fetched
	// again. go-oidc fetches keys only for an unknown key ID, so without this a
	// withdrawn key would be accepted for as long as the process runs.
	freshKeys = 10 * time.Minute
	// oldestKeys is how long keys are used while the issuer cannot be reached.
	oldestKeys = time.Hour
	// retryStale and retryMissing are how long after a failure an issuer is asked for
	// its configuration again: with keys that still count, and without.
	retryStale   = time.Minute
	retryMissing = 5 * time.Second
	// maxDocument bounds the bytes of an issuer's configuration and of its key set.
	maxDocument = 1 << 20
)

// algorithms are the accepted signature algorithms. All are asymmetric: an issuer's key
// set is public, so a symmetric signature proves nothing.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
	oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// A RefusedError says why a token is not accepted. Its text names the rules that were
// tried and the claims that differ, and never the token. It is for the log only, because
// it reveals the rules.
type RefusedError struct {
	Issuer, Subject string // as far as the token proved them
	Err             error
}

func (e *RefusedError) Error() string {
	switch {
	case e.Issuer == "":
		return e.Err.Error()
	case e.Subject == "":
		return fmt.Sprintf("JWT of %s: %v", e.Issuer, e.Err)
	}
	return fmt.Sprintf("subject %q of %s: %v", clip(e.Subject), e.Issuer, e.Err)
}

func (e *RefusedError) Unwrap() error { return e.Err }

// An UnavailableError says that an issuer's keys could not be fetched, so the token
// could not be verified. The caller may try again.
type UnavailableError struct {
	Issuer string
	Err    error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("fetch the keys of %s: %v", e.Issuer, e.Err)
}

func (e *UnavailableError) Unwrap() error { return e.Err }

// A Grant is what a verified token may do.
type Grant struct {
	Rule    string
	Issuer  string
	Subject string // the claim "sub"
	Project string // empty: every project
	Scopes  []string
	Expires time.Time // of the JWT
}

// A Verifier checks tokens. Its methods may be called from several goroutines.
type Verifier struct {
	issuers map[string]*issuer
}

// NewVerifier returns a verifier for c. It reads the time from now and fetches an
// issuer's configuration and keys when they are first needed.
func NewVerifier(c Config, now func() time.Time) *Verifier {
	v := &Verifier{issuers: map[string]*issuer{}}
	for _, i := range c.Issuers {
		v.issuers[i.URL] = &issuer{
			Issuer: i,
			now:    now,
			// Clients cannot cause more fetches of the configuration, so it needs no limit.
			discovery: client(&bounded{next: transport(i), limit: rate.NewLimiter(rate.Inf, 0)}),
			// A token with an unknown key ID causes a fetch. Anyone can send many such
			// tokens, and must not be able to flood the issuer.
			keys: client(&bounded{next: transport(i), limit: rate.NewLimiter(rate.Every(5*time.Second), 6)}),
		}
	}
	return v
}

// client returns a client that follows no redirects.
func client(t http.RoundTripper) *http.Client {
	return &http.Client{
		Timeout:       10 * time.Second,
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// LooksLikeJWT reports whether a bearer token has the form of a JWT: three parts
// separated by dots. Tokens that assayd makes never have it.
func LooksLikeJWT(secret string) bool { return strings.Count(secret, ".") == 2 }

// Verify returns what the token grants. The error is a [*RefusedError] if the token is
// not accepted, and an [*UnavailableError] if its issuer cannot be reached.
func (v *Verifier) Verify(ctx context.Context, token string) (Grant, error) {
	if len(token) > maxToken {
		return Grant{}, &RefusedError{Err: fmt.Errorf("the JWT has more than %d bytes", maxToken)}
	}
	name, err := unverifiedIssuer(token)
	if err != nil {
		return Grant{}, &RefusedError{Err: err}
	}
	i, ok := v.issuers[name]
	if !ok {
		return Grant{}, &RefusedError{Err: fmt.Errorf("issuer %q is not configured", clip(name))}
	}
	verified, err := i.verify(ctx, token)
	if err != nil {
		return Grant{}, err
	}
	claims, err := claimsOf(verified)
	var grant Grant
	if err == nil {
		grant, err = i.match(claims)
	}
	if err != nil {
		return Grant{}, &RefusedError{Issuer: i.URL, Subject: verified.Subject, Err: err}
	}
	grant.Issuer, grant.Subject, grant.Expires = i.URL, verified.Subject, verified.Expiry
	return grant, nil
}

// claimsOf keeps numbers as they are written: an ID such as GitHub's repository_id must
// not be rounded.
func claimsOf(t *oidc.IDToken) (map[string]any, error) {
	var raw json.RawMessage
	if err := t.Claims(&raw); err != nil {
		return nil, fmt.Errorf("decode the claims: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var claims map[string]any
	if err := d.Decode(&claims); err != nil {
		return nil, fmt.Errorf("decode the claims: %w", err)
	}
	return claims, nil
}

// match returns what the first rule that matches grants, or why no rule does.
func (i Issuer) match(claims map[string]any) (Grant, error) {
	var errs []error
	for _, r := range i.Rules {
		grant, err := r.match(claims)
		if err == nil {
			return grant, nil
		}
		errs = append(errs, fmt.Errorf("rule %q: %w", r.Name, err))
	}
	return Grant{}, errors.Join(errs...)
}

// An issuer is an [Issuer] with its keys.
type issuer struct {
	Issuer
	now       func() time.Time
	discovery *http.Client
	keys      *http.Client

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
	fetched  time.Time // when verifier's keys were new
	failed   error     // of the last discovery; nil if it succeeded
	tried    time.Time // when it ended
}

func (i *issuer) verify(ctx context.Context, token string) (*oidc.IDToken, error) {
	verifier, err := i.current(ctx)
	if err != nil {
		return nil, &UnavailableError{i.URL, err}
	}
	// The verifier may fetch keys. The fetch must not end with the request of one
	// caller, because go-oidc shares it among all waiting callers.
	verified, err := verifier.Verify(oidc.ClientContext(context.WithoutCancel(ctx), i.keys), token)
	if err != nil {
		if fetch, ok := errors.AsType[*fetchError](err); ok {
			return nil, &UnavailableError{i.URL, fetch}
		}
		return nil, &RefusedError{Issuer: i.URL, Err: err}
	}
	return verified, nil
}

// current returns a verifier whose keys are fresh or, while the issuer cannot be
// reached, at most oldestKeys old. All that wait for a discovery that fails share its
// error: an issuer that does not answer costs them one timeout.
func (i *issuer) current(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	age := now.Sub(i.fetched)
	if i.verifier != nil && age < freshKeys {
		return i.verifier, nil
	}
	stale, retry := i.verifier != nil && age < oldestKeys, retryMissing
	if stale {
		retry = retryStale
	}
	if i.failed == nil || now.Sub(i.tried) >= retry {
		verifier, err := i.discover(ctx)
		i.failed, i.tried = err, i.now()
		if err == nil {
			i.verifier, i.fetched = verifier, now
			return verifier, nil
		}
	}
	if stale {
		return i.verifier, nil
	}
	return nil, i.failed
}

// discover reads the issuer's configuration (OpenID Connect Discovery 1.0).
func (i *issuer) discover(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	ctx = context.WithoutCancel(ctx) // others wait for this too, and the key set keeps it
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.discovery), i.URL)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&doc); err != nil {
		return nil, err
	}
	if err := checkURL(doc.Keys); err != nil {
		return nil, fmt.Errorf("jwks_uri: %w", err)
	}
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(ctx, i.keys), doc.Keys)
	return oidc.NewVerifier(i.URL, keys, &oidc.Config{
		ClientID:             i.Audience,
		SupportedSigningAlgs: algorithms,
		Now:                  i.now,
	}), nil
}

// A fetchError is a request to an issuer that failed, or that was not sent.
type fetchError struct{ err error }

func (e *fetchError) Error() string { return e.err.Error() }
func (e *fetchError) Unwrap() error { return e.err }

// bounded limits how often an issuer is asked and how large its answers may be.
type bounded struct {
	next  http.RoundTripper
	limit *rate.Limiter
}

func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !b.limit.Allow() {
		return nil, &fetchError{errors.New("the issuer was asked too often, try again later")}
	}
	resp, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, &fetchError{err}
	}
	if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests {
		resp.Body.Close()
		return nil, &fetchError{fmt.Errorf("%s answered %s", r.URL, resp.Status)}
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxDocument)
	return resp, nil
}

// unverifiedIssuer returns the claim "iss" of a JWT, which only selects the issuer
// whose keys then verify the token.
func unverifiedIssuer(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("this is not a JWT: it does not have three parts")
	}
	payload, err := decodePart(parts[1])
	if err != nil {
		return "", fmt.Errorf("decode the JWT: %w", err)
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", fmt.Errorf("decode the claims of the JWT: %w", err)
	}
	return claims.Issuer, nil
}
