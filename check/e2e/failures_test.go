package e2e

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit/assayd"
	"assay/remote/token"
)

// aToken has the form of a token and belongs to nobody.
var aToken = sync.OnceValue(func() string {
	secret, err := token.New(rand.Reader)
	if err != nil {
		panic(err)
	}
	return secret
})

// TestServiceFailures checks that a scan ends within --timeout whatever goes wrong between
// assay and its service: with the code of docs/exit-codes.md, an error and a hint, and
// never with a pass.
func TestServiceFailures(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		code    int
		says    string
	}{
		{"too large", status(413), 1, "large"},
		{"too many requests, for ever", status(429, "Retry-After", "1"), 1, "429"},
		{"too many requests, for a day", status(429, "Retry-After", "86400"), 1, "429"},
		{"unauthorised", status(401), 3, "token"},
		{"forbidden", status(403), 3, "token"},
		{"not found", status(404), 1, "404"},
		{"internal error", status(500), 1, "500"},
		{"bad gateway", status(502), 1, "502"},
		{"unavailable", status(503), 1, "503"},
		{"redirect", status(302, "Location", "http://127.0.0.1:1/"), 1, "redirect"},
		{"no content", status(204), 1, ""},
		{"a page instead of an answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>Sign in to the guest network</html>")
		}, 1, "proxy"},
		{"not JSON", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "{")
		}, 1, ""},
		{"JSON of something else", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"status":"ok"}`)
		}, 1, "not a verdict"},
		{"a verdict of another major", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"version":2,"decision":{"outcome":"pass","code":0}}`)
		}, 1, "version"},
		{"a silent service", func(http.ResponseWriter, *http.Request) { <-release }, 1, ""},
		{"an endless slow answer", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "{")
			for {
				select {
				case <-release:
					return
				case <-r.Context().Done():
					return
				case <-time.After(20 * time.Millisecond):
					fmt.Fprint(w, " ")
					w.(http.Flusher).Flush()
				}
			}
		}, 1, ""},
		{"a connection cut off", func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				c.Close()
			}
		}, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(tt.handler)
			t.Cleanup(srv.CloseClientConnections)
			holdFailure(t, srv.URL, tt.code, tt.says)
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		holdFailure(t, "http://"+closedAddr(t), 1, "refused")
	})
	t.Run("no such name", func(t *testing.T) {
		t.Parallel()
		holdFailure(t, "http://assay.invalid", 1, "assay.invalid")
	})
	t.Run("a CA that nobody knows", func(t *testing.T) {
		t.Parallel()
		srv := httptest.NewTLSServer(status(200))
		t.Cleanup(srv.Close)
		holdFailure(t, srv.URL, 1, "certificate")
	})
	t.Run("http where https was asked for", func(t *testing.T) {
		t.Parallel()
		srv := httptest.NewServer(status(200))
		t.Cleanup(srv.Close)
		holdFailure(t, strings.Replace(srv.URL, "http://", "https://", 1), 1, "")
	})
}

func closedAddr(t *testing.T) string {
	addr, err := assayd.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// holdFailure runs assay against server, as it is and at the same time with --on-error
// warn, since most failures last until the timeout.
func holdFailure(t *testing.T, server string, code int, says string) {
	t.Helper()
	const timeout = 3 * time.Second
	root := t.TempDir()
	var both sync.WaitGroup
	defer both.Wait()
	for _, onError := range []string{"fail", "warn"} {
		both.Go(func() {
			var stdout, stderr bytes.Buffer
			cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "assay"), aToken(),
				"--server", server, "--root", root, "--timeout", timeout.String(), "--on-error", onError, "-c")
			cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			start := time.Now()
			err := cmd.Run()
			// Twice the timeout distinguishes a hang from a slow machine.
			if took := time.Since(start); took > 2*timeout {
				t.Errorf("took %v with --timeout %v", took, timeout)
			}
			got := 0
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				got = exit.ExitCode()
			} else if err != nil {
				t.Error(err)
				return
			}
			want := code
			if code == 1 && onError == "warn" {
				want = 0
			}
			text := stderr.String()
			if got != want {
				t.Errorf("--on-error %s: exit code %d, want %d\n%s", onError, got, want, text)
			}
			for _, part := range []string{"assay: error: ", "\nhint: ", "verdict=error", fmt.Sprintf("code=%d", code), says} {
				if !strings.Contains(text, part) {
					t.Errorf("--on-error %s: standard error lacks %q:\n%s", onError, part, text)
				}
			}
			if warned := strings.Contains(text, "WAS NOT SCANNED"); warned != (want == 0) {
				t.Errorf("--on-error %s: says that the image was not scanned: %v\n%s", onError, warned, text)
			}
			if all := stdout.String() + text; strings.Contains(all, "verdict=pass") || strings.Contains(all, aToken()) {
				t.Errorf("--on-error %s: a pass or the token in\n%s", onError, all)
			}
		})
	}
}

// TestContradictions checks that a verdict that contradicts itself ends with 5, even if
// flags accept findings and errors.
func TestContradictions(t *testing.T) {
	for name, body := range map[string]string{
		"a bare pass":                 `{"version":1,"scan":"x","decision":{"outcome":"pass","code":0}}`,
		"a pass with failing":         strings.Replace(passes, `"evaluated":1}`, `"evaluated":1,"failing":16}`, 1),
		"a pass with nothing":         strings.Replace(passes, `"packages":1,"evaluated":1`, `"packages":1,"evaluated":0`, 1),
		"a pass of other packages":    strings.ReplaceAll(passes, `"packages":1,"evaluated":1`, `"packages":2,"evaluated":2`),
		"a failing code for a pass":   strings.Replace(passes, `"code":0`, `"code":4`, 1),
		"a passing code for a fail":   strings.Replace(fails, `"code":4`, `"code":0`, 1),
		"a pass that names a finding": strings.Replace(fails, `"outcome":"fail","code":4`, `"outcome":"pass","code":0`, 1),
		"an outcome that nobody has":  strings.Replace(passes, `"outcome":"pass"`, `"outcome":"good"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, body)
			}))
			defer srv.Close()
			got := runClient(t, exec.CommandContext(t.Context(), filepath.Join(bin, "assay"), aToken(), "--server", srv.URL,
				"--root", oneRoot(t), "--timeout", "10s", "--on-error", "warn", "-c"))
			if got.code != 5 || !strings.Contains(got.stdout, "verdict=untrusted code=5 ") || !strings.Contains(got.stdout, "contradicts itself") {
				t.Errorf("exit code %d\n%s%s", got.code, got.stdout, got.stderr)
			}
		})
	}
}

// TestRetry checks that assay waits for a service that comes back, and that all attempts
// are one scan.
func TestRetry(t *testing.T) {
	var mu sync.Mutex
	var keys []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		first := len(keys) == 1
		mu.Unlock()
		if first {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, fails)
	}))
	err := exec.Command(filepath.Join(bin, "assay"), aToken(), "--server", srv.URL, "--root", oneRoot(t), "--timeout", "20s").Run()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 4 {
		t.Errorf("assay: %v, want exit code 4", err)
	}
	srv.Close()
	mu.Lock()
	defer mu.Unlock()
	if len(keys) != 2 || keys[0] == "" || keys[0] != keys[1] {
		t.Errorf("tries with idempotency keys %q; want 2 with one key", keys)
	}
}
