package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"assay/cli/buildinfo"
	"assay/service/api"
	v4 "assay/service/clair/v4"
	"assay/service/httpserver"
	"assay/service/metrics"
	"assay/service/oidc"
	"assay/service/osvapi"
	"assay/service/policy/ruleset"
	"assay/service/retention"
	"assay/service/scan"
	"assay/service/signin"
	"assay/service/snapshot"
	"assay/service/store"
	"assay/service/web"
	"assay/verdict/hint"
)

func (d *daemon) serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "answer scans",
		Flags: slices.Concat(evaluatorFlags(), clientFlags(), feedFlags(), imageFlags(), clair1Flags(), clair4Flags(), storeFlags(slices.Concat(acmeFlags(), []cli.Flag{
			keepFlag(),
			&cli.StringFlag{Name: "memory", Usage: "use at most `SIZE` of memory, such as 2GiB; default: three quarters of the limit of the control group, or 1GiB without a limit"},
			&cli.StringSliceFlag{Name: "update-every", Usage: "update the sources that were fetched before, or all default sources if the store is empty, every `TIME`; 0 for never; NAME=TIME for one source (repeatable; default: 6h)"},
			&cli.StringFlag{Name: "listen", Usage: "listen on `ADDR`", Value: "127.0.0.1:8080"},
			&cli.StringFlag{Name: "public-url", Usage: "`URL` under which builds reach this service (required)"},
			reportLinksFlag(),
			&cli.StringFlag{Name: "tls-cert", Usage: "read the certificate chain from `FILE` (PEM)"},
			&cli.StringFlag{Name: "tls-key", Usage: "read the private key of the certificate from `FILE` (PEM)"},
			&cli.StringFlag{Name: "oidc", Usage: "accept the OpenID Connect tokens of pipelines by the rules in `FILE` (YAML, see docs/ci.md)"},
			&cli.Float64Flag{Name: "rate", Usage: "allow each token `N` requests a second; 0 for no limit", Value: 20},
			&cli.IntFlag{Name: "burst", Usage: "let each token exceed the rate by `N` requests at once", Value: 200},
			&cli.BoolFlag{Name: "osv-anonymous", Usage: "answer the API of OSV, /v1/…, without a token; its clients can send none (see docs/osv-api.md)"},
			&cli.DurationFlag{Name: "drain-delay", Usage: "on SIGTERM, accept new connections for this `TIME` before refusing them; /readyz is 503 meanwhile"},
			&cli.StringFlag{Name: "metrics-listen", Usage: "serve /metrics for Prometheus, and /livez and /readyz, on `ADDR`, without TLS or a token"},
			&cli.StringFlag{Name: "log-format", Usage: "write the log as `FORMAT`, text or json", Value: "text", EnvVars: []string{"ASSAYD_LOG_FORMAT"}},
			&cli.StringFlag{Name: "debug-listen", Usage: "serve Go's profiles on `ADDR`, which must be a loopback address"},
		})...)),
		Action: d.serve,
	}
}

// A serveConfig has the values of the flags of serve.
type serveConfig struct {
	public            string
	certFile, keyFile string
	reportLinks       time.Duration // how long links to reports work; 0 means no links
	evaluator         scan.Evaluator
	osvAnonymous      bool // the API of OSV needs no token
	memory            int64
	clients           *api.Clients
	oidc              *oidc.Config // nil: no sign-in
	acme              *acmeSetup   // nil: no certificate by ACME
	images            imageSetup
	psk               *v4.PSK     // nil: no JWTs of Clair's clients
	clair             *clairSetup // nil: the API of Clair 1 is not served
	front             *httpserver.Front
	certificate       *servedCertificate
	address           net.Addr // that serve listens on
}

func (conf serveConfig) tls() bool { return conf.certFile != "" || conf.acme != nil }

// listenURL returns the address that serve listens on, for ready.
func (conf serveConfig) listenURL() string {
	if conf.tls() {
		return "https://" + conf.address.String()
	}
	return "http://" + conf.address.String()
}

// serveConfig reads the flags, and logs warnings about possible mistakes.
func (d *daemon) serveConfig(c *cli.Context, log *slog.Logger) (conf serveConfig, err error) {
	if conf.public, err = parsePublicURL(c.String("public-url")); err != nil {
		return conf, err
	}
	if conf.reportLinks, err = reportLinks(c, conf.public, log); err != nil {
		return conf, err
	}
	conf.osvAnonymous = c.Bool("osv-anonymous")
	conf.certFile, conf.keyFile = c.String("tls-cert"), c.String("tls-key")
	if (conf.certFile == "") != (conf.keyFile == "") {
		return conf, hint.Errorf("give both, or neither behind a proxy that terminates TLS", "--tls-cert and --tls-key belong together")
	}
	if conf.acme, err = newACME(c, conf, log, d.now); err != nil {
		return conf, err
	}
	setup := httpserver.TLSSetup{CertFile: conf.certFile, KeyFile: conf.keyFile, CAFile: c.String("ca"), PublicURL: conf.public}
	if err := setup.Check(log, d.now()); err != nil {
		return conf, err
	}
	if conf.evaluator, err = evaluator(c); err != nil {
		return conf, err
	}
	if conf.memory, err = httpserver.TotalMemory(c.String("memory"), os.DirFS("/")); err != nil {
		return conf, err
	}
	if path := c.String("oidc"); path != "" {
		rules, err := oidc.ReadConfig(path, httpserver.Scopes())
		if err != nil {
			return conf, hint.Errorf("docs/ci.md shows such a file", "--oidc: %w", err)
		}
		conf.oidc = &rules
	}
	if conf.images, err = newImages(c, log); err != nil {
		return conf, err
	}
	if conf.psk, err = newPSK(c); err != nil {
		return conf, err
	}
	if conf.clair, err = newClair(c); err != nil {
		return conf, err
	}
	if conf.clients, err = d.clients(c, conf.public); err != nil {
		return conf, err
	}
	if len(conf.clients.Arches()) == 0 {
		log.Warn("no client is served: /assay answers 404", "hint", "run make release, and start assayd with --clients dist/release")
	}
	return conf, nil
}

// A loggedError is an error that the log already has.
type loggedError struct{ error }

func (e loggedError) Unwrap() error { return e.error }

// serve runs the service. With a log in JSON, its error is a line of the log too.
func (d *daemon) serve(c *cli.Context) error {
	switch format := c.String("log-format"); format {
	case "text":
		return d.listen(c, slog.New(slog.NewTextHandler(d.stderr, nil)))
	case "json":
		log := slog.New(slog.NewJSONHandler(d.stderr, nil))
		err := d.listen(c, log)
		if err == nil {
			return nil
		}
		log.Error("assayd ended", "err", err.Error(), "hint", hintOf(err))
		return loggedError{err}
	default:
		return hint.Errorf("give --log-format text or --log-format json", "invalid --log-format %q", format)
	}
}

func (d *daemon) listen(c *cli.Context, log *slog.Logger) error {
	conf, err := d.serveConfig(c, log)
	if err != nil {
		return err
	}
	conf.front, conf.certificate = &httpserver.Front{}, &servedCertificate{log: log, now: d.now}
	listener := &httpserver.Listener{Front: conf.front, Log: log, DrainDelay: c.Duration("drain-delay")}
	ln, err := net.Listen("tcp", c.String("listen"))
	if err != nil {
		return hint.Errorf("choose another address with --listen", "%w", err)
	}
	if !conf.tls() && !httpserver.Loopback(ln.Addr()) {
		log.Warn("tokens arrive here without TLS", "hint", "give --tls-cert and --tls-key, or put a proxy that terminates TLS in front")
	}
	if conf.certFile != "" {
		files, err := httpserver.NewCertificate(conf.certFile, conf.keyFile, log)
		if err != nil {
			return errors.Join(hint.Errorf("give the chain and its key as PEM files", "read the certificate: %w", err), ln.Close())
		}
		listener.Certificate = files.Get
	}
	if conf.acme != nil {
		conf.acme.listen(listener, ln)
	}
	if listener.Certificate != nil {
		listener.Certificate = conf.certificate.watch(listener.Certificate)
	}
	if conf.clair != nil {
		if err := conf.clair.listen(c, listener, log); err != nil {
			return errors.Join(err, ln.Close())
		}
	}
	// From now on requests are answered, with 503 until the data is open.
	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	var serveErr error
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		serveErr = conf.clair.serve(ctx, listener, ln)
	}()
	conf.address = ln.Addr()
	stopNotifying := context.AfterFunc(ctx, func() { notify(log, "STOPPING=1") })
	defer stopNotifying()
	err = d.answer(ctx, c, log, conf, func(h http.Handler) {
		listener.Front.Ready(h)
		notify(log, "READY=1\nSTATUS=serving "+conf.public)
		log.Info("serving", "listen", ln.Addr().String(), "public_url", conf.public, "tls", conf.tls(),
			"memory_mib", conf.memory>>20, "clients", conf.clients.Arches(), "installer", conf.clients.HasInstaller(), "without", conf.evaluator.Without)
	}, stopped)
	if c.Context.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // ended by a signal before the data was open
	}
	cancel()
	<-stopped
	if err = errors.Join(err, serveErr); err == nil {
		log.Info("stopped")
	}
	return err
}

// viewOf returns what opens a view of the index for the API.
func viewOf(index *snapshot.DB) func() (api.View, error) {
	return func() (api.View, error) {
		v, err := index.View()
		if err != nil {
			return nil, err // not v, which would be an interface of a nil pointer
		}
		return v, nil
	}
}

// answer opens the data, calls ready with the handler that answers from it, and keeps
// the data up to date until the listener has stopped.
func (d *daemon) answer(ctx context.Context, c *cli.Context, log *slog.Logger, conf serveConfig, ready func(http.Handler), stopped <-chan struct{}) error {
	// Before anything is opened: another assayd may serve from the folder.
	removeOldFolders(os.TempDir(), indexFolder, d.now())
	unlock, err := lockData(c)
	if err != nil {
		return hint.Errorf("is another assayd serving from this folder? Give each its own with --data", "lock %q: %w", c.String("data"), err)
	}
	defer unlock()
	if err := keepLine(c.String("data"), listenFile, conf.listenURL()); err != nil {
		log.Warn("the address could not be saved; assayd ready will not find this assayd", "err", err)
	}
	st, err := waitForStore(ctx, log, func() (store.Store, error) { return openStore(c) })
	if err != nil {
		return err
	}
	defer st.Close()
	if _, err := waitForStore(ctx, log, func() (struct{}, error) { return struct{}{}, st.Check(ctx) }); err != nil {
		return hintRepair(c, err)
	}
	if conf.acme != nil {
		end, err := conf.acme.start(ctx, st)
		if err != nil {
			return err
		}
		defer end()
	}
	keep, err := waitForStore(ctx, log, func() (time.Duration, error) { return keepTime(c, st) })
	if err != nil {
		return err
	}
	if err := keepLine(c.String("data"), publicURLFile, conf.public); err != nil {
		log.Warn("the public address could not be saved; assayd token create will print another one", "err", err)
	}
	if err := d.noteSettings(ctx, st, conf.settings(c, keep)); err != nil {
		log.Warn("the settings could not be added to the audit trail", "err", err)
	}
	var built buildTime
	behind := &problemState{rule: api.CauseBehind, text: "the latest import is not served yet; assayd's log says why"}
	index, err := waitForStore(ctx, log, func() (*snapshot.DB, error) { return openIndex(ctx, c, log, st, behind, &built) })
	if err != nil {
		return err
	}
	defer index.Close()
	ages := &sourceAges{} // follow reads them; until then the age of all data counts
	conf.evaluator.Sources = ages.get
	if addr := c.String("debug-listen"); addr != "" {
		end, err := httpserver.ServeProfiles(log, addr)
		if err != nil {
			return err
		}
		defer end()
	}

	updated := &problemState{rule: api.CauseUpdate, text: "the last update of the advisories failed; assayd status shows the source and the error"}
	serverConfig := httpserver.Config{
		Tokens:  st,
		Version: buildinfo.Version(version),
		Rate:    httpserver.Rate{PerSecond: c.Float64("rate"), Burst: c.Int("burst")},
		Memory:  httpserver.UseMemory(conf.memory),
		Now:     d.now,
		Log:     log,
	}
	reportLinks := d.newLinks(st, conf.reportLinks)
	apiConfig := api.Config{
		Store:     st,
		Links:     reportLinks,
		View:      viewOf(index),
		Clients:   conf.clients,
		Evaluator: conf.evaluator,
		Policy:    (&ruleset.Current{Store: st}).Get,
		PublicURL: conf.public,
		Version:   buildinfo.Version(version),
		Causes:    func() []api.Cause { return append(updated.causes(), behind.causes()...) },
		Now:       d.now,
		Log:       log,
	}
	if conf.oidc != nil {
		in := signin.New(oidc.NewVerifier(*conf.oidc, d.now), st, d.now)
		serverConfig.SignIn, apiConfig.SignIn = in, in
	}
	var server *httpserver.Server
	var causes func() ([]api.Cause, error)
	counts := metrics.New(metrics.Config{
		Version:         buildinfo.Version(version),
		Served:          func() (metrics.Served, error) { return servedData(c, index, &built) },
		Generation:      func(ctx context.Context) (int64, error) { head, err := st.Head(ctx); return head.Seq, err },
		Sources:         st.Sources,
		Ready:           st.Ready,
		Pools:           st.Pools,
		Causes:          func() ([]string, error) { return rules(causes()) },
		AllCauses:       api.Causes(),
		Limits:          func() []httpserver.LimitUse { return server.Limits() },
		Now:             d.now,
		CertificateEnds: conf.certificate.ends,
	})
	serverConfig.Observe, serverConfig.Shed = counts.Request, counts.Shed
	apiConfig.Scanned, apiConfig.Timed = counts.Scan, counts.Stage
	server = httpserver.New(serverConfig)
	osvapi.Handle(server, conf.osv(st, index, d.now, log))
	defer d.serveHarbor(server, apiConfig, conf, st, index, log).Stop()
	defer conf.clair.stop()
	if causes, err = d.handle(c, server, apiConfig, conf, st, index); err != nil {
		return err
	}
	update, err := scheduledUpdater(c, counts.Counted(st), d.now)
	if err != nil {
		return err
	}
	if addr := c.String("metrics-listen"); addr != "" {
		end, err := httpserver.ServeMetrics(log, addr, counts.Handler(), conf.front)
		if err != nil {
			return err
		}
		defer end()
	}
	ready(server)

	// All of this work ends before the store is closed.
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	age := &ageWatch{log: log, maxAge: conf.evaluator.MaxAge, now: d.now, whole: conf.evaluator.Whole}
	work.Go(func() { follow(ctx, log, index, st, age, ages, behind, &built) })
	work.Go(func() { tidy(ctx, log, st) })
	if keep > 0 {
		work.Go(func() { retention.Run(ctx, log, recordPruner{st, d.now}, keep, d.now) })
	}
	if len(update.Plans) > 0 {
		work.Go(func() { update.Every(ctx, log, func(err error) { updated.set(err) }) })
	}
	<-stopped
	return nil
}

// handle adds the handlers of the APIs and pages to a server. It returns what api.Handle does.
func (d *daemon) handle(c *cli.Context, server *httpserver.Server, apiConfig api.Config, conf serveConfig, st store.Store, index *snapshot.DB) (causes func() ([]api.Cause, error), err error) {
	handled := api.Handle(server, apiConfig)
	if err := conf.images.serve(server, handled); err != nil {
		return nil, err
	}
	d.serveClair4(server, apiConfig, conf.images, conf.psk, st)
	if err := conf.clair.handle(c, server, st, index, conf.images, d.now, apiConfig.Log); err != nil {
		return nil, err
	}
	err = web.Handle(server, web.Config{Store: st, Links: apiConfig.Links, PublicURL: conf.public, Version: apiConfig.Version})
	return handled.Causes, err
}

// keepLine saves a line in a file of the data folder, if it has changed. It writes nothing
// otherwise, so that the service starts with a full disk.
func keepLine(dataDir, name, line string) error {
	path := filepath.Join(dataDir, name)
	if b, err := os.ReadFile(path); err == nil && string(b) == line+"\n" {
		return nil
	}
	if err := os.WriteFile(path+".new", []byte(line+"\n"), 0o600); err != nil {
		return errors.Join(err, os.Remove(path+".new"))
	}
	return os.Rename(path+".new", path)
}

// parsePublicURL checks the address that is written into every client.
func parsePublicURL(s string) (string, error) {
	if s == "" {
		return "", hint.Errorf("it is the URL under which builds reach this service, such as https://assay.example.com", "--public-url is missing")
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", hint.Errorf("it looks like https://assay.example.com", "invalid --public-url %q", s)
	}
	return strings.TrimRight(s, "/"), nil
}
