// Package metrics counts what assayd does, in the form that Prometheus reads.
//
// Nothing in it names a token, a project or a package: who may read the metrics need not
// be allowed to read scans.
package metrics

import (
	"context"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"assay/service/httpserver"
	"assay/service/store"
	"assay/verdict"
)

// A Config says where the values come from that are read when Prometheus asks.
type Config struct {
	Version string
	// Served describes the data that is served; its error means that none is.
	Served func() (Served, error)
	// Sources are those of store.Feeds.
	Sources func(ctx context.Context) ([]store.Source, error)
	// Generation returns the number of the newest state of the store. Served is behind if
	// it has a lower one.
	Generation func(ctx context.Context) (int64, error)
	// Ready and Pools are those of store.Maintenance.
	Ready func(ctx context.Context) error
	Pools func() []store.Pool
	// Causes returns which of AllCauses there are now. They are rules, as in /healthz.
	Causes    func() ([]string, error)
	AllCauses []string
	Now       func() time.Time
	// CertificateEnds returns when the certificate that was last served expires; zero:
	// none was.
	CertificateEnds func() time.Time
	// Limits returns what the requests use of each limit.
	Limits func() []httpserver.LimitUse
}

// Served describes the data that is served.
type Served struct {
	verdict.Data
	Generation int64         // number of the state of the store that it was built from
	Bytes      int64         // of its file
	Build      time.Duration // how long the last change took to appear in it; zero: unknown
}

// Metrics counts requests and scans.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	shed     *prometheus.CounterVec
	scans    *prometheus.CounterVec
	stages   *prometheus.HistogramVec
	rejected *prometheus.CounterVec
}

// New returns metrics that start at zero.
func New(c Config) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "assayd_requests_total", Help: "Answered requests. Status 429 and 503 are requests that were refused for the load."}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "assayd_request_seconds", Help: "Time from a request's first byte to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"route"}),
		shed:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "assayd_requests_shed_total", Help: "Requests that were refused and may be sent again, by reason: rate (of the token), busy (no slot or memory) or unavailable (no data or no database)."}, []string{"reason"}),
		scans: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "assayd_scans_total", Help: "Verdicts by outcome."}, []string{"outcome"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "assayd_scan_stage_seconds", Help: "Time of a scan by stage: queue, decode, match, policy or store.",
			Buckets: []float64{.00001, .0001, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15}}, []string{"stage"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "assayd_source_rejected_records_total", Help: "Records that updates of this process could not read, by source."}, []string{"source"}),
	}
	for _, reason := range []string{httpserver.ShedRate, httpserver.ShedBusy, httpserver.ShedUnavailable} {
		m.shed.WithLabelValues(reason)
	}
	for _, outcome := range []verdict.Outcome{verdict.Pass, verdict.Fail, verdict.Untrusted} {
		m.scans.WithLabelValues(string(outcome))
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "assayd_build_info", Help: "1, with the version."}, []string{"version"})
	build.WithLabelValues(c.Version).Set(1)
	m.registry.MustRegister(m.requests, m.seconds, m.shed, m.scans, m.stages, m.rejected, build, &state{c},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Request counts one answered request. The route is the pattern that matched; empty for
// none.
func (m *Metrics) Request(route string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// Scan counts one verdict.
func (m *Metrics) Scan(outcome verdict.Outcome) { m.scans.WithLabelValues(string(outcome)).Inc() }

// Shed counts one request that was refused; see httpserver.Config.
func (m *Metrics) Shed(reason string) { m.shed.WithLabelValues(reason).Inc() }

// Stage counts the time that one stage of a scan took.
func (m *Metrics) Stage(stage string, took time.Duration) {
	m.stages.WithLabelValues(stage).Observe(took.Seconds())
}

// Counted returns a store like st that counts the records that updates of its feeds
// reject.
func (m *Metrics) Counted(st store.Store) store.Store { return counted{st, m.rejected} }

type counted struct {
	store.Store
	rejected *prometheus.CounterVec
}

func (c counted) LeadFeeds(ctx context.Context) (store.Lead, error) {
	lead, err := c.Store.LeadFeeds(ctx)
	if err != nil {
		return nil, err
	}
	return countedLead{lead, c.rejected}, nil
}

type countedLead struct {
	store.Lead
	rejected *prometheus.CounterVec
}

func (c countedLead) Import(ctx context.Context, im store.Import, records iter.Seq2[store.Record, error]) (store.Imported, error) {
	// The series begins at zero: Prometheus's increase ignores the first value.
	rejected := c.rejected.WithLabelValues(im.Origin.String())
	got, err := c.Lead.Import(ctx, im, records)
	if err == nil {
		rejected.Add(float64(got.Rejected))
	}
	return got, err
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// state collects what is read when Prometheus asks.
type state struct{ Config }

// readTime bounds what one collection reads from the store.
const readTime = 5 * time.Second

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("assayd_"+name, help, labels, nil)
}

var (
	dataUpdated  = description("data_updated_timestamp_seconds", "Since when all data is as its sources have it; 0: never.")
	dataRecords  = description("data_records", "Advisories that are served.")
	served       = description("data_served", "1 while data is served, else 0.")
	storeUp      = description("store_up", "1 while the store answers, else 0.")
	feedUpdated  = description("source_updated_timestamp_seconds", "Last successful update of a source; 0: never.", "source")
	feedFailed   = description("source_failed", "1 if the last update of a source failed, else 0. assayd status and the log have the error.", "source")
	feedFailedAt = description("source_failed_timestamp_seconds", "When the last update of a source failed; 0: it did not.", "source")
	feedRecords  = description("source_records", "Advisories of a source, or entries of its catalog.", "source")
	generation   = description("store_generation", "Number of the newest state of the store.")
	snapshotGen  = description("snapshot_generation", "Number of the state of the store that is served. It is lower than store_generation while this process is behind.")
	snapshotSize = description("snapshot_bytes", "Size of the file that scans are answered from.")
	snapshotTime = description("snapshot_build_seconds", "How long the last change took to appear in that file.")
	degraded     = description("degraded", "1 for each cause in /healthz, else 0.", "cause")
	poolOpen     = description("store_connections", "Open connections to a database.", "pool")
	poolUsed     = description("store_connections_used", "Connections in use.", "pool")
	poolMax      = description("store_connections_max", "The most connections that may be open.", "pool")
	poolWaits    = description("store_waits_total", "How often a connection or a lock of a database was waited for.", "pool")
	poolWaited   = description("store_wait_seconds_total", "For how long in all.", "pool")
	clock        = description("clock_timestamp_seconds", "The time by the clock of this machine.")
	certificate  = description("certificate_expiry_timestamp_seconds", "When the certificate that was last served expires.")
	limitUsed    = description("limit_used", "What requests use of a limit: slots, or bytes of memory.", "limit")
	limitTotal   = description("limit_max", "How much of a limit there is.", "limit")
	limitWaiting = description("limit_waiting_requests", "Requests that wait for a limit.", "limit")
)

// Describe implements prometheus.Collector.
func (s *state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{dataUpdated, dataRecords, served, storeUp, feedUpdated, feedFailed, feedFailedAt, feedRecords,
		generation, snapshotGen, snapshotSize, snapshotTime, degraded, poolOpen, poolUsed, poolMax, poolWaits, poolWaited, clock, certificate,
		limitUsed, limitTotal, limitWaiting} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What cannot be read is left out, and the
// gauges served and store_up say so.
func (s *state) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	data, err := s.Served()
	gauge(served, truth(err == nil))
	if err == nil {
		gauge(dataUpdated, seconds(data.Updated))
		gauge(dataRecords, float64(data.Records))
		gauge(snapshotGen, float64(data.Generation))
		gauge(snapshotSize, float64(data.Bytes))
		gauge(snapshotTime, data.Build.Seconds())
	}
	if causes, err := s.Causes(); err == nil {
		for _, cause := range s.AllCauses {
			gauge(degraded, truth(slices.Contains(causes, cause)), cause)
		}
	}
	s.collectStore(gauge)
	for _, p := range s.Pools() {
		gauge(poolOpen, float64(p.Open), p.Name)
		gauge(poolUsed, float64(p.Used), p.Name)
		gauge(poolMax, float64(p.Max), p.Name)
		counter(poolWaits, float64(p.Waits), p.Name)
		counter(poolWaited, p.Waited.Seconds(), p.Name)
	}
	for _, l := range s.Limits() {
		gauge(limitUsed, float64(l.Used), l.Name)
		gauge(limitTotal, float64(l.Total), l.Name)
		gauge(limitWaiting, float64(l.Waiting), l.Name)
	}
	gauge(clock, seconds(s.Now()))
	if ends := s.CertificateEnds(); !ends.IsZero() {
		gauge(certificate, seconds(ends))
	}
}

// collectStore collects what is read from the store.
func (s *state) collectStore(gauge func(*prometheus.Desc, float64, ...string)) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	var sources []store.Source
	var newest int64
	err := s.Ready(ctx)
	if err == nil {
		sources, err = s.Sources(ctx)
	}
	if err == nil {
		newest, err = s.Generation(ctx)
	}
	gauge(storeUp, truth(err == nil))
	if err != nil {
		return
	}
	gauge(generation, float64(newest))
	for _, f := range sources {
		from := f.Origin.String()
		gauge(feedUpdated, seconds(f.Updated), from)
		gauge(feedFailed, truth(!f.Failed.IsZero()), from)
		gauge(feedFailedAt, seconds(f.Failed), from)
		gauge(feedRecords, float64(f.Records), from)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
