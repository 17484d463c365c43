package v1

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/remote/token"
	"assay/service/httpserver"
	"assay/service/image"
	layers "assay/service/layer"
	"assay/service/layer/source"
	"assay/service/store"
	"assay/service/store/sqlite"
	"assay/verdict"
)

// A rig is the API over a real store, with a scanner that reads lists of packages.
type rig struct {
	t       *testing.T
	url     string
	store   *sqlite.Store
	scanner *scanner
	source  *fetcher
	service *Service
	cache   *Cache
	files   string // folder that is served at files
	host    string
}

func newRig(t *testing.T, change func(*Config)) *rig {
	st, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	limits := layers.DefaultLimits()
	limits.Layers, limits.Bytes, limits.Entries = 16, 1<<20, 1000
	cache, err := OpenCache(filepath.Join(t.TempDir(), "layers"), 4*reserve, limits)
	if err != nil {
		t.Fatal(err)
	}
	network, err := source.ParseNetwork(source.Private())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: st, cache: cache, files: t.TempDir()}
	served := httptest.NewServer(http.FileServer(http.Dir(r.files)))
	t.Cleanup(served.Close)
	r.host = served.URL
	r.scanner = &scanner{store: st}
	r.source = &fetcher{Fetcher: &source.Fetcher{Network: network}}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	c := Config{
		Store: st, Records: &image.Records{Files: st, Now: time.Now}, Scanner: r.scanner, Source: r.source, Cache: cache,
		View: func() (View, error) { return nil, errors.New("no view") }, Limits: limits, Now: time.Now, Log: log,
	}
	if change != nil {
		change(&c)
	}
	server := httpserver.New(httpserver.Config{Tokens: st, Now: time.Now, Log: log, Rate: httpserver.Rate{PerSecond: 1, Burst: 400}})
	r.service = Handle(server, c)
	t.Cleanup(r.service.Stop)
	s := httptest.NewServer(server)
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

// token makes a token of a project.
func (r *rig) token(project string) string {
	r.t.Helper()
	secret, err := token.New(rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	id, err := store.NewID(rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	err = r.store.CreateToken(r.t.Context(), store.Token{ID: id, Name: "ci-" + id, Scopes: []string{"scan"}, Project: project, Created: time.Now()}, token.Hash(secret), store.Event{})
	if err != nil {
		r.t.Fatal(err)
	}
	return secret
}

// do sends a request with a token as the password, and requires a status.
func (r *rig) do(method, path, secret, body string, status int) string {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if secret != "" {
		req.SetBasicAuth("anybody", secret)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.StatusCode != status {
		r.t.Errorf("%s %s: %s, want %d: %s", method, path, resp.Status, status, text)
	}
	if got := resp.Header.Get("Server"); got != "clair" {
		r.t.Errorf("%s %s: Server %q", method, path, got)
	}
	if got := resp.Header.Get("Content-Type"); len(text) > 0 && got != "application/json;charset=utf-8" {
		r.t.Errorf("%s %s: Content-Type %q", method, path, got)
	}
	return string(text)
}

// post posts a layer and requires a status.
func (r *rig) post(secret, name, parent, path string, status int) string {
	r.t.Helper()
	text, err := json.Marshal(layerEnvelope{Layer: &layer{Name: name, ParentName: parent, Path: path, Format: "Docker"}})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.do("POST", "/v1/layers", secret, string(text), status)
}

// get returns the features of a layer.
func (r *rig) get(secret, name string) []feature {
	r.t.Helper()
	var answer layerEnvelope
	text := r.do("GET", "/v1/layers/"+name+"?features&vulnerabilities", secret, "", http.StatusOK)
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Layer == nil {
		r.t.Fatalf("%v in %s", err, text)
	}
	return answer.Layer.Features
}

// serve serves a layer at files and returns its address and its digest.
func (r *rig) serve(name string, content []byte) (address, digest string) {
	r.t.Helper()
	path := filepath.Join(r.files, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		r.t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return r.host + "/" + name, "sha256:" + hex.EncodeToString(sum[:])
}

// blob serves a layer as a registry does.
func (r *rig) blob(content []byte) string {
	r.t.Helper()
	sum := sha256.Sum256(content)
	address, _ := r.serve("v2/shop/app/blobs/sha256:"+hex.EncodeToString(sum[:]), content)
	return address
}

// archive returns a tar archive with files, given as names and contents.
func archive(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

func zstded(t *testing.T, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

// A fetcher is a source whose images are given.
type fetcher struct {
	*source.Fetcher
	mu     sync.Mutex
	images map[string]layers.Image
	err    error
}

func (f *fetcher) Registry(_ context.Context, r source.Request) (layers.Image, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name, digest, _ := strings.Cut(r.Reference, "@")
	img, ok := f.images[name]
	switch {
	case f.err != nil:
		return layers.Image{}, f.err
	case !ok || digest != "" && digest != img.Digest:
		return layers.Image{}, &source.Error{Kind: source.NotFound, Err: fmt.Errorf("no image %q", r.Reference), Hint: "check the name"}
	}
	return img, nil
}

// A scanner evaluates images whose files "packages" have lines "NAME VERSION [CVE]". The one of
// the highest layer counts. A version "?" cannot be evaluated.
type scanner struct {
	store *sqlite.Store
	mu    sync.Mutex
	scans int
	again atomic.Int64
	// hold, if set, is received from before an image is read.
	hold chan struct{}
	err  error
	kept map[string]image.Scanned
}

func (s *scanner) Scan(ctx context.Context, t store.Token, img layers.Image, o image.Options) (image.Scanned, error) {
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return image.Scanned{}, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scans++
	if s.err != nil {
		return image.Scanned{}, s.err
	}
	found := image.Scanned{Verdict: passing(), Sent: cyclonedx.Scan{Inventory: inventory.Inventory{System: inventory.System{ID: "debian", VersionID: "12"}}}}
	for i, l := range img.Layers {
		r, err := l.Open(ctx)
		if err != nil {
			return image.Scanned{}, err
		}
		defer r.Close()
		plain, err := layers.Decompress(r)
		if err != nil {
			return image.Scanned{}, err
		}
		diffID := fmt.Sprintf("sha256:%064d", i)
		found.Layers = append(found.Layers, layers.Layer{DiffID: diffID})
		a := tar.NewReader(plain)
		for head, err := a.Next(); err == nil; head, err = a.Next() {
			if head.Name != "packages" {
				continue
			}
			text, err := io.ReadAll(a)
			if err != nil {
				return image.Scanned{}, err
			}
			list(&found, string(text), diffID)
		}
	}
	id := fmt.Sprintf("scan%012d", s.scans)
	var err error
	found.Scan, err = s.store.KeepScan(ctx, store.Scan{ID: id, Token: t.ID, Project: t.Project, At: time.Now(), Request: []byte("{}"), Verdict: []byte("{}")})
	if s.kept == nil {
		s.kept = map[string]image.Scanned{}
	}
	s.kept[id] = found
	return found, err
}

// list makes a list of packages what was found.
func list(found *image.Scanned, text, layer string) {
	found.Sent.Inventory.Packages, found.Verdict = nil, passing()
	for line := range strings.Lines(text) {
		words := append(strings.Fields(line), "")
		if words[1] == "?" {
			found.Verdict.Decision = verdict.Decision{Outcome: verdict.Untrusted, Code: verdict.CodeUntrusted,
				Reasons: []verdict.Reason{{Rule: verdict.RuleNoData, Text: "there are no advisories for its system"}}}
			continue
		}
		p := inventory.Package{Type: "deb", Name: words[0], Version: words[1], Source: "src-" + words[0], SourceVersion: words[1], Layer: layer}
		if strings.HasPrefix(words[0], "py-") {
			p.Type, p.Source, p.SourceVersion = "pypi", "", ""
		}
		found.Sent.Inventory.Packages = append(found.Sent.Inventory.Packages, p)
		v := &found.Verdict
		v.Counts.Packages++
		v.Counts.Evaluated++
		if id := words[2]; id != "" {
			v.Findings = append(v.Findings, verdict.Finding{
				ID: id, Severity: verdict.Medium, Fixed: words[1] + "+fixed", Rule: verdict.RuleBelow, Summary: "about " + id,
				Package: verdict.Package{Type: p.Type, Name: p.Name, Version: p.Version, Source: p.Source, SourceVersion: p.SourceVersion},
			})
			v.Counts.Findings++
			v.Counts.Fixable++
			v.Counts.BySeverity[verdict.Medium]++
		}
	}
	part := verdict.Part{Part: verdict.PartSystem, Type: "deb", Packages: found.Verdict.Counts.Packages, Evaluated: found.Verdict.Counts.Packages}
	part.State = part.StateOf()
	found.Verdict.Evaluated = []verdict.Part{part}
}

func passing() verdict.Verdict {
	return verdict.Verdict{
		Version: verdict.Version, Decision: verdict.Decision{Outcome: verdict.Pass, Reasons: []verdict.Reason{{Rule: verdict.RuleClean, Text: "no findings"}}},
		Options: verdict.Options{FailOn: verdict.High, Unrated: verdict.High},
		Data:    verdict.Data{Records: 1, Snapshot: "s1"},
		Counts:  verdict.Counts{BySeverity: map[verdict.Severity]int{}}, System: verdict.System{ID: "debian", VersionID: "12", Ecosystem: "Debian:12"},
	}
}

func (s *scanner) Again(_ context.Context, _ store.Token, kept store.Scan) (image.Scanned, error) {
	s.again.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.kept[kept.ID]
	if !ok {
		return found, fmt.Errorf("scan %q: %w", kept.ID, store.ErrNotFound)
	}
	found.Layers = nil
	return found, nil
}

func (s *scanner) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scans
}

// message returns the text of an error.
func message(t *testing.T, text string) string {
	t.Helper()
	var e struct {
		Error  struct{ Message string }
		Status string
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Error.Message == "" || e.Status != "" {
		t.Errorf("no error of Clair: %s (%v)", text, err)
	}
	return e.Error.Message
}

// A stack is evaluated once, by the layer that is asked for, and its features name the layers
// that brought them.
func TestLayers(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token("shop")
	base := r.blob(gzipped(t, archive(t, "packages", "libc 1 CVE-2024-1\nzlib 2\n")))
	top := r.blob(zstded(t, archive(t, "packages", "libc 1 CVE-2024-1\npy-web 3 CVE-2024-2\n")))
	plain := r.blob(archive(t, "readme", "nothing installed"))
	r.post(secret, "base", "", base, http.StatusCreated)
	r.post(secret, "middle", "base", plain, http.StatusCreated)
	r.post(secret, "top", "middle", top, http.StatusCreated)
	if n := r.scanner.count(); n != 0 {
		t.Errorf("%d scans before anybody asked for the result", n)
	}
	got := r.get(secret, "top")
	want := []feature{
		{Name: "py-web", NamespaceName: "PyPI", VersionFormat: "pypi", Version: "3", AddedBy: "top"},
		{Name: "src-libc", NamespaceName: "debian:12", VersionFormat: "dpkg", Version: "1", AddedBy: "top"},
	}
	if len(got) != 2 || len(got[0].Vulnerabilities) != 1 || len(got[1].Vulnerabilities) != 1 {
		t.Fatalf("features %+v", got)
	}
	v := got[1].Vulnerabilities[0]
	if v.Name != "CVE-2024-1" || v.NamespaceName != "debian:12" || v.Severity != "Medium" || v.FixedBy != "1+fixed" || v.Description != "about CVE-2024-1" ||
		v.Link != "https://security-tracker.debian.org/tracker/CVE-2024-1" {
		t.Errorf("vulnerability %+v", v)
	}
	for i := range got {
		got[i].Vulnerabilities = nil
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("features %+v, want %+v", got, want)
	}
	if got := r.get(secret, "middle"); len(got) != 2 || got[0].Name != "src-libc" || got[1].Name != "src-zlib" || got[1].AddedBy != "base" {
		t.Errorf("features of the middle layer: %+v", got)
	}
	if r.get(secret, "top"); r.scanner.count() != 2 {
		t.Errorf("%d scans of 2 stacks", r.scanner.count())
	}
	// Without the two parameters nothing is evaluated.
	if text := r.do("GET", "/v1/layers/base", secret, "", http.StatusOK); !strings.Contains(text, `"IndexedByVersion":3`) || r.scanner.count() != 2 {
		t.Errorf("layer without features: %s", text)
	}
	// Another project has neither the layers nor the results.
	other := r.token("other")
	if text := message(t, r.do("GET", "/v1/layers/top?features", other, "", http.StatusNotFound)); text != "the resource cannot be found" {
		t.Errorf("layer of another project: %s", text)
	}
	r.post(other, "top", "middle", top, http.StatusBadRequest)
	// A removed layer takes those above it with it.
	r.do("DELETE", "/v1/layers/middle", secret, "", http.StatusOK)
	r.do("GET", "/v1/layers/top?features", secret, "", http.StatusNotFound)
	r.do("DELETE", "/v1/layers/middle", secret, "", http.StatusNotFound)
	r.get(secret, "base")
}

// A layer with an address without a digest is fetched whenever it is posted, and one with a
// digest once.
func TestPostAgain(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token("")
	address, _ := r.serve("app/layer.tar", archive(t, "packages", "libc 1\n"))
	r.post(secret, "a", "", address, http.StatusCreated)
	if got := r.get(secret, "a"); got[0].Version != "1" {
		t.Errorf("features %+v", got)
	}
	r.serve("app/layer.tar", archive(t, "packages", "libc 2\n"))
	r.post(secret, "a", "", address, http.StatusCreated)
	if got := r.get(secret, "a"); got[0].Version != "2" {
		t.Errorf("features of the new content %+v", got)
	}
	blob := r.blob(archive(t, "packages", "libc 3\n"))
	r.post(secret, "b", "", blob, http.StatusCreated)
	if err := os.RemoveAll(filepath.Join(r.files, "v2")); err != nil {
		t.Fatal(err)
	}
	r.post(secret, "b", "", blob, http.StatusCreated)
	// Another name, as of another client, must be able to fetch it.
	r.post(secret, "c", "", blob, http.StatusBadRequest)
	// A layer is not above itself.
	r.post(secret, "child", "b", address, http.StatusCreated)
	r.post(secret, "b", "child", blob, http.StatusBadRequest)
	r.post(secret, "b", "b", blob, http.StatusBadRequest)
}

func TestPostErrors(t *testing.T) {
	folder := t.TempDir()
	secretFile := filepath.Join(filepath.Dir(folder), "secret.tar")
	if err := os.WriteFile(secretFile, archive(t, "packages", "x 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secretFile, filepath.Join(folder, "link.tar")); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(c *Config) { c.Folder = folder })
	secret := r.token("shop")
	if err := os.WriteFile(filepath.Join(folder, "layer.tar"), archive(t, "packages", "libc 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := r.blob(archive(t, "packages", "libc 1\n"))
	text, _ := r.serve("text", []byte("this is no archive, and it is long enough to be a header of tar"+strings.Repeat(" ", 1024)))
	empty, _ := r.serve("empty", nil)
	half, _ := r.serve("half", gzipped(t, archive(t, "packages", strings.Repeat("libc 1\n", 100)))[:60])
	cut, _ := r.serve("cut", archive(t, "packages", strings.Repeat("x", 4000))[:2000])
	between, _ := r.serve("between", archive(t, "packages", "libc 1\n", "more", "")[:1024])
	bomb, _ := r.serve("bomb", gzipped(t, archive(t, "zero", strings.Repeat("\x00", 2<<20))))
	other := r.blob(archive(t, "packages", "other 1"))
	r.serve(strings.TrimPrefix(other, r.host+"/"), archive(t, "packages", "changed 1"))
	many := make([]string, 0, 4000)
	for i := range 1100 {
		many = append(many, fmt.Sprint("f", i), "")
	}
	entries, _ := r.serve("entries", archive(t, many...))
	for _, tt := range []struct {
		body, want string
		status     int
	}{
		{`{`, "unexpected EOF", http.StatusBadRequest},
		{`{}`, "failed to provide layer", http.StatusBadRequest},
		{`{"Layer":{"Path":"x","Format":"Docker"}}`, "could not process a layer which does not have a name", http.StatusBadRequest},
		{`{"Layer":{"Name":"n","Format":"Docker"}}`, "could not process a layer which does not have a path", http.StatusBadRequest},
		{`{"Layer":{"Name":"n","Path":"x"}}`, "could not process a layer which does not have a format", http.StatusBadRequest},
		{`{"Layer":{"Name":"n","Path":"x","Format":"ACI"}}`, "unsupported image format 'ACI'", http.StatusBadRequest},
		{`{"Layer":{"Name":"n","Path":"` + good + `","Format":"Docker","ParentName":"p"}}`, "worker: parent layer is unknown, it must be processed first", http.StatusBadRequest},
		{`{"Layer":{"Name":"n","Path":"` + r.host + `/missing","Format":"Docker"}}`, "could not find layer", http.StatusBadRequest},
		{`{"Layer":{"Name":"n","Path":"http://169.254.169.254/latest","Format":"Docker"}}`, "could not find layer", http.StatusBadRequest},
		{`{"Layer":{"Name":"n","Path":"ftp://example.com/x","Format":"Docker"}}`, "could not find layer", http.StatusBadRequest},
		{`{"Layer":{"Name":"n","Path":"/etc/passwd","Format":"Docker"}}`, "could not find layer", http.StatusBadRequest},
		{`{"Layer":{"Name":"n","Path":"` + folder + `/../secret.tar","Format":"Docker"}}`, "could not find layer", http.StatusBadRequest},
		{`{"Layer":{"Name":"n","Path":"` + folder + `/link.tar","Format":"Docker"}}`, "could not find layer", http.StatusBadRequest},
		{`{"Layer":{"Name":"n","Path":"` + folder + `","Format":"Docker"}}`, "could not find layer", http.StatusBadRequest},
		{`{"Layer":{"Name":"n","Path":"` + text + `","Format":"Docker"}}`, "tarutil: could not extract the archive", http.StatusUnprocessableEntity},
		{`{"Layer":{"Name":"n","Path":"` + empty + `","Format":"Docker"}}`, "tarutil: could not extract the archive: it is empty", http.StatusUnprocessableEntity},
		{`{"Layer":{"Name":"n","Path":"` + half + `","Format":"Docker"}}`, "tarutil: could not extract the archive", http.StatusUnprocessableEntity},
		{`{"Layer":{"Name":"n","Path":"` + cut + `","Format":"Docker"}}`, "tarutil: could not extract the archive", http.StatusUnprocessableEntity},
		{`{"Layer":{"Name":"n","Path":"` + between + `","Format":"Docker"}}`, "it is truncated: its end is missing", http.StatusUnprocessableEntity},
		{`{"Layer":{"Name":"n","Path":"` + bomb + `","Format":"Docker"}}`, "tarutil: could not extract one or more files from the archive: file too big", http.StatusUnprocessableEntity},
		{`{"Layer":{"Name":"n","Path":"` + entries + `","Format":"Docker"}}`, "it has more than 1000 entries", http.StatusUnprocessableEntity},
		{`{"Layer":{"Name":"n","Path":"` + other + `","Format":"Docker"}}`, "its digest is sha256:", http.StatusUnprocessableEntity},
		{`{"Layer":{"Name":"` + strings.Repeat("n", 1025) + `","Path":"x","Format":"Docker"}}`, "longer than 1024 bytes", http.StatusBadRequest},
	} {
		if got := message(t, r.do("POST", "/v1/layers", secret, tt.body, tt.status)); !strings.Contains(got, tt.want) {
			t.Errorf("%.200s: %q, want %q", tt.body, got, tt.want)
		}
	}
	r.do("GET", "/v1/layers/n?features", secret, "", http.StatusNotFound)
	if left, err := filepath.Glob(filepath.Join(r.cache.dir, "*")); err != nil || len(left) != 0 || r.cache.used != 0 {
		t.Errorf("the cache has %v (%v) and counts %d bytes", left, err, r.cache.used)
	}
	r.post(secret, "local", "", filepath.Join(folder, "layer.tar"), http.StatusCreated)
	r.get(secret, "local")
}

// What was not evaluated is an error, never a layer without features.
func TestNotEvaluated(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token("shop")
	r.post(secret, "unknown", "", r.blob(archive(t, "packages", "libc ?\n")), http.StatusCreated)
	for range 2 {
		if got := message(t, r.do("GET", "/v1/layers/unknown?vulnerabilities", secret, "", http.StatusUnprocessableEntity)); !strings.Contains(got, "there are no advisories for its system") {
			t.Error(got)
		}
	}
	r.post(secret, "bad", "", r.blob(archive(t, "packages", "libc 1\n")), http.StatusCreated)
	r.scanner.mu.Lock()
	r.scanner.err = fmt.Errorf("layer 1: %w", &layers.Error{Layer: 0, Err: errors.New("a path leaves the root")})
	r.scanner.mu.Unlock()
	if got := message(t, r.do("GET", "/v1/layers/bad?features", secret, "", http.StatusUnprocessableEntity)); !strings.HasPrefix(got, "layer 1: a path leaves the root; ") && !strings.HasPrefix(got, "a path leaves the root; ") {
		t.Error(got)
	}
	r.scanner.mu.Lock()
	r.scanner.err = errors.New("open /var/lib/assayd/x: no space left")
	r.scanner.mu.Unlock()
	if got := message(t, r.do("GET", "/v1/layers/bad?features", secret, "", http.StatusInternalServerError)); strings.Contains(got, "/var") {
		t.Errorf("the answer has an error of this machine: %s", got)
	}
	r.scanner.mu.Lock()
	r.scanner.err = nil
	r.scanner.mu.Unlock()
	if got := r.get(secret, "bad"); len(got) != 1 {
		t.Errorf("features after the disk has room again: %+v", got)
	}
}

// A layer that is no longer in the cache is fetched again if that needs no credentials.
func TestEvicted(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token("shop")
	r.post(secret, "open", "", r.blob(archive(t, "packages", "libc 1\n")), http.StatusCreated)
	private := r.blob(archive(t, "packages", "libc 2\n"))
	body := fmt.Sprintf(`{"Layer":{"Name":"private","Path":%q,"Format":"Docker","Headers":{"Authorization":"Bearer secret"}}}`, private)
	if text := r.do("POST", "/v1/layers", secret, body, http.StatusCreated); strings.Contains(text, "secret") {
		t.Errorf("the answer has the credentials: %s", text)
	}
	fill := func() {
		t.Helper()
		for i := range 5 {
			address, _ := r.serve("fill", archive(t, "fill", fmt.Sprint(i, strings.Repeat("x", 900<<10))))
			r.post(secret, "fill", "", address, http.StatusCreated)
		}
		for i := range 16 {
			address, _ := r.serve("fill", archive(t, "fill", fmt.Sprint("more", i, strings.Repeat("x", 900<<10))))
			r.post(secret, "fill", "", address, http.StatusCreated)
		}
	}
	fill()
	if r.cache.used > r.cache.size {
		t.Errorf("the cache counts %d of %d bytes", r.cache.used, r.cache.size)
	}
	if got := r.get(secret, "open"); len(got) != 1 || got[0].Version != "1" {
		t.Errorf("features %+v", got)
	}
	if got := message(t, r.do("GET", "/v1/layers/private?features", secret, "", http.StatusNotFound)); !strings.Contains(got, "post the layers again") {
		t.Error(got)
	}
	r.do("POST", "/v1/layers", secret, body, http.StatusCreated)
	r.get(secret, "private")
	fill()
	if err := os.RemoveAll(filepath.Join(r.files, "v2")); err != nil {
		t.Fatal(err)
	}
	r.get(secret, "private") // evaluated before; the layers are not needed
	// A new process finds the layers.
	c, err := OpenCache(r.cache.dir, r.cache.size, r.cache.limits)
	if err != nil || c.used != r.cache.used || len(c.blob) != len(r.cache.blob) {
		t.Errorf("opened again, the cache has %d layers and %d bytes: %v", len(c.blob), c.used, err)
	}
}

// TestFullCache: a layer that there is no room for now can be sent again later.
func TestFullCache(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token("shop")
	r.post(secret, "one", "", r.blob(archive(t, "packages", "libc 1\n")), http.StatusCreated)
	var held []string
	r.cache.mu.Lock()
	for digest := range r.cache.blob {
		held = append(held, digest)
	}
	r.cache.size = r.cache.used + reserve - 1
	used := r.cache.used
	r.cache.mu.Unlock()
	for _, digest := range held {
		release, ok := r.cache.Hold(digest)
		if !ok {
			t.Fatalf("the cache lost %s", digest)
		}
		defer release()
	}
	text := r.post(secret, "two", "", r.blob(archive(t, "packages", "libc 2\n")), http.StatusServiceUnavailable)
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	if got := message(t, text); !strings.Contains(got, "fill the cache") || r.cache.used != used || len(held) != 1 {
		t.Errorf("%q, and the cache counts %d bytes, want %d", got, r.cache.used, used)
	}
}

func TestTokens(t *testing.T) {
	r := newRig(t, nil)
	good := r.blob(archive(t, "packages", "libc 1\n"))
	secret := r.token("shop")
	r.post(secret, "a", "", good, http.StatusCreated)
	if got := message(t, r.do("GET", "/v1/layers/a?features", "", "", http.StatusUnauthorized)); !strings.Contains(got, "no token was sent") {
		t.Error(got)
	}
	r.do("GET", "/v1/layers/a?features", "assay_wrong", "", http.StatusUnauthorized)
	req, err := http.NewRequestWithContext(t.Context(), "GET", r.url+"/v1/layers/a?features", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a bearer token: %s", resp.Status)
	}
	limited := 0
	for range 450 {
		req.Header.Set("Authorization", "Bearer "+secret)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited == 0 {
		t.Error("the requests of a token are not limited")
	}
}

func TestAnonymous(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Anonymous, c.Local = "clair", true })
	good := r.blob(archive(t, "packages", "libc 1\n"))
	r.post("", "a", "", good, http.StatusCreated)
	r.get("", "a")
	r.get(r.token("clair"), "a") // the project is the same
	r.do("GET", "/v1/layers/a?features", r.token("shop"), "", http.StatusNotFound)
	r.do("GET", "/v1/layers/a?features", "assay_wrong", "", http.StatusUnauthorized)
	for _, tt := range []struct{ host, name, value string }{
		{"localhost:6060", "Origin", "https://example.com"},
		{"localhost:6060", "Sec-Fetch-Site", "cross-site"},
		{"rebound.example.com:6060", "X-Other", ""},
		{"10.1.2.3", "X-Other", ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", r.url+"/v1/layers/a?features", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = tt.host
		req.Header.Set(tt.name, tt.value)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%+v: %s", tt, resp.Status)
		}
	}
}

// The last requests of clients that are not served as Clair does.
func TestOthers(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token("")
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/v1/namespaces/debian:8/vulnerabilities", http.StatusMethodNotAllowed},
		{"PUT", "/v1/namespaces/debian:8/vulnerabilities/CVE-2014-9471", http.StatusMethodNotAllowed},
		{"DELETE", "/v1/namespaces/debian:8/vulnerabilities/CVE-2014-9471", http.StatusMethodNotAllowed},
		{"PUT", "/v1/namespaces/debian:8/vulnerabilities/CVE-2014-9471/fixes/coreutils", http.StatusMethodNotAllowed},
		{"GET", "/v1/notifications/ec45ec87-bfc8-4129-a1c3-d2b82622175a?limit=2", http.StatusNotFound},
		{"DELETE", "/v1/notifications/ec45ec87-bfc8-4129-a1c3-d2b82622175a", http.StatusNotFound},
	} {
		message(t, r.do(tt.method, tt.path, secret, "{}", tt.status))
	}
}

// Answers are compressed for clients that ask for it.
func TestGzip(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token("")
	r.post(secret, "a", "", r.blob(archive(t, "packages", "libc 1\n")), http.StatusCreated)
	req, err := http.NewRequestWithContext(t.Context(), "GET", r.url+"/v1/layers/a?features", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("", secret)
	req.Header.Set("Accept-Encoding", "gzip, deflate")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	plain, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer layerEnvelope
	if err := json.NewDecoder(plain).Decode(&answer); err != nil || resp.Header.Get("Content-Encoding") != "gzip" || len(answer.Layer.Features) != 1 {
		t.Errorf("%v, %v: %+v", err, resp.Header, answer)
	}
}

// Many requests for one stack evaluate it once.
func TestConcurrent(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token("")
	r.post(secret, "a", "", r.blob(archive(t, "packages", "libc 1\n")), http.StatusCreated)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if got := r.get(secret, "a"); len(got) != 1 {
				t.Errorf("features %+v", got)
			}
		})
	}
	wg.Wait()
	if n := r.scanner.count(); n != 1 {
		t.Errorf("%d scans", n)
	}
}

// Whatever a layer is, reading it ends, and what is kept is readable again.
func FuzzCheck(f *testing.F) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range []string{"packages", "usr/lib/x"} {
		_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 4})
		_, _ = io.WriteString(w, "text")
	}
	_ = w.Close()
	var z bytes.Buffer
	zip := gzip.NewWriter(&z)
	_, _ = zip.Write(b.Bytes())
	_ = zip.Close()
	zst, _ := zstd.NewWriter(nil)
	for _, seed := range [][]byte{nil, b.Bytes(), z.Bytes(), zst.EncodeAll(b.Bytes(), nil), b.Bytes()[:700], z.Bytes()[:30], []byte("\x1f\x8b"), []byte("\x28\xb5\x2f\xfd\x00")} {
		f.Add(seed)
	}
	limits := layers.Limits{Layers: 4, Blob: 1 << 20, Bytes: 1 << 20, Entries: 100}
	f.Fuzz(func(t *testing.T, layer []byte) {
		c, err := OpenCache(t.TempDir(), 16<<20, limits)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := c.Add(t.Context(), bytes.NewReader(layer), "")
		if err != nil {
			if _, bad := errors.AsType[*layers.Error](err); !bad || len(c.blob) != 0 || c.used != 0 {
				t.Errorf("%v, with %d layers and %d bytes", err, len(c.blob), c.used)
			}
			return
		}
		kept, err := c.Open(digest)
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		text, err := io.ReadAll(kept)
		if err != nil || !bytes.Equal(text, layer) || c.used != int64(len(layer)) {
			t.Errorf("%v: %d of %d bytes are kept, and %d are counted", err, len(text), len(layer), c.used)
		}
	})
}
