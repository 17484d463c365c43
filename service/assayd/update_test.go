package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/osvtest"
	"assay/verdict/hint"
)

// assayd runs a command in this process and returns its output.
func assayd(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	d := &daemon{stdout: &out, stderr: &errs, now: time.Now}
	err = d.run(t.Context(), append([]string{"assayd"}, args...))
	return out.String(), errs.String(), err
}

func must(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	stdout, stderr, err := assayd(t, args...)
	if err != nil {
		t.Fatalf("assayd %q: %v\n%s", args, err, stderr)
	}
	return stdout
}

// mirror makes a folder in the layout of the public bucket.
func mirror(t *testing.T, ecosystems ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := osvtest.WriteMirror(dir, ecosystems...); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestUpdate(t *testing.T) {
	from, data := mirror(t, "CRAN", "Hackage"), t.TempDir()
	got := must(t, "update", "--mirror", from, "--data", data)
	if want := "osv:CRAN: 14 new, 0 changed, 0 removed, 0 rejected\nosv:Hackage: 35 new, 0 changed, 0 removed, 0 rejected\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	// A failure is printed and stored, and status shows it with the data still served.
	if err := os.WriteFile(filepath.Join(from, "CRAN", "modified_id.csv"), []byte("<html>\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, stderr, err := assayd(t, "update", "--mirror", from, "--data", data)
	if err == nil || !strings.Contains(err.Error(), "1 of 2 sources failed") ||
		got != "osv:Hackage: 0 new, 0 changed, 0 removed, 0 rejected\n" || !strings.HasPrefix(stderr, "assayd: osv:CRAN: failed: ") {
		t.Errorf("%v, stdout %q, stderr %q", err, got, stderr)
	}
	if strings.ContainsAny(stderr, "\r\x1b") {
		t.Errorf("progress without a terminal: %q", stderr)
	}
	status := must(t, "status", "--data", data)
	for _, want := range []string{"advisories     49\n", "\nosv:CRAN     14 ", `"CRAN/modified_id.csv": line 1: "<html>" is not a time and an id`, "\nosv:Hackage  35 "} {
		if !strings.Contains(status, want) {
			t.Errorf("status lacks %q:\n%s", want, status)
		}
	}
	// An ecosystem that the bucket no longer has fails too, until it is dropped.
	if err := os.WriteFile(filepath.Join(from, "ecosystems.txt"), []byte("Hackage\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(from, "CRAN")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := assayd(t, "update", "--mirror", from, "--data", data); err == nil || !strings.Contains(err.Error(), "1 of 2 sources failed") {
		t.Errorf("%v", err)
	}
	if got := must(t, "update", "--drop", "CRAN", "--data", data); got != "osv:CRAN: 14 removed\n" {
		t.Errorf("%q", got)
	}
	must(t, "update", "--mirror", from, "--data", data)
	if status := must(t, "status", "--data", data); strings.Contains(status, "CRAN") {
		t.Errorf("status lists the dropped source:\n%s", status)
	}
	for _, args := range [][]string{{"--drop", "npm"}, {"--mirror", from, "--ecosystem", "npm"}, {"--mirror", "ftp://x"}, {"--mirror", from, "npm"}} {
		if _, _, err := assayd(t, append([]string{"update", "--data", data}, args...)...); err == nil {
			t.Errorf("%q: no error", args)
		} else if hint.Of(err) == "" {
			t.Errorf("%q: %v has no hint", args, err)
		}
	}
}

// An update stops if the bucket is unreachable, and stores that for its sources.
func TestUpdateUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // it accepts connections and does not answer
	data := t.TempDir()
	must(t, "update", "--mirror", mirror(t, "CRAN"), "--data", data)
	_, _, err = assayd(t, "update", "--mirror", "http://"+ln.Addr().String(), "--connect-timeout", "50ms", "--data", data)
	if err == nil || !strings.Contains(err.Error(), "did not answer within 50ms") {
		t.Errorf("%v", err)
	}
	if status := must(t, "status", "--data", data); !strings.Contains(status, "did not answer within 50ms") {
		t.Errorf("%s", status)
	}
}

func TestImportLists(t *testing.T) {
	data := t.TempDir()
	kev := filepath.Join(testkit.Path(t, "feeds", "kev"), "known_exploited_vulnerabilities")
	if err := os.WriteFile(filepath.Join(data, "epss"), []byte("cve,epss\nCVE-2021-44228,0.94\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := must(t, "import", kev+".json", kev+".csv", filepath.Join(data, "epss"), "--data", data)
	for _, want := range []string{".json: KEV of 1404 vulnerabilities, imported\n", ".csv: KEV of 1404 vulnerabilities, unchanged\n", "epss: EPSS of 1 vulnerabilities, imported\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	bad := filepath.Join(data, "bad.json")
	if err := os.WriteFile(bad, []byte(`{"catalogVersion":"1","count":2,"vulnerabilities":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := assayd(t, "import", bad, "--data", data); err == nil || !strings.Contains(err.Error(), "KEV: ") {
		t.Errorf("%v", err)
	}
	if status := must(t, "status", "--data", data); !strings.Contains(status, "\nkev     1404 ") || !strings.Contains(status, "never: run assayd update") {
		t.Errorf("%s", status)
	}
}

// A server that updates at intervals still serves its data when the bucket is gone, and
// logs that.
func TestServeUpdates(t *testing.T) {
	from, data := mirror(t, "CRAN"), t.TempDir()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	log := &lockedBuffer{}
	d := &daemon{stdout: log, stderr: log, now: time.Now}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- d.run(ctx, []string{"assayd", "serve", "--data", data, "--listen", addr,
			"--public-url", "http://" + addr, "--mirror", from, "--update-every", "100ms"})
	}()
	records := func() int {
		resp, err := http.Get("http://" + addr + "/healthz")
		if err != nil {
			return -1
		}
		defer resp.Body.Close()
		var health struct{ Records int }
		if json.NewDecoder(resp.Body).Decode(&health) != nil {
			return -1
		}
		return health.Records
	}
	wait := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
			select {
			case err := <-done:
				t.Fatalf("assayd ended: %v\n%s", err, log)
			default:
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s\n%s", what, log)
			}
		}
	}
	wait("no data is served", func() bool { return records() == 14 })
	if err := os.Remove(filepath.Join(from, "CRAN", "modified_id.csv")); err != nil {
		t.Fatal(err)
	}
	wait("no error is logged", func() bool { return strings.Contains(log.String(), "modified_id.csv") })
	if n := records(); n != 14 {
		t.Errorf("%d records are served", n)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("%v\n%s", err, log)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
