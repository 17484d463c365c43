package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"assay/remote/cyclonedx"
	"assay/service/httpserver"
	"assay/service/image"
	"assay/service/layer/source"
	"assay/service/store"
)

// Images is what reads finished images for the API.
type Images struct {
	Scanner *image.Scanner
	Fetcher *source.Fetcher
	// MaxUpload bounds the bytes of an archive that is sent.
	MaxUpload int64
}

// Bounds of a request for an image.
const (
	manifestTime = 2 * time.Minute // for the manifest and the configuration
	answerTime   = 3 * time.Minute // beside waiting and reading
	// An archive must arrive at uploadRate bytes a second after the first uploadStart.
	uploadStart = 30 * time.Second
	uploadRate  = 128 << 10
)

// HandleImages adds the handler for finished images.
func (h *API) HandleImages(i Images) {
	ih := &imageHandler{h.api, i}
	h.api.server.HandleAuthenticated("POST /api/v1/images", httpserver.ScopeScan, ih.post)
}

type imageHandler struct {
	*api
	Images
}

// archiveTypes returns the content types of archives. The content says how it is compressed.
func archiveTypes() []string {
	return []string{"application/x-tar", "application/tar", "application/gzip", "application/x-gzip", "application/zstd", "application/octet-stream"}
}

// imageParameters are the parameters of a request for an image that are not options.
func imageParameters() []string { return []string{"keep", "report", "platform", "image"} }

// post evaluates an image: one that a registry has and the JSON of the body names, or the
// archive that is the body.
func (h *imageHandler) post(w http.ResponseWriter, r *http.Request, t store.Token) error {
	keep, err := keeps(r)
	if err != nil {
		return err
	}
	reports, err := wanted(r)
	if err != nil {
		return err
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	archive := slices.Contains(archiveTypes(), media)
	if err != nil || !archive && media != "application/json" || r.Header.Get("Content-Encoding") != "" {
		return httpserver.Problem{Status: http.StatusUnsupportedMediaType, What: fmt.Sprintf("unsupported content type %q or encoding %q", r.Header.Get("Content-Type"), r.Header.Get("Content-Encoding")),
			Hint: "send application/json with the name of the image, or an archive as application/x-tar"}
	}
	h.Scanner.Defaults()
	// Else the server would close the connection before a large image is read.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(manifestTime + h.Scanner.Patience + h.Scanner.Timeout + answerTime))
	var scanned image.Scanned
	if archive {
		scanned, err = h.archive(w, r, t, keep)
	} else {
		scanned, err = h.reference(w, r, t, keep)
	}
	if err != nil {
		return image.Problem(err)
	}
	return h.answer(w, r, t, scanned, keep, reports)
}

// answer sends the verdict with its warnings and reports, as for POST /api/v1/scans.
func (h *imageHandler) answer(w http.ResponseWriter, r *http.Request, t store.Token, scanned image.Scanned, keep bool, reports []string) error {
	httpserver.LogVerdict(w, scanned.Verdict.Options.Project, string(scanned.Verdict.Decision.Outcome))
	if h.Scanned != nil {
		h.Scanned(scanned.Verdict.Decision.Outcome)
	}
	kept := store.Scan{}
	if keep {
		httpserver.LogScan(w, scanned.Scan.ID)
		kept = scanned.Scan
	}
	memory := h.server.WorkMemory(t)
	defer memory.Free()
	if err := memory.Reserve(r.Context(), int64(len(scanned.Scan.Request)+2*len(scanned.Scan.Verdict))); err != nil {
		return err
	}
	text, err := h.complete(answered{scanned.Scan.Verdict, scanned.Scan.At, scanned.Scan.Request, kept}, warnings(t, h.Now()), reports, memory)
	if err != nil {
		return err
	}
	text = h.linked(r.Context(), text, kept)
	h.server.Served()
	httpserver.Send(w, "application/json", text)
	return nil
}

// An imageRequest is the body of a request for an image of a registry.
type imageRequest struct {
	Image    string            `json:"image"`
	Platform string            `json:"platform"`
	Options  map[string]string `json:"options"`
	Files    []imageFile       `json:"files"`
}

type imageFile struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	Body []byte `json:"body"`
}

func (h *imageHandler) reference(w http.ResponseWriter, r *http.Request, t store.Token, keep bool) (image.Scanned, error) {
	none := func(err error) (image.Scanned, error) { return image.Scanned{}, err }
	q, err := h.readImageRequest(w, r, t)
	if err != nil {
		return none(err)
	}
	o, err := optionsOf(t, q.Options, q.Files, keep)
	if err != nil {
		return none(err)
	}
	credentials, err := source.ParseRegistryAuth(r.Header.Get("X-Registry-Auth"), q.Image)
	if err != nil {
		return none(err)
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), manifestTime, &image.TimeoutError{After: manifestTime})
	defer cancel()
	img, err := h.Fetcher.Registry(ctx, source.Request{Reference: q.Image, Platform: q.Platform, Project: t.Project, Credentials: credentials})
	if err != nil {
		return none(err)
	}
	return h.Scanner.Scan(r.Context(), t, img, o)
}

func (h *imageHandler) readImageRequest(w http.ResponseWriter, r *http.Request, t store.Token) (imageRequest, error) {
	var q imageRequest
	body := h.server.BodyMemory(t)
	defer body.Free()
	var buf httpserver.Body
	if err := h.server.Receive(w, r, body, &buf); err != nil {
		return q, err
	}
	bad := func(what string) error {
		return httpserver.Problem{Status: http.StatusBadRequest, What: what, Hint: `send {"image": "registry.example.com/shop:1"}; docs/images.md has the other fields`}
	}
	d := json.NewDecoder(bytes.NewReader(buf.Sent))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return q, bad("invalid request: " + err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return q, bad("invalid request: more than one JSON value")
	}
	if q.Image == "" {
		return q, bad("the request names no image")
	}
	return q, nil
}

// optionsOf returns the options of a scan, or a Problem.
func optionsOf(t store.Token, options map[string]string, files []imageFile, keep bool) (image.Options, error) {
	o := image.Options{Options: options, Discard: !keep}
	for _, f := range files {
		if !slices.Contains([]string{cyclonedx.FileIgnore, cyclonedx.FileVEX, cyclonedx.FileBaseline, cyclonedx.FileBaselineScan}, f.Kind) {
			return o, httpserver.Problem{Status: http.StatusBadRequest, What: fmt.Sprintf("unknown kind %q of a file", f.Kind), Hint: "it is ignore, vex, baseline or baseline-scan"}
		}
		o.Files = append(o.Files, cyclonedx.File{Kind: f.Kind, Name: f.Name, Body: f.Body})
	}
	if err := o.Check(); err != nil {
		return o, err
	}
	return o, mayScan(t, options["project"])
}

// mayScan returns a Problem if a token is not for the project that a request names.
func mayScan(t store.Token, project string) error {
	if t.Project != "" && project != "" && project != t.Project {
		return httpserver.Problem{Status: http.StatusForbidden, What: fmt.Sprintf("this token is for project %q", t.Project), Hint: "leave --project out, or use a token of that project"}
	}
	return nil
}

// archive evaluates an archive that is sent. It is read only in its turn, since it takes space
// on the disk.
func (h *imageHandler) archive(w http.ResponseWriter, r *http.Request, t store.Token, keep bool) (image.Scanned, error) {
	none := func(err error) (image.Scanned, error) { return image.Scanned{}, err }
	query := r.URL.Query()
	options := map[string]string{}
	for name := range query {
		if !slices.Contains(imageParameters(), name) {
			options[name] = query.Get(name)
		}
	}
	o, err := optionsOf(t, options, nil, keep)
	if err != nil {
		return none(err)
	}
	tooLarge := httpserver.Problem{Status: http.StatusRequestEntityTooLarge, What: fmt.Sprintf("the archive is larger than %d MiB", h.MaxUpload>>20), Hint: "push the image to a registry and name it"}
	if r.ContentLength > h.MaxUpload {
		return none(tooLarge)
	}
	place, err := h.Scanner.Enter(r.Context(), t)
	if err != nil {
		return none(err)
	}
	defer place.Leave()
	path := filepath.Join(place.Dir, "archive.tar")
	n, err := receiveFile(w, r, path, h.MaxUpload, h.Scanner.Timeout)
	if err != nil {
		return none(err)
	}
	if n > h.MaxUpload {
		return none(tooLarge)
	}
	img, done, err := source.Archive{Path: path, Name: "archive", Image: query.Get("image"), Platform: query.Get("platform"), Dir: place.Dir, MaxBytes: h.Scanner.Limits.Bytes}.Open(r.Context())
	if err != nil {
		return none(err)
	}
	defer done()
	if img.Name == "archive" {
		img.Name = ""
	}
	return place.Scan(r.Context(), img, o)
}

// receiveFile writes the body of a request to a file, up to one byte more than max. It fails
// after the time within, since others wait for the place.
func receiveFile(w http.ResponseWriter, r *http.Request, path string, max int64, within time.Duration) (int64, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	body := &timedBody{body: r.Body, conn: http.NewResponseController(w), start: time.Now(), within: within}
	n, err := io.Copy(struct{ io.Writer }{f}, io.LimitReader(body, max+1))
	if body.err != nil {
		w.Header().Set("Connection", "close")
		status := http.StatusBadRequest
		if errors.Is(body.err, os.ErrDeadlineExceeded) {
			status = http.StatusRequestTimeout
		}
		err = httpserver.Problem{Status: status, What: fmt.Sprintf("the archive is truncated after %d bytes: %v", n, body.err), Hint: "send it again"}
	}
	return n, errors.Join(err, f.Close())
}

// A timedBody fails if the body of a request arrives too slowly, or not within a time.
type timedBody struct {
	body   io.Reader
	conn   *http.ResponseController
	start  time.Time
	within time.Duration
	n      int64
	err    error
}

func (b *timedBody) Read(p []byte) (int, error) {
	_ = b.conn.SetReadDeadline(b.start.Add(min(b.within, uploadStart+time.Duration(b.n/uploadRate)*time.Second)))
	n, err := b.body.Read(p)
	b.n += int64(n)
	if err != nil {
		_ = b.conn.SetReadDeadline(time.Time{})
		if err != io.EOF {
			b.err = err
		}
	}
	return n, err
}
