package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"assay/remote/cyclonedx"
	"assay/service/httpserver"
	"assay/service/match"
	"assay/service/report"
	"assay/service/report/formats"
	"assay/service/scan"
	"assay/service/store"
	"assay/verdict"
)

// postScan evaluates an inventory and stores the scan. It reads the body first, and then
// waits for a slot and for memory. So a request holds no slot while its body arrives or
// while its answer is sent.
func (a *api) postScan(w http.ResponseWriter, r *http.Request, t store.Token) error {
	key := r.Header.Get("Idempotency-Key")
	if len(key) > 128 {
		return httpserver.Problem{Status: http.StatusBadRequest, What: "the idempotency key is longer than 128 bytes", Hint: "use a random one"}
	}
	keep, err := keeps(r)
	if err != nil {
		return err
	}
	reports, err := wanted(r)
	if err != nil {
		return err
	}
	zipped, err := encodingOf(r)
	if err != nil {
		return err
	}
	buf := a.buffer()
	defer func() { a.free(buf) }()
	body := a.server.BodyMemory(t)
	defer body.Free()
	if err := a.server.Receive(w, r, body, &buf.Body); err != nil {
		return err
	}
	memory := a.server.WorkMemory(t)
	defer memory.Free()
	slot, err := a.server.Slot(r.Context(), t)
	if err != nil {
		return err
	}
	defer slot.Free()
	s, err := a.answer(w, r, t, key, zipped, keep, slot, memory, buf)
	if err != nil {
		return err
	}
	text, err := a.complete(s, warnings(t, a.Now()), reports, memory)
	if err != nil {
		return err
	}
	text = a.linked(r.Context(), text, s.kept)
	slot.Free()
	if buf.Cap() > maxKept { // the request is not needed while the answer is sent
		buf = &buffers{verdict: text}
		body.Free()
	}
	memory.Resize(int64(cap(text)))
	a.server.Served()
	httpserver.Send(w, "application/json", text)
	return nil
}

// keeps returns the parameter keep of a request.
func keeps(r *http.Request) (bool, error) {
	switch keep := r.URL.Query().Get("keep"); keep {
	case "", "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, httpserver.Problem{Status: http.StatusBadRequest, What: fmt.Sprintf("invalid value %q of keep", keep), Hint: "it is true or false"}
	}
}

// answer decodes and evaluates what was sent, stores it unless keep is false, and returns
// the JSON of the verdict. That is usually in buf, and memory accounts for it.
func (a *api) answer(w http.ResponseWriter, r *http.Request, t store.Token, key string, zipped, keep bool, slot, memory *httpserver.Lease, buf *buffers) (answered, error) {
	none := func(err error) (answered, error) { return answered{}, err }
	start := time.Now()
	body, err := buf.Document(r.Context(), zipped, memory, documentNeed)
	if err != nil {
		return none(err)
	}
	s, err := readDocument(body)
	a.timed(StageQueue, slot.Waited()+memory.Waited())
	a.timed(StageDecode, time.Since(start)-memory.Waited())
	if err != nil {
		return none(inventoryError(err))
	}
	if err := memory.Grow(filesNeed(s.Files)); err != nil {
		return none(err)
	}
	v, kept, err := a.evaluate(r.Context(), s, t, memory)
	if err != nil {
		return none(err)
	}
	s = cyclonedx.Scan{}
	if err := memory.Grow(findingsNeed(v.Count())); err != nil {
		return none(err)
	}
	httpserver.LogVerdict(w, v.Options.Project, string(v.Decision.Outcome))
	if a.Scanned != nil {
		a.Scanned(v.Decision.Outcome)
	}
	if !keep {
		v.Scan, v.Report = "", ""
	}
	if kept.Verdict, err = v.AppendJSON(buf.verdict[:0]); err != nil {
		return none(err)
	}
	buf.verdict = kept.Verdict
	if !keep {
		return answered{verdict: kept.Verdict, at: kept.At, document: body}, nil
	}
	httpserver.LogScan(w, kept.ID)
	kept.Key, kept.Request = keyOf(key), body
	if zipped {
		kept.RequestGzip = buf.Sent
	}
	start = time.Now()
	stored, err := a.Store.KeepScan(r.Context(), kept)
	a.timed(StageStore, time.Since(start))
	switch {
	case r.Context().Err() != nil:
		return none(r.Context().Err())
	case errors.Is(err, store.ErrUnavailable):
		return none(err) // the client sends it again, and it is stored then
	case err != nil:
		text, err := a.unkept(v, kept, err, buf)
		return answered{verdict: text, at: kept.At, document: body}, err
	case stored.ID != kept.ID:
		earlier, err := a.again(w, r, stored, body, memory)
		return answered{verdict: earlier.Verdict, at: earlier.At, document: body, kept: earlier}, err
	}
	a.keeping.works(a.Log)
	return answered{verdict: kept.Verdict, at: kept.At, document: body, kept: kept}, nil
}

// unkept answers a scan that could not be stored. The verdict is still valid.
func (a *api) unkept(v scan.Answer, kept store.Scan, cause error, buf *buffers) ([]byte, error) {
	a.keeping.fails(a.Log, kept.ID, cause)
	v.Report = ""
	v.Notices = append(v.Notices, noticeUnkept)
	text, err := v.AppendJSON(buf.verdict[:0])
	buf.verdict = text
	return text, err
}

const noticeUnkept = "this scan was not kept: the service could not write it. There is no report of it, and it cannot be explained or replayed"

// again returns the earlier scan for a request with a key that was used before.
func (a *api) again(w http.ResponseWriter, r *http.Request, earlier store.Scan, body []byte, memory *httpserver.Lease) (store.Scan, error) {
	none := func(err error) (store.Scan, error) { return store.Scan{}, err }
	other := httpserver.Problem{Status: http.StatusUnprocessableEntity, What: "this idempotency key was used for another inventory", Hint: "use a new key for each scan"}
	_, sizes, err := a.Store.FindScan(r.Context(), earlier.ID)
	if err != nil {
		return none(err)
	}
	if err := memory.Grow(loadNeed(sizes.Request) + loadNeed(sizes.Verdict)); err != nil {
		return none(err)
	}
	whole, err := a.Store.Scan(r.Context(), earlier.ID)
	if err != nil {
		return none(err)
	}
	if !bytes.Equal(whole.Request, body) {
		return none(other)
	}
	httpserver.LogScan(w, whole.ID)
	return whole, nil
}

// evaluate evaluates a scan with the current data. It returns the verdict, and the scan
// to be stored without the text of the verdict.
func (a *api) evaluate(ctx context.Context, s cyclonedx.Scan, t store.Token, memory *httpserver.Lease) (scan.Answer, store.Scan, error) {
	none := func(err error) (scan.Answer, store.Scan, error) { return scan.Answer{}, store.Scan{}, err }
	view, err := a.View()
	if err != nil {
		return none(a.noData(err))
	}
	defer view.Close()
	now := a.Now().Truncate(time.Microsecond) // the precision of the store, so that a replay has the same time
	evaluator, err := a.evaluator(ctx, s, t, view, now, memory)
	if err != nil {
		return none(err)
	}
	v, err := evaluator.Answer(s, view, view.Memo(), view.Data(), now)
	if bad, ok := errors.AsType[*scan.BadOptionError](err); ok {
		return none(httpserver.Problem{Status: http.StatusBadRequest, What: bad.Error(), Hint: "assay --help lists the values"})
	}
	if errors.Is(err, match.ErrTooMany) {
		return none(httpserver.Problem{Status: http.StatusUnprocessableEntity, What: err.Error(), Hint: "no real image has so many; scan a smaller tree with --root"})
	}
	if err != nil {
		return none(err)
	}
	if err := mayScan(t, v.Options.Project); err != nil {
		return none(err)
	}
	if t.Project != "" {
		v.Options.Project = t.Project
	}
	v.ProjectInherited = scan.ProjectInherited(s, t)
	if v.Scan, err = store.NewID(rand.Reader); err != nil {
		return none(err)
	}
	v.Report = a.reportAddress(v.Scan)
	return v, store.Scan{
		ID: v.Scan, At: now, Token: t.ID,
		Project: v.Options.Project, Ref: v.Options.Ref, Commit: v.Options.Commit,
		Snapshot: v.Data.Snapshot, Seq: view.Seq(),
	}, nil
}

// evaluator returns the evaluator with the policy of the service for a scan, whose data is
// that of view.
func (a *api) evaluator(ctx context.Context, s cyclonedx.Scan, t store.Token, view View, now time.Time, memory *httpserver.Lease) (scan.Evaluator, error) {
	evaluator := a.Evaluator
	need := func(stored store.Sizes) error { return memory.Grow(referenceNeed(stored.Request)) }
	var err error
	evaluator.Baseline, err = a.references.Baseline(ctx, s.Files, func(stored store.Scan) bool { return httpserver.MayRead(t, stored) }, need)
	if err != nil || a.Policy == nil {
		return evaluator, err
	}
	policy, err := a.Policy(ctx)
	if err != nil {
		return evaluator, err
	}
	project := cmp.Or(t.Project, s.Option("project"))
	evaluator.Policy = scan.PolicyFor(policy, s, project, t)
	evaluator.Ratchet, err = a.references.Ratchet(ctx, evaluator.Policy, project, now, scan.Matching{
		Index: view, Memo: view.Memo(), Snapshot: view.Data().Snapshot, Now: now,
		Need: need,
	})
	return evaluator, err
}

// getScan answers with a stored verdict, unchanged.
func (a *api) getScan(w http.ResponseWriter, r *http.Request, t store.Token) error {
	s, sizes, err := a.readable(r, t)
	if err != nil {
		return err
	}
	memory := a.server.WorkMemory(t)
	defer memory.Free()
	text, err := a.verdictOf(w, r, s, sizes.Verdict, memory, 0)
	if err != nil {
		return err
	}
	memory.Resize(int64(cap(text)))
	httpserver.Send(w, "application/json", text)
	return nil
}

// verdictOf reads a stored verdict of size bytes. It reserves memory for it, and times
// size for the work on it.
func (a *api) verdictOf(w http.ResponseWriter, r *http.Request, s store.Scan, size int64, memory *httpserver.Lease, times int64) ([]byte, error) {
	httpserver.LogScan(w, s.ID)
	if err := memory.Reserve(r.Context(), loadNeed(size)+times*size); err != nil {
		return nil, err
	}
	return a.Store.ScanVerdict(r.Context(), s.ID)
}

// getReport answers with a rendered verdict.
func (a *api) getReport(w http.ResponseWriter, r *http.Request, t store.Token) error {
	s, sizes, err := a.readable(r, t)
	if err != nil {
		return err
	}
	name := cmp.Or(r.URL.Query().Get("format"), "text")
	format, ok := formats.Find(name)
	if !ok {
		return httpserver.Problem{Status: http.StatusBadRequest, What: fmt.Sprintf("unknown report format %q", name), Hint: hintFormats()}
	}
	memory := a.server.WorkMemory(t)
	defer memory.Free()
	text, err := a.report(w, r, t, s, sizes, format, memory)
	if err != nil {
		return err
	}
	memory.Resize(int64(cap(text)))
	httpserver.Send(w, format.Type, text)
	return nil
}

// report renders a kept scan.
func (a *api) report(w http.ResponseWriter, r *http.Request, t store.Token, s store.Scan, sizes store.Sizes, format report.Format, memory *httpserver.Lease) ([]byte, error) {
	slot, err := a.server.Slot(r.Context(), t)
	if err != nil {
		return nil, err
	}
	defer slot.Free()
	times := int64(formatTimes)
	if format.Name == verdict.ReportText {
		times = reportTimes
	}
	text, err := a.verdictOf(w, r, s, sizes.Verdict, memory, times)
	if err != nil {
		return nil, err
	}
	rendered := report.Scan{At: s.At, PublicURL: a.PublicURL, Service: a.Version}
	if err := json.Unmarshal(text, &rendered.Verdict); err != nil {
		return nil, fmt.Errorf("decode the verdict of scan %q: %w", s.ID, err)
	}
	if format.Inventory {
		if err := memory.Grow(inventoryNeed(sizes.Request)); err != nil {
			return nil, err
		}
		whole, err := a.Store.Scan(r.Context(), s.ID)
		if err != nil {
			return nil, err
		}
		if rendered.Sent, err = readDocument(whole.Request); err != nil {
			return nil, fmt.Errorf("decode the inventory of scan %q: %w", s.ID, err)
		}
	}
	var b bytes.Buffer
	err = format.Render(&b, rendered)
	return b.Bytes(), err
}

// readable returns the scan of a request, without its documents, if the token may read
// it. Otherwise the error is the same as for an unknown scan, and no document is read.
func (a *api) readable(r *http.Request, t store.Token) (store.Scan, store.Sizes, error) {
	id := r.PathValue("id")
	s, sizes, err := a.Store.FindScan(r.Context(), id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return s, sizes, err
	}
	if err != nil || !httpserver.MayRead(t, s) {
		return s, sizes, httpserver.Problem{Status: http.StatusNotFound, What: fmt.Sprintf("no scan %q", id), Hint: "a token reads its own scans; --scope read reads all of its project"}
	}
	return s, sizes, nil
}

// keyOf returns the digest of an idempotency key, which is stored in its place: a client
// may send a secret as the key. The result for an empty key is empty.
func keyOf(key string) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(key))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
