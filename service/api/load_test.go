package api_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"assay/service/api"
	"assay/service/httpserver"
	"assay/service/store"
)

// slowBodies begins n scans without sending their bodies, and returns the connections.
func (r *rig) slowBodies(secret string, n int) []net.Conn {
	r.t.Helper()
	var conns []net.Conn
	for range n {
		c, err := net.Dial("tcp", r.srv.Listener.Addr().String())
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { c.Close() })
		_, err = fmt.Fprintf(c, "POST /api/v1/scans HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{", secret)
		if err != nil {
			r.t.Fatal(err)
		}
		conns = append(conns, c)
	}
	return conns
}

// Slow bodies do not delay other requests, of another token or of the same. They end with
// a status after which the client retries.
func TestSlowBodies(t *testing.T) {
	for _, n := range []int{8, 100} {
		r := newRig(t, func(c *config) { c.Server.BodyStart = time.Hour })
		slow, other := r.token(store.Token{Name: "slow"}), r.token(store.Token{Name: "other"})
		conns := r.slowBodies(slow, n)
		for _, secret := range []string{other, slow} {
			if resp, body := r.do("POST", "/api/v1/scans", secret, document(t)); resp.StatusCode != http.StatusOK {
				t.Errorf("during %d slow bodies: %s: %s", n, resp.Status, body)
			}
		}
		for i, c := range conns {
			if err := c.SetReadDeadline(time.Now()); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("slow body %d was answered: %v", i, err)
			}
			c.Close()
		}
	}
	r := newRig(t, func(c *config) { c.Server.BodyStart = 50 * time.Millisecond })
	c := r.slowBodies(r.token(store.Token{Name: "slow"}), 1)[0]
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusRequestTimeout || !resp.Close || resp.Header.Get("Retry-After") == "" || !bytes.Contains(body, []byte("only 1 bytes of the body")) {
		t.Errorf("%s, %v, %s, %v", resp.Status, resp.Header, body, err)
	}
}

// A connection is reused, no matter how much later, if the body arrived in time.
func TestBodyDeadlineEnds(t *testing.T) {
	r := newRig(t, func(c *config) { c.Server.BodyStart = 100 * time.Millisecond })
	secret := r.token(store.Token{Name: "ci"})
	dials := 0
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials++
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}}
	defer client.CloseIdleConnections()
	for range 3 {
		req, err := http.NewRequest("POST", r.srv.URL+"/api/v1/scans", bytes.NewReader(document(t)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+secret)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s, %v", resp.Status, err)
		}
		time.Sleep(150 * time.Millisecond)
	}
	if dials != 1 {
		t.Errorf("%d connections were made", dials)
	}
}

// many returns an inventory of n minimal packages.
func many(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"operating-system","name":"debian","version":"12"}`)
	for i := range n {
		fmt.Fprintf(&b, `,{"purl":"pkg:deb/debian/p%d@1"}`, i)
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

// A request that needs more memory than the whole budget is refused. One that needs more
// than is free waits, or gets 503.
func TestMemoryIsBounded(t *testing.T) {
	const budget = 32 << 20
	memory := httpserver.NewMemory(budget)
	var peak atomic.Int64
	memory.Changed(func(used int64) {
		for {
			p := peak.Load()
			if used <= p || peak.CompareAndSwap(p, used) {
				return
			}
		}
	})
	r := newRig(t, func(c *config) { c.Server.Memory = memory })
	secret, other := r.token(store.Token{Name: "a"}), r.token(store.Token{Name: "b"})
	if resp, body := r.do("POST", "/api/v1/scans", secret, many(40_000)); resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(body, "--memory") {
		t.Errorf("%s: %s", resp.Status, body)
	}
	if resp, body := r.do("POST", "/api/v1/scans", secret, bytes.Repeat([]byte(" "), 20<<20)); resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(body, "--memory") {
		t.Errorf("%s: %s", resp.Status, body)
	}
	large := zipped(t, many(12_000))
	var wg sync.WaitGroup
	var served atomic.Int32
	for range 16 {
		wg.Go(func() {
			resp, body := r.do("POST", "/api/v1/scans", secret, large, "Content-Encoding", "gzip")
			switch after, _ := strconv.Atoi(resp.Header.Get("Retry-After")); {
			case resp.StatusCode == http.StatusOK:
				served.Add(1)
			case resp.StatusCode != http.StatusServiceUnavailable || after < 1:
				t.Errorf("%s, %v: %s", resp.Status, resp.Header, body)
			}
		})
		wg.Go(func() {
			if resp, body := r.do("POST", "/api/v1/scans", other, document(t)); resp.StatusCode != http.StatusOK {
				t.Errorf("another token: %s: %s", resp.Status, body)
			}
		})
	}
	wg.Wait()
	if p := peak.Load(); served.Load() == 0 || p == 0 || p > budget {
		t.Errorf("%d served, at most %d bytes of %d in use", served.Load(), p, budget)
	}
	// All memory was returned.
	if resp, body := r.do("POST", "/api/v1/scans", secret, large, "Content-Encoding", "gzip"); resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", resp.Status, body)
	}
}

func zipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, err := z.Write(b)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// The end of a body of several gzip members has the length of the last one.
func TestGzipMembers(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token(store.Token{Name: "ci"})
	doc := document(t)
	body := append(zipped(t, doc[:20]), zipped(t, doc[20:])...)
	if resp, text := r.do("POST", "/api/v1/scans", secret, body, "Content-Encoding", "gzip"); resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", resp.Status, text)
	}
	body = zipped(t, doc)
	body[len(body)-8] ^= 1 // of the checksum
	if resp, text := r.do("POST", "/api/v1/scans", secret, body, "Content-Encoding", "gzip"); resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, "gzip body is damaged") {
		t.Errorf("%s: %s", resp.Status, text)
	}
}

// A reader counts how often documents of stored scans are read.
type reader struct {
	api.Store
	read atomic.Int32
}

func (s *reader) Scan(ctx context.Context, id string) (store.Scan, error) {
	s.read.Add(1)
	return s.Store.Scan(ctx, id)
}

func (s *reader) ScanVerdict(ctx context.Context, id string) ([]byte, error) {
	s.read.Add(1)
	return s.Store.ScanVerdict(ctx, id)
}

// Whether a token may read a scan is decided before the scan is read.
func TestPermissionFirst(t *testing.T) {
	counted := &reader{}
	r := newRig(t, func(c *config) {
		counted.Store = c.API.Store
		c.API.Store = counted
	})
	secret, other := r.token(store.Token{Name: "a"}), r.token(store.Token{Name: "b"})
	_, body := r.do("POST", "/api/v1/scans", secret, document(t))
	scan := "/api/v1/scans/" + decodeVerdict(t, body).Scan
	for _, path := range []string{"", "/report", "/explain?id=CVE-2023-4911"} {
		if resp, _ := r.do("GET", scan+path, other, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	if n := counted.read.Load(); n != 0 {
		t.Errorf("documents were read %d times for answers of 404", n)
	}
	for i, path := range []string{"", "/report", "/explain?id=CVE-2023-4911"} {
		if resp, _ := r.do("GET", scan+path, secret, nil); resp.StatusCode != http.StatusOK || counted.read.Load() != int32(i+1) {
			t.Errorf("%s: %s, read %d times", path, resp.Status, counted.read.Load())
		}
	}
}

// A failing store stores nothing.
type failing struct {
	api.Store
	err atomic.Pointer[error]
}

func (s *failing) KeepScan(ctx context.Context, scan store.Scan) (store.Scan, error) {
	if err := s.err.Load(); err != nil {
		return store.Scan{}, *err
	}
	return s.Store.KeepScan(ctx, scan)
}

// A scan that cannot be stored is answered anyway, with a notice. The service is degraded
// until a scan is stored again.
func TestUnkept(t *testing.T) {
	st := &failing{}
	r := newRig(t, func(c *config) {
		st.Store = c.API.Store
		c.API.Store = st
	})
	secret := r.token(store.Token{Name: "ci"})
	full := errors.New("database or disk is full")
	st.err.Store(&full)
	resp, body := r.do("POST", "/api/v1/scans", secret, document(t))
	v := decodeVerdict(t, body)
	if resp.StatusCode != http.StatusOK || v.Decision.Code != 4 || v.Report != "" || len(v.Notices) == 0 || !strings.Contains(strings.Join(v.Notices, " "), "was not kept") {
		t.Errorf("%s: %s", resp.Status, body)
	}
	if resp, _ := r.do("GET", "/api/v1/scans/"+v.Scan, secret, nil); resp.StatusCode != http.StatusNotFound {
		t.Error(resp.Status)
	}
	if resp, body := r.do("GET", "/healthz", "", nil); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"status":"degraded","causes":[{"rule":"not-kept"`) {
		t.Errorf("%s: %s", resp.Status, body)
	}
	if !strings.Contains(r.log.String(), "scans are answered and cannot be stored") || !strings.Contains(r.log.String(), full.Error()) {
		t.Errorf("the log does not say that the scan was not stored:\n%s", r.log)
	}
	st.err.Store(nil)
	if _, body := r.do("POST", "/api/v1/scans", secret, document(t)); decodeVerdict(t, body).Report == "" {
		t.Error(body)
	}
	if _, body := r.do("GET", "/healthz", "", nil); !strings.Contains(body, `"status":"ok","snapshot"`) {
		t.Error(body)
	}
}

// Incomplete data degrades the service until it is complete.
func TestHealthOfData(t *testing.T) {
	for _, tt := range []struct {
		name string
		view view
		want string
	}{
		{"whole", view{records: 1}, `{"status":"ok","snapshot"`},
		{"unreadable", view{records: 1, unreadable: 2}, `{"status":"degraded","causes":[{"rule":"records-unreadable","text":"2 records`},
		{"empty", view{}, `{"status":"degraded","causes":[{"rule":"no-data","text"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(c *config) { c.API.View = func() (api.View, error) { return tt.view, nil } })
			resp, body := r.do("GET", "/healthz", "", nil)
			if resp.StatusCode != http.StatusOK || !strings.HasPrefix(body, tt.want) {
				t.Errorf("%s: %s", resp.Status, body)
			}
		})
	}
}

// Errors about bodies name their cause.
func TestBodyErrors(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token(store.Token{Name: "ci"})
	const head = `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[`
	for _, tt := range []struct {
		name string
		body []byte
		want int
		says string
	}{
		{"nested", []byte(head + strings.Repeat(`{"components":[`, 40) + strings.Repeat(`]}`, 40) + `]}`), 400, "nested too deeply"},
		{"too many values", []byte(head + strings.Repeat(`{},`, 2_000_000) + `{}]}`), 413, "more than 2000000 values"},
		{"too large", bytes.Repeat([]byte(" "), 33<<20), 413, "larger than 32 MiB as sent"},
		{"cut off", []byte(head), 400, "invalid inventory"},
	} {
		if resp, body := r.do("POST", "/api/v1/scans", secret, tt.body); resp.StatusCode != tt.want || !strings.Contains(body, tt.says) {
			t.Errorf("%s: %s, want %d and %q: %s", tt.name, resp.Status, tt.want, tt.says, body)
		}
	}
	if resp, body := r.do("POST", "/api/v1/scans", secret, zipped(t, bytes.Repeat([]byte(" "), 65<<20)), "Content-Encoding", "gzip"); resp.StatusCode != 413 || !strings.Contains(body, "larger than 64 MiB") {
		t.Errorf("%s: %s", resp.Status, body)
	}
}

func TestFront(t *testing.T) {
	front := &httpserver.Front{}
	srv := httptest.NewServer(front)
	defer srv.Close()
	want := func(path string, status int) {
		t.Helper()
		resp, err := http.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if after := resp.Header.Get("Retry-After"); resp.StatusCode != status || (after != "") != (status == 503) {
			t.Errorf("%s: %s, Retry-After %q, want %d", path, resp.Status, after, status)
		}
	}
	for _, path := range []string{"/readyz", "/healthz", "/assay", "/api/v1/scans"} {
		want(path, 503)
	}
	want("/livez", 200)
	r := newRig(t, nil)
	front.Ready(r.srv.Config.Handler)
	for _, path := range []string{"/readyz", "/healthz", "/livez"} {
		want(path, 200)
	}
	front.Drain()
	want("/readyz", 503)
	want("/healthz", 200)
	want("/livez", 200)
}
