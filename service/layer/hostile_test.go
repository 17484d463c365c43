package layer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"assay/check/testkit"
	"assay/verdict/hint"

	"golang.org/x/sys/unix"
)

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstandard(t testing.TB, b []byte, options ...zstd.EOption) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, options...)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// withCommand compresses with a command.
func withCommand(t testing.TB, b []byte, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		testkit.Missing(t, "%s: deploy/needs.sh installs it", name)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func some() []entry {
	return []entry{{"a", "f", "1"}, {"b", "f", strings.Repeat("content ", 100_000)}}
}

// However a layer is compressed, its content is the same, and both digests are checked.
func TestCompression(t *testing.T) {
	plain := archiveOf(t, some())
	half := len(plain) / 2
	skippable := []byte("\x50\x2a\x4d\x18\x04\x00\x00\x00skip")
	for name, sent := range map[string][]byte{
		"plain":               plain,
		"trailing":            append(bytes.Clone(plain), "trailing garbage"...),
		"gzip":                gzipped(t, plain),
		"gzip members":        append(gzipped(t, plain[:half]), gzipped(t, plain[half:])...),
		"gzip command":        withCommand(t, plain, "gzip", "-9"),
		"zstd":                zstandard(t, plain),
		"zstd frames":         append(zstandard(t, plain[:half]), zstandard(t, plain[half:])...),
		"zstd skippable":      append(bytes.Clone(skippable), append(zstandard(t, plain), skippable...)...),
		"zstd command":        withCommand(t, plain, "zstd", "-19", "-c"),
		"zstd largest window": withCommand(t, plain, "zstd", "--long=26", "-c"),
	} {
		t.Run(name, func(t *testing.T) {
			archive := plain
			if name == "trailing" {
				archive = sent
			}
			got, err := Inspect(t.Context(), t.TempDir(), Image{Layers: []Blob{{Digest: sum(sent), DiffID: sum(archive), Open: opens(sent), CreatedBy: "RUN x"}}}, DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			want := Layer{Digest: sum(sent), DiffID: sum(archive), Bytes: int64(len(sent)), CreatedBy: "RUN x"}
			if len(got.Layers) != 1 || got.Layers[0] != want {
				t.Errorf("%+v, want %+v", got.Layers, want)
			}
			other := sum([]byte("other"))
			wantBad(t, Image{Layers: []Blob{{Digest: other, Open: opens(sent)}}}, 0, "digest mismatch: the content has "+sum(sent))
			wantBad(t, Image{Layers: []Blob{{Digest: sum(sent), DiffID: other, Open: opens(sent)}}}, 0, "digest mismatch without compression: the archive has "+sum(archive))
		})
	}
	long := sha512.Sum512(plain)
	digest := "sha512:" + hex.EncodeToString(long[:])
	got, err := Inspect(t.Context(), t.TempDir(), Image{Layers: []Blob{{Digest: digest, DiffID: digest, Open: opens(plain)}}}, DefaultLimits())
	if err != nil || got.Layers[0].DiffID != digest {
		t.Errorf("sha512: %v, %v", got.Layers, err)
	}
}

// What no engine would lay, and what none of its digests vouches for.
func TestHostileLayers(t *testing.T) {
	plain := archiveOf(t, some())
	packed := gzipped(t, plain)
	member := archiveOf(t, []entry{{"a", "f", "1"}})
	zeros := bytes.Repeat([]byte{0}, 64<<20)
	for name, test := range map[string]struct {
		blob Blob
		want string
	}{
		"no tar":          {Blob{Open: opens([]byte(strings.Repeat("not a tar archive. ", 100)))}, "not a tar archive"},
		"short":           {Blob{Open: opens([]byte("no"))}, "unexpected EOF"},
		"empty":           {Blob{Open: opens(nil)}, "the layer is empty"},
		"truncated":       {Blob{Open: opens(plain[:len(plain)/2])}, "unexpected EOF"},
		"no end":          {Blob{Open: opens(member[:1024])}, "the archive is truncated"},
		"half an end":     {Blob{Open: opens(member[:1536])}, "the archive is truncated"},
		"truncated gzip":  {Blob{Open: opens(packed[:len(packed)-9])}, "decompress: unexpected EOF"},
		"damaged gzip":    {Blob{Open: opens(append(bytes.Clone(packed[:len(packed)-8]), "12345678"...))}, "decompress: gzip: invalid checksum"},
		"gzip garbage":    {Blob{Open: opens(append(bytes.Clone(packed), "garbage, and more of it"...))}, "decompress: gzip: invalid header"},
		"transfer":        {Blob{Digest: sum(packed), Open: opens(packed[:len(packed)-9])}, "digest mismatch"},
		"truncated zstd":  {Blob{Open: opens(zstandard(t, plain)[:50])}, "decompress: unexpected EOF"},
		"damaged zstd":    {Blob{Open: opens(append(zstandard(t, plain), "garbage"...))}, "decompress: "},
		"large window":    {Blob{Open: opens(withCommand(t, plain, "zstd", "--long=27", "-c"))}, "decompress: window size exceeded"},
		"xz":              {Blob{Open: opens([]byte("\xfd7zXZ\x00\x00"))}, "compression with xz is unsupported"},
		"bzip2":           {Blob{Open: opens([]byte("BZh91AY&SY"))}, "compression with bzip2 is unsupported"},
		"unknown digest":  {Blob{Digest: "md5:00", Open: opens(plain)}, `digest "md5:00" has an unknown algorithm`},
		"short digest":    {Blob{DiffID: "sha256:00", Open: opens(plain)}, `invalid digest "sha256:00"`},
		"no digest":       {Blob{DiffID: "sha256:", Open: opens(plain)}, `invalid digest "sha256:"`},
		"type of archive": {Blob{Open: opens(withType(t, 'V'))}, `unsupported type 'V'`},
		"zero in a name":  {Blob{Open: opens(withZero(t))}, "archive/tar: invalid tar header"},
		"gzip bomb":       {Blob{Open: opens(gzipped(t, zeros))}, "have more than 1048576 bytes without compression"},
		"zstd bomb":       {Blob{Open: opens(zstandard(t, zeros))}, "have more than 1048576 bytes without compression"},
		"sparse":          {Blob{Open: opens(sparse(t, 1<<40))}, "the files of the layers have more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := Inspect(t.Context(), dir, Image{Layers: []Blob{test.blob}}, Limits{Layers: 1, Blob: 1 << 20, Bytes: 1 << 20, Entries: 100})
			bad, ok := errors.AsType[*Error](err)
			if !ok || bad.Layer != 0 || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			wantEmpty(t, dir)
		})
	}
	// An empty layer whose digest is known is one of old versions of Docker.
	if _, err := Inspect(t.Context(), t.TempDir(), Image{Layers: []Blob{{Digest: sum(nil), Open: opens(nil)}}}, DefaultLimits()); err != nil {
		t.Errorf("empty layer: %v", err)
	}
}

func withType(t testing.TB, typ byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "v", Typeflag: typ, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return b.Bytes()
}

// withZero is an archive with a PAX record that has a zero byte in its name.
func withZero(t testing.TB) []byte {
	t.Helper()
	b := archiveOf(t, []entry{{"a", "f", ""}, {"\xff" + strings.Repeat("n", 101), "f", ""}})
	i := bytes.Index(b, []byte("path=\xff"))
	if i < 0 {
		t.Fatal("no PAX record")
	}
	b[i+len("path=\xffnn")] = 0
	return b
}

// sparse is an archive of GNU tar with a file that consists of a hole, and one that begins
// with it.
func sparse(t testing.TB, size int64) []byte {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "tar", "-C", dir, "-Scf", "-", "sparse").Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A hole needs no space, in an archive and in the folder.
func TestSparse(t *testing.T) {
	const size = 1 << 30
	list, err := layBlob(t, sparse(t, size), func(root string) {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(root, "sparse"), &st); err != nil || st.Size != size || st.Blocks > 2*blockSize/512 {
			t.Errorf("%d bytes in %d blocks, %v", st.Size, st.Blocks, err)
		}
		os.Remove(filepath.Join(root, "sparse"))
	})
	if err != nil || list != "" {
		t.Errorf("%q, %v", list, err)
	}
}

func layBlob(t testing.TB, blob []byte, see func(root string)) (string, error) {
	t.Helper()
	_, root, err := newFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := openTree(root)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.close()
	_, err = tree.add(t.Context(), Image{Layers: []Blob{{Open: opens(blob)}}}, DefaultLimits(), func(int) {})
	see(root)
	return strings.Join(listed(t, root), "\n"), err
}

func TestLimits(t *testing.T) {
	img := imageOf(t, some(), some(), some())
	whole := Limits{Layers: 3, Blob: 1 << 20, Bytes: 3 << 20, Entries: 6}
	if _, err := Inspect(t.Context(), t.TempDir(), img, whole); err != nil {
		t.Fatal(err)
	}
	for want, limits := range map[string]Limits{
		"3 layers, more than the limit of 2": {2, whole.Blob, whole.Bytes, whole.Entries},
		"larger than the limit of 500000":    {3, 500_000, whole.Bytes, whole.Entries},
		"have more than 1000000 bytes":       {3, whole.Blob, 1_000_000, whole.Entries},
		"layer 3 of 3 (sha256:" + sum(archiveOf(t, some()))[7:19] + "): the layers have more than 5 entries": {3, whole.Blob, whole.Bytes, 5},
	} {
		dir := t.TempDir()
		_, err := Inspect(t.Context(), dir, img, limits)
		if _, ok := errors.AsType[*Error](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		wantEmpty(t, dir)
	}
	wantBad(t, Image{}, -1, "the image has no layers")
}

// The work for links and deep folders is bounded.
func TestWork(t *testing.T) {
	// Each entry follows forty links through deep folders.
	deep := strings.Repeat("d/", 250)
	entries := []entry{{deep + "x", "f", ""}, {"l0", "l", deep}}
	for i := range 38 {
		entries = append(entries, entry{fmt.Sprintf("l%d", i+1), "l", fmt.Sprintf("l%d/%s", i, strings.Repeat("../", 250)+deep)})
	}
	for range 2000 {
		entries = append(entries, entry{"l38/a", "f", ""}, entry{"l37/b", "f", ""})
	}
	wantBad(t, imageOf(t, entries), 0, "too much work")
}

// An error that the image is not guilty of, and the end of the context.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("connection reset")
	for name, open := range map[string]func(context.Context) (io.ReadCloser, error){
		"open": func(context.Context) (io.ReadCloser, error) { return nil, broken },
		"read": func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(archiveOf(t, some())[:600_000]), failing{broken})), nil
		},
		"compressed": func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(gzipped(t, archiveOf(t, some()))[:1000]), failing{broken})), nil
		},
	} {
		_, err := Inspect(t.Context(), dir, Image{Layers: []Blob{{Open: open}}}, DefaultLimits())
		if _, ok := errors.AsType[*Error](err); ok || !errors.Is(err, broken) {
			t.Errorf("%s: error %v", name, err)
		}
		wantEmpty(t, dir)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the build ended")
	body := &waiting{begun: make(chan struct{}), closed: make(chan struct{})}
	go func() {
		<-body.begun
		cancel(why)
	}()
	img := Image{Layers: []Blob{{Open: func(context.Context) (io.ReadCloser, error) { return body, nil }}}}
	if _, err := Inspect(ctx, dir, img, DefaultLimits()); !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
	wantEmpty(t, dir)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A waiting body sends nothing until it is closed.
type waiting struct{ begun, closed chan struct{} }

func (w *waiting) Read([]byte) (int, error) {
	close(w.begun)
	<-w.closed
	return 0, os.ErrClosed
}

func (w *waiting) Close() error {
	close(w.closed)
	return nil
}

// A full disk is not the image's fault, and the hint says what to do.
func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		testkit.Missing(t, "root: a small filesystem is mounted")
	}
	dir := t.TempDir()
	if err := unix.Mount("assay", dir, "tmpfs", 0, "size=512k"); err != nil {
		testkit.Missing(t, "mount: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	_, err := Inspect(t.Context(), dir, imageOf(t, some()), DefaultLimits())
	if _, ok := errors.AsType[*Error](err); ok || !errors.Is(err, unix.ENOSPC) || !strings.Contains(hint.Of(err), "free space or inodes in "+dir) {
		t.Errorf("error %v, hint %q", err, hint.Of(err))
	}
	wantEmpty(t, dir)
}

// Nothing needs a privilege.
func TestUnprivileged(t *testing.T) {
	if os.Getenv("LAYER_UNPRIVILEGED") == "" {
		if os.Geteuid() != 0 {
			testkit.Missing(t, "root: the test changes its user")
		}
		dir, err := os.MkdirTemp("", "layer")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		program := filepath.Join(dir, "test")
		b, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(program, b, 0o755), os.Chmod(dir, 0o777)); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), program, "-test.run=TestApply$|TestUnprivileged")
		cmd.Dir, cmd.Env = dir, []string{"LAYER_UNPRIVILEGED=1", "TMPDIR=" + dir}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	// What the owner may not read in the image is readable here.
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "d", Typeflag: tar.TypeDir, Mode: 0},
		{Name: "d/node_modules/a/package.json", Mode: 0, Size: 33, Uid: 1234},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			io.WriteString(w, `{"name": "a", "version": "1.0.0"}`)
		}
	}
	w.Close()
	got, err := Inspect(t.Context(), t.TempDir(), Image{Layers: []Blob{blobOf(b.Bytes())}}, DefaultLimits())
	if err != nil || len(got.Inventory.Packages) != 1 || len(got.Inventory.ScanErrors) != 0 {
		t.Errorf("%+v, %v", got.Inventory, err)
	}
}

// The memory that is used does not grow with the number of files.
func TestMemory(t *testing.T) {
	const files = 20_000
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for i := range files {
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("d%d/f%d.wh", i/1000, i)}); err != nil {
			t.Fatal(err)
		}
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("d%d/.wh.g%d", i/1000, i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	var heap uint64
	img := Image{Layers: []Blob{{Open: opens(b.Bytes())}, {Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b.Bytes())), nil
	}}}}
	_, root, err := newFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := openTree(root)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.close()
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := live()
	if _, err := tree.add(t.Context(), img, DefaultLimits(), func(int) { heap = max(heap, live()) }); err != nil {
		t.Fatal(err)
	}
	if heap > before+8<<20 {
		t.Errorf("%d KiB for %d files", (heap-before)>>10, files)
	}
}
