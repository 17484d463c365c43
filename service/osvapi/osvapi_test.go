package osvapi_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"assay/check/testkit"
	"assay/remote/token"
	"assay/service/advisory/load"
	"assay/service/httpserver"
	"assay/service/osvapi"
	"assay/service/policy"
	"assay/service/scan"
	"assay/service/snapshot"
	"assay/service/store"
	"assay/service/store/sqlite"
	"assay/verdict"
)

var today = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// A rig is a service with the API.
type rig struct {
	t      testing.TB
	store  store.Store
	index  *snapshot.DB
	server http.Handler
	secret string
	log    *bytes.Buffer
}

// newRig returns a service with records, by source.
func newRig(t testing.TB, records map[string][]string, change func(*osvapi.Config, *httpserver.Config)) *rig {
	t.Helper()
	st, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	index, err := snapshot.Open(filepath.Join(t.TempDir(), "snapshot.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := index.Close(); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &rig{t: t, store: st, index: index, log: &bytes.Buffer{}}
	for source, bodies := range records {
		r.load(source, func(yield func(store.Record, error) bool) {
			for _, body := range bodies {
				if !yield(load.Record([]byte(body))) {
					return
				}
			}
		})
	}
	log := slog.New(slog.NewTextHandler(r.log, nil))
	c := osvapi.Config{
		Records: st,
		View:    func() (osvapi.View, error) { return index.View() },
		Now:     func() time.Time { return today },
		Log:     log,
	}
	s := httpserver.Config{Tokens: st, Now: c.Now, Log: log}
	if change != nil {
		change(&c, &s)
	}
	server := httpserver.New(s)
	osvapi.Handle(server, c)
	r.server = server
	if r.secret, err = token.New(rand.Reader); err != nil {
		t.Fatal(err)
	}
	made := store.Token{ID: "t1", Name: "test", Scopes: []string{httpserver.ScopeScan}, Created: today}
	if err := st.CreateToken(context.Background(), made, token.Hash(r.secret), store.Event{}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) load(source string, records iter.Seq2[store.Record, error]) {
	r.t.Helper()
	im := store.Import{Origin: store.Origin{Source: source}, At: today, Whole: true}
	if n, err := r.store.Import(context.Background(), im, records); err != nil || n.Rejected > 0 {
		r.t.Fatalf("%+v, %v", n, err)
	}
	if _, err := r.index.CatchUp(context.Background(), r.store); err != nil {
		r.t.Fatal(err)
	}
}

// do sends a request with the token.
func (r *rig) do(method, path, body string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+r.secret)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Del(header[i])
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	rec := httptest.NewRecorder()
	r.server.ServeHTTP(rec, req)
	return rec
}

// A list is a VulnerabilityList of the API.
type list struct {
	Vulns []struct {
		ID       string
		Modified string
		Summary  string
	}
	NextPageToken string `json:"next_page_token"`
}

func (l list) ids() []string {
	ids := []string{}
	for _, v := range l.Vulns {
		ids = append(ids, v.ID)
	}
	return ids
}

// query sends a query and returns the answer, which must be 200.
func (r *rig) query(body string) (l list) {
	r.t.Helper()
	r.ok(r.do("POST", "/v1/query", body), "v1VulnerabilityList", &l)
	return l
}

// ok decodes an answer, which must be 200 and match its schema.
func (r *rig) ok(rec *httptest.ResponseRecorder, schema string, to any) {
	r.t.Helper()
	if rec.Code != http.StatusOK {
		r.t.Fatalf("%d: %s", rec.Code, rec.Body)
	}
	validate(r.t, schema, rec.Body.Bytes())
	if err := json.Unmarshal(rec.Body.Bytes(), to); err != nil {
		r.t.Fatal(err)
	}
}

// validate checks an answer with a definition of the published description of the API. A
// field that it does not have is an error too: the client of osv-scanner refuses it.
func validate(t testing.TB, definition string, answer []byte) {
	t.Helper()
	text, err := os.ReadFile(testkit.Path(t, "schemas", "osv-service-v1.swagger.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range doc.(map[string]any)["definitions"].(map[string]any) {
		if d := d.(map[string]any); d["properties"] != nil && d["additionalProperties"] == nil {
			d["additionalProperties"] = false
		}
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.AssertFormat()
	if err := c.AddResource("https://osv.example.com/api.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("https://osv.example.com/api.json#/definitions/" + definition)
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

// recordOf returns a record about versions of a package below a fix.
func recordOf(id, ecosystem, name, fix string) string {
	return fmt.Sprintf(`{"schema_version":"1.7.0","id":%q,"modified":"2024-01-02T03:04:05.060Z","summary":"about %s","affected":[{"package":{"ecosystem":%q,"name":%q},
		"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":%q}]}]}]}`, id, name, ecosystem, name, fix)
}

// genuine returns records of the public data by their files.
func genuine(t testing.TB, folder string, ids ...string) (bodies []string) {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, "osv", folder, "all.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, id := range ids {
		f, err := z.Open(id + ".json")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(b))
	}
	return bodies
}

// TestErrors has the errors of api.osv.dev, by the tests of its server, and those of queries
// that this service does not answer.
func TestErrors(t *testing.T) {
	r := newRig(t, map[string][]string{"osv": {recordOf("PYSEC-1", "PyPI", "jinja2", "3.0"), recordOf("DEBIAN-CVE-2024-1", "Debian:12", "curl", "8.0")}}, nil)
	for _, tt := range []struct {
		query   string
		code    int
		message string
	}{
		{`{}`, 3, "invalid query"},
		{`{"version":"1"}`, 3, "invalid query"},
		{`{"package":{}}`, 3, "invalid query"},
		{`{"package":{"name":"jinja2"}}`, 3, "invalid query"},
		{`{"package":{"ecosystem":"PyPI"},"version":"1"}`, 3, "invalid query"},
		{`{"commit":""}`, 3, "invalid hash"},
		{`{"commit":"not-a-valid-hex"}`, 3, "invalid hash"},
		{`{"package":{"name":"jinja2","ecosystem":"pypi"},"version":"1"}`, 3, "invalid ecosystem"},
		{`{"package":{"name":"jinja2","ecosystem":"CPE"},"version":"1"}`, 3, "invalid ecosystem"},
		{`{"package":{"purl":"pkg:pypi/jinja2@1"},"version":"1"}`, 3, "version specified in params and PURL query"},
		{`{"package":{"purl":"pkg:pypi/jinja2@1","name":"jinja2"}}`, 3, "name specified in a PURL query"},
		{`{"package":{"purl":"pkg:pypi/jinja2@1","ecosystem":"PyPI"}}`, 3, "ecosystem specified in a PURL query"},
		{`{"package":{"name":"jinja2","ecosystem":"PyPI"},"page_token":"%"}`, 3, "invalid cursor"},
		{`{"package":{"name":"jinja2","ecosystem":"PyPI"},"verison":"1"}`, 3, `invalid JSON: json: unknown field "verison"`},
		{`{"commit":"aa","version":"1"}`, 3, "commit and version are both set"},
		{`[]`, 3, "invalid JSON: json: cannot unmarshal array into Go value of type osvapi.query"},

		{`{"commit":"6879efc2c1596d11a6a6ad296f80063b558d5e0f"}`, 9, "queries by commit are not supported by this service"},
		{`{"package":{"name":"https://github.com/curl/curl.git","ecosystem":"GIT"},"version":"8.5.0"}`, 9, "queries of the ecosystem GIT are not supported by this service"},
		{`{"package":{"name":"jinja2"},"version":"1"}`, 9, "queries without an ecosystem are not supported by this service"},
		{`{"package":{"name":"react","ecosystem":"npm"},"version":"1"}`, 9, "this service has no advisories for npm"},
		{`{"package":{"name":"curl","ecosystem":"Debian:13"},"version":"1"}`, 9, "this service has no advisories for Debian:13"},
		{`{"package":{"purl":"pkg:npm/react@1"}}`, 9, "this service has no advisories for npm"},
		{`{"package":{"purl":"pkg:deb/debian/curl@1?distro=trixie"}}`, 9, "this service has no advisories for Debian:13"},
		{`{"package":{"purl":"pkg:generic/curl@1"}}`, 9, "this service has no advisories for OSS-Fuzz"},
		// api.osv.dev answers as if there were no vulnerabilities.
		{`{"package":{"purl":"pkg:docker/nginx@1"}}`, 3, `unknown PURL type: "docker"`},
		{`{"package":{"purl":"pkg:deb/raspbian/curl@1"}}`, 3, `unknown PURL type: "deb/raspbian"`},
	} {
		check := func(path, body, message string) {
			t.Helper()
			rec := r.do("POST", path, body)
			want := fmt.Sprintf(`{"code":%d,"message":%s}`, tt.code, quoted(message))
			if rec.Code != http.StatusBadRequest || rec.Body.String() != want {
				t.Errorf("%s %s\n got %d %s\nwant 400 %s", path, body, rec.Code, rec.Body, want)
			}
			validate(t, "rpcStatus", rec.Body.Bytes())
		}
		check("/v1/query", tt.query, tt.message)
		if strings.Contains(tt.message, "invalid JSON") {
			continue
		}
		name := map[int]string{3: "InvalidArgument", 9: "FailedPrecondition"}[tt.code]
		// One such query fails the whole batch, so that no package seems to be clean.
		check("/v1/querybatch", `{"queries":[{"package":{"name":"jinja2","ecosystem":"PyPI"},"version":"2"},`+tt.query+`]}`,
			"error in query at index 1: rpc error: code = "+name+" desc = "+tt.message)
	}
	rec := r.do("POST", "/v1/query", `{"package":{"purl":"invalid-purl"}}`)
	if rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), `"code":3`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	many := `{"queries":[` + strings.Repeat(`{"package":{"name":"jinja2","ecosystem":"PyPI"}},`, 1000) + `null]}`
	if rec := r.do("POST", "/v1/querybatch", many); rec.Body.String() != `{"code":3,"message":"too many queries"}` {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := r.do("POST", "/v1/querybatch", `{"queries":[null]}`); !strings.HasSuffix(rec.Body.String(), `no query provided"}`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := r.do("POST", "/v1/query", strings.Repeat(" ", 5<<20)); rec.Code != http.StatusRequestEntityTooLarge || !strings.Contains(rec.Body.String(), `"code":8`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// TestQueries sends the forms of queries.
func TestQueries(t *testing.T) {
	r := newRig(t, map[string][]string{"osv": {
		recordOf("GHSA-1", "PyPI", "Jinja2", "3.1.4"),
		recordOf("GHSA-2", "PyPI", "jinja2", "2.4"),
		recordOf("GHSA-3", "npm", "@babel/core", "2.0.0"),
		recordOf("GHSA-4", "Maven", "org.apache:lang", "2.0"),
		recordOf("GHSA-5", "Packagist:https://packages.drupal.org/8", "drupal/box", "2.0"),
		recordOf("GHSA-6", "Packagist", "drupal/core", "2.0"),
		recordOf("GO-1", "Go", "github.com/Gorilla/mux/v2", "2.0.1"),
		recordOf("GO-2", "Go", "stdlib", "1.22.2"),
		recordOf("DEBIAN-CVE-2024-1", "Debian:11", "curl", "7.0-2"),
		recordOf("DEBIAN-CVE-2024-2", "Debian:12", "curl", "8.0-2"),
		recordOf("UBUNTU-CVE-2024-1", "Ubuntu:22.04:LTS", "curl", "8.0-2"),
		recordOf("UBUNTU-CVE-2024-2", "Ubuntu:Pro:22.04:LTS", "curl", "8.0-2"),
		recordOf("UBUNTU-CVE-2024-3", "Ubuntu:24.04:LTS", "curl", "8.0-2"),
		recordOf("ALPINE-CVE-2024-1", "Alpine:v3.19", "openssl", "3.1.2-r0"),
		recordOf("RLSA-2024:1", "Rocky Linux:9", "openssl", "1:3.0.7-2"),
		recordOf("ROOT-1", "Root:PyPI", "jq", "2"),
		recordOf("GHSA-7", "PyPI", "jq", "2"),
		recordOf("SECURITY-1", "Jenkins", "plugin/git", "2"),
		recordOf("OSV-1", "OSS-Fuzz", "mruby", "2.0.0"),
	}}, nil)
	for _, tt := range []struct{ query, want string }{
		{`{"package":{"name":"jinja2","ecosystem":"PyPI"},"version":"3.1.3"}`, "GHSA-1"},
		{`{"package":{"name":"JINJA2","ecosystem":"PyPI"},"version":"2.3"}`, "GHSA-1 GHSA-2"},
		{`{"package":{"name":"jinja2","ecosystem":"PyPI"},"version":"3.1.4"}`, ""},
		{`{"package":{"name":"jinja2","ecosystem":"PyPI"}}`, "GHSA-1 GHSA-2"},
		{`{"package":{"name":"jinja2","ecosystem":"PyPI"},"version":""}`, "GHSA-1 GHSA-2"},
		{`{"package":{"name":"nothing","ecosystem":"PyPI"},"version":"1"}`, ""},
		// What cannot be compared is not clean.
		{`{"package":{"name":"jinja2","ecosystem":"PyPI"},"version":"no version"}`, "GHSA-1 GHSA-2"},
		{`{"package":{"name":"mruby","ecosystem":"OSS-Fuzz"},"version":"3"}`, "OSV-1"},
		{`{"package":{"purl":"pkg:pypi/jinja2@3.1.3"}}`, "GHSA-1"},
		{`{"package":{"purl":"pkg:pypi/jinja2"},"version":"3.1.3"}`, "GHSA-1"},
		{`{"package":{"purl":"pkg:pypi/jinja2"}}`, "GHSA-1 GHSA-2"},
		{`{"package":{"purl":"pkg:npm/%40babel/core@1.2.3"}}`, "GHSA-3"},
		{`{"package":{"purl":"pkg:maven/org.apache/lang@1.2"}}`, "GHSA-4"},
		{`{"package":{"purl":"pkg:gradle/org.apache/lang@1.2"}}`, "GHSA-4"},
		{`{"package":{"purl":"pkg:composer/drupal/box@1.2"}}`, "GHSA-5"},
		{`{"package":{"purl":"pkg:composer/drupal/box@1.2?repository_url=https:%2F%2Fpackages.drupal.org%2F8"}}`, "GHSA-5"},
		{`{"package":{"name":"drupal/core","ecosystem":"Packagist:https://packages.drupal.org/8"},"version":"1"}`, ""},
		{`{"package":{"name":"drupal/core","ecosystem":"Packagist"},"version":"1"}`, "GHSA-6"},
		{`{"package":{"name":"jq","ecosystem":"Root:PyPI"},"version":"1"}`, "ROOT-1"},
		{`{"package":{"name":"org.jenkins-ci.plugins:git","ecosystem":"Maven"},"version":"1"}`, "SECURITY-1"}, // as a scan looks it up
		{`{"package":{"purl":"pkg:golang/github.com/gorilla/mux/v2@v2.0.0"}}`, "GO-1"},
		{`{"package":{"purl":"pkg:golang/github.com/gorilla/mux@v2.0.0#v2"}}`, "GO-1"},
		{`{"package":{"name":"stdlib","ecosystem":"Go"},"version":"go1.22"}`, "GO-2"},
		{`{"package":{"name":"curl","ecosystem":"Debian:12"},"version":"7.0-1"}`, "DEBIAN-CVE-2024-2"},
		{`{"package":{"name":"curl","ecosystem":"Debian"},"version":"7.0-1"}`, "DEBIAN-CVE-2024-1 DEBIAN-CVE-2024-2"},
		{`{"package":{"purl":"pkg:deb/debian/curl@7.0-1?arch=source"}}`, "DEBIAN-CVE-2024-1 DEBIAN-CVE-2024-2"},
		{`{"package":{"purl":"pkg:deb/debian/curl@7.0-1?arch=source&distro=Bullseye"}}`, "DEBIAN-CVE-2024-1"},
		{`{"package":{"purl":"pkg:deb/debian/curl@7.0-1?distro=11"}}`, "DEBIAN-CVE-2024-1"},
		{`{"package":{"purl":"pkg:deb/debian/libcurl4@7.0-1?distro=debian-11&upstream=curl"}}`, "DEBIAN-CVE-2024-1"},
		{`{"package":{"purl":"pkg:deb/debian/libcurl4@1:9?distro=debian-11&upstream=curl%407.0-1"}}`, "DEBIAN-CVE-2024-1"},
		{`{"package":{"name":"curl","ecosystem":"Ubuntu:22.04"},"version":"7.0-1"}`, "UBUNTU-CVE-2024-1 UBUNTU-CVE-2024-2"},
		{`{"package":{"name":"curl","ecosystem":"Ubuntu:22.04:LTS"},"version":"7.0-1"}`, "UBUNTU-CVE-2024-1"},
		{`{"package":{"name":"curl","ecosystem":"Ubuntu"},"version":"7.0-1"}`, "UBUNTU-CVE-2024-1 UBUNTU-CVE-2024-2 UBUNTU-CVE-2024-3"},
		{`{"package":{"purl":"pkg:apk/alpine/openssl@3.1.1-r0?arch=x86_64&distro=alpine-3.19.1"}}`, "ALPINE-CVE-2024-1"},
		{`{"package":{"purl":"pkg:rpm/rocky-linux/openssl@3.0.7-1?epoch=1"}}`, "RLSA-2024:1"},
		{`{"package":{"purl":"pkg:rpm/rocky/openssl@3.0.7-1?epoch=1&distro=rocky-9.3"}}`, "RLSA-2024:1"},
	} {
		if got := strings.Join(r.query(tt.query).ids(), " "); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.query, got, tt.want)
		}
		var b struct{ Results []list }
		r.ok(r.do("POST", "/v1/querybatch", `{"queries":[`+tt.query+`]}`), "v1BatchVulnerabilityList", &b)
		if got := strings.Join(b.Results[0].ids(), " "); got != tt.want {
			t.Errorf("batch of %s\n got %s\nwant %s", tt.query, got, tt.want)
		}
	}
	const query = `{"package":{"name":"nothing","ecosystem":"PyPI"},"version":"1"}`
	for body, want := range map[string]string{
		`{"queries":[]}`: `{}`, `{}`: `{}`,
		`{"queries":[` + query + `]}`: `{"results":[{}]}`,
		`{"queries":[` + query + `,{"package":{"name":"jinja2","ecosystem":"PyPI"},"version":"3"}]}`: `{"results":[{},{"vulns":[{"id":"GHSA-1","modified":"2024-01-02T03:04:05.060Z"}]}]}`,
	} {
		if rec := r.do("POST", "/v1/querybatch", body); rec.Body.String() != want {
			t.Errorf("%s: %s, want %s", body, rec.Body, want)
		}
	}
	if rec := r.do("POST", "/v1/query", query); rec.Body.String() != "{}" {
		t.Errorf("%s", rec.Body)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := io.WriteString(z, query); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if rec := r.do("POST", "/v1/query", zipped.String(), "Content-Encoding", "gzip"); rec.Body.String() != "{}" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// TestGenuine gets records of publishers as they wrote them.
func TestGenuine(t *testing.T) {
	pypi := genuine(t, "PyPI", "PYSEC-2014-8", "PYSEC-2021-66", "PYSEC-2022-15", "PYSEC-2024-1")
	debian := genuine(t, "Debian", "DEBIAN-CVE-2023-4911", "DSA-4098-1")
	r := newRig(t, map[string][]string{"osv": slices.Concat(pypi, debian)}, nil)
	for _, body := range slices.Concat(pypi, debian) {
		var rec struct {
			ID, Withdrawn string
			Affected      []struct {
				Package struct{ Ecosystem, Name string }
			}
		}
		if err := json.Unmarshal([]byte(body), &rec); err != nil {
			t.Fatal(err)
		}
		got := r.do("GET", "/v1/vulns/"+rec.ID, "")
		r.ok(got, "osvVulnerability", &struct{}{})
		if got.Body.String() != body {
			t.Errorf("%s: %s", rec.ID, got.Body)
		}
		about := rec.Affected[0].Package
		answer := r.do("POST", "/v1/query", fmt.Sprintf(`{"package":{"ecosystem":%q,"name":%q}}`, about.Ecosystem, about.Name))
		r.ok(answer, "v1VulnerabilityList", &struct{}{})
		if has := strings.Contains(answer.Body.String(), body); has == (rec.Withdrawn != "") {
			t.Errorf("%s withdrawn %q is in the answer: %v", rec.ID, rec.Withdrawn, has)
		}
	}
	for path, want := range map[string]string{
		"CVE-2023-4911":            `{"code":5,"message":"Vulnerability not found"}`, // it is upstream of the record, and no alias
		"CVE-2014-1402":            `{"code":5,"message":"Vulnerability not found, but the following aliases were: PYSEC-2014-8"}`,
		"pysec-2014-8":             `{"code":5,"message":"Vulnerability not found"}`,
		strings.Repeat("CVE", 100): `{"code":3,"message":"ID is too long"}`,
	} {
		if rec := r.do("GET", "/v1/vulns/"+path, ""); rec.Body.String() != want || rec.Code != map[bool]int{true: 404, false: 400}[strings.Contains(want, "5,")] {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
}

// TestSources answers with the record of osv if several sources have one with the id, and
// does not count the copies of osv that the distribution's own source decides about.
func TestSources(t *testing.T) {
	r := newRig(t, map[string][]string{
		"import": {recordOf("CVE-2024-1", "PyPI", "a", "2"), recordOf("CVE-2024-2", "PyPI", "b", "2")},
		"osv": {recordOf("CVE-2024-1", "PyPI", "z", "3"), recordOf("DEBIAN-CVE-2024-3", "Debian:12", "c", "9"), recordOf("DEBIAN-CVE-2024-4", "Debian:12", "c", "9"),
			recordOf("DSA-1-1", "Debian:12", "c", "9")},
		"debian": {recordOf("DEBIAN-CVE-2024-3", "Debian:12", "c", "1")},
	}, nil)
	for query, want := range map[string]string{
		`{"package":{"name":"a","ecosystem":"PyPI"},"version":"1"}`:      "CVE-2024-1 about z",
		`{"package":{"name":"b","ecosystem":"PyPI"},"version":"1"}`:      "CVE-2024-2 about b",
		`{"package":{"name":"c","ecosystem":"Debian:12"},"version":"5"}`: "DEBIAN-CVE-2024-4 about c DSA-1-1 about c",
	} {
		var got []string
		for _, v := range r.query(query).Vulns {
			got = append(got, v.ID, v.Summary)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
}

// TestPages gets all records of a package page by page, alone and in a batch, in the forms
// of page tokens that clients send.
func TestPages(t *testing.T) {
	var records, want []string
	for i := range 2500 {
		id := fmt.Sprintf("GHSA-%04d", i)
		records, want = append(records, recordOf(id, "PyPI", "a", "2")), append(want, id)
	}
	large := strings.Repeat("x", 3<<20)
	for i := range 9 {
		records = append(records, strings.Replace(recordOf(fmt.Sprintf("PYSEC-%d", i), "PyPI", "b", "2"), "about b", large, 1))
	}
	r := newRig(t, map[string][]string{"osv": records}, nil)
	for _, field := range []string{"page_token", "pageToken"} {
		var got []string
		next, pages := "", 0
		for ; pages == 0 || next != ""; pages++ {
			l := r.query(fmt.Sprintf(`{"package":{"name":"a","ecosystem":"PyPI"},"version":"1",%q:%q}`, field, next))
			got, next = append(got, l.ids()...), l.NextPageToken
		}
		if !slices.Equal(got, want) || pages != 3 {
			t.Errorf("%d records in %d pages", len(got), pages)
		}
	}
	var b struct{ Results []list }
	first := `{"package":{"name":"a","ecosystem":"PyPI"},"version":"1","page_token":"RklSU1RfUEFHRV9UT0tFTg=="}`
	last := fmt.Sprintf(`{"package":{"name":"a","ecosystem":"PyPI"},"version":"1","page_token":%q}`, r.query(`{"package":{"name":"a","ecosystem":"PyPI"}}`).NextPageToken)
	r.ok(r.do("POST", "/v1/querybatch", `{"queries":[`+first+`,`+last+`]}`), "v1BatchVulnerabilityList", &b)
	if !slices.Equal(b.Results[0].ids(), want[:1000]) || !slices.Equal(b.Results[1].ids(), want[1000:2000]) {
		t.Errorf("%d and %d records", len(b.Results[0].Vulns), len(b.Results[1].Vulns))
	}
	// No answer is larger than 32 MiB, which is the limit of api.osv.dev.
	var got int
	for next := "RklSU1RfUEFHRV9UT0tFTg=="; next != ""; {
		rec := r.do("POST", "/v1/query", fmt.Sprintf(`{"package":{"name":"b","ecosystem":"PyPI"},"version":"1","page_token":%q}`, next))
		if rec.Code != http.StatusOK || rec.Body.Len() > 32<<20 {
			t.Fatalf("%d with %d bytes", rec.Code, rec.Body.Len())
		}
		var l list
		if err := json.Unmarshal(rec.Body.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		got, next = got+len(l.Vulns), l.NextPageToken
	}
	if got != 9 {
		t.Errorf("%d of 9 large records", got)
	}
	// Queries that do not fit into the answer of a batch are answered by the next one.
	queries := slices.Repeat([]string{`{"package":{"name":"a","ecosystem":"PyPI"}}`}, 300)
	r.ok(r.do("POST", "/v1/querybatch", `{"queries":[`+strings.Join(queries, ",")+`]}`), "v1BatchVulnerabilityList", &b)
	if l := b.Results[299]; len(b.Results) != 300 || len(l.Vulns) != 0 || l.NextPageToken != "RklSU1RfUEFHRV9UT0tFTg==" {
		t.Errorf("%d results, the last one with %d records and token %q", len(b.Results), len(l.Vulns), l.NextPageToken)
	}
}

// TestTrusted answers with an error if an empty answer could not be trusted, unless the owner
// of the service has accepted that.
func TestTrusted(t *testing.T) {
	updated := today.Add(-8 * 24 * time.Hour)
	r := newRig(t, map[string][]string{"osv": {recordOf("PYSEC-1", "PyPI", "a", "2"), recordOf("GO-1", "Go", "a", "2")}}, func(c *osvapi.Config, s *httpserver.Config) {
		c.Evaluator = scan.Evaluator{MaxAge: 7 * 24 * time.Hour, Without: []string{"npm"}, Sources: func() []policy.Source {
			source := func(name, ecosystem string, at time.Time) policy.Source {
				return policy.Source{DataSource: verdict.DataSource{Name: name, Contributes: verdict.SourceAdvisories, Updated: at, Ecosystems: []string{ecosystem}}}
			}
			return []policy.Source{source("osv:PyPI", "PyPI", updated), source("osv:Go", "Go", today)}
		}}
	})
	const old = `{"package":{"name":"b","ecosystem":"PyPI"},"version":"1"}`
	for _, path := range []string{"/v1/query", "/v1/querybatch"} {
		body := old
		if path == "/v1/querybatch" {
			body = `{"queries":[` + old + `]}`
		}
		rec := r.do("POST", path, body)
		if rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), `{"code":14,"message":"the advisories of osv:PyPI are 8 days old`) || rec.Header().Get("Retry-After") == "" {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
	for _, accepted := range []string{`{"package":{"name":"b","ecosystem":"Go"},"version":"1"}`, `{"package":{"name":"b","ecosystem":"npm"},"version":"1"}`} {
		if rec := r.do("POST", "/v1/query", accepted); rec.Code != http.StatusOK || rec.Body.String() != "{}" {
			t.Errorf("%s: %d %s", accepted, rec.Code, rec.Body)
		}
	}
	broken := newRig(t, nil, func(c *osvapi.Config, _ *httpserver.Config) {
		c.View = func() (osvapi.View, error) { return nil, snapshot.ErrDamaged }
	})
	for _, rec := range []*httptest.ResponseRecorder{broken.do("POST", "/v1/query", old), broken.do("GET", "/v1/vulns/PYSEC-1", "")} {
		if rec.Code != http.StatusServiceUnavailable || !strings.HasPrefix(rec.Body.String(), `{"code":14,"message":"no data is served`) {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
}

// TestTokens authenticates requests.
func TestTokens(t *testing.T) {
	records := map[string][]string{"osv": {recordOf("PYSEC-1", "PyPI", "a", "2")}}
	const query = `{"package":{"name":"a","ecosystem":"PyPI"},"version":"1"}`
	basic := func(r *rig, password string) string {
		req := httptest.NewRequest("GET", "/", nil)
		req.SetBasicAuth("anything", password)
		return req.Header.Get("Authorization")
	}
	closed := newRig(t, records, nil)
	open := newRig(t, records, func(c *osvapi.Config, _ *httpserver.Config) { c.Anonymous = true })
	for _, tt := range []struct {
		r      *rig
		header string
		status int
	}{
		{closed, "", 401},
		{closed, "Bearer " + closed.secret, 200},
		{closed, basic(closed, closed.secret), 200},
		{closed, "Bearer " + open.secret, 401},
		{closed, basic(closed, "secret"), 401},
		{closed, "Basic %", 401},
		{open, "", 200},
		{open, "Bearer " + open.secret, 200},
		{open, "Bearer " + closed.secret, 401},
		{open, "Digest x", 401},
	} {
		for _, rec := range []*httptest.ResponseRecorder{
			tt.r.do("POST", "/v1/query", query, "Authorization", tt.header),
			tt.r.do("POST", "/v1/querybatch", `{"queries":[`+query+`]}`, "Authorization", tt.header),
			tt.r.do("GET", "/v1/vulns/PYSEC-1", "", "Authorization", tt.header),
		} {
			if rec.Code != tt.status || rec.Code == 401 && !strings.HasPrefix(rec.Body.String(), `{"code":16,`) || strings.Contains(rec.Body.String(), tt.r.secret) {
				t.Errorf("%q: %d %s", tt.header, rec.Code, rec.Body)
			}
		}
	}
	limited := newRig(t, records, func(_ *osvapi.Config, s *httpserver.Config) { s.Rate = httpserver.Rate{PerSecond: 1, Burst: 1} })
	for i, want := range []int{200, 429} {
		rec := limited.do("POST", "/v1/query", query)
		if rec.Code != want || rec.Code == 429 && !strings.HasPrefix(rec.Body.String(), `{"code":8,`) {
			t.Errorf("request %d: %d %s", i, rec.Code, rec.Body)
		}
	}
	for range 3 { // a client gets each record that it was named
		if rec := limited.do("GET", "/v1/vulns/PYSEC-1", ""); rec.Code != 200 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
	if strings.Contains(closed.log.String(), closed.secret) {
		t.Error("the log has the token")
	}
}

// FuzzQuery sends queries of any content. The answer is a list or an error in the form of the
// API, and never an internal error.
func FuzzQuery(f *testing.F) {
	f.Add(`{"package":{"name":"a","ecosystem":"PyPI"},"version":"1"}`)
	f.Add(`{"package":{"purl":"pkg:deb/debian/libcurl4@1:9?distro=debian-12&upstream=curl%407.0-1"}}`)
	f.Add(`{"commit":"6879efc2c1596d11a6a6ad296f80063b558d5e0f","page_token":"QQ"}`)
	f.Add(`{"package":{"purl":"pkg:rpm/redhat/a@1?distro=rhel-9.2&epoch=1&rpmmod=a:b"}}`)
	r := newRig(f, map[string][]string{"osv": {recordOf("PYSEC-1", "PyPI", "a", "2"), recordOf("DEBIAN-CVE-2024-1", "Debian:12", "curl", "8.0"), recordOf("RHSA-2024:1", "Red Hat:enterprise_linux:9::baseos", "a", "2")}}, nil)
	f.Fuzz(func(t *testing.T, body string) {
		for path, body := range map[string]string{"/v1/query": body, "/v1/querybatch": `{"queries":[` + body + `]}`} {
			rec := r.do("POST", path, body)
			var answer struct {
				Code    int
				Message string
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != http.StatusOK && (rec.Code/100 != 4 || answer.Code == 0 || answer.Message == "") {
				t.Errorf("%s %s: %d %s", path, body, rec.Code, rec.Body)
			}
		}
	})
}
