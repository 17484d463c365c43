package v4

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"assay/service/httpserver"
	"assay/service/image"
)

// The media types of the API.
const (
	typeJSON                = "application/json"
	typeIndexReport         = "application/vnd.clair.index_report.v1+json"
	typeIndexState          = "application/vnd.clair.index_state.v1+json"
	typeVulnerabilityReport = "application/vnd.clair.vulnerability_report.v1+json"
	typeNotificationPage    = "application/vnd.clair.notification_page.v1+json"
	typeBulkDelete          = "application/vnd.clair.bulk_delete.v1+json"
	typeManifest            = "application/vnd.clair.manifest.v1+json"
)

// maxAccept bounds how many media types of an Accept header are compared.
const maxAccept = 32

// negotiate returns the first of the offered media types that the client accepts best. The
// first one is for a client that says nothing.
func negotiate(r *http.Request, offered ...string) (string, error) {
	type accepted struct {
		kind string
		q    float64
	}
	var list []accepted
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			kind, parameters, err := mime.ParseMediaType(strings.TrimSpace(part))
			if err != nil || len(list) == maxAccept {
				return "", httpserver.Problem{Status: http.StatusBadRequest, What: "malformed request: invalid Accept header"}
			}
			a := accepted{kind, 1}
			if text, ok := parameters["q"]; ok {
				a.q, _ = strconv.ParseFloat(text, 64) // 0 for what is no number, as in Clair
			}
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		return offered[0], nil
	}
	slices.SortStableFunc(list, func(a, b accepted) int {
		switch {
		case a.q > b.q:
			return -1
		case a.q < b.q:
			return 1
		}
		return 0
	})
	for _, a := range list {
		for _, o := range offered {
			main, _, _ := strings.Cut(o, "/")
			if a.q > 0 && (a.kind == o || a.kind == "*/*" || a.kind == main+"/*") {
				return o, nil
			}
		}
	}
	return "", httpserver.Problem{Status: http.StatusUnsupportedMediaType, What: fmt.Sprintf("unable to negotiate common media type for %v", offered)}
}

// checkContent returns a Problem if the body of a request is of another type than JSON or
// kind. Clients that say nothing about their body send JSON: clairctl is one.
func checkContent(r *http.Request, kind string) error {
	given := r.Header.Get("Content-Type")
	if given == "" {
		return nil
	}
	if media, _, err := mime.ParseMediaType(given); err == nil && (media == typeJSON || media == kind) {
		return nil
	}
	return httpserver.Problem{Status: http.StatusUnsupportedMediaType, What: fmt.Sprintf("unsupported content type %q", given), Hint: "send " + typeJSON}
}

// unmodified reports whether a client has the state with a validator.
func unmodified(r *http.Request, validator string) bool {
	for _, line := range r.Header.Values("If-None-Match") {
		for part := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(part) == validator {
				return true
			}
		}
	}
	return false
}

// refuse answers with an error in Clair's form: {"code", "message"}.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := h.server.ProblemOf(w, r, image.Problem(err))
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="clair"`)
	}
	w.Header().Del("Link")
	message := p.What
	if p.Hint != "" {
		message += "; " + p.Hint
	}
	httpserver.WriteJSON(w, p.Status, struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{codeOf(p.Status), message})
}

// codeOf returns the word that Clair has for a status.
func codeOf(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "bad-request"
	case http.StatusMethodNotAllowed:
		return "method-not-allowed"
	case http.StatusNotFound:
		return "not-found"
	case http.StatusTooManyRequests:
		return "too-many-requests"
	}
	return "internal-error"
}

// send answers with v, which the lease accounts for.
func send(w http.ResponseWriter, status int, contentType string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	httpserver.SendStatus(w, status, contentType, b)
	return nil
}
