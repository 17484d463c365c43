package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"assay/service/explain"
	"assay/service/httpserver"
	"assay/service/scan"
	"assay/service/store"
)

// maxAsked bounds the length of the requested id.
const maxAsked = 256

// getExplain explains why a vulnerability is a finding of a stored scan, or why not.
func (a *api) getExplain(w http.ResponseWriter, r *http.Request, t store.Token) error {
	s, sizes, err := a.readable(r, t)
	if err != nil {
		return err
	}
	id, format := r.URL.Query().Get("id"), r.URL.Query().Get("format")
	switch {
	case id == "" || len(id) > maxAsked:
		return httpserver.Problem{Status: http.StatusBadRequest, What: "the id of the vulnerability is missing or too long", Hint: "ask with ?id=CVE-2024-1234, or the id of an advisory"}
	case format != "" && format != "json" && format != "text":
		return httpserver.Problem{Status: http.StatusBadRequest, What: fmt.Sprintf("unknown format %q", format), Hint: "use json or text"}
	}
	memory := a.server.WorkMemory(t)
	defer memory.Free()
	e, err := a.explain(w, r, t, s, sizes, id, memory)
	if err != nil {
		return err
	}
	if format == "text" {
		var b bytes.Buffer
		if err := explain.WriteText(&b, e); err != nil {
			return err
		}
		httpserver.Send(w, "text/plain; charset=utf-8", b.Bytes())
		return nil
	}
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	httpserver.Send(w, "application/json", b)
	return nil
}

func (a *api) explain(w http.ResponseWriter, r *http.Request, t store.Token, s store.Scan, sizes store.Sizes, id string, memory *httpserver.Lease) (explain.Explanation, error) {
	none := explain.Explanation{}
	slot, err := a.server.Slot(r.Context(), t)
	if err != nil {
		return none, err
	}
	defer slot.Free()
	if err := memory.Reserve(r.Context(), loadNeed(sizes.Request)+loadNeed(sizes.Verdict)+reportTimes*sizes.Verdict); err != nil {
		return none, err
	}
	if s, err = a.Store.Scan(r.Context(), s.ID); err != nil {
		return none, err
	}
	if err := memory.Grow(scanNeed(int64(len(s.Request)), httpserver.CountObjects(s.Request))); err != nil {
		return none, err
	}
	view, err := a.View()
	if err != nil {
		return none, a.noData(err)
	}
	defer view.Close()
	sent, answered, err := scan.Decode(s)
	if err != nil {
		return none, err
	}
	return explain.Explain(r.Context(), explain.Input{
		Scan: s, Inventory: sent.Inventory, Verdict: answered, ID: id, Index: view, Records: a.Store, Now: a.Now(),
	})
}

var _ explain.Records = Store(nil)
