// Package oidctest runs a real OpenID provider within a test.
package oidctest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Audience is whom the tokens are for.
const Audience = "https://assay.example.com"

// A Provider is a real OpenID provider, github.com/zitadel/oidc, whose keys the test
// can rotate and withdraw.
type Provider struct {
	*storage.Storage
	URL     string
	Fetches atomic.Int64 // of the key set
	Down    atomic.Bool  // answer with 503

	mu      sync.Mutex
	signing Key
	public  []Key
	claims  map[string]any
}

// A Key signs tokens.
type Key struct {
	KeyID   string
	Private *rsa.PrivateKey
}

// ID, Key and SignatureAlgorithm implement op.SigningKey.
func (k signingKey) ID() string                                  { return k.of.KeyID }
func (k signingKey) Key() any                                    { return k.of.Private }
func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

type signingKey struct{ of Key }

type public struct{ signingKey }

func (p public) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (p public) Use() string                        { return "sig" }
func (p public) Key() any                           { return &p.of.Private.PublicKey }

// NewKey makes a key.
func NewKey(t testing.TB, id string) Key {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return Key{id, private}
}

func (p *Provider) SigningKey(context.Context) (op.SigningKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return signingKey{p.signing}, nil
}

func (p *Provider) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

func (p *Provider) KeySet(context.Context) ([]op.Key, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var keys []op.Key
	for _, k := range p.public {
		keys = append(keys, public{signingKey{k}})
	}
	return keys, nil
}

// Use makes the provider sign with signing and publish keys.
func (p *Provider) Use(signing Key, keys ...Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signing, p.public = signing, keys
}

type jwtClient struct{ op.Client }

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func (p *Provider) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	c, err := p.Storage.ClientCredentials(ctx, id, secret)
	return jwtClient{c}, err
}

func (p *Provider) ClientCredentialsTokenRequest(_ context.Context, _ string, scopes []string) (op.TokenRequest, error) {
	return &zitadel.JWTTokenRequest{Subject: "repo:acme/payments:ref:refs/heads/main", Audience: []string{Audience}, Scopes: scopes}, nil
}

func (p *Provider) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.claims, nil
}

// Signing returns the key that signs now.
func (p *Provider) Signing() Key {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signing
}

// SetClaims sets the claims of the tokens that are issued from now on.
func (p *Provider) SetClaims(claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims = claims
}

// Start starts a provider whose tokens are for Audience. It ends with the test.
func Start(t testing.TB) *Provider {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{URL: "http://" + l.Addr().String() + "/"}
	p.Storage = storage.NewStorage(storage.NewUserStore(p.URL))
	p.claims = map[string]any{
		"repository": "acme/payments", "ref": "refs/heads/main", "repository_id": 74_000_000_000_000_001,
		"kubernetes.io": map[string]any{"namespace": "ci", "serviceaccount": map[string]any{"name": "builder"}},
	}
	first := NewKey(t, "first")
	p.Use(first, first)
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the provider logs each request
	handler := exampleop.SetupServer(p.URL, p, nil, false)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.Down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path == "/keys" {
			p.Fetches.Add(1)
		}
		handler.ServeHTTP(w, r)
	})}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done })
	return p
}

// Token asks the provider for a token as a pipeline does.
func (p *Provider) Token(t testing.TB) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}, "client_id": {"sid1"}, "client_secret": {"verysecret"}}
	resp, err := http.PostForm(p.URL+"oauth/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(b, &answer); err != nil || answer.Token == "" {
		t.Fatalf("%s: %s", resp.Status, b)
	}
	return answer.Token
}
