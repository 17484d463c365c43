package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"assay/verdict"
)

// A running is an assayd in this process, with its own clock.
type running struct {
	t    *testing.T
	url  string
	log  *lockedBuffer
	now  atomic.Int64 // nanoseconds
	end  context.CancelFunc
	done chan error
}

// startServe serves from a data folder. It ends with the test.
func startServe(t *testing.T, data string, flags ...string) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	r := &running{t: t, url: "http://" + addr, log: &lockedBuffer{}, done: make(chan error, 1)}
	r.now.Store(time.Now().UnixNano())
	d := &daemon{stdout: r.log, stderr: r.log, now: func() time.Time { return time.Unix(0, r.now.Load()) }}
	var ctx context.Context
	ctx, r.end = context.WithCancel(t.Context())
	go func() {
		r.done <- d.run(ctx, append([]string{"assayd", "serve", "--data", data, "--listen", addr, "--public-url", r.url}, flags...))
	}()
	t.Cleanup(func() {
		r.end()
		if err := <-r.done; err != nil {
			t.Errorf("%v\n%s", err, r.log)
		}
	})
	return r
}

// pass advances the clock.
func (r *running) pass(d time.Duration) { r.now.Add(int64(d)) }

func (r *running) wait(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s\n%s", what, r.log)
		}
	}
}

// A health is an answer of /healthz.
type health struct {
	Status  string
	Causes  []struct{ Rule, Text string }
	Records int
}

func (h health) has(rule string) bool {
	for _, c := range h.Causes {
		if c.Rule == rule {
			return true
		}
	}
	return false
}

func (r *running) health() (h health) {
	resp, err := http.Get(r.url + "/healthz")
	if err != nil {
		return h
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&h) != nil {
		return health{}
	}
	return h
}

// scan sends an R package and returns the verdict.
func (r *running) scan(token string) (v verdict.Verdict) {
	r.t.Helper()
	const doc = `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"a","purl":"pkg:cran/a@1.0"}]}`
	req, err := http.NewRequest("POST", r.url+"/api/v1/scans", bytes.NewReader([]byte(doc)))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(b, &v) != nil {
		r.t.Fatalf("%s, %v: %s", resp.Status, err, b)
	}
	return v
}

func tooOld(v verdict.Verdict) bool {
	for _, reason := range v.Decision.Reasons {
		if reason.Rule == "data-too-old" {
			return true
		}
	}
	return false
}

// TestSourceDownForAWeek checks that the log and /healthz show an unreachable source long
// before scans end with code 5, and that both recover when the source is back.
func TestSourceDownForAWeek(t *testing.T) {
	from, data := mirror(t, "CRAN"), t.TempDir()
	token := strings.TrimSpace(must(t, "token", "create", "--name", "t", "--data", data))
	r := startServe(t, data, "--mirror", from, "--update-every", "50ms")
	r.wait("no data", func() bool { h := r.health(); return h.Records == 14 && h.Status == "ok" })
	if v := r.scan(token); tooOld(v) {
		t.Fatalf("fresh data: %+v", v.Decision)
	}

	list := filepath.Join(from, "CRAN", "modified_id.csv")
	if err := os.Rename(list, list+".gone"); err != nil {
		t.Fatal(err)
	}
	r.wait("the health does not say that the update failed", func() bool { return r.health().has("update-failed") })
	lines := func(text string) int { return strings.Count(r.log.String(), text) }
	const warning, stopped = "the data is getting old", "scans that need old data end with code 5"

	day := 24 * time.Hour
	r.pass(3 * day) // data is trusted for seven
	for range 20 {
		r.health()
	}
	if r.health().has("data-old") || lines(warning) != 0 {
		t.Errorf("a warning after three days:\n%s", r.log)
	}
	r.pass(day)
	r.wait("no warning after four days", func() bool { return r.health().has("data-old") && lines(warning) == 1 })
	if v := r.scan(token); tooOld(v) {
		t.Errorf("after four days: %+v", v.Decision)
	}
	r.pass(36 * time.Hour)
	r.wait("no second warning", func() bool { return lines(warning) == 2 })
	r.pass(2 * day)
	r.wait("the log does not say that scans end with 5", func() bool { return lines(stopped) == 1 })
	if v := r.scan(token); !tooOld(v) || v.Decision.Code != 5 {
		t.Errorf("after more than a week: %+v", v.Decision)
	}
	if h := r.health(); h.Status != "degraded" || !h.has("data-old") || h.Records != 14 {
		t.Errorf("%+v", h)
	}
	if status := must(t, "status", "--data", data); !strings.Contains(status, "modified_id.csv") {
		t.Errorf("status does not say why:\n%s", status)
	}

	if err := os.Rename(list+".gone", list); err != nil {
		t.Fatal(err)
	}
	r.wait("it did not recover", func() bool { return r.health().Status == "ok" && lines("the data is fresh again") == 1 })
	if v := r.scan(token); tooOld(v) {
		t.Errorf("after it is back: %+v", v.Decision)
	}
	if lines(warning) != 2 || lines(stopped) != 1 {
		t.Errorf("a step was logged more than once:\n%s", r.log)
	}
	// Data that was fetched while the clock was wrong is dated in the future.
	r.pass(-day)
	r.end()
	if v := r.future(t, data, token); !tooOld(v) {
		t.Errorf("data from the future: %+v", v.Decision)
	}
}

// future serves the data a day before it was fetched.
func (r *running) future(t *testing.T, data, token string) verdict.Verdict {
	t.Helper()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	r.done <- nil // for the clean-up
	s := startServe(t, data, "--update-every", "0")
	s.now.Store(r.now.Load())
	s.wait("no data", func() bool { return s.health().Records == 14 })
	if h := s.health(); !h.has("data-old") || !strings.Contains(h.Causes[0].Text, "in the future") {
		t.Errorf("%+v", h)
	}
	return s.scan(token)
}

// The server updates the sources that were fetched before, and all sources if the store is
// empty. It updates nothing if the store was filled by imports.
func TestServeUpdatesWhatIsHeld(t *testing.T) {
	from := mirror(t, "CRAN", "Hackage")
	for _, tt := range []struct {
		name string
		fill func(data string)
		want []string
		not  []string
	}{
		{"an empty store", func(string) {}, []string{"osv:CRAN", "osv:Hackage"}, nil},
		{"one ecosystem", func(data string) { must(t, "update", "--mirror", from, "--ecosystem", "CRAN", "--data", data) }, []string{"osv:CRAN"}, []string{"osv:Hackage"}},
		{"all, of which one was dropped", func(data string) {
			must(t, "update", "--mirror", from, "--data", data)
			must(t, "update", "--drop", "CRAN", "--data", data)
		}, []string{"osv:Hackage"}, []string{"osv:CRAN"}},
		{"an import", func(data string) { must(t, "import", filepath.Join(from, "CRAN", "all.zip"), "--data", data) }, nil, []string{"osv:CRAN", "osv:Hackage"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := t.TempDir()
			tt.fill(data)
			r := startServe(t, data, "--mirror", from, "--update-every", "50ms")
			r.wait("it does not serve", func() bool { return r.health().Status != "" })
			for _, source := range tt.want {
				r.wait(source+" is not updated", func() bool { return strings.Contains(r.log.String(), "msg=update source="+source) })
			}
			time.Sleep(200 * time.Millisecond) // four intervals
			for _, source := range tt.not {
				if strings.Contains(r.log.String(), "source="+source) {
					t.Errorf("%s was updated:\n%s", source, r.log)
				}
			}
			if h := r.health(); h.has("update-failed") {
				t.Errorf("%+v", h)
			}
		})
	}
}

// Status shows that the first update failed, until an update succeeds.
func TestFirstUpdateFails(t *testing.T) {
	data := t.TempDir()
	if _, _, err := assayd(t, "update", "--mirror", "http://127.0.0.1:1", "--connect-timeout", "50ms", "--data", data); err == nil {
		t.Fatal("status prints nothing")
	}
	if status := must(t, "status", "--data", data); !strings.Contains(status, "\nosv     0        never         -    CC-BY-4.0 and others  2") {
		t.Errorf("%s", status)
	}
	must(t, "update", "--mirror", mirror(t, "CRAN"), "--data", data)
	if status := must(t, "status", "--data", data); strings.Contains(status, "\nosv ") {
		t.Errorf("%s", status)
	}
}
