package zipfile

import (
	"archive/zip"
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"assay/check/testkit"
)

// seed adds the small archives of the test data.
func seed(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join(testkit.Path(f, "lang", "java"), "*", "*"))
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil && info.Size() < 2<<10 && filepath.Ext(p) != ".json" {
			b, err := os.ReadFile(p)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Add(with64(nested(f)))
	f.Add(append([]byte("#!/bin/sh\n"), nested(f)...))
}

// small is a budget that ends early enough for the fuzzer.
func small() *Budget { return &Budget{Entries: 1000, Directory: 1 << 20, Content: 1 << 20} }

// If archive/zip can read an archive, both find the same entries and the same content.
func FuzzArchive(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Open(bytes.NewReader(b), int64(len(b)), small())
		if err != nil {
			return
		}
		var got []Entry
		for e, err := range a.Entries() {
			if err != nil {
				return
			}
			got = append(got, e)
		}
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if len(got) != len(z.File) {
			t.Fatalf("%d entries, archive/zip has %d", len(got), len(z.File))
		}
		for i, e := range got {
			w := z.File[i]
			if e.Name != w.Name || uint64(e.Size) != w.UncompressedSize64 || uint64(e.compressed) != w.CompressedSize64 ||
				e.crc != w.CRC32 || e.method != w.Method || e.flags != w.Flags {
				t.Fatalf("entry %d is %+v, of archive/zip %+v", i, e, w.FileHeader)
			}
			r, err := a.Open(e, 1<<16)
			if err != nil {
				continue
			}
			mine, err := io.ReadAll(r)
			if err != nil {
				continue
			}
			rc, err := w.Open()
			if err != nil {
				continue // a folder with a size
			}
			theirs, err := io.ReadAll(io.LimitReader(rc, 1<<17))
			if err == nil && !bytes.Equal(mine, theirs) {
				t.Fatalf("entry %d: %q, of archive/zip %q", i, mine, theirs)
			}
		}
	})
}

// The result of a stream does not depend on how its bytes arrive or on whether its
// entries are read, and reading never exceeds the budget.
func FuzzStream(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		budget := small()
		want, wantErr := trace(NewStream(bytes.NewReader(b), budget), true)
		if budget.Entries < 0 || budget.Directory < 0 || budget.Content < -headerBuffer {
			t.Fatalf("budget exceeded: %+v", budget)
		}
		got, err := trace(NewStream(iotest.OneByteReader(bytes.NewReader(b)), small()), true)
		if fmt.Sprint(got, err) != fmt.Sprint(want, wantErr) {
			t.Fatalf("byte by byte: %v, %v; at once: %v, %v", got, err, want, wantErr)
		}
		unread, err := trace(NewStream(bytes.NewReader(b), small()), false)
		if (err == nil) != (wantErr == nil) || len(unread) != len(want) {
			t.Fatalf("unread: %v, %v; read: %v, %v", unread, err, want, wantErr)
		}
	})
}

// trace lists the entries of a stream, with their content if it is read.
func trace(s *Stream, read bool) (list []string, err error) {
	for e, err := range s.Entries() {
		if err != nil {
			return list, err
		}
		line := fmt.Sprintf("%q", e.Name)
		if r, err := s.Open(e, 1<<12); read && err == nil {
			b, err := io.ReadAll(r)
			line += fmt.Sprintf(" %d %x %v", len(b), crc32.ChecksumIEEE(b), err)
		}
		list = append(list, line)
	}
	return list, nil
}
