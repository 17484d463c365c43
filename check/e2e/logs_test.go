package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"assay/check/testkit/assayd"
)

// The log of a busy assayd has one line for each request, in the form that was asked for,
// and nothing in it that a client or an operator keeps secret.
func TestLogs(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) { testLog(t, format) })
	}
}

func testLog(t *testing.T, format string) {
	data := filepath.Join(t.TempDir(), "data")
	config := assayd.Config{Binary: filepath.Join(bin, "assayd"), Data: data, Flags: []string{"--log-format", format, "--rate", "40", "--burst", "40"}}
	if err := config.Import(t.Context(), sampleAdvisories); err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for _, name := range []string{"night build", "gone"} {
		token, err := config.NewToken(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	if out, err := exec.Command(config.Binary, "token", "revoke", "gone", "--data", data).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s, err := config.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Kill()

	const (
		trace   = "4bf92f3577b34da6a3ce929d0e0e4736"
		private = "Tr0ub4dor-private-header"
		key     = "idempotency-Key-Of-A-Client"
		agent   = "agent-with-a-name/1.0"
		jwt     = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSJ9.c2lnbmF0dXJl"
	)
	inventory := debianInventory(t)
	send := func(method, path, token string, body []byte, header ...string) (*http.Response, []byte) {
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return &http.Response{}, nil
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Private", private)
		req.Header.Set("User-Agent", agent)
		req.Header.Set("Cookie", "session="+private)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return &http.Response{}, nil
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return resp, b
	}
	resp, body := send("POST", "/api/v1/scans", tokens[0], inventory, "Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	var v struct{ Scan string }
	if err := json.Unmarshal(body, &v); err != nil || v.Scan == "" || resp.Header.Get("X-Request-Id") != trace {
		t.Fatalf("%s, %v, %.200s", resp.Status, resp.Header, body)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			scan := "/api/v1/scans/" + v.Scan
			for _, r := range []struct {
				method, path, token string
				body                []byte
			}{
				{"POST", "/api/v1/scans", tokens[0], inventory},
				{"POST", "/api/v1/scans", tokens[0], []byte(`{"bomFormat":` + tokens[0])},
				{"POST", "/api/v1/scans?keep=" + tokens[0], tokens[0], inventory},
				{"POST", "/api/v1/scans", tokens[1], inventory},
				{"POST", "/api/v1/scans", aToken(), inventory},
				{"POST", "/api/v1/token", jwt, nil},
				{"GET", scan, tokens[0], nil},
				{"GET", scan + "/report?format=text", tokens[0], nil},
				{"GET", scan + "/explain?package=libc6", tokens[0], nil},
				{"GET", "/api/v1/passed?commit=" + tokens[0], tokens[0], nil},
				{"GET", "/api/v1/scans/" + tokens[0], tokens[0], nil},
				{"GET", "/" + tokens[0] + "/assay", tokens[0], nil},
				{"GET", "/" + jwt + "/%0alevel=ERROR%0d%0a{}", tokens[0], nil},
				{"GET", "/v2/assay/manifests/latest", tokens[0], nil},
				{"DELETE", "/healthz", tokens[0], nil},
			} {
				send(r.method, r.path, r.token, r.body, "Idempotency-Key", fmt.Sprint(key, i), "Traceparent", "00-"+trace+"-"+private)
			}
		})
	}
	wg.Wait()
	// The real client, with a project and a commit of its own.
	out, err := exec.Command(filepath.Join(bin, "assay"), tokens[0], "--root", sampleRoot, "--server", s.URL, "--project", "shop").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "code=4") {
		t.Errorf("%v\n%s", err, out)
	}
	if err := s.Close(); err != nil { // with SIGINT
		t.Error(err)
	}

	log := s.Log()
	requests := 0
	for line := range strings.Lines(log) {
		if format == "json" {
			var l struct{ Time, Level, Msg string }
			if err := json.Unmarshal([]byte(line), &l); err != nil || l.Time == "" || l.Level == "" || l.Msg == "" {
				t.Errorf("%v: %s", err, line)
			}
		} else if !strings.HasPrefix(line, "time=") {
			t.Errorf("not a line of the log: %s", line)
		}
		if strings.Contains(line, `msg=request `) || strings.Contains(line, `"msg":"request"`) {
			requests++
		}
	}
	if requests < 50 {
		t.Errorf("%d lines of requests:\n%s", requests, log)
	}
	for _, want := range []string{trace, "night build", "outcome", "/api/v1/scans/{id}/report", v.Scan, "token refused", "shop", "shutting down", "stopped", "not_logged_before"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	secrets := []string{private, key, agent, "session=", "Bearer", jwt, jwt[:30], "bomFormat", "pkg:deb", "libc6", "2.36-9"}
	for _, token := range append(tokens, aToken()) {
		secrets = append(secrets, token, token[:20], token[len(token)-20:])
	}
	for _, secret := range secrets {
		if i := strings.Index(log, secret); i >= 0 {
			t.Errorf("the log contains %q: %.300s", secret, log[max(0, i-200):])
		}
	}
}

// With a log in JSON, the reason why assayd did not start is in it.
func TestLogOfAFailedStart(t *testing.T) {
	out, err := exec.Command(filepath.Join(bin, "assayd"), "serve", "--log-format", "json", "--data", t.TempDir(), "--public-url", "nonsense").CombinedOutput()
	var line struct{ Level, Msg, Err, Hint string }
	if e := json.Unmarshal(out, &line); err == nil || e != nil || line.Level != "ERROR" || !strings.Contains(line.Err, `invalid --public-url "nonsense"`) || line.Hint == "" {
		t.Errorf("%v, %v: %s", err, e, out)
	}
}

// On SIGTERM, /readyz fails first, and scans are still answered. Then new connections are
// refused, and a scan that has begun is answered and kept. assayd ends without an error.
func TestDrain(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	config := assayd.Config{Binary: filepath.Join(bin, "assayd"), Data: data, Flags: []string{"--drain-delay", "3s"}}
	if err := config.Import(t.Context(), sampleAdvisories); err != nil {
		t.Fatal(err)
	}
	token, err := config.NewToken(t.Context(), "ci")
	if err != nil {
		t.Fatal(err)
	}
	server, err := config.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Kill()
	s := served{url: server.URL, token: token, inventory: debianInventory(t), server: server}

	// A scan of which the second half arrives only while assayd shuts down.
	half := len(s.inventory) / 2
	body, feed := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/api/v1/scans", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	answer := make(chan string, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body) // a broken answer does not name a report
		answer <- resp.Status + " " + string(text)
	}()
	if _, err := feed.Write(s.inventory[:half]); err != nil {
		t.Fatal(err)
	}
	process, err := os.FindProcess(server.PID())
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "/readyz does not fail", func() bool {
		status, retryAfter := s.ready(t)
		return status == http.StatusServiceUnavailable && retryAfter != ""
	})
	if _, err := s.scan(t.Context()); err != nil {
		t.Errorf("a scan while /readyz fails: %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "new connections are still accepted", func() bool {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(s.url + "/livez")
		if err == nil {
			resp.Body.Close()
		}
		return err != nil
	})
	if _, err := feed.Write(s.inventory[half:]); err != nil {
		t.Error(err)
	}
	if err := feed.Close(); err != nil {
		t.Error(err)
	}
	if got := <-answer; !strings.HasPrefix(got, "200 OK") || !strings.Contains(got, "/report") {
		t.Errorf("the scan that had begun: %.300s", got)
	}
	if err := server.Close(); err != nil { // waits for the end
		t.Error(err)
	}
	if log := server.Log(); !strings.Contains(log, "shutting down") || !strings.Contains(log, "stopped") {
		t.Errorf("the log:\n%s", log)
	}
}

// SIGTERM ends an assayd that waits for its database, without an error.
func TestTermBeforeTheDatabase(t *testing.T) {
	addr := closedAddr(t)
	cmd := exec.Command(filepath.Join(bin, "assayd"), "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--public-url", "http://127.0.0.1",
		"--database", "postgres://assayd@"+addr+"/assay")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }) // else the test would hang
	defer stop.Stop()
	var log strings.Builder
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		fmt.Fprintln(&log, lines.Text())
		if strings.Contains(lines.Text(), "wait for the store") {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(log.String(), "stopped") || strings.Contains(log.String(), "assayd: error") {
		t.Errorf("%v\n%s", err, &log)
	}
	if strings.Count(log.String(), "dial error") != 1 || !strings.Contains(log.String(), "hint=") {
		t.Errorf("want the address once, and a hint:\n%s", &log)
	}
}
