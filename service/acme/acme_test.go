package acme

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit/pebble"
	"assay/service/store"
)

// memory is Files for a test.
type memory struct {
	mu    sync.Mutex
	files map[string]store.File
	locks map[string]lock
}

type lock struct {
	holder string
	until  time.Time
}

func newMemory() *memory {
	return &memory{files: map[string]store.File{}, locks: map[string]lock{}}
}

func (m *memory) PutFile(_ context.Context, f store.File) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f.Body = slices.Clone(f.Body)
	m.files[f.Name] = f
	return nil
}

func (m *memory) File(_ context.Context, name string) (store.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[name]
	if !ok {
		return f, store.ErrNotFound
	}
	return f, nil
}

func (m *memory) DropFiles(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := range m.files {
		if n == name || strings.HasPrefix(n, name+"/") {
			delete(m.files, n)
		}
	}
	return nil
}

func (m *memory) ListFiles(_ context.Context, folder string) ([]store.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []store.File
	for n, f := range m.files {
		if strings.HasPrefix(n, folder+"/") {
			f.Body = nil
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b store.File) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func (m *memory) TakeLock(_ context.Context, name, holder string, now, until time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l, ok := m.locks[name]; ok && l.holder != holder && l.until.After(now) {
		return false, nil
	}
	m.locks[name] = lock{holder, until}
	return true, nil
}

func (m *memory) DropLock(_ context.Context, name, holder string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[name].holder == holder {
		delete(m.locks, name)
	}
	return nil
}

// serve runs an HTTPS server with the certificates of m on l.
func serve(t *testing.T, l net.Listener, m *Manager) {
	t.Helper()
	s := &http.Server{
		Handler:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.Proto)) }),
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo),
	}
	config := &tls.Config{GetCertificate: m.Certificate, NextProtos: []string{"h2", "http/1.1", Protocol}}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(tls.NewListener(l, config)) }()
	t.Cleanup(func() { s.Close(); <-done })
}

// served returns the serial number of the certificate that is served for name, once
// there is one that is not old.
func served(t *testing.T, addr, name string, p *pebble.Server, old string) string {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, RootCAs: p.Issued})
		if err == nil {
			serial := c.ConnectionState().PeerCertificates[0].SerialNumber.String()
			c.Close()
			if serial != old {
				return serial
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no new certificate for %s: %v", name, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func TestPebble(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	p, files := pebble.Start(t, port, 20), newMemory()
	config := Config{
		Domains: []string{"assay.example.com", "assay2.example.com"}, Directory: p.Directory, Roots: p.Roots, Files: files, Port: port,
		Log: slog.New(slog.DiscardHandler), Now: time.Now, RenewEvery: time.Second,
	}
	m, err := Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	serve(t, l, m)
	first := served(t, l.Addr().String(), "assay.example.com", p, "")
	served(t, l.Addr().String(), "assay2.example.com", p, "")
	// Another replica on the same store serves the same certificate without asking.
	l2, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config.Port, config.RenewEvery = 1, time.Hour
	replica, err := Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(replica.Stop)
	serve(t, l2, replica)
	second := served(t, l2.Addr().String(), "assay.example.com", p, "")
	// It is renewed before it expires, and the new one is served.
	renewed := served(t, l.Addr().String(), "assay.example.com", p, first)
	if second != first && second != renewed {
		t.Errorf("the replica serves %s, the other %s and then %s", second, first, renewed)
	}
	for name := range files.files {
		if !strings.HasPrefix(name, prefix) {
			t.Errorf("%q is kept outside %q", name, prefix)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	good := Config{Domains: []string{"assay.example.com"}, Directory: LetsEncrypt, Files: newMemory(), Log: slog.New(slog.DiscardHandler), Now: time.Now}
	for name, change := range map[string]func(*Config){
		"no domain":       func(c *Config) { c.Domains = nil },
		"an address":      func(c *Config) { c.Domains = []string{"192.0.2.1"} },
		"a URL":           func(c *Config) { c.Domains = []string{"https://assay.example.com"} },
		"an empty name":   func(c *Config) { c.Domains = []string{""} },
		"a port":          func(c *Config) { c.Domains = []string{"assay.example.com:443"} },
		"a wildcard":      func(c *Config) { c.Domains = []string{"*.example.com"} },
		"a private name":  func(c *Config) { c.Domains = []string{"assay.example.com", "localhost"} },
		"plain http":      func(c *Config) { c.Directory = "http://127.0.0.1/dir" },
		"no directory":    func(c *Config) { c.Directory = "" },
		"half an address": func(c *Config) { c.Directory = "https://" },
	} {
		c := good
		change(&c)
		if m, err := Start(t.Context(), c); err == nil {
			m.Stop()
			t.Errorf("%s: no error", name)
		}
	}
}

func TestStorage(t *testing.T) {
	ctx, s := t.Context(), &storage{files: newMemory(), now: time.Now}
	for _, key := range []string{"a/b/c", "a/b/d", "a/e", "f"} {
		if err := s.Store(ctx, key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	list := func(folder string, recursive bool) string {
		keys, err := s.List(ctx, folder, recursive)
		if err != nil {
			return "error"
		}
		slices.Sort(keys)
		return strings.Join(keys, " ")
	}
	for _, tt := range []struct {
		folder    string
		recursive bool
		want      string
	}{
		{"a", false, "a/b a/e"}, {"a", true, "a/b/c a/b/d a/e"}, {"a/", false, "a/b a/e"}, {"", false, "a f"}, {"x", false, "error"}, {"a/b", false, "a/b/c a/b/d"},
	} {
		if got := list(tt.folder, tt.recursive); got != tt.want {
			t.Errorf("%q, %v: %q, want %q", tt.folder, tt.recursive, got, tt.want)
		}
	}
	if info, err := s.Stat(ctx, "a"); err != nil || info.IsTerminal {
		t.Errorf("a folder: %+v, %v", info, err)
	}
	if info, err := s.Stat(ctx, "a/e"); err != nil || !info.IsTerminal || info.Size != 3 {
		t.Errorf("a file: %+v, %v", info, err)
	}
	if err := s.Delete(ctx, "a/b"); err != nil || list("a", true) != "a/e" || s.Exists(ctx, "a/b/c") || !s.Exists(ctx, "a") {
		t.Errorf("after a folder was deleted: %v, %q", err, list("a", true))
	}
	if err := s.Lock(ctx, "l"); err != nil {
		t.Fatal(err)
	}
	other := &storage{files: s.files, now: time.Now}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := other.Lock(short, "l"); err == nil {
		t.Error("two hold one lock")
	}
	if err := s.Unlock(ctx, "l"); err != nil {
		t.Error(err)
	}
	if err := other.Lock(ctx, "l"); err != nil {
		t.Error(err)
	}
	if err := other.Unlock(ctx, "l"); err != nil {
		t.Error(err)
	}
	if err := other.Unlock(ctx, "l"); err == nil {
		t.Error("unlocked twice")
	}
}
