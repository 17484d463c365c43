package source

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A made is an image for tests: its blobs by digest, and the digest of its manifest.
type made struct {
	blobs    map[string][]byte
	manifest string
	layers   []string // digests
	diffIDs  []string
}

func shaOf(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

func (m *made) add(b []byte) string {
	d := shaOf(b)
	m.blobs[d] = b
	return d
}

const (
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar"
)

type object map[string]any

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tarOf makes an archive of files.
func tarOf(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// makeImage makes an image with layers of one file each.
func makeImage(t testing.TB, platform string, layers ...string) *made {
	t.Helper()
	m := &made{blobs: map[string][]byte{}}
	system, arch, _ := strings.Cut(platform, "/")
	arch, variant, _ := strings.Cut(arch, "/")
	var list []object
	history := []object{{"created_by": "/bin/sh -c #(nop)  ENV A=b", "empty_layer": true}}
	for i, name := range layers {
		b := tarOf(t, map[string][]byte{name: []byte(name)})
		d := m.add(b)
		m.layers, m.diffIDs = append(m.layers, d), append(m.diffIDs, d)
		list = append(list, object{"mediaType": typeLayer, "size": len(b), "digest": d})
		history = append(history, object{"created_by": fmt.Sprintf("RUN |1 token=secret%d /bin/sh -c make %s # buildkit", i, name)})
	}
	config := encode(t, object{"os": system, "architecture": arch, "variant": variant, "rootfs": object{"type": "layers", "diff_ids": m.diffIDs}, "history": history})
	m.manifest = m.add(encode(t, object{
		"schemaVersion": 2, "mediaType": typeManifest,
		"config": object{"mediaType": typeConfig, "size": len(config), "digest": m.add(config)}, "layers": list,
	}))
	return m
}

// descriptor describes the manifest for an index.
func (m *made) descriptor(platform string) object {
	d := object{"mediaType": typeManifest, "size": len(m.blobs[m.manifest]), "digest": m.manifest}
	if platform != "" {
		system, arch, _ := strings.Cut(platform, "/")
		arch, variant, _ := strings.Cut(arch, "/")
		d["platform"] = object{"os": system, "architecture": arch, "variant": variant}
	}
	return d
}

// A hub is a registry for tests. It records the requests.
type hub struct {
	*httptest.Server
	mu    sync.Mutex
	blobs map[string][]byte // by digest
	tags  map[string]string // digests of manifests by tag
	seen  []*http.Request
	// intercept answers a request in place of the registry if it returns true.
	intercept func(w http.ResponseWriter, r *http.Request) bool
}

func newHub(t testing.TB, images ...*made) *hub {
	h := &hub{blobs: map[string][]byte{}, tags: map[string]string{}}
	for _, m := range images {
		maps.Copy(h.blobs, m.blobs)
	}
	if len(images) > 0 {
		h.tags["1"] = images[0].manifest
	}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.seen = append(h.seen, r.Clone(r.Context()))
	intercept := h.intercept
	h.mu.Unlock()
	if intercept != nil && intercept(w, r) {
		return
	}
	path := strings.Split(r.URL.Path, "/") // "", v2, shop, manifests, id
	switch {
	case r.URL.Path == "/v2/":
	case len(path) == 5 && path[3] == "manifests":
		id := path[4]
		if d, ok := h.tags[id]; ok {
			id = d
		}
		b, ok := h.blobs[id]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
			return
		}
		var head struct{ MediaType string }
		_ = json.Unmarshal(b, &head)
		w.Header().Set("Content-Type", head.MediaType)
		w.Write(b)
	case len(path) == 5 && path[3] == "blobs" && h.blobs[path[4]] != nil:
		w.Write(h.blobs[path[4]])
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (h *hub) host() string {
	return strings.TrimPrefix(strings.TrimPrefix(h.URL, "http://"), "https://")
}

// requests returns the recorded requests.
func (h *hub) requests() []*http.Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.seen)
}

// newFetcher returns a Fetcher that may connect to entries.
func newFetcher(t testing.TB, allowed ...string) *Fetcher {
	t.Helper()
	n, err := ParseNetwork(allowed)
	if err != nil {
		t.Fatal(err)
	}
	return &Fetcher{Network: n, UserAgent: "assayd/test"}
}
