package api

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"assay/remote/cyclonedx"
	"assay/service/match"
	"assay/service/scan"
	"assay/service/store"
	"assay/verdict"
)

// postScan judges an inventory and keeps the scan. The body is read first, then the
// request waits for a slot and for memory: nobody holds a slot who has not sent what
// it is for, and nobody keeps one while the answer is being sent.
func (a *api) postScan(w http.ResponseWriter, r *http.Request, t store.Token) error {
	key := r.Header.Get("Idempotency-Key")
	if len(key) > 128 {
		return problem{http.StatusBadRequest, "the idempotency key is longer than 128 bytes", "use a random one"}
	}
	keep, err := keeps(r)
	if err != nil {
		return err
	}
	zipped, err := encodingOf(r)
	if err != nil {
		return err
	}
	buf := a.buffer()
	defer func() { a.free(buf) }()
	body := &lease{budget: a.bodies, token: t.ID}
	defer body.free()
	if err := a.receiveOne(w, r, t, body, buf); err != nil {
		return err
	}
	memory := &lease{budget: a.memory, token: t.ID}
	defer memory.free()
	text, err := a.answer(w, r, t, key, zipped, keep, memory, buf)
	if err != nil {
		return err
	}
	if cap(buf.sent)+cap(buf.document) > maxKept { // not needed while the answer is sent
		buf = &buffers{verdict: text}
		body.free()
	}
	memory.try(int64(cap(text)))
	a.spread.done()
	a.send(w, "application/json", text)
	return nil
}

// keeps reads the parameter keep of a request.
func keeps(r *http.Request) (bool, error) {
	switch keep := r.URL.Query().Get("keep"); keep {
	case "", "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, problem{http.StatusBadRequest, fmt.Sprintf("invalid value %q of keep", keep), "it is true or false"}
	}
}

// receiveOne reads a body, as one of those that are read at the same time.
func (a *api) receiveOne(w http.ResponseWriter, r *http.Request, t store.Token, l *lease, buf *buffers) error {
	place := &lease{budget: a.reading, token: t.ID}
	if !place.try(1) {
		return a.busy(w, 0)
	}
	defer place.free()
	return a.receive(w, r, l, buf)
}

// slot waits until the request may compute. The caller frees the lease.
func (a *api) slot(w http.ResponseWriter, r *http.Request, t store.Token) (*lease, error) {
	l := &lease{budget: a.slots, token: t.ID}
	err := l.acquire(r.Context(), 1)
	if errors.Is(err, errBusy) {
		err = a.busy(w, a.slots.queue())
	}
	return l, err
}

// reserve takes n bytes for a request that has none, and waits for them.
func (a *api) reserve(w http.ResponseWriter, r *http.Request, l *lease, n int64) error {
	err := l.acquire(r.Context(), n)
	switch {
	case errors.Is(err, errNever):
		return tooMuchMemory
	case errors.Is(err, errBusy):
		return a.busy(w, a.memory.queue())
	}
	return err
}

// more makes the lease n bytes, at once or not at all.
func (a *api) more(w http.ResponseWriter, l *lease, n int64) error {
	switch {
	case n > l.budget.total:
		return tooMuchMemory
	case !l.try(n):
		return a.busy(w, l.budget.queue())
	}
	return nil
}

// answer decodes and judges what was sent, keeps it unless keep is false, and returns
// the verdict's JSON. That is in buf mostly, and memory accounts for it.
func (a *api) answer(w http.ResponseWriter, r *http.Request, t store.Token, key string, zipped, keep bool, memory *lease, buf *buffers) ([]byte, error) {
	slot, err := a.slot(w, r, t)
	if err != nil {
		return nil, err
	}
	defer slot.free()
	body, err := a.document(w, r, zipped, memory, buf)
	if err != nil {
		return nil, err
	}
	s, err := cyclonedx.Decode(bytes.NewReader(body), cyclonedx.DefaultLimits())
	if err != nil {
		return nil, inventoryError(err)
	}
	v, kept, err := a.judge(w, s, t)
	if err != nil {
		return nil, err
	}
	s = cyclonedx.Scan{}
	if err := a.more(w, memory, memory.n+findingsNeed(v.Count())); err != nil {
		return nil, err
	}
	if !keep {
		v.Scan, v.Report = "", ""
	}
	if kept.Verdict, err = v.AppendJSON(buf.verdict[:0]); err != nil {
		return nil, err
	}
	buf.verdict = kept.Verdict
	if !keep {
		return kept.Verdict, nil
	}
	if rec, ok := w.(*recorder); ok {
		rec.scan = kept.ID
	}
	kept.Key, kept.Request = keyOf(key), body
	if zipped {
		kept.RequestGzip = buf.sent
	}
	stored, err := a.Store.KeepScan(r.Context(), kept)
	switch {
	case r.Context().Err() != nil:
		return nil, r.Context().Err()
	case err != nil:
		return a.unkept(v, kept, err, buf)
	case stored.ID != kept.ID:
		return a.again(w, r, stored, body, memory)
	}
	a.keeping.works(a.Log)
	return kept.Verdict, nil
}

// document returns the inventory that was sent, decompressed, with the memory that
// its scan needs.
func (a *api) document(w http.ResponseWriter, r *http.Request, zipped bool, memory *lease, buf *buffers) ([]byte, error) {
	if !zipped {
		objects := objectsIn(buf.sent)
		if objects > maxObjects {
			return nil, tooManyObjects
		}
		return buf.sent, a.reserve(w, r, memory, scanNeed(int64(len(buf.sent)), objects))
	}
	for _, measure := range []func() (size, objects int64, err error){buf.promised, buf.measure} {
		size, objects, err := measure()
		if err != nil {
			return nil, err
		}
		if objects > maxObjects {
			return nil, tooManyObjects
		}
		if err := a.reserve(w, r, memory, size+scanNeed(size, objects)); err != nil {
			return nil, err
		}
		err = buf.unzip(size)
		if errors.Is(err, errLonger) {
			memory.free()
			continue
		}
		return buf.document, err
	}
	return nil, zipError(errLonger)
}

// unkept answers a scan that could not be kept: the verdict holds all the same.
func (a *api) unkept(v scan.Answer, kept store.Scan, cause error, buf *buffers) ([]byte, error) {
	a.keeping.fails(a.Log, kept.ID, cause)
	v.Report = ""
	v.Notices = append(v.Notices, noticeUnkept)
	text, err := v.AppendJSON(buf.verdict[:0])
	buf.verdict = text
	return text, err
}

const noticeUnkept = "this scan was not kept: the service could not write it. There is no report of it, and it cannot be explained or replayed"

// again answers a request whose key was used before, with what was answered then.
func (a *api) again(w http.ResponseWriter, r *http.Request, earlier store.Scan, body []byte, memory *lease) ([]byte, error) {
	other := problem{http.StatusUnprocessableEntity, "this idempotency key was used for another inventory", "use a new key for each scan"}
	_, sizes, err := a.Store.FindScan(r.Context(), earlier.ID)
	if err != nil {
		return nil, err
	}
	if err := a.more(w, memory, memory.n+loadNeed(sizes.Request)+loadNeed(sizes.Verdict)); err != nil {
		return nil, err
	}
	whole, err := a.Store.Scan(r.Context(), earlier.ID)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(whole.Request, body) {
		return nil, other
	}
	if rec, ok := w.(*recorder); ok {
		rec.scan = whole.ID
	}
	return whole.Verdict, nil
}

// judge decides on a scan with the data that is served now, and returns what is to
// be kept of it but for the verdict's text.
func (a *api) judge(w http.ResponseWriter, s cyclonedx.Scan, t store.Token) (scan.Answer, store.Scan, error) {
	none := func(err error) (scan.Answer, store.Scan, error) { return scan.Answer{}, store.Scan{}, err }
	view, err := a.View()
	if err != nil {
		return none(a.noData(w, err))
	}
	defer view.Close()
	now := a.Now().Truncate(time.Microsecond) // as the store keeps it: a replay has the same clock
	v, err := a.Judge.Answer(s, view, view.Data(), now)
	if bad, ok := errors.AsType[*scan.BadOptionError](err); ok {
		return none(problem{http.StatusBadRequest, bad.Error(), "assay --help lists the values"})
	}
	if errors.Is(err, match.ErrTooMany) {
		return none(problem{http.StatusUnprocessableEntity, err.Error(), "no image has this many; scan a smaller tree with --root"})
	}
	if err != nil {
		return none(err)
	}
	if t.Project != "" {
		if v.Options.Project != "" && v.Options.Project != t.Project {
			return none(problem{http.StatusForbidden,
				fmt.Sprintf("this token is for project %q", t.Project), "leave --project out, or use a token of that project"})
		}
		v.Options.Project = t.Project
	}
	if v.Scan, err = store.NewID(rand.Reader); err != nil {
		return none(err)
	}
	v.Report = a.PublicURL + "/api/v1/scans/" + v.Scan + "/report"
	return v, store.Scan{
		ID: v.Scan, At: now, Token: t.ID,
		Project: v.Options.Project, Ref: v.Options.Ref, Commit: v.Options.Commit,
		Snapshot: v.Data.Snapshot, Seq: view.Seq(),
	}, nil
}

// getScan answers with a kept verdict, as it was given.
func (a *api) getScan(w http.ResponseWriter, r *http.Request, t store.Token) error {
	s, sizes, err := a.readable(r, t)
	if err != nil {
		return err
	}
	memory := &lease{budget: a.memory, token: t.ID}
	defer memory.free()
	text, err := a.verdictOf(w, r, s, sizes.Verdict, memory, 0)
	if err != nil {
		return err
	}
	memory.try(int64(cap(text)))
	a.send(w, "application/json", text)
	return nil
}

// verdictOf reads a kept verdict, with memory for it and for so many bytes more for
// each of its bytes.
func (a *api) verdictOf(w http.ResponseWriter, r *http.Request, s store.Scan, size int64, memory *lease, times int64) ([]byte, error) {
	if rec, ok := w.(*recorder); ok {
		rec.scan = s.ID
	}
	if err := a.reserve(w, r, memory, loadNeed(size)+times*size); err != nil {
		return nil, err
	}
	return a.Store.ScanVerdict(r.Context(), s.ID)
}

// getReport renders a kept verdict.
func (a *api) getReport(w http.ResponseWriter, r *http.Request, t store.Token) error {
	s, sizes, err := a.readable(r, t)
	if err != nil {
		return err
	}
	format := r.URL.Query().Get("format")
	if format != "" && format != "text" && format != "json" {
		return problem{http.StatusBadRequest, fmt.Sprintf("unknown report format %q", format), "use text or json"}
	}
	memory := &lease{budget: a.memory, token: t.ID}
	defer memory.free()
	text, err := a.report(w, r, t, s, sizes.Verdict, format, memory)
	if err != nil {
		return err
	}
	memory.try(int64(cap(text)))
	contentType := "text/plain; charset=utf-8"
	if format == "json" {
		contentType = "application/json"
	}
	a.send(w, contentType, text)
	return nil
}

func (a *api) report(w http.ResponseWriter, r *http.Request, t store.Token, s store.Scan, size int64, format string, memory *lease) ([]byte, error) {
	slot, err := a.slot(w, r, t)
	if err != nil {
		return nil, err
	}
	defer slot.free()
	text, err := a.verdictOf(w, r, s, size, memory, reportTimes)
	if err != nil {
		return nil, err
	}
	var v verdict.Verdict
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, fmt.Errorf("decode the verdict of scan %q: %w", s.ID, err)
	}
	var b bytes.Buffer
	if format == "json" {
		err = verdict.WriteJSON(&b, v)
	} else {
		err = verdict.WriteText(&b, v, verdict.Style{Verbose: true, Exit: v.Decision.Code})
	}
	return b.Bytes(), err
}

// readable finds the scan of a request, without what was sent and answered, where
// the token may read it. What it may not read it is not told of either, and none of
// it is read.
func (a *api) readable(r *http.Request, t store.Token) (store.Scan, store.Sizes, error) {
	id := r.PathValue("id")
	s, sizes, err := a.Store.FindScan(r.Context(), id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return s, sizes, err
	}
	if err != nil || !mayRead(t, s) {
		return s, sizes, problem{http.StatusNotFound, fmt.Sprintf("no scan %q", id), "a token reads its own scans; --scope read reads all of its project"}
	}
	return s, sizes, nil
}

// mayRead reports whether a token may read a scan: its own, or with scope read
// any of its project. A derived token reads nothing.
func mayRead(t store.Token, s store.Scan) bool {
	own := s.Token == t.ID && !t.Derived
	return (own || hasScope(t, ScopeRead)) && (t.Project == "" || t.Project == s.Project)
}

// keyOf is what is kept of an idempotency key: its digest, since a client may send a
// secret as the key. An empty key stays empty.
func keyOf(key string) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(key))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
