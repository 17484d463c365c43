package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/assayd"
	"assay/check/testkit/pgtest"
	"assay/service/store/postgres"
	"assay/verdict"
)

// balance starts HAProxy in front of servers and returns its URL. It asks each whether it
// is ready, and sends nothing to one that is not.
func balance(t *testing.T, servers ...string) string {
	t.Helper()
	haproxy, err := exec.LookPath("haproxy")
	if err != nil {
		if haproxy, err = exec.LookPath("/usr/sbin/haproxy"); err != nil {
			testkit.Missing(t, "haproxy: apt-get install haproxy")
		}
	}
	addr, err := assayd.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	var conf strings.Builder
	fmt.Fprintf(&conf, "global\n  maxconn 1000\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 60s\n  timeout server 60s\n  option redispatch\n"+
		"listen assay\n  bind %s\n  balance roundrobin\n  option httpchk GET /readyz\n  default-server check inter 200ms fall 2 rise 1\n", addr)
	for i, s := range servers {
		fmt.Fprintf(&conf, "  server assayd%d %s\n", i, strings.TrimPrefix(s, "http://"))
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(conf.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(haproxy, "-db", "-f", file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	})
	u := "http://" + addr
	eventually(t, "HAProxy does not answer", func() bool {
		resp, err := http.Get(u + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return u
}

// TestReplicas runs real clients against three assayd on one database behind a load
// balancer, kills each of them in turn and imports meanwhile. Every client gets its
// verdict, every scan is kept once, and all replicas answer the same.
func TestReplicas(t *testing.T) {
	t.Parallel()
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
	start := func(c assayd.Config) *assayd.Server {
		t.Helper()
		s, err := c.Serve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	var running [3]onDatabase
	var urls []string
	for i := range running {
		running[i] = onDatabase{config: databaseConfig(t, database)}
		addr, err := assayd.FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		running[i].config.Addr = addr
		running[i].served = served{"http://" + addr, token, inventory, start(running[i].config)}
		urls = append(urls, running[i].url)
	}
	defer func() {
		for _, r := range running {
			if err := r.server.Close(); err != nil {
				t.Error(err)
			}
			if t.Failed() {
				t.Logf("assayd %s:\n%s", r.url, r.server.Log())
			}
		}
	}()
	front := balance(t, urls...)

	// Clients and one driver that sends each key to two replicas at once.
	stop := make(chan struct{})
	var work sync.WaitGroup
	var scans, keys atomic.Int64
	acknowledged := sync.Map{} // scan IDs
	until := func(f func()) {
		work.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f()
				}
			}
		})
	}
	found := regexp.MustCompile(`scan=([a-z2-7]{16})`)
	for range 2 {
		until(func() {
			out, err := exec.Command(filepath.Join(bin, "assay"), token, "--root", sampleRoot, "--server", front).CombinedOutput()
			exit, _ := errors.AsType[*exec.ExitError](err)
			id := found.FindSubmatch(out)
			if exit == nil || exit.ExitCode() != 4 || id == nil {
				t.Errorf("assay: %v, want exit code 4 and a scan\n%s", err, out)
				return
			}
			scans.Add(1)
			if _, twice := acknowledged.LoadOrStore(string(id[1]), true); twice {
				t.Errorf("two clients got the scan %s", id[1])
			}
		})
	}
	until(func() {
		key := fmt.Sprint("key ", keys.Add(1))
		ids := make([]string, 2)
		var both sync.WaitGroup
		for n := range ids {
			both.Go(func() { ids[n] = insist(t, served{url: front, token: token, inventory: inventory}, key) })
		}
		both.Wait()
		if ids[0] != ids[1] {
			t.Errorf("%s has the scans %q", key, ids)
		}
		acknowledged.Store(ids[0], true)
		time.Sleep(10 * time.Millisecond)
	})

	// Each replica is killed and started again, twice, and 3,000 records come meanwhile.
	all := filepath.Join(t.TempDir(), "all.zip")
	writeRecords(t, all, 3_000, func(string) bool { return true })
	before := running[0].snapshot(t)
	imported := make(chan error, 1)
	for round := range 2 {
		for i := range running {
			if err := running[i].server.Kill(); err != nil {
				t.Fatal(err)
			}
			if round == 1 && i == 0 {
				go func() { imported <- config.Import(t.Context(), all) }()
			}
			time.Sleep(300 * time.Millisecond) // clients meet the gap
			running[i].server = start(running[i].config)
		}
	}
	if err := <-imported; err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	eventually(t, "the new data is not served by all", func() bool {
		a := running[0].snapshot(t)
		return a != before && a == running[1].snapshot(t) && a == running[2].snapshot(t)
	})
	seenAfter := time.Since(begin)
	close(stop)
	work.Wait()
	t.Logf("%d clients and %d keys; new data on all replicas after %v", scans.Load(), keys.Load(), seenAfter)
	if scans.Load() < 5 || keys.Load() < 20 {
		t.Errorf("only %d clients and %d keys", scans.Load(), keys.Load())
	}

	// What is kept is what was acknowledged: nothing is lost, nothing is there twice.
	st, err := postgres.Open(t.Context(), database, true)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	kept, err := st.ListScans(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if want := scans.Load() + keys.Load(); int64(len(kept)) != want {
		t.Errorf("%d scans are kept, %d were acknowledged", len(kept), want)
	}
	for _, s := range kept {
		acknowledged.Delete(s.ID)
	}
	acknowledged.Range(func(id, _ any) bool { t.Errorf("scan %v was acknowledged and is not kept", id); return true })

	var want []verdict.Finding
	for i := range running {
		v, err := running[i].scan(t.Context())
		if err != nil || len(v.Findings) == 0 {
			t.Fatalf("%d findings, %v", len(v.Findings), err)
		}
		if i == 0 {
			want = v.Findings
		} else if !reflect.DeepEqual(v.Findings, want) {
			t.Errorf("replica %d has other findings than the first", i)
		}
	}
}

// insist sends a scan until it is answered, as the client does, and returns its ID.
func insist(t *testing.T, s served, key string) string {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		var v verdict.Verdict
		resp, body, err := s.try(t.Context(), key)
		status := 0
		if err == nil {
			status = resp.StatusCode
		}
		if status == http.StatusOK {
			if err := json.Unmarshal(body, &v); err != nil || v.Scan == "" {
				t.Errorf("%s: %v, %.200s", key, err, body)
			}
			return v.Scan
		}
		if err == nil && status < 500 {
			t.Errorf("%s: %d, %.200s", key, status, body)
			return ""
		}
		if time.Now().After(deadline) {
			t.Errorf("%s is not answered: %d, %v", key, status, err)
			return ""
		}
	}
}
