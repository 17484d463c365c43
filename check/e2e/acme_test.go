package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"assay/check/testkit/assayd"
	"assay/check/testkit/pebble"
)

// assayd gets its certificate from an ACME server and serves scans with it over HTTP/2.
// After a restart it has the same one. (service/acme tests the renewal.)
func TestACME(t *testing.T) {
	addr, err := assayd.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	p := pebble.Start(t, number, 3600)
	dir := t.TempDir()
	roots, issued := filepath.Join(dir, "directory.pem"), filepath.Join(dir, "issued.pem")
	if err := errors.Join(os.WriteFile(roots, p.RootsPEM, 0o600), os.WriteFile(issued, p.IssuedPEM, 0o600)); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	config := assayd.Config{Binary: filepath.Join(bin, "assayd"), Data: data}
	if err := config.Import(t.Context(), sampleAdvisories); err != nil {
		t.Fatal(err)
	}
	token, err := config.NewToken(t.Context(), "ci")
	if err != nil {
		t.Fatal(err)
	}
	serve := func() (stop func() string) {
		t.Helper()
		var log strings.Builder
		cmd := exec.CommandContext(t.Context(), config.Binary, "serve", "--data", data, "--listen", addr, "--update-every", "0", "--public-url", "https://localhost:"+port,
			"--acme-domain", "localhost", "--acme-directory", p.Directory, "--acme-ca", roots, "--ca", issued, "--clients", bin)
		cmd.Stderr = &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return func() string {
			t.Helper()
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("assayd: %v\n%s", err, &log)
			}
			return log.String()
		}
	}
	client := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{RootCAs: p.Issued},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}}
	// serial waits until the service is ready and returns its certificate's number.
	serial := func() string {
		t.Helper()
		var number string
		eventually(t, "no certificate", func() bool {
			resp, err := client.Get("https://localhost/readyz")
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			number = resp.TLS.PeerCertificates[0].SerialNumber.String()
			if resp.Proto != "HTTP/2.0" {
				t.Errorf("served with %s", resp.Proto)
			}
			return resp.StatusCode == http.StatusOK
		})
		return number
	}
	stop := serve()
	first := serial()
	cmd := exec.Command(filepath.Join(bin, "assay"), token, "--root", sampleRoot, "--server", "https://localhost:"+port, "--cacert", issued)
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 4 {
		t.Errorf("assay over HTTPS: %v, want exit code 4\n%s", err, out)
	}
	client.CloseIdleConnections()
	log := stop()
	if strings.Contains(log, "PRIVATE KEY") || !strings.Contains(log, "certificate: certificate obtained successfully") {
		t.Errorf("the log has a key, or says nothing of the certificate:\n%s", log)
	}

	// After a restart the certificate comes from the store.
	begin := time.Now()
	stop = serve()
	if again := serial(); again != first {
		t.Errorf("after a restart %v later the certificate is %s, not %s", time.Since(begin), again, first)
	}
	client.CloseIdleConnections()
	stop()

	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--acme-domain", "localhost", "--public-url", "https://localhost"}, "not a public name"},
		{[]string{"--acme-domain", "assay.example.com", "--public-url", "http://assay.example.com"}, "not an https address"},
		{[]string{"--acme-domain", "assay.example.com", "--public-url", "https://example.com"}, "not an https address"},
		{[]string{"--acme-email", "a@example.com", "--public-url", "https://example.com"}, "without --acme-domain"},
		{[]string{"--acme-domain", "assay.example.com", "--public-url", "https://assay.example.com", "--tls-cert", roots, "--tls-key", roots}, "exclude each other"},
		{[]string{"--acme-domain", "assay.example.com", "--public-url", "https://assay.example.com", "--acme-ca", sampleRoot}, "--acme-ca"},
	} {
		out, err := exec.Command(config.Binary, append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0"}, tt.args...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("assayd serve %q: %v, want %q\n%s", tt.args, err, tt.want, out)
		}
	}
}
