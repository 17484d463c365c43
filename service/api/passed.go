package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"assay/service/httpserver"
	"assay/service/store"
	"assay/verdict"
)

// maxOfCommit bounds the scans of one commit that are searched.
const maxOfCommit = 1000

// A passedAnswer is the answer whether a commit was scanned and passed.
type passedAnswer struct {
	Commit  string    `json:"commit"`
	Passed  bool      `json:"passed"`
	Scan    string    `json:"scan,omitempty"` // the newest of the commit
	At      time.Time `json:"at,omitzero"`
	Project string    `json:"project,omitempty"`
	Ref     string    `json:"ref,omitempty"`
	Outcome string    `json:"outcome,omitempty"`
	Code    int       `json:"code"`
	Report  string    `json:"report,omitempty"`
	Error   string    `json:"error,omitempty"`
	Hint    string    `json:"hint,omitempty"`
}

// getPassed answers whether the newest scan of a commit has passed: 200 if it has, 404 if
// there is none, 409 if it has not. It considers the scans that the token may read.
func (a *api) getPassed(w http.ResponseWriter, r *http.Request, t store.Token) error {
	commit, project := r.URL.Query().Get("commit"), r.URL.Query().Get("project")
	if commit == "" {
		return httpserver.Problem{Status: http.StatusBadRequest, What: "the commit is missing", Hint: "ask for /api/v1/passed?commit=SHA"}
	}
	if t.Project != "" && project != "" && project != t.Project {
		return httpserver.Problem{Status: http.StatusForbidden, What: fmt.Sprintf("this token is for project %q", t.Project), Hint: "leave project out, or use a token of that project"}
	}
	if t.Project != "" {
		project = t.Project
	}
	scans, err := a.Store.ScansOfCommit(r.Context(), commit, project, maxOfCommit)
	if err != nil {
		return err
	}
	for _, s := range scans {
		if httpserver.MayRead(t, s) {
			return a.answerPassed(w, r, t, s)
		}
	}
	httpserver.WriteJSON(w, http.StatusNotFound, passedAnswer{
		Commit: commit,
		Error:  fmt.Sprintf("no scan of commit %q has arrived", commit),
		Hint:   "the build ran no scan, or it sent no commit: give --commit, or the parameter COMMIT of the generator",
	})
	return nil
}

func (a *api) answerPassed(w http.ResponseWriter, r *http.Request, t store.Token, s store.Scan) error {
	_, sizes, err := a.Store.FindScan(r.Context(), s.ID)
	if err != nil {
		return err
	}
	memory := a.server.WorkMemory(t)
	defer memory.Free()
	text, err := a.verdictOf(w, r, s, sizes.Verdict, memory, 0)
	if err != nil {
		return err
	}
	var v struct {
		Decision verdict.Decision `json:"decision"`
		Report   string           `json:"report"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return fmt.Errorf("decode the verdict of scan %q: %w", s.ID, err)
	}
	answer := passedAnswer{
		Commit: s.Commit, Passed: v.Decision.Outcome == verdict.Pass && v.Decision.Code == verdict.CodePass,
		Scan: s.ID, At: s.At, Project: s.Project, Ref: s.Ref,
		Outcome: string(v.Decision.Outcome), Code: v.Decision.Code, Report: v.Report,
	}
	if answer.Passed {
		httpserver.WriteJSON(w, http.StatusOK, answer)
		return nil
	}
	answer.Error = fmt.Sprintf("the newest scan of commit %q ended with %s, code %d", s.Commit, answer.Outcome, answer.Code)
	answer.Hint = "see " + v.Report
	httpserver.WriteJSON(w, http.StatusConflict, answer)
	return nil
}
