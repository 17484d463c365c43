package v4

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/service/httpserver"
	"assay/service/image"
	layersource "assay/service/layer/source"
	"assay/service/scan"
	"assay/service/store"
)

// Bounds of requests.
const (
	maxManifest = 4 << 20 // bytes of a manifest, or of a list of digests
	maxDelete   = 10_000  // digests
	// answerTime is how long the rest of a request takes beside indexing.
	answerTime = 3 * time.Minute
	// endTime bounds the writing of the result of work whose client has gone.
	endTime = 30 * time.Second
	// pollTime is how often the end of another request's work on a manifest is looked for.
	pollTime = 500 * time.Millisecond
	// maxWaiting bounds the requests that wait for such work.
	maxWaiting = 64
)

// A manifest is an image as a client sends it. Fields that it does not have are ignored, as in
// Clair.
type manifest struct {
	Hash   string          `json:"hash"`
	Layers []manifestLayer `json:"layers"`
}

type manifestLayer struct {
	Hash    string              `json:"hash"`
	URI     string              `json:"uri"`
	Headers map[string][]string `json:"headers"`
}

// check returns a Problem for a manifest that cannot be indexed.
func (m manifest) check() error {
	bad := func(format string, args ...any) error {
		return httpserver.Problem{Status: http.StatusBadRequest, What: fmt.Sprintf("bogus manifest: "+format, args...)}
	}
	if err := checkDigest(m.Hash); err != nil {
		return bad("hash: %v", err)
	}
	if len(m.Layers) == 0 {
		return bad("it has no layers")
	}
	for i, l := range m.Layers {
		if err := checkDigest(l.Hash); err != nil {
			return bad("hash of layer %d: %v", i+1, err)
		}
		if !strings.HasPrefix(l.Hash, "sha256:") {
			return bad("hash of layer %d: only sha256 is supported for layers", i+1)
		}
		if l.URI == "" {
			return bad("layer %d has no uri", i+1)
		}
	}
	return nil
}

// layers returns the digests of the layers.
func (m manifest) layers() []recordLayer {
	list := make([]recordLayer, len(m.Layers))
	for i, l := range m.Layers {
		list[i].Hash = l.Hash
	}
	return list
}

// urls returns where the layers are.
func (m manifest) urls() []layersource.URL {
	list := make([]layersource.URL, len(m.Layers))
	for i, l := range m.Layers {
		header := http.Header{}
		for name, values := range l.Headers {
			for _, v := range values {
				header.Add(name, v)
			}
		}
		list[i] = layersource.URL{URL: l.URI, Header: header, Digest: l.Hash}
	}
	return list
}

// receive reads the JSON of a body into to. The media type is what the body may be beside
// JSON.
func (h *handler) receive(w http.ResponseWriter, r *http.Request, t store.Token, mediaType, what string, to any) error {
	if err := checkContent(r, mediaType); err != nil {
		return err
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return httpserver.Problem{Status: http.StatusUnsupportedMediaType, What: fmt.Sprintf("unsupported content encoding %q", e)}
	}
	if r.ContentLength > maxManifest {
		return httpserver.Problem{Status: http.StatusRequestEntityTooLarge, What: fmt.Sprintf("the body is larger than %d MiB", maxManifest>>20)}
	}
	memory := h.server.BodyMemory(t)
	defer memory.Free()
	r.Body = http.MaxBytesReader(w, r.Body, maxManifest)
	var body httpserver.Body
	if err := h.server.Receive(w, r, memory, &body); err != nil {
		return err
	}
	// The error of the decoder may quote a header with a credential.
	if err := json.Unmarshal(body.Sent, to); err != nil {
		return httpserver.Problem{Status: http.StatusBadRequest, What: "failed to deserialize " + what + ": it is not JSON of this form"}
	}
	return nil
}

// The links of an index report.
const (
	linkIndex  = `<%s>; rel="https://projectquay.io/clair/v1/index_report"`
	linkReport = `<%s>; rel="https://projectquay.io/clair/v1/vulnerability_report"`
)

// postIndexReport fetches the layers of a manifest and answers with what is in them.
func (h *handler) postIndexReport(w http.ResponseWriter, r *http.Request, t store.Token) error {
	// The file offers both, and Clair's own client takes only this one.
	mediaType, err := negotiate(r, typeJSON, typeIndexReport)
	if err != nil {
		return err
	}
	var m manifest
	if err := h.receive(w, r, t, typeManifest, "manifest", &m); err != nil {
		return err
	}
	if err := m.check(); err != nil {
		return err
	}
	location := path.Join(indexReportPath, m.Hash)
	w.Header().Add("Link", fmt.Sprintf(linkIndex, location))
	w.Header().Add("Link", fmt.Sprintf(linkReport, path.Join(vulnerabilityReportPath, m.Hash)))
	if unmodified(r, h.validator()) {
		w.WriteHeader(http.StatusPreconditionFailed)
		return nil
	}
	// Else the server would close the connection before a large image is read.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.Longest + answerTime))
	memory := h.server.WorkMemory(t)
	defer memory.Free()
	found, err := h.index(w, r, t, m, memory)
	if err != nil {
		return indexError(err)
	}
	w.Header().Set("Etag", h.validator())
	w.Header().Set("Location", location)
	return send(w, http.StatusCreated, mediaType, found)
}

// validator returns the entity tag of what the indexer finds.
func (h *handler) validator() string { return `"` + h.state + `"` }

// indexError returns the error of a manifest that could not be indexed, with the status that
// Clair has for it: 400 for a layer that cannot be read, which a client need not send again,
// and 500 for one that cannot be fetched.
func indexError(err error) error {
	p, ok := errors.AsType[httpserver.Problem](image.Problem(err))
	if !ok {
		return err
	}
	switch p.Status {
	case http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		p.Status = http.StatusBadRequest
	case http.StatusNotFound, http.StatusFailedDependency, http.StatusBadGateway, http.StatusGatewayTimeout:
		p.Status = http.StatusInternalServerError
	}
	return p
}

// index returns the index report of a manifest. It reads the layers, unless this state of the
// indexer has done that before. If another request is doing it, it waits for that.
func (h *handler) index(w http.ResponseWriter, r *http.Request, t store.Token, m manifest, memory *httpserver.Lease) (indexReport, error) {
	for {
		rec, of, err := h.record(r, t, m.Hash)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return indexReport{}, err
		case rec.State == image.Running:
			if err := h.wait(r.Context()); err != nil {
				return indexReport{}, err
			}
			continue
		case rec.State == image.Finished && of.State == h.state && slices.EqualFunc(of.Layers, m.layers(), func(a, b recordLayer) bool { return a.Hash == b.Hash }):
			found, err := h.finished(w, r, rec, of, memory)
			if !errors.Is(err, store.ErrNotFound) {
				return found, err
			}
			memory.Free() // its scan was removed
		}
		of = record{State: h.state, Token: t.ID, Layers: m.layers()}
		body, err := json.Marshal(of)
		if err != nil {
			return indexReport{}, err
		}
		work, err := h.Records.Start(r.Context(), image.Record{Kind: kind, Project: t.Project, Key: m.Hash, Body: body})
		if err == nil {
			return h.work(w, r, t, m, of, work, memory)
		}
		if !errors.Is(err, image.ErrRunning) { // by another token of the project
			return indexReport{}, err
		}
		if err := h.wait(r.Context()); err != nil {
			return indexReport{}, err
		}
	}
}

// wait waits a little for the work of another request.
func (h *handler) wait(ctx context.Context) error {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > maxWaiting {
		return httpserver.Problem{Status: http.StatusTooManyRequests, What: "too many requests wait for an image that is being indexed", RetryAfter: time.Minute}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pollTime):
		return nil
	}
}

// work indexes a manifest and ends the work.
func (h *handler) work(w http.ResponseWriter, r *http.Request, t store.Token, m manifest, of record, work *image.Work, memory *httpserver.Lease) (found indexReport, err error) {
	cause, id := errors.New("the service failed while it read the image"), ""
	defer func() { // also after a panic, or the record would be running for ever
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), endTime)
		defer cancel()
		var ended error
		body, bad := json.Marshal(of)
		if cause != nil {
			ended = work.Fail(ctx, cause, body)
		} else {
			ended = work.Finish(ctx, id, body)
		}
		if errors.Is(ended, image.ErrReplaced) {
			ended = httpserver.Problem{Status: http.StatusConflict, What: "the manifest was deleted while it was indexed"}
		}
		err = errors.Join(err, bad, ended)
	}()
	img, err := h.Fetcher.URLs(m.Hash, m.urls())
	var scanned image.Scanned
	if err == nil {
		// With the hash as its ref, the newest scan of a manifest is kept for longest.
		scanned, err = h.Scanner.Scan(r.Context(), t, img, image.Options{Ref: m.Hash})
	}
	if err != nil {
		cause = publicCause(err)
		return indexReport{}, err
	}
	httpserver.LogScan(w, scanned.Scan.ID)
	httpserver.LogVerdict(w, t.Project, string(scanned.Verdict.Decision.Outcome))
	for i := range of.Layers {
		if i < len(scanned.Layers) {
			of.Layers[i].DiffID = scanned.Layers[i].DiffID
		}
	}
	of.Unread = unread(scanned.Sent.Inventory.ScanErrors)
	if why := image.Unread(scanned.Verdict); why != "" {
		cause = errors.New(why)
		return failedReport(m.Hash, why), nil
	}
	if err := memory.Reserve(r.Context(), reportNeed(len(scanned.Sent.Inventory.Packages), 0)); err != nil {
		cause = publicCause(err)
		return indexReport{}, err
	}
	cause, id = nil, scanned.Scan.ID
	return finishedReport(m.Hash, scanned.Sent.Inventory, of), nil
}

// publicCause returns the error of an index report. Other errors than those of the image are
// in the log alone.
func publicCause(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("the client closed the connection while its image was read")
	}
	if p, ok := errors.AsType[httpserver.Problem](image.Problem(err)); ok {
		return p
	}
	return errors.New("the service could not read the image; its log says why")
}

// unread describes what could not be read of an image.
func unread(list []inventory.ScanError) string {
	const named = 5
	var text []string
	for i, e := range list {
		if i == named {
			text = append(text, fmt.Sprintf("%d more", len(list)-named))
			break
		}
		text = append(text, fmt.Sprintf("%q: %s", e.Path, e.Err))
	}
	if len(text) == 0 {
		return ""
	}
	return "not read: " + strings.Join(text, "; ")
}

func emptyContents() contents { return contentsOf(inventory.Inventory{}, nil) }

func failedReport(hash, cause string) indexReport {
	return indexReport{Hash: hash, State: stateError, contents: emptyContents(), Err: cause}
}

func finishedReport(hash string, inv inventory.Inventory, of record) indexReport {
	return indexReport{Hash: hash, State: stateFinished, contents: contentsOf(inv, of.Layers), Success: true, Err: of.Unread}
}

// reportNeed returns the memory for a report, as built and as JSON.
func reportNeed(packages, findings int) int64 {
	return 64<<10 + 2<<10*int64(packages) + 4<<10*int64(findings)
}

// record returns the record of a manifest, if the token may read it. Otherwise the error wraps
// store.ErrNotFound.
func (h *handler) record(r *http.Request, t store.Token, hash string) (image.Record, record, error) {
	rec, err := h.Records.Get(r.Context(), kind, t.Project, hash)
	if err != nil {
		return rec, record{}, err
	}
	var of record
	if err := json.Unmarshal(rec.Body, &of); err != nil {
		return rec, of, fmt.Errorf("record of manifest %q: %w: %w", hash, store.ErrDamaged, err)
	}
	if !mayRead(t, of.Token) {
		return rec, of, fmt.Errorf("manifest %q: %w", hash, store.ErrNotFound)
	}
	return rec, of, nil
}

// kept returns a kept scan. It reserves memory for its document and what is made of it.
func (h *handler) kept(w http.ResponseWriter, r *http.Request, id string, memory *httpserver.Lease) (store.Scan, error) {
	_, sizes, err := h.Scans.FindScan(r.Context(), id)
	if err != nil {
		return store.Scan{}, err
	}
	httpserver.LogScan(w, id)
	if err := memory.Reserve(r.Context(), 64<<10+8*sizes.Request+2*sizes.Verdict); err != nil {
		return store.Scan{}, err
	}
	return h.Scans.Scan(r.Context(), id)
}

// finished returns the report of an indexed manifest.
func (h *handler) finished(w http.ResponseWriter, r *http.Request, rec image.Record, of record, memory *httpserver.Lease) (indexReport, error) {
	kept, err := h.kept(w, r, rec.Scan, memory)
	if err != nil {
		return indexReport{}, err
	}
	sent, err := scan.Read(kept.Request)
	if err != nil {
		return indexReport{}, fmt.Errorf("decode the inventory of scan %q: %w", kept.ID, err)
	}
	return finishedReport(rec.Key, sent.Inventory, of), nil
}

// getIndexReport answers with the report of a manifest that was sent before.
func (h *handler) getIndexReport(w http.ResponseWriter, r *http.Request, t store.Token) error {
	hash, err := manifestOf(r)
	if err != nil {
		return err
	}
	mediaType, err := negotiate(r, typeIndexReport, typeJSON)
	if err != nil {
		return err
	}
	missing := httpserver.Problem{Status: http.StatusNotFound, What: "index report not found"}
	rec, of, err := h.record(r, t, hash)
	if errors.Is(err, store.ErrNotFound) {
		return missing
	}
	if err != nil {
		return err
	}
	memory := h.server.WorkMemory(t)
	defer memory.Free()
	var found indexReport
	switch rec.State {
	case image.Finished:
		if of.State == h.state && unmodified(r, h.validator()) {
			w.Header().Set("Etag", h.validator())
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		if found, err = h.finished(w, r, rec, of, memory); errors.Is(err, store.ErrNotFound) {
			return missing
		}
		if err != nil {
			return err
		}
	case image.Failed:
		found = failedReport(hash, rec.Cause)
	default:
		found = indexReport{Hash: hash, State: stateRunning, contents: emptyContents()}
	}
	w.Header().Set("Etag", `"`+of.State+`"`)
	return send(w, http.StatusOK, mediaType, found)
}

// deleteManifest removes the report of a manifest. It is not an error if there is none.
func (h *handler) deleteManifest(w http.ResponseWriter, r *http.Request, t store.Token) error {
	hash, err := manifestOf(r)
	if err != nil {
		return err
	}
	if _, err := h.remove(r, t, hash); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteManifests removes several reports, and answers with those that were there.
func (h *handler) deleteManifests(w http.ResponseWriter, r *http.Request, t store.Token) error {
	mediaType, err := negotiate(r, typeJSON, typeBulkDelete)
	if err != nil {
		return err
	}
	var digests []string
	if err := h.receive(w, r, t, typeBulkDelete, "bulk delete", &digests); err != nil {
		return err
	}
	if len(digests) > maxDelete {
		return httpserver.Problem{Status: http.StatusBadRequest, What: fmt.Sprintf("more than %d digests", maxDelete)}
	}
	for _, d := range digests {
		if err := checkDigest(d); err != nil {
			return httpserver.Problem{Status: http.StatusBadRequest, What: "failed to deserialize bulk delete: " + err.Error()}
		}
	}
	removed := []string{}
	for _, d := range digests {
		ok, err := h.remove(r, t, d)
		if err != nil {
			return err
		}
		if ok {
			removed = append(removed, d)
		}
	}
	return send(w, http.StatusOK, mediaType, removed)
}

// remove removes the record of a manifest that the token may read, and reports whether there
// was one.
func (h *handler) remove(r *http.Request, t store.Token, hash string) (bool, error) {
	_, _, err := h.record(r, t, hash)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return false, err
	}
	return true, h.Records.Delete(r.Context(), kind, t.Project, hash)
}

// getIndexState answers with the state of the indexer. It changes when images should be
// indexed again.
func (h *handler) getIndexState(w http.ResponseWriter, r *http.Request, _ store.Token) error {
	mediaType, err := negotiate(r, typeIndexState, typeJSON)
	if err != nil {
		return err
	}
	w.Header().Set("Etag", h.validator())
	if unmodified(r, h.validator()) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return send(w, http.StatusOK, mediaType, struct {
		State string `json:"state"`
	}{h.state})
}
