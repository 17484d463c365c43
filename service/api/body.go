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

// buffers are the memory of one scan, which the next uses again: half a MiB less
// for each to be cleared and collected.
type buffers struct {
	gzip     gzip.Reader
	document bytes.Buffer // decompressed
	verdict  []byte
}

// maxKept bounds the bytes of a buffer that waits for the next scan.
const maxKept = 4 << 20

func (a *api) free(b *buffers) {
	if b.document.Cap() <= maxKept && cap(b.verdict) <= maxKept {
		a.buffers.Put(b)
	}
}

// readBody returns the document of a request, decompressed and bounded, and in
// gzip where it came so. The document is in buf then.
func readBody(w http.ResponseWriter, r *http.Request, buf *buffers) (document, packed []byte, err error) {
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
	document, err = buf.unzip(sent)
	return document, sent, err
}

// unzip decompresses the body of a request.
func (b *buffers) unzip(packed []byte) ([]byte, error) {
	if err := b.gzip.Reset(bytes.NewReader(packed)); err != nil {
		return nil, bodyError(err)
	}
	b.document.Reset()
	n, err := b.document.ReadFrom(io.LimitReader(&b.gzip, maxDocument+1))
	if err != nil {
		return nil, bodyError(err)
	}
	if n > maxDocument {
		return nil, tooLarge
	}
	return b.document.Bytes(), nil
}

func bodyError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge
	}
	return problem{http.StatusBadRequest, "the body of the request ended badly: " + err.Error(), "send it again"}
}
