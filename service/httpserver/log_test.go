package httpserver

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"assay/remote/token"
	"assay/service/store"
)

func TestRedact(t *testing.T) {
	const token = "assay_0123456789ABCDEFGHIJKLMNOPQRSTUV0jfF3F"
	for given, want := range map[string]string{
		"/" + token + "/x":            "/[secret]/x",
		token[:20]:                    "[secret]",
		"/api/v1/scans/" + token:      "/api/v1/scans/[secret]",
		"/api/v1/scans/mzxw6ytboi3d":  "/api/v1/scans/mzxw6ytboi3d",
		"/assay":                      "/assay",
		"/v2/assay/manifests/latest":  "/v2/assay/manifests/latest",
		"/clients/linux/amd64/assay_": "/clients/linux/amd64/assay_",
		"/x/eyJhbGciOiJub25lIn0.e30.": "/x/[secret]",
	} {
		if got := redact(given); got != want {
			t.Errorf("redact(%q) = %q, want %q", given, got, want)
		}
	}
}

func TestRequestID(t *testing.T) {
	const id, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for _, tt := range []struct {
		given []string
		taken bool
	}{
		{[]string{"00-" + id + "-" + parent + "-01"}, true},
		{[]string{"00-" + id + "-" + parent + "-00"}, true},
		{[]string{"cc-" + id + "-" + parent + "-01-what-the-future-will-be-like"}, true}, // a later version
		{nil, false},
		{[]string{""}, false},
		{[]string{"00-" + id + "-" + parent + "-01-more"}, false}, // version 00 has four fields
		{[]string{"ff-" + id + "-" + parent + "-01"}, false},
		{[]string{"00-" + strings.ToUpper(id) + "-" + parent + "-01"}, false},
		{[]string{"00-" + strings.Repeat("0", 32) + "-" + parent + "-01"}, false},
		{[]string{"00-" + id + "-" + strings.Repeat("0", 16) + "-01"}, false},
		{[]string{"00-" + id[1:] + "-" + parent + "-01"}, false},
		{[]string{"00-" + id + "-" + parent + "-01\nlevel=ERROR"}, false},
		{[]string{"cc-" + id + "-" + parent + "-01-" + strings.Repeat("x", 300)}, false},
		{[]string{"00-" + id + "-" + parent + "-01", "00-" + id + "-" + parent + "-01"}, false},
	} {
		got := requestID(http.Header{"Traceparent": tt.given})
		if (got == id) != tt.taken || len(got) != 32 || strings.Trim(got, "0123456789abcdef") != "" {
			t.Errorf("requestID(%q) = %q, taken over: want %v", tt.given, got, tt.taken)
		}
	}
	if first := requestID(nil); first == requestID(nil) {
		t.Error("two requests have one ID")
	}
}

// Each request has one line, whatever a client sends, and it has no secret in it.
func TestRequestLine(t *testing.T) {
	secret, err := token.New(strings.NewReader(strings.Repeat("0123456789", 20)))
	if err != nil {
		t.Fatal(err)
	}
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
	for _, format := range []string{"text", "json"} {
		var log bytes.Buffer
		var handler slog.Handler = slog.NewTextHandler(&log, nil)
		if format == "json" {
			handler = slog.NewJSONHandler(&log, nil)
		}
		s := New(Config{Tokens: oneToken{token.Hash(secret)}, Now: time.Now, Log: slog.New(handler)})
		s.HandleAuthenticated("POST /x/{id}", "", func(w http.ResponseWriter, r *http.Request, _ store.Token) error {
			_, err := io.Copy(io.Discard, r.Body)
			LogScan(w, "scan1")
			LogVerdict(w, "p\n"+secret+"\u2028level=ERROR", "pass")
			WriteBody(w, http.StatusAccepted, "text/plain", []byte("answer"))
			return err
		})
		s.Handle("GET /panics", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		s.HandleAuthenticated("GET /fails", "", func(http.ResponseWriter, *http.Request, store.Token) error {
			return errors.New("broken\nlevel=ERROR")
		})
		send := func(method, path, token string, header ...string) string {
			log.Reset()
			r := httptest.NewRequest("POST", "/", strings.NewReader("a body"))
			r.Method, r.URL.Path = method, path
			r.Header.Set("Authorization", "Bearer "+token)
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			w := httptest.NewRecorder()
			func() {
				defer func() { _ = recover() }() // as net/http does
				s.ServeHTTP(w, r)
			}()
			if w.Header().Get("X-Request-Id") == "" || !strings.Contains(log.String(), w.Header().Get("X-Request-Id")) {
				t.Errorf("the ID %q is not in the line:\n%s", w.Header().Get("X-Request-Id"), &log)
			}
			return log.String()
		}
		for _, tt := range []struct {
			line  string
			lines int
			want  []string
		}{
			{send("POST", "/x/"+secret, secret, "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), 2, // the first says that the use was not saved
				[]string{"4bf92f3577b34da6a3ce929d0e0e4736", "POST", "/x/{id}", "202", "night build", "id1", "bytes_in:6", "bytes_out:6", "scan1", "outcome:pass", "[secret]"}},
			{send("POST", "/x/1", strings.Repeat("x", 20), "X-Other", secret), 1, []string{"401", "/x/{id}"}},
			{send("GET", "/y/"+secret+"/\nlevel=ERROR "+jwt, secret), 1, []string{"404", "/y/[secret]/"}},
			{send("GET", "/"+strings.Repeat("long", 500), secret), 1, []string{"…"}},
			{send("GET\nlevel=ERROR", "/x/1", secret), 1, []string{"method:other", "405"}},
			{send("GET", "/panics", secret), 1, []string{"500"}},
			{send("GET", "/fails", secret), 2, []string{"500", "request failed"}},
		} {
			plain := strings.NewReplacer("=", ":", `"`, "").Replace(tt.line)
			for _, want := range tt.want {
				if !strings.Contains(plain, want) {
					t.Errorf("%s: the line lacks %q:\n%s", format, want, tt.line)
				}
			}
			if strings.Count(tt.line, "\n") != tt.lines || len(tt.line) > 1000 {
				t.Errorf("%s: want %d short lines:\n%s", format, tt.lines, tt.line)
			}
			for _, bad := range []string{secret, jwt, "a body", "\u2028"} {
				if strings.Contains(tt.line, bad) {
					t.Errorf("%s: the line has %q in it:\n%s", format, bad, tt.line)
				}
			}
		}
	}
}
