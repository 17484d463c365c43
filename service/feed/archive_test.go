package feed_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"assay/check/testkit"
	"assay/check/testkit/xztest"
	"assay/service/feed"
)

// An archived is one file of an archive.
type archived struct {
	name string
	body []byte
}

var small = []archived{{"a.json", []byte(`{"id":"A"}`)}, {"b/c.json", []byte(`{"id":"C"}`)}}

func zipOf(t testing.TB, files ...archived) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, f := range files {
		w, err := z.Create(f.name)
		if err == nil {
			_, err = w.Write(f.body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func tarOf(t testing.TB, files ...archived) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	write := func(h *tar.Header, b []byte) {
		err := w.WriteHeader(h)
		if err == nil {
			_, err = w.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(&tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, nil)
	for _, f := range files {
		write(&tar.Header{Name: f.name, Typeflag: tar.TypeReg, Size: int64(len(f.body)), Mode: 0o600}, f.body)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func gzipOf(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zstdOf(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(b, nil)
}

var roomy = feed.Limits{Entries: 10, Entry: 1 << 20, Total: 1 << 30}

// list reads an archive as "name=body" of its files.
func list(t testing.TB, b []byte, limits feed.Limits) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var out []string
	for e, err := range feed.Archive(path, limits) {
		if err != nil {
			return strings.Join(out, " "), err
		}
		body, err := e.Bytes()
		if err != nil {
			return strings.Join(out, " "), err
		}
		out = append(out, e.Name+"="+string(body))
	}
	return strings.Join(out, " "), nil
}

func TestArchive(t *testing.T) {
	const want = `a.json={"id":"A"} b/c.json={"id":"C"}`
	for name, b := range map[string][]byte{
		"zip": zipOf(t, small...), "tar": tarOf(t, small...), "tar.gz": gzipOf(t, tarOf(t, small...)), "tar.zst": zstdOf(t, tarOf(t, small...)),
		"tar.xz": xztest.Pack(tarOf(t, small...), 8),
	} {
		if got, err := list(t, b, roomy); got != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		for _, n := range []int{0, 3, len(b) / 2, len(b) - 5} {
			if name == "tar" && n > len(b)/2 { // the end of a tar archive is empty
				continue
			}
			if got, err := list(t, b[:n], roomy); err == nil {
				t.Errorf("%s, cut off after %d of %d bytes: %q, no error", name, n, len(b), got)
			}
		}
		// The caller may stop early.
		path := filepath.Join(t.TempDir(), "a")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		for e, err := range feed.Archive(path, roomy) {
			if err != nil || e.Name != "a.json" {
				t.Errorf("%s: %q, %v", name, e.Name, err)
			}
			break
		}
	}
	for name, b := range map[string][]byte{"gz": gzipOf(t, []byte("one")), "zst": zstdOf(t, []byte("one")), "xz": xztest.Pack([]byte("one"), 8)} {
		if got, err := list(t, b, roomy); got != "=one" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, b := range map[string][]byte{"a page": []byte("<!DOCTYPE html><html></html>"), "no archive": bytes.Repeat([]byte("x"), 4096)} {
		if got, err := list(t, b, roomy); err == nil {
			t.Errorf("%s: %q, no error", name, got)
		}
	}
	if _, err := list(t, nil, roomy); err == nil {
		t.Error("empty: no error")
	}
}

// TestText: a file is read whole, plain or compressed, and nothing else is.
func TestText(t *testing.T) {
	const limit = 1000
	xml, json := []byte("<a>"+strings.Repeat("x", 600)+"</a>"), []byte(`["one"]`)
	for name, tt := range map[string]struct{ b, want []byte }{
		"XML": {xml, xml}, "JSON": {json, json},
		"gzip": {gzipOf(t, xml), xml}, "zstd": {zstdOf(t, json), json}, "xz": {xztest.Pack(xml, 8), xml},
		"empty": {nil, nil}, "another format": {[]byte("\x00ZCK1" + strings.Repeat("x", 600)), nil},
		"tar": {gzipOf(t, tarOf(t, small[0])), nil}, "no files": {gzipOf(t, tarOf(t)), nil}, "zip": {zipOf(t, small[0]), nil},
		"too large": {gzipOf(t, make([]byte, limit+1)), nil}, "cut off": {gzipOf(t, xml)[:20], nil},
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, tt.b, 0o600); err != nil {
			t.Fatal(err)
		}
		var got []byte
		err := feed.Text(path, limit, func(r io.Reader) (err error) {
			got, err = io.ReadAll(r)
			return err
		})
		if (err == nil) != (tt.want != nil) || err == nil && !bytes.Equal(got, tt.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	stop := errors.New("stop")
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, gzipOf(t, json), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := feed.Text(path, limit, func(io.Reader) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v, want that of the reader", err)
	}
}

// TestArchiveXZ reads an archive that xz itself has compressed. A decoder that would need too
// much memory is refused.
func TestArchiveXZ(t *testing.T) {
	const packed = "/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4Cf/AIFdADCLiUdz+CpVVJXR/2Ngntwbmkm6j1MQ0APmDspPI+PhwcUxEeiRGx0QWx3qKPAJ+LYJwjNYmDrE0EiHBp253EVraVPgX+rU742qDsp2Zy5iVG9Kr2ItmegJYM3ccWidWSSHiElYwo3Zx+brtiU0HgQ2l96ZePkskMIXP/6QyA6o4AAAAACA4H1ijdGBRAABnQGAUAAAe2Ao3rHEZ/sCAAAAAARZWg=="
	b, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := list(t, b, roomy); got != `a.json={"id":"A"} b/c.json={"id":"C"}` || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	testkit.Allocates(t, 1<<20, func() {
		if got, err := list(t, xztest.Pack(tarOf(t, small...), 40), roomy); err == nil {
			t.Errorf("a dictionary of 4 GiB: %q, no error", got)
		}
	})
	// The ratio that a source allows may be higher than that of most data.
	zeros := gzipOf(t, tarOf(t, archived{"zeros", make([]byte, 40<<20)}))
	limits := feed.Limits{Entries: 10, Entry: 1 << 30, Total: 1 << 30, Ratio: 2000}
	if _, err := list(t, zeros, limits); err != nil {
		t.Error(err)
	}
}

func TestArchiveLimits(t *testing.T) {
	zero := archived{"zeros", make([]byte, 40<<20)}
	big := feed.Limits{Entries: 10, Entry: 1 << 30, Total: 1 << 30}
	for name, pack := range map[string]func(...archived) []byte{
		"zip":     func(f ...archived) []byte { return zipOf(t, f...) },
		"tar.gz":  func(f ...archived) []byte { return gzipOf(t, tarOf(t, f...)) },
		"tar.zst": func(f ...archived) []byte { return zstdOf(t, tarOf(t, f...)) },
	} {
		for what, limits := range map[string]feed.Limits{
			"more than 1 files":                       {Entries: 1, Entry: 100, Total: 1 << 20},
			"is larger than 5 bytes":                  {Entries: 9, Entry: 5, Total: 1 << 20},
			"the files in the archive are too large,": {Entries: 9, Entry: 100, Total: 12},
		} {
			if got, err := list(t, pack(small...), limits); err == nil || !strings.Contains(err.Error(), what) {
				t.Errorf("%s: %q, %v, want %q", name, got, err, what)
			}
		}
		if _, err := list(t, pack(zero), big); err == nil || !strings.Contains(err.Error(), "too large") {
			t.Errorf("%s bomb: %v", name, err)
		}
		// Also a file that nobody reads.
		path := filepath.Join(t.TempDir(), "a")
		if err := os.WriteFile(path, pack(zero, small[0]), 0o600); err != nil {
			t.Fatal(err)
		}
		var last error
		for _, err := range feed.Archive(path, big) {
			last = err
		}
		if name != "zip" && last == nil { // zip does not decompress what is not read
			t.Errorf("%s bomb that is skipped: no error", name)
		}
	}
}

// An archive in an archive is written to a file, which exists only if it is complete.
func TestArchiveSave(t *testing.T) {
	inner := zipOf(t, small...)
	dir := t.TempDir()
	path, to := filepath.Join(dir, "outer"), filepath.Join(dir, "inner")
	if err := os.WriteFile(path, zipOf(t, archived{"cves.zip", inner}), 0o600); err != nil {
		t.Fatal(err)
	}
	for e, err := range feed.Archive(path, roomy) {
		if err = errors.Join(err, e.Save(to)); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(to); err != nil || !bytes.Equal(b, inner) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	for e, err := range feed.Archive(path, feed.Limits{Entries: 1, Entry: 10, Total: 1 << 20}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Save(to + "2"); err == nil {
			t.Error("too large: no error")
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// FuzzArchive: whatever an archive has, its files are within the limits.
func FuzzArchive(f *testing.F) {
	f.Add(zipOf(f, small...))
	f.Add(tarOf(f, small...))
	f.Add(gzipOf(f, tarOf(f, small...)))
	f.Add(zstdOf(f, tarOf(f, small...)))
	f.Add(gzipOf(f, []byte("one")))
	limits := feed.Limits{Entries: 4, Entry: 1 << 10, Total: 2 << 10}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "a")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		n, total := 0, 0
		for e, err := range feed.Archive(path, limits) {
			if err != nil {
				continue
			}
			body, err := e.Bytes()
			if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				continue
			}
			n++
			if total += len(body); n > limits.Entries || len(body) > int(limits.Entry) || total > int(limits.Total) {
				t.Fatalf("%d files, %d bytes, the last of %d", n, total, len(body))
			}
		}
	})
}

// The table of contents of a zip archive is read at once. One with far more files than the
// limit is not.
func TestManyFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "many.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for i := range 100_000 {
		if _, err := z.CreateHeader(&zip.FileHeader{Name: strconv.Itoa(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	testkit.Allocates(t, 8<<20, func() {
		for _, err := range feed.Archive(path, feed.Limits{Entries: 100, Entry: 1 << 20, Total: 1 << 30}) {
			if err == nil || !strings.Contains(err.Error(), "the table of contents is too large") {
				t.Errorf("%v", err)
			}
		}
	})
}
