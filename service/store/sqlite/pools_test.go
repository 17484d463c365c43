package sqlite

import (
	"testing"
	"time"
)

// Pools counts that one writer waits for another.
func TestPools(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	other, err := Open(dir) // as another process does
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	waits := func() (n int64, waited time.Duration) {
		for _, p := range s.Pools() {
			if p.Name == "ledger-write" {
				return p.Waits, p.Waited
			}
		}
		t.Fatalf("no pool of ledger.db in %+v", s.Pools())
		return 0, 0
	}
	nothing := func(transaction) error { return nil }
	// once reports whether s had to wait for the holder. It may begin only when the holder
	// has ended, and is tried again then.
	once := func(holder *Store) bool {
		before, waited := waits()
		holding, release := make(chan struct{}), make(chan struct{})
		ended := make(chan error, 2)
		go func() {
			ended <- holder.state.update(t.Context(), quick, func(transaction) error {
				close(holding)
				<-release
				return nil
			})
		}()
		<-holding
		go func() { ended <- s.state.update(t.Context(), quick, nothing) }()
		time.Sleep(5 * leastWait)
		close(release)
		for range 2 {
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
		}
		after, in := waits()
		if after > before && in-waited < leastWait {
			t.Errorf("%d waits of %v", after-before, in-waited)
		}
		return after > before
	}
	for _, holder := range []*Store{s, other} {
		tries := 0
		for ; tries < 1000 && !once(holder); tries++ {
		}
		if tries == 1000 {
			t.Error("no wait for the other writer is counted")
		}
	}
}
