package rootfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"

	"assay/check/testkit"
)

func open(t *testing.T, dir string) *Root {
	t.Helper()
	root, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func TestOpenFollowsLinksInsideTheRoot(t *testing.T) {
	entries := map[string]string{
		"usr/lib/os-release": "usr",
		"etc/absolute":       "-> /usr/lib/os-release",
		"etc/relative":       "-> ../usr/lib/os-release",
		"etc/above":          "-> ../../../../../usr/lib/os-release",
		"etc/out":            "-> /../../etc/outside",
		"etc/dangling":       "-> nowhere",
		"etc/loop":           "-> loop2",
		"etc/loop2":          "-> loop",
		"etc/self":           "-> self/x",
		"etc/through":        "-> /lib/os-release",
		"etc/dir":            "-> /usr/lib",
		"etc/top":            "-> /",
		"etc/file/x":         "file",
		"etc/notdir":         "-> file/x/y",
		"lib":                "-> usr/lib",
		"opt/a/b":            "-> ../c",
		"opt/c/f":            "c",
		"opt/back":           "-> a/b/../c/f", // b/.. is opt, not a
		"chain/0":            "end",
	}
	for i := 1; i <= 41; i++ {
		entries[fmt.Sprintf("chain/%d", i)] = fmt.Sprintf("-> %d", i-1)
	}
	root := open(t, testkit.Tree(t, entries))
	for _, c := range []struct {
		path, resolved, content string
		err                     error
	}{
		{path: "usr/lib/os-release", resolved: "usr/lib/os-release", content: "usr"},
		{path: "/usr//./lib/os-release", resolved: "usr/lib/os-release", content: "usr"},
		{path: "etc/absolute", resolved: "usr/lib/os-release", content: "usr"},
		{path: "etc/relative", resolved: "usr/lib/os-release", content: "usr"},
		{path: "etc/above", resolved: "usr/lib/os-release", content: "usr"},
		{path: "etc/through", resolved: "usr/lib/os-release", content: "usr"},
		{path: "lib/os-release", resolved: "usr/lib/os-release", content: "usr"},
		{path: "etc/top/etc/file/x", resolved: "etc/file/x", content: "file"},
		{path: "opt/back", resolved: "opt/c/f", content: "c"},
		{path: "chain/40", resolved: "chain/0", content: "end"},
		{path: "chain/41", err: unix.ELOOP},
		{path: "etc/out", err: unix.ENOENT},
		{path: "etc/dangling", err: unix.ENOENT},
		{path: "etc/loop", err: unix.ELOOP},
		{path: "etc/self", err: unix.ELOOP},
		{path: "etc/notdir", err: unix.ENOTDIR},
		{path: "etc/dir", err: ErrNotRegular},
		{path: "etc/top", err: ErrNotRegular},
		{path: "", err: ErrNotRegular},
		{path: "..", err: ErrNotRegular},
		{path: strings.Repeat("etc/../", 5000) + "etc/file/x", resolved: "etc/file/x", content: "file"},
	} {
		f, err := root.Open(c.path, 100)
		if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("Open(%.40q): error %v, want %v", c.path, err, c.err)
			continue
		}
		if err != nil {
			continue
		}
		content, err := io.ReadAll(f)
		f.Close()
		if err != nil || string(content) != c.content || f.Path() != c.resolved {
			t.Errorf("Open(%.40q) = %q with %q, %v; want %q with %q",
				c.path, f.Path(), content, err, c.resolved, c.content)
		}
	}
}

// The kernel also resolves paths within a root, with openat2(2). For random trees of
// links, both give the same file or the same error.
func TestOpenAsTheKernel(t *testing.T) {
	parts := []string{"a", "b", "c", "..", ".", "d"}
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(n int) string {
		var p []string
		for range 1 + r.IntN(n) {
			p = append(p, parts[r.IntN(len(parts))])
		}
		return strings.Join(p, "/")
	}
	opened := 0
	for range 60 {
		dir := t.TempDir()
		made, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		for range 25 {
			p := strings.TrimPrefix(filepath.Clean("/"+pick(4)), "/")
			made.MkdirAll(filepath.Dir(p), 0o755)
			switch r.IntN(4) {
			case 0:
				made.Symlink(strings.Repeat("/", r.IntN(2))+pick(4), p)
			case 1:
				made.Symlink(pick(3), p)
			case 2:
				made.WriteFile(p, nil, 0o644)
			case 3:
				made.Mkdir(p, 0o755)
			}
		}
		made.Close()
		root := open(t, dir)
		for range 100 {
			path := pick(6)
			how := unix.OpenHow{Flags: unix.O_PATH, Resolve: unix.RESOLVE_IN_ROOT}
			fd, want := unix.Openat2(root.dir.fd, path, &how)
			if errors.Is(want, unix.ENOSYS) || errors.Is(want, unix.EPERM) {
				testkit.Missing(t, "no openat2 here")
			}
			var st unix.Stat_t
			if want == nil {
				want = unix.Fstat(fd, &st)
				unix.Close(fd)
			}
			if want == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
				want = ErrNotRegular
			}
			f, err := root.Open(path, 1000)
			if !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Fatalf("Open(%q) in %s: %v, the kernel: %v", path, dir, err, want)
			}
			if err != nil {
				continue
			}
			opened++
			real := filepath.Join(dir, f.Path())
			if found, err := filepath.EvalSymlinks(real); found != real || f.id.ino != st.Ino {
				t.Fatalf("Open(%q) in %s is %q, %v", path, dir, f.Path(), err)
			}
			f.Close()
		}
	}
	if opened < 100 {
		t.Fatalf("only %d paths led to a file", opened)
	}
}

func TestOpenFound(t *testing.T) {
	root := open(t, testkit.Tree(t, map[string]string{
		"top": "top", "a/b/c": "deep", "link": "-> a", "a/file": "-> b/c", "a/d/x": "x",
	}))
	for path, want := range map[string]string{"top": "top", "a/b/c": "deep"} {
		f, err := root.OpenFound(path, 100)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(f)
		if string(content) != want || f.Path() != path || err != nil {
			t.Errorf("%s: %q at %q, %v", path, content, f.Path(), err)
		}
		f.Close()
	}
	for path, want := range map[string]error{
		"link/b/c": nil, "a/file": ErrNotRegular, "a/d": ErrNotRegular, "a/b/c/e": unix.ENOTDIR, "none": unix.ENOENT,
		"../top": nil, "a/../top": nil, "": nil, "/top": nil, "a//b/c": nil,
	} {
		if f, err := root.OpenFound(path, 100); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%q: %v, %v", path, f, err)
		}
	}
}

// Only regular files are opened, and nothing blocks.
func TestOpenRefusesSpecialFiles(t *testing.T) {
	dir := testkit.Tree(t, map[string]string{"dir": "/", "regular": "x"})
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o666); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	names := []string{"dir", "fifo", "socket"}
	if unix.Mknod(filepath.Join(dir, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))) == nil {
		names = append(names, "null")
	}
	root := open(t, dir)
	for _, name := range names {
		if f, err := root.Open(name, 10); !errors.Is(err, ErrNotRegular) {
			t.Errorf("Open(%q) = %v, %v", name, f, err)
		}
	}
	// If the type changes after the listing, opening the file detects it.
	for _, name := range []string{"dir", "fifo"} {
		if f, err := root.dir.OpenListedFile(name, name, 10); !errors.Is(err, ErrNotRegular) {
			t.Errorf("OpenListedFile(%q) = %v, %v", name, f, err)
		}
	}
	if _, _, err := root.OpenDir("fifo"); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("OpenDir of a FIFO: %v", err)
	}
}

func TestOpenRoot(t *testing.T) {
	dir := testkit.Tree(t, map[string]string{"real/f": "x", "link": "-> real", "file": "x"})
	if root := open(t, filepath.Join(dir, "link")); root.Path() != filepath.Join(dir, "real") {
		t.Errorf("path %q", root.Path())
	}
	for _, name := range []string{"", filepath.Join(dir, "file"), filepath.Join(dir, "none")} {
		if _, err := Open(name); err == nil {
			t.Errorf("Open(%q) did not fail", name)
		}
	}
}

func TestFileIsAReader(t *testing.T) {
	content := strings.Repeat("0123456789", 20_000)
	dir := testkit.Tree(t, map[string]string{"f": content, "empty": ""})
	root := open(t, dir)
	for _, limit := range []int64{int64(len(content)), int64(len(content)) + 1, 1 << 40} {
		f, err := root.Open("f", limit)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(f, []byte(content)); err != nil {
			t.Errorf("limit %d: %v", limit, err)
		}
		if head, err := f.Peek(make([]byte, 100)); string(head) != content[:100] || err != nil {
			t.Errorf("limit %d: begins with %q, %v", limit, head, err)
		}
		for off := range int64(102) { // within what was read, across its end and after it
			var b [4]byte
			if n, err := f.ReadAt(b[:], off); string(b[:n]) != content[off:off+4] || err != nil {
				t.Errorf("limit %d: %q at %d, %v", limit, b[:n], off, err)
			}
		}
		f.Close()
	}
	f, err := root.Open("empty", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := io.ReadAll(f); len(b) != 0 || err != nil {
		t.Errorf("empty file with a limit of 0: %q, %v", b, err)
	}
}

func TestFileIsBounded(t *testing.T) {
	root := open(t, testkit.Tree(t, map[string]string{"f": "0123456789"}))
	f, err := root.Open("f", 7)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if string(b) != "0123456" || !errors.Is(err, ErrTooLarge) {
		t.Errorf("ReadAll = %q, %v", b, err)
	}
	buf := make([]byte, 4)
	for off, want := range map[int64]string{2: "2345", 3: "3456", 5: "56", 7: "", 9: ""} {
		n, err := f.ReadAt(buf, off)
		if string(buf[:n]) != want || errors.Is(err, ErrTooLarge) != (n < 4) {
			t.Errorf("ReadAt(%d) = %q, %v; want %q", off, buf[:n], err, want)
		}
	}
	if _, err := f.ReadAt(buf, 10); err != io.EOF {
		t.Errorf("ReadAt at the end: %v", err)
	}
	if _, err := f.ReadAt(buf, -1); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("ReadAt before the beginning: %v", err)
	}
}

func TestDescend(t *testing.T) {
	dir := t.TempDir()
	root := open(t, dir)
	// 60 names of 200 bytes are three times as long as the longest path.
	name := strings.Repeat("n", 200)
	var names []string
	cur := Dir{root.dir.fd}
	for range 60 {
		if err := unix.Mkdirat(cur.fd, name, 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := cur.OpenDir(name)
		if err != nil {
			t.Fatal(err)
		}
		if cur != root.dir {
			cur.Close()
		}
		cur = next
		names = append(names, name)
	}
	defer cur.Close()
	var want, got unix.Stat_t
	unix.Fstat(cur.fd, &want)
	d, err := root.dir.Descend(names)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if unix.Fstat(d.fd, &got); got.Ino != want.Ino {
		t.Errorf("inode %d, want %d", got.Ino, want.Ino)
	}
	if _, err := root.dir.Descend(append(slices.Clone(names), "none")); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a missing file: %v", err)
	}
	os.Symlink(".", filepath.Join(dir, "link"))
	if _, err := root.dir.Descend([]string{"link", name}); err == nil {
		t.Error("Descend followed a link")
	}
}

func TestEntries(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := range 3000 {
		name := fmt.Sprintf("file-%d\xff", i)
		want = append(want, name)
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d, err := open(t, dir).Dir()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var got []string
	for e, err := range d.Each(make([]byte, 4096)) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type != unix.DT_REG {
			t.Errorf("%q has type %d", e.Name, e.Type)
		}
		got = append(got, e.Name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d names, want %d", len(got), len(want))
	}
}

// Records that a broken filesystem might return end the listing.
func TestEntriesOfNonsense(t *testing.T) {
	record := func(size int, name string) []byte {
		b := append(make([]byte, 19), name...)
		binary.NativeEndian.PutUint16(b[16:], uint16(size))
		return b
	}
	for _, buf := range [][]byte{
		nil, make([]byte, 5), record(0, "name"), record(19, "name"), record(60000, "name"),
		record(23, ".\x00\x00\x00"), record(23, "..\x00\x00"), record(23, "\x00\x00\x00\x00"),
	} {
		for name := range Entries(buf) {
			t.Errorf("%q in %x", name, buf)
		}
	}
	for name := range Entries(record(23, "full")) {
		if string(name) != "full" {
			t.Errorf("unterminated name: %q", name)
		}
	}
}

func TestType(t *testing.T) {
	dir := testkit.Tree(t, map[string]string{"dir": "/", "file": "", "link": "-> dir"})
	root := open(t, dir)
	for name, want := range map[string]uint8{
		"dir": unix.DT_DIR, "file": unix.DT_REG, "link": unix.DT_LNK, "none": unix.DT_DIR,
	} {
		if got := root.dir.Type(name); got != want {
			t.Errorf("Type(%q) = %d, want %d", name, got, want)
		}
	}
}
