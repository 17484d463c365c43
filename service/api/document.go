package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"assay/service/httpserver"
	"assay/service/store"
	"assay/verdict"
)

// Evaluate evaluates a document for a token as POST /api/v1/scans does: with the same memory,
// data and policy. If keep is set, it stores the scan, and the error says if that fails. The
// scan has the document and the JSON of the verdict also if it is not stored. Errors that are
// not the service's fault are Problems.
func (h *API) Evaluate(ctx context.Context, t store.Token, document []byte, keep bool) (store.Scan, verdict.Verdict, error) {
	a := h.api
	none := func(err error) (store.Scan, verdict.Verdict, error) { return store.Scan{}, verdict.Verdict{}, err }
	need, err := documentNeed(int64(len(document)), httpserver.CountObjects(document))
	if err != nil {
		return none(err)
	}
	memory := a.server.WorkMemory(t)
	defer memory.Free()
	slot, err := a.server.Slot(ctx, t)
	if err != nil {
		return none(err)
	}
	defer slot.Free()
	if err := memory.Reserve(ctx, need); err != nil {
		return none(err)
	}
	start := time.Now()
	s, err := readDocument(document)
	a.timed(StageQueue, slot.Waited()+memory.Waited())
	a.timed(StageDecode, time.Since(start))
	if err != nil {
		return none(inventoryError(err))
	}
	if err := memory.Grow(filesNeed(s.Files)); err != nil {
		return none(err)
	}
	answer, kept, err := a.evaluate(ctx, s, t, memory)
	if err != nil {
		return none(err)
	}
	if err := memory.Grow(2 * findingsNeed(answer.Count())); err != nil { // as JSON, and whole
		return none(err)
	}
	if !keep {
		answer.Scan, answer.Report = "", ""
	}
	kept.Request = document
	if kept.Verdict, err = answer.AppendJSON(nil); err != nil {
		return none(err)
	}
	if !keep {
		kept.ID = ""
		return kept, answer.Whole(), nil
	}
	start = time.Now()
	stored, err := a.Store.KeepScan(ctx, kept)
	a.timed(StageStore, time.Since(start))
	switch {
	case ctx.Err() != nil:
		return none(ctx.Err())
	case errors.Is(err, store.ErrUnavailable):
		return none(err)
	case err != nil:
		a.keeping.fails(a.Log, kept.ID, err)
		return none(httpserver.Problem{Status: http.StatusServiceUnavailable, What: "the scan could not be stored", Hint: "the log of the service says why"})
	}
	a.keeping.works(a.Log)
	kept.ID = stored.ID
	return kept, answer.Whole(), nil
}
