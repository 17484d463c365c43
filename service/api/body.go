package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// tooLarge answers an inventory beyond the bounds.
var tooLarge = problem{http.StatusRequestEntityTooLarge,
	fmt.Sprintf("the inventory is larger than %d MiB", maxDocument>>20), "leave folders out with --skip"}

// readBody returns the document of a request, decompressed and bounded, and in
// gzip where it came so.
func (a *api) readBody(w http.ResponseWriter, r *http.Request) (document, packed []byte, err error) {
	const ask = "send CycloneDX JSON, as it is or with gzip"
	if ct := r.Header.Get("Content-Type"); ct != "" {
		media, _, err := mime.ParseMediaType(ct)
		if err != nil || media != "application/json" && media != "application/vnd.cyclonedx+json" {
			return nil, nil, problem{http.StatusUnsupportedMediaType, fmt.Sprintf("content type %q is not read here", ct), ask}
		}
	}
	encoding := strings.ToLower(r.Header.Get("Content-Encoding"))
	if encoding != "" && encoding != "identity" && encoding != "gzip" {
		return nil, nil, problem{http.StatusUnsupportedMediaType, fmt.Sprintf("content encoding %q is not read here", encoding), ask}
	}
	sent, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, nil, bodyError(err)
	}
	if encoding != "gzip" {
		return sent, nil, nil
	}
	document, err = a.unzip(sent)
	return document, sent, err
}

// unzip decompresses the body of a request.
func (a *api) unzip(packed []byte) ([]byte, error) {
	z, ok := a.unzippers.Get().(*gzip.Reader)
	if !ok {
		z = new(gzip.Reader)
	}
	defer a.unzippers.Put(z)
	if err := z.Reset(bytes.NewReader(packed)); err != nil {
		return nil, bodyError(err)
	}
	var b bytes.Buffer
	b.Grow(min(16*len(packed), 1<<20)) // about what an inventory has
	n, err := b.ReadFrom(io.LimitReader(z, maxDocument+1))
	if err != nil {
		return nil, bodyError(err)
	}
	if n > maxDocument {
		return nil, tooLarge
	}
	return b.Bytes(), nil
}

func bodyError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge
	}
	return problem{http.StatusBadRequest, "the body of the request ended badly: " + err.Error(), "send it again"}
}
