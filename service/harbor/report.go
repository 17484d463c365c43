package harbor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"assay/service/httpserver"
	"assay/service/image"
	"assay/service/report"
	"assay/service/report/formats"
	"assay/service/store"
	"assay/verdict"
)

// refreshAfter is when Harbor asks again for the report of a scan that runs.
const refreshAfter = 5 * time.Second

// A head is what reports have in common.
type head struct {
	GeneratedAt time.Time   `json:"generated_at"`
	Artifact    artifact    `json:"artifact"`
	Scanner     scannerInfo `json:"scanner"`
}

// A vulnerabilityReport is a HarborVulnerabilityReport.
type vulnerabilityReport struct {
	head
	Severity        string `json:"severity"`
	Vulnerabilities []item `json:"vulnerabilities"`
}

// An item is a VulnerabilityItem.
type item struct {
	ID               string         `json:"id"`
	Package          string         `json:"package"`
	Version          string         `json:"version"`
	FixVersion       string         `json:"fix_version,omitempty"`
	Severity         string         `json:"severity"`
	Description      string         `json:"description"`
	Links            []string       `json:"links"`
	PreferredCVSS    *cvss          `json:"preferred_cvss,omitempty"`
	VendorAttributes map[string]any `json:"vendor_attributes"`
}

type cvss struct {
	ScoreV3  float64 `json:"score_v3,omitempty"`
	ScoreV2  float64 `json:"score_v2,omitempty"`
	VectorV3 string  `json:"vector_v3,omitempty"`
	VectorV2 string  `json:"vector_v2,omitempty"`
}

// An sbomReport is a HarborSbomReport.
type sbomReport struct {
	head
	MediaType string          `json:"media_type"`
	SBOM      json.RawMessage `json:"sbom"`
}

// wanted returns the media type of the report that a request accepts.
func wanted(r *http.Request) (string, error) {
	accept := r.Header.Get("Accept")
	if accept == "" {
		return typeReport, nil
	}
	for part := range strings.SplitSeq(accept, ",") {
		media, parameters, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil {
			continue
		}
		if media == "*/*" {
			return typeReport, nil
		}
		for _, offered := range []string{typeReport, typeReport10, typeSBOM} {
			own, version, _ := strings.Cut(offered, "; version=")
			if media == own && (parameters["version"] == "" || parameters["version"] == version) {
				return offered, nil
			}
		}
	}
	return "", problem(http.StatusNotImplemented, fmt.Sprintf("reports of the type %q are not supported", accept))
}

// report answers with the report of a scan.
func (h *Handler) report(w http.ResponseWriter, r *http.Request, t store.Token) error {
	mediaType, err := wanted(r)
	if err != nil {
		return err
	}
	sbom := r.URL.Query().Get("sbom_media_type")
	if mediaType == typeSBOM && sbom != typeSPDX && sbom != typeCycloneDX {
		return problem(http.StatusBadRequest, fmt.Sprintf("missing or unsupported sbom_media_type %q", sbom))
	}
	id := r.PathValue("id")
	missing := problem(http.StatusNotFound, fmt.Sprintf("no scan request %q", id))
	rec, err := h.Records.Get(r.Context(), kind, t.Project, id)
	if errors.Is(err, store.ErrNotFound) {
		return missing
	}
	if err != nil {
		return err
	}
	var of job
	if err := json.Unmarshal(rec.Body, &of); err != nil {
		return fmt.Errorf("record of scan request %q: %w: %w", id, store.ErrDamaged, err)
	}
	if !httpserver.MayRead(t, store.Scan{Token: of.Token, Project: t.Project}) {
		return missing
	}
	switch rec.State {
	case image.Running:
		w.Header().Set("Location", r.URL.RequestURI())
		w.Header().Set("Refresh-After", strconv.Itoa(int(refreshAfter/time.Second)))
		w.WriteHeader(http.StatusFound)
		return nil
	case image.Failed:
		return problem(http.StatusInternalServerError, "the image was not evaluated: "+rec.Cause)
	}
	memory := h.server.WorkMemory(t)
	defer memory.Free()
	_, sizes, err := h.Scans.FindScan(r.Context(), rec.Scan)
	if errors.Is(err, store.ErrNotFound) {
		return missing // it was removed for its age
	}
	if err != nil {
		return err
	}
	httpserver.LogScan(w, rec.Scan)
	if err := memory.Reserve(r.Context(), 64<<10+16*sizes.Request+2*sizes.Verdict); err != nil {
		return err
	}
	kept, err := h.Scans.Scan(r.Context(), rec.Scan)
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
	about := head{h.Now().UTC().Truncate(time.Second), of.Artifact, h.info()}
	if mediaType == typeSBOM {
		return h.sbom(w, about, sbom, kept, scanned)
	}
	if v.Decision.Outcome == verdict.Untrusted {
		return problem(http.StatusInternalServerError, "the image was not evaluated: "+image.Distrust(v))
	}
	if err := memory.Grow(4 << 10 * int64(len(v.Findings))); err != nil {
		return err
	}
	return send(w, http.StatusOK, mediaType, reportOf(about, v))
}

// sbom answers with the inventory. It is not an inventory if the packages of the image could
// not be read.
func (h *Handler) sbom(w http.ResponseWriter, about head, mediaType string, kept store.Scan, scanned image.Scanned) error {
	if why := image.Unread(scanned.Verdict); why != "" {
		return problem(http.StatusInternalServerError, "the packages of the image could not be read: "+why)
	}
	text := json.RawMessage(kept.Request) // which is CycloneDX
	if mediaType == typeSPDX {
		format, ok := formats.Find("spdx")
		if !ok {
			return errors.New("there is no format spdx")
		}
		var b bytes.Buffer
		if err := format.Render(&b, report.Scan{Verdict: scanned.Verdict, Sent: scanned.Sent, At: kept.At, Service: h.Version}); err != nil {
			return err
		}
		text = b.Bytes()
	}
	return send(w, http.StatusOK, typeSBOM, sbomReport{about, mediaType, text})
}

// severities are Harbor's words, the worst last.
var severities = []struct {
	own  verdict.Severity
	word string
}{
	{verdict.Unrated, "Unknown"}, {verdict.Negligible, "Negligible"}, {verdict.Low, "Low"},
	{verdict.Medium, "Medium"}, {verdict.High, "High"}, {verdict.Critical, "Critical"},
}

// rankOf returns the place of a severity in severities. An unknown one is the first.
func rankOf(s verdict.Severity) int {
	for i := range severities {
		if severities[i].own == s {
			return i
		}
	}
	return 0
}

// reportOf returns the report of a verdict. It has all findings: Harbor has exceptions of its
// own. What the policy of the service decides is in the attributes of each.
func reportOf(about head, v verdict.Verdict) vulnerabilityReport {
	rep := vulnerabilityReport{head: about, Vulnerabilities: []item{}}
	worst := 0
	for _, f := range v.Findings {
		rank := rankOf(f.Severity)
		worst = max(worst, rank)
		own := map[string]any{"fails": f.Fails, "rule": f.Rule, "why": f.Why, "known_exploited": f.KnownExploited, "purl": f.Package.PURL}
		if f.EPSS > 0 {
			own["epss"] = f.EPSS
		}
		if f.Layer != "" {
			own["layer"] = f.Layer
		}
		rep.Vulnerabilities = append(rep.Vulnerabilities, item{
			ID: f.ID, Package: f.Package.Name, Version: f.Package.Version, FixVersion: f.Fixed, Severity: severities[rank].word,
			Description: f.Summary, Links: links(f), PreferredCVSS: scoreOf(f), VendorAttributes: map[string]any{"assay": own},
		})
	}
	rep.Severity = severities[worst].word
	return rep
}

// links returns the pages of a vulnerability and its advisories.
func links(f verdict.Finding) []string {
	list := []string{}
	if strings.HasPrefix(f.ID, "CVE-") {
		list = append(list, "https://www.cve.org/CVERecord?id="+f.ID)
	}
	for _, id := range f.Advisories {
		if !strings.HasPrefix(id, "CVE-") {
			list = append(list, "https://osv.dev/vulnerability/"+strings.ReplaceAll(id, ":", "%3A"))
		}
	}
	return list
}

// scoreOf returns the score of a finding, if it is one of CVSS 2 or 3: Harbor knows no other.
func scoreOf(f verdict.Finding) *cvss {
	switch {
	case strings.HasPrefix(f.Vector, "CVSS:3"):
		return &cvss{ScoreV3: f.Score, VectorV3: f.Vector}
	case strings.HasPrefix(f.Vector, "AV:"):
		return &cvss{ScoreV2: f.Score, VectorV2: f.Vector}
	}
	return nil
}
