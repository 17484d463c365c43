package snapshot

import (
	"archive/zip"
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/osvtest"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/store"
)

// A memory is a Source that keeps every version in memory, as a store does.
type memory struct {
	mu        sync.Mutex
	versions  []store.Record // by sequence number
	lists     []store.List   // they have numbers among those of versions
	firstSeen map[string]time.Time
	published map[string]int64
	updated   time.Time
	sample    bool

	failPublished error
	failAfter     int // records that Changes yields before it fails; 0 is never
}

var importTime = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func newMemory() *memory {
	return &memory{firstSeen: map[string]time.Time{}, published: map[string]int64{}, updated: importTime}
}

// put adds versions of advisories; a nil body removes one.
func (m *memory) put(records ...store.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range records {
		r.Seq = int64(len(m.versions) + 1)
		r.Removed = r.Body == nil
		r.Fixes = slices.Clone(r.Fixes)
		for i, f := range r.Fixes {
			key := strings.Join([]string{r.ID, f.Ecosystem, f.Package, f.Version}, "\n")
			if _, ok := m.firstSeen[key]; !ok {
				m.firstSeen[key] = m.updated
			}
			r.Fixes[i].FirstSeen = m.firstSeen[key]
		}
		m.versions = append(m.versions, r)
	}
}

// putCatalog adds a version of a list. It fills the place of its number among the versions
// of advisories with an empty record, which is never returned.
func (m *memory) putCatalog(l store.List) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.versions = append(m.versions, store.Record{})
	l.Seq = int64(len(m.versions))
	m.lists = append(m.lists, l)
}

func (m *memory) Lists(_ context.Context, after, upTo int64) iter.Seq2[store.List, error] {
	return func(yield func(store.List, error) bool) {
		m.mu.Lock()
		lists := slices.DeleteFunc(slices.Clone(m.lists), func(l store.List) bool { return l.Seq <= after || l.Seq > upTo })
		m.mu.Unlock()
		for i, l := range lists {
			if slices.ContainsFunc(lists[i+1:], func(o store.List) bool { return o.Kind == l.Kind }) {
				continue
			}
			if !yield(l, nil) {
				return
			}
		}
	}
}

func (m *memory) Head(context.Context) (store.Head, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return store.Head{Seq: int64(len(m.versions)), Records: live(m.versions), Updated: m.updated, Sample: m.sample}, nil
}

// live counts the records that are not removed.
func live(versions []store.Record) (n int) {
	newest := map[string]bool{}
	for _, r := range versions {
		newest[recordKey(r.ID, r.Origin.Source)] = r.ID != "" && !r.Removed
	}
	for _, is := range newest {
		if is {
			n++
		}
	}
	return n
}

func (m *memory) Changes(ctx context.Context, after, upTo int64) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		m.mu.Lock()
		versions := m.versions[after:upTo]
		m.mu.Unlock()
		newest := map[string]int64{}
		for _, r := range versions {
			newest[recordKey(r.ID, r.Origin.Source)] = r.Seq
		}
		n := 0
		for _, r := range versions {
			if newest[recordKey(r.ID, r.Origin.Source)] != r.Seq || r.ID == "" {
				continue
			}
			if n++; m.failAfter > 0 && n > m.failAfter {
				yield(store.Record{}, io.ErrUnexpectedEOF)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (m *memory) Published(_ context.Context, snapshot string, upTo int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failPublished == nil {
		m.published[snapshot] = upTo
	}
	return m.failPublished
}

func (m *memory) Snapshot(_ context.Context, snapshot string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if seq, ok := m.published[snapshot]; ok {
		return seq, nil
	}
	return 0, fmt.Errorf("snapshot %q: %w", snapshot, store.ErrNotFound)
}

// newRecord makes a store.Record from an OSV record.
func newRecord(t testing.TB, body []byte) store.Record {
	t.Helper()
	a, err := advisory.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	r := store.Record{ID: a.ID, Modified: a.Modified, Body: body}
	for f := range a.Fixes() {
		r.Fixes = append(r.Fixes, store.Fix{Ecosystem: f.Ecosystem, Package: f.Package, Version: f.Version})
	}
	return r
}

func byID(a, b store.Record) int { return cmp.Compare(a.ID, b.ID) }

// allDebian is the number of records that the data has for Debian.
const allDebian = 18219

// debianRead is what debianRecords has read so far.
var debianRead struct {
	mu      sync.Mutex
	records []store.Record
}

// debianRecords returns the first n records of Debian, sorted by id.
func debianRecords(t testing.TB, n int) []store.Record {
	t.Helper()
	debianRead.mu.Lock()
	defer debianRead.mu.Unlock()
	if n <= len(debianRead.records) {
		return slices.Clone(debianRead.records[:n])
	}
	z, err := zip.OpenReader(testkit.Path(t, "osv", "Debian", "all.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	slices.SortFunc(z.File, func(a, b *zip.File) int {
		return cmp.Compare(strings.TrimSuffix(a.Name, ".json"), strings.TrimSuffix(b.Name, ".json"))
	})
	records := debianRead.records
	for _, f := range z.File[len(records):n] {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, newRecord(t, body))
	}
	if !slices.IsSortedFunc(records, byID) {
		t.Fatal("the names of the records are not their ids")
	}
	debianRead.records = records
	return slices.Clone(records)
}

// sampleRecords returns single records of many ecosystems, sorted by id: those of the test
// data, or without it those of the project's sample and made ones.
func sampleRecords(t testing.TB) []store.Record {
	t.Helper()
	folder := filepath.Join(testkit.Dir(t), "osv-samples")
	var bodies [][]byte
	if _, err := os.Stat(folder); err != nil {
		folder = filepath.Join(testkit.Root(t), "testdata", "sample", "advisories")
		for _, ecosystem := range []string{"CRAN", "Hackage", "Azure Linux", "crates.io"} {
			bodies = slices.AppendSeq(bodies, maps.Values(osvtest.Records(ecosystem)))
		}
	}
	names, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	var records []store.Record
	refused := 0
	for _, body := range bodies {
		if _, err := advisory.Parse(body); err != nil {
			refused++ // an import would not have taken it into a store
			continue
		}
		records = append(records, newRecord(t, body))
	}
	if refused > 5 {
		t.Fatalf("%d of %d samples cannot be read", refused, len(bodies))
	}
	slices.SortFunc(records, byID)
	return records
}

func open(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func openTemp(t testing.TB) *DB {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "index"))
}

func catchUp(t testing.TB, db *DB, src Source) Result {
	t.Helper()
	res, err := db.CatchUp(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	if res.UnreadableCount > 0 {
		t.Fatalf("%d records are unreadable: %v", res.UnreadableCount, res.Unreadable)
	}
	return res
}

func view(t testing.TB, db *DB) *View {
	t.Helper()
	v, err := db.View()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// dump returns every key of every bucket of the index, except the sequence number and the
// time of the last import.
func dump(t testing.TB, db *DB) map[string]string {
	t.Helper()
	v, err := db.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	all := map[string]string{}
	for _, n := range v.named() {
		err := each(*n.bucket, func(k, v []byte) error {
			all[n.name+"/"+string(k)] = string(v)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s := v.state
	s.seq, s.updated = 0, time.Time{}
	all[metaBucket+"/"+stateKey] = fmt.Sprintf("%+v", s)
	return all
}

// only returns the one record of an id.
func only(v *View, id string) (index.Vulnerability, bool, error) {
	list, err := v.Vulnerabilities(id)
	if err != nil || len(list) == 0 {
		return index.Vulnerability{}, false, err
	}
	if len(list) > 1 {
		err = fmt.Errorf("%q has %d records", id, len(list))
	}
	return list[0], true, err
}
