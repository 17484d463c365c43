package harbor_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/remote/token"
	"assay/service/harbor"
	"assay/service/httpserver"
	"assay/service/image"
	"assay/service/layer"
	"assay/service/layer/source"
	"assay/service/store"
	"assay/service/store/sqlite"
	"assay/verdict"
)

var today = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const (
	vulnType = "application/vnd.security.vulnerability.report; version=1.1"
	sbomType = "application/vnd.security.sbom.report+json; version=1.0"
	digest   = "sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"
	// What Harbor sends, as its documentation and the tests of harbor-scanner-trivy have it.
	robot   = "Basic cm9ib3Qkc2Nhbm5lcjpzM2NyZXQ="
	harbors = `{"registry":{"url":"https://core.harbor.domain","authorization":"` + robot + `"},
		"artifact":{"repository":"library/mongo","digest":"` + digest + `","tag":"3.14-xenial","mime_type":"application/vnd.docker.distribution.manifest.v2+json"},
		"enabled_capabilities":[{"type":"vulnerability","produces_mime_types":["application/vnd.security.vulnerability.report; version=1.1"]}]}`
)

// A rig is a service whose images and findings are those of the test.
type rig struct {
	t       testing.TB
	store   store.Store
	server  http.Handler
	handler *harbor.Handler
	log     *bytes.Buffer

	mu      sync.Mutex
	asked   []source.Request
	fetch   error         // of the registry
	gate    chan struct{} // if set, a scan waits for it
	verdict verdict.Verdict
}

// Registry, Scan and Again make the rig a Fetcher and a Scanner.
func (r *rig) Registry(_ context.Context, q source.Request) (layer.Image, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, q)
	return layer.Image{Name: q.Reference}, r.fetch
}

func (r *rig) Scan(ctx context.Context, t store.Token, img layer.Image, o image.Options) (image.Scanned, error) {
	if r.gate != nil {
		select {
		case <-r.gate:
		case <-ctx.Done():
			return image.Scanned{}, ctx.Err()
		}
	}
	var document bytes.Buffer
	sent := cyclonedx.Scan{Inventory: inventory.Inventory{System: inventory.System{ID: "debian", VersionID: "12"},
		Packages: []inventory.Package{{Type: "deb", Name: "curl", Version: "7.0-1", Arch: "amd64", Source: "curl", SourceVersion: "7.0-1"}}}}
	if err := cyclonedx.Encode(&document, sent); err != nil {
		return image.Scanned{}, err
	}
	kept := store.Scan{ID: "scan" + rand.Text(), At: today, Token: t.ID, Project: t.Project, Ref: o.Ref, Request: document.Bytes(), Verdict: []byte("{}")}
	kept, err := r.store.KeepScan(ctx, kept)
	return image.Scanned{Scan: kept}, err
}

func (r *rig) Again(_ context.Context, _ store.Token, kept store.Scan) (image.Scanned, error) {
	sent, err := cyclonedx.Decode(bytes.NewReader(kept.Request), cyclonedx.DefaultLimits())
	r.mu.Lock()
	defer r.mu.Unlock()
	return image.Scanned{Scan: kept, Sent: sent, Verdict: r.verdict}, err
}

func newRig(t testing.TB) *rig {
	t.Helper()
	st, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: st, log: &bytes.Buffer{}, verdict: verdict.Verdict{
		Decision: verdict.Decision{Outcome: verdict.Fail},
		Findings: []verdict.Finding{
			{ID: "CVE-2024-1", Advisories: []string{"DEBIAN-CVE-2024-1", "DSA-1-1"}, Summary: "an overflow", Package: verdict.Package{Type: "deb", Name: "curl", Version: "7.0-1", PURL: "pkg:deb/debian/curl@7.0-1"},
				Fixed: "7.0-2", Severity: verdict.High, Score: 8.1, Vector: "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H", EPSS: 0.5, Fails: true, Rule: "severity", Why: "7.0-1 < fixed 7.0-2"},
			{ID: "GHSA-1", Advisories: []string{"GHSA-1"}, Package: verdict.Package{Type: "npm", Name: "x", Version: "1"}, Severity: verdict.Unrated, Layer: "sha256:1"},
		},
	}}
	log := slog.New(slog.NewTextHandler(r.log, nil))
	now := func() time.Time { return today }
	server := httpserver.New(httpserver.Config{Tokens: st, Now: now, Log: log})
	r.handler = harbor.Handle(server, harbor.Config{
		Records: &image.Records{Files: st, Now: now}, Scans: st, Scanner: r, Fetcher: r,
		Data:    func() (verdict.Data, error) { return verdict.Data{Updated: today.Add(-time.Hour)}, nil },
		Version: "1.2.3", Now: now, Log: log,
	})
	r.server = server
	t.Cleanup(func() {
		r.handler.Stop()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// token makes a token for a project.
func (r *rig) token(project string, scopes ...string) string {
	r.t.Helper()
	secret, err := token.New(rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	if scopes == nil {
		scopes = []string{httpserver.ScopeScan}
	}
	id := rand.Text()
	made := store.Token{ID: id, Name: id, Project: project, Scopes: scopes, Created: today}
	if err := r.store.CreateToken(context.Background(), made, token.Hash(secret), store.Event{}); err != nil {
		r.t.Fatal(err)
	}
	return secret
}

// do sends a request with a token as Harbor sends it.
func (r *rig) do(method, path, secret, body string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	if secret != "" {
		req.SetBasicAuth("harbor", secret)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	r.server.ServeHTTP(rec, req)
	return rec
}

// scan sends a scan request and returns its id.
func (r *rig) scan(secret, body string) string {
	r.t.Helper()
	rec := r.do("POST", "/harbor/api/v1/scan", secret, body, "Content-Type", "application/vnd.scanner.adapter.scan.request+json; version=1.1")
	if rec.Code != http.StatusAccepted || rec.Header().Get("Content-Type") != "application/vnd.scanner.adapter.scan.response+json; version=1.0" {
		r.t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	validate(r.t, "ScanResponse", rec.Body.Bytes())
	var answer struct{ ID string }
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		r.t.Fatal(err)
	}
	return answer.ID
}

// report polls for a report as Harbor does.
func (r *rig) report(secret, id, accept, query string) *httptest.ResponseRecorder {
	r.t.Helper()
	for range 1000 {
		rec := r.do("GET", "/harbor/api/v1/scan/"+id+"/report"+query, secret, "", "Accept", accept)
		if rec.Code != http.StatusFound {
			return rec
		}
		if rec.Header().Get("Refresh-After") != "5" || rec.Header().Get("Location") == "" {
			r.t.Fatalf("%v", rec.Header())
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatal("the scan does not end")
	return nil
}

// validate checks an answer with a schema of the published specification.
func validate(t testing.TB, name string, answer []byte) {
	t.Helper()
	text, err := os.ReadFile(testkit.Path(t, "schemas", "harbor-scanner-adapter-1.2.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Components any `yaml:"components" json:"components"` // the paths have numbers as keys
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.AssertFormat()
	if err := c.AddResource("https://harbor.example.com/api.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("https://harbor.example.com/api.json#/components/schemas/" + name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(answer))
	if err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	if err := s.Validate(v); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
}

func TestScan(t *testing.T) {
	r := newRig(t)
	secret := r.token("shop")
	meta := r.do("GET", "/harbor/api/v1/metadata", secret, "")
	if meta.Code != http.StatusOK || meta.Header().Get("Content-Type") != "application/vnd.scanner.adapter.metadata+json; version=1.1" ||
		!strings.Contains(meta.Body.String(), `"harbor.scanner-adapter/vulnerability-database-updated-at":"2026-11-24T11:00:00Z"`) {
		t.Errorf("%d %v %s", meta.Code, meta.Header(), meta.Body)
	}
	validate(t, "ScannerAdapterMetadata", meta.Body.Bytes())

	r.gate = make(chan struct{})
	id := r.scan(secret, harbors)
	if rec := r.do("GET", "/harbor/api/v1/scan/"+id+"/report", secret, "", "Accept", vulnType); rec.Code != http.StatusFound {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	close(r.gate)
	rec := r.report(secret, id, vulnType, "")
	if rec.Code != http.StatusOK || rec.Header().Get("Content-Type") != vulnType {
		t.Fatalf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	validate(t, "HarborVulnerabilityReport", rec.Body.Bytes())
	want := `{"generated_at":"2026-11-24T12:00:00Z","artifact":{"repository":"library/mongo","digest":"` + digest + `","tag":"3.14-xenial","mime_type":"application/vnd.docker.distribution.manifest.v2+json"},` +
		`"scanner":{"name":"assay","vendor":"assay","version":"1.2.3"},"severity":"High","vulnerabilities":[` +
		`{"id":"CVE-2024-1","package":"curl","version":"7.0-1","fix_version":"7.0-2","severity":"High","description":"an overflow",` +
		`"links":["https://www.cve.org/CVERecord?id=CVE-2024-1","https://osv.dev/vulnerability/DEBIAN-CVE-2024-1","https://osv.dev/vulnerability/DSA-1-1"],` +
		`"preferred_cvss":{"score_v3":8.1,"vector_v3":"CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H"},` +
		`"vendor_attributes":{"assay":{"epss":0.5,"fails":true,"known_exploited":false,"purl":"pkg:deb/debian/curl@7.0-1","rule":"severity","why":"7.0-1 \u003c fixed 7.0-2"}}},` +
		`{"id":"GHSA-1","package":"x","version":"1","severity":"Unknown","description":"","links":["https://osv.dev/vulnerability/GHSA-1"],` +
		`"vendor_attributes":{"assay":{"fails":false,"known_exploited":false,"layer":"sha256:1","purl":"","rule":"","why":""}}}]}`
	if rec.Body.String() != want {
		t.Errorf("\n got %s\nwant %s", rec.Body, want)
	}
	for _, accept := range []string{"", "*/*", "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0", "text/html, " + vulnType} {
		if rec := r.report(secret, id, accept, ""); rec.Code != http.StatusOK {
			t.Errorf("%q: %d %s", accept, rec.Code, rec.Body)
		}
	}
	for media, has := range map[string]string{"application/spdx+json": `"spdxVersion":"SPDX-2.3"`, "application/vnd.cyclonedx+json": `"bomFormat":"CycloneDX"`} {
		rec := r.report(secret, id, sbomType, "?sbom_media_type="+strings.ReplaceAll(media, "+", "%2B"))
		if rec.Code != http.StatusOK || rec.Header().Get("Content-Type") != sbomType || !strings.Contains(strings.ReplaceAll(rec.Body.String(), " ", ""), has) || !strings.Contains(rec.Body.String(), "curl") {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		validate(t, "HarborSbomReport", rec.Body.Bytes())
	}

	// The credentials go to the registry that they are for, and nowhere else.
	r.mu.Lock()
	asked := r.asked[0]
	r.mu.Unlock()
	if asked.Reference != "core.harbor.domain/library/mongo@"+digest || asked.Project != "shop" || asked.Credentials.Username != "robot$scanner" || asked.Credentials.Password != "s3cret" {
		t.Errorf("%+v, %q", asked, asked.Credentials.Username)
	}
	files, err := r.store.ListFiles(t.Context(), "images")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		stored, err := r.store.File(t.Context(), f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(stored.Body, []byte("s3cret")) || bytes.Contains(stored.Body, []byte(robot[6:])) {
			t.Errorf("%s has the credentials: %s", f.Name, stored.Body)
		}
	}
	if text := r.log.String(); strings.Contains(text, "s3cret") || strings.Contains(text, robot[6:]) || strings.Contains(text, secret) {
		t.Errorf("the log has credentials: %s", text)
	}
}

// TestRegistries names registries in the forms that Harbor has.
func TestRegistries(t *testing.T) {
	r := newRig(t)
	secret := r.token("")
	for url, want := range map[string]string{
		"https://core.harbor.domain":      "core.harbor.domain/a/b@" + digest,
		"https://core.harbor.domain:8443": "core.harbor.domain:8443/a/b@" + digest,
		"http://core:8080":                "core:8080/a/b@" + digest,
		"http://harbor.lan/":              "harbor.lan:80/a/b@" + digest,
		"https://core":                    "core:443/a/b@" + digest,
	} {
		r.mu.Lock()
		r.asked = nil
		r.mu.Unlock()
		id := r.scan(secret, fmt.Sprintf(`{"registry":{"url":%q,"authorization":"Bearer JWT"},"artifact":{"repository":"a/b","digest":%q},"later":1}`, url, digest))
		if rec := r.report(secret, id, vulnType, ""); rec.Code != http.StatusOK {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
		if r.asked[0].Reference != want || r.asked[0].Credentials.RegistryToken != "JWT" {
			t.Errorf("%s: %+v", url, r.asked[0])
		}
	}
}

// TestErrors has what cannot be evaluated. None of it is a report.
func TestErrors(t *testing.T) {
	r := newRig(t)
	secret := r.token("shop")
	refused := func(rec *httptest.ResponseRecorder, status int, message string) {
		t.Helper()
		if rec.Code != status || rec.Header().Get("Content-Type") != "application/vnd.scanner.adapter.error+json; version=1.0" || !strings.Contains(rec.Body.String(), message) || strings.Contains(rec.Body.String(), "s3cret") {
			t.Errorf("%d %s, want %d %s", rec.Code, rec.Body, status, message)
		}
		validate(t, "ErrorResponse", rec.Body.Bytes())
	}
	for _, tt := range []struct {
		body, message string
		status        int
	}{
		{`[]`, "not JSON of this form", 400},
		{`{"registry":{"url":"s3cret"`, "not JSON of this form", 400},
		{`{}`, "missing registry.url", 422},
		{strings.Replace(harbors, "https://core", "ftp://core", 1), "invalid registry.url", 422},
		{strings.Replace(harbors, "https://core", "https://user:s3cret@core", 1), "invalid registry.url", 422},
		{strings.Replace(harbors, "library/mongo", "", 1), "missing artifact.repository", 422},
		{strings.Replace(harbors, digest, "", 1), "missing artifact.digest", 422},
		{strings.Replace(harbors, robot, "Digest s3cret", 1), "invalid registry.authorization", 422},
		{strings.Replace(harbors, `"vulnerability"`, `"secrets"`, 1), "invalid scan type", 422},
		{strings.Replace(harbors, "docker.distribution.manifest.v2", "cncf.helm.config.v1", 1), "cannot be scanned", 501},
	} {
		refused(r.do("POST", "/harbor/api/v1/scan", secret, tt.body), tt.status, tt.message)
	}
	id := r.scan(secret, harbors)
	if rec := r.report(secret, id, vulnType, ""); rec.Code != http.StatusOK {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	path := "/harbor/api/v1/scan/" + id + "/report"
	refused(r.do("GET", path, secret, "", "Accept", "application/vnd.scanner.adapter.vuln.report.raw"), 501, "not supported")
	refused(r.do("GET", path, secret, "", "Accept", vulnType[:len(vulnType)-1]+"9"), 501, "not supported")
	refused(r.do("GET", path, secret, "", "Accept", sbomType), 400, "sbom_media_type")
	refused(r.do("GET", "/harbor/api/v1/scan/unknown/report", secret, "", "Accept", vulnType), 404, "no scan request")

	// Another project's, and another token's.
	refused(r.do("GET", path, r.token("other", httpserver.ScopeRead), "", "Accept", vulnType), 404, "no scan request")
	refused(r.do("GET", path, r.token("shop"), "", "Accept", vulnType), 404, "no scan request")
	if rec := r.do("GET", path, r.token("shop", httpserver.ScopeRead), "", "Accept", vulnType); rec.Code != http.StatusOK {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	refused(r.do("GET", path, "", ""), 401, "no token was sent")
	refused(r.do("GET", "/harbor/api/v1/metadata", "wrong", ""), 401, "invalid token")
	refused(r.do("POST", "/harbor/api/v1/scan", r.token("shop", httpserver.ScopeRead), harbors), 403, "lacks the scope scan")
	for _, header := range []string{"X-ScannerAdapter-API-Key", "Authorization"} {
		value := secret
		if header == "Authorization" {
			value = "Bearer " + secret
		}
		if rec := r.do("GET", "/harbor/api/v1/metadata", "", "", header, value); rec.Code != http.StatusOK {
			t.Errorf("%s: %d %s", header, rec.Code, rec.Body)
		}
	}

	// An image that is not evaluated.
	r.mu.Lock()
	r.verdict = verdict.Verdict{Decision: verdict.Decision{Outcome: verdict.Untrusted, Code: 5, Reasons: []verdict.Reason{{Rule: verdict.RuleNothing, Text: "no packages were found"}}}}
	r.mu.Unlock()
	refused(r.report(secret, id, vulnType, ""), 500, "the image was not evaluated: no packages were found")
	refused(r.report(secret, id, sbomType, "?sbom_media_type=application/spdx%2Bjson"), 500, "no packages were found")

	// An image that cannot be read. Only its own errors are told.
	for err, message := range map[error]string{
		&source.Error{Kind: source.Unauthorized, Err: errors.New("core.harbor.domain refuses the credentials")}: "the image was not evaluated: core.harbor.domain refuses the credentials",
		errors.New("disk /data/secret"): "the service could not read the image; its log says why",
	} {
		r.mu.Lock()
		r.fetch = err
		r.mu.Unlock()
		refused(r.report(secret, r.scan(secret, harbors), vulnType, ""), 500, message)
	}
}

// TestStop ends scans that run, and tells Harbor.
func TestStop(t *testing.T) {
	r := newRig(t)
	secret := r.token("")
	r.gate = make(chan struct{})
	id := r.scan(secret, harbors)
	r.handler.Stop()
	rec := r.report(secret, id, vulnType, "")
	if rec.Code != http.StatusInternalServerError || !strings.Contains(rec.Body.String(), "the service stopped while it read the image") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := r.do("POST", "/harbor/api/v1/scan", secret, harbors); rec.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// FuzzRequest reads requests of any content.
func FuzzRequest(f *testing.F) {
	f.Add(harbors)
	f.Add(`{"registry":{"url":"http://[::1"}}`)
	r := newRig(f)
	r.fetch = errors.New("unreachable")
	secret := r.token("")
	f.Fuzz(func(t *testing.T, body string) {
		if rec := r.do("POST", "/harbor/api/v1/scan", secret, body); rec.Code == http.StatusOK || rec.Code == http.StatusInternalServerError {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	})
}
