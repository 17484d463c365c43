package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"assay/cli/buildinfo"
	"assay/service/api"
	"assay/service/httpserver"
	"assay/service/image"
	"assay/service/layer"
	"assay/service/layer/source"
	"assay/service/store"
	"assay/verdict/hint"
)

// imageFlags are the flags of serve for finished images.
func imageFlags() []cli.Flag {
	return append(fetchFlags(),
		&cli.StringFlag{Name: "registries", Usage: "read the credentials of projects for registries from `FILE` (YAML, see docs/images.md)"},
		&cli.IntFlag{Name: "images", Usage: "read `N` images at once", Value: 3},
		&cli.StringFlag{Name: "image-disk", Usage: "use at most `SIZE` of the disk of the data folder for images while they are read", Value: "64GiB"},
		&cli.DurationFlag{Name: "image-timeout", Usage: "give up an image that is not read after this `TIME`", Value: 20 * time.Minute},
	)
}

// fetchFlags are the flags for fetching images.
func fetchFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "allow-network", Usage: "let images and layers be fetched from this `HOST|CIDR` although its address is not public; HOST:PORT for one port, http:// before it for HTTP without TLS (repeatable)"},
		&cli.StringFlag{Name: "registry-ca", Usage: "also trust the certificates in `FILE` (PEM) for registries"},
	}
}

// fetcher returns what fetches images as the flags say. more are allowed besides
// --allow-network.
func fetcher(c *cli.Context, more ...string) (*source.Fetcher, error) {
	network, err := source.ParseNetwork(append(more, c.StringSlice("allow-network")...))
	if err != nil {
		return nil, hint.Errorf("it looks like registry.lan, registry.lan:5000, 10.1.0.0/16 or http://registry.lan:5000", "--allow-network: %w", err)
	}
	if path := c.String("registry-ca"); path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, hint.Errorf("name a file of certificates in PEM", "--registry-ca: %w", err)
		}
		if network.CAs, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("read the certificates of the system: %w", err)
		}
		if !network.CAs.AppendCertsFromPEM(pem) {
			return nil, hint.Errorf("name a file of certificates in PEM", "--registry-ca: %q has no certificate", path)
		}
	}
	return &source.Fetcher{Network: network, UserAgent: "assayd/" + buildinfo.Version(version)}, nil
}

// imagesFolder is the folder in the data folder for images while they are read.
const imagesFolder = "images"

// An imageSetup is what serve reads images with.
type imageSetup struct {
	scanner *image.Scanner
	fetcher *source.Fetcher
	upload  int64
}

// newImages reads the flags for images.
func newImages(c *cli.Context, log *slog.Logger) (s imageSetup, err error) {
	if s.fetcher, err = fetcher(c); err != nil {
		return s, err
	}
	if path := c.String("registries"); path != "" {
		accounts, err := source.ReadAccounts(path)
		if err != nil {
			return s, hint.Errorf(hint.Of(err), "--registries: %w", err)
		}
		s.fetcher.Lookup = accounts.Lookup
	}
	n := c.Int("images")
	if n < 1 {
		return s, hint.Errorf("give at least 1", "invalid --images %d", n)
	}
	disk, err := httpserver.ParseSize(c.String("image-disk"))
	if err != nil || disk < 1<<20 {
		return s, hint.Errorf("write it like 64GiB", "invalid --image-disk %q", c.String("image-disk"))
	}
	if c.Duration("image-timeout") <= 0 {
		return s, hint.Errorf("write it like 20m", "invalid --image-timeout %q", c.String("image-timeout"))
	}
	// Each image may take twice this: as an archive, and as the tree that is made of it.
	limits := layer.DefaultLimits()
	limits.Bytes = min(limits.Bytes, disk/int64(n)/2)
	limits.Blob = min(limits.Blob, limits.Bytes)
	s.upload = limits.Bytes
	s.scanner = &image.Scanner{
		Dir: filepath.Join(c.String("data"), imagesFolder), Limits: limits,
		AtOnce: n, Timeout: c.Duration("image-timeout"), Client: "assayd " + buildinfo.Version(version),
	}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		if os.Getenv(name) != "" {
			log.Warn("images are fetched without the proxy of the environment, which would hide the addresses that are checked", "variable", name)
			break
		}
	}
	return s, nil
}

// imageMemory is reserved for each image while it is read, in bytes (docs/budgets.md).
const imageMemory = 96 << 20

// serve connects what reads images with the API and its server.
func (s imageSetup) serve(server *httpserver.Server, handled *api.API) error {
	s.scanner.Evaluate = handled.Evaluate
	s.scanner.Memory = func(ctx context.Context, t store.Token) (func(), error) {
		lease := server.WorkMemory(t)
		return lease.Free, lease.Reserve(ctx, imageMemory)
	}
	if err := s.scanner.Clean(); err != nil {
		return err
	}
	handled.HandleImages(api.Images{Scanner: s.scanner, Fetcher: s.fetcher, MaxUpload: s.upload})
	return nil
}

// settings describes the flags for the audit trail, if they are used.
func (s imageSetup) settings(c *cli.Context) string {
	text := ""
	if list := c.StringSlice("allow-network"); len(list) > 0 {
		text += "; allow-network " + strings.Join(list, ",")
	}
	if path := c.String("registries"); path != "" {
		text += "; registries " + path
	}
	return text
}
