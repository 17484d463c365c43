package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
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
	inventory, err := exec.Command(filepath.Join(bin, "assay"), "inventory", "--root", sampleRoot).Output()
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

// writeRecords writes the records of the sample for which keep is true, and filler records
// that match nothing, to a zip at path.
func writeRecords(t *testing.T, path string, filler int, keep func(id string) bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sampleAdvisories, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d records in %s: %v", len(files), sampleAdvisories, err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	add := func(id string, record []byte) {
		w, err := z.Create(id + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(record); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range files {
		id := strings.TrimSuffix(filepath.Base(file), ".json")
		record, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if keep(id) {
			add(id, record)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range filler {
		id := fmt.Sprintf("TEST-2026-%d", i)
		details := make([]byte, 400) // that do not compress
		for j := range details {
			details[j] = 'a' + byte(random.IntN(26))
		}
		add(id, fmt.Appendf(nil, `{"id":%q,"modified":"2026-01-01T00:00:00Z","details":%q,"affected":[{"package":{"ecosystem":"Debian:12","name":"test%d"},`+
			`"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"%d"}]}]}]}`, id, details, i%1000, i))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// sampleFindings are the records of the sample that match its root, by the versions
// that its README lists.
func sampleFindings() []string {
	return []string{"DEBIAN-CVE-2026-103111", "DEBIAN-CVE-2026-109518", "DEBIAN-CVE-2026-42496", "DEBIAN-CVE-2026-8376"}
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

// TestImportIsAllOrNothing kills an import at 10 points while scans run, or at 20 of a
// longer one in the thorough mode, then lets one finish while 100 more scans run. Every
// scan is answered, from the old data or from the new, which differ in every finding of
// the tree.
func TestImportIsAllOrNothing(t *testing.T) {
	filler, points := testkit.Some(3_000, 10_000), testkit.Some(10, 20)
	want := sampleFindings()
	dir := t.TempDir()
	data, source := filepath.Join(dir, "data"), filepath.Join(dir, "advisories.zip")
	writeRecords(t, source, filler, func(id string) bool { return !slices.Contains(want, id) })
	importer := func() *exec.Cmd {
		return exec.Command(filepath.Join(bin, "assayd"), "import", source, "--data", data)
	}
	start := time.Now()
	if out, err := importer().CombinedOutput(); err != nil {
		t.Fatalf("import: %v\n%s", err, out)
	}
	whole := time.Since(start)
	s := serveDebian(t, data)
	writeRecords(t, source, filler, func(string) bool { return true })

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
	finished := false
	for i := range points {
		cmd := importer()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(whole * time.Duration(i) / time.Duration(points))
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

	// A state without the new records, then one import that finishes during 100 scans.
	writeRecords(t, source, filler, func(id string) bool { return !slices.Contains(want, id) })
	if out, err := importer().CombinedOutput(); err != nil {
		t.Fatalf("import: %v\n%s", err, out)
	}
	waitFor(t, func() bool { v, err := s.scan(t.Context()); return err == nil && !check(v) })
	writeRecords(t, source, filler, func(string) bool { return true })
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
					t.Errorf("scan during an import: %v", err)
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
