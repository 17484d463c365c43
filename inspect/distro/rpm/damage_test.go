package rpm

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/rpmtest"
	"assay/inspect/inventory"
)

// Flipped bits, anywhere or in what the pages are found by, cost packages or give an
// error, but neither much time nor memory.
func TestFlippedBits(t *testing.T) {
	for _, c := range []struct {
		name string
		// structure picks a byte of the database's structure.
		structure func(r *rand.Rand, data []byte) int
		flips     int // in the thorough mode; else a third
	}{
		{"centos5-bdb", pageHeaders, 150},
		{"ubi8-s390x-bdb-bigendian", pageHeaders, 100},
		{"scalibr-epoch-bdb", pageHeaders, 500},
		{"sle15-bci-ndb", func(r *rand.Rand, _ []byte) int { return r.IntN(32 + 41*16) }, 300},
		{"cbl-mariner2-sqlite", pageHeaders, 300},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := rpmtest.Load(t, c.name)
			whole := len(expected(t, c.name))
			r := rand.New(rand.NewPCG(3, uint64(len(d.Data))))
			fewer, failed := 0, 0
			flips := testkit.Some(c.flips/3, c.flips)
			for i := range flips {
				at := r.IntN(len(d.Data))
				if i%2 == 0 {
					at = c.structure(r, d.Data)
				}
				bit := byte(1) << r.IntN(8)
				d.Data[at] ^= bit
				packages, err := read(t, d.File, d.Data)
				d.Data[at] ^= bit
				switch {
				case len(packages) > whole:
					t.Errorf("bit %#x of byte %d: %d packages of %d", bit, at, len(packages), whole)
				case err == nil && d.File == "Packages.db" && len(packages) < whole:
					// In that format each blob has a checksum and each slot a magic
					// number.
					t.Errorf("bit %#x of byte %d: %d packages of %d without an error", bit, at, len(packages), whole)
				case err != nil:
					failed++
				}
				if len(packages) < whole {
					fewer++
				}
			}
			t.Logf("%d flips: %d errors, %d with fewer packages", flips, failed, fewer)
			if failed == 0 || fewer == 0 {
				t.Error("the flips do no harm")
			}
		})
	}
}

// pageHeaders picks one of the first 40 bytes of a page of 4 KiB.
func pageHeaders(r *rand.Rand, data []byte) int {
	return r.IntN(len(data)/4096)*4096 + r.IntN(40)
}

// Missing data at the end is an error.
func TestTruncated(t *testing.T) {
	for _, name := range []string{"centos5-bdb", "scalibr-epoch-bdb", "sle15-bci-ndb", "cbl-mariner2-sqlite"} {
		t.Run(name, func(t *testing.T) {
			d := rpmtest.Load(t, name)
			want := expected(t, name)
			r := rand.New(rand.NewPCG(4, uint64(len(d.Data))))
			sizes := []int{0, 1, 16, 100, 512, 4096, len(d.Data) - 1}
			for range testkit.Some(30, 100) {
				sizes = append(sizes, r.IntN(len(d.Data)))
			}
			for _, n := range sizes {
				packages, err := read(t, d.File, d.Data[:n])
				if err == nil {
					t.Errorf("%d bytes of %d: no error", n, len(d.Data))
				}
				for _, got := range rowsOf(packages) {
					if !slices.Contains(want, got) {
						t.Errorf("%d bytes of %d: %+v", n, len(d.Data), got)
					}
				}
			}
		})
	}
}

// Files of other kinds with the name of a database.
func TestNoDatabase(t *testing.T) {
	for _, file := range []string{"Packages", "Packages.db", "rpmdb.sqlite"} {
		for name, data := range map[string][]byte{
			"empty": nil,
			"text":  bytes.Repeat([]byte("x"), 1<<20),
			"zeros": make([]byte, 1<<20),
		} {
			if packages, err := read(t, file, data); len(packages) != 0 || err == nil {
				t.Errorf("%s, %s: %d packages, error %v", file, name, len(packages), err)
			}
		}
	}
}

// read reads data and checks that it needs no more memory than a bound.
func read(t *testing.T, file string, data []byte) ([]inventory.Package, error) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	packages, err := Packages(headersOf(file, data), file)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("%d bytes allocated for a database of %d", used, len(data))
	}
	return packages, err
}
