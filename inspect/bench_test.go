package inspect

import (
	"os"
	"testing"
)

// BenchmarkInspect makes the inventory of the tree in ROOTS, by default /usr.
func BenchmarkInspect(b *testing.B) {
	root := os.Getenv("ROOTS")
	if root == "" {
		root = "/usr"
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Inspect(b.Context(), root, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
