package api_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"assay/remote/slot"
	"assay/service/api"
	"assay/service/httpserver"
	"assay/service/registry"
	"assay/service/store"
)

// pull sends a request as a builder does: with Basic authentication and the token as the
// password.
func (r *rig) pull(method, path, secret string, header ...string) (*http.Response, string) {
	r.t.Helper()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("anyone:"+secret))
	return r.do(method, path, "", nil, append([]string{"Authorization", basic}, header...)...)
}

type described struct {
	MediaType, Digest string
	Size              int
	Platform          struct{ Architecture, OS string }
}

// A pulled image is the image for the platform of the builder.
type pulled struct {
	index  string // digest
	config struct {
		Architecture, OS string
		Config           struct{ Env, Entrypoint []string }
		RootFS           struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	layer []byte
}

func (p pulled) token(t *testing.T) string {
	t.Helper()
	for _, e := range p.config.Config.Env {
		if secret, ok := strings.CutPrefix(e, "ASSAY_TOKEN="); ok {
			return secret
		}
	}
	t.Fatalf("no token in %q", p.config.Config.Env)
	return ""
}

// pullImage follows the digests from a tag, and checks each of them.
func (r *rig) pullImage(secret, tag string) pulled {
	r.t.Helper()
	get := func(path string, want described, into any) []byte {
		r.t.Helper()
		resp, body := r.pull(http.MethodGet, path, secret)
		if resp.StatusCode != http.StatusOK {
			r.t.Fatalf("GET %s: %d %s", path, resp.StatusCode, body)
		}
		sum := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(body)))
		if got := resp.Header.Get("Docker-Content-Digest"); got != sum || want.Digest != "" && got != want.Digest {
			r.t.Errorf("GET %s: digest %q, of the body %q, announced %q", path, got, sum, want.Digest)
		}
		if got := resp.Header.Get("Content-Type"); want.Digest != "" && (got != want.MediaType || len(body) != want.Size) {
			r.t.Errorf("GET %s: %q of %d bytes, announced %+v", path, got, len(body), want)
		}
		if into != nil {
			if err := json.Unmarshal([]byte(body), into); err != nil {
				r.t.Fatal(err)
			}
		}
		return []byte(body)
	}
	var p pulled
	var index struct{ Manifests []described }
	b := get("/v2/assay/manifests/"+tag, described{}, &index)
	p.index = fmt.Sprintf("sha256:%x", sha256.Sum256(b))
	var arches []string
	for _, m := range index.Manifests {
		arches = append(arches, m.Platform.OS+"/"+m.Platform.Architecture)
	}
	if got, want := strings.Join(arches, " "), "linux/"+runtime.GOARCH+" linux/riscv64"; got != want {
		r.t.Errorf("platforms %q, want %q", got, want)
	}
	var manifest struct {
		Config described
		Layers []described
	}
	get("/v2/assay/manifests/"+index.Manifests[0].Digest, index.Manifests[0], &manifest)
	get("/v2/assay/blobs/"+manifest.Config.Digest, manifest.Config, &p.config)
	if len(manifest.Layers) != 1 {
		r.t.Fatalf("%d layers, want 1", len(manifest.Layers))
	}
	p.layer = get("/v2/assay/blobs/"+manifest.Layers[0].Digest, manifest.Layers[0], nil)
	return p
}

func TestGeneratorImage(t *testing.T) {
	r, program, _ := clientsRig(t, nil)
	secret := r.token(store.Token{Name: "ci"})
	p := r.pullImage(secret, "latest")
	if p.config.Architecture != runtime.GOARCH || p.config.OS != "linux" || strings.Join(p.config.Config.Entrypoint, " ") != "/assay buildkit" {
		t.Errorf("config %+v", p.config)
	}
	z, err := gzip.NewReader(bytes.NewReader(p.layer))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("sha256:%x", sha256.Sum256(plain)); len(p.config.RootFS.DiffIDs) != 1 || got != p.config.RootFS.DiffIDs[0] {
		t.Errorf("diff ids %q, want %q", p.config.RootFS.DiffIDs, got)
	}
	files := tar.NewReader(bytes.NewReader(plain))
	h, err := files.Next()
	if err != nil || h.Name != "assay" || h.Mode != 0o755 {
		t.Fatalf("%+v, %v, want the program assay", h, err)
	}
	got, err := io.ReadAll(files)
	if err != nil {
		t.Fatal(err)
	}
	if payload, err := slot.Show(got); err != nil || payload.Server != "https://assay.example.com" {
		t.Errorf("slot %+v, %v", payload, err)
	}
	if cleared, err := slot.Clear(got); err != nil || !bytes.Equal(cleared, program) {
		t.Errorf("the program with a cleared slot differs: %v", err)
	}
	if _, err := files.Next(); err != io.EOF {
		t.Errorf("after the program: %v, want the end of the layer", err)
	}
	if other := r.pullImage(secret, "0.1.0"); other.index != p.index {
		t.Errorf("the tag of the version has digest %q, want %q", other.index, p.index)
	}
	for query, want := range map[string]string{
		"": `["0.1.0","latest"]`, "?n=1": `["0.1.0"]`, "?n=0": `[]`, "?n=9&last=0.1.0": `["latest"]`, "?last=latest": `[]`,
	} {
		resp, body := r.pull(http.MethodGet, "/v2/assay/tags/list"+query, secret)
		if body != `{"name":"assay","tags":`+want+`}` || (resp.Header.Get("Link") != "") != (query == "?n=1") {
			t.Errorf("tags%s: %d %s, link %q; want %s", query, resp.StatusCode, body, resp.Header.Get("Link"), want)
		}
	}
	if strings.Contains(r.log.String(), "assay_") {
		t.Error("a token is in the log")
	}
}

// TestGeneratorToken checks what the token of an image can do, and when it changes and ends.
func TestGeneratorToken(t *testing.T) {
	r, _, clock := clientsRig(t, nil)
	secret := r.token(store.Token{Name: "ci", Project: "shop", Scopes: []string{httpserver.ScopeScan, httpserver.ScopeAdmin}})
	other := r.token(store.Token{Name: "other"})
	at := func(d time.Duration) { then := now.Add(d); clock.Store(&then) }

	p := r.pullImage(secret, "latest")
	derived := p.token(t)
	if derived == secret {
		t.Fatal("the image contains the token of the caller")
	}
	if q := r.pullImage(other, "latest"); q.index == p.index || q.token(t) == derived {
		t.Error("another token gave the same image")
	}
	if q := r.pullImage(secret, "latest"); q.index != p.index {
		t.Error("the same token gave another image")
	}
	status := func(method, path, secret string, want int) string {
		t.Helper()
		var body []byte
		if method == http.MethodPost {
			body = document(t)
		}
		resp, got := r.do(method, path, secret, body)
		if resp.StatusCode != want {
			t.Errorf("%s %s: %d, want %d: %s", method, path, resp.StatusCode, want, got)
		}
		return got
	}
	var v struct {
		Scan    string
		Options struct{ Project string }
	}
	if err := json.Unmarshal([]byte(status(http.MethodPost, "/api/v1/scans", derived, http.StatusOK)), &v); err != nil || v.Options.Project != "shop" {
		t.Errorf("scan %+v, %v; want one of project shop", v, err)
	}
	// A derived token can scan and nothing else.
	status(http.MethodGet, "/api/v1/scans/"+v.Scan, secret, http.StatusOK)
	status(http.MethodGet, "/api/v1/scans/"+v.Scan, derived, http.StatusNotFound)
	if resp, _ := r.pull(http.MethodGet, "/v2/assay/manifests/latest", derived); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a derived token pulled: %d, want 403", resp.StatusCode)
	}

	at(24 * time.Hour)
	next := r.pullImage(secret, "latest")
	if next.index == p.index || next.token(t) == derived {
		t.Error("the image did not change with the span")
	}
	if resp, _ := r.pull(http.MethodGet, "/v2/assay/manifests/"+p.index, secret); resp.StatusCode != http.StatusOK {
		t.Errorf("the image of the span before: %d, want 200", resp.StatusCode)
	}
	status(http.MethodPost, "/api/v1/scans", derived, http.StatusOK)

	at(48 * time.Hour)
	if resp, _ := r.pull(http.MethodGet, "/v2/assay/manifests/"+p.index, secret); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the image of two spans before: %d, want 404", resp.StatusCode)
	}
	status(http.MethodPost, "/api/v1/scans", derived, http.StatusUnauthorized)
	status(http.MethodPost, "/api/v1/scans", next.token(t), http.StatusOK)

	tokens, err := r.store.ListTokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		if token.Name == "ci" {
			if _, err := r.store.RevokeToken(t.Context(), store.Revocation{Token: token.ID, At: *clock.Load()}, store.Event{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	status(http.MethodPost, "/api/v1/scans", next.token(t), http.StatusUnauthorized)
	if resp, _ := r.pull(http.MethodGet, "/v2/", secret); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a revoked token pulled: %d, want 401", resp.StatusCode)
	}
}

// TestGeneratorReplicas checks that two services on one store serve the same image
// for a token.
func TestGeneratorReplicas(t *testing.T) {
	dir, _ := releases(t)
	first := newRig(t, nil)
	secret := first.token(store.Token{Name: "ci"})
	var digests []string
	for range 2 {
		clients, err := api.LoadClients(api.ClientsConfig{Dir: dir, Version: "v0.1.0", Slot: slot.Payload{Server: "https://assay.example.com"}})
		if err != nil {
			t.Fatal(err)
		}
		r := newRig(t, func(c *config) { c.API.Clients, c.API.Store, c.Server.Tokens = clients, first.store, first.store })
		digests = append(digests, r.pullImage(secret, "latest").index)
	}
	if digests[0] != digests[1] {
		t.Errorf("digests %q differ", digests)
	}
}

func TestGeneratorRefuses(t *testing.T) {
	r, _, _ := clientsRig(t, nil)
	secret := r.token(store.Token{Name: "ci"})
	reader := r.token(store.Token{Name: "reader", Scopes: []string{httpserver.ScopeRead}})
	ended := r.token(store.Token{Name: "ended", Expires: now})
	p := r.pullImage(secret, "latest")
	for _, tt := range []struct {
		method, path, secret string
		status               int
		code                 string
	}{
		{"GET", "/v2/", secret, 200, ""},
		{"GET", "/v2/", "", 401, "UNAUTHORIZED"},
		{"GET", "/v2/", "wrong", 401, "UNAUTHORIZED"},
		{"GET", "/v2/assay/manifests/latest", ended, 401, "UNAUTHORIZED"},
		{"GET", "/v2/assay/manifests/latest", reader, 403, "DENIED"},
		{"HEAD", "/v2/assay/manifests/latest", secret, 200, ""},
		{"HEAD", "/v2/assay/manifests/" + p.index, secret, 200, ""},
		{"HEAD", "/v2/assay/manifests/nightly", secret, 404, ""},
		{"GET", "/v2/assay/manifests/nightly", secret, 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/assay/manifests/sha256:00", secret, 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/assay/blobs/sha256:00", secret, 404, "BLOB_UNKNOWN"},
		{"GET", "/v2/assay/blobs/" + p.index, secret, 404, "BLOB_UNKNOWN"},
		{"GET", "/v2/library/debian/manifests/12", secret, 404, "NAME_UNKNOWN"},
		{"PUT", "/v2/assay/manifests/latest", secret, 405, "UNSUPPORTED"},
		{"POST", "/v2/assay/blobs/uploads/", secret, 405, "UNSUPPORTED"},
		{"DELETE", "/v2/assay/manifests/latest", "", 401, "UNAUTHORIZED"},
	} {
		resp, body := r.pull(tt.method, tt.path, tt.secret)
		var e struct {
			Errors []struct{ Code, Message string }
		}
		json.Unmarshal([]byte(body), &e)
		code := ""
		if len(e.Errors) == 1 && e.Errors[0].Message != "" {
			code = e.Errors[0].Code
		}
		if resp.StatusCode != tt.status || tt.code != code {
			t.Errorf("%s %s: %d %q, want %d %q: %s", tt.method, tt.path, resp.StatusCode, code, tt.status, tt.code, body)
		}
		if want := `Basic realm="assay"`; tt.status == 401 && resp.Header.Get("WWW-Authenticate") != want {
			t.Errorf("%s %s: WWW-Authenticate %q, want %q", tt.method, tt.path, resp.Header.Get("WWW-Authenticate"), want)
		}
	}
	resp, body := r.pull(http.MethodGet, "/v2/assay/manifests/latest", secret, "Range", "bytes=0-1")
	if resp.StatusCode != http.StatusPartialContent || body != `{"` {
		t.Errorf("a range: %d %q", resp.StatusCode, body)
	}
	if got := resp.Header.Get("Content-Type"); got != registry.TypeIndex {
		t.Errorf("content type %q", got)
	}

	none := newRig(t, nil)
	resp, body = none.pull(http.MethodGet, "/v2/assay/manifests/latest", none.token(store.Token{Name: "ci"}))
	if resp.StatusCode != http.StatusNotFound || !strings.Contains(body, "--clients") {
		t.Errorf("without clients: %d %s", resp.StatusCode, body)
	}
}
