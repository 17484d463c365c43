package api

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"assay/remote/cyclonedx"
	"assay/service/match"
	"assay/service/scan"
	"assay/service/store"
	"assay/verdict"
)

func retryAfter(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// postScan judges an inventory and keeps the scan.
func (a *api) postScan(w http.ResponseWriter, r *http.Request, t store.Token) error {
	key := r.Header.Get("Idempotency-Key")
	if len(key) > 128 {
		return problem{http.StatusBadRequest, "the idempotency key is longer than 128 bytes", "use a random one"}
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	buf, _ := a.buffers.Get().(*buffers)
	if buf == nil {
		buf = new(buffers)
	}
	defer a.free(buf)
	body, packed, err := readBody(w, r, buf)
	if err != nil {
		return err
	}
	s, err := cyclonedx.Decode(bytes.NewReader(body), cyclonedx.DefaultLimits())
	if errors.Is(err, cyclonedx.ErrTooLarge) {
		return tooLarge
	}
	if err != nil {
		return problem{http.StatusBadRequest, "this inventory cannot be read: " + err.Error(), "send CycloneDX 1.4 to 1.6 as JSON"}
	}
	kept, err := a.judge(s, t, buf.verdict[:0])
	if err != nil {
		return err
	}
	buf.verdict = kept.Verdict
	kept.Key, kept.Request, kept.RequestGzip = key, body, packed
	stored, err := a.Store.KeepScan(r.Context(), kept)
	if err != nil {
		return fmt.Errorf("keep scan: %w", err)
	}
	if !bytes.Equal(stored.Request, body) {
		return problem{http.StatusUnprocessableEntity, "this idempotency key was used for another inventory", "use a new key for each scan"}
	}
	return a.writeVerdict(w, stored)
}

// judge decides on a scan with the data that is served now, and writes the verdict
// into buf if it is large enough.
func (a *api) judge(s cyclonedx.Scan, t store.Token, buf []byte) (store.Scan, error) {
	view, err := a.View()
	if err != nil {
		return store.Scan{}, a.noData(err)
	}
	defer view.Close()
	now := a.Now().Truncate(time.Microsecond) // as the store keeps it: a replay has the same clock
	v, err := a.Judge.Answer(s, view, view.Data(), now)
	if bad, ok := errors.AsType[*scan.BadOptionError](err); ok {
		return store.Scan{}, problem{http.StatusBadRequest, bad.Error(), "assay --help lists the values"}
	}
	if errors.Is(err, match.ErrTooMany) {
		return store.Scan{}, problem{http.StatusUnprocessableEntity, err.Error(), "an inventory of this kind is no image; scan a smaller tree with --root"}
	}
	if err != nil {
		return store.Scan{}, err
	}
	if t.Project != "" {
		if v.Options.Project != "" && v.Options.Project != t.Project {
			return store.Scan{}, problem{http.StatusForbidden,
				fmt.Sprintf("this token is for project %q", t.Project), "leave --project out, or use a token of that project"}
		}
		v.Options.Project = t.Project
	}
	if v.Scan, err = store.NewID(rand.Reader); err != nil {
		return store.Scan{}, err
	}
	v.Report = a.PublicURL + "/api/v1/scans/" + v.Scan + "/report"
	kept := store.Scan{
		ID: v.Scan, At: now, Token: t.ID,
		Project: v.Options.Project, Ref: v.Options.Ref, Commit: v.Options.Commit,
		Snapshot: v.Data.Snapshot, Seq: view.Seq(),
	}
	if kept.Verdict, kept.Cuts, err = v.AppendJSON(buf); err != nil {
		return store.Scan{}, err
	}
	return kept, nil
}

// writeVerdict answers with a kept verdict, as it was given.
func (a *api) writeVerdict(w http.ResponseWriter, s store.Scan) error {
	if rec, ok := w.(*recorder); ok {
		rec.scan = s.ID
	}
	writeBody(w, http.StatusOK, "application/json", s.Verdict)
	return nil
}

// getScan answers with a kept verdict.
func (a *api) getScan(w http.ResponseWriter, r *http.Request, t store.Token) error {
	s, err := a.readable(r, t)
	if err != nil {
		return err
	}
	return a.writeVerdict(w, s)
}

// getReport renders a kept verdict.
func (a *api) getReport(w http.ResponseWriter, r *http.Request, t store.Token) error {
	s, err := a.readable(r, t)
	if err != nil {
		return err
	}
	var v verdict.Verdict
	if err := json.Unmarshal(s.Verdict, &v); err != nil {
		return fmt.Errorf("decode the verdict of scan %q: %w", s.ID, err)
	}
	var b bytes.Buffer
	switch format := r.URL.Query().Get("format"); format {
	case "", "text":
		if err := verdict.WriteText(&b, v, verdict.Style{Verbose: true, Exit: v.Decision.Code}); err != nil {
			return err
		}
		writeBody(w, http.StatusOK, "text/plain; charset=utf-8", b.Bytes())
	case "json":
		if err := verdict.WriteJSON(&b, v); err != nil {
			return err
		}
		writeBody(w, http.StatusOK, "application/json", b.Bytes())
	default:
		return problem{http.StatusBadRequest, fmt.Sprintf("no report of format %q", format), "text and json can be had"}
	}
	return nil
}

// readable returns the scan of a request where the token may read it. What it
// may not read it is not told of either.
func (a *api) readable(r *http.Request, t store.Token) (store.Scan, error) {
	id := r.PathValue("id")
	s, err := a.Store.Scan(r.Context(), id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return s, err
	}
	if err != nil || !mayRead(t, s) {
		return s, problem{http.StatusNotFound, fmt.Sprintf("no scan %q", id), "a token reads its own scans; --scope read reads all of its project"}
	}
	return s, nil
}

// mayRead reports whether a token may read a scan: its own, or with scope read
// any of its project. A derived token reads nothing.
func mayRead(t store.Token, s store.Scan) bool {
	own := s.Token == t.ID && !t.Derived
	return (own || hasScope(t, ScopeRead)) && (t.Project == "" || t.Project == s.Project)
}
