package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/assayd"
	"assay/verdict"
)

// A served is an assayd under test with a token and an inventory to send.
type served struct {
	url, token string
	inventory  []byte
	server     *assayd.Server
}

// serveDebian starts assayd on the data folder.
func serveDebian(t *testing.T, data string) served {
	t.Helper()
	d := assayd.Config{Binary: filepath.Join(bin, "assayd"), Data: data}
	token, err := d.NewToken(t.Context(), "load")
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	root := testkit.Path(t, "pkgdb", "dpkg", "debian12-minbase")
	inventory, err := exec.Command(filepath.Join(bin, "assay"), "inventory", "--root", root).Output()
	if err != nil {
		t.Fatal(err)
	}
	return served{s.URL, token, inventory, s}
}

// scan sends the inventory and returns the verdict.
func (s served) scan(ctx context.Context) (v verdict.Verdict, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/v1/scans", bytes.NewReader(s.inventory))
	if err != nil {
		return v, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return v, err
	}
	if resp.StatusCode != http.StatusOK {
		return v, fmt.Errorf("%s: %s", resp.Status, b)
	}
	return v, json.Unmarshal(b, &v)
}

// shrink writes the records of a bucket's zip that keep says to path.
func shrink(t *testing.T, path, from string, keep func(id string) bool) {
	t.Helper()
	r, err := zip.OpenReader(from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range r.File {
		if keep(strings.TrimSuffix(f.Name, ".json")) {
			if err := w.Copy(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// expectedIDs are the records that match the tree debian12-minbase, as dpkg
// found them.
func expectedIDs(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, "pkgdb", "dpkg", "debian12-minbase", "expected-findings.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct{ ID string }
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// advisories are the records that a verdict's findings name.
func advisories(v verdict.Verdict) []string {
	var ids []string
	for _, f := range v.Findings {
		ids = append(ids, f.Advisories...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// TestImportIsAllOrNothing kills an import at 20 points while scans run, then
// lets one finish while 100 more run. Every scan is answered, from the old data
// or from the new, which differ in every finding of the tree.
func TestImportIsAllOrNothing(t *testing.T) {
	all := filepath.Join(testkit.Path(t, "osv", "Debian"), "all.zip")
	want := expectedIDs(t)
	dir := t.TempDir()
	data, source := filepath.Join(dir, "data"), filepath.Join(dir, "advisories.zip")
	shrink(t, source, all, func(id string) bool { return !slices.Contains(want, id) })
	importer := func() *exec.Cmd {
		return exec.Command(filepath.Join(bin, "assayd"), "import", source, "--data", data)
	}
	start := time.Now()
	if out, err := importer().CombinedOutput(); err != nil {
		t.Fatalf("import: %v\n%s", err, out)
	}
	whole := time.Since(start)
	s := serveDebian(t, data)
	shrink(t, source, all, func(string) bool { return true })

	check := func(v verdict.Verdict) (isNew bool) {
		t.Helper()
		got := advisories(v)
		switch {
		case len(got) == 0:
			return false
		case slices.Equal(got, want):
			return true
		default:
			t.Errorf("a scan saw half an import: %q", got)
			return false
		}
	}
	const points = 20
	finished := false
	for i := range points {
		cmd := importer()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(whole * time.Duration(i) / points)
		cmd.Process.Kill()
		if cmd.Wait() == nil {
			finished = true
		}
		v, err := s.scan(t.Context())
		if err != nil {
			t.Fatalf("scan after kill %d: %v", i, err)
		}
		if check(v) && !finished {
			finished = true // it had committed before it was killed
		}
	}

	// A state in which the new records are not there yet, then one import that
	// finishes beside 100 scans.
	shrink(t, source, all, func(id string) bool { return !slices.Contains(want, id) })
	if out, err := importer().CombinedOutput(); err != nil {
		t.Fatalf("import: %v\n%s", err, out)
	}
	waitFor(t, func() bool { v, err := s.scan(t.Context()); return err == nil && !check(v) })
	shrink(t, source, all, func(string) bool { return true })
	cmd := importer()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				v, err := s.scan(t.Context())
				if err != nil {
					t.Errorf("scan beside an import: %v", err)
					continue
				}
				check(v)
			}
		})
	}
	wg.Wait()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("import: %v", err)
	}
	waitFor(t, func() bool { v, err := s.scan(t.Context()); return err == nil && check(v) })
}

// waitFor waits until the service has caught up.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the service did not catch up within 20 s")
		}
	}
}
