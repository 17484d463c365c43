package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/store"
)

// The entries of every package of Debian are compared with the records as encoding/json
// decodes them. That is simple, because these records have only ranges, with one field for
// each event, and names that need no change. "make test" takes every fifth record.
func TestDebian(t *testing.T) {
	all := debianRecords(t, allDebian)
	var records []store.Record
	for i := 0; i < len(all); i += testkit.Some(5, 1) {
		records = append(records, all[i])
	}
	src := newMemory()
	src.put(records...)
	db := openTemp(t)
	res := catchUp(t, db, src)
	if n := len(records); res.Applied != n || res.Data.Records != n || res.Seq != int64(n) {
		t.Errorf("applied %d, records %d, seq %d; want %d each", res.Applied, res.Data.Records, res.Seq, n)
	}
	v := view(t, db)
	if !reflect.DeepEqual(v.Data(), res.Data) || v.Seq() != res.Seq {
		t.Errorf("view says %+v at %d, CatchUp said %+v at %d", v.Data(), v.Seq(), res.Data, res.Seq)
	}

	want := expectedOf(t, records)
	for k, lines := range want.entries {
		if got := entriesOf(t, v, k); !slices.Equal(got, lines) {
			t.Fatalf("%v: got %q, want %q", k, got, lines)
		}
	}
	if n := v.state.packages; n != len(want.entries) {
		t.Errorf("%d packages, want %d", n, len(want.entries))
	}
	// From the description of the data: as many records as it names for Debian:12.
	if len(records) == allDebian && want.ecosystems["Debian:12"] != 12367 {
		t.Errorf("the test itself counts %d records for Debian:12", want.ecosystems["Debian:12"])
	}
	for ecosystem, n := range want.ecosystems {
		if got, err := v.Records(ecosystem); err != nil || got != n {
			t.Errorf("%s: %d records (%v), want %d", ecosystem, got, err, n)
		}
	}
	if got := v.Data().Newest.Format("2006-01-02T15:04:05Z"); got != want.newest {
		t.Errorf("newest %s, want %s", got, want.newest)
	}
	for target, ids := range want.referrers {
		slices.Sort(ids)
		if got, err := v.Referrers(target); err != nil || !slices.Equal(got, ids) {
			t.Errorf("referrers of %s: %q (%v), want %q", target, got, err, ids)
		}
	}
	testMissing(t, v)
}

// testMissing looks up keys that do not exist.
func testMissing(t *testing.T, v *View) {
	t.Helper()
	for _, k := range []packageName{{"Debian:12", "no-such"}, {"Debian:99", "glibc"}, {"Debian:1", "2\x00glibc"}, {"", ""}} {
		if entries, err := v.Affected(k.ecosystem, k.name); err != nil || entries != nil {
			t.Errorf("%v: %v, %v", k, entries, err)
		}
	}
	if _, ok, err := only(v, "CVE-2023-4911"); ok || err != nil {
		t.Errorf("CVE-2023-4911 is a record: %v, %v", ok, err)
	}
	if ids, err := v.Referrers("CVE-2023-491"); ids != nil || err != nil {
		t.Errorf("a prefix of an id has referrers: %v, %v", ids, err)
	}
	if n, err := v.Records("Debian:99"); n != 0 || err != nil {
		t.Errorf("Debian:99 has records: %v, %v", n, err)
	}
}

// A packageName is a package in an ecosystem.
type packageName struct{ ecosystem, name string }

// expected is what an index of records must have, as encoding/json reads the records.
type expected struct {
	entries    map[packageName][]string // a line for each entry
	referrers  map[string][]string
	ecosystems map[string]int // the number of records
	newest     string         // time of the last change
}

func expectedOf(t *testing.T, records []store.Record) expected {
	t.Helper()
	type record struct {
		ID, Modified, Withdrawn string
		Upstream, Aliases       []string
		Affected                []struct {
			Package struct{ Ecosystem, Name string }
			Ranges  []struct {
				Type   string
				Events []map[string]string
			}
			Versions []string
		}
	}
	want := expected{map[packageName][]string{}, map[string][]string{}, map[string]int{}, ""}
	for _, r := range records {
		var rec record
		if err := json.Unmarshal(r.Body, &rec); err != nil {
			t.Fatal(err)
		}
		want.newest = max(want.newest, rec.Modified)
		for _, target := range append(rec.Upstream, rec.Aliases...) {
			if !slices.Contains(want.referrers[target], rec.ID) {
				want.referrers[target] = append(want.referrers[target], rec.ID)
			}
		}
		seen := map[string]bool{}
		for _, a := range rec.Affected {
			line := rec.ID
			for _, rg := range a.Ranges {
				line += " " + rg.Type
				for _, e := range rg.Events {
					for field, version := range e {
						line += " " + field + "=" + version
					}
				}
			}
			k := packageName{a.Package.Ecosystem, a.Package.Name}
			want.entries[k] = append(want.entries[k], line+" "+strings.Join(a.Versions, ","))
			if !seen[k.ecosystem] {
				want.ecosystems[k.ecosystem]++
			}
			seen[k.ecosystem] = true
		}
	}
	return want
}

// entriesOf returns the entries of a package in a view, a line for each, and checks their
// order and when their fixes were first seen.
func entriesOf(t *testing.T, v *View, k packageName) []string {
	t.Helper()
	entries, err := v.Affected(k.ecosystem, k.name)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(entries, func(a, b index.Affected) int { return strings.Compare(a.Advisory, b.Advisory) }) {
		t.Errorf("%v: not sorted by advisory", k)
	}
	var lines []string
	for _, e := range entries {
		line := e.Advisory
		for _, rg := range e.Ranges {
			line += " " + rg.Type
			fixed := false
			for _, ev := range rg.Events {
				for _, f := range [...][2]string{{"introduced", ev.Introduced}, {"fixed", ev.Fixed}, {"last_affected", ev.LastAffected}, {"limit", ev.Limit}} {
					if f[1] != "" {
						line += " " + f[0] + "=" + f[1]
					}
				}
				fixed = fixed || ev.Fixed != ""
			}
			if wantSeen := map[bool]time.Time{true: importTime}[fixed]; !rg.FirstSeen.Equal(wantSeen) {
				t.Fatalf("%v %s: fix first seen %v, want %v", k, e.Advisory, rg.FirstSeen, wantSeen)
			}
		}
		lines = append(lines, line+" "+strings.Join(e.Versions, ","))
	}
	return lines
}

func TestVulnerabilities(t *testing.T) {
	testkit.Path(t, "osv-samples") // withdrawn and related records
	src := newMemory()
	records := sampleRecords(t)
	src.put(records...)
	db := openTemp(t)
	catchUp(t, db, src)
	v := view(t, db)
	live, withdrawn, related := 0, 0, 0
	for _, r := range records {
		a, err := advisory.Parse(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		got, ok, err := only(v, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		if a.Withdrawn != nil {
			withdrawn++
			if ok {
				t.Errorf("%s is withdrawn and in the index", r.ID)
			}
			for _, name := range slices.Concat(a.Aliases, a.Upstream, a.Related) {
				if ids, err := v.Withdrawn(name); err != nil || !slices.Contains(ids, r.ID) {
					t.Errorf("withdrawn as %s: %v, %v, want %s among them", name, ids, err, r.ID)
				}
			}
			continue
		}
		live++
		for _, name := range a.Related {
			if slices.Contains(a.Aliases, name) || slices.Contains(a.Upstream, name) {
				continue
			}
			related++
			if ids, err := v.Mentions(name); err != nil || !slices.Contains(ids, r.ID) {
				t.Errorf("related to %s: %v, %v, want %s among them", name, ids, err, r.ID)
			}
		}
		want := index.Describe(a)
		want.Modified, want.Published = want.Modified.UTC(), want.Published.UTC()
		if !ok || !reflect.DeepEqual(clean(got), clean(want)) {
			t.Errorf("%s: got %+v, want %+v", r.ID, got, want)
		}
	}
	if withdrawn == 0 || related == 0 || v.Data().Records != live {
		t.Errorf("%d records of %d live and %d withdrawn ones, %d related names", v.Data().Records, live, withdrawn, related)
	}
}

// clean replaces empty lists by nil, so that both are equal.
func clean(v index.Vulnerability) index.Vulnerability {
	for _, l := range []*[]string{&v.Aliases, &v.Upstream, &v.Related} {
		*l = append([]string(nil), *l...)
	}
	v.Severity = append([]advisory.Severity(nil), v.Severity...)
	v.Ratings = append([]advisory.Rating(nil), v.Ratings...)
	return v
}

// rewrite returns a version of a record with other fields.
func rewrite(t testing.TB, r store.Record, with map[string]any) store.Record {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(r.Body, &fields); err != nil {
		t.Fatal(err)
	}
	maps.Copy(fields, with)
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return newRecord(t, body)
}

// modify returns a version of a record with other packages, aliases and date.
func modify(t testing.TB, r store.Record) store.Record {
	t.Helper()
	return rewrite(t, r, map[string]any{
		"modified": "2030-01-02T03:04:05Z",
		"aliases":  []string{"X-" + r.ID, r.ID},
		"affected": []any{
			map[string]any{
				"package":  map[string]string{"ecosystem": "Debian:12", "name": "linux"},
				"versions": []string{"1", "2"},
			},
			map[string]any{
				"package": map[string]string{"ecosystem": "Elsewhere", "name": "other"},
				"ranges":  []any{map[string]any{"type": "ECOSYSTEM", "events": []any{map[string]string{"introduced": "0"}}}},
			},
		},
	})
}

func withdraw(t testing.TB, r store.Record) store.Record {
	t.Helper()
	return rewrite(t, r, map[string]any{"withdrawn": "2030-01-02T03:04:05Z"})
}

// TestMentions checks that a record is found by the ids that it names as related, until it
// no longer names them.
func TestMentions(t *testing.T) {
	testkit.Path(t, "osv-samples") // one of its records
	src := newMemory()
	db := openTemp(t)
	records := sampleRecords(t)
	r := records[slices.IndexFunc(records, func(r store.Record) bool { return r.ID == "ALSA-2021:4537" })]
	gone := r
	gone.Removed, gone.Body = true, nil
	for _, step := range []struct {
		what   string
		record store.Record
		want   []string
	}{
		{"as published", r, []string{r.ID}},
		{"named as an alias too", rewrite(t, r, map[string]any{"aliases": []string{"CVE-2021-26691"}}), nil},
		{"as published again", r, []string{r.ID}},
		{"with an id that no key can have", rewrite(t, r, map[string]any{"related": []string{"CVE-2021-26691", strings.Repeat("x", 40_000), "a\x00b"}}), []string{r.ID}},
		{"withdrawn", withdraw(t, r), nil},
		{"put back", r, []string{r.ID}},
		{"removed", gone, nil},
	} {
		src.put(step.record)
		catchUp(t, db, src)
		v, err := db.View()
		if err != nil {
			t.Fatal(err)
		}
		ids, err := v.Mentions("CVE-2021-26691")
		v.Close()
		if err != nil || !slices.Equal(ids, step.want) {
			t.Errorf("%s: %v, %v, want %v", step.what, ids, err, step.want)
		}
	}
	// Open compares the file with its totals.
	path := db.path
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Discarded(); err != nil {
		t.Error(err)
	}
}

// TestBuiltFrom checks that a binary package has the source packages that records name.
func TestBuiltFrom(t *testing.T) {
	testkit.Path(t, "osv-samples") // one of its records
	src := newMemory()
	db := openTemp(t)
	records := sampleRecords(t)
	r := records[slices.IndexFunc(records, func(r store.Record) bool { return r.ID == "UBUNTU-CVE-2016-20013" })]
	other := rewrite(t, r, map[string]any{"id": "UBUNTU-CVE-2016-20014"})
	foreign := rewrite(t, r, map[string]any{"id": "UBUNTU-CVE-2016-20015", "affected": []any{map[string]any{
		"package":  map[string]string{"ecosystem": "Ubuntu:24.04:LTS", "name": "musl"},
		"versions": []string{"1"},
		"ecosystem_specific": map[string]any{"binaries": []any{
			map[string]string{"binary_name": "libc6", "binary_version": "1"}, map[string]string{"binary_name": "musl", "binary_version": "2"},
		}},
	}}})
	gone := func(r store.Record) store.Record {
		r.Removed, r.Body = true, nil
		return r
	}
	for _, step := range []struct {
		what   string
		record store.Record
		want   []string
	}{
		{"one record", r, []string{"glibc"}},
		{"two records", other, []string{"glibc"}},
		{"one of two withdrawn", withdraw(t, r), []string{"glibc"}},
		{"another source", foreign, []string{"glibc", "musl"}},
		{"the other removed", gone(other), []string{"musl"}},
		{"put back", r, []string{"glibc", "musl"}},
		{"another source removed", gone(foreign), []string{"glibc"}},
		{"without binaries", modify(t, r), nil},
	} {
		src.put(step.record)
		catchUp(t, db, src)
		v, err := db.View()
		if err != nil {
			t.Fatal(err)
		}
		names, err := v.Sources("Ubuntu:24.04:LTS", "libc6")
		if err != nil || !slices.Equal(names, step.want) {
			t.Errorf("%s: %v, %v, want %v", step.what, names, err, step.want)
		}
		for _, none := range [][2]string{{"Ubuntu:24.04:LTS", "libc"}, {"Ubuntu:24.04:LTS", "musl"}, {"Ubuntu:24.04", "libc6"}} {
			if names, err := v.Sources(none[0], none[1]); names != nil || err != nil {
				t.Errorf("%s: %v: %v, %v", step.what, none, names, err)
			}
		}
		v.Close()
	}
	src.put(r)
	catchUp(t, db, src)
	path := db.path
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Discarded(); err != nil {
		t.Error(err)
	}
}

// A withdrawn record is found by its names for as long as it is withdrawn.
func TestWithdrawn(t *testing.T) {
	src := newMemory()
	db := openTemp(t)
	r := modify(t, debianRecords(t, 1)[0]) // DEBIAN-CVE-…, alias X-DEBIAN-CVE-…
	_, number, _ := strings.Cut(r.ID, "CVE-")
	gone := r
	gone.Removed, gone.Body = true, nil
	for _, step := range []struct {
		what   string
		record store.Record
		want   []string
	}{
		{"as it was", r, nil},
		{"withdrawn", withdraw(t, r), []string{r.ID}},
		{"put back", r, nil},
		{"withdrawn again", withdraw(t, r), []string{r.ID}},
		{"removed", gone, nil},
	} {
		src.put(step.record)
		catchUp(t, db, src)
		for _, name := range []string{"X-" + r.ID, "CVE-" + number} {
			if ids, err := view(t, db).Withdrawn(name); err != nil || !slices.Equal(ids, step.want) {
				t.Errorf("%s: %s gives %v, %v, want %v", step.what, name, ids, err, step.want)
			}
		}
	}
}

func TestSameContentSameID(t *testing.T) {
	debian := debianRecords(t, increment+3000)
	samples := slices.DeleteFunc(sampleRecords(t), func(r store.Record) bool {
		_, both := slices.BinarySearchFunc(debian, r, byID)
		return both
	})
	records := slices.Concat(debian, samples)
	gone := func(list []store.Record) []store.Record {
		var removed []store.Record
		for _, r := range list {
			removed = append(removed, store.Record{ID: r.ID})
		}
		return removed
	}
	each := func(list []store.Record, f func(testing.TB, store.Record) store.Record) []store.Record {
		var changed []store.Record
		for _, r := range list {
			changed = append(changed, f(t, r))
		}
		return changed
	}

	once := newMemory()
	once.put(records...)
	reference := openTemp(t)
	want := catchUp(t, reference, once)
	content := dump(t, reference)
	if len(content) < 15000 {
		t.Fatalf("only %d keys", len(content))
	}

	ways := map[string]func(t *testing.T, step func(...store.Record)){
		"backwards": func(t *testing.T, step func(...store.Record)) {
			backwards := slices.Clone(records)
			slices.Reverse(backwards)
			step(backwards...)
		},
		"small steps": func(t *testing.T, step func(...store.Record)) {
			for part := range slices.Chunk(records, increment-1) {
				step(part...)
			}
		},
		"a small, then a large step": func(t *testing.T, step func(...store.Record)) {
			step(samples...)
			step(debian...)
		},
		"removed and put back": func(t *testing.T, step func(...store.Record)) {
			step(records...)
			step(gone(debian[:3000])...)
			step(gone(samples)...)
			step(samples...)
			step(debian[:3000]...)
		},
		"withdrawn, changed and put back": func(t *testing.T, step func(...store.Record)) {
			step(each(samples, modify)...)
			step(debian...)
			step(each(samples, withdraw)...)
			step(each(debian[5000:6000], modify)...)
			step(each(debian[5500:6500], withdraw)...)
			step(slices.Concat(samples, debian[5000:6500])...)
		},
		"versions that were never served": func(t *testing.T, step func(...store.Record)) {
			step(slices.Concat(each(samples, modify), gone(samples), records)...)
		},
		"others came and went": func(t *testing.T, step func(...store.Record)) {
			others := each(samples, func(t testing.TB, r store.Record) store.Record {
				return rewrite(t, r, map[string]any{"id": "Z-" + r.ID, "modified": "2031-01-02T03:04:05Z"})
			})
			step(records...)
			step(others...)
			step(gone(others)...)
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			src := newMemory()
			db := openTemp(t)
			ids := map[string]bool{}
			way(t, func(records ...store.Record) {
				src.put(records...)
				res := catchUp(t, db, src)
				if res.Rebuilt != nil {
					t.Fatal(res.Rebuilt)
				}
				ids[res.Data.Snapshot] = true
			})
			if v := view(t, db); v.Data().Snapshot != want.Data.Snapshot {
				t.Errorf("id %s, want %s", v.Data().Snapshot, want.Data.Snapshot)
			}
			diff(t, dump(t, db), content)
			if len(ids) != len(src.published) {
				t.Errorf("%d ids were served, %d published", len(ids), len(src.published))
			}

			// The same history from an empty index, and as a state of the past.
			again := openTemp(t)
			catchUp(t, again, src)
			diff(t, dump(t, again), content)
		})
	}
}

func diff(t *testing.T, got, want map[string]string) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if got[k] != want[k] {
			t.Fatalf("key %q: got %q, want %q", k, got[k], want[k])
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			t.Fatalf("key %q: should not be there", k)
		}
	}
}

func TestStateOfThePast(t *testing.T) {
	samples := sampleRecords(t)
	src := newMemory()
	db := openTemp(t)
	type past struct {
		seq     int64
		id      string
		content map[string]string
	}
	var states []past
	for i, part := range [][]store.Record{
		samples[:50],
		{modify(t, samples[3]), withdraw(t, samples[4]), {ID: samples[5].ID}},
		samples[20:],
		samples[:10],
	} {
		src.put(part...)
		src.updated = importTime.AddDate(0, 0, i+1)
		res := catchUp(t, db, src)
		states = append(states, past{res.Seq, res.Data.Snapshot, dump(t, db)})
	}
	for _, s := range states {
		path := filepath.Join(t.TempDir(), "past")
		old, err := Build(t.Context(), src, s.seq, path)
		if err != nil {
			t.Fatal(err)
		}
		data := view(t, old).Data()
		if data.Snapshot != s.id {
			t.Errorf("at %d: id %s, want %s", s.seq, data.Snapshot, s.id)
		}
		if present := s.seq == states[3].seq; data.Updated.IsZero() == present {
			t.Errorf("at %d: updated %v", s.seq, data.Updated)
		}
		diff(t, dump(t, old), s.content)
		if err := old.Close(); err != nil {
			t.Error(err)
		}
		if _, err := Build(t.Context(), src, s.seq, path); err == nil {
			t.Error("a file that is there was overwritten")
		}
	}
	for _, seq := range []int64{-1, states[3].seq + 1} {
		if _, err := Build(t.Context(), src, seq, filepath.Join(t.TempDir(), "past")); err == nil {
			t.Errorf("built a state %d that never existed", seq)
		}
	}
	if n := len(src.published); n != 4 {
		t.Errorf("%d states published, want 4", n)
	}
}

// Readers see only complete states. Each reader sees the same state until it is closed,
// during increments, a copy and rebuilds.
func TestViewsDuringImports(t *testing.T) {
	debian := debianRecords(t, 9501)
	src := newMemory()
	db := openTemp(t)
	src.put(debian[:100]...)
	catchUp(t, db, src)
	first := view(t, db)
	before, err := first.Affected("Debian:12", "linux")
	if err != nil {
		t.Fatal(err)
	}

	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				v, err := db.View()
				if err != nil {
					t.Error(err)
					return
				}
				d := v.Data()
				src.mu.Lock()
				seq, ok := src.published[d.Snapshot]
				src.mu.Unlock()
				if !ok || seq != v.Seq() || d.Records != int(seq) {
					t.Errorf("a view of %d records at %d with id %s, published at %d", d.Records, v.Seq(), d.Snapshot, seq)
				}
				// Records are sorted by id, one for each sequence number.
				id := debian[seq-1].ID
				if _, ok, err := only(v, id); !ok || err != nil {
					t.Errorf("%s is missing at %d: %v", id, seq, err)
				}
				if int(seq) < len(debian) {
					if _, ok, err := only(v, debian[seq].ID); ok || err != nil {
						t.Errorf("%s is there at %d: %v", debian[seq].ID, seq, err)
					}
				}
				if _, err := v.Affected("Debian:12", "linux"); err != nil {
					t.Error(err)
				}
				v.Close()
			}
		})
	}
	for _, to := range []int{101, 150, 2500, 9000, 9001, 9500} {
		src.mu.Lock()
		from := len(src.versions)
		src.mu.Unlock()
		src.put(debian[from:to]...)
		catchUp(t, db, src)
	}
	close(done)
	readers.Wait()

	if n := first.Data().Records; n != 100 {
		t.Errorf("the first view says %d records", n)
	}
	if after, err := first.Affected("Debian:12", "linux"); err != nil || !reflect.DeepEqual(after, before) {
		t.Errorf("the first view has changed: %v", err)
	}
	if n, err := first.Records("Debian:12"); err != nil || n > 100 {
		t.Errorf("the first view counts %d: %v", n, err)
	}
	if v := view(t, db); v.Data().Records != 9500 {
		t.Errorf("the last view has %d records", v.Data().Records)
	}
}

func TestNothingNew(t *testing.T) {
	src := newMemory()
	src.sample = true
	db := openTemp(t)
	empty := catchUp(t, db, src)
	if empty.Data.Records != 0 || src.published[empty.Data.Snapshot] != 0 || len(src.published) != 1 {
		t.Errorf("an empty store: %+v, published %v", empty, src.published)
	}
	src.put(sampleRecords(t)...)
	first := catchUp(t, db, src)
	if !first.Data.Sample || !first.Data.Updated.Equal(importTime) {
		t.Errorf("first: %+v", first.Data)
	}
	src.updated, src.sample = importTime.Add(time.Hour), false
	second := catchUp(t, db, src)
	if second.Applied != 0 || second.Data.Snapshot != first.Data.Snapshot {
		t.Errorf("an import that changed nothing: %+v", second)
	}
	if d := view(t, db).Data(); d.Sample || !d.Updated.Equal(src.updated) {
		t.Errorf("its time is not kept: %+v", d)
	}
}

// A failure keeps the earlier state, and the operation can be repeated.
func TestFailures(t *testing.T) {
	debian := debianRecords(t, 9501)
	for _, c := range []struct {
		name     string
		at, then int // records before, and after
	}{
		{"first", 0, 9000},
		{"increment", 1000, 4000},
		{"copy", 1000, 9000},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := newMemory()
			src.put(debian[:c.at]...)
			db := openTemp(t)
			catchUp(t, db, src)
			want := dump(t, db)
			src.put(debian[c.at:c.then]...)

			check := func(what string, err, cause error) {
				t.Helper()
				if !errors.Is(err, cause) {
					t.Errorf("%s: %v, want %v", what, err, cause)
				}
				diff(t, dump(t, db), want)
				if _, err := os.Stat(stagePath(db.path)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s: a half-made file is left: %v", what, err)
				}
			}
			src.failAfter = 2900
			_, err := db.CatchUp(t.Context(), src)
			check("store fails", err, io.ErrUnexpectedEOF)
			src.failAfter = 0

			src.failPublished = errors.New("store is full")
			_, err = db.CatchUp(t.Context(), src)
			check("store does not take the id", err, src.failPublished)
			src.failPublished = nil

			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = db.CatchUp(ctx, src)
			check("cancelled", err, context.Canceled)

			if res := catchUp(t, db, src); res.Data.Records != c.then || res.Rebuilt != nil {
				t.Errorf("in the end %+v", res)
			}
		})
	}
}

func TestOtherStore(t *testing.T) {
	samples := sampleRecords(t)
	src := newMemory()
	src.put(samples...)
	db := openTemp(t)
	catchUp(t, db, src)

	older := newMemory()
	older.put(samples[:20]...)
	fresh := openTemp(t)
	catchUp(t, fresh, older)
	if res := catchUp(t, db, older); res.Rebuilt == nil || res.Applied != 20 {
		t.Errorf("a store that went back: %+v", res)
	}
	diff(t, dump(t, db), dump(t, fresh))

	other := newMemory()
	other.put(samples[30:]...)
	fresh = openTemp(t)
	catchUp(t, fresh, other)
	clear(other.published)
	if res := catchUp(t, db, other); res.Rebuilt == nil {
		t.Errorf("a store with another history: %+v", res)
	}
	diff(t, dump(t, db), dump(t, fresh))
}

// A record that cannot be read removes its earlier version, and does not stop the others.
func TestUnreadable(t *testing.T) {
	testkit.Path(t, "osv-samples") // some of its records
	samples := sampleRecords(t)
	src := newMemory()
	src.put(samples...)
	db := openTemp(t)
	n := catchUp(t, db, src).Data.Records

	entry := func(ecosystem, name, alias string) []byte {
		b, err := json.Marshal(map[string]any{
			"id": "BAD-2", "modified": "2026-01-01T00:00:00Z", "aliases": []string{alias},
			"affected": []any{map[string]any{
				"package":  map[string]string{"ecosystem": ecosystem, "name": name},
				"versions": []string{"1"},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	live := slices.IndexFunc(samples, func(r store.Record) bool { return r.ID == "ALBA-2019:0973" })
	long := strings.Repeat("x", 40000)
	for what, r := range map[string]store.Record{
		"no JSON":             {ID: samples[live].ID, Body: []byte("{")},
		"another id":          {ID: "BAD-1", Body: samples[0].Body},
		"NUL in an ecosystem": {ID: "BAD-2", Body: entry("a\x00b", "c", "d")},
		"NUL in an alias":     {ID: "BAD-2", Body: entry("a", "c", "d\x00e")},
		"a long name":         {ID: "BAD-2", Body: entry("a", long, "d")},
		"a long alias":        {ID: "BAD-2", Body: entry("a", "c", long)},
	} {
		src.put(r)
		res, err := db.CatchUp(t.Context(), src)
		if err != nil || res.UnreadableCount != 1 || len(res.Unreadable) != 1 {
			t.Errorf("%s: %+v, %v", what, res, err)
		}
	}
	v := view(t, db)
	if got := v.Data().Records; got != n-1 {
		t.Errorf("%d records, want %d", got, n-1)
	}
	if _, ok, _ := only(v, samples[live].ID); ok {
		t.Errorf("%s is still there", samples[live].ID)
	}
	if got := v.Unreadable(); got != 3 {
		t.Errorf("%d records are unreadable, want 3", got)
	}
	again := openTemp(t)
	if res, err := again.CatchUp(t.Context(), src); err != nil || res.UnreadableCount != 3 {
		t.Errorf("from the beginning: %+v, %v", res, err)
	}
	diff(t, dump(t, again), dump(t, db))

	src.put(samples[live])
	src.put(store.Record{ID: "BAD-1", Removed: true})
	catchUp(t, db, src)
	if got := view(t, db).Unreadable(); got != 1 {
		t.Errorf("%d records are unreadable after one was fixed and one removed, want 1", got)
	}
}

func TestClosed(t *testing.T) {
	testkit.Path(t, "osv-samples") // some of its records
	src := newMemory()
	src.put(sampleRecords(t)...)
	db, err := Open(filepath.Join(t.TempDir(), "index"))
	if err != nil {
		t.Fatal(err)
	}
	catchUp(t, db, src)
	v := view(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if n, err := v.Records("AlmaLinux:8"); n == 0 || err != nil {
		t.Errorf("the open view says %d, %v", n, err)
	}
	v.Close()
	v.Close()
	if _, err := db.View(); !errors.Is(err, errClosed) {
		t.Errorf("View: %v", err)
	}
	if _, err := db.CatchUp(t.Context(), src); !errors.Is(err, errClosed) {
		t.Errorf("CatchUp: %v", err)
	}
	// The last view has closed the file.
	open(t, db.path)
}

// Each source has a record of its own under the same id.
func TestSources(t *testing.T) {
	testkit.Path(t, "osv-samples") // some of its records
	samples := sampleRecords(t)
	of := func(r store.Record, source string) store.Record {
		r.Origin.Source = source
		return r
	}
	live := slices.IndexFunc(samples, func(r store.Record) bool { return r.ID == "ALBA-2019:0973" })
	r := samples[live]
	c, err := readChange(r)
	if err != nil {
		t.Fatal(err)
	}
	about, per := c.entries[0], 0 // entries of one record
	for _, e := range c.entries {
		if e.Ecosystem == about.Ecosystem && e.Name == about.Name {
			per++
		}
	}
	src := newMemory()
	db := openTemp(t)
	ids := map[string]string{}
	step := func(what string, sources string, records ...store.Record) {
		t.Helper()
		src.put(records...)
		res := catchUp(t, db, src)
		v := view(t, db)
		list, err := v.Vulnerabilities(r.ID)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range list {
			got = append(got, l.Source)
		}
		if g := strings.Join(got, " "); g != sources {
			t.Errorf("%s: records of %q, want %q", what, g, sources)
		}
		n := 0
		entries, err := v.Affected(about.Ecosystem, about.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Advisory == r.ID {
				n++
				if (n-1)/per >= len(list) || e.Source != list[(n-1)/per].Source {
					t.Errorf("%s: entry %d is of %q", what, n, e.Source)
				}
			}
		}
		if n != per*len(list) {
			t.Errorf("%s: %d entries, want %d", what, n, per*len(list))
		}
		refs, err := v.Referrers("X-1")
		if err != nil || len(refs) > 1 {
			t.Errorf("%s: referrers %q, %v", what, refs, err)
		}
		if before, ok := ids[sources]; ok != (before == res.Data.Snapshot) {
			t.Errorf("%s: id %s of sources %q, before %q", what, res.Data.Snapshot, sources, before)
		}
		for other, id := range ids {
			if id == res.Data.Snapshot && other != sources {
				t.Errorf("%s: sources %q and %q have one id", what, sources, other)
			}
		}
		ids[sources] = res.Data.Snapshot
		v.Close()
		fresh := openTemp(t)
		catchUp(t, fresh, src)
		diff(t, dump(t, db), dump(t, fresh))
	}
	aliased := rewrite(t, r, map[string]any{"aliases": []string{"X-1", ""}})
	gone := store.Record{ID: r.ID}
	step("one", "b", of(aliased, "b"))
	step("two", "a b", of(aliased, "a"))
	step("withdrawn by one", "b", of(rewrite(t, aliased, map[string]any{"withdrawn": "2025-01-01T00:00:00Z"}), "a"))
	step("removed by the other", "", of(gone, "b"))
	if got, err := view(t, db).Withdrawn("X-1"); err != nil || !slices.Equal(got, []string{r.ID}) {
		t.Errorf("withdrawn as X-1: %q, %v", got, err)
	}
	step("one again", "a", of(aliased, "a"))
	step("both again", "a b", of(aliased, "b"))
	step("one of them", "b", of(gone, "a"))
}
