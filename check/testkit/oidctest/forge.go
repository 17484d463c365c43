package oidctest

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Sign makes a JWT that the provider did not make.
func Sign(t testing.TB, header, claims map[string]any, signature func(input string) []byte) string {
	t.Helper()
	input := part(t, header) + "." + part(t, claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature(input))
}

func part(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// RS256 returns a signature by the key, for Sign.
func (k Key) RS256(t testing.TB) func(input string) []byte {
	return func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		signature, err := rsa.SignPKCS1v15(rand.Reader, k.Private, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
}

func hs256(secret []byte) func(string) []byte {
	return func(input string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
}

// Claims returns the claims of a token that is accepted if the key of the provider signs it,
// with changes. A nil removes a claim.
func (p *Provider) Claims(change map[string]any) map[string]any {
	claims := map[string]any{
		"iss": p.URL, "aud": Audience, "sub": "repo:acme/payments:ref:refs/heads/main",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		"repository": "acme/payments", "ref": "refs/heads/main",
	}
	for k, v := range change {
		if claims[k] = v; v == nil {
			delete(claims, k)
		}
	}
	return claims
}

// A Forgery is a token that must be refused.
type Forgery struct {
	Name, Token string
	Reason      string // part of what the log must say
}

// Forgeries returns tokens that differ in one thing from one that the provider would make
// for Claims.
func (p *Provider) Forgeries(t testing.TB) []Forgery {
	t.Helper()
	genuine, stranger := p.Signing(), NewKey(t, p.Signing().KeyID)
	now := time.Now()
	rs256 := map[string]any{"alg": "RS256", "kid": genuine.KeyID}
	signed := func(change map[string]any) string { return Sign(t, rs256, p.Claims(change), genuine.RS256(t)) }
	der, err := x509.MarshalPKIXPublicKey(&genuine.Private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	none := func(string) []byte { return nil }
	// A token of the provider itself, with another header or other claims.
	parts := strings.Split(p.Token(t), ".")
	const badAlg, badSignature, badAudience = "unexpected signature algorithm", "failed to verify signature", "expected audience"
	return []Forgery{
		{"alg none", Sign(t, map[string]any{"alg": "none"}, p.Claims(nil), none), badAlg},
		{"alg None with a key id", Sign(t, map[string]any{"alg": "None", "kid": genuine.KeyID}, p.Claims(nil), none), badAlg},
		{"alg none on a genuine token", part(t, map[string]any{"alg": "none"}) + "." + parts[1] + ".", badAlg},
		{"HS256 with the public key", Sign(t, map[string]any{"alg": "HS256", "kid": genuine.KeyID}, p.Claims(nil), hs256(public)), badAlg},
		{"HS256 with the public key in DER", Sign(t, map[string]any{"alg": "HS256", "kid": genuine.KeyID}, p.Claims(nil), hs256(der)), badAlg},
		{"HS256 with an empty key", Sign(t, map[string]any{"alg": "HS256"}, p.Claims(nil), hs256(nil)), badAlg},
		{"no alg", Sign(t, map[string]any{"kid": genuine.KeyID}, p.Claims(nil), genuine.RS256(t)), badAlg},
		{"alg of another family", Sign(t, map[string]any{"alg": "PS256", "kid": genuine.KeyID}, p.Claims(nil), genuine.RS256(t)), badSignature},
		{"a stranger's key with the id of the genuine one", Sign(t, rs256, p.Claims(nil), stranger.RS256(t)), badSignature},
		{"a key in the header", Sign(t, map[string]any{"alg": "RS256", "jwk": jose.JSONWebKey{Key: &stranger.Private.PublicKey}}, p.Claims(nil), stranger.RS256(t)), badSignature},
		{"an unknown key ID", Sign(t, map[string]any{"alg": "RS256", "kid": "other"}, p.Claims(nil), genuine.RS256(t)), badSignature},
		{"no signature", Sign(t, rs256, p.Claims(nil), none), badSignature},
		{"other claims in a genuine token", parts[0] + "." + part(t, p.Claims(map[string]any{"repository": "acme/other"})) + "." + parts[2], badSignature},
		{"another audience", signed(map[string]any{"aud": Audience + ".evil.example"}), badAudience},
		{"no audience", signed(map[string]any{"aud": nil}), badAudience},
		{"a list of other audiences", signed(map[string]any{"aud": []string{"a", "b"}}), badAudience},
		{"another issuer", signed(map[string]any{"iss": "https://token.actions.githubusercontent.com"}), `issuer "https://token.actions.githubusercontent.com" is not configured`},
		{"an issuer without its slash", signed(map[string]any{"iss": strings.TrimSuffix(p.URL, "/")}), "is not configured"},
		{"no issuer", signed(map[string]any{"iss": nil}), `issuer "" is not configured`},
		{"expired", signed(map[string]any{"exp": now.Add(-time.Minute).Unix()}), "token is expired"},
		{"no expiry", signed(map[string]any{"exp": nil}), "token is expired"},
		{"not yet valid", signed(map[string]any{"nbf": now.Add(time.Hour).Unix()}), "before the nbf (not before) time"},
		{"a longer repository", signed(map[string]any{"repository": "acme/payments-evil/x"}), `claim "repository" is "acme/payments-evil/x"`},
		{"a repository in another case", signed(map[string]any{"repository": "Acme/payments"}), `claim "repository" is "Acme/payments"`},
		{"a repository with a letter that looks the same", signed(map[string]any{"repository": "\u0430cme/payments"}), "claim \"repository\" is \"\u0430cme/payments\""},
		{"a list with the repository", signed(map[string]any{"repository": []string{"acme/payments"}}), `claim "repository" is neither`},
		{"another claim of that value", signed(map[string]any{"repository": nil, "Repository": "acme/payments"}), `claim "repository" is missing`},
		{"another branch", signed(map[string]any{"ref": "refs/heads/main-2"}), `claim "ref" is "refs/heads/main-2"`},
		{"too long", signed(map[string]any{"x": strings.Repeat("x", 16<<10)}), "more than 16384 bytes"},
		{"no JWT", "a.b.c", "decode the JWT"},
		{"empty parts", "..", "decode the claims"},
		{"claims that are a list", "e30." + base64.RawURLEncoding.EncodeToString([]byte(`[1]`)) + ".e30", "decode the claims"},
	}
}
