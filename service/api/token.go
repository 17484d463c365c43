package api

import (
	"net/http"
	"time"

	"assay/service/httpserver"
	"assay/service/store"
)

// getToken tells the holder of a token what it is for. assay doctor asks.
func (a *api) getToken(w http.ResponseWriter, _ *http.Request, t store.Token) error {
	answer := struct {
		Name    string     `json:"name"`
		Scopes  []string   `json:"scopes"`
		Project string     `json:"project,omitempty"`
		Expires *time.Time `json:"expires,omitempty"`
	}{Name: t.Name, Scopes: t.Scopes, Project: t.Project}
	if !t.Expires.IsZero() {
		answer.Expires = &t.Expires
	}
	httpserver.WriteJSON(w, http.StatusOK, answer)
	return nil
}
