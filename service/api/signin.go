package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"assay/service/httpserver"
	"assay/service/signin"
)

// A SignIn exchanges the JWT of a pipeline for a token.
type SignIn interface {
	Exchange(ctx context.Context, jwt string) (signin.Exchanged, error)
}

// postToken answers to a JWT with a token. Who asks for text/plain gets the token alone,
// so that a shell needs no JSON parser.
func (a *api) postToken(w http.ResponseWriter, r *http.Request) {
	if a.SignIn == nil {
		a.server.Refuse(w, r, httpserver.Problem{Status: http.StatusNotFound, What: "this service has no sign-in by OpenID Connect", Hint: "start assayd with --oidc FILE"})
		return
	}
	scheme, jwt, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(jwt) == "" {
		a.server.Refuse(w, r, httpserver.Problem{Status: http.StatusUnauthorized, What: "no JWT was sent", Hint: "send the header \"Authorization: Bearer JWT\""})
		return
	}
	got, err := a.SignIn.Exchange(r.Context(), strings.TrimSpace(jwt))
	if err != nil {
		a.server.Refuse(w, r, a.server.SignInProblem(r, err))
		return
	}
	a.Log.Info("signed in", "rule", got.Grant.Rule, "subject", got.Grant.Subject, "issuer", got.Grant.Issuer, "project", got.Token.Project, "token", got.Token.Name, "token_id", got.Token.ID)
	w.Header().Set("Cache-Control", "no-store")
	if strings.HasPrefix(r.Header.Get("Accept"), "text/plain") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(got.Secret + "\n")) // an error means that the client is gone
		return
	}
	httpserver.WriteJSON(w, http.StatusOK, struct {
		Token   string    `json:"token"`
		Scopes  []string  `json:"scopes"`
		Project string    `json:"project,omitempty"`
		Expires time.Time `json:"expires"`
	}{got.Secret, got.Token.Scopes, got.Token.Project, got.Expires.UTC()})
}
