package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"assay/check/testkit"
)

// A disk is a small file system in memory.
type disk struct {
	t   *testing.T
	dir string
}

// newDisk mounts one, which takes root.
func newDisk(t *testing.T, mib int) disk {
	t.Helper()
	return newDiskAt(t, t.TempDir(), mib)
}

// newDiskAt mounts one on a folder.
func newDiskAt(t *testing.T, dir string, mib int) disk {
	t.Helper()
	d := disk{t, dir}
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", mib)); err != nil {
		testkit.Missing(t, "a tmpfs of its own: mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return d
}

// free returns how many bytes are free.
func (d disk) free() int64 {
	d.t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &st); err != nil {
		d.t.Fatal(err)
	}
	return int64(st.Bavail) * st.Bsize
}

// fill leaves so many bytes free. The file it writes is returned.
func (d disk) fill(leave int64) string {
	d.t.Helper()
	path := filepath.Join(d.dir, "filler")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	_, _ = io.CopyN(f, zeros{}, max(0, d.free()-leave)) // it may meet the end
	return path
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func (s served) get(t *testing.T, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestDiskFull checks that with a full disk scans are answered and the answer says that
// they are not kept, that a token can be revoked, that a failed import frees its space,
// and that everything works again once there is space.
func TestDiskFull(t *testing.T) {
	d := newDisk(t, 120)
	data := filepath.Join(d.dir, "data")
	run := func(args ...string) (string, error) {
		out, err := exec.Command(filepath.Join(bin, "assayd"), append(args, "--data", data)...).CombinedOutput()
		return string(out), err
	}
	few, many := filepath.Join(t.TempDir(), "few.zip"), filepath.Join(t.TempDir(), "many.zip")
	writeRecords(t, few, 2_000, func(string) bool { return true })
	writeRecords(t, many, 20_000, func(string) bool { return true })
	if out, err := run("import", few); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := serveDebian(t, data)
	kept, err := s.scan(t.Context())
	if err != nil || kept.Report == "" {
		t.Fatalf("%+v, %v", kept, err)
	}
	for _, name := range []string{"spare1", "spare2"} {
		if out, err := run("token", "create", "--name", name); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}

	d.fill(9 << 20)
	before := d.free()
	out, err := run("import", many)
	if err == nil || !strings.Contains(out, "full") || !strings.Contains(out, "keeps its previous data") {
		t.Errorf("an import without room: %v\n%s", err, out)
	}
	if after := d.free(); after < before-1<<20 {
		t.Errorf("the failed import keeps %d KiB of %d", (before-after)>>10, before>>10)
	}

	filler := d.fill(0)
	// The databases first use up the free space inside their files.
	unkept := kept
	for i := 0; i < 20_000 && unkept.Report != ""; i++ {
		if unkept, err = s.scan(t.Context()); err != nil {
			t.Fatalf("scan %d with a full disk: %v", i, err)
		}
	}
	if unkept.Report != "" || !strings.Contains(strings.Join(unkept.Notices, " "), "not kept") || unkept.Decision.Code != kept.Decision.Code {
		t.Errorf("with a full disk: report %q, notices %q, code %d", unkept.Report, unkept.Notices, unkept.Decision.Code)
	}
	if code, text := s.get(t, "/healthz"); code != http.StatusOK || !strings.Contains(text, `"degraded"`) || !strings.Contains(text, `"not-kept"`) {
		t.Errorf("health %d: %s", code, text)
	}
	if code, text := s.get(t, "/readyz"); code != http.StatusOK {
		t.Errorf("ready %d: %s", code, text)
	}
	if code, text := s.get(t, "/api/v1/scans/"+kept.Scan); code != http.StatusOK {
		t.Errorf("a scan that was kept: %d: %s", code, text)
	}

	// With the service running, and without it.
	for _, name := range []string{"spare1", "load"} {
		if out, err := run("token", "revoke", name); err != nil {
			t.Errorf("revoke %q: %v\n%s", name, err, out)
		}
	}
	if _, err := s.scan(t.Context()); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("a revoked token: %v", err)
	}
	if err := s.server.Close(); err != nil {
		t.Error(err)
	}
	d.fill(0)
	if out, err := run("token", "revoke", "spare2"); err != nil {
		t.Errorf("without the service: %v\n%s", err, out)
	}
	d.fill(0)

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s = serveDebian(t, data)
	if v, err := s.scan(t.Context()); err != nil || v.Report == "" {
		t.Errorf("with room again: %+v, %v", v, err)
	}
	if out, err := run("token", "list"); err != nil || strings.Count(out, "revoked ") < 3 {
		t.Errorf("%v\n%s", err, out)
	}
	if code, text := s.get(t, "/healthz"); code != http.StatusOK || !strings.Contains(text, `"ok"`) {
		t.Errorf("health %d: %s", code, text)
	}
}
