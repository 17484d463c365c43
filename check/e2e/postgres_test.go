package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit/assayd"
	"assay/check/testkit/pgtest"
	"assay/verdict"
)

// An onDatabase is an assayd on a PostgreSQL database, with a data folder of its own.
type onDatabase struct {
	served
	config assayd.Config
}

// serveDatabase starts assayd on a database.
func serveDatabase(t *testing.T, database, token string, inventory []byte) onDatabase {
	t.Helper()
	d := onDatabase{config: databaseConfig(t, database)}
	s, err := d.config.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("assayd %s:\n%s", s.URL, s.Log())
		}
	})
	d.served = served{s.URL, token, inventory, s}
	return d
}

func databaseConfig(t *testing.T, database string) assayd.Config {
	return assayd.Config{Binary: filepath.Join(bin, "assayd"), Data: t.TempDir(), Database: database}
}

// debianInventory is what the client sends of the sample.
func debianInventory(t *testing.T) []byte {
	t.Helper()
	out, err := exec.Command(filepath.Join(bin, "assay"), "inventory", "--root", sampleRoot).Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// post sends the inventory under a key.
func (s served) post(t *testing.T, key string) (status int, retryAfter string, body []byte) {
	t.Helper()
	resp, body, err := s.try(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Retry-After"), body
}

// try sends the inventory under a key once.
func (s served) try(ctx context.Context, key string) (resp *http.Response, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/v1/scans", bytes.NewReader(s.inventory))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	if resp, err = http.DefaultClient.Do(req); err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp, body, err
}

// ready returns the answer of /readyz.
func (s served) ready(t *testing.T) (status int, retryAfter string) {
	t.Helper()
	resp, err := http.Get(s.url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Retry-After")
}

func (s served) snapshot(t *testing.T) string {
	t.Helper()
	code, text := s.get(t, "/healthz")
	var h struct{ Snapshot string }
	if err := json.Unmarshal([]byte(text), &h); err != nil || code != http.StatusOK {
		t.Fatalf("health %d: %s", code, text)
	}
	return h.Snapshot
}

// eventually waits for what happens within seconds, and gives up after a minute.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// TestPostgres runs the real client against two assayd on one database, and compares
// with one that has its store in files.
func TestPostgres(t *testing.T) {
	server := pgtest.Start(t, nil)
	database := server.URL(server.Database(t, ""))
	config := databaseConfig(t, database)
	few := filepath.Join(t.TempDir(), "few.zip")
	first := true
	writeRecords(t, few, 0, func(string) bool { first = !first; return first })
	if err := config.Import(t.Context(), few); err != nil {
		t.Fatal(err)
	}
	token, err := config.NewToken(t.Context(), "ci")
	if err != nil {
		t.Fatal(err)
	}
	inventory := debianInventory(t)
	a, b := serveDatabase(t, database, token, inventory), serveDatabase(t, database, token, inventory)
	before := a.snapshot(t)

	// The real client at one, the kept scan at the other.
	client := func(s served) (id string) {
		t.Helper()
		cmd := exec.Command(filepath.Join(bin, "assay"), token, "--root", sampleRoot, "--server", s.url)
		out, err := cmd.CombinedOutput()
		if code, _ := errors.AsType[*exec.ExitError](err); code == nil || code.ExitCode() != 4 {
			t.Fatalf("assay: %v, want exit code 4\n%s", err, out)
		}
		found := regexp.MustCompile(`scan=([a-z2-7]{16})`).FindSubmatch(out)
		if found == nil {
			t.Fatalf("assay names no scan:\n%s", out)
		}
		return string(found[1])
	}
	scan := client(a.served)
	path := "/api/v1/scans/" + scan
	code, atA := a.get(t, path)
	if codeB, atB := b.get(t, path); code != http.StatusOK || codeB != http.StatusOK || atA != atB {
		t.Errorf("the scan is %d at one and %d at the other:\n%.300s\n%.300s", code, codeB, atA, atB)
	}

	// One key at both at once is one scan.
	for i := range 10 {
		ids := make([]string, 4)
		var wg sync.WaitGroup
		for n := range ids {
			s := []served{a.served, b.served}[n%2]
			wg.Go(func() {
				var v verdict.Verdict
				status, _, body := s.post(t, fmt.Sprint("key ", i))
				if err := json.Unmarshal(body, &v); err != nil || status != http.StatusOK {
					t.Errorf("%d: %.200s", status, body)
				}
				ids[n] = v.Scan
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] || id == "" {
				t.Errorf("one key has the scans %q", ids)
			}
		}
	}

	// New data reaches both.
	all := filepath.Join(t.TempDir(), "all.zip")
	writeRecords(t, all, 1000, func(string) bool { return true })
	if err := config.Import(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new data is not served by both", func() bool {
		return a.snapshot(t) != before && a.snapshot(t) == b.snapshot(t)
	})

	// The answers are those of a store in files.
	files := filepath.Join(t.TempDir(), "data")
	for _, path := range []string{few, all} {
		if err := (assayd.Config{Binary: config.Binary, Data: files}).Import(t.Context(), path); err != nil {
			t.Fatal(err)
		}
	}
	inFiles := serveDebian(t, files)
	findings := func(s served) []verdict.Finding {
		t.Helper()
		v, err := s.scan(t.Context())
		if err != nil || len(v.Findings) == 0 {
			t.Fatalf("%d findings, %v", len(v.Findings), err)
		}
		for i := range v.Findings {
			v.Findings[i].FirstSeen = nil // the time of the import
		}
		return v.Findings
	}
	want := findings(inFiles)
	for _, s := range []served{a.served, b.served} {
		if got := findings(s); !reflect.DeepEqual(got, want) || s.snapshot(t) != inFiles.snapshot(t) {
			t.Errorf("snapshot %q has findings\n%v\nin files it is %q with\n%v", s.snapshot(t), got, inFiles.snapshot(t), want)
		}
	}

	// The other commands.
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"replay", scan}, scan},
		{[]string{"replay", scan, "--as-of", before}, "the findings are the same as"},
		{[]string{"status"}, "last scan"},
		{[]string{"verify-data"}, "the database is intact"},
		{[]string{"token", "revoke", "ci"}, "revoked"},
	} {
		cmd := exec.Command(config.Binary, append(tt.args, "--database", database, "--data", config.Data)...)
		out, err := cmd.CombinedOutput()
		if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited || !strings.Contains(string(out), tt.want) {
			t.Errorf("assayd %q: %v, want %q\n%s", tt.args, err, tt.want, out)
		}
	}
	for _, s := range []served{a.served, b.served} {
		if status, _, body := s.post(t, "after"); status != http.StatusUnauthorized {
			t.Errorf("a revoked token: %d: %s", status, body)
		}
	}
}
