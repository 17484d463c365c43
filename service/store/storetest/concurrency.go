package storetest

import (
	"fmt"
	"iter"
	"sync"
	"testing"

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

// twoHandles stands for two processes on the same data: one imports, both keep
// scans, and what one sees is always one generation.
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
