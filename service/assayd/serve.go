package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/api"
	"assay/service/snapshot"
)

// pollEvery is how often serve looks for data that another process has taken in.
const pollEvery = time.Second

func (d *daemon) serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "answer scans",
		Flags: slices.Concat(judgeFlags(), clientFlags(), feedFlags(), []cli.Flag{
			dataFlag(),
			&cli.DurationFlag{Name: "update-every", Usage: "update the advisories each `TIME`, such as 1h; 0 for never"},
			&cli.StringFlag{Name: "listen", Usage: "listen on `ADDR`", Value: "127.0.0.1:8080"},
			&cli.StringFlag{Name: "public-url", Usage: "`URL` under which builds reach this service", Required: true},
			&cli.StringFlag{Name: "tls-cert", Usage: "certificate chain `FILE` (PEM)"},
			&cli.StringFlag{Name: "tls-key", Usage: "private key `FILE` (PEM)"},
			&cli.Float64Flag{Name: "rate", Usage: "requests a second for each token; 0 for any", Value: 20},
			&cli.IntFlag{Name: "burst", Usage: "requests at once for each token", Value: 200},
			&cli.StringFlag{Name: "debug-listen", Usage: "serve Go's profiles on `ADDR` of this machine"},
		}),
		Action: d.serve,
	}
}

func (d *daemon) serve(c *cli.Context) error {
	collectRarely()
	log := slog.New(slog.NewTextHandler(d.stderr, nil))
	public, err := parsePublicURL(c.String("public-url"))
	if err != nil {
		return err
	}
	certFile, keyFile := c.String("tls-cert"), c.String("tls-key")
	if (certFile == "") != (keyFile == "") {
		return hintf("give both, or neither behind a proxy that ends TLS", "--tls-cert and --tls-key belong together")
	}
	judge, err := judge(c)
	if err != nil {
		return err
	}
	clients, err := d.clients(c, public)
	if err != nil {
		return err
	}
	if len(clients.Arches()) == 0 {
		log.Warn("no client is served: /assay answers 404", "hint", "start with --clients DIR, the folder that holds assay")
	}

	st, err := d.open(c)
	if err != nil {
		return err
	}
	defer st.Close()
	dataDir := c.String("data")
	if err := os.WriteFile(filepath.Join(dataDir, publicURLFile), []byte(public+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep the public address: %w", err)
	}
	index, err := snapshot.Open(filepath.Join(dataDir, "snapshot.db"))
	if err != nil {
		return hintf("is another assayd serving from this folder?", "open the snapshot: %w", err)
	}
	defer index.Close()
	if err := index.Discarded(); err != nil {
		log.Warn("the snapshot is built anew", "why", err)
	}
	if err := catchUp(c.Context, log, index, st); err != nil {
		return fmt.Errorf("build the snapshot: %w", err)
	}

	var update *updater
	if c.Duration("update-every") > 0 {
		if update, err = d.updater(c, st, nil); err != nil {
			return err
		}
	}

	handler := api.New(api.Config{
		Store: st,
		View: func() (api.View, error) {
			v, err := index.View()
			if err != nil {
				return nil, err
			}
			return v, nil
		},
		Clients:   clients,
		Version:   buildVersion(),
		Judge:     judge,
		PublicURL: public,
		Rate:      api.Rate{PerSecond: c.Float64("rate"), Burst: c.Int("burst")},
		Now:       d.now,
		Log:       log,
	})
	ln, err := net.Listen("tcp", c.String("listen"))
	if err != nil {
		return hintf("choose another address with --listen", "listen: %w", err)
	}
	if addr := c.String("debug-listen"); addr != "" {
		stop, err := serveProfiles(log, addr)
		if err != nil {
			return err
		}
		defer stop()
	}
	if certFile == "" && !loopback(ln.Addr()) {
		log.Warn("tokens arrive here without TLS", "hint", "give --tls-cert and --tls-key, or put a proxy that ends TLS in front")
	}
	log.Info("serving", "listen", ln.Addr().String(), "public_url", public, "tls", certFile != "", "clients", clients.Arches(), "installer", clients.HasInstaller())

	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	go follow(ctx, log, index, st)
	if update != nil {
		var updating sync.WaitGroup
		updating.Go(func() { updateEvery(ctx, log, update, c.Duration("update-every")) })
		defer updating.Wait() // the store is closed after it
		defer cancel()
	}
	return run(ctx, handler, ln, certFile, keyFile)
}

// collectRarely gives memory for time: what serve keeps is a few ten MiB, small
// beside what it may have, and a scan leaves half a MiB behind. At Go's own setting
// a fifth of the time of a scan is the collector's. Environment variables say
// otherwise.
func collectRarely() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(320 << 20) // soft; the mapped snapshot is not in it
	}
}

// parsePublicURL checks the address that is written into every client.
func parsePublicURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", hintf("it looks like https://assay.example.com", "bad --public-url %q", s)
	}
	return strings.TrimRight(s, "/"), nil
}

func loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// follow keeps the index up with what other processes write to the store.
func follow(ctx context.Context, log *slog.Logger, index *snapshot.DB, src snapshot.Source) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := catchUp(ctx, log, index, src); err != nil && ctx.Err() == nil {
			log.Error("catch up with the store; the old data goes on serving", "err", err)
		}
	}
}

// catchUp brings the index to the state of the store and tells what changed.
func catchUp(ctx context.Context, log *slog.Logger, index *snapshot.DB, src snapshot.Source) error {
	got, err := index.CatchUp(ctx, src)
	if err != nil {
		return err
	}
	if got.Rebuilt != nil {
		log.Warn("the snapshot was built anew", "why", got.Rebuilt)
	}
	for _, err := range got.Unreadable {
		log.Error("a record is left out", "err", err, "left_out", got.UnreadableCount)
	}
	if got.Applied > 0 {
		log.Info("data", "snapshot", got.Data.Snapshot, "records", got.Data.Records, "read", got.Applied, "seq", got.Seq)
	}
	return nil
}

// run serves until ctx ends, then lets requests finish.
func run(ctx context.Context, h http.Handler, ln net.Listener, certFile, keyFile string) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       2 * time.Minute,
		WriteTimeout:      5 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		done <- srv.Shutdown(grace)
	}()
	var err error
	if certFile != "" {
		err = srv.ServeTLS(ln, certFile, keyFile)
	} else {
		err = srv.Serve(ln)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return <-done
}
