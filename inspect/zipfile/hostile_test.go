package zipfile

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"strings"
	"testing"
)

// nested returns a small jar: a folder, pom.properties and a jar, with folders between
// them, as the jar tool writes them: without extra fields, and with sizes before contents.
func nested(t testing.TB) []byte {
	t.Helper()
	inner := jar(t, [2]string{"META-INF/MANIFEST.MF", strings.Repeat("Created-By: a test\r\n", 20)})
	return jar(t, [2]string{"META-INF/"}, [2]string{"META-INF/jars/"}, [2]string{"META-INF/jars/nested2.jar", string(inner)},
		[2]string{"META-INF/nested/"}, [2]string{"META-INF/nested/pom.properties", "groupId=org.example\nartifactId=nested\nversion=1\n"})
}

// jar returns an archive of folders and of compressed files, each a name and a content.
func jar(t testing.TB, entries ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		if strings.HasSuffix(e[0], "/") {
			if _, err := z.CreateRaw(&zip.FileHeader{Name: e[0]}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var packed bytes.Buffer
		f, err := flate.NewWriter(&packed, flate.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(f, e[1])
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		w, err := z.CreateRaw(&zip.FileHeader{Name: e[0], Method: zip.Deflate, CRC32: crc32.ChecksumIEEE([]byte(e[1])),
			CompressedSize64: uint64(packed.Len()), UncompressedSize64: uint64(len(e[1]))})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := packed.WriteTo(w); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(b []byte) (*Archive, error) {
	return Open(bytes.NewReader(b), int64(len(b)), BudgetFor(int64(len(b))))
}

// names lists the entries of an archive.
func names(a source) (list []string, err error) {
	for e, err := range a.Entries() {
		if err != nil {
			return list, err
		}
		list = append(list, e.Name)
	}
	return list, nil
}

// patched returns b with the bytes from offset at replaced.
func patched(b []byte, at int, with ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], with)
	return b
}

// A program or script in front of an archive and a comment after it change nothing,
// even if the comment looks like an end record.
func TestAround(t *testing.T) {
	jar := nested(t)
	want, err := members(mustOpen(t, jar))
	if err != nil || len(want) == 0 {
		t.Fatal(want, err)
	}
	script := []byte("#!/bin/sh\nexec java -jar \"$0\" \"$@\"\n")
	commented := func(comment string) []byte {
		b := append(bytes.Clone(jar), comment...)
		binary.LittleEndian.PutUint16(b[len(jar)-2:], uint16(len(comment)))
		return b
	}
	for what, b := range map[string][]byte{
		"script before":              append(bytes.Clone(script), jar...),
		"comment":                    commented("made by hand"),
		"longest comment":            commented(strings.Repeat("x", maxComment)),
		"comment with an end":        commented("see " + endMark + strings.Repeat("\x00", 18)[:17] + "\x01 and on"),
		"comment with a broken end":  commented("see " + endMark + strings.Repeat("\xff", 40)),
		"bytes after it":             append(bytes.Clone(jar), "\r\n\r\n"...),
		"script before, zip64 after": append(bytes.Clone(script), with64(jar)...),
		"64-bit sizes":               with64(jar),
	} {
		a, err := open(b)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if got, err := members(a); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, %v, want %v", what, got, err, want)
		}
	}
}

func mustOpen(t testing.TB, b []byte) *Archive {
	a, err := open(b)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// with64 returns an archive without a comment whose directory can only be found by
// 64-bit values.
func with64(b []byte) []byte {
	end := bytes.Clone(b[len(b)-endLen:])
	at := len(b) - endLen
	end64 := append([]byte(end64Mark), make([]byte, end64Len-4)...)
	binary.LittleEndian.PutUint64(end64[4:], end64Len-12)
	binary.LittleEndian.PutUint64(end64[32:], uint64(binary.LittleEndian.Uint16(end[10:])))
	binary.LittleEndian.PutUint64(end64[40:], uint64(binary.LittleEndian.Uint32(end[12:])))
	binary.LittleEndian.PutUint64(end64[48:], uint64(binary.LittleEndian.Uint32(end[16:])))
	locator := append([]byte(locatorMark), make([]byte, locatorLen-4)...)
	binary.LittleEndian.PutUint64(locator[8:], uint64(at))
	copy(end[8:20], bytes.Repeat([]byte{0xff}, 12))
	return bytes.Join([][]byte{b[:at], end64, locator, end}, nil)
}

// Damage gives an error that says what is wrong, after the entries before it.
func TestDamage(t *testing.T) {
	jar := nested(t)
	directory := int(binary.LittleEndian.Uint32(jar[len(jar)-6:]))
	all, err := names(mustOpen(t, jar))
	if err != nil || len(all) < 3 {
		t.Fatal(all, err)
	}
	second := directory + directoryLen + len(all[0]) // they have no extra fields
	for _, c := range []struct {
		what string
		b    []byte
		kept int
		err  string
	}{
		{"empty", nil, 0, "not a zip archive"},
		{"cut off", jar[:len(jar)-1], 0, "not a zip archive"},
		{"a directory larger than the file", patched(jar, len(jar)-10, 0xff, 0xff), 0, "not a zip archive"},
		{"a directory earlier than it is", patched(jar, len(jar)-6, byte(directory-1)), 0, "no local header at 1"},
		{"a count too high", patched(jar, len(jar)-12, byte(len(all)+1)), len(all), "but its end record says"},
		{"a count too low", patched(jar, len(jar)-12, 1), len(all), "its end record says 1"},
		{"a header overwritten", patched(jar, second, 'X'), 1, "directory has 1 entries, but its end record says"},
		{"a name beyond the directory", patched(jar, second+28, 0xff, 0xff), 1, "directory after entry 1: unexpected EOF"},
		{"a 64-bit size that is missing", patched(jar, second+20, 0xff, 0xff, 0xff, 0xff), 1, "64-bit sizes are missing"},
		{"no local header", patched(jar, 0, 'X'), 0, "no local header at 0"},
		{"a local header outside", patched(jar, directory+42, 0xff, 0xff, 0xff), 0, "local header: unexpected EOF"},
		{"encrypted", patched(jar, directory+8, 1), 0, "encrypted"},
		{"bzip2", patched(jar, directory+10, 12), 0, "compression method 12 is not supported"},
	} {
		var got []member
		a, err := open(c.b)
		if err == nil {
			got, err = members(a)
		}
		if err == nil || !strings.Contains(err.Error(), c.err) || len(got) != c.kept {
			t.Errorf("%s: %d entries, error %v; want %d and %q", c.what, len(got), err, c.kept, c.err)
		}
	}
}

// What a directory says about a content is verified.
func TestContent(t *testing.T) {
	jar := nested(t)
	at := bytes.Index(jar, []byte(directoryMark))
	for e, err := range mustOpen(t, jar).Entries() {
		if err != nil {
			t.Fatal(err)
		}
		if e.method == methodDeflated && e.Size > 8 {
			break
		}
		at += directoryLen + int(variable(jar[at:]))
	}
	size := int64(binary.LittleEndian.Uint32(jar[at+24:]))
	name := string(jar[at+directoryLen:][:binary.LittleEndian.Uint16(jar[at+28:])])
	for _, c := range []struct {
		what  string
		b     []byte
		limit int64
		n     int64
		err   string
	}{
		{"as it is", jar, size, size, ""},
		{"limit", jar, size - 1, size - 1, "larger than the limit"},
		{"no limit left", jar, 0, 0, "larger than the limit"},
		{"size too small", patched(jar, at+24, byte(size-3)), 1 << 20, size - 3, fmt.Sprintf("larger than the %d bytes", size-3)},
		{"size too large", patched(jar, at+24, byte(size+3)), 1 << 20, size, fmt.Sprintf("has %d bytes, but its header says %d", size, size+3)},
		{"checksum", patched(jar, at+16, ^jar[at+16]), 1 << 20, size, "checksum does not match"},
		{"cut off", patched(jar, at+20, 4, 0, 0, 0), 1 << 20, -1, "unexpected EOF"},
	} {
		a := mustOpen(t, c.b)
		for e, err := range a.Entries() {
			if err != nil {
				t.Fatal(c.what, err)
			}
			if e.Name != name {
				continue
			}
			r, err := a.Open(e, c.limit)
			if err != nil {
				t.Fatal(c.what, err)
			}
			n, err := io.Copy(io.Discard, r)
			if c.n >= 0 && n != c.n || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %d bytes, error %v; want %d and %q", c.what, n, err, c.n, c.err)
			}
			if again, err2 := r.Read(make([]byte, 1)); again != 0 || err != nil && !errors.Is(err2, err) {
				t.Errorf("%s: read on after %v: %d, %v", c.what, err, again, err2)
			}
		}
	}
}

// Names are bytes and not interpreted.
func TestNames(t *testing.T) {
	want := []string{"../../etc/passwd", "/abs", "a\x00b", "caf\xe9", `C:\x`, "", "twice", "twice", strings.Repeat("n", 0xffff)}
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, n := range want {
		if _, err := w.CreateRaw(&zip.FileHeader{Name: n}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for what, a := range map[string]source{
		"archive": mustOpen(t, buf.Bytes()),
		"stream":  NewStream(&buf, BudgetFor(1)),
	} {
		if got, err := names(a); err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%s: %.300q, %v", what, got, err)
		}
	}
}

// Content without a preceding size can be streamed only if it marks its own end.
func TestStreamDescriptor(t *testing.T) {
	for method, want := range map[uint16]string{
		zip.Deflate: "[first second] <nil>",
		zip.Store:   `[first] entry "first": no valid descriptor of 0 bytes after its content`,
	} {
		var buf bytes.Buffer
		w := zip.NewWriter(&buf)
		for _, name := range []string{"first", "second"} {
			f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(nested(t)); err != nil { // an archive in the archive
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := names(NewStream(bytes.NewReader(buf.Bytes()), BudgetFor(0)))
		if s := fmt.Sprint(got, err); s != want {
			t.Errorf("method %d: %s, want %s", method, s, want)
		}
		if got, err := names(mustOpen(t, buf.Bytes())); err != nil || len(got) != 2 {
			t.Errorf("method %d by its directory: %q, %v", method, got, err)
		}
	}
}

// Content that inflates endlessly ends where the budget ends, even if nobody reads it.
// All archives with one budget share it.
func TestBudgetContent(t *testing.T) {
	const size = 3 << 20
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	f, err := w.Create("zeros")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	bomb := buf.Bytes()
	archive := func(content int64) *Archive {
		a, err := Open(bytes.NewReader(bomb), int64(len(bomb)), &Budget{Entries: 10, Directory: 1 << 10, Content: content})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	stream := NewStream(bytes.NewReader(bomb), &Budget{Entries: 10, Directory: 1 << 10, Content: size / 2})
	if got, err := names(stream); !errors.Is(err, ErrBudget) {
		t.Errorf("as a stream: %q, %v", got, err)
	}
	if got, err := members(archive(size / 2)); !errors.Is(err, ErrBudget) {
		t.Errorf("read: %v, %v", got, err)
	}
	if got, err := names(archive(size / 2)); err != nil || len(got) != 1 {
		t.Errorf("not read: %q, %v", got, err)
	}
	twice := archive(size + size/2)
	for i, want := range []error{nil, ErrBudget} {
		a, err := Open(bytes.NewReader(bomb), int64(len(bomb)), twice.budget)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := members(a); !errors.Is(err, want) {
			t.Errorf("archive %d of one budget: %v, want %v", i, err, want)
		}
	}
	for size, want := range map[int64]int64{-1: 64 << 20, 0: 64 << 20, 1 << 20: 96 << 20, 1 << 40: 8 << 30} {
		if got := BudgetFor(size).Content; got != want {
			t.Errorf("an archive of %d bytes may have %d bytes of content, want %d", size, got, want)
		}
	}
}

// many is an archive of n entries with one name that is never held in memory.
type many struct {
	header []byte
	end    []byte
	n      int64
}

func newMany(n int64) many {
	name := "META-INF/maven/a/b/pom.properties"
	header := append([]byte(directoryMark), make([]byte, directoryLen-4)...)
	header[28] = byte(len(name))
	header = append(header, name...)
	var end [directoryLen]byte
	copy(end[:], endMark)
	binary.LittleEndian.PutUint16(end[10:], uint16(n))
	binary.LittleEndian.PutUint32(end[12:], uint32(n*int64(len(header))))
	return many{header, end[:endLen], n}
}

func (m many) size() int64 { return m.n*int64(len(m.header)) + endLen }

// ReadAt implements io.ReaderAt.
func (m many) ReadAt(p []byte, off int64) (int, error) {
	from, body := off, m.size()-endLen
	for n := 0; n < len(p); off = from + int64(n) {
		switch {
		case off >= m.size():
			return n, io.EOF
		case off >= body:
			n += copy(p[n:], m.end[off-body:])
		default:
			n += copy(p[n:], m.header[off%int64(len(m.header)):])
		}
	}
	return len(p), nil
}

// A directory of a million entries is read without being held in memory, and a larger
// one only up to the budget.
func TestManyEntries(t *testing.T) {
	for _, c := range []struct {
		n, want int64
		err     error
	}{{1_000_000, 1_000_000, nil}, {1_200_000, maxEntries, ErrBudget}} {
		m := newMany(c.n)
		a, err := Open(m, m.size(), BudgetFor(m.size()))
		if err != nil {
			t.Fatal(err)
		}
		var count int64
		var most uint64
		var mem runtime.MemStats
		var last error
		for _, last = range a.Entries() {
			if last != nil {
				break
			}
			if count++; count%100_000 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&mem)
				most = max(most, mem.HeapAlloc)
			}
		}
		if count != c.want || !errors.Is(last, c.err) {
			t.Errorf("%d entries: %d and %v, want %d and %v", c.n, count, last, c.want, c.err)
		}
		if most > 8<<20 {
			t.Errorf("%d entries hold %d bytes", c.n, most)
		}
	}
}
