package remote_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"assay/remote"
)

// examine returns what Examine reports: a line for each check.
func examine(t *testing.T, c remote.Config) []string {
	t.Helper()
	client, err := remote.New(c)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	client.Examine(t.Context(), func(check remote.Check) {
		line := "ok " + check.Name + " " + check.Text
		if check.Aside {
			line = "note " + check.Name + " " + check.Text
		}
		if check.Err != nil {
			e, ok := errors.AsType[*remote.Error](check.Err)
			if !ok || e.Hint() == "" {
				t.Errorf("%s: no hint in %v", check.Name, check.Err)
				return
			}
			line = fmt.Sprintf("bad %s %v: %s", check.Name, e, e.Hint())
		}
		if strings.Contains(line, secret) {
			t.Errorf("the token is in %q", line)
		}
		lines = append(lines, line)
	})
	return lines
}

// holds checks that there are exactly the wanted lines. Each is given by its start and
// another part.
func holds(t *testing.T, lines []string, want ...[2]string) {
	t.Helper()
	for i, w := range want {
		if i >= len(lines) || !strings.HasPrefix(lines[i], w[0]) || !strings.Contains(lines[i], w[1]) {
			t.Errorf("line %d of\n%s\nis not %q", i, strings.Join(lines, "\n"), w)
			return
		}
	}
	if len(lines) > len(want) {
		t.Errorf("unexpected lines: %q", lines[len(want):])
	}
}

// assayd answers like assayd, about a token with one scope.
func assayd(scope string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Assay-Version", "0.1.0")
		switch {
		case r.URL.Path == "/healthz" && r.Header.Get("Authorization") != "":
			answer(w, 500, "application/json", `{"error":"a token that nobody asked for"}`)
		case r.URL.Path == "/healthz":
			answer(w, 200, "application/json", `{"status":"ok","records":18219,"updated":"2026-11-24T19:00:00Z"}`)
		case r.URL.Path == "/api/v1/token" && r.Header.Get("Authorization") == "Bearer "+secret:
			answer(w, 200, "application/json", `{"name":"ci","scopes":["`+scope+`"],"project":"web","expires":"2027-01-02T00:00:00Z"}`)
		default:
			answer(w, 401, "application/json", `{"error":"this token is not known","hint":"make one"}`)
		}
	}
}

func TestExamine(t *testing.T) {
	c := serve(t, assayd("scan"))
	c.Version = "0.2.0"
	c.Server = strings.Replace(c.Server, "127.0.0.1", "localhost", 1)
	good := [][2]string{
		{"ok name", "localhost is "}, {"ok connect", "127.0.0.1:"}, {"note tls", "none"}, {"ok clock", "0s"},
		{"ok service", "assayd 0.1.0, 18219 advisories, last updated 2026-11-24 19:00 UTC"}, {"note version", "update the service"},
	}
	holds(t, examine(t, c), append(good, [2]string{"ok accepted", `token "ci", scope scan, project "web", expires on 2027-01-02`})...)

	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		want    [][2]string
	}{
		{"a token that cannot scan", assayd("read"), [][2]string{
			{"ok service", ""}, {"bad accepted", "cannot scan"}}},
		{"a token that is refused", func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Authorization", "other")
			if r.URL.Path == "/healthz" {
				r.Header.Del("Authorization")
			}
			assayd("scan")(w, r)
		}, [][2]string{{"ok service", ""}, {"bad accepted", "refused the token (401): this token is not known: make one"}}},
		{"a service without data", func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, "application/json", `{"status":"ok","records":0}`)
		}, [][2]string{{"bad service", "assayd import"}}},
		{"a service that cannot answer", func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 503, "application/json", `{"error":"no data is served","hint":"assayd's log says why"}`)
		}, [][2]string{{"bad service", "no data is served: assayd's log says why"}}},
		{"a page", func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, "text/html", "<html>Sign in")
		}, [][2]string{{"bad service", "proxy"}}},
		{"an older service", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/healthz" {
				answer(w, 404, "application/json", `{"error":"nothing is served"}`)
				return
			}
			assayd("scan")(w, r)
		}, [][2]string{{"ok service", ""}, {"note accepted", "not checked"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			holds(t, examine(t, serve(t, tt.handler)), append([][2]string{
				{"ok connect", ""}, {"note tls", ""}, {"ok clock", ""}}, tt.want...)...)
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		holds(t, examine(t, config("http://127.0.0.1:1")), [2]string{"bad connect", "refused the connection: is the service up? 127.0.0.1 inside RUN"})
	})
	t.Run("no such name", func(t *testing.T) {
		holds(t, examine(t, config("http://assay.invalid")), [2]string{"bad name", "--network none"})
	})
}

func TestExamineTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(assayd("scan"))
	server.Config.ErrorLog = quiet
	server.StartTLS()
	defer server.Close()
	c := config(server.URL)
	c.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	c.StoreRoot = t.TempDir()
	holds(t, examine(t, c), [2]string{"ok connect", ""}, [2]string{"bad tls", `unknown authority, "O=Acme Co"`})

	const seen = `TLS 1.3, issued by "O=Acme Co", valid until 2084-01-29 (`
	rest := [][2]string{{"ok clock", ""}, {"ok service", ""}, {"ok accepted", ""}}
	with := c
	with.CAs = []remote.CA{{Name: "the slot", PEM: pemOf(server.Certificate())}}
	lines := examine(t, with)
	holds(t, lines, append([][2]string{{"ok connect", ""}, {"ok tls", seen}}, rest...)...)
	if !strings.HasSuffix(lines[1], "days), trusted by the slot") {
		t.Error(lines[1])
	}
	with = c
	with.StoreRoot = store(t, "/etc/ssl/cert.pem", pemOf(server.Certificate()))
	if lines := examine(t, with); !strings.HasSuffix(lines[1], "trusted by the roots of this filesystem") {
		t.Error(lines[1])
	}
	with = c
	with.NoVerify = true
	if lines := examine(t, with); !strings.HasSuffix(lines[1], "not verified") {
		t.Error(lines[1])
	}

	// The clock is so wrong that the certificate is not valid. The client still requests the
	// time of the service, without the token.
	with = c
	with.CAs = []remote.CA{{Name: "the slot", PEM: pemOf(server.Certificate())}}
	with.Now = func() time.Time { return time.Now().AddDate(-90, 0, 0) }
	holds(t, examine(t, with), [2]string{"ok connect", ""}, [2]string{"bad tls", "not valid before 1970-01-01"}, [2]string{"bad clock", "behind the service's"})
	with.Now = func() time.Time { return time.Now().Add(10 * time.Minute) }
	if lines := examine(t, with); !strings.HasPrefix(lines[2], "bad clock this clock is 10m0s ahead of the service's") &&
		!strings.HasPrefix(lines[2], "bad clock this clock is 10m1s ahead of the service's") {
		t.Error(lines[2])
	}
}

func TestExamineThroughAProxy(t *testing.T) {
	server := httptest.NewTLSServer(assayd("scan"))
	defer server.Close()
	proxy := httptest.NewServer(tunnel(t, server.Listener.Addr().String()))
	defer proxy.Close()
	c := config("https://example.com")
	c.CAs = []remote.CA{{Name: "ca.pem", PEM: pemOf(server.Certificate())}}
	c.Proxy = func(*http.Request) (*url.URL, error) {
		u, err := url.Parse(proxy.URL)
		u.User = url.UserPassword("u", "hidden")
		return u, err
	}
	lines := examine(t, c)
	holds(t, lines, [2]string{"note proxy", "127.0.0.1:"}, [2]string{"ok connect", ""}, [2]string{"ok tls", "trusted by ca.pem"},
		[2]string{"ok clock", ""}, [2]string{"ok service", ""}, [2]string{"ok accepted", ""})
	if strings.Contains(lines[0], "hidden") {
		t.Errorf("the proxy's password is in %q", lines[0])
	}
}
