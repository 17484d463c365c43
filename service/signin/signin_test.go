package signin_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit/oidctest"
	"assay/remote/token"
	"assay/service/oidc"
	"assay/service/signin"
	"assay/service/store"
	"assay/service/store/sqlite"
)

const mainRule = `
      - name: main
        claims: {repository: acme/*, ref: refs/heads/main}
        project: "{repository}"
        scopes: [scan, read]
`

// verifier returns a verifier for the tokens of a provider.
func verifier(t *testing.T, p *oidctest.Provider, rules string) *oidc.Verifier {
	t.Helper()
	path := filepath.Join(t.TempDir(), "oidc.yaml")
	text := fmt.Sprintf("issuers:\n  - issuer: %s\n    audience: %s\n    rules:%s", p.URL, oidctest.Audience, rules)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := oidc.ReadConfig(path, []string{"scan", "read", "admin"})
	if err != nil {
		t.Fatal(err)
	}
	return oidc.NewVerifier(config, time.Now)
}

func open(t *testing.T) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func exchange(t *testing.T, s *signin.SignIn, jwt string) signin.Exchanged {
	t.Helper()
	got, err := s.Exchange(t.Context(), jwt)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A JWT is exchanged for a secret that stands for the token of the rule and project, for two
// hours and with the scopes of the rule.
func TestExchange(t *testing.T) {
	p, st := oidctest.Start(t), open(t)
	now := time.Now().UTC().Truncate(time.Microsecond)
	s := signin.New(verifier(t, p, mainRule), st, func() time.Time { return now })
	first, second := exchange(t, s, p.Token(t)), exchange(t, s, p.Token(t))
	if first.Secret == second.Secret || first.Token.ID != second.Token.ID {
		t.Errorf("two exchanges of a project: %+v and %+v", first.Token, second.Token)
	}
	if !first.Expires.Equal(now.Add(signin.Lifetime)) || first.Grant.Rule != "main" {
		t.Errorf("exchanged %+v", first)
	}
	for _, secret := range []string{first.Secret, second.Secret} {
		got, err := st.TokenByHash(t.Context(), token.Hash(secret))
		if err != nil || got.ID != first.Token.ID || got.Name != "oidc main acme/payments" || got.Project != "acme/payments" ||
			got.Derived || !slices.Equal(got.Scopes, []string{"scan", "read"}) || !got.Until.Equal(first.Expires) || !got.Expires.IsZero() {
			t.Errorf("stored %+v, %v", got, err)
		}
		if got.Valid(first.Expires) {
			t.Error("it is valid for longer than two hours")
		}
	}
	p.SetClaims(map[string]any{"repository": "acme/shop", "ref": "refs/heads/main"})
	if other := exchange(t, s, p.Token(t)); other.Token.ID == first.Token.ID || other.Token.Project != "acme/shop" {
		t.Errorf("another project: %+v", other.Token)
	}
	events, err := st.Events(t.Context(), store.EventFilter{Limit: 10})
	if err != nil || len(events) != 2 || events[1].Action != store.ActionTokenCreate || events[1].Actor != `sign-in rule "main"` ||
		events[1].Project != "acme/payments" || !strings.Contains(events[1].Detail, "repo:acme/payments:ref:refs/heads/main") {
		t.Errorf("events %+v, %v, want one for each project", events, err)
	}
}

// A rule that is changed to give less does not give what it gave before.
func TestScopesOfChangedRule(t *testing.T) {
	p, st := oidctest.Start(t), open(t)
	before := exchange(t, signin.New(verifier(t, p, mainRule), st, time.Now), p.Token(t))
	less := strings.Replace(mainRule, "[scan, read]", "[scan]", 1)
	after := exchange(t, signin.New(verifier(t, p, less), st, time.Now), p.Token(t))
	got, err := st.TokenByHash(t.Context(), token.Hash(after.Secret))
	if err != nil || !slices.Equal(got.Scopes, []string{"scan"}) || after.Token.ID == before.Token.ID {
		t.Errorf("after the change: %+v, %v", got, err)
	}
	if after.Token.Name != "oidc main acme/payments "+after.Token.ID {
		t.Errorf("name %q", after.Token.Name)
	}
	// Without scopes a rule lets scan, and admin is given only by a rule that names it.
	plain := strings.Replace(mainRule, "        scopes: [scan, read]\n", "", 1)
	if got := exchange(t, signin.New(verifier(t, p, plain), st, time.Now), p.Token(t)); !slices.Equal(got.Token.Scopes, []string{"scan"}) {
		t.Errorf("without scopes: %q", got.Token.Scopes)
	}
	admin := strings.Replace(mainRule, "[scan, read]", "[admin]", 1)
	if got := exchange(t, signin.New(verifier(t, p, admin), st, time.Now), p.Token(t)); !slices.Equal(got.Token.Scopes, []string{"admin"}) {
		t.Errorf("with admin: %q", got.Token.Scopes)
	}
}

// The JWT itself stands for the token until it expires.
func TestToken(t *testing.T) {
	p, st := oidctest.Start(t), open(t)
	s := signin.New(verifier(t, p, mainRule), st, time.Now)
	jwt := p.Token(t)
	got, err := s.Token(t.Context(), jwt)
	if err != nil || got.Name != "oidc main acme/payments" || !got.Expires.IsZero() || got.Derived || !slices.Equal(got.Scopes, []string{"scan", "read"}) {
		t.Fatalf("%+v, %v", got, err)
	}
	if left := time.Until(got.Until); left <= 0 || left > time.Hour {
		t.Errorf("it is valid for %v, want the time of the JWT", left)
	}
	if same := exchange(t, s, jwt); same.Token.ID != got.ID {
		t.Errorf("the exchanged token is of %q, the JWT of %q", same.Token.ID, got.ID)
	}
	if _, err := st.TokenByHash(t.Context(), token.Hash(jwt)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the JWT is stored: %v", err)
	}
}

// Nothing that is forged gets a token, and the error says which rule refused it.
func TestForged(t *testing.T) {
	p, st := oidctest.Start(t), open(t)
	s := signin.New(verifier(t, p, mainRule), st, time.Now)
	for _, f := range p.Forgeries(t) {
		_, asBearer := s.Token(t.Context(), f.Token)
		_, exchanged := s.Exchange(t.Context(), f.Token)
		for _, err := range []error{asBearer, exchanged} {
			if _, ok := errors.AsType[*oidc.RefusedError](err); !ok || !strings.Contains(err.Error(), f.Reason) {
				t.Errorf("%s: %v, want %q", f.Name, err, f.Reason)
			}
		}
	}
	if list, err := st.ListTokens(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("tokens %+v, %v", list, err)
	}
}

// Revoking the token of a rule and project ends what was exchanged, and further exchange.
func TestRevoked(t *testing.T) {
	p, st := oidctest.Start(t), open(t)
	s := signin.New(verifier(t, p, mainRule), st, time.Now)
	before := exchange(t, s, p.Token(t))
	if _, err := st.RevokeToken(t.Context(), store.Revocation{Token: before.Token.Name, At: time.Now()}, store.Event{}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Exchange(t.Context(), p.Token(t))
	if _, ok := errors.AsType[*oidc.RefusedError](err); !ok || !strings.Contains(err.Error(), `rule "main": its token "oidc main acme/payments" was revoked`) {
		t.Errorf("exchanged after the revocation: %v", err)
	}
	if got, err := s.Token(t.Context(), p.Token(t)); err != nil || got.Valid(time.Now()) {
		t.Errorf("the JWT after the revocation: %+v, %v", got, err)
	}
	if got, err := st.TokenByHash(t.Context(), token.Hash(before.Secret)); err != nil || got.Valid(time.Now()) {
		t.Errorf("what was exchanged before: %+v, %v", got, err)
	}
}

// Pipelines of a project that sign in for the first time at once share one token.
func TestFirstAtOnce(t *testing.T) {
	p, st := oidctest.Start(t), open(t)
	s := signin.New(verifier(t, p, mainRule), st, time.Now)
	jwt := p.Token(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := s.Exchange(t.Context(), jwt); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if list, err := st.ListTokens(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("tokens %+v, %v, want one", list, err)
	}
}

// A failure of the store or of the random numbers is not a refusal of the JWT.
func TestFailures(t *testing.T) {
	p, st := oidctest.Start(t), open(t)
	s := signin.New(verifier(t, p, mainRule), st, time.Now)
	s.Random = bytes.NewReader(nil)
	_, random := s.Exchange(t.Context(), p.Token(t))
	s.Random = rand.Reader
	st.Close()
	_, closed := s.Exchange(t.Context(), p.Token(t))
	_, bearer := s.Token(t.Context(), p.Token(t))
	for i, err := range []error{random, closed, bearer} {
		if _, refused := errors.AsType[*oidc.RefusedError](err); err == nil || refused {
			t.Errorf("%d: %v", i, err)
		}
	}
}
