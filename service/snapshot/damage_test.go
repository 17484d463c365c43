package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"assay/check/testkit"
)

// built returns the bytes of an index of the samples.
func built(t testing.TB, src Source) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "index")
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	catchUp(t, db, src)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// otherFormat returns an index as another version would have written it.
func otherFormat(t *testing.T, file []byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "index")
	writeFile(t, path, file)
	b, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = b.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(metaBucket)).Put([]byte(formatKey), []byte("assay snapshot 0"))
	})
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	file, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// another returns a bbolt file that is not an index.
func another(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "index")
	b, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = b.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("something"))
		return err
	})
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestOpenDamaged(t *testing.T) {
	src := newMemory()
	src.put(sampleRecords(t)...)
	file := built(t, src)
	reference := openTemp(t)
	catchUp(t, reference, src)
	want := dump(t, reference)

	page := os.Getpagesize()
	filled := func(from, to int, c byte) []byte {
		b := bytes.Clone(file)
		copy(b[from:to], bytes.Repeat([]byte{c}, to-from))
		return b
	}
	for name, c := range map[string]struct {
		file   []byte
		reason string
	}{
		"text":               {[]byte(strings.Repeat("this is no index\n", 5000)), "invalid database"},
		"short text":         {[]byte("x"), "invalid database"},
		"of another program": {another(t), "the file is not an index"},
		"another format":     {otherFormat(t, file), `the snapshot has format "assay snapshot 0", and this version of the program uses`},
		"cut in half":        {file[:len(file)/2/page*page], ""},
		"cut to one page":    {file[:page], ""},
		"all zero":           {make([]byte, len(file)), "invalid database"},
		"data zero":          {filled(2*page, len(file), 0), ""},
		"data ones":          {filled(4*page, len(file), 0xff), ""},
		"head ones":          {filled(0, 2*page, 0xff), "invalid database"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index")
			writeFile(t, path, c.file)
			db := open(t, path)
			if err := db.Discarded(); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.reason) {
				t.Fatalf("discarded because of %v, want %q", err, c.reason)
			}
			if n := view(t, db).Data().Records; n != 0 {
				t.Errorf("%d records are left", n)
			}
			catchUp(t, db, src)
			diff(t, dump(t, db), want)
		})
	}
}

// Every single flipped byte is either detected or makes no difference.
func TestOpenFlipped(t *testing.T) {
	testkit.Path(t, "osv-samples") // the head of a made index, if damaged, falls back to an empty state
	flips := testkit.Some(150, 500)
	src := newMemory()
	src.put(sampleRecords(t)...)
	file := built(t, src)
	reference := openTemp(t)
	catchUp(t, reference, src)
	want := dump(t, reference)
	noticed, harmless := 0, 0
	random := rand.New(rand.NewPCG(1, 2))
	page := os.Getpagesize()
	dir := t.TempDir()
	for i := range flips {
		at := random.IntN(len(file))
		if i%2 == 0 { // the head of a page and its first elements
			at = random.IntN(len(file)/page)*page + random.IntN(96)
		}
		damaged := bytes.Clone(file)
		damaged[at] ^= 1 << random.IntN(8)
		path := filepath.Join(dir, fmt.Sprint(i))
		writeFile(t, path, damaged)
		db, err := Open(path)
		if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		if db.Discarded() != nil {
			noticed++
		} else {
			harmless++
			diff(t, dump(t, db), want)
			lookedUp(t, db)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if noticed < flips/5 {
		t.Errorf("%d flips noticed, %d harmless", noticed, harmless)
	}
}

// If the file is damaged while the index is open, views fail instead of answering wrongly,
// no new views are opened, and CatchUp repairs the index.
func TestDamagedWhileOpen(t *testing.T) {
	src := newMemory()
	src.put(sampleRecords(t)...)
	reference := openTemp(t)
	catchUp(t, reference, src)
	for name, harm := range map[string]func(f *os.File, size int64) error{
		"overwritten": func(f *os.File, size int64) error {
			page := int64(os.Getpagesize())
			_, err := f.WriteAt(bytes.Repeat([]byte{0xff}, int(size-2*page)), 2*page)
			return err
		},
		"first pages": func(f *os.File, size int64) error {
			_, err := f.WriteAt(make([]byte, size), 0)
			return err
		},
		"cut short": func(f *os.File, size int64) error { return f.Truncate(2 * int64(os.Getpagesize())) },
	} {
		t.Run(name, func(t *testing.T) {
			db := openTemp(t)
			catchUp(t, db, src)
			v := view(t, db)
			f, err := os.OpenFile(db.path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(harm(f, info.Size()), f.Close()); err != nil {
				t.Fatal(err)
			}
			if _, err := v.Affected("AlmaLinux:8", "libecap-devel"); !errors.Is(err, ErrDamaged) {
				t.Errorf("Affected: %v", err)
			}
			if _, err := v.Vulnerabilities("PYSEC-2024-1"); !errors.Is(err, ErrDamaged) {
				t.Errorf("Vulnerabilities: %v", err)
			}
			v.Close()
			if _, err := db.View(); !errors.Is(err, ErrDamaged) {
				t.Errorf("View: %v", err)
			}
			res := catchUp(t, db, src)
			if !errors.Is(res.Rebuilt, ErrDamaged) {
				t.Errorf("rebuilt because of %v", res.Rebuilt)
			}
			diff(t, dump(t, db), dump(t, reference))
		})
	}
}

// If only the writer meets the damage, it rebuilds the index at once.
func TestDamagedForWriter(t *testing.T) {
	samples := sampleRecords(t)
	src := newMemory()
	src.put(samples[:100]...)
	path := filepath.Join(t.TempDir(), "index")
	db := open(t, path)
	catchUp(t, db, src)
	err := db.current.bolt.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(advisoriesBucket)).Put([]byte(recordKey(samples[1].ID, "")), []byte("nonsense"))
	})
	if err != nil {
		t.Fatal(err)
	}
	src.put(modify(t, samples[1]))
	if res := catchUp(t, db, src); !errors.Is(res.Rebuilt, ErrDamaged) || res.Applied != 100 {
		t.Errorf("got %+v", res)
	}
	fresh := openTemp(t)
	catchUp(t, fresh, src)
	diff(t, dump(t, db), dump(t, fresh))
}

func TestUnfinishedCheck(t *testing.T) {
	src := newMemory()
	src.put(sampleRecords(t)...)
	path := filepath.Join(t.TempDir(), "index")
	writeFile(t, path, built(t, src))
	writeFile(t, checkPath(path), nil)
	writeFile(t, stagePath(path), []byte("left behind"))
	db := open(t, path)
	if !errors.Is(db.Discarded(), ErrDamaged) {
		t.Errorf("a file that crashed its last reader was accepted: %v", db.Discarded())
	}
	names, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(names) != 1 {
		t.Errorf("in the folder: %v, %v", names, err)
	}
	catchUp(t, db, src)
}

func TestLocked(t *testing.T) {
	src := newMemory()
	src.put(sampleRecords(t)...)
	path := filepath.Join(t.TempDir(), "index")
	first, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	inUse := func() {
		t.Helper()
		second, err := Open(path)
		if err == nil {
			second.Close()
			t.Fatal("opened twice")
		}
		if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "in use") {
			t.Errorf("error %q", err)
		}
	}
	inUse()
	want := catchUp(t, first, src) // puts another file in the place
	inUse()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if d := view(t, open(t, path)).Data(); d.Snapshot != want.Data.Snapshot {
		t.Errorf("opened %+v", d)
	}
}

func TestDiskErrors(t *testing.T) {
	dir := t.TempDir()
	for name, path := range map[string]string{
		"a folder":  dir,
		"no folder": filepath.Join(dir, "none", "index"),
	} {
		if db, err := Open(path); err == nil || errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, %v", name, db, err)
		}
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}

// lookedUp checks that a lookup finds every key that a walk finds.
func lookedUp(t *testing.T, db *DB) {
	t.Helper()
	v, err := db.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, n := range v.named() {
		err := each(*n.bucket, func(k, value []byte) error {
			if got := (*n.bucket).Get(k); !bytes.Equal(got, value) {
				t.Errorf("bucket %q: key %q is not found", n.name, k)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Every bit is flipped of the branch pages, which lead lookups to the page of a key, and of
// the list of free pages.
func TestOpenFlippedBranch(t *testing.T) {
	src := newMemory()
	src.put(sampleRecords(t)...)
	file := built(t, src)
	reference := openTemp(t)
	catchUp(t, reference, src)
	want := dump(t, reference)
	page := os.Getpagesize()
	path := filepath.Join(t.TempDir(), "index")
	random := rand.New(rand.NewPCG(3, 4))
	flips := testkit.Some(30, 100) // of each page
	noticed, harmless, pages := 0, 0, 0
	for at := 2 * page; at < len(file); at += page {
		flags := int(file[at+8]) | int(file[at+9])<<8
		if int(file[at]) != at/page&0xff || flags != branchFlag && flags != freelistFlag {
			continue
		}
		pages++
		count := int(file[at+10]) | int(file[at+11])<<8
		keys := 0 // bytes of the keys, behind the elements
		for i := range count {
			if flags == branchFlag {
				keys += int(file[at+pageHeader+i*elementHeader+4])
			}
		}
		size := min(page, pageHeader+count*elementHeader+keys)
		for range flips {
			damaged := bytes.Clone(file)
			damaged[at+random.IntN(size)] ^= 1 << random.IntN(8)
			writeFile(t, path, damaged)
			db, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if db.Discarded() != nil {
				noticed++
			} else {
				harmless++
				diff(t, dump(t, db), want)
				lookedUp(t, db)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d pages: %d flips noticed, %d harmless", pages, noticed, harmless)
	if pages < 3 || noticed < flips {
		t.Errorf("%d pages, %d flips noticed", pages, noticed)
	}
}
