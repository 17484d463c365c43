package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/api"
	"assay/service/snapshot"
	"assay/service/store"
	"assay/verdict"
)

// pollEvery is how often serve looks for data that another process has taken in.
const pollEvery = time.Second

func (d *daemon) serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "answer scans",
		Flags: slices.Concat(judgeFlags(), clientFlags(), feedFlags(), []cli.Flag{
			dataFlag(),
			memoryFlag(),
			&cli.DurationFlag{Name: "update-every", Usage: "every `TIME`, update what was fetched before, or everything if the store is empty; 0 for never", Value: 6 * time.Hour},
			&cli.StringFlag{Name: "listen", Usage: "listen on `ADDR`", Value: "127.0.0.1:8080"},
			&cli.StringFlag{Name: "public-url", Usage: "`URL` under which builds reach this service (required)"},
			&cli.StringFlag{Name: "tls-cert", Usage: "certificate chain `FILE` (PEM)"},
			&cli.StringFlag{Name: "tls-key", Usage: "private key `FILE` (PEM)"},
			&cli.Float64Flag{Name: "rate", Usage: "requests a second for each token; 0 for any", Value: 20},
			&cli.IntFlag{Name: "burst", Usage: "requests at once for each token", Value: 200},
			&cli.DurationFlag{Name: "drain-delay", Usage: "on SIGTERM, accept new connections for this `TIME` before refusing them; /readyz is 503 meanwhile"},
			&cli.StringFlag{Name: "debug-listen", Usage: "serve Go's profiles on `ADDR` of this machine"},
		}),
		Action: d.serve,
	}
}

func (d *daemon) serve(c *cli.Context) error {
	log := slog.New(slog.NewTextHandler(d.stderr, nil))
	public, err := parsePublicURL(c.String("public-url"))
	if err != nil {
		return err
	}
	certFile, keyFile := c.String("tls-cert"), c.String("tls-key")
	if (certFile == "") != (keyFile == "") {
		return hintf("give both, or neither behind a proxy that ends TLS", "--tls-cert and --tls-key belong together")
	}
	if err := (tlsSetup{certFile, keyFile, c.String("ca"), public}).check(log, d.now()); err != nil {
		return err
	}
	judge, err := judge(c)
	if err != nil {
		return err
	}
	memory, err := memoryOf(c, os.DirFS("/"))
	if err != nil {
		return err
	}
	clients, err := d.clients(c, public)
	if err != nil {
		return err
	}
	if len(clients.Arches()) == 0 {
		log.Warn("no client is served: /assay answers 404", "hint", "make release makes them; start with --clients dist/release")
	}

	ln, err := net.Listen("tcp", c.String("listen"))
	if err != nil {
		return hintf("choose another address with --listen", "listen: %w", err)
	}
	if certFile == "" && !loopback(ln.Addr()) {
		log.Warn("tokens arrive here without TLS", "hint", "give --tls-cert and --tls-key, or put a proxy that terminates TLS in front")
	}
	front := &api.Front{}
	srv := &server{front: front, log: log, delay: c.Duration("drain-delay")}
	if certFile != "" {
		if srv.certificate, err = newCertificate(certFile, keyFile, log); err != nil {
			return errors.Join(hintf("give the chain and its key as PEM files", "read the certificate: %w", err), ln.Close())
		}
	}
	// From here on requests are answered, with 503 until the data is open.
	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- srv.run(ctx, ln) }()
	stop := func(err error) error {
		cancel()
		return errors.Join(err, <-ended)
	}

	// Before anything is opened: another assayd may have it open.
	unlock, err := lockData(c)
	if err != nil {
		return stop(hintf("is another assayd serving from this folder? Give each its own with --data", "lock %q: %w", c.String("data"), err))
	}
	defer unlock()
	st, err := openStore(c)
	if err != nil {
		return stop(err)
	}
	defer st.Close()
	if err := st.Check(ctx); err != nil {
		return stop(hintRepair(c, err))
	}
	dataDir := c.String("data")
	index, err := snapshot.Open(filepath.Join(dataDir, indexName))
	if err != nil {
		return stop(hintf("is another assayd serving from this folder?", "open the snapshot: %w", err))
	}
	defer index.Close()
	if err := keepPublicURL(dataDir, public); err != nil {
		log.Warn("the public address could not be saved: assayd token create prints another", "err", err)
	}
	if err := index.Discarded(); err != nil {
		log.Warn("the snapshot is built anew", "why", err)
	}
	behind := &problemState{rule: api.CauseBehind, text: "the latest import is not served yet; assayd's log says why"}
	if err := catchUp(ctx, log, index, st); err != nil {
		// With a full disk, say, what was served before is better than nothing.
		if ctx.Err() != nil || !holdsData(index) || errors.Is(err, store.ErrDamaged) {
			return stop(hintRepair(c, fmt.Errorf("build the snapshot: %w", err)))
		}
		log.Error("update the snapshot; the previous data is still served", "err", err)
		behind.set(err)
	}
	if view, err := index.View(); err == nil {
		if n := view.Unreadable(); n > 0 { // catchUp names those alone that are new
			log.Error("records or lists cannot be read and are left out", "left_out", n)
		}
		view.Close()
	}
	var update *updater
	if c.Duration("update-every") > 0 {
		if update, err = d.updater(c, st, nil); err != nil {
			return stop(err)
		}
		update.held = true
	}
	if addr := c.String("debug-listen"); addr != "" {
		end, err := serveProfiles(log, addr)
		if err != nil {
			return stop(err)
		}
		defer end()
	}

	updated := &problemState{rule: api.CauseUpdate, text: "the last update of the advisories failed; assayd status says of which source and why"}
	front.Ready(api.New(api.Config{
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
		Memory:    useMemory(memory),
		Causes:    func() []api.Cause { return append(updated.causes(), behind.causes()...) },
		Now:       d.now,
		Log:       log,
	}))
	log.Info("serving", "listen", ln.Addr().String(), "public_url", public, "tls", certFile != "",
		"memory_mib", memory>>20, "clients", clients.Arches(), "installer", clients.HasInstaller(), "without", judge.Without)

	// All of these end before the store is closed.
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	age := &ageWatch{log: log, maxAge: judge.MaxAge, now: d.now}
	work.Go(func() { follow(ctx, log, index, st, age, behind) })
	work.Go(func() { tidy(ctx, log, st) })
	if update != nil {
		work.Go(func() { updateEvery(ctx, log, update, c.Duration("update-every"), updated) })
	}
	return <-ended
}

// keepPublicURL writes the address down where that is not done yet: a full disk does
// not keep the service from starting.
func keepPublicURL(dataDir, public string) error {
	if publicURL(dataDir) == public {
		return nil
	}
	path := filepath.Join(dataDir, publicURLFile)
	if err := os.WriteFile(path+".new", []byte(public+"\n"), 0o600); err != nil {
		return errors.Join(err, os.Remove(path+".new"))
	}
	return os.Rename(path+".new", path)
}

// parsePublicURL checks the address that is written into every client.
func parsePublicURL(s string) (string, error) {
	if s == "" {
		return "", hintf("it is the URL under which builds reach this service, such as https://assay.example.com", "--public-url is missing")
	}
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

// follow keeps the index up with what other processes write to the store, and looks
// how old the data is.
func follow(ctx context.Context, log *slog.Logger, index *snapshot.DB, src snapshot.Source, age *ageWatch, behind *problemState) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if view, err := index.View(); err == nil {
			age.look(view.Data())
			view.Close()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := catchUp(ctx, log, index, src)
		if ctx.Err() != nil {
			return
		}
		if behind.set(err) {
			log.Error("update the snapshot; the previous data is still served", "err", err)
		}
	}
}

// holdsData reports whether an index can answer scans.
func holdsData(index *snapshot.DB) bool {
	view, err := index.View()
	if err != nil {
		return false
	}
	defer view.Close()
	return view.Data().Records > 0
}

// An ageWatch warns in the log before the data is too old to be trusted: once for each
// of the steps of api.Stale.
type ageWatch struct {
	log    *slog.Logger
	maxAge time.Duration
	now    func() time.Time
	step   int
}

func (w *ageWatch) look(d verdict.Data) {
	step, cause := api.Stale(d, w.maxAge, w.now())
	switch {
	case step > w.step && step == 3:
		w.log.Error("every scan ends with code 5: "+cause.Text, "hint", "assayd status says what failed; run assayd update or assayd import")
	case step > w.step:
		w.log.Warn("the data is getting old: "+cause.Text, "hint", "assayd status says what failed; scans end with code 5 when it is too old")
	case step == 0 && w.step > 0:
		w.log.Info("the data is fresh again", "updated", d.Updated)
	}
	w.step = step
}

// tidyEvery is how often serve looks for room on the disk that nobody needs.
const tidyEvery = time.Minute

// tidy gives room on the disk back that an import has left which was killed.
func tidy(ctx context.Context, log *slog.Logger, st store.Store) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		if err := st.Tidy(ctx); err != nil && ctx.Err() == nil {
			log.Warn("free disk space", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
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
