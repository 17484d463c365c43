package v1

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"assay/service/httpserver"
	"assay/service/image"
	layers "assay/service/layer"
	"assay/service/layer/source"
	"assay/service/store"
)

// The kinds of records.
const (
	layerKind = "clairlayer" // by the name of a layer
	stackKind = "clairstack" // by the digest of what stackKey returns
	imageKind = "clairimage" // of the script, by the name of an image
)

// engineVersion is the version of Clair's engine that the answers name. Clients compare it with
// that of the last Clair 2.
const engineVersion = 3

// maxName bounds the name of a layer.
const maxName = 1024

// A posted is what is kept of a layer.
type posted struct {
	Name   string `json:"name"`
	Parent string `json:"parent,omitempty"`
	Digest string `json:"digest"` // of the layer as fetched
	// Path is where the layer can be fetched again. It is empty if that needs credentials.
	Path string `json:"path,omitempty"`
}

// postLayer fetches a layer and keeps it.
func (h *Service) postLayer(w http.ResponseWriter, r *http.Request, t store.Token) error {
	var request layerEnvelope
	if err := read(w, r, &request); err != nil {
		return err
	}
	l := request.Layer
	if err := checkLayer(l); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	before, known, err := h.layer(ctx, t, l.Name)
	if err != nil {
		return err
	}
	if l.ParentName != "" {
		if err := h.checkParent(ctx, t, l, known); err != nil {
			return err
		}
	}
	// An address with a digest has the same content whenever it is fetched.
	digest := digestIn(l.Path)
	if !known || digest == "" || before.Digest != digest || !h.Cache.Has(digest) {
		if digest, err = h.fetchLayer(ctx, t, l.Path, headersOf(l), digest); err != nil {
			return err
		}
	}
	body, err := json.Marshal(posted{Name: l.Name, Parent: l.ParentName, Digest: digest, Path: openPath(l)})
	if err != nil {
		return err
	}
	if err := h.Records.Put(ctx, image.Record{Kind: layerKind, Project: t.Project, Key: l.Name, State: image.Finished, Body: body}); err != nil {
		return err
	}
	// Headers are left out: they are secrets.
	write(w, r, http.StatusCreated, layerEnvelope{Layer: &layer{
		Name: l.Name, ParentName: l.ParentName, Path: l.Path, Format: l.Format, IndexedByVersion: engineVersion,
	}})
	return nil
}

// checkLayer returns Clair's errors for a layer that lacks something.
func checkLayer(l *layer) error {
	switch {
	case l == nil:
		return badRequest("failed to provide layer")
	case l.Name == "":
		return badRequest("could not process a layer which does not have a name")
	case l.Path == "":
		return badRequest("could not process a layer which does not have a path")
	case l.Format == "":
		return badRequest("could not process a layer which does not have a format")
	case !strings.EqualFold(l.Format, "docker"):
		return badRequest(fmt.Sprintf("unsupported image format '%.40s'", l.Format))
	case max(len(l.Name), len(l.ParentName)) > maxName:
		return badRequest(fmt.Sprintf("the name of the layer or of its parent is longer than %d bytes", maxName))
	}
	return nil
}

// checkParent returns an error if the parent of a layer is unknown, or is above the layer.
func (h *Service) checkParent(ctx context.Context, t store.Token, l *layer, known bool) error {
	_, ok, err := h.layer(ctx, t, l.ParentName)
	if err != nil {
		return err
	}
	if !ok {
		return badRequest("worker: parent layer is unknown, it must be processed first")
	}
	if l.ParentName == l.Name {
		return badRequest("a layer cannot be its own parent")
	}
	if !known { // nothing is above a new layer
		return nil
	}
	stack, err := h.stack(ctx, t, l.ParentName)
	if err != nil {
		return err
	}
	for _, below := range stack {
		if below.Name == l.Name {
			return badRequest("the parent of the layer is built on the layer")
		}
	}
	return nil
}

// layer returns what is kept of a layer.
func (h *Service) layer(ctx context.Context, t store.Token, name string) (l posted, ok bool, err error) {
	if len(name) > maxName {
		return l, false, nil
	}
	rec, err := h.Records.Get(ctx, layerKind, t.Project, name)
	if errors.Is(err, store.ErrNotFound) {
		return l, false, nil
	}
	if err == nil {
		err = json.Unmarshal(rec.Body, &l)
	}
	if err != nil {
		return l, false, fmt.Errorf("read layer %q: %w", name, err)
	}
	return l, true, nil
}

// stack returns a layer and those that it is built on, the lowest first. If one of them is not
// known, the layer is not found.
func (h *Service) stack(ctx context.Context, t store.Token, name string) ([]posted, error) {
	var stack []posted
	for name != "" {
		l, ok, err := h.layer(ctx, t, name)
		if err != nil {
			return nil, err
		}
		if !ok && len(stack) == 0 {
			return nil, notFound("")
		}
		if !ok {
			return nil, notFound(fmt.Sprintf("its parent %q was removed: post the layers again", name))
		}
		if stack = append(stack, l); len(stack) > h.Limits.Layers {
			return nil, httpserver.Problem{Status: http.StatusUnprocessableEntity, What: fmt.Sprintf("the layer is built on more than %d layers", h.Limits.Layers)}
		}
		name = l.Parent
	}
	for i, j := 0, len(stack)-1; i < j; i, j = i+1, j-1 {
		stack[i], stack[j] = stack[j], stack[i]
	}
	return stack, nil
}

// deleteLayer removes a layer. Those that are built on it are not found any more.
func (h *Service) deleteLayer(w http.ResponseWriter, r *http.Request, t store.Token) error {
	name := r.PathValue("name")
	_, ok, err := h.layer(r.Context(), t, name)
	if err != nil {
		return err
	}
	if !ok {
		return notFound("")
	}
	if err := h.Records.Delete(r.Context(), layerKind, t.Project, name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// getLayer answers with what the layers up to one install.
func (h *Service) getLayer(w http.ResponseWriter, r *http.Request, t store.Token) error {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime))
	query := r.URL.Query()
	_, vulnerabilities := query["vulnerabilities"]
	_, features := query["features"]
	stack, err := h.stack(r.Context(), t, r.PathValue("name"))
	if err != nil {
		return err
	}
	top := stack[len(stack)-1]
	answer := layer{Name: top.Name, ParentName: top.Parent, IndexedByVersion: engineVersion}
	if features || vulnerabilities {
		found, err := h.evaluated(r.Context(), t, stack)
		if err != nil {
			return err
		}
		httpserver.LogScan(w, found.scanned.Scan.ID)
		httpserver.LogVerdict(w, t.Project, string(found.scanned.Verdict.Decision.Outcome))
		answer.NamespaceName = systemNamespace(found.scanned.Sent.Inventory.System, found.scanned.Verdict.System.Ecosystem)
		answer.Features = found.features(vulnerabilities)
	}
	write(w, r, http.StatusOK, layerEnvelope{Layer: &answer})
	return nil
}

// headersOf returns the headers to send for a layer. Clients without credentials send empty
// ones.
func headersOf(l *layer) http.Header {
	head := http.Header{}
	for name, value := range l.Headers {
		if value != "" {
			head.Set(name, value)
		}
	}
	return head
}

// openPath returns the path of a layer if it can be fetched again without credentials: the
// query of an address may be one.
func openPath(l *layer) string {
	if len(headersOf(l)) > 0 {
		return ""
	}
	if !isURL(l.Path) {
		return l.Path
	}
	u, err := url.Parse(l.Path)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return ""
	}
	return l.Path
}

func isURL(path string) bool {
	return strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://")
}

// digestIn returns the digest of the blob that an address of a registry ends in, or "".
func digestIn(path string) string {
	path, _, _ = strings.Cut(path, "?")
	folder, digest := filepath.Split(path)
	if !isURL(path) || !strings.HasSuffix(folder, "/blobs/") || !validDigest(digest) {
		return ""
	}
	return digest
}

const couldNotFind = "could not find layer"

// fetchLayer fetches a layer into the cache and returns its digest, which must be want if that
// is not empty.
func (h *Service) fetchLayer(ctx context.Context, t store.Token, path string, headers http.Header, want string) (string, error) {
	leave, err := h.fetch.Enter(ctx, t)
	if err != nil {
		return "", err
	}
	defer leave()
	from, err := h.open(ctx, path, headers)
	if err != nil {
		return "", fetchError(err)
	}
	defer from.Close()
	digest, err := h.Cache.Add(ctx, from, want)
	if errors.Is(err, errFull) {
		return "", tooFull()
	}
	if failed, ok := errors.AsType[*sourceError](err); ok && ctx.Err() == nil {
		if _, disk := errors.AsType[*os.PathError](err); !disk {
			return "", badRequest(couldNotFind + ": " + failed.Error())
		}
	}
	return digest, err
}

// fetchError is Clair's error for a layer that cannot be fetched, with the cause.
func fetchError(err error) error {
	failed, ok := errors.AsType[*source.Error](err)
	if !ok {
		return err
	}
	status := http.StatusBadRequest
	switch failed.Kind {
	case source.Invalid, source.Unsupported, source.TooLarge:
		status = http.StatusUnprocessableEntity
	}
	return httpserver.Problem{Status: status, What: couldNotFind + ": " + failed.Error(), Hint: failed.Hint}
}

// open opens a layer by its address, or in the folder of layers.
func (h *Service) open(ctx context.Context, path string, headers http.Header) (io.ReadCloser, error) {
	if isURL(path) {
		img, err := h.Source.URLs("", []source.URL{{URL: path, Header: headers}})
		if err != nil {
			return nil, err
		}
		return img.Layers[0].Open(ctx)
	}
	missing := func(hint string) error {
		return httpserver.Problem{Status: http.StatusBadRequest, What: couldNotFind, Hint: hint}
	}
	if h.Folder == "" {
		return nil, missing("files are not read by their paths: give assayd serve --clair-layers DIR, or send an address")
	}
	name, err := filepath.Rel(h.Folder, path)
	if err != nil || !filepath.IsAbs(path) || !filepath.IsLocal(name) {
		return nil, missing("the path is not in the folder of --clair-layers")
	}
	root, err := os.OpenRoot(h.Folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe does not block
	if err != nil {
		return nil, missing("the file cannot be opened") // the cause would tell what is outside of the folder
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(missing("it is not a regular file"), file.Close())
	}
	return file, nil
}

// blobs returns the layers of a stack for an evaluation. release must be called after it.
func (h *Service) blobs(ctx context.Context, t store.Token, stack []posted) (list []layers.Blob, release func(), err error) {
	var held []func()
	release = func() {
		for _, f := range held {
			f()
		}
	}
	for _, l := range stack {
		free, ok := h.Cache.Hold(l.Digest)
		if !ok {
			if free, err = h.again(ctx, t, l); err != nil {
				release()
				return nil, nil, err
			}
		}
		held = append(held, free)
		list = append(list, layers.Blob{Digest: l.Digest, Open: func(context.Context) (io.ReadCloser, error) { return h.Cache.Open(l.Digest) }})
	}
	return list, release, nil
}

// again fetches a layer that the cache no longer has, and holds it.
func (h *Service) again(ctx context.Context, t store.Token, l posted) (release func(), err error) {
	gone := func(why string) error {
		return httpserver.Problem{Status: http.StatusNotFound, What: fmt.Sprintf("the content of layer %q is no longer kept here", l.Name), Hint: why + "post the layers again"}
	}
	if l.Path == "" {
		return nil, gone("")
	}
	if _, err := h.fetchLayer(ctx, t, l.Path, nil, l.Digest); err != nil {
		if p, ok := errors.AsType[httpserver.Problem](image.Problem(err)); ok && p.RetryAfter == 0 {
			return nil, gone(p.What + ": ")
		}
		return nil, err
	}
	release, ok := h.Cache.Hold(l.Digest)
	if !ok {
		return nil, tooFull()
	}
	return release, nil
}

// tooFull is the error for a layer that the cache has no room for now.
func tooFull() error {
	return httpserver.Problem{Status: http.StatusServiceUnavailable, What: errFull.Error(), Hint: "try again later, or give the cache more room with --clair-cache", RetryAfter: time.Minute}
}

// sleep waits, or returns the error of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
