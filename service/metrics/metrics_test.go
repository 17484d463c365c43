package metrics

import (
	"context"
	"errors"
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

func TestMetrics(t *testing.T) {
	var dataErr, readyErr error
	m := New(Config{
		Version: "1.2.3",
		Data: func() (verdict.Data, error) {
			return verdict.Data{Records: 21, Updated: time.Unix(1000, 0)}, dataErr
		},
		Ready: func(context.Context) error { return readyErr },
		Sources: func(context.Context) ([]store.Source, error) {
			return []store.Source{
				{Origin: store.Origin{Source: "osv", Part: "Debian"}, Updated: time.Unix(1000, 0)},
				{Origin: store.Origin{Source: "epss"}, Failed: time.Unix(1001, 0), Err: "no route"},
			}, nil
		},
		Limits: func() []httpserver.LimitUse {
			return []httpserver.LimitUse{{Name: "slots", Used: 3, Total: 8, Waiting: 2}}
		},
	})
	m.Request("POST /api/v1/scans", 200, 3*time.Millisecond)
	m.Request("POST /api/v1/scans", 503, time.Second)
	m.Request("", 404, time.Millisecond)
	m.Scan(verdict.Fail)
	text := read(t, m)
	for _, want := range []string{
		`assayd_requests_total{route="POST /api/v1/scans",status="200"} 1`,
		`assayd_requests_total{route="POST /api/v1/scans",status="503"} 1`,
		`assayd_requests_total{route="none",status="404"} 1`,
		`assayd_request_seconds_bucket{route="POST /api/v1/scans",le="0.005"} 1`,
		`assayd_scans_total{outcome="fail"} 1`,
		`assayd_build_info{version="1.2.3"} 1`,
		"assayd_data_served 1", "assayd_store_up 1", "assayd_data_records 21", "assayd_data_updated_timestamp_seconds 1000",
		`assayd_source_updated_timestamp_seconds{source="osv:Debian"} 1000`, `assayd_source_updated_timestamp_seconds{source="epss"} 0`,
		`assayd_source_failed{source="epss"} 1`, `assayd_source_failed{source="osv:Debian"} 0`,
		`assayd_limit_used{limit="slots"} 3`, `assayd_limit_total{limit="slots"} 8`, `assayd_limit_waiting_requests{limit="slots"} 2`,
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
	if strings.Contains(text, "assayd_source_failed{") || strings.Contains(text, "assayd_data_records 2") {
		t.Errorf("the metrics have what could not be read:\n%s", text)
	}
}

// Prometheus' own tool finds no fault with the names and helps, nor with the alert rules
// that the documentation shows.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		testkit.Missing(t, "promtool: apt-get install prometheus")
	}
	m := New(Config{
		Data:    func() (verdict.Data, error) { return verdict.Data{}, nil },
		Ready:   func(context.Context) error { return nil },
		Sources: func(context.Context) ([]store.Source, error) { return nil, nil },
		Limits:  func() []httpserver.LimitUse { return nil },
	})
	m.Request("GET /", 200, 0)
	m.Scan(verdict.Pass)
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
		if strings.HasPrefix(word, "assayd_") && !strings.Contains(read(t, m), "# HELP "+word+" ") &&
			word != "assayd_source_failed" && !strings.HasPrefix(word, "assayd_limit_") {
			t.Errorf("the rules use %s, which is not a metric", word)
		}
	}
}
