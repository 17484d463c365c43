// Package pebble runs Pebble, Let's Encrypt's ACME server for tests, within a test.
package pebble

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

// A Server is one Pebble with a name server for which every name is 127.0.0.1.
type Server struct {
	Directory string         // URL of the ACME directory
	Roots     *x509.CertPool // of the directory's own certificate
	RootsPEM  []byte         // the same as a file has it
	Issued    *x509.CertPool // roots of the certificates that it issues
	IssuedPEM []byte         // the same as a file has it
}

// Start starts a Pebble that validates TLS-ALPN-01 challenges on tlsPort and issues
// certificates valid for a number of seconds. It ends with the test.
func Start(t testing.TB, tlsPort int, seconds uint64) *Server {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	quiet := log.New(io.Discard, "", 0)
	address := freeAddress(t)
	names, err := challtestsrv.New(challtestsrv.Config{Log: quiet, DNSAddrs: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	names.SetDefaultDNSIPv6("")
	names.SetDefaultDNSIPv4("127.0.0.1")
	go names.Run()
	t.Cleanup(names.Shutdown)

	memory := db.NewMemoryStore()
	authority := ca.New(quiet, memory, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "for tests", ValidityPeriod: seconds}})
	front := wfe.New(quiet, memory, va.New(quiet, 1, tlsPort, false, address, memory), authority, []string{"pebble.letsencrypt.org"}, false, false, 1, 1)
	server := httptest.NewTLSServer(front.Handler())
	t.Cleanup(server.Close)

	s := &Server{Directory: server.URL + wfe.DirectoryPath, Roots: x509.NewCertPool(), Issued: x509.NewCertPool()}
	s.Roots.AddCert(server.Certificate())
	s.RootsPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	root := httptest.NewRecorder()
	front.ManagementHandler().ServeHTTP(root, httptest.NewRequest(http.MethodGet, wfe.RootCertPath+"0", nil))
	s.IssuedPEM = root.Body.Bytes()
	if !s.Issued.AppendCertsFromPEM(s.IssuedPEM) {
		t.Fatalf("the root certificate of Pebble: %q", root.Body)
	}
	return s
}

// freeAddress returns an address of this machine that nothing listens on by TCP.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
