package api_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"assay/check/testkit/oidctest"
	"assay/service/httpserver"
	"assay/service/oidc"
	"assay/service/signin"
)

// signInRig returns a service that accepts the JWTs of a provider by one rule.
func signInRig(t *testing.T, p *oidctest.Provider, scopes string, clock func() time.Time) *rig {
	t.Helper()
	path := filepath.Join(t.TempDir(), "oidc.yaml")
	rules := fmt.Sprintf(`issuers:
  - issuer: %s
    audience: %s
    rules:
      - {name: main, claims: {repository: acme/*, ref: refs/heads/main}, project: "{repository}", scopes: %s}
`, p.URL, oidctest.Audience, scopes)
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	trusted, err := oidc.ReadConfig(path, httpserver.Scopes())
	if err != nil {
		t.Fatal(err)
	}
	return newRig(t, func(c *config) {
		in := signin.New(oidc.NewVerifier(trusted, time.Now), c.API.Store.(signin.Tokens), time.Now)
		c.API.Now, c.API.SignIn, c.Server.SignIn = clock, in, in
	})
}

// exchange exchanges a JWT, as the curl command in docs/ci.md does.
func (r *rig) exchange(jwt string) string {
	r.t.Helper()
	resp, body := r.do("POST", "/api/v1/token", jwt, nil, "Accept", "text/plain")
	if resp.StatusCode != http.StatusOK {
		r.t.Fatalf("exchange: %s %s", resp.Status, body)
	}
	return strings.TrimSpace(body)
}

// A forged JWT is refused in both places where one is accepted. The answer says nothing about
// the rules, and the log says why it was refused.
func TestForgedJWT(t *testing.T) {
	p := oidctest.Start(t)
	var later atomic.Int64 // the log has a limited number of lines in a minute
	r := signInRig(t, p, "[scan]", func() time.Time { return time.Now().Add(time.Duration(later.Load())) })
	for _, f := range p.Forgeries(t) {
		t.Run(f.Name, func(t *testing.T) {
			later.Add(int64(10 * time.Minute))
			before := r.log.Len()
			for _, request := range [][2]string{{"POST", "/api/v1/token"}, {"POST", "/api/v1/scans"}, {"GET", "/api/v1/token"}} {
				resp, body := r.do(request[0], request[1], f.Token, nil)
				if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "this JWT is not accepted") || strings.Contains(body, "acme") {
					t.Errorf("%s: %s %s", request, resp.Status, body)
				}
			}
			log := strings.ReplaceAll(r.log.String()[before:], `\"`, `"`)
			if strings.Count(log, "sign-in refused") != 3 || !strings.Contains(log, f.Reason) {
				t.Errorf("the log lacks %q:\n%s", f.Reason, log)
			}
			if strings.HasPrefix(f.Reason, "claim") && !strings.Contains(log, `rule "main": claim`) {
				t.Errorf("the log does not say which rule:\n%s", log)
			}
			if len(f.Token) > 20 && strings.Contains(log, f.Token) {
				t.Errorf("the log has the JWT:\n%s", log)
			}
		})
	}
}

// A JWT and the token that it is exchanged for have the same rights: the scopes of the
// rule, in the project of the rule.
func TestJWTAsBearer(t *testing.T) {
	p := oidctest.Start(t)
	r := signInRig(t, p, "[scan]", time.Now)
	jwt := p.Token(t)
	secrets := map[string]string{"the JWT": jwt, "the exchanged token": r.exchange(jwt)}
	for name, secret := range secrets {
		if resp, body := r.do("GET", "/api/v1/token", secret, nil); resp.StatusCode != http.StatusOK ||
			!strings.Contains(body, `"name":"oidc main acme/payments","scopes":["scan"],"project":"acme/payments","expires":"`) {
			t.Errorf("%s is described as %s %s", name, resp.Status, body)
		}
		resp, body := r.do("POST", "/api/v1/scans", secret, document(t))
		v := decodeVerdict(t, body)
		if resp.StatusCode != http.StatusOK || v.Options.Project != "acme/payments" || len(v.Warnings) != 0 {
			t.Errorf("%s scans: %s %s", name, resp.Status, body)
		}
		for other, reader := range secrets { // of the same rule and project
			if resp, _ := r.do("GET", "/api/v1/scans/"+v.Scan, reader, nil); resp.StatusCode != http.StatusOK {
				t.Errorf("%s reads the scan of %s: %s", other, name, resp.Status)
			}
		}
		p.SetClaims(map[string]any{"repository": "acme/shop", "ref": "refs/heads/main"})
		if resp, _ := r.do("GET", "/api/v1/scans/"+v.Scan, p.Token(t), nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("another project reads it: %s", resp.Status)
		}
		for _, path := range []string{"/api/v1/tokens", "/api/v1/audit"} {
			if resp, _ := r.do("GET", path, secret, nil); resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s without scope admin gets %s: %s", name, path, resp.Status)
			}
		}
		if resp, _ := r.do("POST", "/api/v1/token", secrets["the exchanged token"], nil); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("an exchanged token was exchanged again: %s", resp.Status)
		}
	}
}

// The scopes of the rule decide what a JWT may do.
func TestScopesOfRule(t *testing.T) {
	p := oidctest.Start(t)
	read := signInRig(t, p, "[read]", time.Now)
	secret := read.exchange(p.Token(t))
	if resp, _ := read.do("POST", "/api/v1/scans", secret, document(t)); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a scan with scope read: %s", resp.Status)
	}
	admin := signInRig(t, p, "[admin]", time.Now)
	for _, secret := range []string{p.Token(t), admin.exchange(p.Token(t))} {
		name := fmt.Sprintf("ci%d", len(secret))
		made, _ := admin.manage("POST", "/api/v1/tokens", secret, `{"name":"`+name+`"}`, http.StatusCreated)
		if made.Project != "acme/payments" {
			t.Errorf("created %+v, want it in the project of the rule", made)
		}
		admin.manage("POST", "/api/v1/tokens", secret, `{"name":"x","project":"acme/shop"}`, http.StatusForbidden)
	}
}
