package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"assay/cli/buildinfo"
	"assay/remote/cert"
	"assay/remote/slot"
	"assay/service/api"
	"assay/verdict/hint"
)

func clientsFlag() cli.Flag {
	return &cli.StringFlag{Name: "clients", Usage: "take the clients from `DIR`, which contains assay or linux/<arch>/assay, and install.sh (default: the folder of assayd)"}
}

// clientFlags are the flags about the served clients.
func clientFlags() []cli.Flag {
	return []cli.Flag{
		clientsFlag(),
		&cli.StringFlag{Name: "ca", Usage: "let the served clients trust the private authority whose root certificate is in `FILE` (PEM)"},
		&cli.DurationFlag{Name: "fresh", Usage: "change the served client after this `TIME`, so that builders do not reuse a cached scan; 0 for never", Value: 24 * time.Hour},
	}
}

// clients loads the binaries to serve.
func (d *daemon) clients(c *cli.Context, public string) (*api.Clients, error) {
	p := slot.Payload{Server: public}
	if path := c.String("ca"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read --ca: %w", err)
		}
		if p.CA, err = authorities(text); err != nil {
			return nil, hint.Errorf("the file must contain only the root certificate that signed the certificate of the service, in PEM", "--ca %q: %w", path, err)
		}
	}
	over, err := tooLong(p)
	if err != nil {
		return nil, err
	}
	if over > 0 {
		return nil, hint.Errorf("give one root certificate instead of several; an EC certificate is the smallest. Or omit --ca, and run assay with --cacert FILE in each build",
			"--public-url and --ca are %d bytes more than a client has room for", over)
	}
	clients, err := api.LoadClients(api.ClientsConfig{
		Dir: clientsDir(c), Slot: p, Fresh: c.Duration("fresh"), Version: buildinfo.Version(version),
	})
	if err != nil {
		return nil, hint.Errorf("--clients must name the folder of the release, and --fresh must be a time such as 24h", "load the clients: %w", err)
	}
	return clients, nil
}

// clientsDir returns the folder of the binaries: that of the flag, or that of this
// program.
func clientsDir(c *cli.Context) string {
	if dir := c.String("clients"); dir != "" {
		return dir
	}
	self, err := os.Executable()
	if err != nil {
		return "."
	}
	return filepath.Dir(self)
}

// tooLong returns by how many bytes a payload with the longest bucket exceeds a slot.
func tooLong(p slot.Payload) (int, error) {
	p.Fresh = time.RFC3339
	b, err := json.Marshal(p)
	return len(b) - slot.MaxPayload, err
}

// authorities returns the certificates of a PEM file without anything else that the
// file contains: every byte of the result is served to everyone.
func authorities(text []byte) (string, error) {
	if bytes.Contains(text, []byte("PRIVATE KEY-----")) {
		return "", errors.New("it contains a private key, which must not be served")
	}
	certs, err := cert.Parse(text)
	if err != nil {
		return "", fmt.Errorf("read the certificates: %w", err)
	}
	var out strings.Builder
	for _, c := range certs {
		if !c.IsCA && !bytes.Equal(c.RawIssuer, c.RawSubject) {
			return "", fmt.Errorf("%q is not the certificate of a certificate authority", c.Subject)
		}
		if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
			return "", err
		}
	}
	return out.String(), nil
}
