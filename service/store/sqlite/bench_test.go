package sqlite_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/service/advisory/load"
	"assay/service/store"
	"assay/service/store/sqlite"
)

func openBench(b *testing.B, dir string) *sqlite.Store {
	b.Helper()
	s, err := sqlite.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

func importDebian(b *testing.B, s store.Store) store.Imported {
	b.Helper()
	src := load.Open(testkit.Path(b, "osv", "Debian", "all.zip"))
	got, err := s.Import(b.Context(), store.Import{Origin: store.Origin{Source: "debian"}, At: time.Now(), Whole: true}, src.Records())
	if err != nil {
		b.Fatal(err)
	}
	return got
}

// Each round imports 18,219 records into an empty store.
func BenchmarkImport(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		s := openBench(b, dir)
		b.StartTimer()
		if got := importDebian(b, s); got.Added != 18219 {
			b.Fatalf("imported %+v", got)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, "advisories.db"))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/(1<<20), "MiB")
		b.StartTimer()
	}
}

// Each round imports what is there already.
func BenchmarkImportUnchanged(b *testing.B) {
	s := openBench(b, b.TempDir())
	importDebian(b, s)
	for b.Loop() {
		if got := importDebian(b, s); got.Unchanged != 18219 {
			b.Fatalf("imported %+v", got)
		}
	}
}

func BenchmarkChanges(b *testing.B) {
	s := openBench(b, b.TempDir())
	last := importDebian(b, s).Seq
	for _, n := range []int64{last, 100, 0} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				got := int64(0)
				for _, err := range s.Changes(b.Context(), last-n, last) {
					if err != nil {
						b.Fatal(err)
					}
					got++
				}
				if got != n {
					b.Fatalf("%d records, want %d", got, n)
				}
			}
		})
	}
}

func BenchmarkHead(b *testing.B) {
	s := openBench(b, b.TempDir())
	importDebian(b, s)
	for b.Loop() {
		if _, err := s.Head(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// A scan of 400 packages, and a verdict with 100 findings.
func BenchmarkKeepScan(b *testing.B) {
	var request, verdict bytes.Buffer
	for i := range 400 {
		fmt.Fprintf(&request, `{"type":"library","bom-ref":"pkg:deb/debian/lib%[1]d@1.%[1]d-1","name":"lib%[1]d","version":"1.%[1]d-1","purl":"pkg:deb/debian/lib%[1]d@1.%[1]d-1?arch=amd64&distro=debian-12","properties":[{"name":"assay:source:name","value":"src%[1]d"}]},`, i)
	}
	for i := range 100 {
		fmt.Fprintf(&verdict, `{"id":"CVE-2024-%[1]d","advisories":["DEBIAN-CVE-2024-%[1]d"],"package":{"name":"lib%[1]d","version":"1.%[1]d-1"},"fixed":"1.%[1]d-2","severity":"high","fails":true,"rule":"severity"},`, 1000+i)
	}
	for _, fresh := range []bool{false, true} {
		name := "same inventory"
		if fresh {
			name = "new inventory"
		}
		b.Run(name, func(b *testing.B) {
			s := openBench(b, b.TempDir())
			body := bytes.Clone(request.Bytes())
			n := uint64(0)
			for b.Loop() {
				n++
				if fresh {
					binary.BigEndian.PutUint64(body, n)
				}
				_, err := s.KeepScan(b.Context(), store.Scan{
					ID: fmt.Sprint(n), At: time.Now(), Token: "token", Key: fmt.Sprint(n), Request: body, Verdict: verdict.Bytes(),
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTokenByHash(b *testing.B) {
	s := openBench(b, b.TempDir())
	if err := s.CreateToken(b.Context(), store.Token{ID: "id", Scopes: []string{"scan"}}, [32]byte{1}, store.Event{}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.TokenByHash(b.Context(), [32]byte{1}); err != nil {
			b.Fatal(err)
		}
	}
}
