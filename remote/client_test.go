package remote_test

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/remote"
	"assay/remote/cyclonedx"
	"assay/verdict"
)

var quiet = log.New(io.Discard, "", 0)

const secret = "assay_0123456789ABCDEFGHIJKLMNOPQRSTUV0jfF3F"

var scan = cyclonedx.Scan{
	Client:  "assay 0.1.0",
	Options: []cyclonedx.Option{{Name: "fail-on", Value: "high", Origin: "flag"}},
	Inventory: inventory.Inventory{
		System:   inventory.System{ID: "debian", VersionID: "12"},
		Packages: []inventory.Package{{Type: "deb", Name: "bash", Version: "5.2.15-2+b13", Arch: "amd64", Source: "bash", SourceVersion: "5.2.15-2"}},
	},
}

// pass is a passing verdict for scan, which has one package.
const pass = `{"version":1,"scan":"s1","decision":{"outcome":"pass","code":0,"reasons":[{"rule":"clean","text":"nothing found"}]},` +
	`"findings":[],"counts":{"packages":1,"evaluated":1,"findings":0,"failing":0,"fixable":0,"by_severity":{}},` +
	`"evaluated":[{"part":"system","type":"deb","packages":1,"evaluated":1,"state":"evaluated"}],"system":{"id":"debian","version_id":"12"},"options":{"fail_on":"high","unrated":"high"},"data":{"records":1},"later":{"x":1}}`

func answer(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func ok(w http.ResponseWriter) { answer(w, 200, "application/json; charset=utf-8", pass) }

// serve starts a service and returns a configuration for it.
func serve(t *testing.T, handler http.HandlerFunc) remote.Config {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return config(server.URL)
}

func config(server string) remote.Config {
	return remote.Config{
		Server: server, Token: secret, UserAgent: "assay/test",
		Timeout: 5 * time.Second, RetryWait: time.Millisecond, MaxRetryWait: 5 * time.Millisecond,
		Outage: 100 * time.Millisecond,
	}
}

func send(t *testing.T, c remote.Config) (verdict.Verdict, []byte, error) {
	t.Helper()
	client, err := remote.New(c)
	if err != nil {
		t.Fatal(err)
	}
	result, err := client.Scan(t.Context(), scan)
	return result.Verdict, result.JSON, err
}

// fails sends a scan that must fail, and checks the form and the content of the error.
func fails(t *testing.T, c remote.Config, kind remote.Kind, what, hint string) *remote.Error {
	t.Helper()
	_, _, err := send(t, c)
	return check(t, err, kind, what, hint)
}

func check(t *testing.T, err error, kind remote.Kind, what, hint string) *remote.Error {
	t.Helper()
	var e *remote.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if e.Kind != kind {
		t.Errorf("kind %d, want %d: %v", e.Kind, kind, e)
	}
	if !strings.Contains(e.Error(), what) {
		t.Errorf("error %q, want %q in it", e, what)
	}
	if !strings.Contains(e.Hint(), hint) || e.Hint() == "" {
		t.Errorf("hint %q, want %q in it", e.Hint(), hint)
	}
	for err := error(e); err != nil; err = errors.Unwrap(err) {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the token is in %q", err)
		}
	}
	for _, line := range []string{e.Error(), e.Hint()} {
		if strings.Contains(line, secret) {
			t.Errorf("the token is in %q", line)
		}
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 || r == '\u202e' }) {
			t.Errorf("control characters in %q", line)
		}
		if len(line) > 1500 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	return e
}

func TestRequest(t *testing.T) {
	var got *http.Request
	var sent cyclonedx.Scan
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		z, err := gzip.NewReader(r.Body)
		if err == nil {
			sent, err = cyclonedx.Decode(z, cyclonedx.DefaultLimits())
		}
		if err != nil {
			t.Error(err)
		}
		ok(w)
	})
	c.Server += "/below/"
	v, raw, err := send(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if got.Method != "POST" || got.URL.Path != "/below/api/v1/scans" {
		t.Errorf("%s %s", got.Method, got.URL)
	}
	want := map[string]string{
		"Authorization": "Bearer " + secret, "Content-Type": "application/vnd.cyclonedx+json; version=1.6",
		"Content-Encoding": "gzip", "Accept": "application/json", "User-Agent": "assay/test",
	}
	for name, value := range want {
		if h := got.Header.Get(name); h != value {
			t.Errorf("%s: %q, want %q", name, h, value)
		}
	}
	if key := got.Header.Get("Idempotency-Key"); len(key) < 22 {
		t.Errorf("idempotency key %q has less than 110 bits", key)
	}
	if !reflect.DeepEqual(sent, scan) {
		t.Errorf("sent %+v, want %+v", sent, scan)
	}
	if v.Scan != "s1" || v.Decision.Outcome != verdict.Pass || string(raw) != pass {
		t.Errorf("verdict %+v, raw %s", v, raw)
	}
}

// sequence answers with one handler after the other and then always with the last one. It
// records the idempotency keys.
type sequence struct {
	mu   sync.Mutex
	keys []string
	list []http.HandlerFunc
}

func (s *sequence) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	next := s.list[min(len(s.keys), len(s.list)-1)]
	s.keys = append(s.keys, r.Header.Get("Idempotency-Key"))
	s.mu.Unlock()
	io.Copy(io.Discard, r.Body)
	next(w, r)
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

func good(w http.ResponseWriter, _ *http.Request) { ok(w) }

// hijacked writes raw bytes and closes the connection.
func hijacked(raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		io.WriteString(conn, raw)
		conn.Close()
	}
}

func TestRetriesUntilGood(t *testing.T) {
	tests := []struct {
		name string
		list []http.HandlerFunc
	}{
		{"503", []http.HandlerFunc{status(503), good}},
		{"500, 502, 504", []http.HandlerFunc{status(500), status(502), status(504), good}},
		{"408", []http.HandlerFunc{status(408), good}},
		{"408, then 502 seven times", []http.HandlerFunc{status(408), status(502), status(502), status(502), status(502), status(502), status(502), status(502), good}},
		{"429 without header", []http.HandlerFunc{status(429), good}},
		{"429 for a second", []http.HandlerFunc{status(429, "Retry-After", "1"), good}},
		{"503 until a date gone by", []http.HandlerFunc{status(503, "Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"), good}},
		{"429 with nonsense", []http.HandlerFunc{status(429, "Retry-After", "soon"), good}},
		{"closed before the answer", []http.HandlerFunc{hijacked(""), good}},
		{"closed within the answer", []http.HandlerFunc{
			hijacked("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"version\":1,"), good}},
		{"closed within a chunk", []http.HandlerFunc{
			hijacked("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{\"ver"), good}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &sequence{list: tt.list}
			c := serve(t, s.ServeHTTP)
			c.Outage = time.Minute // a busy machine takes its time
			var notices []string
			c.Notice = func(line string) { notices = append(notices, line) }
			v, _, err := send(t, c)
			if err != nil || v.Scan != "s1" {
				t.Fatalf("%+v, %v", v, err)
			}
			if len(s.keys) != len(tt.list) {
				t.Errorf("%d requests, want %d", len(s.keys), len(tt.list))
			}
			if keys := slices.Compact(slices.Clone(s.keys)); len(keys) != 1 || keys[0] == "" {
				t.Errorf("idempotency keys %q, want one", s.keys)
			}
			if len(notices) != 1 || !strings.Contains(notices[0], "retrying for up to ") {
				t.Errorf("notices %q", notices)
			}
		})
	}
}

func TestKeyDiffersBetweenScans(t *testing.T) {
	s := &sequence{list: []http.HandlerFunc{good}}
	c := serve(t, s.ServeHTTP)
	send(t, c)
	send(t, c)
	if len(s.keys) != 2 || s.keys[0] == s.keys[1] {
		t.Errorf("keys %q", s.keys)
	}
}

func TestAnswersThatEndTheScan(t *testing.T) {
	const page = "<html><body>Please log in</body></html>"
	json200 := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "application/json", body) }
	}
	said := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { answer(w, code, "application/json", body) }
	}
	html := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { answer(w, code, "text/html; charset=utf-8", page) }
	}
	tests := []struct {
		name       string
		handler    http.HandlerFunc
		kind       remote.Kind
		what, hint string
	}{
		{"401", said(401, `{"error":"token revoked on 2026-11-01","hint":"ask for another"}`), remote.Token, "refused the token (401): token revoked on 2026-11-01", "ask for another"},
		{"403", status(403), remote.Token, "refused the token (403)", "revoked"},
		{"403 of a proxy", html(403), remote.Token, "refused the token (403)", "a proxy or a login page"},
		{"404", html(404), remote.Rejected, "there is no assayd at", "--server"},
		{"405", status(405), remote.Rejected, "there is no assayd at", "--server"},
		{"413", html(413), remote.Rejected, "too large (413)", "limit of the proxy"},
		{"400", said(400, `{"error":"specVersion \"2.0\""}`), remote.Rejected, `400 Bad Request: specVersion "2.0"`, "log"},
		{"501", status(501), remote.Service, "501 Not Implemented", "log"},
		{"429 for an hour", status(429, "Retry-After", "3600"), remote.Rejected, "(429)", "3600"},
		{"429 until 2100", status(429, "Retry-After", "Thu, 31 Dec 2099 23:59:59 GMT"), remote.Rejected, "(429)", "2099"},
		{"web page", html(200), remote.Answer, "answered with text/html", "login page"},
		{"no type", hijacked("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), remote.Answer, "content without a type", "assayd"},
		{"not JSON", json200("Hello"), remote.Answer, "is not JSON", "assayd"},
		{"cut off JSON", json200(pass[:40]), remote.Answer, "is not JSON", "assayd"},
		{"nothing", json200(""), remote.Answer, "is not JSON", "assayd"},
		{"other JSON", json200(`{"status":"ok"}`), remote.Answer, "is not a verdict", "assayd"},
		{"later version", json200(`{"version":2,"decision":"other"}`), remote.Answer, "version 2", "download assay from the service again"},
		{"other types", json200(`{"version":1,"scan":{}}`), remote.Answer, "cannot be read", "assayd"},
		{"control characters", said(400, `{"error":"a\u001b[31mred\u0007\nline\u202eb","hint":"x\ry"}`), remote.Rejected, "a [31mred line b", "x y"},
		{"long text", said(400, `{"error":"`+strings.Repeat("long ", 2000)+`"}`), remote.Rejected, "long", "log"},
		{"token echoed", said(400, `{"error":"bad `+secret+`","hint":"not `+secret+`"}`), remote.Rejected, "bad [token]", "not [token]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &sequence{list: []http.HandlerFunc{tt.handler}}
			fails(t, serve(t, s.ServeHTTP), tt.kind, tt.what, tt.hint)
			if len(s.keys) != 1 {
				t.Errorf("%d requests, want 1", len(s.keys))
			}
		})
	}
}

func TestVerdictsThatAreTaken(t *testing.T) {
	for outcome, code := range map[verdict.Outcome]int{verdict.Pass: 0, verdict.Fail: 4, verdict.Untrusted: 5} {
		body := strings.Replace(pass, `"outcome":"pass","code":0,"reasons":[{"rule":"clean"`,
			fmt.Sprintf(`"outcome":%q,"code":%d,"reasons":[{"rule":"of a later version"`, outcome, code), 1)
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusCreated, "application/json", body) })
		v, raw, err := send(t, c)
		if err != nil || v.Decision.Outcome != outcome || v.Decision.Code != code || string(raw) != body {
			t.Errorf("%s: %+v, %v", outcome, v.Decision, err)
		}
	}
}

// TestContradictions checks that a contradictory verdict becomes an untrusted one, in the log
// and in the JSON. It must not be an error, which --on-error warn would turn into success.
func TestContradictions(t *testing.T) {
	decision := func(outcome string, code int) string {
		return fmt.Sprintf(`{"version":1,"decision":{"outcome":%q,"code":%d}}`, outcome, code)
	}
	for name, tt := range map[string]struct{ body, says string }{
		"no decision":      {`{"version":1}`, `the outcome "" is unknown`},
		"a bare pass":      {decision("pass", 0), `outcome "pass" without a reason`},
		"a bare fail":      {decision("fail", 4), `outcome "fail" without a reason`},
		"pass with 4":      {decision("pass", 4), `outcome "pass" with code 4`},
		"fail with 0":      {decision("fail", 0), `outcome "fail" with code 0`},
		"untrusted with 0": {decision("untrusted", 0), `outcome "untrusted" with code 0`},
		"fail with 1":      {decision("fail", 1), `outcome "fail" with code 1`},
		"unknown outcome":  {decision("maybe", 0), `the outcome "maybe" is unknown`},
		"failing findings": {strings.Replace(pass, `"failing":0`, `"failing":16`, 1), "16 failing findings are counted and the verdict has 0"},
		"other packages":   {strings.NewReplacer(`"packages":1`, `"packages":2`, `"evaluated":1`, `"evaluated":2`).Replace(pass), "1 packages were sent, and the verdict is about 2"},
		"no packages":      {strings.Replace(pass, `"packages":1,"evaluated":1,"findings"`, `"packages":0,"evaluated":0,"findings"`, 1), "the parts have 1 of 0 packages"},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "application/json", tt.body) })
			v, raw, err := send(t, c)
			if err != nil {
				t.Fatal(err)
			}
			if d := v.Decision; d.Outcome != verdict.Untrusted || d.Code != 5 || d.Reasons[0].Rule != "contradiction" || !strings.Contains(d.Reasons[0].Text, tt.says) {
				t.Errorf("%+v, want %q", d, tt.says)
			}
			var written verdict.Verdict
			if err := json.Unmarshal(raw, &written); err != nil || !reflect.DeepEqual(written.Decision, v.Decision) {
				t.Errorf("%v, %s", err, raw)
			}
		})
	}
}

// TestPassOfAnother checks that a pass for another scan, or with a weaker policy than the one
// that was asked for, is not accepted.
func TestPassOfAnother(t *testing.T) {
	flag := func(name, value string) []cyclonedx.Option {
		return []cyclonedx.Option{{Name: name, Value: value, Origin: "flag"}}
	}
	variable := func(name, value string) []cyclonedx.Option {
		return []cyclonedx.Option{{Name: name, Value: value, Origin: "ASSAY_X"}}
	}
	baseline := func(kind, name string) []cyclonedx.File { return []cyclonedx.File{{Kind: kind, Name: name}} }
	for name, tt := range map[string]struct {
		change  func(*cyclonedx.Scan)
		options string // of the verdict, in place of the pass's
		policy  bool   // the verdict names a policy of the service
		more    string // further members of the verdict
		says    string // nothing for a pass
	}{
		"as it was sent":        {},
		"a policy, and no flag": {policy: true, options: `"fail_on":"none","unrated":"high"`},
		"a policy that is stricter than a flag": {
			policy: true, change: func(s *cyclonedx.Scan) { s.Options = flag("fail-on", "critical") },
		},
		"a policy that is weaker than a flag": {
			policy: true, change: func(s *cyclonedx.Scan) { s.Options = flag("fail-on", "low") }, says: "it was made with --fail-on=high",
		},
		"a file that was not read": {
			change: func(s *cyclonedx.Scan) {
				s.Files = []cyclonedx.File{{Kind: cyclonedx.FileIgnore, Name: "a.yaml"}}
			},
			says: "1 files of exceptions were sent, and the verdict is about 0",
		},
		"a baseline that was not read": {
			change: func(s *cyclonedx.Scan) { s.Files = baseline("baseline", "base.json") },
			says:   "the baseline \"base.json\" was sent, and the verdict is about another one",
		},
		"a baseline that was read": {
			change: func(s *cyclonedx.Scan) { s.Files = baseline("baseline", "base.json") },
			more:   `"baseline":{"file":"base.json","packages":1,"own":0,"own_failing":0,"base":0,"base_failing":0}`,
		},
		"a baseline that was not sent": {
			more: `"baseline":{"file":"base.json","packages":1,"own":0,"own_failing":0,"base":0,"base_failing":0}`, says: "the verdict is about another one",
		},
		"another scan as the baseline": {
			change: func(s *cyclonedx.Scan) { s.Files = baseline("baseline-scan", "mzxw6ytboi3dgnbv") },
			more:   `"baseline":{"scan":"nko7osn6n35jje5w","packages":1,"own":0,"own_failing":0,"base":0,"base_failing":0}`, says: "the verdict is about another one",
		},
		"weaker for the base image": {options: `"fail_on":"high","fail_on_base":"none","unrated":"high"`, says: "--fail-on-base=none, which was not requested"},
		"as asked for the base image": {
			change:  func(s *cyclonedx.Scan) { s.Options = flag("fail-on-base", "critical") },
			options: `"fail_on":"high","fail_on_base":"critical","unrated":"high"`,
		},
		"another one for the base image": {
			change:  func(s *cyclonedx.Scan) { s.Options = flag("fail-on-base", "critical") },
			options: `"fail_on":"high","fail_on_base":"none","unrated":"high"`, says: "--fail-on-base=none",
		},
		"a policy that is stricter for the base image": {
			policy: true, change: func(s *cyclonedx.Scan) { s.Options = flag("fail-on-base", "none") },
		},
		"by a variable for the base image": {
			change:  func(s *cyclonedx.Scan) { s.Options = variable("fail-on-base", "none") },
			options: `"fail_on":"high","fail_on_base":"none","unrated":"high"`, says: "--fail-on-base=none",
		},
		"another system":  {change: func(s *cyclonedx.Scan) { s.Inventory.System.ID = "alpine" }, says: `it is about the system "debian 12", but "alpine 12" was sent`},
		"another release": {change: func(s *cyclonedx.Scan) { s.Inventory.System.VersionID = "13" }, says: `"debian 13" was sent`},
		"another type": {change: func(s *cyclonedx.Scan) {
			s.Inventory.Packages = []inventory.Package{{Type: "pypi", Name: "x", Version: "1"}}
		}, says: `0 packages of the type "deb" were sent`},
		"an unread database": {change: func(s *cyclonedx.Scan) {
			s.Inventory.ScanErrors = []inventory.ScanError{{Path: "a", Kind: inventory.KindDatabase}}
		}, says: "although /a could not be read"},
		"an unread os-release": {change: func(s *cyclonedx.Scan) {
			s.Inventory.ScanErrors = []inventory.ScanError{{Path: "a", Kind: inventory.KindSystem}}
		}, says: "although /a could not be read"},
		"an unread file": {change: func(s *cyclonedx.Scan) {
			s.Inventory.ScanErrors = []inventory.ScanError{{Path: "a", Kind: inventory.KindFile}}
		}},
		"an unread file and strict": {
			change: func(s *cyclonedx.Scan) {
				s.Options = flag("strict", "true")
				s.Inventory.ScanErrors = []inventory.ScanError{{Path: "a", Kind: inventory.KindFile}}
			},
			options: `"fail_on":"high","unrated":"high","strict":true`, says: "although /a could not be read",
		},
		"a weaker threshold":        {options: `"fail_on":"none","unrated":"high"`, says: "it was made with --fail-on=none, which was not requested"},
		"another threshold":         {change: func(s *cyclonedx.Scan) { s.Options = flag("fail-on", "low") }, says: "it was made with --fail-on=high"},
		"the threshold asked for":   {change: func(s *cyclonedx.Scan) { s.Options = flag("fail-on", "LOW") }, options: `"fail_on":"low","unrated":"high"`},
		"a variable that was taken": {change: func(s *cyclonedx.Scan) { s.Options = variable("fail-on", "none") }, options: `"fail_on":"none","unrated":"high"`},
		"one that was not":          {change: func(s *cyclonedx.Scan) { s.Options = variable("fail-on", "none") }},
		"weaker for unrated":        {options: `"fail_on":"high","unrated":"low"`, says: "--unrated=low"},
		"not strict":                {change: func(s *cyclonedx.Scan) { s.Options = flag("strict", "1") }, says: "--strict=false"},
		"strict":                    {change: func(s *cyclonedx.Scan) { s.Options = flag("strict", "1") }, options: `"fail_on":"high","unrated":"high","strict":true`},
		"not those without a fix":   {change: func(s *cyclonedx.Scan) { s.Options = flag("fail-on-unfixed", "true") }, says: "--fail-on-unfixed=false"},
		"not the end of life":       {change: func(s *cyclonedx.Scan) { s.Options = flag("fail-on-eol", "true") }, says: "--fail-on-eol=false"},
		"not the kernel":            {change: func(s *cyclonedx.Scan) { s.Options = flag("kernel", "true") }, says: "--kernel=false"},
		"without system packages":   {options: `"fail_on":"high","unrated":"high","no_os_packages":true`, says: "--no-os-packages=true"},
		"and by a variable":         {change: func(s *cyclonedx.Scan) { s.Options = variable("no-os-packages", "true") }, options: `"fail_on":"high","unrated":"high","no_os_packages":true`, says: "--no-os-packages=true"},
		"and by a flag":             {change: func(s *cyclonedx.Scan) { s.Options = flag("no-os-packages", "true") }, options: `"fail_on":"high","unrated":"high","no_os_packages":true`},
	} {
		t.Run(name, func(t *testing.T) {
			body := pass
			if tt.options != "" {
				body = strings.Replace(pass, `"fail_on":"high","unrated":"high"`, tt.options, 1)
			}
			if tt.policy {
				body = strings.Replace(body, `"options":`, `"policy":{"version":1,"sections":["all"]},"options":`, 1)
			}
			if tt.more != "" {
				body = strings.Replace(body, `"options":`, tt.more+`,"options":`, 1)
			}
			sent := scan
			sent.Options = nil
			if tt.change != nil {
				tt.change(&sent)
			}
			client, err := remote.New(serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "application/json", body) }))
			if err != nil {
				t.Fatal(err)
			}
			result, err := client.Scan(t.Context(), sent)
			if err != nil {
				t.Fatal(err)
			}
			d := result.Verdict.Decision
			if tt.says == "" {
				if d.Outcome != verdict.Pass {
					t.Errorf("%+v", d)
				}
			} else if d.Outcome != verdict.Untrusted || d.Code != 5 || !strings.Contains(d.Reasons[0].Text, tt.says) {
				t.Errorf("%+v, want %q", d, tt.says)
			}
		})
	}
}

func TestServiceStaysBroken(t *testing.T) {
	s := &sequence{list: []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 500, "application/json", `{"error":"store: disk full","hint":"free some space"}`)
	}}}
	fails(t, serve(t, s.ServeHTTP), remote.Service, "500 Internal Server Error: store: disk full; gave up after 100ms", "free some space")
	if len(s.keys) < 2 || len(slices.Compact(slices.Clone(s.keys))) != 1 {
		t.Errorf("keys %q, want one key several times", s.keys)
	}
}

// The deadline ends an answer that never ends, in each phase of the exchange.
func TestDeadline(t *testing.T) {
	trickle := func(w http.ResponseWriter, r *http.Request, head string) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		io.WriteString(conn, head)
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(conn, "X-%d: y\r\n", i); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	tests := []struct {
		name       string
		list       []http.HandlerFunc
		what, hint string
	}{
		{"silence", []http.HandlerFunc{func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
			"no complete answer", "--timeout"},
		{"trickling headers", []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) { trickle(w, r, "HTTP/1.1 200 OK\r\n") }},
			"no complete answer", "--timeout"},
		{"trickling body", []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			trickle(w, r, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
		}}, "no complete answer", "--timeout"},
		{"trickling error body", []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			trickle(w, r, "HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\n\r\n")
		}}, "500 Internal Server Error; gave up after 300ms", "log"},
		{"broken, then silent", []http.HandlerFunc{status(503), func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
			"503 Service Unavailable; gave up after 300ms", "log"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &sequence{list: tt.list}
			c := serve(t, s.ServeHTTP)
			c.Timeout, c.Outage = 300*time.Millisecond, time.Minute
			e := fails(t, c, remote.Timeout, tt.what, tt.hint)
			if !errors.Is(e, context.DeadlineExceeded) {
				t.Errorf("%v does not wrap the deadline", e)
			}
		})
	}
}

func TestDeadlineWithinBackoff(t *testing.T) {
	s := &sequence{list: []http.HandlerFunc{status(503)}}
	c := serve(t, s.ServeHTTP)
	c.Timeout, c.RetryWait, c.MaxRetryWait, c.Outage = 200*time.Millisecond, 1000*time.Hour, 1000*time.Hour, time.Hour
	fails(t, c, remote.Timeout, "503 Service Unavailable; gave up after 200ms", "log")
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // else the server does not notice that the client left
		cancel()
		<-r.Context().Done()
	})
	client, err := remote.New(c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Scan(ctx, scan)
	check(t, err, remote.Interrupted, "interrupted", "again")
}

func TestHugeAnswerIsBounded(t *testing.T) {
	var written atomic.Int64
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(200)
		block := []byte(strings.Repeat(" ", 1<<20))
		for {
			n, err := w.Write(block)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	c.Timeout = time.Minute // a race detector on a busy machine takes its time
	fails(t, c, remote.Answer, "more than 128 MiB", "assayd")
	if n := written.Load(); n > 2*verdict.MaxAnswer {
		t.Errorf("%d MiB were taken", n>>20)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var followed atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Store(true) }))
	defer other.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+"/login?token="+secret, code)
		})
		fails(t, c, remote.Rejected, "redirects to "+other.URL+"/login, and", "--server")
	}
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

func TestRefusedConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	c := config("http://" + address)
	var notices []string
	c.Notice = func(line string) { notices = append(notices, line) }
	fails(t, c, remote.Network, address+" refused the connection; gave up after 100ms", "127.0.0.1 inside RUN is the build's own container")
	if len(notices) != 1 || !strings.Contains(notices[0], "refused the connection; it may be restarting, retrying for up to 100ms") {
		t.Errorf("notices %q", notices)
	}
}

func TestUnknownName(t *testing.T) {
	// RFC 6761 reserves the domain. A machine without DNS returns another error.
	if _, err := net.LookupHost("assay.invalid"); err == nil {
		t.Skip("this machine resolves .invalid")
	}
	c := config("https://assay.invalid")
	c.Timeout = 30 * time.Second
	_, _, err := send(t, c)
	var e *remote.Error
	if !errors.As(err, &e) || !strings.Contains(e.Error(), "the name assay.invalid") || !strings.Contains(e.Hint(), "--network none") {
		t.Errorf("got %v", err)
	}
}

func TestSetup(t *testing.T) {
	for server, what := range map[string]string{
		"":                           "invalid server address",
		"assay.example.com":          "invalid server address",
		"assay.example.com:8080":     "invalid server address",
		"ftp://assay.example.com":    "invalid server address",
		"https://":                   "invalid server address",
		"https://u:p@assay.example/": "only a host and a path are allowed",
		"https://assay.example/?x=y": "only a host and a path are allowed",
	} {
		_, err := remote.New(config(server))
		e := check(t, err, remote.Setup, what, "https://")
		if strings.Contains(e.Error(), ":p@") {
			t.Errorf("a password in %q", e)
		}
	}
	c := config("https://assay.example")
	c.CAs = []remote.CA{{Name: "/ca.pem", PEM: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}}
	_, err := remote.New(c)
	check(t, err, remote.Setup, "invalid CA bundle of /ca.pem", "PEM")
	c.CAs[0].PEM = []byte("nothing")
	_, err = remote.New(c)
	check(t, err, remote.Setup, "no certificate", "PEM")
}

// pemOf returns the certificate of a TLS server.
func pemOf(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(good))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = quiet
	server.StartTLS()
	defer server.Close()
	direct := config(server.URL)
	direct.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	trusted := direct
	trusted.CAs = []remote.CA{{Name: "the slot", PEM: pemOf(server.Certificate())}}

	t.Run("unknown authority", func(t *testing.T) {
		c := direct
		c.Notice = func(line string) { t.Errorf("retried: %s", line) }
		fails(t, c, remote.TLS, "signed by an unknown authority", "--cacert")
	})
	t.Run("given authority", func(t *testing.T) {
		if v, _, err := send(t, trusted); err != nil || v.Scan != "s1" {
			t.Errorf("%+v, %v", v, err)
		}
	})
	t.Run("no verify", func(t *testing.T) {
		c := direct
		c.NoVerify = true
		if v, _, err := send(t, c); err != nil || v.Scan != "s1" {
			t.Errorf("%+v, %v", v, err)
		}
	})
	t.Run("not yet valid", func(t *testing.T) {
		c := trusted
		c.Now = func() time.Time { return time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC) }
		fails(t, c, remote.TLS, "and here it is 1960-01-01", "clocks")
	})
	t.Run("expired", func(t *testing.T) {
		c := trusted
		c.Now = func() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }
		fails(t, c, remote.TLS, "expired on 2084-01-29", "clocks")
	})
	t.Run("other name", func(t *testing.T) {
		c := trusted
		c.Server = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
		fails(t, c, remote.TLS, "is for another name", "--server")
	})
	t.Run("http to https", func(t *testing.T) {
		plain := serve(t, good)
		c := trusted
		c.Server = strings.Replace(plain.Server, "http://", "https://", 1)
		fails(t, c, remote.TLS, "does not use TLS", "http://")
	})
}

// tunnel is a proxy that connects every client to one address.
func tunnel(t *testing.T, addr string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		up, err := net.Dial("tcp", addr)
		if err != nil {
			t.Error(err)
			return
		}
		w.WriteHeader(200)
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		go func() { defer up.Close(); io.Copy(up, buffered) }()
		defer conn.Close()
		io.Copy(conn, up)
	}
}

func TestProxy(t *testing.T) {
	t.Run("never for http", func(t *testing.T) {
		c := serve(t, good)
		var notices []string
		c.Notice = func(line string) { notices = append(notices, line) }
		c.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://127.0.0.1:1") }
		if _, _, err := send(t, c); err != nil {
			t.Error(err)
		}
		if len(notices) != 1 || !strings.HasPrefix(notices[0], "HTTP_PROXY is set and was ignored") {
			t.Errorf("notices %q", notices)
		}
	})
	t.Run("sees no token", func(t *testing.T) {
		target := httptest.NewTLSServer(http.HandlerFunc(good))
		defer target.Close()
		var seen []string
		connect := tunnel(t, target.Listener.Addr().String())
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, fmt.Sprint(r.Method, " ", r.Host, " ", r.Header))
			connect(w, r)
		}))
		defer proxy.Close()
		c := config(target.URL)
		c.CAs = []remote.CA{{Name: "ca", PEM: pemOf(target.Certificate())}}
		c.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
		if v, _, err := send(t, c); err != nil || v.Scan != "s1" {
			t.Errorf("%+v, %v", v, err)
		}
		if len(seen) != 1 || !strings.HasPrefix(seen[0], "CONNECT 127.0.0.1:") || strings.Contains(seen[0], secret) {
			t.Errorf("the proxy saw %q", seen)
		}
	})
	t.Run("refuses", func(t *testing.T) {
		proxy := httptest.NewServer(status(407))
		defer proxy.Close()
		c := config("https://assay.example.com")
		c.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
		c.Notice = func(line string) { t.Errorf("retried: %s", line) }
		fails(t, c, remote.Network, "the proxy answered 407 Proxy Authentication Required", "HTTPS_PROXY")
	})
	t.Run("is down", func(t *testing.T) {
		c := config("https://assay.example.com")
		c.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://u:hidden@127.0.0.1:1") }
		if e := fails(t, c, remote.Network, "the proxy cannot be reached", "HTTPS_PROXY"); strings.Contains(e.Error(), "hidden") {
			t.Errorf("the proxy's password is in %q", e)
		}
	})
}

// A service with TLS resets a connection that begins without TLS.
func TestBrokenConnectionNamesTLS(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	fails(t, config("http://"+listener.Addr().String()), remote.Network, "broke", "write https:// in --server")
}
