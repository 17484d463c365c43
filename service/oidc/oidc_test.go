package oidc

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"assay/check/testkit/oidctest"
)

const audience = oidctest.Audience

const rules = `
    rules:
      - name: main
        claims: {repository: acme/*, ref: [refs/heads/main, refs/tags/*]}
        project: "{repository}"
      - name: cluster
        claims: {/kubernetes.io/namespace: prod, /kubernetes.io/serviceaccount/name: builder}
        project: cluster
        scopes: [scan, read]
`

func configFor(t *testing.T, p *oidctest.Provider) Config {
	t.Helper()
	c, err := parse([]byte("issuers:\n  - issuer: "+p.URL+"\n    audience: "+audience+rules), t.TempDir(), []string{"scan", "read"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A clock is a time that the test moves.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) forward(d time.Duration) { c.offset.Add(int64(d)) }

func TestVerify(t *testing.T) {
	p, c := oidctest.Start(t), &clock{}
	v := NewVerifier(configFor(t, p), c.now)
	g, err := v.Verify(t.Context(), p.Token(t))
	if err != nil {
		t.Fatal(err)
	}
	if g.Rule != "main" || g.Project != "acme/payments" || len(g.Scopes) != 1 || g.Scopes[0] != "scan" ||
		g.Subject != "repo:acme/payments:ref:refs/heads/main" || g.Issuer != p.URL || !g.Expires.After(c.now()) {
		t.Errorf("%+v", g)
	}
	for range 20 {
		if _, err := v.Verify(t.Context(), p.Token(t)); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.Fetches.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times for 21 tokens", n)
	}
}

func TestClaims(t *testing.T) {
	p := oidctest.Start(t)
	v := NewVerifier(configFor(t, p), time.Now)
	for _, tt := range []struct {
		name   string
		claims map[string]any
		rule   string // that matches; empty where none does
		reason string
	}{
		{"exact", map[string]any{"repository": "acme/payments", "ref": "refs/heads/main"}, "main", ""},
		{"tag", map[string]any{"repository": "acme/payments", "ref": "refs/tags/v1"}, "main", ""},
		{"nested", map[string]any{"kubernetes.io": map[string]any{"namespace": "prod", "serviceaccount": map[string]any{"name": "builder"}}}, "cluster", ""},
		{"another owner", map[string]any{"repository": "acme2/payments", "ref": "refs/heads/main"}, "", `rule "main": claim "repository" is "acme2/payments"`},
		{"owner as a prefix", map[string]any{"repository": "evil/acme/payments", "ref": "refs/heads/main"}, "", `claim "repository" is`},
		{"deeper", map[string]any{"repository": "acme/payments/x", "ref": "refs/heads/main"}, "", `claim "repository" is`},
		{"case", map[string]any{"repository": "ACME/payments", "ref": "refs/heads/main"}, "", `claim "repository" is`},
		{"line break", map[string]any{"repository": "acme/payments", "ref": "refs/heads/main\n"}, "", `claim "ref" is "refs/heads/main\n"`},
		{"longer", map[string]any{"repository": "acme/payments", "ref": "refs/heads/main2"}, "", `claim "ref" is`},
		{"branch of a tag's name", map[string]any{"repository": "acme/payments", "ref": "refs/heads/refs/tags/v1"}, "", `claim "ref" is`},
		{"missing", map[string]any{"repository": "acme/payments"}, "", `claim "ref" is missing`},
		{"list", map[string]any{"repository": []string{"acme/payments"}, "ref": "refs/heads/main"}, "", `claim "repository" is neither`},
		{"object", map[string]any{"repository": map[string]any{"acme": "payments"}, "ref": "refs/heads/main"}, "", `claim "repository" is neither`},
		{"null", map[string]any{"repository": nil, "ref": "refs/heads/main"}, "", `claim "repository" is neither`},
		{"empty", map[string]any{"repository": "", "ref": "refs/heads/main"}, "", `claim "repository" is ""`},
		{"flat name of a nested claim", map[string]any{"/kubernetes.io/namespace": "prod", "/kubernetes.io/serviceaccount/name": "builder"}, "", `claim "/kubernetes.io/namespace" is missing`},
		{"nested in a string", map[string]any{"kubernetes.io": `{"namespace":"prod"}`}, "", `claim "/kubernetes.io/namespace" is missing`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.SetClaims(tt.claims)
			g, err := v.Verify(t.Context(), p.Token(t))
			if tt.rule != "" {
				if err != nil || g.Rule != tt.rule {
					t.Errorf("%+v, %v", g, err)
				}
				return
			}
			refused, ok := errors.AsType[*RefusedError](err)
			if !ok || !strings.Contains(err.Error(), tt.reason) || refused.Subject == "" {
				t.Errorf("%v", err)
			}
		})
	}
}

// long returns a token that k signed and that does not expire while a test moves its
// clock: those of the provider are valid for five minutes.
func long(t *testing.T, p *oidctest.Provider, k oidctest.Key) string {
	t.Helper()
	claims := p.Claims(map[string]any{"exp": time.Now().Add(24 * time.Hour).Unix()})
	return oidctest.Sign(t, map[string]any{"alg": "RS256", "kid": k.KeyID}, claims, k.RS256(t))
}

func TestForged(t *testing.T) {
	p := oidctest.Start(t)
	v := NewVerifier(configFor(t, p), time.Now)
	key := p.Signing()
	genuine := oidctest.Sign(t, map[string]any{"alg": "RS256", "kid": key.KeyID}, p.Claims(nil), key.RS256(t))
	if _, err := v.Verify(t.Context(), genuine); err != nil {
		t.Fatalf("the token that the others are made from is refused: %v", err)
	}
	forgeries := append(p.Forgeries(t), oidctest.Forgery{Name: "two parts", Token: "a.b", Reason: "three parts"})
	for _, f := range forgeries {
		t.Run(f.Name, func(t *testing.T) {
			g, err := v.Verify(t.Context(), f.Token)
			if !isRefused(err) || !strings.Contains(err.Error(), f.Reason) {
				t.Errorf("%+v, %v, want %q", g, err, f.Reason)
			}
			if err != nil && len(f.Token) > 20 && strings.Contains(err.Error(), f.Token) {
				t.Errorf("the error has the token: %v", err)
			}
			if strings.HasPrefix(f.Reason, "claim") && !strings.Contains(err.Error(), `rule "main": `+f.Reason) {
				t.Errorf("the error does not name the rule: %v", err)
			}
		})
	}
}

func TestRotation(t *testing.T) {
	p, c := oidctest.Start(t), &clock{}
	v := NewVerifier(configFor(t, p), c.now)
	first, second := p.Signing(), oidctest.NewKey(t, "second")
	byFirst, bySecond := long(t, p, first), long(t, p, second)
	if _, err := v.Verify(t.Context(), byFirst); err != nil {
		t.Fatal(err)
	}
	// The new key is known at once, and the old one counts until its tokens expire.
	p.Use(second, first, second)
	for _, token := range []string{p.Token(t), bySecond, byFirst} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
	}
	// A withdrawn key is refused after freshKeys, also where no new key ID appears.
	p.Use(second, second)
	c.forward(freshKeys + time.Second)
	if _, err := v.Verify(t.Context(), byFirst); !isRefused(err) {
		t.Errorf("a token of a withdrawn key: %v", err)
	}
	if _, err := v.Verify(t.Context(), bySecond); err != nil {
		t.Error(err)
	}
}

func TestIssuerDown(t *testing.T) {
	p, c := oidctest.Start(t), &clock{}
	token := long(t, p, p.Signing())
	p.Down.Store(true)
	v := NewVerifier(configFor(t, p), c.now)
	if _, err := v.Verify(t.Context(), token); !isUnavailable(err) {
		t.Errorf("without keys: %v", err)
	}
	p.Down.Store(false)
	c.forward(retryMissing)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("after the issuer came back: %v", err)
	}
	// Keys that were fetched before go on to count for a while.
	p.Down.Store(true)
	c.forward(freshKeys + time.Second)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("with keys of %s: %v", freshKeys, err)
	}
	c.forward(oldestKeys)
	if _, err := v.Verify(t.Context(), token); !isUnavailable(err) {
		t.Errorf("with keys that are too old: %v", err)
	}
}

// Tokens with unknown key IDs cannot make the service flood the issuer, nor keep
// others out.
func TestUnknownKeysAreBounded(t *testing.T) {
	p := oidctest.Start(t)
	v := NewVerifier(configFor(t, p), time.Now)
	good, stranger := p.Token(t), oidctest.NewKey(t, "other")
	claims := map[string]any{"iss": p.URL, "aud": audience, "sub": "x", "exp": time.Now().Add(time.Hour).Unix()}
	for range 200 {
		token := oidctest.Sign(t, map[string]any{"alg": "RS256", "kid": rand.Text()}, claims, stranger.RS256(t))
		if _, err := v.Verify(t.Context(), token); err == nil {
			t.Fatal("a stranger's token was accepted")
		}
	}
	if n := p.Fetches.Load(); n > 10 {
		t.Errorf("the keys were fetched %d times", n)
	}
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Errorf("a good token meanwhile: %v", err)
	}
	// The configuration can still be read, when the keys have become too old.
	i := v.issuers[p.URL]
	i.fetched = i.fetched.Add(-oldestKeys)
	if _, err := i.current(t.Context()); err != nil {
		t.Errorf("the configuration meanwhile: %v", err)
	}
}

// While an issuer fails, tokens do not cause a request each.
func TestFailedDiscoveryIsShared(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	c := &clock{}
	v := NewVerifier(Config{Issuers: []Issuer{{URL: server.URL, Audience: audience, Rules: []Rule{{Name: "r"}}}}}, c.now)
	token := oidctest.Sign(t, map[string]any{"alg": "RS256"}, map[string]any{"iss": server.URL}, func(string) []byte { return []byte("x") })
	for round := range int64(2) {
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := v.Verify(t.Context(), token); !isUnavailable(err) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := asked.Load(); n != round+1 {
			t.Errorf("round %d: the issuer was asked %d times", round, n)
		}
		c.forward(retryMissing)
	}
}

// An issuer whose answers are broken, endless or lead elsewhere grants nothing.
func TestHostileIssuer(t *testing.T) {
	var mode string
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch mode {
		case "endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		case "redirect":
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		case "other issuer":
			json.NewEncoder(w).Encode(map[string]string{"issuer": "https://other.example", "jwks_uri": server.URL})
		case "keys in the clear":
			json.NewEncoder(w).Encode(map[string]string{"issuer": server.URL, "jwks_uri": "http://keys.example/"})
		case "html":
			io.WriteString(w, "<html>")
		}
	}))
	defer server.Close()
	for _, mode = range []string{"endless", "redirect", "other issuer", "keys in the clear", "html"} {
		c := Config{Issuers: []Issuer{{URL: server.URL, Audience: audience, Rules: []Rule{{Name: "r"}}}}}
		claims := map[string]any{"iss": server.URL, "aud": audience, "sub": "x", "exp": time.Now().Add(time.Hour).Unix()}
		token := oidctest.Sign(t, map[string]any{"alg": "RS256", "kid": "x"}, claims, func(string) []byte { return []byte("x") })
		if g, err := NewVerifier(c, time.Now).Verify(t.Context(), token); !isUnavailable(err) {
			t.Errorf("%s: %+v, %v", mode, g, err)
		}
	}
}

func isRefused(err error) bool {
	_, ok := errors.AsType[*RefusedError](err)
	return ok
}

func isUnavailable(err error) bool {
	_, ok := errors.AsType[*UnavailableError](err)
	return ok
}
