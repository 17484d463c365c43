package remote_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"assay/remote"
)

// store makes a filesystem with a certificate at a path of the trust store.
func store(t *testing.T, path string, pem []byte) string {
	t.Helper()
	root := t.TempDir()
	put(t, filepath.Join(root, path), pem)
	return root
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRootsOfTheFilesystem(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(good))
	server.Config.ErrorLog = quiet
	server.StartTLS()
	defer server.Close()
	cert := pemOf(server.Certificate())
	direct := config(server.URL)
	direct.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }

	for _, path := range []string{
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
		"/etc/ssl/certs/own.pem", "/etc/pki/tls/certs/own.crt",
	} {
		c := direct
		c.StoreRoot = store(t, path, cert)
		if _, _, err := send(t, c); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	// The first file that exists counts, as in crypto/x509.
	c := direct
	c.StoreRoot = store(t, "/etc/ssl/cert.pem", cert)
	put(t, filepath.Join(c.StoreRoot, "/etc/ssl/ca-bundle.pem"), []byte("none"))
	fails(t, c, remote.TLS, "signed by an unknown authority", "--cacert")

	// The variables, which a base image can set, do not count.
	file := filepath.Join(t.TempDir(), "ca.pem")
	put(t, file, cert)
	t.Setenv("SSL_CERT_FILE", file)
	t.Setenv("SSL_CERT_DIR", filepath.Dir(file))
	c.StoreRoot = t.TempDir()
	fails(t, c, remote.TLS, "signed by an unknown authority", "--cacert")

	// Entries that are not regular files, or are too large, are skipped.
	c.StoreRoot = store(t, "/etc/ssl/certs/own.pem", cert)
	certs := filepath.Join(c.StoreRoot, "/etc/ssl/certs")
	if err := unix.Mkfifo(filepath.Join(certs, "ca-certificates.crt"), 0o644); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(certs, "noise"), make([]byte, 5<<20))
	if err := os.Symlink("own.pem", filepath.Join(certs, "1234.0")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := send(t, c); err != nil {
		t.Error(err)
	}
}

// A base image can name a proxy and contain the proxy's CA. Together they could read the
// token.
func TestImageCannotPutItselfInBetween(t *testing.T) {
	var tokens int
	between := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			tokens++
		}
		good(w, r)
	}))
	between.Config.ErrorLog = quiet
	between.StartTLS()
	defer between.Close()
	proxy := httptest.NewServer(tunnel(t, between.Listener.Addr().String()))
	defer proxy.Close()

	c := config("https://example.com") // a name of httptest's certificate
	c.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
	c.StoreRoot = store(t, "/etc/ssl/certs/ca-certificates.crt", pemOf(between.Certificate()))
	fails(t, c, remote.TLS, `signed by an unknown authority, "O=Acme Co"`, "proxy")
	if tokens != 0 {
		t.Error("the token was sent")
	}
	// With the same CA from the user it is trusted, so the store was the reason.
	c.CAs = []remote.CA{{Name: "--cacert", PEM: pemOf(between.Certificate())}}
	if _, _, err := send(t, c); err != nil || tokens != 1 {
		t.Errorf("%v, %d tokens", err, tokens)
	}
}

func TestIsStore(t *testing.T) {
	for path, want := range map[string]bool{
		"/etc/ssl/certs/ca-certificates.crt": true,
		"/etc/ssl/certs/":                    true,
		"/etc/ssl/certs/own.pem":             false,
		"ca.pem":                             false,
		"":                                   false,
	} {
		if got := remote.IsStore(path); got != want {
			t.Errorf("IsStore(%q) = %v", path, got)
		}
	}
}
