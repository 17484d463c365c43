package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync/atomic"
	"time"
)

// host is the host whose connections the proxy terminates.
const host = "api.osv.dev"

// A proxy answers CONNECT for host, and speaks TLS as it. It passes requests on to a service.
// It refuses every other host.
type proxy struct {
	requests atomic.Int64
	outer    *http.Server
	inner    *http.Server
	address  string
	accepted chan net.Conn
	closed   chan struct{}
}

// newProxy starts a proxy, and writes the certificate of its authority to a file.
func newProxy(service, ca string) (*proxy, error) {
	target, err := url.Parse(service)
	if err != nil {
		return nil, err
	}
	certificate, err := selfSigned(ca)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{address: ln.Addr().String(), accepted: make(chan net.Conn), closed: make(chan struct{})}
	forward := httputil.NewSingleHostReverseProxy(target)
	p.inner = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.requests.Add(1)
			forward.ServeHTTP(w, r)
		}),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}},
	}
	p.outer = &http.Server{Handler: http.HandlerFunc(p.connect)}
	go func() { _ = p.inner.ServeTLS(p, "", "") }() // until close
	go func() { _ = p.outer.Serve(ln) }()
	return p, nil
}

func (p *proxy) url() string { return "http://" + p.address }

func (p *proxy) close() {
	close(p.closed)
	_ = p.outer.Close()
	_ = p.inner.Close()
}

// connect hands a connection over to the inner server.
func (p *proxy) connect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || r.Host != host+":443" {
		http.Error(w, fmt.Sprintf("%s is not served", r.Host), http.StatusForbidden)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		_ = conn.Close()
		return
	}
	select {
	case p.accepted <- conn:
	case <-p.closed:
		_ = conn.Close()
	}
}

// Accept, Close and Addr make the proxy the listener of the inner server.
func (p *proxy) Accept() (net.Conn, error) {
	select {
	case conn := <-p.accepted:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *proxy) Close() error { return nil }

func (p *proxy) Addr() net.Addr { return &net.TCPAddr{} }

var _ net.Listener = (*proxy)(nil)

// selfSigned makes a certificate of host that is its own authority, and writes it to a file.
func selfSigned(file string) (tls.Certificate, error) {
	none := func(err error) (tls.Certificate, error) { return tls.Certificate{}, err }
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return none(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return none(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, os.WriteFile(file, text, 0o644)
}
