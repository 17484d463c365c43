package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/check/testkit/assayd"
	"assay/verdict"
)

// measureService starts assayd with every advisory of the test data and sends
// it scans of each kind of tree.
func measureService(ctx context.Context, c config) (_ []row, err error) {
	records := filepath.Join(c.testdata, "osv")
	if _, err := os.Stat(records); err != nil {
		fmt.Fprintf(os.Stderr, "bench: assayd is not measured: %v; set TESTDATA\n", err)
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "assay-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	d := assayd.Config{Binary: filepath.Join(c.dist, "assayd"), Data: filepath.Join(dir, "data")}
	start := time.Now()
	if err := d.Import(ctx, records); err != nil {
		return nil, err
	}
	imported := time.Since(start)
	token, err := d.NewToken(ctx, "bench")
	if err != nil {
		return nil, err
	}
	// The first start builds the snapshot; the second is the ordinary one.
	first, err := d.Serve(ctx)
	if err != nil {
		return nil, err
	}
	if err := first.Close(); err != nil {
		return nil, err
	}
	b := builder{token: token}
	if c.profiles != "" {
		if b.debug, err = assayd.FreeAddr(); err != nil {
			return nil, err
		}
		d.Flags = []string{"--debug-listen", b.debug}
	}
	s, err := d.Serve(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := s.Close(); err == nil {
			err = cerr
		}
	}()

	b.url, b.pid = s.URL, s.PID()
	trees, err := b.trees(ctx, c, dir)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, t := range trees {
		measured, err := b.measure(ctx, t, c)
		if err != nil {
			return nil, err
		}
		rows = append(rows, measured...)
	}
	resident, err := s.Resident()
	if err != nil {
		return nil, err
	}
	return append(rows,
		row{"assayd, ready", s.Ready.Seconds(), 1, "s",
			fmt.Sprintf("all records; %.1f s where it builds the snapshot, import %.1f s", first.Ready.Seconds(), imported.Seconds())},
		row{"assayd, resident", mib(resident), 512, "MiB", "all records, after the scans"},
	), nil
}

// A builder sends scans to one assayd, as builds do.
type builder struct {
	url, token string
	debug      string // address of its profiles, if they are wanted
	pid        int
	sent       int // documents made so far, each of its own
}

// measure sends c.scans scans of a tree for each of its two rows: one where the
// service has evaluated all packages but one before, as for the base image that
// many builds share, and one where it has evaluated none. No two documents
// are alike, and every scan has a connection of its own.
func (b *builder) measure(ctx context.Context, t tree, c config) ([]row, error) {
	n := c.scans
	var rows []row
	for _, kind := range [...]struct {
		name  string
		fresh int
	}{{t.name, 1}, {t.name + ", no version seen before", len(t.packages)}} {
		if _, _, err := b.scans(ctx, t, kind.fresh, warmUp); err != nil {
			return nil, err
		}
		before, err := cpuTime(b.pid)
		if err != nil {
			return nil, err
		}
		v, each, err := b.scans(ctx, t, kind.fresh, n)
		if err != nil {
			return nil, err
		}
		after, err := cpuTime(b.pid)
		if err != nil {
			return nil, err
		}
		note := fmt.Sprintf("mean of %d scans with %d findings, %d of them the kernel's", n, v.Counts.Findings, v.Counts.Kernel)
		if len(each) > 0 {
			slices.Sort(each)
			note += fmt.Sprintf("; a tenth of them below %s", ms(each[len(each)/10]))
		}
		rows = append(rows, row{
			fmt.Sprintf("CPU of assayd, %d packages: %s", len(t.packages), kind.name),
			(after - before).Seconds() * 1000 / float64(n), 2, "ms", note,
		})
		if b.debug != "" {
			if err := b.profile(ctx, t, kind.fresh, filepath.Join(c.profiles, fileName(kind.name)+".pprof")); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

// profile writes a CPU profile of some seconds of scans to the file at path. They
// are other scans than those that are measured.
func (b *builder) profile(ctx context.Context, t tree, fresh int, path string) error {
	const seconds = 10
	scans := make(chan error, 1)
	sending, stop := context.WithCancel(ctx)
	go func() {
		var err error
		for err == nil && sending.Err() == nil {
			_, _, err = b.scans(ctx, t, fresh, 1)
		}
		scans <- err
	}()
	profile, err := get(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", b.debug, seconds))
	stop()
	if err = errors.Join(err, <-scans); err != nil {
		return fmt.Errorf("profile assayd: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, profile, 0o644)
}

// fileName is a name for a file: words with hyphens between.
func fileName(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, ",", ""), " ", "-")
}

func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s\n%s", url, resp.Status, body)
	}
	return body, err
}

// scans sends n scans and returns the last verdict, and the time that threads of
// assayd ran during each, if the kernel reports it.
func (b *builder) scans(ctx context.Context, t tree, fresh, n int) (v verdict.Verdict, each []time.Duration, err error) {
	for range n {
		body, err := b.document(t, fresh)
		if err != nil {
			return v, nil, err
		}
		before, ok := threadTime(b.pid)
		if v, err = b.scan(ctx, body); err != nil {
			return v, nil, err
		}
		if after, still := threadTime(b.pid); ok && still {
			each = append(each, after-before)
		}
	}
	return v, each, nil
}

// warmUp is the number of scans of a tree that are not counted.
const warmUp = 20

// scan posts an inventory and returns the verdict.
func (b *builder) scan(ctx context.Context, body []byte) (v verdict.Verdict, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+"/api/v1/scans", bytes.NewReader(body))
	if err != nil {
		return v, err
	}
	req.Close = true
	req.Header.Set("Authorization", "Bearer "+b.token)
	req.Header.Set("Content-Type", "application/vnd.cyclonedx+json")
	req.Header.Set("Content-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return v, err
	}
	if resp.StatusCode != http.StatusOK {
		return v, fmt.Errorf("scan: %s\n%s", resp.Status, answer)
	}
	return v, json.Unmarshal(answer, &v)
}

// cpuTime is the user and system time of a process, from proc(5): fields 14
// and 15 of stat, in ticks of 10 ms. The second field ends with a parenthesis.
func cpuTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, err := strconv.Atoi(f[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond, err
}

// threadTime is how long the threads of a process have run, to the nanosecond;
// ok is false on a kernel that does not count it.
func threadTime(pid int) (ran time.Duration, ok bool) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, f := range files {
		var b []byte
		if b, err = os.ReadFile(f); err != nil {
			break
		}
		first, _, _ := strings.Cut(string(b), " ")
		var n int64
		if n, err = strconv.ParseInt(first, 10, 64); err != nil {
			break
		}
		ran += time.Duration(n)
	}
	return ran, err == nil && ran > 0
}
