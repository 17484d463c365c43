package layer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Whatever two layers contain, nothing is written outside the folder, everything in it can be
// removed, and an error is the image's fault.
func FuzzApply(f *testing.F) {
	for _, entries := range [][]entry{
		{{"d", "d", ""}, {"d/x", "x", "1"}, {"l", "l", "d"}, {"h", "h", "d/x"}, {"p", "p", ""}, {"c", "c", "0,0"}},
		{{"d/.wh.x", "f", ""}, {"d/.wh..wh..opq", "f", ""}, {"l/a", "f", "2"}, {".wh.h", "f", ""}},
		{{"u", "l", "../../.."}, {"u/tmp/x", "f", "1"}, {"r", "l", "/"}, {"r/x", "f", "1"}, {"../../y", "f", ""}},
	} {
		f.Add(archiveOf(f, entries), archiveOf(f, []entry{{"d", "f", ""}, {"l", "d", ""}}))
		f.Add(gzipped(f, archiveOf(f, entries)), zstandard(f, archiveOf(f, entries)))
	}
	f.Add(sparse(f, 1<<20), []byte("\x28\xb5\x2f\xfd"))
	limits := Limits{Layers: 2, Blob: 1 << 20, Bytes: 4 << 20, Entries: 1000}
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		outside := t.TempDir()
		dir := filepath.Join(outside, "dir")
		img := Image{Layers: []Blob{{Open: opens(lower)}, {Open: opens(upper)}}}
		if _, err := Inspect(ctx, dir, img, limits); err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("error %v", err)
			}
		}
		wantEmpty(t, dir)
		if names, err := os.ReadDir(outside); err != nil || len(names) != 1 {
			t.Errorf("outside: %v, %v", names, err)
		}
	})
}
