package metrics

import (
	"context"
	"errors"
	"iter"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/service/httpserver"
	"assay/service/store"
	"assay/verdict"
)

// read returns the metrics as Prometheus gets them.
func read(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// config returns a Config of a service that has everything.
func config() Config {
	return Config{
		Version: "1.2.3",
		Served: func() (Served, error) {
			return Served{verdict.Data{Records: 21, Updated: time.Unix(1000, 0)}, 7, 4096, 3 * time.Second}, nil
		},
		Generation: func(context.Context) (int64, error) { return 8, nil },
		Ready:      func(context.Context) error { return nil },
		Pools: func() []store.Pool {
			return []store.Pool{{Name: "postgres", Open: 3, Used: 2, Max: 16, Waits: 5, Waited: time.Second}}
		},
		Causes:          func() ([]string, error) { return []string{"data-old"}, nil },
		AllCauses:       []string{"data-old", "no-data"},
		Now:             func() time.Time { return time.Unix(3000, 0) },
		CertificateEnds: func() time.Time { return time.Unix(2000, 0) },
		Sources: func(context.Context) ([]store.Source, error) {
			return []store.Source{
				{Origin: store.Origin{Source: "osv", Part: "Debian"}, Updated: time.Unix(1000, 0), Records: 21},
				{Origin: store.Origin{Source: "epss"}, Failed: time.Unix(1001, 0), Err: "no route"},
			}, nil
		},
		Limits: func() []httpserver.LimitUse {
			return []httpserver.LimitUse{{Name: "slots", Used: 3, Total: 8, Waiting: 2}}
		},
	}
}

// aLead imports nothing, and rejects two records.
type aLead struct {
	store.Lead
	during func()
}

func (l aLead) Import(context.Context, store.Import, iter.Seq2[store.Record, error]) (store.Imported, error) {
	l.during()
	return store.Imported{Rejected: 2}, nil
}

type aStore struct {
	store.Store
	during func() // called during an import
}

func (s aStore) LeadFeeds(context.Context) (store.Lead, error) { return aLead{during: s.during}, nil }

func rejectTwo(t *testing.T, m *Metrics) {
	t.Helper()
	during := func() {
		if text, want := read(t, m), `assayd_source_rejected_records_total{source="osv:npm"} 0`; !strings.Contains(text, want) {
			t.Errorf("during the first import: no %s", want)
		}
	}
	lead, err := m.Counted(aStore{during: during}).LeadFeeds(t.Context())
	if err == nil {
		_, err = lead.Import(t.Context(), store.Import{Origin: store.Origin{Source: "osv", Part: "npm"}}, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestMetrics(t *testing.T) {
	var dataErr, readyErr error
	c := config()
	c.Served = func() (Served, error) { s, _ := config().Served(); return s, dataErr }
	c.Causes = func() ([]string, error) { return []string{"data-old"}, dataErr }
	c.Ready = func(context.Context) error { return readyErr }
	m := New(c)
	m.Request("POST /api/v1/scans", 200, 3*time.Millisecond)
	m.Request("POST /api/v1/scans", 503, time.Second)
	m.Request("", 404, time.Millisecond)
	m.Scan(verdict.Fail)
	m.Shed(httpserver.ShedBusy)
	m.Stage("match", 3*time.Millisecond)
	rejectTwo(t, m)
	text := read(t, m)
	for _, want := range []string{
		`assayd_requests_total{route="POST /api/v1/scans",status="200"} 1`,
		`assayd_requests_total{route="POST /api/v1/scans",status="503"} 1`,
		`assayd_requests_total{route="none",status="404"} 1`,
		`assayd_request_seconds_bucket{route="POST /api/v1/scans",le="0.005"} 1`,
		`assayd_requests_shed_total{reason="busy"} 1`, `assayd_requests_shed_total{reason="rate"} 0`,
		`assayd_scans_total{outcome="fail"} 1`, `assayd_scans_total{outcome="untrusted"} 0`,
		`assayd_scan_stage_seconds_bucket{stage="match",le="0.0025"} 0`, `assayd_scan_stage_seconds_bucket{stage="match",le="0.005"} 1`,
		`assayd_build_info{version="1.2.3"} 1`,
		"assayd_data_served 1", "assayd_store_up 1", "assayd_data_records 21", "assayd_data_updated_timestamp_seconds 1000",
		"assayd_store_generation 8", "assayd_snapshot_generation 7", "assayd_snapshot_bytes 4096", "assayd_snapshot_build_seconds 3",
		`assayd_degraded{cause="data-old"} 1`, `assayd_degraded{cause="no-data"} 0`,
		`assayd_source_updated_timestamp_seconds{source="osv:Debian"} 1000`, `assayd_source_updated_timestamp_seconds{source="epss"} 0`,
		`assayd_source_failed{source="epss"} 1`, `assayd_source_failed{source="osv:Debian"} 0`,
		`assayd_source_failed_timestamp_seconds{source="epss"} 1001`, `assayd_source_records{source="osv:Debian"} 21`,
		`assayd_source_rejected_records_total{source="osv:npm"} 2`,
		`assayd_store_connections{pool="postgres"} 3`, `assayd_store_connections_used{pool="postgres"} 2`, `assayd_store_connections_max{pool="postgres"} 16`,
		`assayd_store_waits_total{pool="postgres"} 5`, `assayd_store_wait_seconds_total{pool="postgres"} 1`,
		"assayd_clock_timestamp_seconds 3000", "assayd_certificate_expiry_timestamp_seconds 2000",
		`assayd_limit_used{limit="slots"} 3`, `assayd_limit_max{limit="slots"} 8`, `assayd_limit_waiting_requests{limit="slots"} 2`,
		"go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s:\n%s", want, text)
		}
	}
	dataErr, readyErr = errors.New("closed"), errors.New("no connection")
	text = read(t, m)
	for _, want := range []string{"assayd_data_served 0", "assayd_store_up 0"} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s:\n%s", want, text)
		}
	}
	for _, unread := range []string{"assayd_source_failed{", "assayd_data_records 2", "assayd_store_generation 8", "assayd_degraded{"} {
		if strings.Contains(text, unread) {
			t.Errorf("the metrics have %s, which could not be read:\n%s", unread, text)
		}
	}
}

// Prometheus' own tool finds no fault with the names and helps, nor with the alert rules
// that the documentation shows.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		testkit.Missing(t, "promtool: apt-get install prometheus")
	}
	m := New(config())
	m.Request("GET /", 200, 0)
	m.Stage("match", 0)
	rejectTwo(t, m)
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(read(t, m))
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	doc, err := os.ReadFile(testkit.Root(t) + "/docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rules, found := strings.Cut(string(doc), "```yaml\n# alert rules\n")
	rules, _, closed := strings.Cut(rules, "```")
	if !found || !closed || strings.Count(rules, "alert:") < 5 {
		t.Fatalf("docs/operations.md has no alert rules: %q", rules)
	}
	file := t.TempDir() + "/rules.yml"
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(promtool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("promtool check rules: %v\n%s", err, out)
	}
	for _, word := range strings.FieldsFunc(rules, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		if strings.HasPrefix(word, "assayd_") && !strings.Contains(read(t, m), "# HELP "+strings.TrimSuffix(word, "_bucket")+" ") {
			t.Errorf("the rules use %s, which is not a metric", word)
		}
	}
}
