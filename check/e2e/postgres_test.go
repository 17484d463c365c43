package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

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

// eventually waits for a condition that holds within seconds, and gives up after a minute.
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

// TestPostgresFails kills the database under scans and in an import, cuts and stalls its
// connections, and uses them up. Scans are answered with 503 and Retry-After meanwhile,
// nothing is half written, and assayd recovers without a restart.
func TestPostgresFails(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, nil)
	name := server.Database(t, "")
	proxy := server.NewProxy(t)
	direct := databaseConfig(t, server.URL(name))
	few := filepath.Join(t.TempDir(), "few.zip")
	writeRecords(t, few, 0, func(string) bool { return true })
	if err := direct.Import(t.Context(), few); err != nil {
		t.Fatal(err)
	}
	token, err := direct.NewToken(t.Context(), "ci")
	if err != nil {
		t.Fatal(err)
	}
	s := serveDatabase(t, proxy.URL(name), token, debianInventory(t))

	kept := map[string]string{} // verdicts that were acknowledged, by scan
	scan := func(key string) bool {
		t.Helper()
		status, retryAfter, body := s.post(t, key)
		switch {
		case status == http.StatusOK:
			var v verdict.Verdict
			if err := json.Unmarshal(body, &v); err != nil || v.Report == "" {
				t.Errorf("a scan is answered and not kept: %v, %.300s", err, body)
			}
			kept[v.Scan] = string(body)
			return true
		case status != http.StatusServiceUnavailable || retryAfter == "":
			t.Errorf("a scan: status %d, Retry-After %q, want 200, or 503 with a time: %s", status, retryAfter, body)
		}
		return false
	}
	unavailable := func(what string) {
		t.Helper()
		eventually(t, what+": /readyz is never 503", func() bool {
			status, retryAfter := s.ready(t)
			return status == http.StatusServiceUnavailable && retryAfter != ""
		})
		if scan(what) {
			t.Errorf("%s: a scan is answered", what)
		}
		if status, text := s.get(t, "/healthz"); status != http.StatusOK {
			t.Errorf("%s: health %d: %s", what, status, text)
		}
	}
	// What was not answered under a key is answered under it now.
	recovered := func(what string) {
		t.Helper()
		eventually(t, what+": scans are not answered again", func() bool { return scan(what) })
		eventually(t, what+": /readyz is not 200 again", func() bool { status, _ := s.ready(t); return status == http.StatusOK })
		for id, want := range kept {
			if code, got := s.get(t, "/api/v1/scans/"+id); code != http.StatusOK || got != want {
				t.Errorf("%s: the scan %q was acknowledged, and is %d: %.300s", what, id, code, got)
			}
		}
	}
	recovered("begin")

	t.Log("killed and restarted")
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	unavailable("killed")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	recovered("killed")

	t.Log("connections cut")
	proxy.Cut()
	recovered("cut")
	proxy.Refuse()
	unavailable("refused")
	proxy.Pass()
	recovered("refused")

	t.Log("connections stalled")
	proxy.Swallow()
	unavailable("stalled")
	proxy.Pass()
	recovered("stalled")

	t.Log("connections used up")
	proxy.Refuse()
	hold := holdConnections(t, server.URL(name))
	proxy.Pass()
	unavailable("used up")
	hold()
	recovered("used up")

	t.Log("killed under scans and in an import")
	many := filepath.Join(t.TempDir(), "many.zip")
	writeRecords(t, many, 5_000, func(string) bool { return true })
	for i := range 2 {
		before := s.snapshot(t)
		importing := make(chan error, 1)
		go func() { importing <- direct.Import(t.Context(), many) }()
		var scans sync.WaitGroup
		stop := make(chan bool)
		var mu sync.Mutex
		for n := range 4 {
			scans.Go(func() {
				for j := 0; ; j++ {
					select {
					case <-stop:
						return
					default:
					}
					status, retryAfter, body := s.post(t, fmt.Sprint("under load ", i, n, j))
					var v verdict.Verdict
					switch err := json.Unmarshal(body, &v); {
					case status == http.StatusOK && err == nil && v.Report != "":
						mu.Lock()
						kept[v.Scan] = string(body)
						mu.Unlock()
					case status == http.StatusServiceUnavailable && retryAfter != "":
						time.Sleep(20 * time.Millisecond)
					default:
						t.Errorf("under load: status %d, Retry-After %q: %.200s", status, retryAfter, body)
						return
					}
				}
			})
		}
		time.Sleep(time.Duration(200+200*i) * time.Millisecond) // somewhere in the import
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		err := <-importing
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
		close(stop)
		scans.Wait()
		recovered(fmt.Sprint("killed under load ", i))
		if err == nil {
			t.Logf("the import was faster than the kill %d", i)
			eventually(t, "an import that succeeded is not served", func() bool { return s.snapshot(t) != before || i > 0 })
		} else if got := s.snapshot(t); got != before {
			t.Errorf("a killed import has changed the data from %q to %q: %v", before, got, err)
		}
		out, err := exec.Command(direct.Binary, "verify-data", "--data", direct.Data, "--database", server.URL(name)).CombinedOutput()
		if err != nil {
			t.Errorf("verify-data: %v\n%s", err, out)
		}
	}
	before := s.snapshot(t)
	if err := direct.Import(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the import is not served", func() bool { return s.snapshot(t) != before || strings.Contains(s.server.Log(), "records=5") })
	if log := s.server.Log(); strings.Contains(log, token) {
		t.Error("the log has the token")
	}
}

// holdConnections uses up what the server has of connections, until the function that it
// returns is called.
func holdConnections(t *testing.T, url string) (release func()) {
	t.Helper()
	var conns []*pgx.Conn
	for range 1000 {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			return func() {
				for _, c := range conns {
					if err := c.Close(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		}
		conns = append(conns, conn)
	}
	t.Fatal("the server has no limit of connections")
	return nil
}

// TestPostgresDiskFull fills the disk of the database. Scans are answered, and the answer
// says that they are not kept, as with a store in files. Once there is space they are kept
// again, without a restart.
func TestPostgresDiskFull(t *testing.T) {
	var d disk
	// Autovacuum may remove the file that a new connection would then have to write.
	server := pgtest.Start(t, func(dir string) string {
		mount := filepath.Join(dir, "disk")
		if err := os.Mkdir(mount, 0o755); err != nil {
			t.Fatal(err)
		}
		d = newDiskAt(t, mount, 200)
		if err := os.Chmod(mount, 0o755); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(mount, "data")
	}, "min_wal_size=64MB", "max_wal_size=64MB", "autovacuum=off")
	name := server.Database(t, "")
	config := databaseConfig(t, server.URL(name))
	records := filepath.Join(t.TempDir(), "records.zip")
	writeRecords(t, records, 5_000, func(string) bool { return true })
	if err := config.Import(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	// Segments of the log that are used again: without one, the server ends.
	server.Exec(t, name, "CHECKPOINT")
	token, err := config.NewToken(t.Context(), "ci")
	if err != nil {
		t.Fatal(err)
	}
	other, err := config.NewToken(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	s := serveDatabase(t, config.Database, token, debianInventory(t))
	kept, err := s.scan(t.Context())
	if err != nil || kept.Report == "" {
		t.Fatalf("%+v, %v", kept, err)
	}

	filler := d.fill(0)
	unkept := kept
	for i := 0; i < 20_000 && unkept.Report != ""; i++ {
		if unkept, err = s.scan(t.Context()); err != nil {
			t.Fatalf("scan %d with a full disk: %v", i, err)
		}
	}
	if unkept.Report != "" || !strings.Contains(strings.Join(unkept.Notices, " "), "not kept") || unkept.Decision.Code != kept.Decision.Code {
		t.Errorf("with a full disk: report %q, notices %q, code %d", unkept.Report, unkept.Notices, unkept.Decision.Code)
	}
	if code, text := s.get(t, "/healthz"); code != http.StatusOK || !strings.Contains(text, `"not-kept"`) {
		t.Errorf("health %d: %s", code, text)
	}
	if status, _ := s.ready(t); status != http.StatusOK {
		t.Errorf("ready %d", status)
	}
	if code, text := s.get(t, "/api/v1/scans/"+kept.Scan); code != http.StatusOK {
		t.Errorf("a scan that was kept: %d: %s", code, text)
	}
	before := s.snapshot(t)
	all := filepath.Join(t.TempDir(), "all.zip")
	writeRecords(t, all, 10_000, func(string) bool { return true })
	if err := config.Import(t.Context(), all); err == nil || !strings.Contains(err.Error(), "No space left on device") {
		t.Errorf("an import without room: %v", err)
	}
	if out, err := exec.Command(config.Binary, "token", "revoke", "other", "--database", config.Database).CombinedOutput(); err != nil {
		t.Errorf("revoke a token: %v\n%s", err, out)
	}
	if code, _ := (served{s.url, other, s.inventory, s.server}).get(t, "/api/v1/token"); code != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", code)
	}
	if got := s.snapshot(t); got != before {
		t.Errorf("a failed import has changed the data from %q to %q", before, got)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if v, err := s.scan(t.Context()); err != nil || v.Report == "" {
		t.Errorf("with room again: %+v, %v", v, err)
	}
	if code, text := s.get(t, "/healthz"); code != http.StatusOK || strings.Contains(text, `"not-kept"`) {
		t.Errorf("health %d: %s", code, text)
	}
	if err := config.Import(t.Context(), all); err != nil {
		t.Error(err)
	}
	eventually(t, "the import is not served", func() bool { return s.snapshot(t) != before })
}
