package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"assay/check/testkit"
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

// The lines of docs/ci.md for each platform are run as they are, against a real provider. Only
// the addresses differ, and the token is printed in place of a build.
func TestDocumentedLines(t *testing.T) {
	for _, program := range []string{"curl", "jq", "sh"} {
		if _, err := exec.LookPath(program); err != nil {
			testkit.Missing(t, "%s", program)
		}
	}
	p := oidctest.Start(t)
	r := signInRig(t, p, "[scan]", time.Now)
	github := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "Bearer of-the-job" || req.URL.Query().Get("api-version") != "2.0" || req.URL.Query().Get("audience") != oidctest.Audience {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"count":1857,"value":%q}`, p.Token(t))
	}))
	defer github.Close()
	volume := t.TempDir()
	if err := os.WriteFile(filepath.Join(volume, "jwt"), []byte(p.Token(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", "ci.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "\n## Without a stored secret\n")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of lines, want those of GitHub, GitLab and Kubernetes", len(blocks))
	}
	build := regexp.MustCompile(`(?m)^(docker|buildah) build --secret id=assay_token,env=ASSAY_TOKEN \.$`)
	for i, block := range blocks {
		if !build.MatchString(block[1]) {
			t.Errorf("block %d builds nothing:\n%s", i, block[1])
		}
		lines := strings.NewReplacer("https://assay.example.com/", r.srv.URL+"/", "/var/run/secrets/assay", volume).Replace(block[1])
		lines = build.ReplaceAllString(lines, "printenv ASSAY_TOKEN")
		cmd := exec.Command("sh", "-euc", lines)
		cmd.Env = append(os.Environ(), "ASSAY_JWT="+p.Token(t),
			"ACTIONS_ID_TOKEN_REQUEST_TOKEN=of-the-job", "ACTIONS_ID_TOKEN_REQUEST_URL="+github.URL+"/?api-version=2.0")
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("block %d: %v\n%s\n%s", i, err, lines, out)
			continue
		}
		printed := strings.Fields(string(out))
		if resp, body := r.do("POST", "/api/v1/scans", printed[len(printed)-1], document(t)); resp.StatusCode != http.StatusOK {
			t.Errorf("a scan with the token of block %d: %s %s", i, resp.Status, body)
		}
	}
}
