package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"assay/remote/cyclonedx"
	"assay/service/explain"
	"assay/service/store"
)

// maxAsked bounds the id that is asked for.
const maxAsked = 256

// getExplain says why a vulnerability is a finding of a kept scan, or why not.
func (a *api) getExplain(w http.ResponseWriter, r *http.Request, t store.Token) error {
	s, err := a.readable(r, t)
	if err != nil {
		return err
	}
	id, format := r.URL.Query().Get("id"), r.URL.Query().Get("format")
	switch {
	case id == "" || len(id) > maxAsked:
		return problem{http.StatusBadRequest, "no vulnerability is named", "ask with ?id=CVE-2024-1234, or the id of an advisory"}
	case format != "" && format != "json" && format != "text":
		return problem{http.StatusBadRequest, fmt.Sprintf("no explanation of format %q", format), "json and text can be had"}
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	view, err := a.View()
	if err != nil {
		return a.noData(err)
	}
	defer view.Close()
	in := explain.Input{Scan: s, ID: id, Index: view, Records: a.Store, Now: a.Now()}
	if err := json.Unmarshal(s.Verdict, &in.Verdict); err != nil {
		return fmt.Errorf("decode the verdict of scan %q: %w", s.ID, err)
	}
	sent, err := cyclonedx.Decode(bytes.NewReader(s.Request), cyclonedx.DefaultLimits())
	if err != nil {
		return fmt.Errorf("decode the inventory of scan %q: %w", s.ID, err)
	}
	in.Inventory = sent.Inventory
	e, err := explain.Explain(r.Context(), in)
	if err != nil {
		return err
	}
	if format == "text" {
		var b bytes.Buffer
		if err := explain.WriteText(&b, e); err != nil {
			return err
		}
		writeBody(w, http.StatusOK, "text/plain; charset=utf-8", b.Bytes())
		return nil
	}
	writeJSON(w, http.StatusOK, e)
	return nil
}

var _ explain.Records = Store(nil)
