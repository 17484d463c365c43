package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"assay/service/httpserver"
	"assay/service/links"
	"assay/service/store"
	"assay/verdict"
)

// reportAddress returns the address of a report that needs a token. It is the one that is
// stored.
func (a *api) reportAddress(id string) string { return a.PublicURL + "/api/v1/scans/" + id + "/report" }

// linked returns the JSON of an answer with the link to the report of its scan, if the
// service makes links. The stored verdict does not have it: who may read a scan must not get
// what opens it for others. The memory for the verdict includes that of this copy.
func (a *api) linked(ctx context.Context, text []byte, s store.Scan) []byte {
	if a.Links == nil || s.ID == "" {
		return text
	}
	secret, err := a.Links.Secret(ctx, s)
	if err != nil {
		a.Log.Error("an answer has no report link", "scan", s.ID, "err", err)
		return text
	}
	link := links.Page(a.PublicURL, s.ID) + "/" + secret
	if secret == "" || len(link) > verdict.MaxReport {
		return text
	}
	return withReport(text, link)
}

// withReport replaces the address of the report in the JSON of an answer.
func withReport(text []byte, address string) []byte {
	// In a JSON string, the quotation marks would be escaped. No object of a verdict but the
	// verdict itself has this field.
	const field = `,"report":`
	i := bytes.LastIndex(text, []byte(field))
	if i < 0 {
		return text
	}
	i += len(field)
	d := json.NewDecoder(bytes.NewReader(text[i:]))
	var earlier string
	if err := d.Decode(&earlier); err != nil {
		return text
	}
	quoted, err := json.Marshal(address)
	if err != nil {
		return text
	}
	return slices.Concat(text[:i], quoted, text[i+int(d.InputOffset()):])
}

// forBrowser returns a handler that shows a person who opens the address of a report in a
// browser the page that asks for a token. Other clients get what h answers.
func (a *api) forBrowser(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept, Authorization")
		if r.Header.Get("Authorization") == "" && strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/html") {
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("Referrer-Policy", "no-referrer")
			http.Redirect(w, r, links.Page(a.PublicURL, r.PathValue("id")), http.StatusSeeOther)
			return
		}
		h(w, r)
	}
}

// deleteLink ends the link to the report of a scan.
func (a *api) deleteLink(w http.ResponseWriter, r *http.Request, t store.Token) error {
	s, _, err := a.readable(r, t)
	if err != nil {
		return err
	}
	httpserver.LogScan(w, s.ID)
	if err := links.Revoke(r.Context(), a.Store, s.ID, a.Now()); err != nil {
		return err
	}
	err = a.Store.AddEvent(r.Context(), store.Event{At: a.Now(), Actor: a.caller(t).Name, Action: store.ActionLinkRevoke, Object: s.ID, Project: s.Project})
	if err != nil {
		return err
	}
	httpserver.WriteJSON(w, http.StatusOK, struct {
		Scan    string `json:"scan"`
		Revoked bool   `json:"revoked"`
	}{s.ID, true})
	return nil
}
