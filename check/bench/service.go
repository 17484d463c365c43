package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"assay/check/assayd"
	"assay/verdict"
)

// packages is the number of packages of the scan that the budget speaks of.
const packages = 400

// measureService starts assayd with all records of Debian and sends it one
// inventory again and again.
func measureService(ctx context.Context, c config) (_ []row, err error) {
	records := filepath.Join(c.testdata, "osv", "Debian", "all.zip")
	if _, err := os.Stat(records); err != nil {
		fmt.Fprintf(os.Stderr, "bench: assayd is not measured: %v; set TESTDATA\n", err)
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "assay-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	body, err := document(ctx, c, dir)
	if err != nil {
		return nil, err
	}
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
	s, err := d.Serve(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := s.Close(); err == nil {
			err = cerr
		}
	}()

	var v verdict.Verdict
	for range 20 { // warm
		if v, err = scan(ctx, s.URL, token, body); err != nil {
			return nil, err
		}
	}
	before, err := cpuTime(s.PID())
	if err != nil {
		return nil, err
	}
	start = time.Now()
	for range c.scans {
		if _, err := scan(ctx, s.URL, token, body); err != nil {
			return nil, err
		}
	}
	wall := time.Since(start)
	after, err := cpuTime(s.PID())
	if err != nil {
		return nil, err
	}
	resident, err := residentBytes(s.PID())
	if err != nil {
		return nil, err
	}
	each := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(c.scans) }
	return []row{
		{fmt.Sprintf("scan of %d packages, CPU of assayd", packages), each(after - before), 2, "ms",
			fmt.Sprintf("mean of %d scans with %d findings, %d of them the kernel's; %.1f ms of wall each",
				c.scans, v.Counts.Findings, v.Counts.Kernel, each(wall))},
		{"assayd, ready", s.Ready.Seconds(), 1, "s",
			fmt.Sprintf("Debian's records only; %.1f s where it builds the snapshot, import %.1f s", first.Ready.Seconds(), imported.Seconds())},
		{"assayd, resident", mib(resident), 512, "MiB", "after the scans; Debian's records only"},
	}, nil
}

// document is the inventory of a root that two real package databases were put
// together for, cut to the number of packages wanted.
func document(ctx context.Context, c config, dir string) ([]byte, error) {
	root := filepath.Join(dir, "root")
	db := filepath.Join(root, "var/lib/dpkg")
	for _, d := range []string{db, filepath.Join(root, "etc")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(root, "etc/os-release"), []byte("ID=debian\nVERSION_ID=12\n"), 0o644); err != nil {
		return nil, err
	}
	var stanzas []string
	seen := map[string]bool{}
	for _, source := range []string{"debian12-app", "claircore-texlive"} {
		b, err := gunzip(filepath.Join(c.testdata, "pkgdb/dpkg", source, "var/lib/dpkg/status.gz"))
		if err != nil {
			return nil, err
		}
		for stanza := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n\n") {
			name, _, _ := strings.Cut(stanza, "\n")
			if !seen[name] {
				seen[name] = true
				stanzas = append(stanzas, stanza)
			}
		}
	}
	if len(stanzas) < packages {
		return nil, fmt.Errorf("the test data has %d packages, not %d", len(stanzas), packages)
	}
	status := strings.Join(stanzas[:packages], "\n\n") + "\n"
	if err := os.WriteFile(filepath.Join(db, "status"), []byte(status), 0o644); err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, filepath.Join(c.dist, "assay"), "inventory", "--root", root).Output()
}

func gunzip(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return io.ReadAll(unpacked)
}

// scan posts an inventory and returns the verdict.
func scan(ctx context.Context, server, token string, body []byte) (v verdict.Verdict, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server+"/api/v1/scans", bytes.NewReader(body))
	if err != nil {
		return v, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/vnd.cyclonedx+json")
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

// residentBytes is VmRSS of proc(5).
func residentBytes(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if kib, found := strings.CutPrefix(line, "VmRSS:"); found {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kib), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("no VmRSS of process %d", pid)
}
