package api_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/remote/token"
	"assay/service/advisory"
	"assay/service/api"
	"assay/service/httpserver"
	"assay/service/index"
	"assay/service/match"
	"assay/service/store"
	"assay/service/store/sqlite"
	"assay/verdict"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// A view is a fixed state of the data.
type view struct {
	*index.Memory
	records, unreadable int
}

func (v view) Data() verdict.Data {
	return verdict.Data{Snapshot: "s1", Records: v.records, Updated: now}
}
func (v view) Unreadable() int { return v.unreadable }
func (view) Seq() int64        { return 1 }
func (view) Memo() *match.Memo { return nil }
func (view) Close()            {}

// A rig is a service under test.
type rig struct {
	t     testing.TB
	store store.Store
	srv   *httptest.Server
	log   *bytes.Buffer
}

// A config configures the service under test. Without a log or a clock, the server uses
// those of the API.
type config struct {
	API    api.Config
	Server httpserver.Config
	Images *api.Images // nil: the API has none
}

func newRig(t testing.TB, change func(*config)) *rig {
	t.Helper()
	st, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	record, err := advisory.Parse([]byte(`{"id":"DEBIAN-CVE-2023-4911","modified":"2023-09-30T08:31:05Z","upstream":["CVE-2023-4911"],
		"affected":[{"package":{"ecosystem":"Debian:12","name":"glibc"},
		"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.36-9+deb12u3"}]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	index := index.NewMemory([]advisory.Advisory{record}, nil)
	r := &rig{t: t, store: st, log: &bytes.Buffer{}}
	var mu sync.Mutex
	c := config{API: api.Config{
		Store:     st,
		View:      func() (api.View, error) { return view{Memory: index, records: 1}, nil },
		PublicURL: "https://assay.example.com",
		Now:       func() time.Time { return now },
		Log:       slog.New(slog.NewTextHandler(lockedWriter{&mu, r.log}, nil)),
	}}
	if change != nil {
		change(&c)
	}
	if c.Server.Tokens == nil {
		c.Server.Tokens = st
	}
	r.srv = httptest.NewServer(handler(c))
	t.Cleanup(func() {
		r.srv.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func handler(c config) http.Handler {
	c.Server.Now, c.Server.Log = c.API.Now, c.API.Log
	s := httpserver.New(c.Server)
	handled := api.Handle(s, c.API)
	if c.Images != nil {
		c.Images.Scanner.Evaluate = handled.Evaluate
		handled.HandleImages(*c.Images)
	}
	return s
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func (r *rig) token(t store.Token) string {
	r.t.Helper()
	secret, err := token.New(rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	if t.Scopes == nil {
		t.Scopes = []string{httpserver.ScopeScan}
	}
	t.ID, t.Created = rand.Text(), now
	t.Name = cmp.Or(t.Name, t.ID)
	if err := r.store.CreateToken(context.Background(), t, token.Hash(secret), store.Event{}); err != nil {
		r.t.Fatal(err)
	}
	return secret
}

// do sends a request and returns the answer with its whole body.
func (r *rig) do(method, path, secret string, body []byte, header ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.srv.URL+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if secret != "" {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(b)
}

// document is the inventory of a Debian 12 with one vulnerable package.
func document(t *testing.T, options ...cyclonedx.Option) []byte {
	t.Helper()
	var b bytes.Buffer
	err := cyclonedx.Encode(&b, cyclonedx.Scan{
		Inventory: inventory.Inventory{
			System: inventory.System{ID: "debian", VersionID: "12"},
			Packages: []inventory.Package{{
				Type: "deb", Name: "libc6", Version: "2.36-9", Arch: "amd64", Source: "glibc", SourceVersion: "2.36-9",
				Evidence: []inventory.Evidence{{Path: "var/lib/dpkg/status", Kind: "dpkg"}},
			}},
		},
		Options: options,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decodeVerdict(t *testing.T, body string) verdict.Verdict {
	t.Helper()
	var v verdict.Verdict
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

func TestScanIsEvaluatedAndKept(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token(store.Token{Name: "ci"})
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(document(t))
	z.Close()
	resp, body := r.do("POST", "/api/v1/scans", secret, zipped.Bytes(), "Content-Encoding", "gzip", "Content-Type", "application/vnd.cyclonedx+json; version=1.6")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	v := decodeVerdict(t, body)
	if v.Decision.Code != 4 || len(v.Findings) != 1 || v.Findings[0].ID != "CVE-2023-4911" || v.Findings[0].Fixed != "2.36-9+deb12u3" {
		t.Errorf("verdict %s", body)
	}
	if want := "https://assay.example.com/api/v1/scans/" + v.Scan + "/report"; v.Report != want {
		t.Errorf("report at %q, want %q", v.Report, want)
	}
	if _, again := r.do("GET", "/api/v1/scans/"+v.Scan, secret, nil); again != body {
		t.Errorf("the stored verdict differs:\n%s\n%s", again, body)
	}
	if _, text := r.do("GET", "/api/v1/scans/"+v.Scan+"/report", secret, nil); !strings.Contains(text, "verdict=fail code=4") {
		t.Errorf("report: %s", text)
	}
	if strings.Contains(r.log.String(), secret) {
		t.Error("the token is in the log")
	}
	if !strings.Contains(r.log.String(), "scan="+v.Scan) {
		t.Errorf("the log does not name the scan:\n%s", r.log)
	}
}

func TestIdempotencyKey(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token(store.Token{Name: "ci"})
	_, first := r.do("POST", "/api/v1/scans", secret, document(t), "Idempotency-Key", "k")
	_, second := r.do("POST", "/api/v1/scans", secret, document(t), "Idempotency-Key", "k")
	if first != second || decodeVerdict(t, first).Scan == "" {
		t.Errorf("two answers to one key:\n%s\n%s", first, second)
	}
	other := document(t, cyclonedx.Option{Name: "project", Value: "web", Origin: "flag"})
	if resp, body := r.do("POST", "/api/v1/scans", secret, other, "Idempotency-Key", "k"); resp.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("%s: %s", resp.Status, body)
	}
	// If a client sends its token as the key, the token is not stored.
	_, third := r.do("POST", "/api/v1/scans", secret, document(t), "Idempotency-Key", secret)
	kept, err := r.store.Scan(t.Context(), decodeVerdict(t, third).Scan)
	if err != nil {
		t.Fatal(err)
	}
	if kept.Key == "" || strings.Contains(kept.Key, secret) {
		t.Errorf("stored with the key %q", kept.Key)
	}
	if resp, _ := r.do("POST", "/api/v1/scans", secret, document(t), "Idempotency-Key", strings.Repeat("k", 129)); resp.StatusCode != http.StatusBadRequest {
		t.Error(resp.Status)
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	r := newRig(t, nil)
	web := r.token(store.Token{Name: "web", Project: "web"})
	other := r.token(store.Token{Name: "other"})
	reader := r.token(store.Token{Name: "reader", Scopes: []string{httpserver.ScopeRead}})
	expired := r.token(store.Token{Name: "expired", Expires: now})
	revoked := r.token(store.Token{Name: "revoked"})
	if _, err := r.store.RevokeToken(context.Background(), store.Revocation{Token: "revoked", At: now}, store.Event{}); err != nil {
		t.Fatal(err)
	}
	stranger, err := token.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, body := r.do("POST", "/api/v1/scans", web, document(t))
	scan := decodeVerdict(t, body)
	if scan.Options.Project != "web" {
		t.Errorf("project %q of a token for web", scan.Options.Project)
	}
	named := document(t, cyclonedx.Option{Name: "project", Value: "api", Origin: "flag"})
	for _, tt := range []struct {
		name, method, path, secret string
		body                       []byte
		want                       int
	}{
		{"no token", "POST", "/api/v1/scans", "", document(t), 401},
		{"no token of ours", "POST", "/api/v1/scans", "hunter2", document(t), 401},
		{"unknown", "POST", "/api/v1/scans", stranger, document(t), 401},
		{"expired", "POST", "/api/v1/scans", expired, document(t), 401},
		{"revoked", "POST", "/api/v1/scans", revoked, document(t), 401},
		{"may only read", "POST", "/api/v1/scans", reader, document(t), 403},
		{"another project", "POST", "/api/v1/scans", web, named, 403},
		{"its own scan", "GET", "/api/v1/scans/" + scan.Scan, web, nil, 200},
		{"a reader", "GET", "/api/v1/scans/" + scan.Scan, reader, nil, 200},
		{"somebody else's scan", "GET", "/api/v1/scans/" + scan.Scan, other, nil, 404},
		{"its report", "GET", "/api/v1/scans/" + scan.Scan + "/report", other, nil, 404},
		{"no such scan", "GET", "/api/v1/scans/nothing", reader, nil, 404},
		{"no such format", "GET", "/api/v1/scans/" + scan.Scan + "/report?format=pdf", reader, nil, 400},
		{"no such page", "GET", "/nothing", "", nil, 404},
		{"no such method", "DELETE", "/api/v1/scans", web, nil, 405},
	} {
		resp, body := r.do(tt.method, tt.path, tt.secret, tt.body)
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %s, want %d: %s", tt.name, resp.Status, tt.want, body)
		}
		if tt.want >= 400 {
			var p struct{ Error, Hint string }
			if err := json.Unmarshal([]byte(body), &p); err != nil || p.Error == "" || p.Hint == "" {
				t.Errorf("%s: the answer lacks an error or a hint: %s", tt.name, body)
			}
		}
		if tt.want == 401 && resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", tt.name)
		}
	}
}

func TestBadBodies(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token(store.Token{Name: "ci"})
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 65 {
		z.Write(bytes.Repeat([]byte(" "), 1<<20))
	}
	z.Close()
	for _, tt := range []struct {
		name   string
		body   []byte
		header []string
		want   int
	}{
		{"not JSON", []byte("{"), nil, 400},
		{"neither CycloneDX nor SPDX", []byte(`{"document":{}}`), nil, 400},
		{"another version of SPDX", []byte(`{"spdxVersion":"SPDX-3.0"}`), nil, 400},
		{"not gzip", document(t), []string{"Content-Encoding", "gzip"}, 400},
		{"an encoding", document(t), []string{"Content-Encoding", "br"}, 415},
		{"a type", document(t), []string{"Content-Type", "text/html"}, 415},
		{"a gzip bomb", bomb.Bytes(), []string{"Content-Encoding", "gzip"}, 413},
		{"too much", bytes.Repeat([]byte(" "), 33<<20), nil, 413},
		{"an option's value", document(t, cyclonedx.Option{Name: "fail-on", Value: "sometimes", Origin: "flag"}), nil, 400},
	} {
		if resp, body := r.do("POST", "/api/v1/scans", secret, tt.body, tt.header...); resp.StatusCode != tt.want {
			t.Errorf("%s: %s, want %d: %.200s", tt.name, resp.Status, tt.want, body)
		}
	}
}

func TestRate(t *testing.T) {
	r := newRig(t, func(c *config) { c.Server.Rate = httpserver.Rate{PerSecond: 0.5, Burst: 2} })
	secret, other := r.token(store.Token{Name: "a"}), r.token(store.Token{Name: "b"})
	for i, want := range []int{200, 200, 429} {
		resp, body := r.do("POST", "/api/v1/scans", secret, document(t))
		if resp.StatusCode != want {
			t.Errorf("request %d: %s, want %d: %s", i, resp.Status, want, body)
		}
		if want == 429 && resp.Header.Get("Retry-After") != "2" {
			t.Errorf("Retry-After %q, want 2", resp.Header.Get("Retry-After"))
		}
	}
	if resp, _ := r.do("POST", "/api/v1/scans", other, document(t)); resp.StatusCode != http.StatusOK {
		t.Errorf("another token's first request: %s", resp.Status)
	}
}

func TestNoData(t *testing.T) {
	r := newRig(t, func(c *config) { c.API.View = func() (api.View, error) { return nil, fmt.Errorf("damaged") } })
	for _, path := range []string{"POST /api/v1/scans", "GET /healthz"} {
		method, path, _ := strings.Cut(path, " ")
		if resp, body := r.do(method, path, r.token(store.Token{Name: rand.Text()}), document(t)); resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s %s: %s: %s", method, path, resp.Status, body)
		}
	}
}
