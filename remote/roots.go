package remote

import (
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/x509roots/fallback/bundle"
	"golang.org/x/sys/unix"

	"assay/remote/cert"
)

// A CA is a PEM bundle of certificates. Name is its source: "the slot", or the name of a
// file.
type CA struct {
	Name string
	PEM  []byte
}

// A trust is a set of root certificates and its source.
type trust struct {
	name string
	add  func(*x509.CertPool)
}

// trusts returns the sets of roots that may have signed the service's certificate.
//
// The author of the image controls the files of the image, and its ENV can name a proxy.
// Together they could read the token. So the image's roots are not trusted with a proxy.
func (c Config) trusts(proxied bool) ([]trust, error) {
	var all []trust
	for _, ca := range c.CAs {
		certs, err := cert.Parse(ca.PEM)
		if err != nil {
			return nil, caError(ca, clean(err.Error()))
		}
		all = append(all, trust{ca.Name, func(pool *x509.CertPool) {
			for _, c := range certs {
				pool.AddCert(c)
			}
		}})
	}
	all = append(all, trust{"the built-in roots", addBuiltin})
	if !proxied {
		all = append(all, trust{"the roots of this filesystem", func(pool *x509.CertPool) { addStore(pool, c.StoreRoot) }})
	}
	return all, nil
}

func union(trusts []trust) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, t := range trusts {
		t.add(pool)
	}
	return pool
}

// addBuiltin adds Mozilla's roots, for images without root certificates.
func addBuiltin(pool *x509.CertPool) {
	for root := range bundle.Roots() {
		c, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			continue // this version of Go rejects it
		}
		pool.AddCertWithConstraint(c, root.Constraint)
	}
}

func caError(ca CA, what string) *Error {
	return &Error{
		Kind: Setup,
		what: fmt.Sprintf("invalid CA bundle of %s: %s", clean(ca.Name), what),
		hint: "it must be PEM and begin with -----BEGIN CERTIFICATE-----",
	}
}

// storeFiles and storeDirs list where Linux systems keep their roots, as in crypto/x509:
// the first file that exists, and all folders.
func storeFiles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem",
		"/etc/pki/tls/cacert.pem",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
		"/etc/ssl/cert.pem",
	}
}

func storeDirs() []string { return []string{"/etc/ssl/certs", "/etc/pki/tls/certs"} }

// IsStore reports whether a path is read anyway. SSL_CERT_FILE or SSL_CERT_DIR changes
// nothing by naming it.
func IsStore(path string) bool {
	path = filepath.Clean(path)
	return slices.Contains(storeFiles(), path) || slices.Contains(storeDirs(), path)
}

const (
	maxStoreFile  = 4 << 20 // bytes; Mozilla's roots have 220 KB
	maxStoreFiles = 2000
)

// addStore adds the roots of a filesystem. Unlike x509.SystemCertPool it ignores the
// variables SSL_CERT_FILE and SSL_CERT_DIR, which a base image can set, and it does not
// block on a FIFO or device in place of a file.
func addStore(pool *x509.CertPool, root string) {
	for _, path := range storeFiles() {
		if b := readStore(filepath.Join(root, path)); b != nil {
			pool.AppendCertsFromPEM(b)
			break
		}
	}
	for _, dir := range storeDirs() {
		dir = filepath.Join(root, dir)
		for _, e := range list(dir) {
			if !twice(dir, e) {
				pool.AppendCertsFromPEM(readStore(filepath.Join(dir, e.Name())))
			}
		}
	}
}

func list(dir string) []os.DirEntry {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	entries, err := f.ReadDir(maxStoreFiles)
	if err != nil {
		return nil
	}
	return entries
}

// twice reports whether an entry is a link to another one in the same folder, such as the
// links that are named by the hash of the subject.
func twice(dir string, e os.DirEntry) bool {
	if e.Type()&os.ModeSymlink == 0 {
		return false
	}
	target, err := os.Readlink(filepath.Join(dir, e.Name()))
	return err == nil && !strings.Contains(target, "/")
}

// readStore returns the content of a file, or nil if it cannot be read.
func readStore(path string) []byte {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() || fi.Size() > maxStoreFile {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(f, maxStoreFile))
	if err != nil {
		return nil
	}
	return b
}
