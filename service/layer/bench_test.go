package layer

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// BenchmarkInspect reads an image of 5000 files and 128 MiB in four layers that are compressed
// with gzip. Bytes are those without compression.
func BenchmarkInspect(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, 1<<20)
	for i := range text {
		text[i] = "etaoin shrdlu\n"[r.IntN(14)]
	}
	var img Image
	for l := range 4 {
		var entries []entry
		for i := range 1250 {
			at := r.IntN(len(text) - 27000)
			entries = append(entries, entry{fmt.Sprintf("usr/share/d%d-%d/f%d.txt", l, i/50, i), "f", string(text[at : at+27000])})
		}
		entries = append(entries, entry{fmt.Sprintf("srv/node_modules/p%d/package.json", l), "f", `{"name": "p", "version": "1.0.0"}`})
		archive := archiveOf(b, entries)
		b.SetBytes(int64(len(archive)) * 4)
		packed := gzipped(b, archive)
		img.Layers = append(img.Layers, Blob{Digest: sum(packed), DiffID: sum(archive), Open: opens(packed)})
	}
	dir := b.TempDir()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Inspect(b.Context(), dir, img, DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}

// As many layers as an overlay filesystem can have, and as an image may have.
func TestManyLayers(t *testing.T) {
	for _, n := range []int{127, DefaultLimits().Layers} {
		layers := [][]entry{{{"var/lib/dpkg/status", "f", stanzas("base", "1")}}}
		for i := range n - 1 {
			layers = append(layers, []entry{
				{fmt.Sprintf("srv/node_modules/p%d/package.json", i), "f", fmt.Sprintf(`{"name": "p%d", "version": "1.0.0"}`, i)},
				{fmt.Sprintf("srv/node_modules/.wh.p%d", i-2), "f", ""},
			})
		}
		got, err := Inspect(t.Context(), t.TempDir(), imageOf(t, layers...), DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, p := range got.Inventory.Packages {
			found = append(found, p.Name)
			for i, l := range got.Layers {
				if l.DiffID == p.Layer && p.Name != "base" && p.Name != fmt.Sprintf("p%d", i-1) {
					t.Errorf("%s has layer %d", p.Name, i)
				}
			}
		}
		if got, want := strings.Join(found, " "), fmt.Sprintf("base p%d p%d", n-3, n-2); got != want {
			t.Errorf("%d layers: %s, want %s", n, got, want)
		}
	}
	img := imageOf(t, make([][]entry, DefaultLimits().Layers+1)...)
	wantBad(t, img, -1, "the image has 513 layers, more than the limit of 512")
}
