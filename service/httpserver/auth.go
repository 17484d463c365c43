package httpserver

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"

	"assay/remote/token"
	"assay/service/oidc"
	"assay/service/store"
)

// Scopes of a token.
const (
	ScopeScan  = "scan"  // may scan, and read its own scans
	ScopeRead  = "read"  // may read every scan of its project
	ScopeAdmin = "admin" // may do everything
)

// Scopes returns all scopes.
func Scopes() []string { return []string{ScopeScan, ScopeRead, ScopeAdmin} }

// HasScope reports whether a token has a scope. Admin includes the others.
func HasScope(t store.Token, scope string) bool {
	return slices.Contains(t.Scopes, scope) || slices.Contains(t.Scopes, ScopeAdmin)
}

// A Handler answers a request of a valid token. The server answers with its error.
type Handler func(w http.ResponseWriter, r *http.Request, t store.Token) error

// HandleAuthenticated adds a handler for requests that carry a valid token with the
// scope. With an empty scope any valid token will do.
func (s *Server) HandleAuthenticated(pattern, scope string, h Handler) {
	s.Handle(pattern, s.Authenticated(scope, h))
}

// Authenticated returns the handler that HandleAuthenticated adds.
func (s *Server) Authenticated(scope string, h Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t, err := s.Authenticate(w, r)
		if err == nil {
			err = RequireScope(t, scope)
		}
		if err == nil {
			err = h(w, r, t)
		}
		if err != nil {
			s.Refuse(w, r, err)
		}
	}
}

// RequireScope returns a Problem if the token does not have the scope. Every token has the
// empty scope.
func RequireScope(t store.Token, scope string) error {
	if scope == "" || HasScope(t, scope) {
		return nil
	}
	return Problem{Status: http.StatusForbidden, What: "this token lacks the scope " + scope, Hint: "assayd token create --scope " + scope + " makes one that has it"}
}

// MayRead reports whether a token may read a scan: its own scans, or with scope read
// all of its project. A derived token may read nothing.
func MayRead(t store.Token, scan store.Scan) bool {
	own := scan.Token == t.ID && !t.Derived
	return (own || HasScope(t, ScopeRead)) && (t.Project == "" || t.Project == scan.Project)
}

// Authenticate returns the valid token of a request, and counts the request towards
// the rate of the token. The error is a Problem where the client is at fault.
func (s *Server) Authenticate(w http.ResponseWriter, r *http.Request) (store.Token, error) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		secret = ""
	}
	return s.AuthenticateSecret(w, r, secret, "send the header \"Authorization: Bearer TOKEN\"")
}

// AuthenticateSecret is Authenticate for a secret that is not in the header. hint says what
// to do if it is empty.
func (s *Server) AuthenticateSecret(w http.ResponseWriter, r *http.Request, secret, hint string) (store.Token, error) {
	t, err := s.Identify(w, r, secret, hint)
	if err != nil {
		return t, err
	}
	return t, s.Limit(t.ID, "with this token")
}

// Identify is AuthenticateSecret without counting the request towards the rate of the token.
func (s *Server) Identify(w http.ResponseWriter, r *http.Request, secret, hint string) (store.Token, error) {
	secret = strings.TrimSpace(secret)
	if secret == "" {
		return store.Token{}, Problem{Status: http.StatusUnauthorized, What: "no token was sent", Hint: hint}
	}
	t, err := s.token(r, secret)
	if err == nil {
		LogToken(w, t)
	}
	return t, err
}

// LogToken adds a token to the log line of a request.
func LogToken(w http.ResponseWriter, t store.Token) {
	if rec, ok := w.(*recorder); ok {
		rec.token = t
	}
}

// SecretOf returns the secret in the Authorization header of a request: that of the scheme
// Bearer, or the password of the scheme Basic, which many clients know only. It is empty if
// there is none.
func SecretOf(r *http.Request) string {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return secret
	}
	_, password, _ := r.BasicAuth()
	return password
}

// Limit counts a request towards the rate of a token, or of something else that has the rate
// of a token. of says in the error what has too many requests.
func (s *Server) Limit(id, of string) error {
	if wait := s.limits.wait(id, s.Now()); wait > 0 {
		s.shed(ShedRate)
		return Problem{Status: http.StatusTooManyRequests, What: "too many requests " + of, Hint: "assay waits and tries again by itself", RetryAfter: wait}
	}
	return nil
}

// token returns the valid token with a secret. The secret is looked up by its
// SHA-256. The time that this takes may reveal something about similar digests, which
// does not help to guess 190 random bits.
func (s *Server) token(r *http.Request, secret string) (store.Token, error) {
	unauthorized := func(what, hint string) error {
		return Problem{Status: http.StatusUnauthorized, What: what, Hint: hint}
	}
	const hint = "assayd token create makes a token; assayd token list shows them"
	var t store.Token
	var err error
	if s.SignIn != nil && oidc.LooksLikeJWT(secret) {
		if t, err = s.SignIn.Token(r.Context(), secret); err != nil {
			return t, s.SignInProblem(r, err)
		}
	} else {
		if err := token.Check(secret); err != nil {
			return store.Token{}, unauthorized("invalid token", hint)
		}
		t, err = s.Tokens.TokenByHash(r.Context(), token.Hash(secret))
		if errors.Is(err, store.ErrNotFound) {
			return t, unauthorized("unknown token", hint)
		}
		if err != nil {
			return t, err
		}
	}
	now := s.Now()
	switch {
	case !t.Revoked.IsZero():
		s.logEnded(r, t, "revoked")
		return t, unauthorized("this token was revoked", hint)
	case !t.Valid(now):
		s.logEnded(r, t, "expired")
		return t, unauthorized("this token expired on "+t.End().UTC().Format("2006-01-02 at 15:04:05 UTC"), hint)
	}
	if err := s.Tokens.UsedToken(r.Context(), t.ID, now); err != nil {
		if unlogged, ok := s.unnoted.allow("", now); ok {
			s.Log.Warn("save the time of a token's last use", "token", t.Name, "token_id", t.ID, "err", err, "not_logged_before", unlogged)
		}
	}
	return t, nil
}

// SignInProblem returns the answer to a JWT that was not accepted. The log says which
// rule refused it and why. The answer does not name the rules, because the client may be
// anybody.
func (s *Server) SignInProblem(r *http.Request, err error) error {
	refusal, refused := errors.AsType[*oidc.RefusedError](err)
	unavailable, away := errors.AsType[*oidc.UnavailableError](err)
	if !refused && !away {
		return err
	}
	key := "" // what a stranger can send has one limit
	if refused && refusal.Subject != "" {
		key = refusal.Issuer + " " + refusal.Subject
	}
	if unlogged, log := s.refused.allow(key, s.Now()); log {
		s.Log.Warn("sign-in refused", "err", err, "client", remoteHost(r), "not_logged_before", unlogged)
	}
	if away {
		return s.Unavailable("the issuer "+unavailable.Issuer+" cannot be asked", "try again; assayd's log says why")
	}
	return Problem{Status: http.StatusUnauthorized, What: "this JWT is not accepted", Hint: "assayd's log says which rule refused it and why"}
}

// logEnded logs that a client uses a token that was revoked or has expired: a
// forgotten build, or a thief. The address is that of the connection, since a client
// can forge a header.
func (s *Server) logEnded(r *http.Request, t store.Token, why string) {
	unlogged, ok := s.ended.allow(t.ID, s.Now())
	if !ok {
		return
	}
	s.Log.Warn("token refused", "why", why, "token", t.Name, "token_id", t.ID, "client", remoteHost(r), "not_logged_before", unlogged)
}

// remoteHost is the address of the client's connection, without its port.
func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
