package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"assay/service/api"
	"assay/service/store"
)

// A tokenList is an answer about tokens.
type tokenList struct {
	Token string
	tokenItem
	Tokens, Revoked, Replaced []tokenItem
}

type tokenItem struct {
	ID, Name, Project, State string
	Scopes                   []string
	Expires, Used            time.Time
}

// manage sends a request about tokens and requires a status.
func (r *rig) manage(method, path, secret, body string, status int) (tokenList, string) {
	r.t.Helper()
	resp, text := r.do(method, path, secret, []byte(body))
	if resp.StatusCode != status {
		r.t.Errorf("%s %s %s: %s, want %d: %s", method, path, body, resp.Status, status, text)
	}
	var list tokenList
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		r.t.Fatalf("%v in %s", err, text)
	}
	return list, text
}

func TestManageTokens(t *testing.T) {
	var later atomic.Int64
	clock := func() time.Time { return now.Add(time.Duration(later.Load())) }
	r := newRig(t, func(c *config) { c.API.Now = clock })
	admin := r.token(store.Token{Name: "ops", Scopes: []string{"admin"}})

	made, _ := r.manage("POST", "/api/v1/tokens", admin, `{"name":"ci","project":"shop","expires":"90d"}`, http.StatusCreated)
	if made.Name != "ci" || made.Project != "shop" || len(made.Scopes) != 1 || made.Scopes[0] != "scan" || !made.Expires.Equal(now.Add(90*24*time.Hour)) {
		t.Errorf("created %+v", made)
	}
	scans := func(secret string, status int) {
		t.Helper()
		if resp, body := r.do("POST", "/api/v1/scans", secret, document(t)); resp.StatusCode != status {
			t.Errorf("a scan: %s, want %d: %s", resp.Status, status, body)
		}
	}
	scans(made.Token, http.StatusOK)

	later.Store(int64(time.Minute))
	next, _ := r.manage("POST", "/api/v1/tokens", admin, `{"name":"ci","rotate":true,"overlap":"2h","expires":"never"}`, http.StatusCreated)
	if next.Project != "shop" || !next.Expires.IsZero() || len(next.Replaced) != 1 || next.Replaced[0].ID != made.ID ||
		next.Replaced[0].State != "replaced" || !next.Replaced[0].Expires.Equal(clock().Add(2*time.Hour)) {
		t.Errorf("rotated %+v", next)
	}
	scans(made.Token, http.StatusOK)
	scans(next.Token, http.StatusOK)

	year, _ := r.manage("POST", "/api/v1/tokens", admin, `{"name":"oidc rule acme/app","scopes":["scan","read"]}`, http.StatusCreated)
	if !year.Expires.Equal(clock().Add(365 * 24 * time.Hour)) {
		t.Errorf("without a lifetime: %+v", year)
	}
	list, text := r.manage("GET", "/api/v1/tokens", admin, "", http.StatusOK)
	if len(list.Tokens) != 4 || list.Tokens[0].Used.IsZero() {
		t.Errorf("listed %s", text)
	}
	revoked, _ := r.manage("DELETE", "/api/v1/tokens/ci", admin, "", http.StatusOK)
	if len(revoked.Revoked) != 2 || revoked.Revoked[0].State != "revoked" {
		t.Errorf("revoked %+v", revoked)
	}
	scans(made.Token, http.StatusUnauthorized)
	scans(next.Token, http.StatusUnauthorized)
	r.manage("DELETE", "/api/v1/tokens/"+url.PathEscape("oidc rule acme/app"), admin, "", http.StatusOK)
	scans(year.Token, http.StatusUnauthorized)

	_, audit := r.manage("GET", "/api/v1/audit?limit=1000", admin, "", http.StatusOK)
	for _, want := range []string{
		`"actor":"token \"ops\" (`, `"action":"token.create","object":"ci","project":"shop","detail":"id ` + made.ID,
		`"action":"token.rotate","object":"ci","project":"shop","detail":"id ` + next.ID + `, never expires; ended ` + made.ID + `"`,
		`"action":"token.revoke","object":"ci","project":"shop"`,
	} {
		if !strings.Contains(audit, want) {
			t.Errorf("the audit trail lacks %s:\n%s", want, audit)
		}
	}
	for name, text := range map[string]string{"list": text, "audit trail": audit, "log": r.log.String()} {
		for _, secret := range []string{admin, made.Token, next.Token, year.Token} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s has a secret", name)
			}
		}
	}
}

// A token of a project with scope admin manages the tokens of that project, and nothing else.
func TestManageTokensOfProject(t *testing.T) {
	r := newRig(t, nil)
	all := r.token(store.Token{Name: "ops", Scopes: []string{"admin"}})
	shop := r.token(store.Token{Name: "shop-ops", Scopes: []string{"admin"}, Project: "shop"})
	for _, name := range []string{"web", "any"} {
		project := map[string]string{"web": "web"}[name]
		r.manage("POST", "/api/v1/tokens", all, fmt.Sprintf(`{"name":%q,"project":%q}`, name, project), http.StatusCreated)
	}
	made, _ := r.manage("POST", "/api/v1/tokens", shop, `{"name":"ci","scopes":["admin"]}`, http.StatusCreated)
	if made.Project != "shop" {
		t.Errorf("created %+v, want it in the project", made)
	}
	r.manage("POST", "/api/v1/tokens", shop, `{"name":"x","project":"web"}`, http.StatusForbidden)
	for _, name := range []string{"web", "any"} {
		r.manage("POST", "/api/v1/tokens", shop, `{"name":"`+name+`","rotate":true}`, http.StatusNotFound)
		r.manage("DELETE", "/api/v1/tokens/"+name, shop, "", http.StatusNotFound)
	}
	if list, text := r.manage("GET", "/api/v1/tokens", shop, "", http.StatusOK); len(list.Tokens) != 2 {
		t.Errorf("listed %s, want the two of the project", text)
	}
	if list, _ := r.manage("GET", "/api/v1/tokens", all, "", http.StatusOK); len(list.Tokens) != 5 || list.Tokens[2].State != "valid" {
		t.Errorf("tokens of other projects: %+v", list.Tokens)
	}
	_, web := r.manage("GET", "/api/v1/audit", r.token(store.Token{Name: "web-ops", Scopes: []string{"admin"}, Project: "web"}), "", http.StatusOK)
	if strings.Contains(web, "shop") || !strings.Contains(web, `"object":"web"`) {
		t.Errorf("an admin of another project wrote into the audit trail: %s", web)
	}
	// A name that is taken does not show who has it.
	tokens, _ := r.manage("GET", "/api/v1/tokens", all, "", http.StatusOK)
	r.manage("POST", "/api/v1/tokens", shop, `{"name":"web"}`, http.StatusConflict)
	// The trail of the project does not show others.
	_, audit := r.manage("GET", "/api/v1/audit", shop, "", http.StatusOK)
	for _, other := range tokens.Tokens {
		if other.Project != "shop" && strings.Contains(audit, other.ID) {
			t.Errorf("the audit trail of the project shows the token %q of others: %s", other.Name, audit)
		}
	}
	if n := strings.Count(audit, `"action":"token.revoke","object":"web","project":"shop","detail":"not found","refused":true`); n != 1 {
		t.Errorf("%d refused revocations in %s", n, audit)
	}
	if !strings.Contains(audit, `"object":"ci","project":"shop"`) || strings.Contains(audit, `token \"ops`) || strings.Contains(audit, "another project") {
		t.Errorf("the audit trail of the project: %s", audit)
	}
}

func TestManageTokensRefused(t *testing.T) {
	r := newRig(t, nil)
	admin := r.token(store.Token{Name: "ops", Scopes: []string{"admin"}})
	for _, tt := range []struct {
		name, body string
		status     int
		text       string
	}{
		{"no name", `{}`, 400, "the name is missing"},
		{"control character", `{"name":"a\nb"}`, 400, "not visible"},
		{"long name", `{"name":"` + strings.Repeat("x", 201) + `"}`, 400, "longer than 200 bytes"},
		{"unknown scope", `{"name":"x","scopes":["root"]}`, 400, `unknown scope \"root\"`},
		{"no scopes", `{"name":"x","scopes":[]}`, 400, "no scopes"},
		{"taken name", `{"name":"ops"}`, 409, `a valid token has the name \"ops\"`},
		{"misspelled field", `{"name":"x","expire":"1d"}`, 400, "unknown field"},
		{"invalid lifetime", `{"name":"x","expires":"tomorrow"}`, 400, "invalid expires"},
		{"no lifetime", `{"name":"x","expires":"0s"}`, 400, "invalid expires"},
		{"overlap without rotation", `{"name":"x","overlap":"1h"}`, 400, "overlap without rotate"},
		{"rotation with scopes", `{"name":"ops","rotate":true,"scopes":["scan"]}`, 400, "keeps the scopes"},
		{"rotation of nothing", `{"name":"x","rotate":true}`, 404, `no token \"x\"`},
		{"two values", `{"name":"x"}{}`, 400, "more than one"},
		{"not JSON", `name=x`, 400, "invalid JSON"},
		{"a token as the name", `{"name":"` + admin + `"}`, 400, "looks like a token"},
		{"a token as the name of a rotation", `{"name":"` + admin + `","rotate":true}`, 400, "looks like a token"},
		{"too large", `{"name":"` + strings.Repeat("x", 70_000) + `"}`, 413, "larger than 64 KiB"},
	} {
		if _, text := r.manage("POST", "/api/v1/tokens", admin, tt.body, tt.status); !strings.Contains(text, tt.text) || !strings.Contains(text, `"hint":"`) {
			t.Errorf("%s: %s, want %q", tt.name, text, tt.text)
		}
	}
	if resp, _ := r.do("POST", "/api/v1/tokens", admin, []byte(`{"name":"x"}`), "Content-Type", "text/plain"); resp.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("another content type: %s", resp.Status)
	}
	for _, bad := range []string{"since=yesterday", "before=x", "limit=0", "limit=1001"} {
		r.manage("GET", "/api/v1/audit?"+bad, admin, "", http.StatusBadRequest)
	}

	for _, secret := range []string{admin, admin[:len(admin)-4]} {
		r.manage("DELETE", "/api/v1/tokens/"+secret, admin, "", http.StatusBadRequest)
	}
	r.manage("DELETE", "/api/v1/tokens/nobody", admin, "", http.StatusNotFound)

	scan := r.token(store.Token{Name: "build", Scopes: []string{"scan", "read"}})
	for range 15 {
		r.manage("POST", "/api/v1/tokens", scan, `{"name":"x"}`, http.StatusForbidden)
	}
	r.manage("DELETE", "/api/v1/tokens/ops", scan, "", http.StatusForbidden)
	r.manage("GET", "/api/v1/tokens", scan, "", http.StatusForbidden)
	r.manage("GET", "/api/v1/audit", scan, "", http.StatusForbidden)
	r.manage("POST", "/api/v1/tokens", "", `{"name":"x"}`, http.StatusUnauthorized)
	_, audit := r.manage("GET", "/api/v1/audit", admin, "", http.StatusOK)
	if n := strings.Count(audit, `"actor":"token \"build\" (`); n != 10 {
		t.Errorf("%d refusals of the token without scope admin are in the trail, want the first 10:\n%s", n, audit)
	}
	if n := strings.Count(audit, `"actor":"token \"ops\" (`); n != 10 || strings.Count(audit, `"refused":true`) != 20 {
		t.Errorf("%d refusals of the admin, want 10:\n%s", n, audit)
	}
	if strings.Contains(audit+r.log.String(), admin[:len(admin)-4]) {
		t.Error("a token that was sent as a name is in the audit trail or the log")
	}
	first, _ := r.do("GET", "/api/v1/audit?since=2026-11-25", admin, nil)
	if first.StatusCode != http.StatusOK {
		t.Errorf("since a date: %s", first.Status)
	}
}

// Text of a request does not deceive who reads a list or the audit trail, and a token that
// was sent in a wrong field does not get there.
func TestManageTokensDeceptive(t *testing.T) {
	r := newRig(t, nil)
	admin := r.token(store.Token{Name: "ops", Scopes: []string{"admin"}})
	for _, body := range []string{
		`{"name":"ops\u202e"}`, `{"name":"o\u200bps"}`, `{"name":"ops "}`, `{"name":"a\u2028b"}`, `{"name":"a\u00a0b"}`, `{"name":"\u001b[31m"}`,
		`{"name":"x","project":"shop\u202e"}`,
		`{"name":"x","project":"` + admin + `"}`, `{"name":"x","scopes":[" ` + admin + `"]}`,
	} {
		r.manage("POST", "/api/v1/tokens", admin, body, http.StatusBadRequest)
	}
	r.manage("DELETE", "/api/v1/tokens/"+url.PathEscape(" "+admin), admin, "", http.StatusBadRequest)
	other := r.token(store.Token{Name: "other-ops", Scopes: []string{"admin"}})
	r.manage("DELETE", "/api/v1/tokens/"+url.PathEscape("x\u202e"), other, "", http.StatusNotFound)
	r.manage("DELETE", "/api/v1/tokens/nobody", other, "", http.StatusNotFound)
	made, _ := r.manage("POST", "/api/v1/tokens", other, `{"name":"ci","scopes":["scan","read","scan","scan"]}`, http.StatusCreated)
	if len(made.Scopes) != 2 {
		t.Errorf("repeated scopes are kept: %v", made.Scopes)
	}
	_, audit := r.manage("GET", "/api/v1/audit", admin, "", http.StatusOK)
	if strings.Contains(audit+r.log.String(), admin) {
		t.Error("the audit trail or the log has a token")
	}
	if strings.Contains(audit, "\u202e") || strings.Contains(audit, `\u202e`) {
		t.Errorf("the audit trail has a character that is not visible: %s", audit)
	}
	if n := strings.Count(audit, `"action":"token.revoke"`); n != 3 || !strings.Contains(audit, `"object":"nobody"`) {
		t.Errorf("%d refused revocations are in the audit trail, want 3: %s", n, audit)
	}
}

// A trailless store cannot write the audit trail.
type trailless struct{ api.Store }

func (trailless) AddEvent(context.Context, store.Event) error { return errors.New("disk full") }

// A refusal that the audit trail lacks is answered all the same, and is in the log.
func TestRefusalUnrecorded(t *testing.T) {
	r := newRig(t, func(c *config) { c.API.Store = trailless{c.API.Store} })
	admin, scan := r.token(store.Token{Name: "ops", Scopes: []string{"admin"}}), r.token(store.Token{Name: "build"})
	for i, try := range []func(){
		func() { r.manage("POST", "/api/v1/tokens", scan, `{"name":"x"}`, http.StatusForbidden) },
		func() { r.manage("POST", "/api/v1/tokens", admin, `{"name":"ops"}`, http.StatusConflict) },
		func() { r.manage("DELETE", "/api/v1/tokens/nobody", admin, "", http.StatusNotFound) },
	} {
		try()
		if n := strings.Count(r.log.String(), "a refusal is missing in the audit trail"); n != i+1 {
			t.Errorf("%d lines after %d refusals:\n%s", n, i+1, r.log.String())
		}
	}
}
