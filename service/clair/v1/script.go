package v1

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"assay/service/clair"
	"assay/service/httpserver"
	"assay/service/image"
	layers "assay/service/layer"
	"assay/service/layer/source"
	"assay/service/store"
)

// The script evaluates an image of a registry by its name. It asks for the layers of the image,
// posts the id of each to have it analyzed, and then asks for the image, without a pause, until
// the answer says that the analysis is finished. The ids name the image and its digest, so the
// first one that is posted starts the evaluation of the image, at any replica, and the others
// find it running or finished.

// A listed is a layer in the list of an image.
type listed struct {
	Name string `json:"Name"`
}

// An analysis is the answer about an image.
type analysis struct {
	Status          string      `json:"Status"`
	Image           string      `json:"Image,omitempty"`
	Digest          string      `json:"Digest,omitempty"`
	Vulnerabilities *[]analyzed `json:"Vulnerabilities,omitempty"`
}

// An analyzed is one vulnerability in one package.
type analyzed struct {
	Severity      string `json:"Severity"`
	Package       string `json:"Package"`
	Version       string `json:"Version,omitempty"`
	Name          string `json:"Name"`
	CVE           string `json:"CVE"`
	NamespaceName string `json:"NamespaceName,omitempty"`
	Description   string `json:"Description,omitempty"`
	Link          string `json:"Link,omitempty"`
	FixedBy       string `json:"FixedBy,omitempty"`
}

const (
	finished = "Finished"
	running  = "Running"
	failed   = "Failed"

	// manifestTime is how long a registry may take to describe an image.
	manifestTime = 2 * time.Minute
	// failedTime is how long an analysis that failed is not started again.
	failedTime = 10 * time.Second
)

// listLayers answers with the layers of an image in a registry.
func (h *Service) listLayers(w http.ResponseWriter, r *http.Request, t store.Token) error {
	name := r.URL.Query().Get("Name")
	if name == "" {
		return httpserver.Problem{Status: http.StatusBadRequest, What: "the name of an image is missing", Hint: "ask with ?Name=IMAGE"}
	}
	img, err := h.image(r.Context(), t, name, "")
	if err != nil {
		return err
	}
	list := make([]listed, len(img.Layers))
	for i, l := range img.Layers {
		list[i] = listed{layerID(name, img.Digest, i, l)}
	}
	if len(list) == 0 {
		return httpserver.Problem{Status: http.StatusUnprocessableEntity, What: fmt.Sprintf("the image %q has no layers", name)}
	}
	write(w, r, http.StatusOK, list)
	return nil
}

// image finds an image in its registry. If digest is not empty, it is the image with the digest.
func (h *Service) image(ctx context.Context, t store.Token, name, digest string) (layers.Image, error) {
	reference := name
	if digest != "" {
		reference, _, _ = strings.Cut(name, "@")
		reference += "@" + digest
	}
	ctx, cancel := context.WithTimeout(ctx, manifestTime)
	defer cancel()
	img, err := h.Source.Registry(ctx, source.Request{Reference: reference, Project: t.Project})
	img.Name = name
	return img, image.Problem(err)
}

// layerID returns the id of a layer of an image. It names the image, since different images may
// have the same layer.
func layerID(name, digest string, i int, l layers.Blob) string {
	return fmt.Sprintf("%s#%s#%d-%s", name, digest, i, cmp.Or(l.Digest, l.DiffID))
}

// imageOf returns the name and the digest of the image of a layer's id.
func imageOf(id string) (name, digest string, ok bool) {
	name, rest, ok := strings.Cut(id, "#")
	digest, _, ok2 := strings.Cut(rest, "#")
	return name, digest, ok && ok2 && name != "" && len(id) <= 4*maxName && validDigest(digest)
}

// postAnalyze starts the evaluation of the image of a layer, if it is not running or finished.
func (h *Service) postAnalyze(w http.ResponseWriter, r *http.Request, t store.Token) error {
	var request struct{ LayerID string }
	if err := read(w, r, &request); err != nil {
		return err
	}
	name, digest, ok := imageOf(request.LayerID)
	if !ok {
		return httpserver.Problem{Status: http.StatusNotFound, What: fmt.Sprintf("unknown layer %.200q", request.LayerID), Hint: "post the names that GET /v1/layers?Name=IMAGE lists"}
	}
	rec, body, err := h.analysis(r.Context(), t, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	state := running
	switch {
	case err == nil && body.Digest == digest && rec.State == image.Running:
	case err == nil && body.Digest == digest && rec.State == image.Finished && h.has(r.Context(), rec.Scan):
		state = finished
	case err == nil && body.Digest == digest && rec.State == image.Failed && h.Now().Sub(rec.At) < failedTime:
		state = failed // the ids of its other layers do not start it again
	default:
		_, err := h.start(r.Context(), t, image.Record{Kind: imageKind, Project: t.Project, Key: name}, kept{Digest: digest}, func(ctx context.Context) (layers.Image, func(), error) {
			img, err := h.image(ctx, t, name, digest)
			return img, func() {}, err
		})
		// An evaluation of an earlier image with the name is not interrupted. The client gets
		// its result, and its next request for the layers has the new one.
		if err != nil && !errors.Is(err, image.ErrRunning) {
			return err
		}
	}
	write(w, r, http.StatusOK, analysis{Status: state, Image: name, Digest: digest})
	return nil
}

// analysis returns the record of an image.
func (h *Service) analysis(ctx context.Context, t store.Token, name string) (rec image.Record, body kept, err error) {
	if name == "" || len(name) > 4*maxName {
		return rec, body, fmt.Errorf("image %.100q: %w", name, store.ErrNotFound)
	}
	if rec, err = h.Records.Get(ctx, imageKind, t.Project, name); err != nil {
		return rec, body, err
	}
	if err := json.Unmarshal(rec.Body, &body); err != nil {
		return rec, body, fmt.Errorf("read the record of %q: %w", name, err)
	}
	return rec, body, nil
}

// has reports whether a scan is kept.
func (h *Service) has(ctx context.Context, scan string) bool {
	_, _, err := h.Store.FindScan(ctx, scan)
	return !errors.Is(err, store.ErrNotFound)
}

// getAnalyze answers with the vulnerabilities of an image. While it is being evaluated, the
// answer waits. An image that could not be evaluated is an error without a status.
func (h *Service) getAnalyze(w http.ResponseWriter, r *http.Request, t store.Token) error {
	name := r.PathValue("image")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime))
	if !h.waits.enter(t.Project) {
		return h.server.Busy(0)
	}
	defer h.waits.leave(t.Project)
	for start := time.Now(); ; {
		rec, body, err := h.analysis(r.Context(), t, name)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return notFound(fmt.Sprintf("the image %.200q is not being analyzed: GET /v1/layers?Name=IMAGE lists its layers, and POST /v1/analyze starts it", name))
		case err != nil:
			return err
		case rec.State == image.Failed:
			return failureOf(rec)
		case rec.State == image.Finished:
			return h.sendAnalysis(w, r, t, rec, body)
		case time.Since(start) >= h.wait:
			write(w, r, http.StatusOK, analysis{Status: running, Image: name, Digest: body.Digest})
			return nil
		}
		if err := sleep(r.Context(), pollTime); err != nil {
			return err
		}
	}
}

// sendAnalysis answers with a finished analysis. The same one is not made again for a client
// that asks without a pause.
func (h *Service) sendAnalysis(w http.ResponseWriter, r *http.Request, t store.Token, rec image.Record, body kept) error {
	key := t.Project + "\x00" + rec.Scan
	found, ok := h.kept.get(key)
	if !ok {
		e, gone, err := h.now(r.Context(), t, rec)
		if err != nil {
			return err
		}
		if gone {
			return notFound("the analysis is not kept any more: post the layers of the image again")
		}
		httpserver.LogScan(w, e.scanned.Scan.ID)
		httpserver.LogVerdict(w, t.Project, string(e.scanned.Verdict.Decision.Outcome))
		found = e.analyzed()
		h.kept.put(key, found)
	}
	write(w, r, http.StatusOK, analysis{Status: finished, Image: rec.Key, Digest: body.Digest, Vulnerabilities: &found})
	return nil
}

// analyzed returns the findings as the script reads them.
func (e evaluation) analyzed() []analyzed {
	system := systemNamespace(e.scanned.Sent.Inventory.System, e.scanned.Verdict.System.Ecosystem)
	list := []analyzed{} // not nil, which JSON writes as null
	for _, f := range e.scanned.Verdict.Findings {
		in := namespaceOfPackage(f.Package.Type, system)
		list = append(list, analyzed{
			Severity: clair.Severity(f.Severity), Package: f.Package.Name, Version: f.Package.Version,
			Name: f.ID, CVE: f.ID, NamespaceName: in, Description: f.Summary, Link: linkOf(f.ID, in), FixedBy: f.Fixed,
		})
	}
	return list
}

// answers are the last analyses, each for a short time.
type answers struct {
	now func() time.Time
	mu  sync.Mutex
	of  map[string]answered
}

type answered struct {
	at   time.Time
	list []analyzed
}

const (
	answersTime = 5 * time.Second
	maxAnswers  = 64
	maxAnalyzed = 20_000 // vulnerabilities of an analysis that is kept
)

func (a *answers) get(key string) ([]analyzed, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, ok := a.of[key]
	return found.list, ok && a.now().Sub(found.at) < answersTime
}

func (a *answers) put(key string, list []analyzed) {
	if len(list) > maxAnalyzed {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	for k, old := range a.of {
		if now.Sub(old.at) >= answersTime {
			delete(a.of, k)
		}
	}
	if a.of == nil || len(a.of) >= maxAnswers {
		a.of = map[string]answered{}
	}
	a.of[key] = answered{now, list}
}
