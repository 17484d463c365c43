package oidc

import (
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
)

func TestParseErrors(t *testing.T) {
	const rule = "\n    rules:\n      - name: r\n        claims: {repository: acme/app}\n"
	const head = "issuers:\n  - issuer: https://ci.example\n    audience: a"
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "no issuers"},
		{"no issuers", "issuers: []", "no issuers"},
		{"unknown key", head + "\n    audiences: b" + rule, `line 4: unknown key "audiences"`},
		{"unknown key of a rule", head + rule + "        claim: {ref: x}\n", `unknown key "claim"`},
		{"two documents", head + rule + "---\nissuers: []\n", "more than one"},
		{"no audience", "issuers:\n  - issuer: https://ci.example" + rule, "no audience"},
		{"plain http", "issuers:\n  - issuer: http://ci.example\n    audience: a" + rule, "must begin with https"},
		{"a password in the URL", "issuers:\n  - issuer: https://u:p@ci.example\n    audience: a" + rule, "https://HOST"},
		{"twice", head + rule + "  - issuer: https://ci.example\n    audience: a" + strings.Replace(rule, "name: r", "name: s", 1), "named twice"},
		{"no rules", head, "no rules"},
		{"no claims", head + "\n    rules: [{name: r}]", "no claims"},
		{"empty pattern", head + "\n    rules: [{name: r, claims: {ref: []}}]", "empty pattern"},
		{"no name", head + "\n    rules: [{claims: {ref: x}}]", "invalid name"},
		{"unknown scope", head + rule + "        scopes: [root]\n", `invalid scope "root"`},
		{"scope that is not allowed", head + rule + "        scopes: [admin]\n", `invalid scope "admin": want one of: scan, read`},
		{"project of an unmatched claim", head + rule + "        project: '{owner}'\n", `claim "owner"`},
		{"unbalanced brace", head + rule + "        project: '{repository'\n", "brace"},
		{"missing CA", head + "\n    ca: none.pem" + rule, "none.pem"},
	} {
		if _, err := parse([]byte(tt.text), t.TempDir(), []string{"scan", "read"}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// The file in docs/ci.md is valid, and its rules match the claims that the platforms document.
func TestDocumentedConfig(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", "ci.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(doc), "```yaml\n# assayd serve --oidc oidc.yaml\n")
	text, _, closed := strings.Cut(text, "```")
	if !found || !closed {
		t.Fatal("docs/ci.md has no such file")
	}
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	const inPod = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
	c, err := parse([]byte(strings.Replace(text, inPod, ca, 1)), t.TempDir(), []string{"scan", "read", "admin"})
	if err != nil || len(c.Issuers) != 3 {
		t.Fatalf("%d issuers, %v", len(c.Issuers), err)
	}
	for i, tt := range []struct{ claims, project string }{
		{`{"iss":"https://token.actions.githubusercontent.com","sub":"repo:acme/shop:ref:refs/heads/main","repository":"acme/shop",
			"repository_id":"74","repository_owner":"acme","ref":"refs/heads/main","ref_type":"branch","runner_environment":"github-hosted"}`, "acme/shop"},
		{`{"iss":"https://gitlab.example.com","sub":"project_path:acme/shop:ref_type:branch:ref:main","project_id":"20","project_path":"acme/shop",
			"ref":"main","ref_type":"branch","ref_path":"refs/heads/main","ref_protected":"true"}`, "acme/shop"},
		{`{"iss":"https://kubernetes.default.svc","sub":"system:serviceaccount:ci:builder","kubernetes.io":{"namespace":"ci",
			"pod":{"name":"build-1","uid":"x"},"serviceaccount":{"name":"builder","uid":"y"}}}`, "platform"},
	} {
		var claims map[string]any
		if err := json.Unmarshal([]byte(tt.claims), &claims); err != nil {
			t.Fatal(err)
		}
		if claims["iss"] != c.Issuers[i].URL {
			t.Errorf("issuer %q, want %q", c.Issuers[i].URL, claims["iss"])
		}
		got, err := c.Issuers[i].match(claims)
		if err != nil || got.Project != tt.project || !slices.Equal(got.Scopes, []string{"scan"}) {
			t.Errorf("%s: %+v, %v", c.Issuers[i].URL, got, err)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		pattern, value string
		want           bool
	}{
		{"a", "a", true}, {"a", "A", false}, {"a", "ab", false}, {"", "", true},
		{"*", "", true}, {"*", "a.b", true}, {"*", "a/b", false}, {"*/*", "a/b", true},
		{"a*b*c", "aXbYc", true}, {"a*b*c", "aXc", false}, {"a?", "ab", false}, {"[a]", "a", false},
		{"acme/*", "acme/", true}, {"acme/*", "acme", false}, {"*main", "x/main", false},
		{"a*/*a", "ab/ca", true}, {"a*a", "a", false}, {"*ab*b", "aabb", true}, {"*ab*b", "ab/b", false},
		{strings.Repeat("*a", 30) + "b", strings.Repeat("a", 1000), false}, // does not take for ever
	} {
		if got := matches(tt.pattern, tt.value); got != tt.want {
			t.Errorf("matches(%q, %q) = %v", tt.pattern, tt.value, got)
		}
	}
}

// A project that the claims make empty would be every project.
func TestProject(t *testing.T) {
	r := Rule{Name: "r", Claims: map[string]Patterns{"head_ref": {"*"}, "ref": {"*"}}, Project: "{head_ref}"}
	for value, ok := range map[string]bool{"main": true, "": false, "a\x00": false, "a\nb": false, strings.Repeat("x", 1001): false} {
		got, err := r.match(map[string]any{"head_ref": value, "ref": "x"})
		if (err == nil) != ok || ok && got.Project != value {
			t.Errorf("head_ref %.20q: %.100v, %.200v", value, got, err)
		}
	}
	r.Project = ""
	if got, err := r.match(map[string]any{"head_ref": "", "ref": "x"}); err != nil || got.Project != "" {
		t.Errorf("a rule for every project: %v, %v", got, err)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte("issuers:\n  - issuer: https://ci.example\n    audience: a\n    rules: [{name: r, claims: {ref: x}}]\n"))
	f.Add([]byte("a: &a [*a, *a]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parse(b, t.TempDir(), []string{"scan"})
		if err == nil && (len(c.Issuers) == 0 || c.Issuers[0].Audience == "" || len(c.Issuers[0].Rules) == 0) {
			t.Errorf("accepted: %+v", c)
		}
	})
}
