package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/assayd"
	"assay/check/testkit/oidctest"
)

// A pipeline exchanges the JWT of its platform for a token with one line of curl, and
// scans with it.
func TestSignIn(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil { // the documentation shows its command line
		testkit.Missing(t, "curl: apt-get install curl")
	}
	provider := oidctest.Start(t)
	rules := filepath.Join(t.TempDir(), "oidc.yaml")
	err := os.WriteFile(rules, fmt.Appendf(nil, `issuers:
  - issuer: %s
    audience: %s
    rules:
      - name: payments
        claims:
          repository: acme/payments
          ref: [refs/heads/main, refs/tags/*]
        project: "{repository}"
`, provider.URL, oidctest.Audience), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	config := assayd.Config{Binary: filepath.Join(bin, "assayd"), Data: data, Flags: []string{"--oidc", rules}}
	if err := config.Import(t.Context(), sampleAdvisories); err != nil {
		t.Fatal(err)
	}
	s, err := config.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	curl := func(jwt string, args ...string) (string, error) {
		cmd := exec.Command("curl", append([]string{"-fsS", "-X", "POST", "-H", "Authorization: Bearer " + jwt, s.URL + "/api/v1/token"}, args...)...)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	jwt := provider.Token(t)
	token, err := curl(jwt, "-H", "Accept: text/plain")
	if err != nil {
		t.Fatalf("curl: %v: %s\n%s", err, token, s.Log())
	}
	answer, err := curl(jwt)
	var got struct {
		Token, Project string
		Scopes         []string
	}
	if err != nil || json.Unmarshal([]byte(answer), &got) != nil || got.Token == "" || got.Token == token || got.Project != "acme/payments" || fmt.Sprint(got.Scopes) != "[scan]" {
		t.Errorf("curl: %v: %s", err, answer)
	}
	scan := func(token string) (int, string) {
		out, err := exec.Command(filepath.Join(bin, "assay"), token, "--root", sampleRoot, "--server", s.URL).CombinedOutput()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return exit.ExitCode(), string(out)
		}
		return 0, string(out)
	}
	if code, out := scan(token); code != 4 {
		t.Errorf("a scan with the exchanged token ends with %d:\n%s", code, out)
	}
	// The JWT is a bearer token itself, for its project only.
	inventory := debianInventory(t)
	direct := served{url: s.URL, token: jwt, inventory: inventory}
	v, err := direct.scan(t.Context())
	if err != nil || len(v.Findings) == 0 {
		t.Errorf("a scan with the JWT: %d findings, %v", len(v.Findings), err)
	}
	if code, text := direct.get(t, "/api/v1/scans/"+v.Scan); code != http.StatusOK {
		t.Errorf("its scan: %d %.200s", code, text)
	}

	// Claims that only look like those of the rule.
	for _, claims := range []map[string]any{
		{"repository": "acme/payments-evil", "ref": "refs/heads/main"},
		{"repository": "acme/payments", "ref": "refs/heads/feature"},
		{"repository": []string{"acme/payments"}, "ref": "refs/heads/main"},
	} {
		provider.SetClaims(claims)
		other := provider.Token(t)
		if out, err := curl(other); err == nil {
			t.Errorf("%v got %s", claims, out)
		}
		refused := served{url: s.URL, token: other, inventory: inventory}
		if status, _, body := refused.post(t, ""); status != http.StatusUnauthorized || strings.Contains(string(body), "payments") {
			t.Errorf("%v: %d %s", claims, status, body)
		}
	}
	resp, err := http.Post(s.URL+"/api/v1/token", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a JWT: %d, %v", resp.StatusCode, err)
	}
	resp.Body.Close()
	log := s.Log()
	for _, want := range []string{"signed in", "rule=payments", `rule \"payments\": claim \"repository\" is \"acme/payments-evil\"`, "repo:acme/payments:ref:refs/heads/main"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	for _, secret := range []string{token, jwt, got.Token} {
		if strings.Contains(log, secret) {
			t.Error("the log has a secret")
		}
	}

	// Revoking the token of the rule ends all that was exchanged, and further exchange.
	out, err := exec.Command(config.Binary, "token", "revoke", "oidc payments acme/payments", "--data", data).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if code, out := scan(token); code != 3 {
		t.Errorf("a scan with a revoked token ends with %d:\n%s", code, out)
	}
	if out, err := curl(jwt); err == nil {
		t.Errorf("a revoked rule gives %s", out)
	}
	if _, err := direct.scan(t.Context()); err == nil {
		t.Error("a JWT of a revoked rule scans")
	}
}
