package elf

import (
	"bytes"
	stdelf "debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// asked are the sections that the tests read.
var asked = []string{".text", ".rodata", ".go.buildinfo", ".comment", ".bss", ".none"}

// TestOpenMachine compares the sections of this machine's programs and libraries with
// those that debug/elf finds.
func TestOpenMachine(t *testing.T) {
	files := 0
	for _, dir := range []string{"/usr/bin", "/usr/lib"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || files == 400 {
				return err
			}
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			if head := make([]byte, 4); !read(f, head) || string(head) != Magic {
				return nil
			}
			info, err := f.Stat()
			if err != nil {
				return err
			}
			files++
			ours, err := Open(f, info.Size(), asked...)
			if err != nil {
				if !errors.Is(err, ErrNotProgram) {
					t.Errorf("%s: %v", path, err)
				}
				return nil
			}
			same(t, path, ours, f)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Errorf("%d files of ELF on this machine, which has more", files)
	}
}

func read(r io.Reader, b []byte) bool {
	_, err := io.ReadFull(r, b)
	return err == nil
}

// same checks that the file has the sections that debug/elf finds in r.
func same(t *testing.T, name string, ours *File, r io.ReaderAt) {
	t.Helper()
	theirs, err := stdelf.NewFile(r)
	if err != nil {
		return // debug/elf rejects it for a reason that does not matter here
	}
	for _, section := range asked {
		want := theirs.Section(section)
		got, ok := ours.Section(section)
		if want == nil || want.Type == stdelf.SHT_NOBITS {
			if ok {
				t.Errorf("%s: section %s is %+v, want none", name, section, got)
			}
			continue
		}
		if !ok || got != (Section{Addr: want.Addr, Off: want.Offset, Size: want.FileSize}) {
			t.Errorf("%s: section %s is %+v, %v; want %+v", name, section, got, ok, want.SectionHeader)
		}
	}
}

func TestOpenHostile(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const phoff, shoff, phentsize, phnum, shentsize, shnum, shstrndx = 32, 40, 54, 56, 58, 60, 62
	put := func(at int, value uint64, size int) func([]byte) []byte {
		return func(b []byte) []byte {
			var v [8]byte
			binary.LittleEndian.PutUint64(v[:], value)
			copy(b[at:at+size], v[:])
			return b
		}
	}
	tests := map[string]struct {
		corrupt func([]byte) []byte
		err     string // empty: no error
	}{
		"whole":                     {func(b []byte) []byte { return b }, ""},
		"no sections":               {put(shoff, 0, 8), ""},
		"no names":                  {put(shstrndx, 0xff00, 2), ""},
		"core":                      {put(16, 4, 2), ErrNotProgram.Error()},
		"object":                    {put(16, 1, 2), ErrNotProgram.Error()},
		"class":                     {put(4, 3, 1), ErrNotProgram.Error()},
		"byte order":                {put(5, 3, 1), ErrNotProgram.Error()},
		"short":                     {func(b []byte) []byte { return b[:40] }, ErrNotProgram.Error()},
		"cut":                       {func(b []byte) []byte { return b[:4096] }, "outside of the file"},
		"sections beyond the end":   {put(shoff, 1<<62, 8), "outside of the file"},
		"segments beyond the end":   {put(phoff, 1<<63, 8), "outside of the file"},
		"size of a segment's entry": {put(phentsize, 1, 2), "entries of 1 bytes"},
		"size of a section's entry": {put(shentsize, 0, 2), "entries of 0 bytes"},
		"segments without end":      {put(phnum, 0xffff, 2), "more than 256"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := test.corrupt(bytes.Clone(whole))
			_, err := Open(bytes.NewReader(b), int64(len(b)), asked...)
			switch {
			case test.err == "" && err != nil:
				t.Errorf("got error %v", err)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Errorf("got error %v, want one with %q", err, test.err)
			}
		})
	}
}

// TestManySections reads a section count that is too large for the header.
func TestManySections(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	first := b[le.Uint64(b[40:]):]
	le.PutUint64(first[32:], uint64(le.Uint16(b[60:])))
	le.PutUint32(first[40:], uint32(le.Uint16(b[62:])))
	le.PutUint16(b[60:], 0)
	le.PutUint16(b[62:], indexIsElsewhere)
	f, err := Open(bytes.NewReader(b), int64(len(b)), asked...)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Section(".go.buildinfo"); !ok {
		t.Error("no sections")
	}
	same(t, "many", f, bytes.NewReader(b))

	le.PutUint64(first[32:], 1<<40)
	if _, err := Open(bytes.NewReader(b), int64(len(b)), asked...); err == nil {
		t.Error("a table of 2^40 sections gave no error")
	}
}

func FuzzOpen(f *testing.F) {
	path, err := os.Executable()
	if err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	// The headers of a real program, with its sections moved behind them.
	le := binary.LittleEndian
	small := bytes.Clone(whole[:1024])
	table := le.Uint64(whole[40:])
	le.PutUint64(small[40:], uint64(len(small)))
	small = append(small, whole[table:table+uint64(le.Uint16(whole[60:]))*64]...)
	f.Add(small)
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Open(bytes.NewReader(b), int64(len(b)), asked...)
		if err != nil {
			return
		}
		same(t, "fuzzed", file, bytes.NewReader(b))
		for _, name := range asked {
			s, ok := file.Section(name)
			if !ok {
				continue
			}
			if got, err := file.Read(s, int64(len(b))); err == nil && !bytes.Equal(got, b[s.Off:s.Off+s.Size]) {
				t.Errorf("section %s: content differs from the file", name)
			}
			if r := file.At(s.Addr); r.Size() < 0 {
				t.Errorf("size %d at %#x", r.Size(), s.Addr)
			}
		}
	})
}
