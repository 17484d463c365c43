package v4

import (
	"errors"
	"fmt"
	"net/http"

	"assay/service/httpserver"
	"assay/service/image"
	"assay/service/store"
	"assay/verdict"
)

// getVulnerabilityReport evaluates what was indexed with the data of now. What cannot be
// evaluated is an error, and never a report without vulnerabilities.
func (h *handler) getVulnerabilityReport(w http.ResponseWriter, r *http.Request, t store.Token) error {
	hash, err := manifestOf(r)
	if err != nil {
		return err
	}
	kind, err := negotiate(r, typeVulnerabilityReport, typeJSON)
	if err != nil {
		return err
	}
	missing := httpserver.Problem{Status: http.StatusNotFound, What: fmt.Sprintf("index report for manifest %q not found", hash)}
	rec, of, err := h.record(r, t, hash)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return missing
	case err != nil:
		return err
	case rec.State == image.Failed:
		missing.Hint = "it could not be indexed: " + rec.Cause
		return missing
	case rec.State != image.Finished:
		missing.Hint = "it is being indexed"
		return missing
	}
	memory := h.server.WorkMemory(t)
	defer memory.Free()
	kept, err := h.kept(w, r, rec.Scan, memory)
	if errors.Is(err, store.ErrNotFound) {
		return missing
	}
	if err != nil {
		return err
	}
	scanned, err := h.Scanner.Again(r.Context(), t, kept)
	if err != nil {
		return err
	}
	v := scanned.Verdict
	httpserver.LogVerdict(w, t.Project, string(v.Decision.Outcome))
	if h.Scanned != nil {
		h.Scanned(v.Decision.Outcome)
	}
	if v.Decision.Outcome == verdict.Untrusted {
		return httpserver.Problem{Status: http.StatusInternalServerError, What: "failed to start scan: the image was not evaluated: " + image.Distrust(v)}
	}
	if err := memory.Grow(reportNeed(len(scanned.Sent.Inventory.Packages), len(v.Findings))); err != nil {
		return err
	}
	found, err := vulnerabilityReportOf(hash, scanned.Sent.Inventory, of.Layers, v)
	if err != nil {
		return err
	}
	return send(w, http.StatusOK, kind, found)
}
