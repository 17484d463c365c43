package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	clairv1 "assay/service/clair/v1"
	"assay/service/httpserver"
	"assay/service/image"
	"assay/service/snapshot"
	"assay/service/store"
	"assay/verdict/hint"
)

// clair1Flags are the flags of serve for the API of Clair 1.
func clair1Flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "clair-listen", Usage: "serve the API of Clair 1 and 2 on `ADDR`, such as 127.0.0.1:6060 (see docs/clair.md)"},
		&cli.StringFlag{Name: "clair-anonymous", Usage: "let requests without a token act as `PROJECT` on --clair-listen; without this flag, only those to a loopback address do, as the project " + localProject},
		&cli.BoolFlag{Name: "clair-plain", Usage: "serve --clair-listen without TLS, although the service has a certificate"},
		&cli.StringFlag{Name: "clair-layers", Usage: "let clients of --clair-listen name layers by their paths in `DIR`"},
		&cli.StringFlag{Name: "clair-cache", Usage: "keep at most `SIZE` of layers for --clair-listen in the data folder", Value: "10GiB"},
	}
}

// localProject is the project of requests without a token to a loopback address.
const localProject = "clair"

// layersFolder is the folder in the data folder for the layers that clients of Clair post.
const layersFolder = "clair-layers"

// minCache is the smallest cache of layers, in bytes.
const minCache = 64 << 20

// A clairSetup is the listener for the API of Clair 1.
type clairSetup struct {
	front     *httpserver.Front
	listener  *httpserver.Listener
	ln        net.Listener
	size      int64
	folder    string
	anonymous string
	local     bool
	service   *clairv1.Service // after handle
}

// newClair reads the flags. It returns nil if the API is not served.
func newClair(c *cli.Context) (*clairSetup, error) {
	if c.String("clair-listen") == "" {
		for _, name := range []string{"clair-anonymous", "clair-plain", "clair-layers", "clair-cache"} {
			if c.IsSet(name) {
				return nil, hint.Errorf("name an address with --clair-listen", "--%s without --clair-listen", name)
			}
		}
		return nil, nil
	}
	s := &clairSetup{anonymous: c.String("clair-anonymous")}
	if c.IsSet("clair-anonymous") && strings.TrimSpace(s.anonymous) == "" {
		return nil, hint.Errorf("name the project as which requests without a token act", "--clair-anonymous is empty")
	}
	var err error
	if s.size, err = httpserver.ParseSize(c.String("clair-cache")); err != nil || s.size < minCache {
		return nil, hint.Errorf("write it like 10GiB; the least is 64MiB", "invalid --clair-cache %q", c.String("clair-cache"))
	}
	if dir := c.String("clair-layers"); dir != "" {
		if s.folder, err = filepath.Abs(dir); err != nil {
			return nil, fmt.Errorf("--clair-layers: %w", err)
		}
	}
	return s, nil
}

// listen opens the address. main is the listener of the service, whose certificate counts.
func (s *clairSetup) listen(c *cli.Context, main *httpserver.Listener, log *slog.Logger) error {
	ln, err := net.Listen("tcp", c.String("clair-listen"))
	if err != nil {
		return hint.Errorf("choose another address with --clair-listen", "%w", err)
	}
	loopback := httpserver.Loopback(ln.Addr())
	s.local = loopback && s.anonymous == ""
	if s.local {
		s.anonymous = localProject
	}
	s.ln, s.front = ln, &httpserver.Front{}
	s.listener = &httpserver.Listener{Front: s.front, Log: log, DrainDelay: main.DrainDelay}
	// Scripts on the machine itself say http://localhost:6060, for which there is no certificate.
	if !loopback && !c.Bool("clair-plain") {
		s.listener.Certificate, s.listener.Protocols = main.Certificate, main.Protocols
	}
	if s.anonymous != "" && !loopback {
		log.Warn("the API of Clair is open to everybody who reaches its address", "listen", ln.Addr().String(), "project", s.anonymous,
			"hint", "use a network of your own, or leave --clair-anonymous out and give clients tokens")
	} else if s.listener.Certificate == nil && !loopback {
		log.Warn("tokens arrive here without TLS", "listen", ln.Addr().String(), "hint", "put a proxy that terminates TLS in front")
	}
	return nil
}

// serve runs both listeners until ctx ends. If one fails, the other ends.
func (s *clairSetup) serve(ctx context.Context, main *httpserver.Listener, ln net.Listener) error {
	if s == nil {
		return main.Serve(ctx, ln)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	other := make(chan error, 1)
	go func() {
		defer cancel()
		other <- s.listener.Serve(ctx, s.ln)
	}()
	err := main.Serve(ctx, ln)
	cancel()
	return errors.Join(err, <-other)
}

// handle adds the API, if it is served, to a server beside that of the service.
func (s *clairSetup) handle(c *cli.Context, server *httpserver.Server, st store.Store, index *snapshot.DB, images imageSetup, now func() time.Time, log *slog.Logger) error {
	if s == nil {
		return nil
	}
	cache, err := clairv1.OpenCache(filepath.Join(c.String("data"), layersFolder), s.size, images.scanner.Limits)
	if err != nil {
		return err
	}
	beside := server.Beside()
	s.service = clairv1.Handle(beside, clairv1.Config{
		Store:   st,
		Records: &image.Records{Files: st, Now: now},
		Scanner: images.scanner,
		Source:  images.fetcher,
		View: func() (clairv1.View, error) {
			v, err := index.View()
			if err != nil {
				return nil, err // not v, which would be an interface of a nil pointer
			}
			return v, nil
		},
		Cache: cache, Folder: s.folder, Anonymous: s.anonymous, Local: s.local, Limits: images.scanner.Limits, Now: now, Log: log,
	})
	s.front.Ready(beside)
	log.Info("serving the API of Clair", "listen", s.ln.Addr().String(), "tls", s.listener.Certificate != nil, "anonymous", cmp.Or(s.anonymous, "no"))
	return nil
}

// stop ends what requests have started, before the store is closed.
func (s *clairSetup) stop() {
	if s != nil && s.service != nil {
		s.service.Stop()
	}
}

// settings describes for the audit trail who may use the API, if it is served.
func (s *clairSetup) settings() string {
	if s == nil {
		return ""
	}
	text := "; clair-listen " + s.ln.Addr().String()
	if s.anonymous != "" {
		text += "; clair-anonymous " + s.anonymous
	}
	if s.folder != "" {
		text += "; clair-layers " + s.folder
	}
	return text
}
