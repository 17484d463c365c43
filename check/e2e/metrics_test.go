package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
)

// Prometheus scrapes assayd, and the alert rules of the documentation fire: for a source
// that cannot be updated, and for an assayd that is gone.
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
	config := assayd.Config{Binary: filepath.Join(bin, "assayd"), Data: data, Flags: []string{"--metrics-listen", addrs[0]}}
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
	want(`assayd_data_records`, "21")
	want(`assayd_requests_total{route="POST /api/v1/scans",status="200"}`, "1")
	if alerts := query(`ALERTS{alertname!="AssaydDataOld"}`); len(alerts) != 0 {
		t.Errorf("alerts while all is well: %q", alerts)
	}
	// A feed whose mirror lacks what it lists.
	mirror := filepath.Join(dir, "mirror")
	err = errors.Join(os.Mkdir(mirror, 0o700), os.WriteFile(filepath.Join(mirror, "ecosystems.txt"), []byte("npm\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(config.Binary, "update", "--data", data, "--ecosystem", "npm", "--mirror", mirror).CombinedOutput()
	if err == nil {
		t.Fatalf("an update from nowhere succeeds: %s", out)
	}
	want(`count(ALERTS{alertname="AssaydSourceFails",alertstate="firing"})`, "1")
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	want(`count(ALERTS{alertname="AssaydDown",alertstate="firing"})`, "1")
}
