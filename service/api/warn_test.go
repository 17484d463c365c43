package api_test

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
	"time"

	"assay/remote/token"
	"assay/service/store"
)

// A token that ends within 30 days gets a warning with the verdict. It changes neither the
// decision nor what is stored.
func TestExpiryWarning(t *testing.T) {
	r := newRig(t, nil)
	const day = 24 * time.Hour
	doc := document(t)
	_, body := r.do("POST", "/api/v1/scans", r.token(store.Token{Name: "calm"}), doc)
	calm := decodeVerdict(t, body)
	for _, tt := range []struct {
		name    string
		expires time.Duration // zero: never
		text    string        // empty: no warning
		hint    string
	}{
		{"never", 0, "", ""},
		{"later", 30*day + time.Second, "", ""},
		{"ci", 30 * day, `the token "ci" expires on 2026-12-24 (in 30 days)`, "assayd token rotate ci makes a new one; store it in place of the old one"},
		{"two", 47 * time.Hour, `the token "two" expires on 2026-11-26 (in 1 day)`, "assayd token rotate two makes"},
		{"$(rm) x", time.Minute, `the token "$(rm) x" expires on 2026-11-24 (in less than a day)`, "assayd token rotate NAME makes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := store.Token{Name: tt.name}
			if tt.expires != 0 {
				token.Expires = now.Add(tt.expires)
			}
			secret := r.token(token)
			for range 2 { // the second answer is the stored scan
				resp, body := r.do("POST", "/api/v1/scans", secret, doc, "Idempotency-Key", "k")
				v := decodeVerdict(t, body)
				if resp.StatusCode != http.StatusOK || v.Decision.Outcome != calm.Decision.Outcome || v.Decision.Code != calm.Decision.Code {
					t.Errorf("%s: decision %+v, want %+v", resp.Status, v.Decision, calm.Decision)
				}
				switch {
				case tt.text == "" && len(v.Warnings) == 0:
				case len(v.Warnings) != 1 || v.Warnings[0].Text != tt.text || !strings.HasPrefix(v.Warnings[0].Hint, tt.hint):
					t.Errorf("warnings %+v, want %q", v.Warnings, tt.text)
				}
				if _, stored := r.do("GET", "/api/v1/scans/"+v.Scan, secret, nil); strings.Contains(stored, "warnings") {
					t.Errorf("stored: %s", stored)
				}
			}
		})
	}
}

// A derived or exchanged token for one build ends soon, which is not worth a warning.
func TestNoWarningForDerivedTokens(t *testing.T) {
	r := newRig(t, nil)
	parent := store.Token{ID: "parent", Name: "rule", Scopes: []string{"scan", "read"}, Created: now}
	if err := r.store.CreateToken(t.Context(), parent, [32]byte{1}, store.Event{}); err != nil {
		t.Fatal(err)
	}
	for _, scopes := range [][]string{nil, parent.Scopes} {
		secret, err := token.New(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.store.DeriveToken(t.Context(), parent.ID, token.Hash(secret), scopes, now, now.Add(2*time.Hour)); err != nil {
			t.Fatal(err)
		}
		resp, body := r.do("POST", "/api/v1/scans", secret, document(t))
		if resp.StatusCode != http.StatusOK || strings.Contains(body, "warnings") {
			t.Errorf("scopes %q: %s %s", scopes, resp.Status, body)
		}
	}
}
