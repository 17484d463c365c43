// Package harbor answers Harbor's pluggable scanner API, version 1.2, so that a Harbor
// registry uses this service as its scanner:
//
//	GET  /harbor/api/v1/metadata          what the scanner can do
//	POST /harbor/api/v1/scan              starts the scan of an artifact
//	GET  /harbor/api/v1/scan/{id}/report  its report, evaluated with the data of now
//
// Harbor is given the address of the service with /harbor at its end, and appends the rest.
// An image that could not be evaluated is an error, and never a report without
// vulnerabilities. The specification is https://github.com/goharbor/pluggable-scanner-spec.
package harbor

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"assay/service/httpserver"
	"assay/service/image"
	"assay/service/layer"
	"assay/service/layer/source"
	"assay/service/store"
	"assay/verdict"
)

// A Scanner evaluates images; image.Scanner does.
type Scanner interface {
	Scan(ctx context.Context, t store.Token, img layer.Image, o image.Options) (image.Scanned, error)
	Again(ctx context.Context, t store.Token, kept store.Scan) (image.Scanned, error)
}

// A Fetcher finds images in registries; source.Fetcher does.
type Fetcher interface {
	Registry(ctx context.Context, r source.Request) (layer.Image, error)
}

// Scans is the part of the store with the kept scans.
type Scans interface {
	Scan(ctx context.Context, id string) (store.Scan, error)
	FindScan(ctx context.Context, id string) (store.Scan, store.Sizes, error)
}

// A Config configures the API.
type Config struct {
	Records *image.Records
	Scans   Scans
	Scanner Scanner
	Fetcher Fetcher
	// Data describes the data that is served now.
	Data    func() (verdict.Data, error)
	Version string // of assayd
	// Scanned, if set, is called with the outcome of each report that is sent.
	Scanned func(verdict.Outcome)
	Now     func() time.Time
	Log     *slog.Logger
}

// kind is that of the records of this API.
const kind = "harbor"

// The paths of the API.
const (
	metadataPath = "/harbor/api/v1/metadata"
	scanPath     = "/harbor/api/v1/scan"
	reportPath   = "/harbor/api/v1/scan/{id}/report"
)

// A Handler answers the API, and scans in the background.
type Handler struct {
	Config
	server *httpserver.Server

	ctx    context.Context // of the work in the background
	cancel context.CancelFunc
	mu     sync.Mutex
	jobs   int // accepted and not finished
	work   sync.WaitGroup
}

// Handle adds the handlers to a server. The caller stops the work in the background.
func Handle(s *httpserver.Server, c Config) *Handler {
	h := &Handler{Config: c, server: s}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	s.Handle("GET "+metadataPath, h.handler("", h.metadata))
	s.Handle("POST "+scanPath, h.handler(httpserver.ScopeScan, h.scan))
	s.Handle("GET "+reportPath, h.handler("", h.report))
	return h
}

// Stop ends the scans in the background, and waits for that. Harbor is told that they failed.
func (h *Handler) Stop() {
	h.cancel()
	h.work.Wait()
}

// The media types of the API.
const (
	typeMetadata = "application/vnd.scanner.adapter.metadata+json; version=1.1"
	typeAccepted = "application/vnd.scanner.adapter.scan.response+json; version=1.0"
	typeError    = "application/vnd.scanner.adapter.error+json; version=1.0"
	typeReport   = "application/vnd.security.vulnerability.report; version=1.1"
	typeReport10 = "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"
	typeSBOM     = "application/vnd.security.sbom.report+json; version=1.0"

	typeSPDX      = "application/spdx+json"
	typeCycloneDX = "application/vnd.cyclonedx+json"
)

// handler returns a handler for requests with a valid token that has a scope. Harbor sends the
// token as the password of Basic authentication, as a bearer token or as an API key. It polls
// for reports, so that requests do not count towards the rate of the token; the number of
// scans that run is bounded.
func (h *Handler) handler(scope string, serve httpserver.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		secret := httpserver.SecretOf(r)
		if secret == "" {
			secret = r.Header.Get("X-ScannerAdapter-API-Key")
		}
		t, err := h.server.Identify(w, r, secret, "give the token to Harbor as the password of Basic authentication, as the bearer token or as the API key")
		if err == nil {
			err = httpserver.RequireScope(t, scope)
		}
		if err == nil {
			err = serve(w, r, t)
		}
		if err != nil {
			h.refuse(w, r, err)
		}
	}
}

// refuse answers with an error in Harbor's form.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := h.server.ProblemOf(w, r, err)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="assay"`)
	}
	message := p.What
	if p.Hint != "" {
		message += "; " + p.Hint
	}
	type cause struct {
		Message string `json:"message"`
	}
	_ = send(w, p.Status, typeError, struct { // which can always be encoded
		Error cause `json:"error"`
	}{cause{message}})
}

func problem(status int, what string) error { return httpserver.Problem{Status: status, What: what} }

// send answers with JSON.
func send(w http.ResponseWriter, status int, mediaType string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if status == http.StatusOK {
		httpserver.Send(w, mediaType, text)
		return nil
	}
	httpserver.WriteBody(w, status, mediaType, text)
	return nil
}

// A scannerInfo describes the scanner.
type scannerInfo struct {
	Name    string `json:"name"`
	Vendor  string `json:"vendor"`
	Version string `json:"version"`
}

func (h *Handler) info() scannerInfo { return scannerInfo{"assay", "assay", h.Version} }

// A capability is a kind of report that the scanner makes.
type capability struct {
	Type       string              `json:"type"`
	Consumes   []string            `json:"consumes_mime_types"`
	Produces   []string            `json:"produces_mime_types"`
	Attributes map[string][]string `json:"additional_attributes,omitempty"`
}

// manifestTypes returns the types of artifacts that can be scanned.
func manifestTypes() []string {
	return []string{"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"}
}

// metadata answers with what the scanner can do.
func (h *Handler) metadata(w http.ResponseWriter, _ *http.Request, _ store.Token) error {
	properties := map[string]string{"harbor.scanner-adapter/scanner-type": "os-package-vulnerability"}
	data, err := h.Data()
	if err != nil {
		h.Log.Error("no data is served", "err", err)
		return h.server.Unavailable("no data is served", "assayd's log says why")
	}
	if !data.Updated.IsZero() {
		properties["harbor.scanner-adapter/vulnerability-database-updated-at"] = data.Updated.UTC().Format(time.RFC3339)
	}
	return send(w, http.StatusOK, typeMetadata, struct {
		Scanner      scannerInfo       `json:"scanner"`
		Capabilities []capability      `json:"capabilities"`
		Properties   map[string]string `json:"properties"`
	}{h.info(), []capability{
		{"vulnerability", manifestTypes(), []string{typeReport, typeReport10}, nil},
		{"sbom", manifestTypes(), []string{typeSBOM}, map[string][]string{"sbom_media_types": {typeSPDX, typeCycloneDX}}},
	}, properties})
}
