package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/assayd"
	"assay/check/testkit/osvtest"
)

// Prometheus scrapes assayd, and the alert rules of the documentation fire: for a feed
// that is gone, until it is back, and for an assayd that is gone.
func TestPrometheus(t *testing.T) {
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		testkit.Missing(t, "prometheus: apt-get install prometheus")
	}
	var addrs [2]string
	for i := range addrs {
		if addrs[i], err = assayd.FreeAddr(); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	feed := closedAddr(t)
	config := assayd.Config{Binary: filepath.Join(bin, "assayd"), Data: data, Flags: []string{"--metrics-listen", addrs[0],
		"--update-every", "1s", "--ecosystem", "CRAN", "--mirror", "http://" + feed}}
	mirror := t.TempDir()
	if err := osvtest.WriteMirror(mirror, "CRAN"); err != nil {
		t.Fatal(err)
	}
	stopFeed := serveFeed(t, feed, mirror)
	if err := config.Import(t.Context(), sampleAdvisories); err != nil {
		t.Fatal(err)
	}
	token, err := config.NewToken(t.Context(), "ci")
	if err != nil {
		t.Fatal(err)
	}
	s, err := config.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Kill()
	if _, err := (served{url: s.URL, token: token, inventory: debianInventory(t)}).scan(t.Context()); err != nil {
		t.Fatal(err)
	}

	doc, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rules, _ := strings.Cut(string(doc), "```yaml\n# alert rules\n")
	rules, _, _ = strings.Cut(rules, "```")
	rules = regexp.MustCompile(`for: \S+`).ReplaceAllString(rules, "for: 0s")
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "rules.yml"), []byte(rules), 0o600),
		os.WriteFile(filepath.Join(dir, "prometheus.yml"), fmt.Appendf(nil, "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\n"+
			"scrape_configs:\n  - job_name: assayd\n    static_configs: [{targets: [%q]}]\n", addrs[0]), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(prometheus, "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "tsdb"), "--web.listen-address", addrs[1])
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("prometheus:\n%s", &log)
		}
	}()
	query := func(q string) []string {
		resp, err := http.Get("http://" + addrs[1] + "/api/v1/query?query=" + url.QueryEscape(q))
		if err != nil {
			return nil
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		var answer struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		if err != nil || json.Unmarshal(b, &answer) != nil {
			return nil
		}
		var values []string
		for _, r := range answer.Data.Result {
			values = append(values, fmt.Sprint(r.Value[1]))
		}
		return values
	}
	want := func(q, value string) {
		t.Helper()
		var got []string
		eventually(t, fmt.Sprintf("%s is not %s", q, value), func() bool {
			got = query(q)
			return len(got) == 1 && got[0] == value
		})
	}
	want(`assayd_scans_total{outcome="fail"}`, "1")
	want(`assayd_data_records`, "35")
	want(`assayd_source_records{source="osv:CRAN"}`, "14")
	want(`assayd_store_generation - assayd_snapshot_generation`, "0")
	want(`assayd_scan_stage_seconds_count{stage="store"}`, "1")
	want(`count(assayd_scan_stage_seconds_count)`, "5")
	want(`count(assayd_store_connections)`, "4")
	want(`assayd_requests_total{route="POST /api/v1/scans",status="200"}`, "1")
	if alerts := query(`ALERTS{alertname!="AssaydDataOld"}`); len(alerts) != 0 {
		t.Errorf("alerts while all is well: %q", alerts)
	}
	stopFeed()
	want(`ALERTS{alertname="AssaydSourceFails",alertstate="firing",source="osv:CRAN"}`, "1")
	serveFeed(t, feed, mirror)
	eventually(t, "the alert does not end", func() bool {
		return len(query(`ALERTS{alertname="AssaydSourceFails",alertstate="firing"}`)) == 0
	})

	// What clients send makes no new series, but for the first request of its kind.
	series := func(n int) int {
		t.Helper()
		for i := range n {
			req, err := http.NewRequestWithContext(t.Context(), fmt.Sprintf("METHOD%d", i), fmt.Sprintf("%s/api/v1/scans/%d/x%d?y=%d", s.URL, i, i, i), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", fmt.Sprint("Bearer ", i))
			req.Header.Set("Traceparent", fmt.Sprintf("00-%032x-%016x-01", i+1, i+1))
			for _, path := range []string{req.URL.Path, fmt.Sprintf("/api/v1/scans/%d", i)} {
				req.URL.Path = path
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
			}
		}
		resp, err := http.Get("http://" + addrs[0] + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(b), "\nassayd_")
	}
	if first, then := series(1), series(100); first != then || first == 0 {
		t.Errorf("%d series after one strange request of each kind, %d after 100", first, then)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	want(`count(ALERTS{alertname="AssaydDown",alertstate="firing"})`, "1")
}

// serveFeed serves a mirror of the public bucket until stop.
func serveFeed(t *testing.T, addr, dir string) (stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.FileServer(http.Dir(dir))}
	go srv.Serve(ln) //nolint:errcheck // it ends with Close
	stop = func() { srv.Close() }
	t.Cleanup(stop)
	return stop
}
