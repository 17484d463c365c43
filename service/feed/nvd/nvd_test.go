package nvd

import (
	"archive/zip"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/service/advisory"
	"assay/service/feed"
	"assay/service/store"
	"assay/service/store/sqlite"
)

// genuine returns the genuine documents of the test data by path: pages of the API, and
// single CVEs of tools that split them.
func genuine(t testing.TB) map[string][]byte {
	docs := map[string][]byte{}
	archives, err := filepath.Glob(testkit.Path(t, "feeds", "nvd") + "/*.zip")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range archives {
		z, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		for _, f := range z.File {
			if !strings.HasSuffix(f.Name, ".json") || strings.HasSuffix(f.Name, "last_updated.json") {
				continue
			}
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			docs[filepath.Base(path)+"/"+f.Name] = b
		}
	}
	single, err := filepath.Glob(testkit.Path(t, "feeds", "nvd", "trivy-db") + "/vuln-list-nvd/api/*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range single {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		docs[path] = b
	}
	return docs
}

// genuineCVEs returns all genuine CVEs by path, with a number for those of one page.
func genuineCVEs(t testing.TB) map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	for path, b := range genuine(t) {
		var doc struct {
			page
			Item *struct{ CVE json.RawMessage } `json:"item"`
		}
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		switch {
		case doc.Total != nil && *doc.Total == 0: // the answer to a query without results
		case doc.Total != nil:
			p, err := parsePage(b, *doc.Start)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			for i, r := range p.Results {
				all[fmt.Sprint(path, "#", i)] = r.CVE
			}
		case doc.Item != nil:
			all[path] = doc.Item.CVE
		default:
			all[path] = b
		}
	}
	return all
}

// TestGenuine converts all genuine CVEs, and prints what they give.
func TestGenuine(t *testing.T) {
	got := map[string]int{}
	for path, b := range genuineCVEs(t) {
		a, err := convert(b)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		got["CVEs"]++
		if a.Withdrawn != nil {
			got["withdrawn"]++
		}
		var specific struct {
			Ratings []advisory.Rating `json:"ratings"`
			Left    map[string]int    `json:"not_converted"`
		}
		if err := json.Unmarshal(a.DatabaseSpecific, &specific); err != nil {
			t.Fatal(err)
		}
		for _, r := range specific.Ratings {
			got["rating "+r.By+" "+r.Type]++
		}
		for reason, n := range specific.Left {
			got["left out: "+reason] += n
		}
		for _, af := range a.Affected {
			got["entries "+af.Package.Ecosystem]++
			got["ranges "+af.Package.Ecosystem] += len(af.Ranges)
			got["versions "+af.Package.Ecosystem] += len(af.Versions)
		}
	}
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(got)) {
		lines = append(lines, fmt.Sprintf("%s: %d", what, got[what]))
	}
	text := strings.Join(lines, "\n")
	t.Log("\n" + text)
	want := `CVEs: 116
entries CPE: 97
entries WordPress: 2
left out: no version: the criteria have "-": 1
left out: only on other operating systems than Linux: 23
ranges CPE: 62
ranges WordPress: 2
rating cna CVSS_V2: 3
rating cna CVSS_V3: 65
rating cna CVSS_V4: 2
rating nvd CVSS_V2: 20
rating nvd CVSS_V3: 83
rating nvd CVSS_V4: 1
versions CPE: 88
versions WordPress: 0
withdrawn: 1`
	if text != want {
		t.Errorf("want\n%s", want)
	}
}

// An api is a server in the form of NVD's.
type api struct {
	t       testing.TB
	mu      sync.Mutex
	cves    []json.RawMessage                       // in the order of the API
	perPage int                                     // the most results of a page
	key     string                                  // the valid key, if a request has one
	before  func(n int, w http.ResponseWriter) bool // is called before the answer to the nth request, and may answer it
	asked   []string
}

// newAPI has the genuine CVEs, in the newest form of each.
func newAPI(t testing.TB) *api {
	byID := map[string]advisory.Advisory{}
	raw := map[string]json.RawMessage{}
	for _, b := range genuineCVEs(t) {
		a, err := convert(b)
		if err != nil {
			t.Fatal(err)
		}
		if old, ok := byID[a.ID]; !ok || a.Modified.After(old.Modified) {
			byID[a.ID], raw[a.ID] = a, b
		}
	}
	d := &api{t: t, perPage: 20}
	for _, id := range slices.Sorted(maps.Keys(raw)) {
		d.cves = append(d.cves, raw[id])
	}
	return d
}

func (d *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, r.URL.RawQuery)
	if d.before != nil && d.before(len(d.asked), w) {
		return
	}
	q := r.URL.Query()
	if key := r.Header.Get("apiKey"); r.URL.Path != "/cves/2.0" || key != d.key {
		w.Header().Set("message", "Invalid apiKey.")
		http.NotFound(w, r)
		return
	}
	start, err := strconv.Atoi(q.Get("startIndex"))
	size, err2 := strconv.Atoi(q.Get("resultsPerPage"))
	if err != nil || err2 != nil || size > 2000 {
		http.NotFound(w, r)
		return
	}
	matching := d.cves
	if from := q.Get("lastModStartDate"); from != "" {
		begin, err := time.Parse("2006-01-02T15:04:05.000-07:00", from)
		end, err2 := time.Parse("2006-01-02T15:04:05.000-07:00", q.Get("lastModEndDate"))
		if err != nil || err2 != nil || end.Sub(begin) > 120*24*time.Hour || end.Before(begin) {
			http.NotFound(w, r) // so does NVD
			return
		}
		matching = nil
		for _, b := range d.cves {
			if a, err := convert(b); err == nil && !a.Modified.Before(begin) && !a.Modified.After(end) {
				matching = append(matching, b)
			}
		}
	}
	size = min(size, d.perPage)
	results := []any{}
	for _, b := range matching[min(start, len(matching)):min(start+size, len(matching))] {
		results = append(results, map[string]any{"cve": b})
	}
	answer := map[string]any{"resultsPerPage": len(results), "startIndex": start, "totalResults": len(matching), "format": "NVD_CVE",
		"version": "2.0", "timestamp": "2026-11-29T12:00:00.000", "vulnerabilities": results}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		d.t.Error(err)
	}
}

// touch gives a CVE a new time.
func (d *api) touch(i int, at time.Time) {
	var c map[string]any
	if err := json.Unmarshal(d.cves[i], &c); err != nil {
		d.t.Fatal(err)
	}
	c["lastModified"] = at.Format("2006-01-02T15:04:05.000")
	b, err := json.Marshal(c)
	if err != nil {
		d.t.Fatal(err)
	}
	d.cves[i] = b
}

type fixture struct {
	t    testing.TB
	api  *api
	st   *sqlite.Store
	url  string
	dir  string
	key  string
	last feed.Outcome
	now  time.Time
}

func newFixture(t testing.TB) *fixture {
	f := &fixture{t: t, api: newAPI(t), dir: t.TempDir(), now: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)}
	srv := httptest.NewServer(f.api)
	t.Cleanup(srv.Close)
	f.url = srv.URL
	st, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	f.st = st
	return f
}

// update updates once, an hour after the last time. The rate of requests is not limited.
func (f *fixture) update() error {
	f.t.Helper()
	config := feed.DefaultConfig()
	config.Attempts, config.MinWait, config.MaxWait = 2, time.Millisecond, 2*time.Millisecond
	if f.key != "" {
		config.Authorize = func(h http.Header) { Source().Authorize(h, f.key) }
	}
	m, err := feed.Open(f.url, config)
	if err != nil {
		f.t.Fatal(err)
	}
	f.api.asked = nil
	f.now = f.now.Add(time.Hour)
	source := Source()
	source.Feed = func(s feed.Setup, _ string) (feed.Feed, error) { return database{s}, nil }
	u := feed.Updater{
		Plans: []feed.Plan{{Source: source, Setup: feed.Setup{Mirror: m, Dir: f.dir, HasKey: f.key != ""}, Named: true}},
		Store: f.st, Now: func() time.Time { return f.now },
	}
	var failed error
	if err := u.Update(f.t.Context(), feed.Events{Done: func(_ store.Origin, o feed.Outcome, err error) { f.last, failed = o, err }}); err != nil && failed == nil {
		f.t.Fatal(err)
	}
	return failed
}

func (f *fixture) held() int {
	head, err := f.st.Head(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return head.Records
}

func (f *fixture) asked(want ...string) {
	f.t.Helper()
	if !slices.Equal(f.api.asked, want) {
		f.t.Errorf("requests\n%s\nwant\n%s", strings.Join(f.api.asked, "\n"), strings.Join(want, "\n"))
	}
}

// pagesOf returns the queries of all pages.
func (f *fixture) pagesOf(query string) []string {
	var all []string
	for start := 0; start < len(f.api.cves); start += f.api.perPage {
		all = append(all, fmt.Sprintf("resultsPerPage=2000&startIndex=%d%s", start, query))
	}
	return all
}

// The first update reads all pages, and later ones what was modified since.
func TestUpdate(t *testing.T) {
	f := newFixture(t)
	n := len(f.api.cves)
	if err := f.update(); err != nil || f.last.Added != n || f.last.Rejected != 0 || !f.last.Whole {
		t.Fatalf("first: %+v, %v, want %d", f.last, err, n)
	}
	f.asked(f.pagesOf("")...)
	f.api.touch(3, f.now.Add(time.Minute))
	f.api.touch(4, f.now.Add(-time.Hour)) // it appeared late
	f.api.touch(5, f.now.Add(-3*time.Hour))
	if err := f.update(); err != nil || f.last.Changed != 2 || f.last.Whole {
		t.Fatalf("changes: %+v, %v", f.last, err)
	}
	f.asked("resultsPerPage=2000&startIndex=0&lastModStartDate=2026-11-29T11:00:00.000%2B00:00&lastModEndDate=2026-11-29T14:00:00.000%2B00:00")
	if left, err := os.ReadDir(f.dir); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
	// After a long time the changes are asked for in spans.
	f.now = f.now.AddDate(0, 0, 300)
	f.api.touch(6, f.now.AddDate(0, 0, -200))
	f.api.touch(7, f.now)
	if err := f.update(); err != nil || f.last.Changed != 2 || len(f.api.asked) != 3 {
		t.Fatalf("after 300 days: %+v, %v, requests %q", f.last, err, f.api.asked)
	}
	if f.held() != n {
		t.Errorf("%d records, want %d", f.held(), n)
	}
}

// An interrupted update continues with the next page.
func TestResume(t *testing.T) {
	f := newFixture(t)
	f.api.before = func(n int, w http.ResponseWriter) bool {
		if n > 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return n > 2
	}
	if err := f.update(); err == nil || f.held() != 0 {
		t.Fatalf("interrupted: %+v, %d records", f.last, f.held())
	}
	f.api.before = nil
	f.api.touch(0, f.now) // on a page that was read
	if err := f.update(); err != nil || f.last.Added != len(f.api.cves) || f.last.Changed != 1 {
		t.Fatalf("continued: %+v, %v", f.last, err)
	}
	// The last request is for what was modified since the first page was read.
	if want := f.pagesOf("")[2:]; len(f.api.asked) != len(want)+1 || !slices.Equal(f.api.asked[:len(want)], want) {
		t.Errorf("requests %q, want %q and one more", f.api.asked, want)
	}
}

// The list may change while its pages are read.
func TestChangingTotal(t *testing.T) {
	t.Run("longer", func(t *testing.T) {
		f := newFixture(t)
		all := f.api.cves
		f.api.cves = all[:len(all)-5]
		f.api.before = func(n int, _ http.ResponseWriter) bool {
			if n == 3 {
				f.api.cves = all
			}
			return false
		}
		if err := f.update(); err != nil || f.last.Added != len(all) {
			t.Fatalf("%+v, %v, want %d", f.last, err, len(all))
		}
	})
	t.Run("shorter", func(t *testing.T) {
		f := newFixture(t)
		f.api.before = func(n int, _ http.ResponseWriter) bool {
			if n == 3 {
				f.api.cves = f.api.cves[1:]
			}
			return false
		}
		if err := f.update(); err != nil || f.last.Added != len(f.api.cves) || len(f.api.asked) != 3+len(f.pagesOf("")) {
			t.Fatalf("%+v, %v, %d requests", f.last, err, len(f.api.asked))
		}
	})
	t.Run("always shorter", func(t *testing.T) {
		f := newFixture(t)
		f.api.before = func(int, http.ResponseWriter) bool { f.api.cves = f.api.cves[1:]; return false }
		if err := f.update(); err == nil || !strings.Contains(err.Error(), "has become shorter") {
			t.Fatalf("%+v, %v", f.last, err)
		}
	})
	t.Run("moved", func(t *testing.T) {
		f := newFixture(t)
		all := f.api.cves
		f.api.before = func(n int, _ http.ResponseWriter) bool {
			if n == 3 { // one is removed and another one added: a third moves to a page before
				f.api.cves = slices.Concat(all[1:], all[:1])
			}
			return false
		}
		if err := f.update(); err == nil || !strings.Contains(err.Error(), "has changed while it was read") || f.held() != 0 {
			t.Fatalf("%+v, %v", f.last, err)
		}
		f.api.before = nil
		if err := f.update(); err != nil || f.last.Added != len(all) {
			t.Fatalf("again: %+v, %v", f.last, err)
		}
	})
}

// A key is sent in the header of NVD. One that is not valid is answered with 404.
func TestKey(t *testing.T) {
	f := newFixture(t)
	f.api.key, f.key = "valid", "other"
	err := f.update()
	if err == nil || !strings.Contains(fmt.Sprintf("%+v", err), "404") || strings.Contains(err.Error(), "other") {
		t.Fatalf("%v", err)
	}
	f.key = "valid"
	if err := f.update(); err != nil {
		t.Fatal(err)
	}
}

// After a broken answer the earlier data is still there, and the next update succeeds.
func TestBroken(t *testing.T) {
	f := newFixture(t)
	if err := f.update(); err != nil {
		t.Fatal(err)
	}
	n := f.held()
	page := func(cve string) string {
		return `{"format":"NVD_CVE","version":"2.0","startIndex":0,"totalResults":1,"vulnerabilities":[` + cve + `]}`
	}
	for name, body := range map[string]string{
		"empty": "", "a page for people": "<html>", "truncated": page(`{"cve":{"id":`)[:90], "null": "null",
		"of another API":  `{"format":"NVD_CPE","version":"2.0","startIndex":0,"totalResults":0}`,
		"another version": `{"format":"NVD_CVE","version":"3.0","startIndex":0,"totalResults":0}`,
		"without place":   `{"format":"NVD_CVE","version":"2.0"}`,
		"another place":   `{"format":"NVD_CVE","version":"2.0","startIndex":2000,"totalResults":4000}`,
		"no results":      page(""),
		"wrong types":     `{"format":"NVD_CVE","version":"2.0","startIndex":"0","totalResults":1,"vulnerabilities":{}}`,
	} {
		f.api.before = func(_ int, w http.ResponseWriter) bool { fmt.Fprint(w, body); return true }
		if err := f.update(); err == nil || f.held() != n {
			t.Errorf("%s: %+v, %d records", name, f.last, f.held())
		}
	}
	// One bad CVE is rejected and named.
	f.api.before = func(_ int, w http.ResponseWriter) bool { fmt.Fprint(w, page(`{"cve":{"id":"x"}}`)); return true }
	if err := f.update(); err != nil || f.last.Rejected != 1 || !strings.Contains(fmt.Sprint(f.last.Rejections), `invalid CVE ID "x"`) {
		t.Errorf("a bad CVE: %+v, %v", f.last, err)
	}
	f.api.before = nil
	if err := f.update(); err != nil || f.held() != n {
		t.Errorf("after all: %v, %d records", err, f.held())
	}
}

// The files of NVD's earlier format, 1.1, are not pages of the API.
func TestEarlierFormat(t *testing.T) {
	f, err := os.Open(testkit.Path(t, "feeds", "nvd", "osv.dev-1.1-nvdcve-1.1-test-data.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parsePage(b, 0); err == nil || !strings.Contains(err.Error(), "not a page of NVD") {
		t.Errorf("%v", err)
	}
}

// Damaged pages on the disk are read again from the server.
func TestDamagedPages(t *testing.T) {
	f := newFixture(t)
	f.api.before = func(n int, w http.ResponseWriter) bool {
		if n > 3 {
			w.WriteHeader(http.StatusBadRequest)
		}
		return n > 3
	}
	if err := f.update(); err == nil {
		t.Fatal("not interrupted")
	}
	file := filepath.Join(f.dir, "pages", "00001.json.gz")
	if err := os.Truncate(file, 100); err != nil {
		t.Fatal(err)
	}
	f.api.before = nil
	if err := f.update(); err == nil || f.held() != 0 {
		t.Fatalf("damaged: %+v, %d records", f.last, f.held())
	}
	if err := f.update(); err != nil || f.last.Added != len(f.api.cves) {
		t.Fatalf("again: %+v, %v", f.last, err)
	}
}

// The ratings are those of the CNA, of CISA, of NVD and of others, whatever NVD calls
// primary. A rejected CVE has none.
func TestConvert(t *testing.T) {
	const v31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
	metric := func(source, typ string) string {
		return `{"source":"` + source + `","type":"` + typ + `","cvssData":{"vectorString":"` + v31 + `","baseScore":9.8}}`
	}
	doc := func(status string) string {
		return `{"id":"CVE-2024-1234","sourceIdentifier":"a@cna","lastModified":"2024-01-02T03:04:05.678","vulnStatus":"` + status + `",` +
			`"cveTags":[{"sourceIdentifier":"a@cna","tags":["disputed"]}],` +
			`"metrics":{"cvssMetricV31":[` + metric("nvd@nist.gov", "Primary") + "," + metric("b@other", "Secondary") + "," + metric(cisaSource, "Secondary") + "," +
			metric("a@cna", "Primary") + `],"ssvcV203":[{"source":"x"}]},"configurations":[{"nodes":[{"operator":"OR","negate":false,"cpeMatch":[` +
			`{"vulnerable":true,"criteria":"cpe:2.3:a:gnu:bash:*:*:*:*:*:*:*:*","versionEndExcluding":"5.2","matchCriteriaId":"x"}]}]}]}`
	}
	for status, want := range map[string]string{
		"Analyzed": "cna a@cna, cisa-adp , nvd , other b@other; gnu:bash", "Deferred": "cna a@cna, cisa-adp , nvd , other b@other; gnu:bash", "Rejected": "; ",
	} {
		a, err := convert([]byte(doc(status)))
		if err != nil {
			t.Fatal(err)
		}
		var specific struct {
			Ratings  []advisory.Rating
			Disputed bool
			Status   string
		}
		if err := json.Unmarshal(a.DatabaseSpecific, &specific); err != nil {
			t.Fatal(err)
		}
		var by, names []string
		for _, r := range specific.Ratings {
			by = append(by, r.By+" "+r.Org)
		}
		for _, af := range a.Affected {
			names = append(names, af.Package.Name)
		}
		got := strings.Join(by, ", ") + "; " + strings.Join(names, ", ")
		if got != want || (a.Withdrawn != nil) != (status == "Rejected") || specific.Status != status || specific.Disputed != (status != "Rejected") {
			t.Errorf("%s: %s, %+v", status, got, a)
		}
	}
}

func FuzzPage(f *testing.F) {
	for _, b := range genuine(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePage(b, 0)
		if err != nil {
			return
		}
		for _, r := range p.Results {
			a, err := convert(r.CVE)
			if err != nil {
				continue
			}
			body, err := json.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := advisory.Parse(body); err != nil {
				t.Fatalf("%v\n%s", err, body)
			}
			for _, af := range a.Affected {
				if len(af.Ranges)+len(af.Versions) == 0 || af.Package.Name == "" {
					t.Fatalf("entry %+v", af)
				}
			}
		}
	})
}
