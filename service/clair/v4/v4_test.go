package v4

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit/clairtest"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/remote/token"
	"assay/service/httpserver"
	"assay/service/image"
	"assay/service/layer"
	layersource "assay/service/layer/source"
	"assay/service/store"
	"assay/service/store/sqlite"
	"assay/verdict"
)

// A rig is the API over a real store and real addresses of layers, with a scanner whose answer
// the test chooses.
type rig struct {
	t       *testing.T
	url     string
	store   *sqlite.Store
	scanner *scanner
	client  *http.Client
	checked *validating
	files   string
	host    string
}

func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	st, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	r := &rig{t: t, store: st, files: t.TempDir(), scanner: &scanner{store: st}, checked: &validating{t, clairtest.Load(t), map[string]int{}}}
	served := httptest.NewServer(http.FileServer(http.Dir(r.files)))
	t.Cleanup(served.Close)
	r.host = served.URL
	c := Config{
		Records: &image.Records{Files: st, Now: time.Now}, Scans: st, Scanner: r.scanner,
		Fetcher: &layersource.Fetcher{Network: network(t, layersource.Private()...)},
		Version: "1.2.3", Longest: time.Minute, Now: time.Now,
	}
	if change != nil {
		change(&c)
	}
	r.url = r.serve(c)
	r.client = &http.Client{Transport: r.checked}
	return r
}

func (r *rig) serve(c Config) string {
	log := slog.New(slog.NewTextHandler(r.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	server := httpserver.New(httpserver.Config{Tokens: r.store, Now: time.Now, Log: log, Rate: httpserver.Rate{PerSecond: 100, Burst: 400}})
	Handle(server, c)
	s := httptest.NewServer(server)
	r.t.Cleanup(s.Close)
	return s.URL
}

func network(t *testing.T, allowed ...string) *layersource.Network {
	t.Helper()
	n, err := layersource.ParseNetwork(allowed)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// token makes a token of a project.
func (r *rig) token(project string, scopes ...string) string {
	r.t.Helper()
	secret, err := token.New(rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	id, err := store.NewID(rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	err = r.store.CreateToken(r.t.Context(), store.Token{ID: id, Name: "ci-" + id, Scopes: scopes, Project: project, Created: time.Now()}, token.Hash(secret), store.Event{})
	if err != nil {
		r.t.Fatal(err)
	}
	return secret
}

// An answer is a response that was compared with the OpenAPI file.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request. The headers are given as names and values.
func (r *rig) do(method, path, secret, body string, headers ...string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if secret != "" {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.Header.Get("Access-Control-Allow-Origin") != "" {
		r.t.Error("the API allows web pages of others")
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// want is do with a status that is required.
func (r *rig) want(status int, method, path, secret, body string, headers ...string) answer {
	r.t.Helper()
	a := r.do(method, path, secret, body, headers...)
	if a.status != status {
		r.t.Errorf("%s %s: %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

// layer serves a layer, and returns it as a manifest has it.
func (r *rig) layer(name, content string) string {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.files, name), []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return fmt.Sprintf(`{"hash":%q,"uri":%q,"headers":{"Accept":["application/gzip"]}}`, digestOf(content), r.host+"/"+name)
}

func digestOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func manifestText(hash string, layers ...string) string {
	return fmt.Sprintf(`{"hash":%q,"layers":[%s]}`, hash, strings.Join(layers, ","))
}

// A scanner reads the layers and keeps a scan of an inventory that the test chooses.
type scanner struct {
	store *sqlite.Store

	mu        sync.Mutex
	inventory inventory.Inventory
	verdict   verdict.Verdict
	err       error         // of the next scans
	wait      chan struct{} // until it is closed, a scan does not end
	read      []string      // the contents of the layers that were read
}

func (s *scanner) set(f func(s *scanner)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *scanner) reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.read)
}

func diffID(i int) string { return digestOf(fmt.Sprint("archive ", i)) }

func (s *scanner) Scan(ctx context.Context, t store.Token, img layer.Image, o image.Options) (image.Scanned, error) {
	none := func(err error) (image.Scanned, error) { return image.Scanned{}, err }
	var layers []layer.Layer
	for i, l := range img.Layers {
		f, err := l.Open(ctx)
		if err != nil {
			return none(err)
		}
		text, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return none(err)
		}
		if digestOf(string(text)) != l.Digest {
			return none(&layer.Error{Layer: i, Err: fmt.Errorf("layer %d has another digest than %s", i+1, l.Digest)})
		}
		s.set(func(s *scanner) { s.read = append(s.read, string(text)) })
		layers = append(layers, layer.Layer{Digest: l.Digest, DiffID: diffID(i)})
	}
	var wait chan struct{}
	s.set(func(s *scanner) { wait = s.wait })
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return none(ctx.Err())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return none(s.err)
	}
	sent := cyclonedx.Scan{Inventory: s.inventory}
	var document strings.Builder
	if err := cyclonedx.Encode(&document, sent); err != nil {
		return none(err)
	}
	id, err := store.NewID(rand.Reader)
	if err != nil {
		return none(err)
	}
	kept, err := s.store.KeepScan(ctx, store.Scan{ID: id, At: time.Now(), Token: t.ID, Project: t.Project, Ref: o.Ref, Request: []byte(document.String()), Verdict: []byte(`{}`)})
	return image.Scanned{Scan: kept, Sent: sent, Verdict: s.verdict, Layers: layers}, err
}

func (s *scanner) Again(_ context.Context, t store.Token, kept store.Scan) (image.Scanned, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.Project != kept.Project {
		return image.Scanned{}, errors.New("the scan is of another project")
	}
	if s.err != nil {
		return image.Scanned{}, s.err
	}
	sent, err := cyclonedx.Decode(strings.NewReader(string(kept.Request)), cyclonedx.DefaultLimits())
	return image.Scanned{Scan: kept, Sent: sent, Verdict: s.verdict}, err
}

// debian is the inventory of an image with two layers.
func debian() inventory.Inventory {
	inv := inventory.Inventory{
		System: inventory.System{ID: "debian", VersionID: "12", Codename: "bookworm", PrettyName: "Debian GNU/Linux 12 (bookworm)"},
		Packages: []inventory.Package{
			{Type: "deb", Name: "libssl3", Version: "3.0.11-1", Arch: "amd64", Source: "openssl", SourceVersion: "3.0.11-1", Layer: diffID(0), Evidence: []inventory.Evidence{{Path: "var/lib/dpkg/status", Kind: "dpkg"}}},
			{Type: "deb", Name: "openssl", Version: "3.0.11-1", Arch: "amd64", Source: "openssl", SourceVersion: "3.0.11-1", Layer: diffID(0), Evidence: []inventory.Evidence{{Path: "var/lib/dpkg/status", Kind: "dpkg"}}},
			{Type: "deb", Name: "tzdata", Version: "2024a", Arch: "all", Layer: diffID(0), Evidence: []inventory.Evidence{{Path: "var/lib/dpkg/status", Kind: "dpkg"}}},
			{Type: "npm", Name: "@acme/x", Version: "1.0.0", Layer: diffID(1), Evidence: []inventory.Evidence{{Path: "a/package.json", Kind: "node"}}},
			{Type: "npm", Name: "@acme/x", Version: "1.0.0", Layer: diffID(0), Evidence: []inventory.Evidence{{Path: "b/package.json", Kind: "node"}}},
			{Type: "pypi", Name: "requests", Version: "2.0.0", Evidence: []inventory.Evidence{{Path: "usr/lib/python3/requests.dist-info/METADATA", Kind: "python"}}},
		},
	}
	inv.Sort()
	return inv
}

func packageOfFinding(p inventory.Package) verdict.Package {
	v := verdict.Package{Type: p.Type, Name: p.Name, Version: p.Version, Arch: p.Arch, Source: p.Source, SourceVersion: p.SourceVersion}
	for _, e := range p.Evidence {
		v.Paths = append(v.Paths, e.Path)
	}
	return v
}

// vulnerable is a verdict on debian.
func vulnerable() verdict.Verdict {
	published := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	inv := debian()
	find := func(name, path string) verdict.Package {
		for _, p := range inv.Packages {
			if p.Name == name && (path == "" || p.Evidence[0].Path == path) {
				return packageOfFinding(p)
			}
		}
		panic(name)
	}
	v := verdict.Verdict{
		Decision: verdict.Decision{Outcome: verdict.Fail, Code: 4, Reasons: []verdict.Reason{{Rule: verdict.RuleSeverity, Text: "findings"}}},
		System:   verdict.System{ID: "debian", Ecosystem: "Debian:12"},
	}
	for _, name := range []string{"libssl3", "openssl"} {
		v.Findings = append(v.Findings, verdict.Finding{
			ID: "CVE-2024-1000", Advisories: []string{"DEBIAN-CVE-2024-1000", "DSA-5000-1"}, Summary: "A flaw", Package: find(name, ""), Fixed: "3.0.13-1", FixPublished: &published,
			Severity: verdict.High, Score: 7.5, Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", Fails: true, Rule: verdict.RuleSeverity,
		})
	}
	v.Findings = append(v.Findings,
		verdict.Finding{ID: "CVE-2024-1001", Advisories: []string{"DEBIAN-CVE-2024-1001"}, Package: find("openssl", ""), Severity: verdict.Unrated, Rule: verdict.RuleUnfixed},
		verdict.Finding{ID: "GHSA-aaaa-bbbb-cccc", Advisories: []string{"GHSA-aaaa-bbbb-cccc"}, Package: find("@acme/x", "b/package.json"), Fixed: "1.0.1", Severity: verdict.Medium, Rule: verdict.RuleAccepted},
	)
	return v
}

func (r *rig) vulnerable() {
	r.scanner.set(func(s *scanner) { s.inventory, s.verdict = debian(), vulnerable() })
}

const (
	hashA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	hashB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func decoded[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// TestIndexAndReport indexes an image and gets what is in it, as the types of claircore name
// the fields.
func TestIndexAndReport(t *testing.T) {
	r := newRig(t, nil)
	r.vulnerable()
	secret := r.token("shop", "scan")
	m := manifestText(hashA, r.layer("one", "1"), r.layer("two", "2"))
	r.want(404, "GET", indexReportPath+"/"+hashA, secret, "")
	r.want(404, "GET", vulnerabilityReportPath+"/"+hashA, secret, "")

	posted := r.want(201, "POST", indexReportPath, secret, m, "Content-Type", "application/json")
	if got := posted.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	if got := posted.header.Get("Location"); got != indexReportPath+"/"+hashA {
		t.Errorf("location %q", got)
	}
	wantLinks := []string{
		`</indexer/api/v1/index_report/` + hashA + `>; rel="https://projectquay.io/clair/v1/index_report"`,
		`</matcher/api/v1/vulnerability_report/` + hashA + `>; rel="https://projectquay.io/clair/v1/vulnerability_report"`,
	}
	if got := posted.header.Values("Link"); !slices.Equal(got, wantLinks) {
		t.Errorf("links %q", got)
	}
	index := decoded[indexReport](t, posted.body)
	if index.Hash != hashA || index.State != "IndexFinished" || !index.Success || index.Err != "" || len(index.Packages) != 6 {
		t.Errorf("got %+v", index)
	}
	if d := index.Distributions["1"]; d.DID != "debian" || d.Version != "12 (bookworm)" || d.VersionID != "12" || d.Codename != "bookworm" || d.Arch != "amd64" || d.PrettyName != "Debian GNU/Linux 12 (bookworm)" {
		t.Errorf("the distribution is %+v", d)
	}
	at := map[string]environment{}
	for id, p := range index.Packages {
		if p.ID != id || len(index.Environments[id]) != 1 {
			t.Errorf("package %s is %+v, in %+v", id, p, index.Environments[id])
		}
		e := index.Environments[id][0]
		at[p.Name+" "+e.PackageDB] = e
	}
	if e := at["libssl3 var/lib/dpkg/status"]; e.IntroducedIn != digestOf("1") || e.Distribution != "1" || len(e.Repositories) != 0 {
		t.Errorf("libssl3 is in %+v", e)
	}
	if e := at["@acme/x a/package.json"]; e.IntroducedIn != digestOf("2") || e.Distribution != "" || len(e.Repositories) != 1 || index.Repositories[e.Repositories[0]].Name != "npm" {
		t.Errorf("@acme/x is in %+v of %+v", e, index.Repositories)
	}
	// Its layer is unknown: it is there in the uppermost one.
	if e := at["requests usr/lib/python3/requests.dist-info/METADATA"]; e.IntroducedIn != digestOf("2") || index.Repositories[e.Repositories[0]].URI != "https://pypi.org/simple" {
		t.Errorf("requests is in %+v of %+v", e, index.Repositories)
	}

	got := r.want(200, "GET", indexReportPath+"/"+hashA, secret, "")
	if got.body != posted.body || got.header.Get("Content-Type") != "application/vnd.clair.index_report.v1+json" || got.header.Get("Etag") != posted.header.Get("Etag") {
		t.Errorf("got %+v", got)
	}
	again := r.want(201, "POST", indexReportPath, secret, m)
	if again.body != posted.body || r.scanner.reads() != 2 {
		t.Errorf("the image was read again, %d layers in all: %s", r.scanner.reads(), again.body)
	}

	reported := r.want(200, "GET", vulnerabilityReportPath+"/"+hashA, secret, "")
	if got := reported.header.Get("Content-Type"); got != "application/vnd.clair.vulnerability_report.v1+json" {
		t.Errorf("content type %q", got)
	}
	report := decoded[vulnerabilityReport](t, reported.body)
	if report.Hash != hashA || !reflect.DeepEqual(report.contents, index.contents) {
		t.Errorf("the packages of the reports differ: %+v and %+v", report.contents, index.contents)
	}
	var found []string
	for id, list := range report.PackageVulnerabilities {
		for _, v := range list {
			v := report.Vulnerabilities[v]
			found = append(found, strings.Join([]string{report.Packages[id].Name, v.Name, v.NormalizedSeverity, v.Severity, v.FixedInVersion, v.Package.Name, v.Updater}, "|"))
		}
	}
	slices.Sort(found)
	want := []string{
		"@acme/x|GHSA-aaaa-bbbb-cccc|Medium|medium|1.0.1|@acme/x|assay/npm",
		"libssl3|CVE-2024-1000|High|CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H|3.0.13-1|openssl|assay/Debian:12",
		"openssl|CVE-2024-1000|High|CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H|3.0.13-1|openssl|assay/Debian:12",
		"openssl|CVE-2024-1001|Unknown|unrated||openssl|assay/Debian:12",
	}
	if !slices.Equal(found, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
	}
	if len(report.Vulnerabilities) != 3 {
		t.Errorf("two packages of one source do not share a vulnerability: %+v", report.Vulnerabilities)
	}
	for id, v := range report.Vulnerabilities {
		switch v.Name {
		case "CVE-2024-1000":
			if v.ID != id || v.Description != "A flaw" || v.Issued == nil || v.Issued.Year() != 2024 || v.Distribution == nil || v.Repository != nil || v.Package.Kind != "SOURCE" ||
				v.Links != "https://nvd.nist.gov/vuln/detail/CVE-2024-1000 https://osv.dev/vulnerability/DEBIAN-CVE-2024-1000 https://security-tracker.debian.org/tracker/DSA-5000-1" {
				t.Errorf("got %+v", v)
			}
			// Quay reads vectorString and baseScore of the first element: util/secscan/v4.
			scores := report.Enrichments[cvssEnrichment]
			if len(report.Enrichments) != 1 || len(scores) != 1 || len(scores[0]) != 1 || fmt.Sprint(scores[0][id]) != "[map[baseScore:7.5 baseSeverity:HIGH vectorString:CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H version:3.1]]" {
				t.Errorf("the enrichments are %+v", report.Enrichments)
			}
		case "GHSA-aaaa-bbbb-cccc":
			if v.Distribution != nil || v.Repository == nil || v.Repository.Name != "npm" || v.Issued != nil {
				t.Errorf("got %+v", v)
			}
		}
	}
	// The data changes: the kept inventory is evaluated again.
	r.scanner.set(func(s *scanner) { s.verdict.Findings = s.verdict.Findings[2:3] })
	if report := decoded[vulnerabilityReport](t, r.want(200, "GET", vulnerabilityReportPath+"/"+hashA, secret, "").body); len(report.Vulnerabilities) != 1 || r.scanner.reads() != 2 {
		t.Errorf("after the data changed: %+v", report.Vulnerabilities)
	}
	// Another image with the hash is another image.
	r.want(201, "POST", indexReportPath, secret, manifestText(hashA, r.layer("one", "1"), r.layer("three", "3")))
	if r.scanner.reads() != 4 {
		t.Errorf("an image with other layers was not read")
	}
	if len(r.checked.statuses) < 5 {
		t.Errorf("only these answers were compared with the OpenAPI file: %v", r.checked.statuses)
	}
}

// TestNothingToReport: an image without vulnerabilities has a report without any, which is not
// the same as an image that was not evaluated.
func TestNothingToReport(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token("", "scan")
	r.scanner.set(func(s *scanner) {
		s.inventory = debian()
		s.verdict = verdict.Verdict{Decision: verdict.Decision{Outcome: verdict.Pass, Reasons: []verdict.Reason{{Rule: verdict.RuleClean}}}}
	})
	r.want(201, "POST", indexReportPath, secret, manifestText(hashA, r.layer("one", "1")))
	report := r.want(200, "GET", vulnerabilityReportPath+"/"+hashA, secret, "")
	for _, want := range []string{`"vulnerabilities":{}`, `"package_vulnerabilities":{}`, `"enrichments":{}`} {
		if !strings.Contains(report.body, want) {
			t.Errorf("%s lacks %s", report.body, want)
		}
	}
	untrusted := func(rule string) {
		r.scanner.set(func(s *scanner) {
			s.verdict.Decision = verdict.Decision{Outcome: verdict.Untrusted, Code: 5, Reasons: []verdict.Reason{{Rule: rule, Text: "because of " + rule}, {Rule: verdict.RuleSeverity, Text: "findings"}}}
		})
	}
	// The data cannot be trusted now.
	untrusted(verdict.RuleTooOld)
	if got := r.want(500, "GET", vulnerabilityReportPath+"/"+hashA, secret, ""); !strings.Contains(got.body, "not evaluated: because of data-too-old\"") || !strings.Contains(got.body, `"code":"internal-error"`) {
		t.Errorf("got %s", got.body)
	}
	// An image that is indexed meanwhile is indexed, and has no report.
	r.want(201, "POST", indexReportPath, secret, manifestText(hashB, r.layer("two", "2")))
	r.want(500, "GET", vulnerabilityReportPath+"/"+hashB, secret, "")

	// The image cannot be read. Quay and clairctl take such a report as an error.
	for _, rule := range []string{verdict.RuleNothing, verdict.RuleNoPackages, verdict.RuleUnreadable, verdict.RulePartial} {
		untrusted(rule)
		posted := r.want(201, "POST", indexReportPath, secret, manifestText(hashA, r.layer("x", rule)))
		index := decoded[indexReport](t, posted.body)
		if index.State != "IndexError" || index.Success || index.Err != "because of "+rule || len(index.Packages) != 0 {
			t.Errorf("%s: %+v", rule, index)
		}
		if got := r.want(200, "GET", indexReportPath+"/"+hashA, secret, ""); got.body != posted.body {
			t.Errorf("%s: %s, want %s", rule, got.body, posted.body)
		}
		if got := r.want(404, "GET", vulnerabilityReportPath+"/"+hashA, secret, ""); !strings.Contains(got.body, "because of "+rule) {
			t.Errorf("%s: %s", rule, got.body)
		}
	}
	// A file that could not be read does not make the image untrusted.
	r.scanner.set(func(s *scanner) {
		s.inventory.ScanErrors = []inventory.ScanError{{Path: "app/broken.jar", Kind: inventory.KindFile, Err: "not a zip archive"}}
		s.verdict.Decision = verdict.Decision{Outcome: verdict.Pass, Reasons: []verdict.Reason{{Rule: verdict.RuleClean}}}
	})
	index := decoded[indexReport](t, r.want(201, "POST", indexReportPath, secret, manifestText(hashA, r.layer("y", "y"))).body)
	if !index.Success || index.Err != `not read: "app/broken.jar": not a zip archive` {
		t.Errorf("got %+v", index)
	}
	// A finding that belongs to no package is not dropped.
	r.scanner.set(func(s *scanner) {
		s.verdict.Findings = []verdict.Finding{{ID: "CVE-2024-1", Package: verdict.Package{Type: "deb", Name: "other"}}}
	})
	r.want(500, "GET", vulnerabilityReportPath+"/"+hashA, secret, "")
}

func TestErrors(t *testing.T) {
	r := newRig(t, nil)
	r.vulnerable()
	secret := r.token("shop", "scan")
	one := r.layer("one", "1")
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		code, message            string
		headers                  []string
	}{
		{"no JSON", "POST", indexReportPath, `{`, 400, "bad-request", "failed to deserialize manifest", nil},
		{"more after it", "POST", indexReportPath, manifestText(hashA, one) + `{}`, 400, "bad-request", "failed to deserialize manifest", nil},
		{"no hash", "POST", indexReportPath, `{"layers":[` + one + `]}`, 400, "bad-request", "bogus manifest", nil},
		{"a wrong hash", "POST", indexReportPath, manifestText("sha256:ab", one), 400, "bad-request", "bogus manifest: hash: invalid digest", nil},
		{"no layers", "POST", indexReportPath, manifestText(hashA), 400, "bad-request", "bogus manifest: it has no layers", nil},
		// Clair's own test sends such a layer.
		{"an empty layer", "POST", indexReportPath, manifestText(hashA, `{}`), 400, "bad-request", "bogus manifest: hash of layer 1", nil},
		{"no URI", "POST", indexReportPath, manifestText(hashA, `{"hash":"`+hashB+`"}`), 400, "bad-request", "layer 1 has no uri", nil},
		{"another scheme", "POST", indexReportPath, manifestText(hashA, `{"hash":"`+hashB+`","uri":"file:///etc/passwd"}`), 400, "bad-request", "invalid URL of layer 1", nil},
		{"a header of the connection", "POST", indexReportPath, manifestText(hashA, `{"hash":"`+hashB+`","uri":"https://a.example","headers":{"Host":["b"]}}`), 400, "bad-request", `the header "Host" of layer 1 cannot be set`, nil},
		{"another digest", "POST", indexReportPath, manifestText(hashA, strings.Replace(one, digestOf("1"), hashB, 1)), 400, "bad-request", "another digest", nil},
		{"no such layer", "POST", indexReportPath, manifestText(hashA, `{"hash":"`+hashB+`","uri":"`+r.host+`/none"}`), 500, "internal-error", "404 Not Found", nil},
		{"another content type", "POST", indexReportPath, manifestText(hashA, one), 415, "internal-error", "unsupported content type", []string{"Content-Type", "text/plain"}},
		{"another encoding", "POST", indexReportPath, manifestText(hashA, one), 415, "internal-error", "unsupported content encoding", []string{"Content-Encoding", "br"}},
		{"another answer", "POST", indexReportPath, manifestText(hashA, one), 415, "internal-error", "unable to negotiate", []string{"Accept", "text/html"}},
		{"no media type", "GET", indexStatePath, "", 400, "bad-request", "malformed request", []string{"Accept", "/"}},
		{"a large manifest", "POST", indexReportPath, strings.Repeat(" ", maxManifest+1), 413, "internal-error", "larger than 4 MiB", nil},
		{"no digest in the path", "GET", indexReportPath + "/latest", "", 400, "bad-request", "malformed path", nil},
		{"no digest in the path", "DELETE", indexReportPath + "/latest", "", 400, "bad-request", "malformed path", nil},
		{"no digest in the path", "GET", vulnerabilityReportPath + "/latest", "", 400, "bad-request", "malformed path", nil},
		{"digests that are none", "DELETE", indexReportPath, `["latest"]`, 400, "bad-request", "bulk delete", nil},
		{"digests that are no list", "DELETE", indexReportPath, `{}`, 400, "bad-request", "bulk delete", nil},
		{"another method", "GET", indexReportPath, "", 405, "method-not-allowed", "method disallowed: GET", nil},
		{"another method", "PUT", indexReportPath + "/" + hashA, "", 405, "method-not-allowed", "method disallowed: PUT", nil},
		{"another method", "POST", vulnerabilityReportPath + "/" + hashA, "{}", 405, "method-not-allowed", "method disallowed: POST", nil},
		{"another method", "POST", indexStatePath, "", 405, "method-not-allowed", "method disallowed", nil},
		{"no UUID", "GET", notificationPath + "/1", "", 400, "bad-request", "could not parse notification id", nil},
		{"no UUID", "DELETE", notificationPath + "/1", "", 400, "bad-request", "could not parse notification id", nil},
		{"a page of nothing", "GET", notificationPath + "/" + someID + "?page_size=-1", "", 400, "bad-request", "bad page size", nil},
		{"a page without a number", "GET", notificationPath + "/" + someID + "?page_size=x", "", 400, "bad-request", "page_size", nil},
		{"a wrong next page", "GET", notificationPath + "/" + someID + "?next=x", "", 400, "bad-request", "next", nil},
	} {
		got := r.want(tt.status, tt.method, tt.path, secret, tt.body, tt.headers...)
		e := decoded[struct{ Code, Message string }](t, got.body)
		if e.Code != tt.code || !strings.Contains(e.Message, tt.message) {
			t.Errorf("%s: %s %s: %s", tt.name, tt.method, tt.path, got.body)
		}
		if got.header.Get("Link") != "" || got.header.Get("Location") != "" {
			t.Errorf("%s: an error with links: %v", tt.name, got.header)
		}
	}
	// What failed is an error of the report too, and no vulnerabilities.
	if got := decoded[indexReport](t, r.want(200, "GET", indexReportPath+"/"+hashA, secret, "").body); got.State != "IndexError" || !strings.Contains(got.Err, "404 Not Found") {
		t.Errorf("got %+v", got)
	}
	r.want(404, "GET", vulnerabilityReportPath+"/"+hashA, secret, "")
	// An error of the service says nothing about it.
	r.scanner.set(func(s *scanner) { s.err = errors.New("open /secret/path") })
	if got := r.want(500, "POST", indexReportPath, secret, manifestText(hashA, one)); strings.Contains(got.body, "secret") {
		t.Errorf("got %s", got.body)
	}
	if got := r.want(200, "GET", indexReportPath+"/"+hashA, secret, ""); strings.Contains(got.body, "secret") || !strings.Contains(got.body, "its log says why") {
		t.Errorf("got %s", got.body)
	}
}

const someID = "5e4b387e-88d3-4364-86fd-063447a6fad2"

// TestForbiddenAddress: a layer at an address that is not public is refused, unless it is
// allowed.
func TestForbiddenAddress(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Fetcher = &layersource.Fetcher{Network: network(t)} })
	r.vulnerable()
	secret := r.token("", "scan")
	for _, uri := range []string{r.host + "/one", "https://127.0.0.1:1/x", "https://[::1]/x", "https://169.254.169.254/latest/meta-data", "https://10.0.0.1/x", "https://localhost/x"} {
		got := r.want(403, "POST", indexReportPath, secret, manifestText(hashA, `{"hash":"`+hashB+`","uri":"`+uri+`"}`))
		if !strings.Contains(got.body, "--allow-network") {
			t.Errorf("%s: %s", uri, got.body)
		}
		r.want(404, "GET", vulnerabilityReportPath+"/"+hashA, secret, "")
	}
	if r.scanner.reads() != 0 {
		t.Error("a layer was read")
	}
}

func TestIndexState(t *testing.T) {
	r := newRig(t, nil)
	r.vulnerable()
	secret := r.token("", "scan")
	got := r.want(200, "GET", indexStatePath, secret, "")
	state := decoded[struct{ State string }](t, got.body).State
	etag := got.header.Get("Etag")
	if state == "" || etag != `"`+state+`"` || got.header.Get("Content-Type") != "application/vnd.clair.index_state.v1+json" {
		t.Errorf("got %+v", got)
	}
	if got := r.want(304, "GET", indexStatePath, secret, "", "If-None-Match", etag); got.header.Get("Etag") != etag || got.body != "" {
		t.Errorf("got %+v", got)
	}
	r.want(200, "GET", indexStatePath, secret, "", "If-None-Match", state) // not quoted
	r.want(200, "GET", indexStatePath, secret, "", "If-None-Match", `"other"`)

	// Of a manifest: 412 to POST and 304 to GET, as in Clair.
	m := manifestText(hashA, r.layer("one", "1"))
	if got := r.want(412, "POST", indexReportPath, secret, m, "If-None-Match", etag); len(got.header.Values("Link")) != 2 || r.scanner.reads() != 0 {
		t.Errorf("got %+v", got)
	}
	// Clair answers 304 here. A client would take it for indexed.
	r.want(404, "GET", indexReportPath+"/"+hashA, secret, "", "If-None-Match", etag)
	if got := r.want(201, "POST", indexReportPath, secret, m, "If-None-Match", `"old"`); got.header.Get("Etag") != etag {
		t.Errorf("the etag is %q, not %q", got.header.Get("Etag"), etag)
	}
	r.want(304, "GET", indexReportPath+"/"+hashA, secret, "", "If-None-Match", etag)
	r.want(200, "GET", indexReportPath+"/"+hashA, secret, "", "If-None-Match", `"old"`)

	// A new version of the service may find more: the state differs, and images are read again.
	old := r.url
	r.url = r.serve(Config{
		Records: &image.Records{Files: r.store, Now: time.Now}, Scans: r.store, Scanner: r.scanner, Now: time.Now, Longest: time.Minute,
		Fetcher: &layersource.Fetcher{Network: network(t, layersource.Private()...)}, Version: "1.2.4",
	})
	if got := r.want(200, "GET", indexStatePath, secret, "", "If-None-Match", etag); got.header.Get("Etag") == etag {
		t.Error("the state of another version is the same")
	}
	if got := r.want(200, "GET", indexReportPath+"/"+hashA, secret, ""); got.header.Get("Etag") != etag {
		t.Errorf("the etag of a report of the old version is %q, not %q", got.header.Get("Etag"), etag)
	}
	before := r.scanner.reads()
	r.want(201, "POST", indexReportPath, secret, m)
	if r.scanner.reads() != before+1 {
		t.Error("the image was not read again")
	}
	r.url = old
	r.want(200, "GET", indexReportPath+"/"+hashA, secret, "", "If-None-Match", etag)
}

func TestDelete(t *testing.T) {
	r := newRig(t, nil)
	r.vulnerable()
	secret, other := r.token("shop", "scan"), r.token("blog", "scan", "read")
	index := func(hash string) {
		t.Helper()
		r.want(201, "POST", indexReportPath, secret, manifestText(hash, r.layer("one", "1")))
	}
	index(hashA)
	index(hashB)
	if got := r.want(200, "DELETE", indexReportPath, other, `["`+hashA+`"]`); got.body != "[]" {
		t.Errorf("another project deleted %s", got.body)
	}
	r.want(204, "DELETE", indexReportPath+"/"+hashA, other, "")
	r.want(200, "GET", indexReportPath+"/"+hashA, secret, "")
	r.want(204, "DELETE", indexReportPath+"/"+hashA, secret, "")
	r.want(204, "DELETE", indexReportPath+"/"+hashA, secret, "") // there is none
	r.want(404, "GET", indexReportPath+"/"+hashA, secret, "")
	r.want(404, "GET", vulnerabilityReportPath+"/"+hashA, secret, "")
	index(hashA)
	// As Clair's client sends it, and as clairctl does, without a content type.
	got := r.want(200, "DELETE", indexReportPath, secret, `["`+hashB+`","sha256:`+strings.Repeat("c", 64)+`","`+hashA+`"]`, "Content-Type", "application/json")
	if got.body != `["`+hashB+`","`+hashA+`"]` {
		t.Errorf("deleted %s", got.body)
	}
	if got := r.want(200, "DELETE", indexReportPath, secret, `["`+hashB+`"]`, "Accept", "application/vnd.clair.bulk_delete.v1+json"); got.body != "[]" || got.header.Get("Content-Type") != "application/vnd.clair.bulk_delete.v1+json" {
		t.Errorf("deleted %+v", got)
	}
}

// TestNotifier: Clair answers so for an id that has no notifications.
func TestNotifier(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token("", "scan")
	for path, want := range map[string]string{
		"":                                  `{"page":{"size":500},"notifications":[]}`,
		"?page_size=100":                    `{"page":{"size":100},"notifications":[]}`,
		"?page_size=0":                      `{"page":{"size":500},"notifications":[]}`,
		"?page_size=100&page=10":            `{"page":{"size":100},"notifications":[]}`, // Clair's own test
		"?next=" + someID + "&page_size=20": `{"page":{"size":20},"notifications":[]}`,
	} {
		got := r.want(200, "GET", notificationPath+"/"+someID+path, secret, "")
		if got.body != want || got.header.Get("Content-Type") != "application/vnd.clair.notification_page.v1+json" {
			t.Errorf("%q: %+v", path, got)
		}
	}
	if got := r.want(200, "DELETE", notificationPath+"/"+someID, secret, ""); got.body != "" {
		t.Errorf("got %q", got.body)
	}
}

// TestProjects: a token sees what tokens of its project have sent, if it may read that.
func TestProjects(t *testing.T) {
	r := newRig(t, nil)
	r.vulnerable()
	one, two := r.token("shop", "scan"), r.token("shop", "scan")
	reader, other, all := r.token("shop", "read"), r.token("blog", "scan", "read"), r.token("", "admin")
	m := manifestText(hashA, r.layer("one", "1"))
	r.want(201, "POST", indexReportPath, one, m)
	for secret, status := range map[string]int{one: 200, reader: 200, two: 404, other: 404, all: 404} {
		r.want(status, "GET", indexReportPath+"/"+hashA, secret, "")
		r.want(status, "GET", vulnerabilityReportPath+"/"+hashA, secret, "")
	}
	r.want(403, "POST", indexReportPath, reader, m)
	r.want(403, "DELETE", indexReportPath+"/"+hashA, reader, "")
	r.want(204, "DELETE", indexReportPath+"/"+hashA, two, "") // it does not see it
	r.want(200, "GET", indexReportPath+"/"+hashA, one, "")
	// It proves that it has the layers by sending them.
	r.want(201, "POST", indexReportPath, two, m)
	r.want(200, "GET", vulnerabilityReportPath+"/"+hashA, two, "")
	if r.scanner.reads() != 2 {
		t.Errorf("%d layers were read", r.scanner.reads())
	}
	for _, path := range []string{indexReportPath + "/" + hashA, indexStatePath, vulnerabilityReportPath + "/" + hashA, notificationPath + "/" + someID} {
		for _, secret := range []string{"", "assay_wrong", "a.b.c"} {
			if got := r.want(401, "GET", path, secret, ""); got.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: %v", path, got.header)
			}
		}
	}
}

// TestConcurrentIndex: of two requests for an image one reads it, and both get the report.
func TestConcurrentIndex(t *testing.T) {
	r := newRig(t, nil)
	r.vulnerable()
	secret := r.token("shop", "scan")
	wait := make(chan struct{})
	r.scanner.set(func(s *scanner) { s.wait = wait })
	m := manifestText(hashA, r.layer("one", "1"))
	answers := make(chan answer, 2)
	r.client = http.DefaultClient // the counter of validating is for one goroutine
	for range cap(answers) {
		go func() { answers <- r.do("POST", indexReportPath, secret, m) }()
	}
	for r.scanner.reads() == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	running := decoded[indexReport](t, r.want(200, "GET", indexReportPath+"/"+hashA, secret, "").body)
	if running.State != "ScanLayers" || running.Success || running.Err != "" {
		t.Errorf("while it is read: %+v", running)
	}
	if got := r.want(404, "GET", vulnerabilityReportPath+"/"+hashA, secret, ""); !strings.Contains(got.body, "it is being indexed") {
		t.Errorf("while it is read: %s", got.body)
	}
	time.Sleep(pollTime)
	close(wait)
	first, second := <-answers, <-answers
	if first.status != 201 || first.body != second.body || second.status != 201 || r.scanner.reads() != 1 {
		t.Errorf("%d layers were read for\n%+v\n%+v", r.scanner.reads(), first, second)
	}
}

// TestWaiting: only so many requests wait for the work of another one.
func TestWaiting(t *testing.T) {
	h := &handler{}
	h.waiting.Store(maxWaiting)
	err := h.wait(t.Context())
	if p, ok := errors.AsType[httpserver.Problem](err); !ok || p.Status != 429 || p.RetryAfter == 0 {
		t.Errorf("one too many: %v", err)
	}
	h.waiting.Store(maxWaiting - 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("its client has gone: %v", err)
	}
	if n := h.waiting.Load(); n != maxWaiting-1 {
		t.Errorf("%d wait", n)
	}
}

// TestGoneClient: the work of a client that closes the connection ends, and the image can be
// sent again.
func TestGoneClient(t *testing.T) {
	r := newRig(t, nil)
	r.vulnerable()
	secret := r.token("shop", "scan")
	r.scanner.set(func(s *scanner) { s.wait = make(chan struct{}) })
	m := manifestText(hashA, r.layer("one", "1"))
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", r.url+indexReportPath, strings.NewReader(m))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	done := make(chan error)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			err = errors.Join(errors.New("it was answered"), resp.Body.Close())
		}
		done <- err
	}()
	for r.scanner.reads() == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	r.scanner.set(func(s *scanner) { s.wait = nil })
	r.want(201, "POST", indexReportPath, secret, m)
	r.want(200, "GET", vulnerabilityReportPath+"/"+hashA, secret, "")
}

// TestNegotiation: the media type of an answer, as Clair's pickContentType chooses it.
func TestNegotiation(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token("", "scan")
	const own, plain = "application/vnd.clair.index_state.v1+json", "application/json"
	for accept, want := range map[string]string{
		"":                                own,
		"*/*":                             own, // python-requests, in Quay
		"application/*":                   own,
		"application/json":                plain,
		"text/html, application/json":     plain,
		"application/json;q=0.9, " + own:  own,
		own + ";q=0.1, application/json":  plain,
		"*/*;q=0.1, application/json;q=1": plain,
	} {
		var headers []string
		if accept != "" {
			headers = []string{"Accept", accept}
		}
		if got := r.want(200, "GET", indexStatePath, secret, "", headers...).header.Get("Content-Type"); got != want {
			t.Errorf("Accept %q: %q, want %q", accept, got, want)
		}
	}
	for _, accept := range []string{"text/html", "application/json;q=0", "image/*"} {
		r.want(415, "GET", indexStatePath, secret, "", "Accept", accept)
	}
	r.want(400, "GET", indexStatePath, secret, "", "Accept", strings.Repeat("a/b,", maxAccept)+"a/b")
}

// TestQuay replays what Quay sends (quay/quay, util/secscan/v4/api.py, of class
// ClairSecurityScannerAPI), and checks the fields that its schema demands
// (util/secscan/v4/clair-v4.openapi.json), some of which are optional in Clair's file.
func TestQuay(t *testing.T) {
	key := make([]byte, 32)
	r := newRig(t, func(c *Config) { c.PSK = &PSK{key: key, issuers: []string{"quay"}, project: "registry"} })
	r.vulnerable()
	jwt := signed(t, key, "HS256", map[string]any{"iss": "quay", "exp": time.Now().Add(5 * time.Minute).Unix()})
	headers := []string{"User-Agent", "python-requests/2.32.2", "Accept-Encoding", "gzip, deflate", "Accept", "*/*", "Connection", "keep-alive", "Content-Type", "application/json"}
	ask := func(status int, method, path, body string) answer {
		t.Helper()
		return r.want(status, method, path, jwt, body, headers...)
	}
	state := decoded[map[string]any](t, ask(200, "GET", "/indexer/api/v1/index_state", "").body)
	demanded(t, "State", state, "state")
	posted := ask(201, "POST", "/indexer/api/v1/index_report", manifestText(hashA, r.layer("one", "1"), r.layer("two", "2")))
	if got := strings.Trim(posted.header.Get("etag"), `"`); got == "" || got != state["state"] {
		t.Errorf("the etag is %q", got)
	}
	index := decoded[map[string]any](t, posted.body)
	demandedOfReport(t, index, "manifest_hash", "state", "packages", "distributions", "environments", "success", "err")
	if index["state"] != "IndexFinished" {
		t.Errorf("the state is %q", index["state"])
	}
	ask(200, "GET", "/indexer/api/v1/index_report/"+hashA, "")
	report := decoded[map[string]any](t, ask(200, "GET", "/matcher/api/v1/vulnerability_report/"+hashA, "").body)
	demandedOfReport(t, report, "manifest_hash", "packages", "distributions", "environments", "vulnerabilities", "package_vulnerabilities")
	for _, v := range report["vulnerabilities"].(map[string]any) {
		demanded(t, "Vulnerability", v, "id", "updater", "name", "description", "links", "severity", "normalized_severity", "fixed_in_version")
		demanded(t, "its package", v.(map[string]any)["package"], "id", "name", "version")
	}
	ask(200, "GET", "/notifier/api/v1/notification/"+someID, "")
	ask(200, "GET", "/notifier/api/v1/notification/"+someID+"?next="+someID, "")
	ask(200, "DELETE", "/notifier/api/v1/notification/"+someID, "")
	ask(204, "DELETE", "/indexer/api/v1/index_report/"+hashA, "")
	ask(404, "GET", "/indexer/api/v1/index_report/"+hashA, "")
	ask(404, "GET", "/matcher/api/v1/vulnerability_report/"+hashA, "")
}

func demanded(t *testing.T, what string, v any, fields ...string) {
	t.Helper()
	object, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("%s is %v", what, v)
	}
	for _, f := range fields {
		if object[f] == nil {
			t.Errorf("%s lacks %q: %v", what, f, object)
		}
	}
}

func demandedOfReport(t *testing.T, report map[string]any, fields ...string) {
	t.Helper()
	demanded(t, "the report", report, fields...)
	for _, p := range report["packages"].(map[string]any) {
		demanded(t, "Package", p, "id", "name", "version")
	}
	for _, d := range report["distributions"].(map[string]any) {
		demanded(t, "Distribution", d, "id", "did", "name", "version", "version_code_name", "version_id", "arch", "cpe", "pretty_name")
	}
	for _, list := range report["environments"].(map[string]any) {
		for _, e := range list.([]any) {
			demanded(t, "Environment", e, "package_db", "introduced_in", "distribution_id")
		}
	}
}

// TestClairctl replays what clairctl does for a report (quay/clair, cmd/clairctl/client.go): it
// asks for the index report first, sends the manifest without a content type, and remembers the
// etag by the path in the link.
func TestClairctl(t *testing.T) {
	r := newRig(t, nil)
	r.vulnerable()
	secret := r.token("", "scan")
	headers := []string{"User-Agent", "clairctl/v4.9.0", "Accept-Encoding", "gzip"}
	m := manifestText(hashA, r.layer("one", "1"))
	r.want(404, "GET", indexReportPath+"/"+hashA, secret, "", headers...)
	posted := r.want(201, "POST", indexReportPath, secret, m, headers...)
	index := decoded[indexReport](t, posted.body)
	if !index.Success && index.Err != "" {
		t.Errorf("clairctl stops with %q", index.Err)
	}
	path, _, _ := strings.Cut(strings.TrimPrefix(posted.header.Values("Link")[0], "<"), ">")
	r.want(304, "GET", path, secret, "", append(headers, "If-None-Match", posted.header.Get("Etag"))...)
	r.want(200, "GET", vulnerabilityReportPath+"/"+hashA, secret, "", headers...)
	if got := r.want(200, "DELETE", indexReportPath, secret, `["`+hashA+`"]`, headers...); got.body != `["`+hashA+`"]` {
		t.Errorf("deleted %s", got.body)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(manifestText(hashA, `{"hash":"`+hashB+`","uri":"https://a.example/x","headers":{"Authorization":["Bearer x"]}}`)))
	f.Add([]byte(`{"hash":1}`))
	f.Add([]byte(`{"layers":[null]}`))
	fetcher := &layersource.Fetcher{Network: &layersource.Network{}}
	f.Fuzz(func(t *testing.T, text []byte) {
		var m manifest
		if json.Unmarshal(text, &m) != nil || m.check() != nil {
			return
		}
		if checkDigest(m.Hash) != nil || len(m.urls()) != len(m.Layers) || len(m.layers()) == 0 {
			t.Errorf("accepted %q", text)
		}
		for _, u := range m.urls() {
			if !strings.HasPrefix(u.Digest, "sha256:") || len(u.Digest) != 71 || u.URL == "" {
				t.Errorf("accepted the layer %+v", u)
			}
		}
		_, _ = fetcher.URLs(m.Hash, m.urls()) // its errors are of the caller
	})
}
