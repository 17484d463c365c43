package header

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// An item is an entry of a header to build, with its raw values.
type item struct {
	tag   Tag
	typ   uint32
	count uint32
	data  string
}

func text(tag Tag, s string) item { return item{tag, typeString, 1, s + "\x00"} }

func texts(tag Tag, s ...string) item {
	return item{tag, typeStringArray, uint32(len(s)), strings.Join(s, "\x00") + "\x00"}
}

func numbers(tag Tag, v ...uint32) item {
	var b []byte
	for _, n := range v {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return item{tag, typeInt32, uint32(len(v)), string(b)}
}

// build writes a header like rpm does, but without the region.
func build(items ...item) []byte {
	var index, store []byte
	for _, it := range items {
		index = binary.BigEndian.AppendUint32(index, uint32(it.tag))
		index = binary.BigEndian.AppendUint32(index, it.typ)
		index = binary.BigEndian.AppendUint32(index, uint32(len(store)))
		index = binary.BigEndian.AppendUint32(index, it.count)
		store = append(store, it.data...)
	}
	return slices.Concat(head(uint32(len(items)), uint32(len(store))), index, store)
}

func head(entries, store uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, entries), store)
}

func read(b []byte) (*Header, error) { return Read(bytes.NewReader(b), int64(len(b))) }

func mustRead(t *testing.T, items ...item) *Header {
	t.Helper()
	h, err := read(build(items...))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestRefused(t *testing.T) {
	whole := build(text(Name, "bash"))
	entry := func(tag, typ, offset, count uint32) []byte {
		b := slices.Clone(whole)
		for i, v := range []uint32{tag, typ, offset, count} {
			binary.BigEndian.PutUint32(b[8+4*i:], v)
		}
		return b
	}
	for _, c := range []struct {
		name string
		data []byte
		err  string
	}{
		{"empty", nil, "unexpected EOF"},
		{"cut", whole[:len(whole)-1], "1 entries and 5 bytes in 28"},
		{"no entries", head(0, 0), "0 entries"},
		{"4 GiB of entries", head(1<<32-1, 0), "4294967295 entries"},
		{"4 GiB of store", head(1, 1<<32-1), "store of 4294967295 bytes"},
		{"256 MiB of store", head(1, 0x0fffffff), "1 entries and 268435455 bytes in 8"},
		{"all entries", head(0xffff, 0), "65535 entries and 0 bytes in 8"},
		{"tag", entry(99, 6, 0, 1), "tag 99"},
		{"region that is text", entry(63, 6, 0, 1), "type 6"},
		{"region beyond the end", entry(63, 7, 0, 1), "1 values at 0 of 5"},
		{"type 0", entry(1000, 0, 0, 1), "type 0"},
		{"type 10", entry(1000, 10, 0, 1), "type 10"},
		{"offset", entry(1000, 6, 5, 1), "1 values at 5 of 5"},
		{"negative offset", entry(1000, 6, 1<<32-16, 1), "at 4294967280 of 5"},
		{"no values", entry(1000, 6, 0, 0), "0 values"},
		{"too many values", entry(1000, 8, 0, 6), "6 values"},
	} {
		if h, err := read(c.data); h != nil || err == nil || !strings.HasPrefix(err.Error(), "header: ") || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
	}
}

func TestValues(t *testing.T) {
	long := strings.Repeat("x", maxString)
	h := mustRead(t,
		item{regionMax, typeBin, 16, strings.Repeat("\x00", 16)},
		text(Name, "first"),
		text(Version, long),
		text(Release, long+"x"),
		numbers(Epoch, 7),
		item{Vendor, typeI18NString, 2, "C text\x00other\x00"},
		item{Packager, typeBin, 1, "\x00"},
		text(999999, "unknown"),
		text(Name, "bash"), // after the region: replaces the first
		item{Arch, typeString, 1, "no end"},
	)
	for _, c := range []struct {
		tag  Tag
		want string
		err  string
	}{
		{Name, "bash", ""},
		{Version, long, ""},
		{Release, "", "not terminated"},
		{Epoch, "", "type 4"},
		{Vendor, "C text", ""},
		{Packager, "", "type 7"},
		{Arch, "", "not terminated"},
		{SourceRPM, "", ""},
		{999999, "", ""},
		{Name, "bash", ""}, // again, after others
	} {
		got, err := h.String(c.tag)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("tag %d: %q, %v; want %q, %q", c.tag, got, err, c.want, c.err)
		}
	}
	if v, ok, err := h.Uint32(Epoch); v != 7 || !ok || err != nil {
		t.Errorf("epoch %d, %v, %v", v, ok, err)
	}
	if v, ok, err := h.Uint32(FileDigestAlgo); v != 0 || ok || err != nil {
		t.Errorf("no algorithm: %d, %v, %v", v, ok, err)
	}
	if _, _, err := mustRead(t, item{Epoch, typeInt32, 1, "abc"}).Uint32(Epoch); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("epoch of three bytes: %v", err)
	}
}

func TestFiles(t *testing.T) {
	names, indexes := texts(BaseNames, "a", "b", ""), numbers(DirIndexes, 1, 0, 1)
	dirs := texts(DirNames, "/bin/", "/")
	for _, c := range []struct {
		name  string
		items []item
		want  string // paths and digests
		err   string
	}{
		{"none", []item{text(Name, "n")}, "", ""},
		{"no digests", []item{names, indexes, dirs}, "/a= /bin/b= /=", ""},
		{"md5", []item{names, indexes, dirs, texts(FileDigests, "01", "", "02")}, "/a=md5:01 /bin/b= /=md5:02", ""},
		{"sha256", []item{names, indexes, dirs, texts(FileDigests, "01", "", ""), numbers(FileDigestAlgo, 8)}, "/a=sha256:01 /bin/b= /=", ""},
		{"rpm 3", []item{texts(OldFileNames, "/a", "/usr/bin/b", "c")}, "/a= /usr/bin/b= c=", ""},
		{"directory", []item{names, numbers(DirIndexes, 0, 2, 0), dirs}, "/bin/a=", "directory 2 of 2"},
		{"indexes", []item{names, numbers(DirIndexes, 0, 0), dirs}, "", "3 names and 2 directory indexes"},
		{"no indexes", []item{names, dirs}, "", "3 names and 0 directory indexes"},
		{"no directories", []item{names, indexes}, "", "directory 1 of 0"},
		{"digests", []item{names, indexes, dirs, texts(FileDigests, "01")}, "", "3 names and 1 digests"},
		{"algorithm", []item{names, indexes, dirs, texts(FileDigests, "01", "", ""), numbers(FileDigestAlgo, 99)}, "", "algorithm 99"},
		{"cut indexes", []item{names, dirs, {DirIndexes, typeInt32, 3, "\x00\x00\x00\x00\x00"}}, "/bin/a=", "unexpected EOF"},
		{"cut names", []item{indexes, dirs, {BaseNames, typeStringArray, 3, "a\x00b"}}, "/a=", "unexpected EOF"},
		{"long name", []item{indexes, dirs, texts(BaseNames, "a", strings.Repeat("b", maxPath), "c")}, "/a=", "buffer full"},
		{"many directories", []item{names, indexes, {DirNames, typeStringArray, maxDirs + 1, strings.Repeat("\x00", maxDirs+1)}}, "", "262145 directories"},
		{"long directories", []item{names, indexes, texts(DirNames, slices.Repeat([]string{strings.Repeat("d", 4000)}, 2200)...)}, "", "longer than 8388608 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			var failed error
			for f, err := range mustRead(t, c.items...).Files() {
				if failed != nil {
					t.Fatalf("goes on after %v", failed)
				}
				if failed = err; err == nil {
					got = append(got, f.Dir+f.Base+"="+f.Digest)
				}
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("%s, want %s", s, c.want)
			}
			if (failed == nil) != (c.err == "") || failed != nil && !strings.Contains(failed.Error(), c.err) {
				t.Errorf("error %v, want %q", failed, c.err)
			}
		})
	}
}

func TestPrefix(t *testing.T) {
	h := mustRead(t,
		item{RSAHeader, typeBin, 4, "\x01\x00\x02\x03"},
		texts(OpenPGP, "first", "second"),
		numbers(DSAHeader, 1),
		item{SigPGP, typeBin, 9, "12345"}, // cut off by the end of the store
	)
	for _, c := range []struct {
		tag  Tag
		size int
		want string
	}{
		{RSAHeader, 10, "\x01\x00\x02\x03"},
		{RSAHeader, 2, "\x01\x00"},
		{OpenPGP, 10, "first"},
		{OpenPGP, 3, "fir"},
		{SigPGP, 10, "12345"},
		{DSAHeader, 10, ""}, // of another type
		{Name, 10, ""},
		{999999, 10, ""},
	} {
		got, err := h.Prefix(c.tag, make([]byte, c.size))
		if string(got) != c.want || err != nil {
			t.Errorf("tag %d: %q, %v; want %q", c.tag, got, err, c.want)
		}
	}
}

// Reading a header with many files costs no more than its index and the requested
// values.
func TestReadsLittle(t *testing.T) {
	digests := slices.Repeat([]string{strings.Repeat("0", 64)}, 100_000)
	b := build(text(Name, "kernel"), text(Version, "1"), texts(FileDigests, digests...), text(SourceRPM, "kernel-1-1.src.rpm"))
	r := &counter{r: bytes.NewReader(b)}
	h, err := Read(r, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[Tag]string{Name: "kernel", SourceRPM: "kernel-1-1.src.rpm"} {
		if got, err := h.String(tag); got != want || err != nil {
			t.Errorf("tag %d: %q, %v", tag, got, err)
		}
	}
	if most := 3 * windowSize; r.n > most {
		t.Errorf("%d bytes of %d were read, more than %d", r.n, len(b), most)
	}
}

type counter struct {
	r io.ReaderAt
	n int
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.n += n
	return n, err
}

func FuzzRead(f *testing.F) {
	f.Add(build(text(Name, "bash"), text(Version, "5"), text(Release, "1"), numbers(Epoch, 1), text(Arch, "x86_64")))
	f.Add(build(item{regionMax, typeBin, 16, strings.Repeat("\x00", 16)}, text(Name, "a"), texts(BaseNames, "a", "b"),
		numbers(DirIndexes, 0, 1), texts(DirNames, "/", "/bin/"), texts(FileDigests, "00", "01"), numbers(FileDigestAlgo, 8)))
	f.Add(build(texts(OldFileNames, "/bin/a", "/b"), texts(FileDigests, "00", "01")))
	f.Add(head(0xffff, 0x0fffffff))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := read(data)
		if err != nil {
			return
		}
		// Every text is in the data, terminated by a zero byte.
		there := func(s string) {
			if !bytes.Contains(data, []byte(s+"\x00")) {
				t.Fatalf("%q is not in the header", s)
			}
		}
		for _, tag := range []Tag{Name, Version, Release, Vendor, Packager, Arch, SourceRPM, ModularityLabel, Name} {
			s, err := h.String(tag)
			if err == nil && s != "" {
				there(s)
			}
			if again, errAgain := h.String(tag); again != s || fmt.Sprint(err) != fmt.Sprint(errAgain) {
				t.Fatalf("tag %d: %q and then %q", tag, s, again)
			}
		}
		for _, tag := range []Tag{RSAHeader, DSAHeader, OpenPGP, SigPGP, SigGPG} {
			p, err := h.Prefix(tag, make([]byte, 16))
			if err != nil || !bytes.Contains(data, p) {
				t.Fatalf("tag %d: %q, %v", tag, p, err)
			}
		}
		files := 0
		for f, err := range h.Files() {
			if err != nil {
				break
			}
			there(f.Base)
			if files++; files > len(data) {
				t.Fatalf("more files than bytes")
			}
		}
	})
}
