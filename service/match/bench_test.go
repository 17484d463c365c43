package match_test

import (
	"testing"

	"assay/service/match"
)

func BenchmarkMatch(b *testing.B) {
	ix := match.NewMemory(readZip(b, "osv", "Debian", "all.zip"), nil)
	for _, database := range []string{"debian12-minbase", "debian12-app"} {
		inv := debian12(installed(b, database))
		b.Run(database, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := match.Match(inv, ix, day); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
