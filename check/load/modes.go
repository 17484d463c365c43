package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"assay/check/testkit/assayd"
)

func levels(ctx context.Context, c config, r *rig) error {
	return r.serving(ctx, r.config, func(s *assayd.Server) error {
		for text := range strings.SplitSeq(c.connections, ",") {
			n, err := strconv.Atoi(text)
			if err != nil {
				return fmt.Errorf("connections: %w", err)
			}
			m, err := r.measure(s)
			if err != nil {
				return err
			}
			t, took := scanning(ctx, client(c.patience+c.bound), s.URL, r.token, r.bodies, n, c.scans, c.bound)
			used, err := m.report(len(t.answered))
			if err != nil {
				return err
			}
			fmt.Printf("levels: %d connections: %.0f scans/s, %v; %s\n", n, float64(len(t.answered))/took.Seconds(), t, used)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return nil
	})
}

func memory(mode string, s *assayd.Server) error {
	resident, err := s.Resident()
	fmt.Printf("%s: resident %d MiB\n", mode, resident>>20)
	return err
}

// others sends n scans with the second token, one after the other, and returns a summary.
func others(ctx context.Context, c config, r *rig, s *assayd.Server, n int) *tally {
	t, _ := scanning(ctx, client(c.patience), s.URL, r.second, r.bodies, 1, n, c.bound+c.patience)
	return t
}

// quietScans is how many scans the modes slow and half-open compare.
const quietScans = 500

// slowBodies opens requests whose bodies arrive one byte a second.
func slowBodies(ctx context.Context, c config, r *rig) error {
	const head = "POST /api/v1/scans HTTP/1.1\r\nHost: assayd\r\nAuthorization: Bearer %s\r\n" +
		"Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
	for _, n := range []int{8, 100} {
		err := r.serving(ctx, r.config, func(s *assayd.Server) error {
			quiet := others(ctx, c, r, s, quietScans)
			stop, err := hold(ctx, s, n, fmt.Sprintf(head, r.token))
			if err != nil {
				return err
			}
			defer stop()
			fmt.Printf("slow: %d slow bodies; scans of another token: %v; before them: %v; load average %s\n", n, others(ctx, c, r, s, quietScans), quiet, loadAverage())
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// halfOpen opens connections that send only a part of the header.
func halfOpen(ctx context.Context, c config, r *rig) error {
	const n = 5000
	return r.serving(ctx, r.config, func(s *assayd.Server) error {
		quiet := others(ctx, c, r, s, quietScans)
		stop, err := hold(ctx, s, n, "POST /api/v1/scans HTTP/1.1\r\nHost: assayd\r\nX-Wait: ")
		if err != nil {
			return err
		}
		defer stop()
		fmt.Printf("half-open: %d connections; scans of a token: %v; before them: %v; load average %s\n", n, others(ctx, c, r, s, quietScans), quiet, loadAverage())
		return memory("half-open", s)
	})
}

// hold opens n connections, sends head on each and then a space a second, until it
// is stopped. The connections that assayd closes are not opened again.
func hold(ctx context.Context, s *assayd.Server, n int, head string) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	stop = func() { cancel(); group.Wait() }
	for range n {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(s.URL, "http://"), 10*time.Second)
		if err == nil {
			_, err = conn.Write([]byte(head))
		}
		if err != nil {
			stop()
			return nil, err
		}
		group.Go(func() {
			defer conn.Close()
			for ctx.Err() == nil {
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
				if _, err := conn.Write([]byte(" ")); err != nil {
					return
				}
			}
		})
	}
	time.Sleep(time.Second) // assayd has read what was sent
	return stop, nil
}

// flat sends many scans over 16 connections and prints the resident memory and the disk
// at each tenth.
func flat(ctx context.Context, c config, r *rig) error {
	end := time.Now().Add(c.flatBound)
	return r.serving(ctx, r.config, func(s *assayd.Server) error {
		done := 0
		for step := 1; step <= 10 && time.Now().Before(end); step++ {
			m, err := r.measure(s)
			if err != nil {
				return err
			}
			t, took := scanning(ctx, client(c.patience), s.URL, r.token, r.bodies, 16, c.flat*step/10-done, time.Until(end))
			if err := ctx.Err(); err != nil {
				return err
			}
			done += len(t.answered)
			used, err := m.report(len(t.answered))
			if err != nil {
				return err
			}
			size, err := diskUse(ctx, r.config)
			if err != nil {
				return err
			}
			fmt.Printf("flat: %d scans: %.0f scans/s, %v; disk %d MB; %s\n",
				done, float64(len(t.answered))/took.Seconds(), t, size/1e6, used)
		}
		return nil
	})
}

// getFlood stores one large scan and reads it 150 times at once, first with its own token
// and then with one that may not read it.
func getFlood(ctx context.Context, c config, r *rig) error {
	var id string
	err := r.serving(ctx, r.config, func(s *assayd.Server) (err error) {
		id, err = keepLarge(ctx, r, s)
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range []struct{ what, token, path string }{
		{"verdict", r.token, "/api/v1/scans/" + id},
		{"report", r.token, "/api/v1/scans/" + id + "/report"},
		{"verdict, not permitted", r.second, "/api/v1/scans/" + id},
	} {
		err := flood(ctx, c, r, "get: 150 × "+f.what, func(s *assayd.Server) *tally {
			return atOnce(c, 150, func(h *http.Client) (answer, error) {
				return request(ctx, h, http.MethodGet, s.URL+f.path, f.token, nil, false)
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keepLarge stores a scan with as many findings as assayd accepts, within a factor of two,
// and returns its ID.
func keepLarge(ctx context.Context, r *rig, s *assayd.Server) (string, error) {
	for n := 40_000; n > 0; n /= 2 {
		body, err := large(func(i int) string {
			return fmt.Sprintf("pkg:deb/debian/perl@5.36.0-7?arch=a%d", i)
		}, n)
		if err != nil {
			return "", err
		}
		a, err := request(ctx, client(2*time.Minute), http.MethodPost, s.URL+"/api/v1/scans", r.token, body, true)
		if err != nil {
			return "", err
		}
		if a.status == http.StatusUnprocessableEntity {
			continue
		}
		if a.status != http.StatusOK {
			return "", fmt.Errorf("keep a large scan: status %d: %.300s", a.status, a.body)
		}
		var v struct{ Scan string }
		err = json.Unmarshal(a.body, &v)
		fmt.Printf("get: the stored scan has %d packages and a verdict of %d MiB\n", n, len(a.body)>>20)
		return v.Scan, err
	}
	return "", errors.New("no large scan is accepted")
}

// postFlood sends eight large scans at once: first scans of which one fits into the memory
// of the cgroup, then larger ones.
func postFlood(ctx context.Context, c config, r *rig) error {
	for _, n := range []int{200_000, 900_000} {
		body, err := large(func(i int) string { return fmt.Sprintf("pkg:npm/%x@1", i) }, n)
		if err != nil {
			return err
		}
		err = flood(ctx, c, r, fmt.Sprintf("post: 8 × %d packages", n), func(s *assayd.Server) *tally {
			return atOnce(c, 8, func(h *http.Client) (answer, error) {
				return request(ctx, h, http.MethodPost, s.URL+"/api/v1/scans", r.token, body, false)
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func large(purl func(int) string, n int) ([]byte, error) {
	var b strings.Builder
	b.WriteString(`{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[{"type":"operating-system","name":"debian","version":"12"}`)
	for i := range n {
		fmt.Fprintf(&b, `,{"purl":"%s"}`, purl(i))
	}
	b.WriteString("]}")
	return pack([]byte(b.String()))
}

// atOnce calls do n times at once and counts the answers.
func atOnce(c config, n int, do func(*http.Client) (answer, error)) *tally {
	var t tally
	var group sync.WaitGroup
	h := client(2 * c.patience)
	for range n {
		group.Go(func() { t.add(do(h)) })
	}
	group.Wait()
	h.CloseIdleConnections()
	return &t
}

// flood runs assayd in a cgroup with a memory limit and sends it many requests while the
// second token scans. It prints the results.
func flood(ctx context.Context, c config, r *rig, what string, send func(*assayd.Server) *tally) error {
	group, err := newCgroup(c.memory)
	if err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	d := r.config
	if d.Binary, err = group.wrap(r.dir, r.config.Binary); err != nil {
		return err
	}
	s, err := d.Serve(ctx)
	if err != nil {
		return err
	}
	beside := make(chan *tally)
	go func() { beside <- others(ctx, c, r, s, 20) }()
	t := send(s)
	served := <-beside
	after := others(ctx, c, r, s, 1)
	state := "alive"
	if len(after.answered) == 0 {
		state = "NOT answering afterwards"
	}
	if err := s.Close(); err != nil {
		state = "KILLED"
	}
	peak, err := group.peak()
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s, peak %d of %d MiB; flood: %v; scans of another token: %v\n", what, state, peak>>20, c.memory>>20, t, served)
	return group.remove()
}

// A cgroup is a control group of version 1 with a memory limit, see cgroups(7).
type cgroup string

func newCgroup(limit int64) (cgroup, error) {
	g := cgroup(fmt.Sprintf("/sys/fs/cgroup/memory/assay-load-%d", os.Getpid()))
	if err := os.Mkdir(string(g), 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(g.file("memory.limit_in_bytes"), []byte(strconv.FormatInt(limit, 10)), 0); err != nil {
		return "", errors.Join(err, g.remove())
	}
	return g, nil
}

func (g cgroup) file(name string) string { return filepath.Join(string(g), name) }

// wrap returns a program that runs binary in the group.
func (g cgroup) wrap(dir, binary string) (string, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return "", err
	}
	script := filepath.Join(dir, "assayd-in-cgroup")
	return script, os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\necho $$ >%s && exec %s \"$@\"\n", g.file("cgroup.procs"), binary), 0o755)
}

func (g cgroup) peak() (int64, error) {
	b, err := os.ReadFile(g.file("memory.max_usage_in_bytes"))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}

func (g cgroup) remove() error { return os.Remove(string(g)) }
