package api

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"assay/remote/cyclonedx"
	"assay/service/httpserver"
	"assay/service/scan"
)

// buffers are the memory of one scan, which the next one uses again.
type buffers struct {
	httpserver.Body
	verdict []byte
}

// maxKept bounds the bytes of buffers that are kept for the next scan.
const maxKept = 4 << 20

func (a *api) buffer() *buffers {
	if b, ok := a.buffers.Get().(*buffers); ok {
		return b
	}
	return new(buffers)
}

func (a *api) free(b *buffers) {
	if max(b.Cap(), cap(b.verdict)) <= maxKept {
		a.buffers.Put(b)
	}
}

// mediaTypes returns the content types of documents. The content says which format it is.
func mediaTypes() []string {
	return []string{"application/json", "application/vnd.cyclonedx+json", "application/spdx+json", "application/vnd.in-toto+json"}
}

// encodingOf reports whether the body of a request is in gzip. The error says why the
// body is not read at all.
func encodingOf(r *http.Request) (zipped bool, err error) {
	unsupported := func(what, value string) error {
		return httpserver.Problem{Status: http.StatusUnsupportedMediaType, What: fmt.Sprintf("unsupported content %s %q", what, value),
			Hint: "send CycloneDX or SPDX as JSON, as it is or with gzip"}
	}
	if ct := r.Header.Get("Content-Type"); ct != "" {
		media, _, err := mime.ParseMediaType(ct)
		if err != nil || !slices.Contains(mediaTypes(), media) {
			return false, unsupported("type", ct)
		}
	}
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		return false, nil
	case "gzip":
		return true, nil
	default:
		return false, unsupported("encoding", encoding)
	}
}

const hintSmaller = "leave folders out with --skip"

// maxObjects bounds the JSON objects of a document.
var (
	maxObjects     = int64(cyclonedx.DefaultLimits().Values)
	tooManyObjects = httpserver.Problem{Status: http.StatusRequestEntityTooLarge,
		What: fmt.Sprintf("the inventory has more than %d values", maxObjects), Hint: hintSmaller}
)

// documentNeed returns the memory for decoding and matching a document, or the error
// for one that is not decoded.
func documentNeed(size, objects int64) (int64, error) {
	if objects > maxObjects {
		return 0, tooManyObjects
	}
	return scanNeed(size, objects), nil
}

// readDocument reads a document that was sent, in any format.
func readDocument(document []byte) (cyclonedx.Scan, error) { return scan.Read(document) }

// inventoryError is the answer to a document that cannot be decoded.
func inventoryError(err error) error {
	p := httpserver.Problem{Status: http.StatusBadRequest, What: "invalid inventory: " + err.Error(), Hint: "send CycloneDX 1.4 to 1.6, or SPDX 2.2 or 2.3, as JSON"}
	switch {
	case errors.Is(err, cyclonedx.ErrTooDeep):
		p.Hint = "nest components less deeply"
	case errors.Is(err, cyclonedx.ErrTooLarge):
		p.Status, p.Hint = http.StatusRequestEntityTooLarge, hintSmaller
	}
	return p
}
