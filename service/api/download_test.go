package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/remote/slot"
	"assay/service/api"
	"assay/service/httpserver"
	"assay/service/store"
)

// releases makes a folder with an installer and with clients, which are a slot between
// other bytes.
func releases(t *testing.T) (dir string, program []byte) {
	t.Helper()
	region, err := os.ReadFile(filepath.Join(testkit.Root(t), "remote", "slot", "slot.bin"))
	if err != nil {
		t.Fatal(err)
	}
	program = bytes.Join([][]byte{bytes.Repeat([]byte("code"), 1000), region, bytes.Repeat([]byte{0xff}, 777)}, nil)
	dir = t.TempDir()
	for path, b := range map[string][]byte{
		"assay": program, "linux/riscv64/assay": program, "install.sh": []byte("url='@ASSAYD_URL@'\n"),
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir, program
}

// clientsRig returns a service that serves releases, and its clock.
func clientsRig(t *testing.T, change func(*api.ClientsConfig)) (r *rig, program []byte, clock *atomic.Pointer[time.Time]) {
	t.Helper()
	dir, program := releases(t)
	clock = &atomic.Pointer[time.Time]{}
	clock.Store(&now)
	c := api.ClientsConfig{
		Dir: dir, Version: "v0.1.0", Fresh: 24 * time.Hour,
		Slot: slot.Payload{Server: "https://assay.example.com", CA: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"},
	}
	if change != nil {
		change(&c)
	}
	clients, err := api.LoadClients(c)
	if err != nil {
		t.Fatal(err)
	}
	r = newRig(t, func(c *config) {
		c.API.Clients, c.Server.Version = clients, "0.1.0"
		c.API.Now = func() time.Time { return *clock.Load() }
	})
	return r, program, clock
}

func TestClients(t *testing.T) {
	r, program, _ := clientsRig(t, nil)
	own := "/linux/" + runtime.GOARCH + "/assay"
	for _, tt := range []struct{ path, fresh, cache string }{
		{"/assay", "2026-11-24T00:00:00Z", "no-cache"},
		{own, "2026-11-24T00:00:00Z", "no-cache"},
		{"/linux/riscv64/assay", "2026-11-24T00:00:00Z", "no-cache"},
		{"/v0.1.0/linux/riscv64/assay", "", "public, max-age=31536000, immutable"},
		{"/v0.1.0" + own, "", "public, max-age=31536000, immutable"},
	} {
		resp, body := r.do("GET", tt.path, "", nil)
		p, err := slot.Show([]byte(body))
		if resp.StatusCode != 200 || err != nil || p.Server != "https://assay.example.com" || !strings.Contains(p.CA, "MIIB") || p.Fresh != tt.fresh {
			t.Errorf("%s: %s, slot %+v, %v", tt.path, resp.Status, p, err)
		}
		if clear, err := slot.Clear([]byte(body)); err != nil || !bytes.Equal(clear, program) {
			t.Errorf("%s: with a cleared slot it differs from the release: %v", tt.path, err)
		}
		h := resp.Header
		etag := fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(body)))
		if h.Get("ETag") != etag || h.Get("Last-Modified") != "" || h.Get("Cache-Control") != tt.cache || h.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s: header %v", tt.path, h)
		}
		if resp, body := r.do("GET", tt.path, "", nil, "If-None-Match", etag); resp.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("%s with its ETag: %s", tt.path, resp.Status)
		}
		if resp, _ := r.do("HEAD", tt.path, "", nil); resp.StatusCode != 200 || resp.ContentLength != int64(len(program)) || resp.Header.Get("ETag") != etag {
			t.Errorf("HEAD %s: %s, %d bytes", tt.path, resp.Status, resp.ContentLength)
		}
		if resp, part := r.do("GET", tt.path, "", nil, "Range", "bytes=1000-1999", "If-Range", etag); resp.StatusCode != http.StatusPartialContent || part != body[1000:2000] {
			t.Errorf("%s with a range: %s, %d bytes", tt.path, resp.Status, len(part))
		}
		if tt.path == "/assay" {
			continue
		}
		want := fmt.Sprintf("%x  assay\n", sha256.Sum256([]byte(body)))
		if resp, sum := r.do("GET", tt.path+".sha256", "", nil); resp.StatusCode != 200 || sum != want || resp.Header.Get("Cache-Control") != tt.cache {
			t.Errorf("%s.sha256: %s %q, want %q", tt.path, resp.Status, sum, want)
		}
	}
	for path, hint := range map[string]string{
		"/linux/vax/assay":               "riscv64; make release makes the clients for amd64 and arm64, assayd serve --clients",
		"/linux/vax/assay.sha256":        "riscv64",
		"/v0.1.0/linux/vax/assay":        "riscv64",
		"/v0.2.0/linux/riscv64/assay":    "/v0.1.0/",
		"/v9/linux/riscv64/assay.sha256": "/v0.1.0/",
		"/vain":                          "docs/api.md",
	} {
		resp, body := r.do("GET", path, "", nil)
		var p struct{ Error, Hint string }
		if err := json.Unmarshal([]byte(body), &p); err != nil || resp.StatusCode != http.StatusNotFound || !strings.Contains(p.Hint, hint) {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
		if v := resp.Header.Get("Assay-Version"); v != "0.1.0" {
			t.Errorf("%s: Assay-Version %q", path, v)
		}
	}
}

// TestFresh checks that a client changes once per span, at the same time on all replicas,
// and only in its slot.
func TestFresh(t *testing.T) {
	bytesAt := func(r *rig) string { _, b := r.do("GET", "/assay", "", nil); return b }
	r, _, clock := clientsRig(t, func(c *api.ClientsConfig) { c.Fresh = time.Hour })
	other, _, otherClock := clientsRig(t, func(c *api.ClientsConfig) { c.Fresh = time.Hour })
	set := func(clock *atomic.Pointer[time.Time], at time.Time) { clock.Store(&at) }
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	last := time.Date(2026, 11, 24, 22, 59, 59, 999, time.FixedZone("", 10*3600)) // 12:59:59 in UTC
	set(clock, noon)
	set(otherClock, last)
	first := bytesAt(r)
	if bytesAt(other) != first {
		t.Error("two replicas serve different bytes")
	}
	set(otherClock, last.Add(time.Second))
	if bytesAt(other) == first {
		t.Error("the client does not change with its span")
	}
	set(otherClock, noon)
	if bytesAt(other) != first {
		t.Error("after the clock was set back, the client is not that of its span")
	}
	// Spans are counted from 1970, not from midnight.
	week, _, clock := clientsRig(t, func(c *api.ClientsConfig) { c.Fresh = 7 * 24 * time.Hour })
	for at, want := range map[string]string{
		"2026-11-24T12:00:00Z": "2026-11-19T00:00:00Z",
		"2026-11-25T23:59:59Z": "2026-11-19T00:00:00Z",
		"2026-11-26T00:00:00Z": "2026-11-26T00:00:00Z",
	} {
		parsed, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		set(clock, parsed)
		if p, err := slot.Show([]byte(bytesAt(week))); err != nil || p.Fresh != want {
			t.Errorf("at %s: %q, %v; want %q", at, p.Fresh, err, want)
		}
	}
	never, _, clock := clientsRig(t, func(c *api.ClientsConfig) { c.Fresh = 0 })
	first = bytesAt(never)
	set(clock, now.AddDate(1, 0, 0))
	if bytesAt(never) != first {
		t.Error("with --fresh 0 the client changes")
	}
	if _, pinned := never.do("GET", "/v0.1.0/linux/"+runtime.GOARCH+"/assay", "", nil); pinned != first {
		t.Error("with --fresh 0 the client differs from that of its version")
	}
}

func TestFreshForManyAtOnce(t *testing.T) {
	r, _, _ := clientsRig(t, nil)
	var wg sync.WaitGroup
	got := make([]string, 8)
	for i := range got {
		wg.Go(func() {
			resp, err := http.Head(r.srv.URL + "/assay")
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			got[i] = resp.Header.Get("ETag")
		})
	}
	wg.Wait()
	for _, etag := range got {
		if etag == "" || etag != got[0] {
			t.Fatalf("ETags %q", got)
		}
	}
}

func TestInstaller(t *testing.T) {
	r, _, _ := clientsRig(t, func(c *api.ClientsConfig) { c.Slot.Server = "https://assay.example.com/it's" })
	resp, body := r.do("GET", "/install.sh", "", nil, "Host", "evil.example.com")
	if want := `url='https://assay.example.com/it'\''s'` + "\n"; resp.StatusCode != 200 || body != want {
		t.Errorf("%s %q, want %q", resp.Status, body, want)
	}
	if resp.Header.Get("ETag") == "" {
		t.Error("no ETag")
	}
	bare := newRig(t, nil)
	for _, path := range []string{"/install.sh", "/assay", "/linux/amd64/assay"} {
		if resp, body := bare.do("GET", path, "", nil); resp.StatusCode != 404 || !strings.Contains(body, "--clients") ||
			path != "/install.sh" && !strings.Contains(body, "make release") {
			t.Errorf("%s of a service without clients: %s %s", path, resp.Status, body)
		}
	}
}

func TestLoadClientsRefuses(t *testing.T) {
	dir, _ := releases(t)
	twice := t.TempDir()
	if err := os.WriteFile(filepath.Join(twice, "install.sh"), []byte("@ASSAYD_URL@ @ASSAYD_URL@"), 0o644); err != nil {
		t.Fatal(err)
	}
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "assay"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	server := slot.Payload{Server: "https://a"}
	// Room for everything but the bucket.
	tight := slot.Payload{Server: strings.Repeat("x", slot.MaxPayload-len(`{"server":""}`))}
	for _, tt := range []struct {
		name string
		c    api.ClientsConfig
		says string
	}{
		{"part of a second", api.ClientsConfig{Dir: dir, Slot: server, Version: "1", Fresh: time.Millisecond}, "whole seconds"},
		{"less than nothing", api.ClientsConfig{Dir: dir, Slot: server, Version: "1", Fresh: -time.Hour}, "whole seconds"},
		{"a version", api.ClientsConfig{Dir: dir, Slot: server, Version: "1/{x}"}, "invalid in an address"},
		{"no slot", api.ClientsConfig{Dir: foreign, Slot: server, Version: "1"}, "no slot"},
		{"an installer", api.ClientsConfig{Dir: twice, Slot: server, Version: "1"}, "2 times"},
		{"no room for the bucket", api.ClientsConfig{Dir: dir, Slot: tight, Version: "1", Fresh: time.Hour}, "too large"},
	} {
		if _, err := api.LoadClients(tt.c); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
}

func TestWhatATokenIsFor(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token(store.Token{Name: "ci", Project: "web", Expires: now.Add(time.Hour)})
	if resp, body := r.do("GET", "/api/v1/token", secret, nil); resp.StatusCode != 200 ||
		body != `{"name":"ci","scopes":["scan"],"project":"web","expires":"2026-11-24T13:00:00Z"}` {
		t.Errorf("%s %s", resp.Status, body)
	}
	plain := r.token(store.Token{Name: "plain", Scopes: []string{httpserver.ScopeRead}})
	if _, body := r.do("GET", "/api/v1/token", plain, nil); body != `{"name":"plain","scopes":["read"]}` {
		t.Error(body)
	}
	if resp, _ := r.do("GET", "/api/v1/token", "", nil); resp.StatusCode != 401 {
		t.Error(resp.Status)
	}
}
