package layer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Whatever a layer contains, and whatever is laid over it, nothing is written outside the
// folder, everything in it can be removed, and an error is the image's fault.

func FuzzLayer(f *testing.F) {
	for _, entries := range [][]entry{
		{{"d", "d", ""}, {"d/x", "x", "1"}, {"l", "l", "d"}, {"h", "h", "d/x"}, {"p", "p", ""}, {"c", "c", "0,0"}},
		{{"d/.wh.x", "f", ""}, {"d/.wh..wh..opq", "f", ""}, {"l/a", "f", "2"}, {".wh.h", "f", ""}},
	} {
		f.Add(archiveOf(f, entries))
		f.Add(gzipped(f, archiveOf(f, entries)))
		f.Add(zstandard(f, archiveOf(f, entries)))
	}
	f.Add(sparse(f, 1<<20))
	f.Fuzz(func(t *testing.T, blob []byte) {
		fuzz(t, Image{Layers: []Blob{{Open: opens(blob)}}})
	})
}

// FuzzApply has an entry on each line: its kind, its name and the rest. A line "-" begins a
// layer.
func FuzzApply(f *testing.F) {
	f.Add("d d\nf d/x 1\nl l d\nh h d/x\np p\nc c 0,0\n-\nf d/.wh.x\nf d/.wh..wh..opq\nf l/a 2\nf .wh.h")
	f.Add("l u ../../..\nf u/tmp/x 1\nl r /\nf r/x 1\nf ../../y\n-\nd u\nf r/x/z\nh h u/tmp\nh i r")
	f.Add("d a\nd a/b\nf a/b/c 1\n-\nf a/.wh.b\nf a/b/d 2\n-\nf a/.wh..wh..opq\nd a/b\nl a/b/e ../../a\nf a/b/e/f")
	f.Add("l a b\nl b a\nf a/c\n-\nf .wh..wh.plnk/1 x\nh q .wh..wh.plnk/1\nf .wh.")
	f.Fuzz(func(t *testing.T, script string) {
		var img Image
		for layer := range strings.SplitSeq(script, "\n-\n") {
			var entries []entry
			for line := range strings.SplitSeq(layer, "\n") {
				kind, rest, _ := strings.Cut(line, " ")
				name, content, _ := strings.Cut(rest, " ")
				if kind == "" || !strings.Contains("fxdlhcp", kind) || len(kind) > 1 || name == "" || strings.Contains(rest, "\x00") {
					continue
				}
				entries = append(entries, entry{name, kind, content})
			}
			archive, err := pack(entries)
			if err != nil {
				t.Skip(err)
			}
			img.Layers = append(img.Layers, blobOf(archive))
		}
		fuzz(t, img)
	})
}

func fuzz(t *testing.T, img Image) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	outside := t.TempDir()
	folder, root, err := newFolder(filepath.Join(outside, "dir"))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := openTree(root)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.close()
	limits := Limits{Layers: 100, Blob: 1 << 20, Bytes: 4 << 20, Entries: 1000}
	if _, err := tree.add(ctx, img, limits, func(int) {}); err != nil {
		if _, ok := errors.AsType[*Error](err); !ok {
			t.Errorf("error %v", err)
		}
	}
	if names, err := os.ReadDir(folder); err != nil || len(names) != 1 {
		t.Errorf("beside the files: %v, %v", names, err)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Error(err)
	}
	wantEmpty(t, filepath.Dir(folder))
	if names, err := os.ReadDir(outside); err != nil || len(names) != 1 {
		t.Errorf("outside: %v, %v", names, err)
	}
}
