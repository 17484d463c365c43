package storetest

import (
	"errors"
	"testing"

	"assay/service/store"
)

func snapshots(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	for id, seq := range map[string]int64{"one": 5, "two": 7} {
		if err := a.Published(t.Context(), id, seq); err != nil {
			t.Fatal(err)
		}
	}
	// The same content again, at a later state.
	if err := b.Published(t.Context(), "one", 9); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]int64{"one": 5, "two": 7} {
		if got, err := b.Snapshot(t.Context(), id); err != nil || got != want {
			t.Errorf("snapshot %q: %d, %v, want %d", id, got, err, want)
		}
	}
	_, err := b.Snapshot(t.Context(), "three")
	wantNotFound(t, "snapshot", err)

	// The beginning of an id, as a log prints it.
	for id, seq := range map[string]int64{"s076b7f0f6591": 11, "s076b7f0f6592": 12, "s99": 13, "s99aaaaaa": 14} {
		if err := a.Published(t.Context(), id, seq); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[string]int64{"s076b7f0f6592": 12, "s99aaaaaa": 14, "s99aaaaa": 14, "s99aaa": 14, "s99": 13} {
		if got, err := b.Snapshot(t.Context(), id); err != nil || got != want {
			t.Errorf("snapshot %q: %d, %v, want %d", id, got, err, want)
		}
	}
	for _, id := range []string{"s076b7f0f659", "s076b7"} {
		if _, err := b.Snapshot(t.Context(), id); !errors.Is(err, store.ErrAmbiguous) {
			t.Errorf("snapshot %q, which two begin with: %v", id, err)
		}
	}
	for _, id := range []string{"", "s", "s99aa", "076b7f0f6592", "s076b7f0f65921", "s076b7f0f659_", "s076b7f0f6%", "s99aaab"} {
		_, err := b.Snapshot(t.Context(), id)
		wantNotFound(t, id, err)
	}
}
