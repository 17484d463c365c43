package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"assay/service/httpserver"
	"assay/service/store"
	"assay/service/store/encode"
	"assay/verdict"
)

// The scans of one page of a list.
const (
	defaultListed = 50
	maxListed     = 200
)

// A listedScan is one scan of a list.
type listedScan struct {
	Scan    string    `json:"scan"`
	At      time.Time `json:"at"`
	Project string    `json:"project,omitempty"`
	Ref     string    `json:"ref,omitempty"`
	Commit  string    `json:"commit,omitempty"`
	Outcome string    `json:"outcome"`
	Report  string    `json:"report"`
}

// getScans lists the stored scans that a token may read, the newest first.
func (a *api) getScans(w http.ResponseWriter, r *http.Request, t store.Token) error {
	f, err := scanFilter(r, t)
	if err != nil {
		return err
	}
	scans, next, err := a.Store.FilterScans(r.Context(), f)
	if errors.Is(err, store.ErrCursor) {
		return httpserver.Problem{Status: http.StatusBadRequest, What: err.Error(), Hint: "after is the next of an earlier answer"}
	}
	if err != nil {
		return err
	}
	memory := a.server.WorkMemory(t)
	defer memory.Free()
	answer := struct {
		Scans []listedScan `json:"scans"`
		Next  string       `json:"next,omitempty"`
	}{[]listedScan{}, next}
	for _, s := range scans {
		if !httpserver.MayRead(t, s.Scan) {
			continue
		}
		if s.Outcome == "" { // kept by an earlier version
			if s.Outcome, err = a.outcomeOf(r, s.ID, memory); errors.Is(err, store.ErrNotFound) {
				continue // it was deleted meanwhile
			} else if err != nil {
				return err
			}
		}
		if f.Outcome != "" && s.Outcome != f.Outcome {
			continue
		}
		answer.Scans = append(answer.Scans, listedScan{
			Scan: s.ID, At: s.At, Project: s.Project, Ref: s.Ref, Commit: s.Commit, Outcome: s.Outcome,
			Report: a.reportAddress(s.ID),
		})
	}
	httpserver.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// scanFilter returns the filter of a request for the scans that the token may read.
func scanFilter(r *http.Request, t store.Token) (store.ScanFilter, error) {
	query := r.URL.Query()
	none := func(p httpserver.Problem) (store.ScanFilter, error) { return store.ScanFilter{}, p }
	invalid := func(name, hint string) (store.ScanFilter, error) {
		return none(httpserver.Problem{Status: http.StatusBadRequest, What: fmt.Sprintf("invalid value %.60q of %s", query.Get(name), name), Hint: hint})
	}
	f := store.ScanFilter{
		Project: query.Get("project"), Ref: query.Get("ref"), Outcome: query.Get("outcome"), After: query.Get("after"), Limit: defaultListed,
	}
	if f.Outcome != "" && verdict.Outcome(f.Outcome).Code() < 0 {
		return invalid("outcome", "it is pass, fail or untrusted")
	}
	switch latest := query.Get("latest"); latest {
	case "", "false":
	case "true":
		f.Latest = true
	default:
		return invalid("latest", "it is true or false")
	}
	if s := query.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxListed {
			return invalid("limit", fmt.Sprintf("it is a number from 1 to %d", maxListed))
		}
		f.Limit = n
	}
	if s := query.Get("since"); s != "" {
		var err error
		if f.Since, err = time.Parse(time.RFC3339, s); err != nil {
			if f.Since, err = time.Parse(time.DateOnly, s); err != nil {
				return invalid("since", "give a time such as 2026-11-24T10:00:00Z, or a date")
			}
		}
	}
	if t.Project != "" {
		if f.Project != "" && f.Project != t.Project {
			return none(httpserver.Problem{Status: http.StatusForbidden, What: fmt.Sprintf("this token is for project %q", t.Project), Hint: "leave project out, or use a token of that project"})
		}
		f.Project = t.Project
	}
	if !httpserver.HasScope(t, httpserver.ScopeRead) {
		if t.Derived {
			return none(httpserver.Problem{Status: http.StatusForbidden, What: "this token may not read scans", Hint: "use a token of scope read"})
		}
		f.Token = t.ID
	}
	return f, nil
}

// outcomeOf reads the outcome of a scan from its verdict.
func (a *api) outcomeOf(r *http.Request, id string, memory *httpserver.Lease) (string, error) {
	_, sizes, err := a.Store.FindScan(r.Context(), id)
	if err != nil {
		return "", err
	}
	if err := memory.Reserve(r.Context(), loadNeed(sizes.Verdict)); err != nil {
		return "", err
	}
	defer memory.Free()
	text, err := a.Store.ScanVerdict(r.Context(), id)
	return encode.Outcome(text), err
}
