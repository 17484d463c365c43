package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/assayd"
	"assay/verdict"
)

// killsEnv names how often TestKilled kills; "make kills" sets 100.
const killsEnv = "ASSAY_KILLS"

const killedPackages = 40 // that a scan has of each source

// killedRecords is how many records each source has.
func killedRecords() int { return testkit.Some(1000, 3000) }

// writeGeneration writes records as a zip, and as a bucket of the ecosystem npm around
// it. All of a generation name the fix generation.0.0.
func writeGeneration(t *testing.T, dir, name string, generation int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "npm"), 0o700); err != nil {
		t.Fatal(err)
	}
	modified := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(generation) * time.Hour).Format(time.RFC3339)
	var archive, list bytes.Buffer
	z := zip.NewWriter(&archive)
	for i := range killedRecords() {
		id := fmt.Sprintf("TEST-%s-%d", name, i)
		w, err := z.Create(id + ".json")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(w, `{"schema_version":"1.7.0","id":%q,"modified":%q,"details":%q,"affected":[{"package":{"ecosystem":"npm","name":"%s%d"},`+
			`"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"%d.0.0"}]}]}]}`,
			id, modified, strings.Repeat(fmt.Sprint(i*generation), 200), name, i, generation)
		fmt.Fprintf(&list, "%s,%s\n", modified, id)
	}
	err := errors.Join(z.Close(),
		os.WriteFile(filepath.Join(dir, "npm", "all.zip"), archive.Bytes(), 0o600),
		os.WriteFile(filepath.Join(dir, "npm", "modified_id.csv"), list.Bytes(), 0o600),
		os.WriteFile(filepath.Join(dir, "ecosystems.txt"), []byte("npm\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

// A killing is what TestKilled knows must be there.
type killing struct {
	t       *testing.T
	disk    disk
	data    string
	token   string
	body    []byte
	sources map[string]*killedSource // "import", "update"
	mu      sync.Mutex
	kept    map[string][sha256.Size]byte // verdicts that were acknowledged since the last check, by scan
	held    map[string][sha256.Size]byte // those before, which are checked again at the end
	revoked []string                     // secrets of tokens that were revoked
	filler  string
}

// A killedSource has a generation, and after a kill maybe the next.
type killedSource struct {
	dir        string
	has, maybe int
	command    []string
}

func (k *killing) assayd(args ...string) *exec.Cmd {
	return exec.CommandContext(k.t.Context(), filepath.Join(bin, "assayd"), append(args, "--data", k.data)...)
}

// must runs a command to its end.
func (k *killing) must(args ...string) string {
	k.t.Helper()
	var stderr bytes.Buffer
	cmd := k.assayd(args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		k.t.Fatalf("assayd %q: %v\n%s", args, err, &stderr)
	}
	return strings.TrimSpace(string(out))
}

func (k *killing) serve() *assayd.Server {
	k.t.Helper()
	s, err := assayd.Config{Binary: filepath.Join(bin, "assayd"), Data: k.data}.Serve(k.t.Context())
	if err != nil {
		k.t.Fatalf("assayd does not start after a kill: %v", err)
	}
	return s
}

func (k *killing) do(ctx context.Context, s *assayd.Server, method, path, token string, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

// scan scans, notes an acknowledged verdict, and returns the generations seen.
func (k *killing) scan(ctx context.Context, s *assayd.Server) (map[string]int, error) {
	code, b, err := k.do(ctx, s, http.MethodPost, "/api/v1/scans", k.token, k.body)
	if err != nil {
		return nil, err
	}
	if code != http.StatusOK {
		return nil, fmt.Errorf("%d: %s", code, b)
	}
	var v verdict.Verdict
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, err
	}
	if v.Report != "" { // else it says that it was not kept
		k.mu.Lock()
		k.kept[v.Scan] = sha256.Sum256(b)
		k.mu.Unlock()
	}
	seen, n := map[string]int{}, map[string]int{}
	for _, f := range v.Findings {
		source, _, _ := strings.Cut(f.Package.Name, "-")
		major, _, _ := strings.Cut(f.Fixed, ".")
		generation, err := strconv.Atoi(major)
		if err != nil {
			return nil, fmt.Errorf("%s is fixed in %q", f.Package.Name, f.Fixed)
		}
		if n[source] > 0 && seen[source] != generation {
			k.t.Errorf("half of %s: generations %d and %d in one scan", source, seen[source], generation)
		}
		seen[source] = generation
		n[source]++
	}
	for source, n := range n {
		if n != killedPackages {
			k.t.Errorf("half of %s: %d findings in %d packages", source, n, killedPackages)
		}
	}
	return seen, nil
}

// check compares what was acknowledged with a service that has just started.
func (k *killing) check(s *assayd.Server) {
	k.t.Helper()
	seen, err := k.scan(k.t.Context(), s)
	if err != nil {
		k.t.Fatalf("a scan after a kill: %v\n%s", err, s.Log())
	}
	for name, source := range k.sources {
		if got := seen[name]; got != source.has && got != source.maybe {
			k.t.Errorf("%s is of generation %d, want %d or %d", name, got, source.has, source.maybe)
		}
	}
	k.holdScans(s, k.kept)
	maps.Copy(k.held, k.kept)
	clear(k.kept)
	for _, secret := range k.revoked {
		if code, b, err := k.do(k.t.Context(), s, http.MethodGet, "/api/v1/token", secret, nil); err != nil || code != http.StatusUnauthorized {
			k.t.Errorf("a token was revoked: %d, %v, %s", code, err, b)
		}
	}
}

// holdScans checks that scans are stored as they were answered.
func (k *killing) holdScans(s *assayd.Server, scans map[string][sha256.Size]byte) {
	k.t.Helper()
	for id, sum := range scans {
		code, b, err := k.do(k.t.Context(), s, http.MethodGet, "/api/v1/scans/"+id, k.token, nil)
		if err != nil || code != http.StatusOK || sha256.Sum256(b) != sum {
			k.t.Errorf("scan %q was acknowledged: %d, %v, %.200s", id, code, err, b)
		}
	}
}

// room leaves so much of the disk free, or all of it.
func (k *killing) room(leave int64) {
	if err := os.Remove(k.filler); err != nil && !errors.Is(err, os.ErrNotExist) {
		k.t.Fatal(err)
	}
	if leave > 0 {
		k.filler = k.disk.fill(leave)
	}
}

// TestKilled kills imports, updates and the service under load with SIGKILL, every
// second time with a disk that is nearly full. Nothing that was acknowledged is lost:
// no import, no scan, no revoked token; and no scan sees half an import.
func TestKilled(t *testing.T) {
	kills := testkit.Some(4, 100)
	if s := os.Getenv(killsEnv); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("%s: %v", killsEnv, err)
		}
		kills = n
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	k := &killing{t: t, disk: newDisk(t, 128), kept: map[string][sha256.Size]byte{}, held: map[string][sha256.Size]byte{}}
	k.data = filepath.Join(k.disk.dir, "data")
	doc := &strings.Builder{}
	doc.WriteString(`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[`)
	k.sources = map[string]*killedSource{}
	for _, name := range []string{"import", "update"} {
		dir := t.TempDir()
		source := &killedSource{dir: dir, has: 1, maybe: 1}
		source.command = []string{"update", "--mirror", dir, "--ecosystem", "npm"}
		if name == "import" {
			source.command = []string{"import", filepath.Join(dir, "npm", "all.zip")}
		}
		k.sources[name] = source
		writeGeneration(t, dir, name+"-", 1)
		k.must(source.command...)
		for i := range killedPackages {
			fmt.Fprintf(doc, `{"type":"library","name":"x","purl":"pkg:npm/%s-%d@0.0.1"},`, name, i*(killedRecords()/killedPackages))
		}
	}
	k.body = []byte(strings.TrimSuffix(doc.String(), ",") + `]}`)
	k.token = k.must("token", "create", "--name", "killed")

	// How long a whole import takes here.
	start := time.Now()
	writeGeneration(t, k.sources["import"].dir, "import-", 2)
	k.must(k.sources["import"].command...)
	whole := time.Since(start)
	k.sources["import"].has, k.sources["import"].maybe = 2, 2

	names := []string{"import", "update", "load"}
	finished, died := 0, 0
	for i := range kills {
		what := names[i/2%len(names)]
		full := i%2 == 1
		spare := fmt.Sprintf("spare%d", i)
		secret := k.must("token", "create", "--name", spare)
		s := k.serve()
		if full {
			k.room(int64(random.IntN(12 << 20)))
		}
		after := time.Duration(random.Int64N(int64(whole) * 5 / 4))
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for range 2 {
			wg.Go(func() {
				for ctx.Err() == nil {
					if _, err := k.scan(ctx, s); err != nil && ctx.Err() == nil && what != "load" {
						t.Errorf("kill %d (%s, full %v): a scan meanwhile: %v", i, what, full, err)
					}
				}
			})
		}
		if what == "load" {
			revoked := make(chan error, 1)
			go func() { revoked <- k.assayd("token", "revoke", spare).Run() }()
			time.Sleep(after)
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
			cancel()
			wg.Wait()
			if err := <-revoked; err != nil {
				t.Errorf("kill %d: revoke with full %v: %v", i, full, err)
			} else {
				k.revoked = append(k.revoked, secret)
			}
		} else {
			source := k.sources[what]
			source.maybe = source.has + 1
			writeGeneration(t, source.dir, what+"-", source.maybe)
			var out bytes.Buffer
			cmd := k.assayd(source.command...)
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may have ended
			switch err := cmd.Wait(); {
			case err == nil:
				finished++
				source.has = source.maybe
			case cmd.ProcessState.ExitCode() == -1:
				died++
			case !full || !strings.Contains(out.String(), "full") && !strings.Contains(out.String(), "no space"):
				t.Errorf("kill %d (%s, full %v): %v\n%s", i, what, full, err, &out)
			}
			timer.Stop()
			cancel()
			wg.Wait()
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		// Started with the disk as it is, then with room.
		s = k.serve()
		if _, err := k.scan(t.Context(), s); err != nil {
			t.Fatalf("kill %d (%s, full %v): %v\n%s", i, what, full, err, s.Log())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		k.room(0)
		s = k.serve()
		k.check(s)
		// A committed import is served; one that was cut off may be done again.
		seen, err := k.scan(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for name, source := range k.sources {
			source.has, source.maybe = seen[name], seen[name]
		}
		if i == kills-1 {
			k.holdScans(s, k.held)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d kills, of them %d before the end of an import, %d after; %d scans and %d revoked tokens held", kills, died, finished, len(k.held), len(k.revoked))
}
