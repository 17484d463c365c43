package api

import (
	"net/http"
	"time"

	"assay/service/httpserver"
	"assay/service/store"
)

// getToken answers with a description of the token. assay doctor uses it.
func (a *api) getToken(w http.ResponseWriter, _ *http.Request, t store.Token) error {
	answer := struct {
		Name    string     `json:"name"`
		Scopes  []string   `json:"scopes"`
		Project string     `json:"project,omitempty"`
		Expires *time.Time `json:"expires,omitempty"`
	}{Name: t.Name, Scopes: t.Scopes, Project: t.Project}
	if end := t.End(); !end.IsZero() {
		answer.Expires = &end
	}
	httpserver.WriteJSON(w, http.StatusOK, answer)
	return nil
}
