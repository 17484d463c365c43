package snapshot

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"assay/service/index"
)

// BenchmarkBuild builds an index of 18,219 records of Debian, and reports its size.
func BenchmarkBuild(b *testing.B) {
	records := debianRecords(b, allDebian)
	src := newMemory()
	src.put(records...)
	dir := b.TempDir()
	n := 0
	var size int64
	for b.Loop() {
		path := filepath.Join(dir, fmt.Sprint(n))
		n++
		db, err := Build(b.Context(), src, int64(len(records)), path)
		if err != nil {
			b.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		size = info.Size()
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size)/float64(len(records)), "file-B/record")
	b.ReportMetric(float64(len(records))*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// An import of 100 changed records, all in the largest packages.
func BenchmarkIncrement(b *testing.B) {
	records := debianRecords(b, allDebian)
	src := newMemory()
	src.put(records...)
	db := openTemp(b)
	catchUp(b, db, src)
	for b.Loop() {
		src.put(records[9000:9100]...)
		if res := catchUp(b, db, src); res.Applied != 100 {
			b.Fatal(res)
		}
	}
}

// What one scan of 400 packages asks: a view, and the entries of each package.
func BenchmarkAffected400(b *testing.B) {
	src := newMemory()
	src.put(debianRecords(b, allDebian)...)
	db := openTemp(b)
	catchUp(b, db, src)
	var names []string
	v := view(b, db)
	prefix := []byte(packageKey("Debian:12", ""))
	c := v.packages.Cursor()
	for k, _ := c.Seek(prefix); len(names) < 400; k, _ = c.Next() {
		names = append(names, string(k[len(prefix):]))
	}
	var entries []index.Affected
	found := 0
	for b.Loop() {
		found = 0
		v, err := db.View()
		if err != nil {
			b.Fatal(err)
		}
		for _, name := range names {
			if entries, err = v.Affected("Debian:12", name); err != nil {
				b.Fatal(err)
			}
			found += len(entries)
		}
		v.Close()
	}
	b.ReportMetric(float64(found), "entries")
}

// The largest package of the data.
func BenchmarkAffectedLinux(b *testing.B) {
	src := newMemory()
	src.put(debianRecords(b, allDebian)...)
	db := openTemp(b)
	catchUp(b, db, src)
	v := view(b, db)
	found := 0
	for b.Loop() {
		entries, err := v.Affected("Debian:12", "linux")
		if err != nil {
			b.Fatal(err)
		}
		found = len(entries)
	}
	b.ReportMetric(float64(found), "entries")
}

// The check of the whole file when it is opened.
func BenchmarkOpen(b *testing.B) {
	src := newMemory()
	src.put(debianRecords(b, allDebian)...)
	path := filepath.Join(b.TempDir(), "index")
	db, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	records := catchUp(b, db, src).Data.Records
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		db, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(records), "ns/record")
}
