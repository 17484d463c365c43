package v1

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"assay/service/advisory"
	"assay/service/clair"
	"assay/service/httpserver"
	"assay/service/index"
	"assay/service/match"
	"assay/service/store"
)

const (
	maxPage    = 500 // vulnerabilities in one answer
	maxRecords = 200 // about one vulnerability
	maxID      = 256 // bytes of an id
)

// getVulnerabilities lists the advisories of a namespace.
func (h *Service) getVulnerabilities(w http.ResponseWriter, r *http.Request, t store.Token) error {
	limit, after, err := pageOf(r)
	if err != nil {
		return err
	}
	slot, err := h.server.Slot(r.Context(), t)
	if err != nil {
		return err
	}
	defer slot.Free()
	view, err := h.View()
	if err != nil {
		return err
	}
	defer view.Close()
	namespace := r.PathValue("namespace")
	ecosystems, err := ecosystemsOf(view, namespace)
	if err != nil {
		return err
	}
	ids, next, err := view.Advisories(ecosystems, after, limit)
	if err != nil {
		return err
	}
	list := []vulnerability{}
	for _, id := range ids {
		v, ok, err := h.describe(r.Context(), view, namespace, ecosystems, []string{id}, false)
		if err != nil {
			return err
		}
		if ok {
			list = append(list, v)
		}
	}
	if next != "" {
		next = base64.RawURLEncoding.EncodeToString([]byte(next))
	}
	write(w, r, http.StatusOK, vulnerabilityEnvelope{Vulnerabilities: &list, NextPage: next})
	return nil
}

// pageOf returns the parameters of a list, with the errors of Clair.
func pageOf(r *http.Request) (limit int, after string, err error) {
	query := r.URL.Query()
	if !query.Has("limit") {
		return 0, "", badRequest("must provide limit query parameter")
	}
	limit, err = strconv.Atoi(query.Get("limit"))
	switch {
	case err != nil:
		return 0, "", badRequest("invalid limit format: " + err.Error())
	case limit < 0:
		return 0, "", badRequest("limit value should not be less than zero")
	}
	if query.Has("page") {
		text, err := base64.RawURLEncoding.DecodeString(query.Get("page"))
		if err != nil || len(text) == 0 || len(text) > maxID {
			return 0, "", badRequest("invalid page format: invalid or expired pagination token")
		}
		after = string(text)
	}
	return min(max(limit, 1), maxPage), after, nil // an empty page without a next one would say that there are none
}

// getVulnerability answers with what the advisories of a namespace say of a vulnerability.
func (h *Service) getVulnerability(w http.ResponseWriter, r *http.Request, _ store.Token) error {
	v, err := h.vulnerability(r, r.URL.Query().Has("fixedIn"))
	if err != nil {
		return err
	}
	write(w, r, http.StatusOK, vulnerabilityEnvelope{Vulnerability: &v})
	return nil
}

// getFixes answers with the packages that fix a vulnerability.
func (h *Service) getFixes(w http.ResponseWriter, r *http.Request, _ store.Token) error {
	v, err := h.vulnerability(r, true)
	if err != nil {
		return err
	}
	write(w, r, http.StatusOK, featureEnvelope{&v.FixedIn})
	return nil
}

func (h *Service) vulnerability(r *http.Request, fixedIn bool) (vulnerability, error) {
	none := vulnerability{}
	name := r.PathValue("vulnerability")
	if len(name) > maxID {
		return none, notFound("")
	}
	view, err := h.View()
	if err != nil {
		return none, err
	}
	defer view.Close()
	namespace := r.PathValue("namespace")
	ecosystems, err := ecosystemsOf(view, namespace)
	if err != nil {
		return none, err
	}
	referrers, err := view.Referrers(name)
	if err != nil {
		return none, err
	}
	mentions, err := view.Mentions(name)
	if err != nil {
		return none, err
	}
	ids := slices.Concat([]string{name}, referrers, mentions)
	if len(ids) > maxRecords {
		return none, httpserver.Problem{Status: http.StatusUnprocessableEntity, What: "too many advisories name this vulnerability"}
	}
	v, ok, err := h.describe(r.Context(), view, namespace, ecosystems, ids, fixedIn)
	if err == nil && !ok {
		err = notFound("")
	}
	if advisory.IsCVE(name) {
		v.Name = name
		v.Link = linkOf(name, namespace)
	}
	return v, err
}

// describe returns a vulnerability as the records with some ids have it. It is not ok if none
// of them is about a package of the ecosystems.
func (h *Service) describe(ctx context.Context, view View, namespace string, ecosystems, ids []string, fixedIn bool) (v vulnerability, ok bool, err error) {
	v.NamespaceName = namespace
	entries := map[string][]index.Affected{} // by ecosystem
	var known []index.Vulnerability
	for _, id := range ids {
		about, err := view.Vulnerabilities(id)
		if err != nil {
			return v, false, err
		}
		known = append(known, about...)
		stored, err := h.Store.RecordsOf(ctx, id, view.Seq())
		if err != nil {
			return v, false, err
		}
		for _, rec := range stored {
			if rec.Removed {
				continue
			}
			a, err := advisory.Parse(rec.Body)
			if err != nil || a.Withdrawn != nil {
				continue // the index does not have it either
			}
			a.Source = rec.Origin.Source
			ok = v.add(a, ecosystems, entries, fixedIn) || ok
		}
	}
	severities := []string{}
	for ecosystem, list := range entries {
		severities = append(severities, clair.Severity(match.SeverityOf(ecosystem, list, known)))
	}
	v.Severity = worstOf(severities)
	v.Link = linkOf(v.Name, namespace)
	slices.SortFunc(v.FixedIn, func(a, b feature) int {
		return strings.Compare(a.Name+"\x00"+a.Version, b.Name+"\x00"+b.Version)
	})
	v.FixedIn = slices.CompactFunc(v.FixedIn, func(a, b feature) bool { return a.Name == b.Name && a.Version == b.Version })
	return v, ok, nil
}

// worstOf returns the most severe of Clair's words.
func worstOf(words []string) string {
	for _, word := range []string{"Critical", "High", "Medium", "Low", "Negligible"} {
		if slices.Contains(words, word) {
			return word
		}
	}
	return "Unknown"
}

// add adds what a record says of the ecosystems, and reports whether it says something.
func (v *vulnerability) add(a advisory.Advisory, ecosystems []string, entries map[string][]index.Affected, fixedIn bool) (about bool) {
	for _, e := range index.Entries(a, nil) {
		if !slices.Contains(ecosystems, e.Ecosystem) || e.Affected.Status == advisory.StatusNotAffected {
			continue
		}
		about = true
		entries[e.Ecosystem] = append(entries[e.Ecosystem], e.Affected)
		if !fixedIn {
			continue
		}
		_, format := namespaceOf(e.Ecosystem)
		fix := feature{Name: e.Name, NamespaceName: v.NamespaceName, VersionFormat: format, Version: "None"} // as Clair says that there is no fix
		for _, r := range e.Affected.Ranges {
			if last := r.LastFix(); last != "" {
				fix.Version = last
			}
		}
		v.FixedIn = append(v.FixedIn, fix)
	}
	if !about {
		return false
	}
	if v.Name == "" {
		v.Name = nameOf(a)
	}
	if v.Description == "" {
		if v.Description = a.Details; v.Description == "" {
			v.Description = a.Summary
		}
	}
	return true
}

// nameOf returns the CVE of an advisory about one, and otherwise its id.
func nameOf(a advisory.Advisory) string {
	if cve := advisory.CVEIn(a.ID); cve != "" {
		return cve
	}
	var cves []string
	for _, id := range slices.Concat(a.Aliases, a.Upstream) {
		if advisory.IsCVE(id) && !slices.Contains(cves, id) {
			cves = append(cves, id)
		}
	}
	if len(cves) == 1 {
		return cves[0]
	}
	return a.ID
}
