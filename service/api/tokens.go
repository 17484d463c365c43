package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"assay/service/httpserver"
	"assay/service/lifetime"
	"assay/service/store"
	"assay/service/tokens"
	"assay/verdict/hint"
)

// A tokenAnswer describes a token, without its secret.
type tokenAnswer struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Scopes  []string   `json:"scopes"`
	Project string     `json:"project,omitempty"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"`
	Used    *time.Time `json:"used,omitempty"`
	Revoked *time.Time `json:"revoked,omitempty"`
	State   string     `json:"state"` // of tokens.State
}

func (a *api) describe(t store.Token, list []store.Token) tokenAnswer {
	set := func(at time.Time) *time.Time {
		if at.IsZero() {
			return nil
		}
		at = at.UTC()
		return &at
	}
	return tokenAnswer{ID: t.ID, Name: t.Name, Scopes: t.Scopes, Project: t.Project, Created: t.Created.UTC(),
		Expires: set(t.Expires), Used: set(t.Used), Revoked: set(t.Revoked), State: tokens.State(t, list, a.Now())}
}

func (a *api) describeAll(list, among []store.Token) []tokenAnswer {
	answers := make([]tokenAnswer, len(list))
	for i, t := range list {
		answers[i] = a.describe(t, among)
	}
	return answers
}

// caller returns who manages tokens with a token.
func (a *api) caller(t store.Token) tokens.Caller {
	return tokens.Caller{
		Name:       fmt.Sprintf("token %q (%s)", t.Name, t.ID),
		Project:    t.Project,
		Unrecorded: func() bool { return !a.server.RecordRefusal(t.ID) },
	}
}

// mayManage returns a Problem for a token without scope admin, and records the refusal.
func (a *api) mayManage(r *http.Request, t store.Token, action string) error {
	err := httpserver.RequireScope(t, httpserver.ScopeAdmin)
	if err == nil || !a.server.RecordRefusal(t.ID) {
		return err
	}
	return a.logUnrecorded(errors.Join(err, tokens.Record(r.Context(), a.Store, store.Event{
		At: a.Now(), Actor: a.caller(t).Name, Action: action, Project: t.Project, Detail: err.Error(), Refused: true,
	})))
}

// logUnrecorded logs that a refusal could not be added to the audit trail. It returns err,
// whose answer does not say so.
func (a *api) logUnrecorded(err error) error {
	if unrecorded, ok := errors.AsType[*tokens.RecordError](err); ok {
		a.Log.Error("a refusal is missing in the audit trail", "err", unrecorded)
	}
	return err
}

// postTokens creates a token, or rotates one.
func (a *api) postTokens(w http.ResponseWriter, r *http.Request, t store.Token) error {
	if err := a.mayManage(r, t, store.ActionTokenCreate); err != nil {
		return err
	}
	var request struct {
		Name    string   `json:"name"`
		Scopes  []string `json:"scopes"`
		Project string   `json:"project"`
		Expires string   `json:"expires"`
		Rotate  bool     `json:"rotate"`
		Overlap string   `json:"overlap"`
	}
	if err := a.server.ReadJSON(w, r, &request); err != nil {
		return err
	}
	life, err := expiresIn(request.Expires)
	if err != nil {
		return err
	}
	var made tokens.Created
	if request.Rotate {
		if request.Scopes != nil || request.Project != "" {
			return httpserver.Problem{Status: http.StatusBadRequest, What: "a rotation keeps the scopes and the project", Hint: "leave scopes and project out"}
		}
		overlap := lifetime.Duration(tokens.DefaultOverlap)
		if request.Overlap != "" && overlap.Set(request.Overlap) != nil {
			return httpserver.Problem{Status: http.StatusBadRequest, What: fmt.Sprintf("invalid overlap %.40q", request.Overlap), Hint: "give a time such as 24h or 7d"}
		}
		made, err = a.tokens.Rotate(r.Context(), a.caller(t), request.Name, life, time.Duration(overlap))
	} else {
		if request.Overlap != "" {
			return httpserver.Problem{Status: http.StatusBadRequest, What: "overlap without rotate", Hint: "with \"rotate\": true, overlap is how long the old token keeps working"}
		}
		if request.Scopes == nil {
			request.Scopes = []string{httpserver.ScopeScan}
		}
		made, err = a.tokens.Create(r.Context(), a.caller(t), store.Token{Name: request.Name, Scopes: request.Scopes, Project: request.Project}, life)
	}
	if err != nil {
		return tokenProblem(a.logUnrecorded(err), request.Name)
	}
	httpserver.WriteJSON(w, http.StatusCreated, struct {
		Token string `json:"token"`
		tokenAnswer
		Replaced []tokenAnswer `json:"replaced,omitempty"`
	}{made.Secret, a.describe(made.Token, nil), a.describeAll(made.Ended, []store.Token{made.Token})})
	return nil
}

// expiresIn parses the lifetime of a new token. An empty text is the default.
func expiresIn(text string) (time.Duration, error) {
	if text == "never" {
		return tokens.Never, nil
	}
	var life lifetime.Duration
	if text != "" && (life.Set(text) != nil || life == 0) {
		return 0, httpserver.Problem{Status: http.StatusBadRequest, What: fmt.Sprintf("invalid expires %.40q", text), Hint: "give a time such as 90d or 12h, or never"}
	}
	return time.Duration(life), nil
}

// tokenProblem returns the answer to a request about a token that failed. A token of another
// project is answered like one that does not exist.
func tokenProblem(err error, name string) error {
	invalid, ok := errors.AsType[*tokens.RequestError](err)
	switch {
	case ok && invalid.Forbidden:
		return httpserver.Problem{Status: http.StatusForbidden, What: invalid.Error(), Hint: hint.Of(invalid)}
	case ok:
		return httpserver.Problem{Status: http.StatusBadRequest, What: invalid.Error(), Hint: hint.Of(invalid)}
	case errors.Is(err, store.ErrNameTaken):
		return httpserver.Problem{Status: http.StatusConflict, What: fmt.Sprintf("a valid token has the name %q", name), Hint: "choose another name, or send \"rotate\": true to replace it"}
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrOtherProject):
		return httpserver.Problem{Status: http.StatusNotFound, What: fmt.Sprintf("no token %.100q", name), Hint: "GET /api/v1/tokens lists the tokens"}
	}
	return err
}

// getTokens lists the tokens that the token manages.
func (a *api) getTokens(w http.ResponseWriter, r *http.Request, t store.Token) error {
	list, err := a.tokens.List(r.Context(), a.caller(t))
	if err != nil {
		return err
	}
	return sendJSON(w, map[string]any{"tokens": a.describeAll(list, list)})
}

// deleteToken revokes tokens by id or name.
func (a *api) deleteToken(w http.ResponseWriter, r *http.Request, t store.Token) error {
	name := r.PathValue("token")
	if err := a.mayManage(r, t, store.ActionTokenRevoke); err != nil {
		return err
	}
	revoked, err := a.tokens.Revoke(r.Context(), a.caller(t), name)
	if err != nil {
		return tokenProblem(a.logUnrecorded(err), name)
	}
	return sendJSON(w, map[string]any{"revoked": a.describeAll(revoked, revoked)})
}

// Bounds of the events of one answer.
const (
	defaultEvents = 100
	maxEvents     = 1000
)

// getAudit lists events of the audit trail, the newest first.
func (a *api) getAudit(w http.ResponseWriter, r *http.Request, t store.Token) error {
	query := r.URL.Query()
	filter := store.EventFilter{Project: t.Project, Limit: defaultEvents}
	invalid := func(name, want string) error {
		return httpserver.Problem{Status: http.StatusBadRequest, What: fmt.Sprintf("invalid %s %.40q", name, query.Get(name)), Hint: want}
	}
	if s := query.Get("since"); s != "" {
		var err error
		if filter.Since, err = time.Parse(time.RFC3339, s); err != nil {
			if filter.Since, err = time.Parse(time.DateOnly, s); err != nil {
				return invalid("since", "give a time such as 2026-11-24T10:00:00Z, or a date")
			}
		}
	}
	if s := query.Get("before"); s != "" {
		var err error
		if filter.Before, err = strconv.ParseInt(s, 10, 64); err != nil || filter.Before < 1 {
			return invalid("before", "give the number n of an event")
		}
	}
	if s := query.Get("limit"); s != "" {
		var err error
		if filter.Limit, err = strconv.Atoi(s); err != nil || filter.Limit < 1 || filter.Limit > maxEvents {
			return invalid("limit", fmt.Sprintf("give a number from 1 to %d", maxEvents))
		}
	}
	events, err := a.Store.Events(r.Context(), filter)
	if err != nil {
		return err
	}
	if events == nil {
		events = []store.Event{} // not null
	}
	return sendJSON(w, map[string]any{"events": events})
}

// sendJSON answers with a list, which may be long.
func sendJSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		httpserver.Send(w, "application/json", b)
	}
	return err
}
