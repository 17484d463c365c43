package api_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// newRegistry starts a registry with one image, whose layer is the text "layer". may says
// whether a request has the right credentials.
func newRegistry(t *testing.T, may func(*http.Request) bool) *httptest.Server {
	t.Helper()
	blobs := map[string]string{}
	add := func(text string) string {
		d := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text)))
		blobs[d] = text
		return d
	}
	config := add(`{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":["sha256:` + zeros + `"]}}`)
	manifest := add(fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",`+
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":1},`+
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":5}]}`, config, add("layer")))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !may(r) {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		if id == "1" {
			id = manifest
		}
		_, _ = io.WriteString(w, blobs[id])
	}))
	t.Cleanup(srv.Close)
	return srv
}
