package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"assay/service/store"
)

func files(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	for i, name := range []string{"acme/x", "acme/x/a", "acme/x/b/c", "acme/xy", "acme/x0", "other"} {
		if err := a.PutFile(t.Context(), store.File{Name: name, Modified: day(i + 1), Body: []byte(name)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.PutFile(t.Context(), store.File{Name: "other", Modified: day(9), Body: []byte{}}); err != nil {
		t.Fatal(err)
	}
	if f, err := a.File(t.Context(), "other"); err != nil || len(f.Body) != 0 || !f.Modified.Equal(day(9)) {
		t.Errorf("a replaced file: %+v, %v", f, err)
	}
	if f, err := b.File(t.Context(), "acme/x/a"); err != nil || !bytes.Equal(f.Body, []byte("acme/x/a")) || f.Name != "acme/x/a" || !f.Modified.Equal(day(2)) {
		t.Errorf("a file: %+v, %v", f, err)
	}
	_, err := b.File(t.Context(), "acme")
	wantNotFound(t, "a folder", err)
	list := func(folder string) (names []string) {
		t.Helper()
		all, err := b.ListFiles(t.Context(), folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			if len(f.Body) > 0 || f.Modified.IsZero() {
				t.Errorf("listed %+v", f)
			}
			names = append(names, f.Name)
		}
		return names
	}
	for folder, want := range map[string][]string{
		"acme": {"acme/x", "acme/x/a", "acme/x/b/c", "acme/x0", "acme/xy"}, "acme/x": {"acme/x/a", "acme/x/b/c"}, "acme/x/b": {"acme/x/b/c"}, "none": nil, "acme/x/a": nil,
	} {
		if got := list(folder); !slices.Equal(got, want) {
			t.Errorf("below %q: %q, want %q", folder, got, want)
		}
	}
	if err := a.DropFiles(t.Context(), "acme/x"); err != nil {
		t.Fatal(err)
	}
	if err := a.DropFiles(t.Context(), "none"); err != nil {
		t.Error(err)
	}
	if got, want := list("acme"), []string{"acme/x0", "acme/xy"}; !slices.Equal(got, want) {
		t.Errorf("after a folder was removed: %q, want %q", got, want)
	}
}

func locks(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	take := func(s store.Store, holder string, now time.Time, ttl time.Duration) bool {
		t.Helper()
		taken, err := s.TakeLock(t.Context(), "lock", holder, now, now.Add(ttl))
		if err != nil {
			t.Fatal(err)
		}
		return taken
	}
	now := time.Now()
	if !take(a, "a", now, time.Hour) || take(b, "b", now, time.Hour) || !take(a, "a", now, time.Hour) {
		t.Error("the holder alone has the lock, and may take it again")
	}
	if err := b.DropLock(t.Context(), "lock", "b"); err != nil || take(b, "b", now, time.Hour) {
		t.Errorf("another holder gave it back: %v", err)
	}
	if err := a.DropLock(t.Context(), "lock", "a"); err != nil || !take(b, "b", now, -time.Second) {
		t.Errorf("it was given back: %v", err)
	}
	if !take(a, "a", now, time.Hour) {
		t.Error("an ended lock is not taken over")
	}
	// Of many at once one gets it.
	got := make(chan string, 20)
	for i := range cap(got) {
		go func() {
			holder := fmt.Sprint("holder", i)
			if taken, err := b.TakeLock(t.Context(), "race", holder, now, now.Add(time.Hour)); err != nil || !taken {
				holder = ""
			}
			got <- holder
		}()
	}
	n := 0
	for range cap(got) {
		if <-got != "" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d have the lock", n)
	}
}
