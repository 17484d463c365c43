package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"assay/check/testkit/assayd"
	"assay/check/testkit/clairtest"
	"assay/check/testkit/pgtest"
)

// A clair4 is a client of Clair v4's API. It compares every answer with Clair's OpenAPI file.
type clair4 struct {
	t      *testing.T
	api    *clairtest.API
	secret string
}

func (c *clair4) ask(status int, method, server, path, body string) string {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, server+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode != status {
		c.t.Errorf("%s %s: %s, want %d: %s", method, path, resp.Status, status, text)
	}
	if err := c.api.Check(method, path, resp.StatusCode, resp.Header, text); err != nil {
		c.t.Errorf("%s %s: %v in %s", method, path, err, text)
	}
	return string(text)
}

// TestClair4 indexes an image of a real registry by the addresses of its layers at one replica,
// and gets its vulnerabilities from another: they are those that assay finds in the image. A
// replica is killed while it indexes an image, and the other one does it again.
func TestClair4(t *testing.T) {
	t.Parallel()
	registry := startRegistry(t)
	digest, layers := pushSample(t, registry, "shop/app", "1")
	database := pgtest.Start(t, nil)
	url := database.URL(database.Database(t, ""))
	psk := filepath.Join(t.TempDir(), "clair.yaml")
	key := make([]byte, 32)
	text := "http_listen_addr: :6060\nauth:\n  psk:\n    key: " + base64.StdEncoding.EncodeToString(key) + "\n    iss: [quay]\n"
	if err := os.WriteFile(psk, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	stalled := newStalled(t)
	config := func() assayd.Config {
		c := databaseConfig(t, url)
		c.Flags = []string{"--allow-network", "http://" + registry, "--allow-network", "http://" + stalled.addr, "--clair-psk", psk, "--clair-psk-project", "registry"}
		return c
	}
	first, second := config(), config()
	if err := first.Import(t.Context(), sampleAdvisories); err != nil {
		t.Fatal(err)
	}
	serve := func(c assayd.Config) *assayd.Server {
		s, err := c.Serve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b := serve(first), serve(second)
	defer func() {
		if err := b.Close(); err != nil {
			t.Errorf("%v\n%s", err, b.Log())
		}
		for _, s := range []*assayd.Server{a, b} {
			if strings.Contains(s.Log(), "hunter2") || strings.Contains(s.Log(), base64.StdEncoding.EncodeToString(key)) {
				t.Error("the log has a credential")
			}
			if t.Failed() {
				t.Log(s.Log())
			}
		}
	}()
	token, err := first.NewToken(t.Context(), "ci")
	if err != nil {
		t.Fatal(err)
	}
	c := &clair4{t, clairtest.Load(t), signedBy(t, key, "quay")}

	manifest := func(hash string, uris ...string) string {
		var list []string
		for i, uri := range uris {
			list = append(list, fmt.Sprintf(`{"hash":%q,"uri":%q,"headers":{"Accept":["application/gzip"],"Authorization":["Bearer hunter2"]}}`, layers[i], uri))
		}
		return fmt.Sprintf(`{"hash":%q,"layers":[%s]}`, hash, strings.Join(list, ","))
	}
	blob := func(i int) string { return "http://" + registry + "/v2/shop/app/blobs/" + layers[i] }
	c.ask(404, "GET", b.URL, "/matcher/api/v1/vulnerability_report/"+digest, "")
	index := c.ask(201, "POST", a.URL, "/indexer/api/v1/index_report", manifest(digest, blob(0), blob(1)))
	if got := c.ask(200, "GET", b.URL, "/indexer/api/v1/index_report/"+digest, ""); got != index {
		t.Errorf("the replicas have different index reports:\n%s\n%s", index, got)
	}
	compareClair4(t, c.ask(200, "GET", b.URL, "/matcher/api/v1/vulnerability_report/"+digest, ""), foundByAssay(t, a.URL, token), layers)

	// A layer on an address that is not allowed.
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	hash := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("refused")))
	if got := c.ask(403, "POST", a.URL, "/indexer/api/v1/index_report", manifest(hash, other.URL+"/x")); !strings.Contains(got, "--allow-network") {
		t.Errorf("got %s", got)
	}
	c.ask(404, "GET", a.URL, "/matcher/api/v1/vulnerability_report/"+hash, "")

	// The replica is killed while it reads a layer.
	hash = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("killed")))
	done := make(chan struct{})
	go func() {
		defer close(done)
		req, err := http.NewRequestWithContext(t.Context(), "POST", a.URL+"/indexer/api/v1/index_report", strings.NewReader(manifest(hash, blob(0), stalled.url)))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+c.secret)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			t.Errorf("the killed replica answers %s", resp.Status)
		}
	}()
	select {
	case <-stalled.asked:
	case <-time.After(time.Minute):
		t.Fatal("the layer is not fetched")
	}
	if got := c.ask(200, "GET", b.URL, "/indexer/api/v1/index_report/"+hash, ""); !strings.Contains(got, `"state":"ScanLayers"`) || !strings.Contains(got, `"success":false`) {
		t.Errorf("while it is read: %s", got)
	}
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	<-done
	// It waits until the work of the killed one counts as ended.
	c.ask(201, "POST", b.URL, "/indexer/api/v1/index_report", manifest(hash, blob(0), blob(1)))
	compareClair4(t, c.ask(200, "GET", b.URL, "/matcher/api/v1/vulnerability_report/"+hash, ""), foundByAssay(t, b.URL, token), layers)
	c.ask(204, "DELETE", b.URL, "/indexer/api/v1/index_report/"+hash, "")
	c.ask(404, "GET", b.URL, "/matcher/api/v1/vulnerability_report/"+hash, "")
}

// compareClair4 compares a report with the findings of assay.
func compareClair4(t *testing.T, text string, want, layers []string) {
	t.Helper()
	var report struct {
		Packages     map[string]struct{ Name, Version string }
		Environments map[string][]struct {
			Introduced string `json:"introduced_in"`
		}
		Vulnerabilities map[string]struct {
			Name     string
			Severity string `json:"normalized_severity"`
		}
		PackageVulnerabilities map[string][]string `json:"package_vulnerabilities"`
	}
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatal(err)
	}
	var got []string
	for id, list := range report.PackageVulnerabilities {
		for _, v := range list {
			v := report.Vulnerabilities[v]
			got = append(got, fmt.Sprintf("Severity: %s, Package: %s, CVE: %s", v.Severity, report.Packages[id].Name, v.Name))
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the report has\n%s\nassay finds\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	introduced := map[string]bool{}
	for _, e := range report.Environments {
		introduced[e[0].Introduced] = true
	}
	if len(introduced) != 2 || !introduced[layers[0]] || !introduced[layers[1]] {
		t.Errorf("the packages were introduced in %v, not in each of %q", introduced, layers)
	}
}

// signedBy returns a JWT as Quay makes it.
func signedBy(t *testing.T, key []byte, issuer string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(fmt.Appendf(nil, `{"iss":%q,"exp":%d}`, issuer, time.Now().Add(5*time.Minute).Unix()))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A stalled server sends the beginning of a layer and then nothing.
type stalled struct {
	addr, url string
	asked     chan struct{} // closed when the layer is asked for
}

func newStalled(t *testing.T) *stalled {
	s := &stalled{asked: make(chan struct{})}
	var once sync.Once
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 512))
		_ = http.NewResponseController(w).Flush()
		once.Do(func() { close(s.asked) })
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	}))
	t.Cleanup(func() {
		close(ended)
		server.Close()
	})
	s.url, s.addr = server.URL+"/layer", server.Listener.Addr().String()
	return s
}
