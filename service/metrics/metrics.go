// Package metrics counts what assayd does, in the form that Prometheus reads.
//
// Nothing in it names a token, a project or a package: who may read the metrics need not
// be allowed to read scans.
package metrics

import (
	"context"
	"net/http"
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
	// Data describes the data that is served; its error means that none is.
	Data func() (verdict.Data, error)
	// Sources are those of store.Feeds.
	Sources func(ctx context.Context) ([]store.Source, error)
	// Ready is that of store.Maintenance.
	Ready func(ctx context.Context) error
	// Limits returns what the requests use of each limit.
	Limits func() []httpserver.LimitUse
}

// Metrics counts requests and scans.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	scans    *prometheus.CounterVec
}

// New returns metrics that start at zero.
func New(c Config) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "assayd_requests_total", Help: "Answered requests. Status 429 and 503 are requests that were refused for the load."}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "assayd_request_seconds", Help: "Time from a request's first byte to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"route"}),
		scans: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "assayd_scans_total", Help: "Verdicts by outcome."}, []string{"outcome"}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "assayd_build_info", Help: "1, with the version."}, []string{"version"})
	build.WithLabelValues(c.Version).Set(1)
	m.registry.MustRegister(m.requests, m.seconds, m.scans, build, &state{c},
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
	feedFailed   = description("source_failed", "1 if the last update of a source failed, else 0.", "source")
	limitUsed    = description("limit_used", "What requests use of a limit: slots, or bytes of memory.", "limit")
	limitTotal   = description("limit_total", "What there is of a limit.", "limit")
	limitWaiting = description("limit_waiting_requests", "Requests that wait for a limit.", "limit")
)

// Describe implements prometheus.Collector.
func (s *state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{dataUpdated, dataRecords, served, storeUp, feedUpdated, feedFailed, limitUsed, limitTotal, limitWaiting} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What cannot be read is left out, and the
// gauges served and store_up say so.
func (s *state) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	up := func(err error) float64 {
		if err != nil {
			return 0
		}
		return 1
	}
	data, err := s.Data()
	gauge(served, up(err))
	if err == nil {
		gauge(dataUpdated, seconds(data.Updated))
		gauge(dataRecords, float64(data.Records))
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	err = s.Ready(ctx)
	var sources []store.Source
	if err == nil {
		sources, err = s.Sources(ctx)
	}
	gauge(storeUp, up(err))
	for _, f := range sources {
		gauge(feedUpdated, seconds(f.Updated), f.Origin.String())
		failed := 0.
		if !f.Failed.IsZero() {
			failed = 1
		}
		gauge(feedFailed, failed, f.Origin.String())
	}
	for _, l := range s.Limits() {
		gauge(limitUsed, float64(l.Used), l.Name)
		gauge(limitTotal, float64(l.Total), l.Name)
		gauge(limitWaiting, float64(l.Waiting), l.Name)
	}
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
