package storetest

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"assay/service/store"
)

// generation yields n records, all saying the same number.
func generation(n, number int) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for i := range n {
			if !yield(record(fmt.Sprintf("X-%d", i), day(1+number%28), fmt.Sprintf("generation %d", number)), nil) {
				return
			}
		}
	}
}

// readers iterates while the data changes and while the store is used.
func readers(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	const n = 200
	mustImport(t, s, whole("a", 1), generation(n, 1), store.Imported{Added: n, Seq: n})
	read := 0
	for r, err := range s.Changes(t.Context(), 0, 1<<40) {
		if err != nil {
			t.Fatal(err)
		}
		if read == 10 {
			mustImport(t, s, whole("a", 2), generation(n, 2), store.Imported{Changed: n, Seq: 2 * n})
			if err := s.Published(t.Context(), "meanwhile", 2*n); err != nil {
				t.Fatal(err)
			}
		}
		if read++; string(r.Body) != "generation 1" {
			t.Fatalf("record %d: %q of a later state", read, r.Body)
		}
	}
	if read != n {
		t.Errorf("%d records, want %d", read, n)
	}
	// Ending early frees whatever an iteration holds.
	for range 100 {
		for _, err := range s.Changes(t.Context(), 0, 1<<40) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	mustImport(t, s, whole("a", 3), generation(n, 3), store.Imported{Changed: n, Seq: 3 * n})
}

// twoHandles simulates two processes on the same data: both import and store scans, and
// each sees one complete generation at any time.
func twoHandles(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	const n, generations = 100, 8
	mustImport(t, a, whole("a", 1), generation(n, 1), store.Imported{Added: n, Seq: n})
	if got := mustHead(t, b); got.Seq != n || got.Records != n {
		t.Fatalf("the other handle sees %+v", got)
	}

	var wg sync.WaitGroup
	wg.Go(func() {
		for g := 2; g <= generations; g++ {
			importer := a
			if g%2 == 0 {
				importer = b
			}
			if _, err := importer.Import(t.Context(), whole("a", g), generation(n, g)); err != nil {
				t.Errorf("import of generation %d: %v", g, err)
			}
		}
	})
	for i, s := range []store.Store{a, b, a, b} {
		wg.Go(func() {
			for j := range 25 {
				scan := store.Scan{ID: mustID(t), At: day(1), Token: "t", Key: fmt.Sprintf("%d %d", i, j), Request: fmt.Appendf(nil, "request %d", j)}
				if _, err := s.KeepScan(t.Context(), scan); err != nil {
					t.Errorf("keep scan: %v", err)
				}
			}
		})
		wg.Go(func() {
			for range 10 {
				seen := map[string]int{}
				for r, err := range s.Changes(t.Context(), 0, 1<<40) {
					if err != nil {
						t.Errorf("read: %v", err)
						return
					}
					seen[string(r.Body)]++
				}
				if len(seen) != 1 {
					t.Errorf("half an import was seen: %v", seen)
				}
			}
		})
	}
	wg.Wait()
	if got := mustHead(t, a); got.Seq != n*generations || got.Records != n {
		t.Errorf("head %+v, want seq %d of %d records", got, n*generations, n)
	}
	list, err := b.ListScans(t.Context(), 1000)
	if err != nil || len(list) != 100 {
		t.Errorf("%d scans, %v, want 100", len(list), err)
	}
}

// followers checks that no reader that remembers the last sequence number and reads what
// follows it misses a version of an import that began earlier and ends later. One import
// is slow while it sends its records, the other while it decides what to remove.
func followers(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b, reader := open(t, dir), open(t, dir), open(t, dir)
	mustImport(t, a, whole("slow", 1), all(record("OLD-1", day(1), "a"), record("OLD-2", day(1), "b")), store.Imported{Added: 2, Seq: 2})

	seen, last := map[string]bool{}, int64(0)
	follow := func() {
		t.Helper()
		head := mustHead(t, reader)
		for r, err := range reader.Changes(t.Context(), last, head.Seq) {
			if err != nil {
				t.Fatal(err)
			}
			seen[fmt.Sprintf("%s %v", r.ID, r.Removed)] = true
		}
		last = head.Seq
	}
	follow()

	var wg sync.WaitGroup
	sending, deciding := make(chan bool), make(chan bool)
	goOn := make(chan bool)
	wg.Go(func() { // slow twice
		im := whole("slow", 2)
		im.MayRemove = func(int, int) error {
			close(deciding)
			<-goOn
			return nil
		}
		_, err := a.Import(t.Context(), im, func(yield func(store.Record, error) bool) {
			if yield(record("SLOW-1", day(2), "a"), nil) {
				close(sending)
				<-goOn
				yield(record("SLOW-2", day(2), "b"), nil)
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
	quick := func(i int) <-chan bool {
		done := make(chan bool)
		wg.Go(func() {
			defer close(done)
			_, err := b.Import(t.Context(), source("quick", 3), all(record(fmt.Sprintf("QUICK-%d", i), day(3), "q")))
			if err != nil {
				t.Error(err)
			}
		})
		return done
	}
	// The quick ones may be done before the slow one, or wait for it.
	var imports []<-chan bool
	for i, slow := range []<-chan bool{sending, deciding} {
		<-slow
		imports = append(imports, quick(i))
		for range 20 {
			follow()
			time.Sleep(5 * time.Millisecond)
		}
		goOn <- true
	}
	for _, done := range imports {
		<-done
		follow()
	}
	wg.Wait()
	follow()
	for _, want := range []string{"OLD-1 true", "OLD-2 true", "SLOW-1 false", "SLOW-2 false", "QUICK-0 false", "QUICK-1 false"} {
		if !seen[want] {
			t.Errorf("a follower missed %q; it saw %v", want, slices.Sorted(maps.Keys(seen)))
		}
	}
}

// manyImporters imports at once, while a reader follows.
func manyImporters(t *testing.T, open Open) {
	dir := t.TempDir()
	const importers, imports = 4, 12
	reader := open(t, dir)
	var wg sync.WaitGroup
	for n := range importers {
		s := open(t, dir)
		wg.Go(func() {
			for i := range imports {
				im := source(fmt.Sprintf("s%d", n), i+1)
				_, err := s.Import(t.Context(), im, all(record(fmt.Sprintf("%d-%d-a", n, i), day(1), "a"), record(fmt.Sprintf("%d-%d-b", n, i), day(1), "b")))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan bool)
	go func() { wg.Wait(); close(done) }()
	seen, last := 0, int64(0)
	for more := true; more; {
		select {
		case <-done:
			more = false // and a last look
		default:
		}
		head := mustHead(t, reader)
		for r, err := range reader.Changes(t.Context(), last, head.Seq) {
			if err != nil {
				t.Fatal(err)
			}
			if seen++; r.Seq != last+1 {
				t.Errorf("version %d follows %d", r.Seq, last)
			}
			last = r.Seq
		}
		if last != head.Seq {
			t.Errorf("the last version is %d, the head says %d", last, head.Seq)
		}
	}
	if want := 2 * importers * imports; seen != want {
		t.Errorf("%d versions, want %d", seen, want)
	}
}

// watch checks that a change by another process is announced.
func watch(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	changed := b.Watch(ctx)
	<-changed // at first
	for i := range 3 {
		mustImport(t, a, source("a", i+1), all(record(fmt.Sprint(i), day(1), "a")), store.Imported{Added: 1, Seq: int64(i + 1)})
		for mustHead(t, b).Seq != int64(i+1) {
			t.Error("a committed import is not seen")
		}
		if _, open := <-changed; !open {
			t.Fatal("the channel was closed")
		}
	}
	cancel()
	for range changed {
	}
}
