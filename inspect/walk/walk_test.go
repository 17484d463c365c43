package walk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"assay/check/testkit"
	"assay/inspect/elf"
	"assay/inspect/rootfs"

	"golang.org/x/sys/unix"
)

// A recorder is a Visitor that records its calls as "rule path=content".
type recorder struct {
	mu      sync.Mutex
	files   []string
	missing []string
	dirs    []string
	links   []string
	onFile  func()
}

func (r *recorder) Linked(rule int, f *rootfs.File, real string) bool {
	r.mu.Lock()
	r.links = append(r.links, f.Path()+" at "+real)
	r.mu.Unlock()
	return r.File(rule, f)
}

func (r *recorder) PathTooLong(path string, err error) { r.FileFailed(-1, path, err) }

func (r *recorder) File(rule int, f *rootfs.File) bool {
	if r.onFile != nil {
		r.onFile()
	}
	content, err := io.ReadAll(f)
	if err != nil {
		content = []byte(err.Error())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files = append(r.files, fmt.Sprintf("%d %s=%s", rule, f.Path(), content))
	return len(content) > 0
}

func (r *recorder) FileFailed(rule int, path string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missing = append(r.missing, fmt.Sprintf("%d %s: %v", rule, path, err))
}

func (r *recorder) DirFailed(path string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dirs = append(r.dirs, fmt.Sprintf("%s: %v", path, err))
}

// walk walks dir with several numbers of workers, checks that the results are equal,
// and checks that nothing stays open.
func walk(t *testing.T, dir string, opts Options) *recorder {
	t.Helper()
	root, err := rootfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	before := openFiles(t)
	var first *recorder
	for _, workers := range []int{1, 2, 8} {
		opts.Workers = workers
		r := &recorder{}
		if err := Walk(t.Context(), root, opts, r); err != nil {
			t.Fatal(err)
		}
		slices.Sort(r.files)
		slices.Sort(r.missing)
		slices.Sort(r.dirs)
		if first == nil {
			first = r
		} else if !slices.Equal(r.files, first.files) || !slices.Equal(r.missing, first.missing) || !slices.Equal(r.dirs, first.dirs) {
			t.Fatalf("%d workers: %q %q %q\nbut 1: %q %q %q",
				workers, r.files, r.missing, r.dirs, first.files, first.missing, first.dirs)
		}
	}
	if after := openFiles(t); after != before {
		t.Fatalf("%d files open, before the walk %d", after, before)
	}
	return first
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		testkit.Missing(t, "no /proc here")
	}
	return len(entries)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantEqual(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%q\nwant\n%q", what, got, want)
	}
}

func testRules() []Rule {
	return []Rule{
		{Bases: []string{"METADATA"}, Limit: 100},
		{Bases: []string{"package.json", "METADATA"}, Exts: []string{".jar"}, Limit: 4},
		{Exts: []string{".json", ".jar"}, Limit: 100},
	}
}

func TestRules(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"METADATA", "a/METADATA", "a/metadata", "a/METADATA.x", "a/package.json", "a/other.json",
		"a/x.jar", "a/x.y.jar", "a/x.jar.bak", "a/.jar", "a/jar", "a/json", "a/.hidden.json",
	} {
		write(t, filepath.Join(dir, name), "12345")
	}
	got := walk(t, dir, Options{Rules: testRules()})
	wantEqual(t, "files", got.files, []string{
		"0 METADATA=12345",
		"0 a/METADATA=12345",
		"1 a/package.json=larger than the limit of 4 bytes",
		"1 a/x.jar=larger than the limit of 4 bytes",
		"1 a/x.y.jar=larger than the limit of 4 bytes",
		"2 a/.hidden.json=12345",
		"2 a/other.json=12345",
	})
}

func TestWants(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"METADATA", "a.dist-info/METADATA", "b/METADATA", "b/x.jar"} {
		write(t, filepath.Join(dir, name), "")
	}
	got := walk(t, dir, Options{Rules: []Rule{{
		Bases: []string{"METADATA"},
		Exts:  []string{".jar"},
		Wants: func(path string) bool { return path == "a.dist-info/METADATA" || path == "b/x.jar" },
	}}})
	wantEqual(t, "files", got.files, []string{"0 a.dist-info/METADATA=", "0 b/x.jar="})
}

func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	program := elf.Magic + strings.Repeat("\x00", minProgram-len(elf.Magic))
	for name, content := range map[string]string{
		"bin/app":       program,
		"bin/app-1.2.3": program,
		"lib/liba.so":   program,
		"lib/liba.so.1": program,
		"lib/.hidden":   program,
		"lib/a.jar":     program, // for another rule
		"lib/METADATA":  program,
		"share/x.json":  program, // data, whatever its content
		"a/copyright":   program,
		"zoneinfo/a/b":  program,
		"lib/.json":     program, // no extension
		"bin/small":     program[:minProgram-1],
		"bin/script":    "#!/bin/sh\n" + program,
		"bin/nearly":    "\x7fEL" + program,
		"skipped/app":   program,
		"bin/excluded":  program,
		"bin/" + "\xff": program,
	} {
		write(t, filepath.Join(dir, name), content)
	}
	self, err := rootfs.Identify(filepath.Join(dir, "bin/excluded"))
	if err != nil {
		t.Fatal(err)
	}
	got := walk(t, dir, Options{
		Rules: []Rule{
			{Bases: []string{"METADATA"}, Exts: []string{".jar"}, Limit: 4},
			{Programs: true, Limit: 4},
			{Programs: true, Limit: 100}, // the first rule gets them
		},
		Skip:    NewSkip([]string{"skipped"}),
		Exclude: []rootfs.ID{self},
	})
	for i, f := range got.files {
		got.files[i], _, _ = strings.Cut(f, "=")
	}
	slices.Sort(got.files)
	wantEqual(t, "files", got.files, []string{
		"0 lib/METADATA", "0 lib/a.jar",
		"1 bin/\\xff", "1 bin/app", "1 bin/app-1.2.3", "1 lib/.hidden", "1 lib/.json", "1 lib/liba.so", "1 lib/liba.so.1",
	})
}

// A file whose beginning cannot be read may be a program, so it is reported.
func TestProgramThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "app"), elf.Magic+strings.Repeat("\x00", minProgram))
	write(t, filepath.Join(dir, "text"), strings.Repeat("#", minProgram))
	got := walk(t, dir, Options{Rules: []Rule{{Programs: true, Limit: 2}}}) // reading the third byte fails
	slices.Sort(got.missing)
	if len(got.files) != 0 || len(got.missing) != 2 || !strings.Contains(got.missing[0], "app") || !strings.Contains(got.missing[1], "text") {
		t.Errorf("files %q, failed %q", got.files, got.missing)
	}
}

// Files on this machine with the names of data files, which are not checked for being
// programs, are not executable programs.
func TestDataNames(t *testing.T) {
	data := dataNames()
	programs := 0
	err := filepath.WalkDir("/usr", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Ext(path) == ".go" {
			return err // Go's many source files are not programs
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		head := make([]byte, 20)
		if n, _ := io.ReadFull(f, head); n < len(head) || string(head[:4]) != elf.Magic || head[16] != 2 && head[16] != 3 {
			return nil // includes object files, which cannot be executed
		}
		programs++
		above := strings.Split(filepath.Dir(path), "/")
		if data[filepath.Ext(path)] || data[d.Name()] || slices.ContainsFunc(above, isDataDir) {
			t.Errorf("%s is a program", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if programs < 100 {
		t.Errorf("%d programs on this machine, which has more", programs)
	}
}

func TestSkipAndExclude(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"METADATA", "a/METADATA", "a/b/METADATA", "a/bc/METADATA", "c/d/e/METADATA", "c/METADATA", "f/METADATA"} {
		write(t, filepath.Join(dir, name), "")
	}
	self, err := rootfs.Identify(filepath.Join(dir, "f/METADATA"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "f/METADATA"), filepath.Join(dir, "f/g.json")); err != nil {
		t.Fatal(err)
	}
	got := walk(t, dir, Options{
		Rules:   testRules(),
		Skip:    NewSkip([]string{"/a/b/", "c/d", "c/METADATA", "none/at/all", "", "/", ".."}),
		Exclude: []rootfs.ID{self},
	})
	wantEqual(t, "files", got.files, []string{"0 METADATA=", "0 a/METADATA=", "0 a/bc/METADATA="})
}

func TestSkipCovers(t *testing.T) {
	s := NewSkip([]string{"var/cache", "/proc", "a//b/../c/"})
	for p, want := range map[string]bool{
		"var/cache": true, "/var/cache/x/y": true, "var": false, "var/cachet": false, "": false, "/": false,
		"proc": true, "proc/1/maps": true, "a/c": true, "a/b": false, "x/../proc": true,
	} {
		if got := s.Covers(p); got != want {
			t.Errorf("Covers(%q) = %v", p, got)
		}
	}
	if (*Skip)(nil).Covers("a") {
		t.Error("a nil Skip is not empty")
	}
}

// A random tree is walked like with the standard library.
func TestWalkFindsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(7, 7))
	dirs := []string{dir}
	for i := range 2000 {
		parent := dirs[r.IntN(len(dirs))]
		p := filepath.Join(parent, fmt.Sprintf("n%d", i))
		switch r.IntN(5) {
		case 0:
			if err := os.Mkdir(p, 0o755); err != nil {
				t.Fatal(err)
			}
			dirs = append(dirs, p)
		case 1:
			os.Symlink(dirs[r.IntN(len(dirs))], p+".json")
		case 2:
			write(t, p, "")
		default:
			write(t, p+".json", "c")
		}
	}
	var want []string
	filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if d.Type().IsRegular() && strings.HasSuffix(p, ".json") {
			want = append(want, "2 "+strings.TrimPrefix(p, dir+"/")+"=c")
		}
		return err
	})
	slices.Sort(want)
	if len(want) < 500 {
		t.Fatalf("only %d files", len(want))
	}
	wantEqual(t, "files", walk(t, dir, Options{Rules: testRules()}).files, want)
}

// Links are followed only inside the tree, and special files are not opened, whatever
// their names.
func TestHostileEntries(t *testing.T) {
	outside := t.TempDir()
	write(t, filepath.Join(outside, "METADATA"), "outside")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a/METADATA"), "inside")
	write(t, filepath.Join(dir, "\xff\xfe/caf\xe9.json"), "x")
	write(t, filepath.Join(dir, "new\nline/\x1b[31mred.json"), "x")
	for name, target := range map[string]string{
		"b":          outside,
		"c":          "../../../../../../" + outside,
		"a/up":       "..",
		"a/self":     "self",
		"d.json":     filepath.Join(outside, "METADATA"),
		"e/x.json":   "../a/METADATA",
		"f/METADATA": "/etc/passwd",
		"root":       "/",
	} {
		os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo.json"), 0o666); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "s.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if os.Getuid() == 0 {
		unix.Mknod(filepath.Join(dir, "null.json"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3)))
	}
	os.Mkdir(filepath.Join(dir, "dir.json"), 0o755)
	got := walk(t, dir, Options{Rules: testRules()})
	wantEqual(t, "files", got.files, []string{
		"0 a/METADATA=inside",
		`2 \xff\xfe/caf\xe9.json=x`,
		"2 e/x.json=inside", // through a link
		"2 new\nline/\x1b[31mred.json=x",
	})
	wantEqual(t, "failures", append(got.missing, got.dirs...), nil)
}

// bigDir returns a new folder for many entries, in memory if possible.
func bigDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "assay")
	if err != nil {
		dir = t.TempDir()
	}
	// The standard library keeps a file open for each level when it removes a tree.
	t.Cleanup(func() { exec.Command("rm", "-rf", dir).Run() })
	return dir
}

// chain makes depth nested directories, more than a path can name, and calls at for
// each with the directory open.
func chain(t *testing.T, dir, name string, depth int, at func(fd, level int)) {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for level := 1; level <= depth; level++ {
		if err := unix.Mkdirat(fd, name, 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		fd = next
		at(fd, level)
	}
	unix.Close(fd)
}

func writeAt(t *testing.T, fd int, name, content string) {
	t.Helper()
	f, err := unix.Openat(fd, name, unix.O_WRONLY|unix.O_CREAT, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(f)
	if _, err := unix.Write(f, []byte(content)); err != nil {
		t.Fatal(err)
	}
}

func TestDepth(t *testing.T) {
	const depth = 10_000
	dir := bigDir(t)
	chain(t, dir, "d", depth, func(fd, level int) {
		if level%1000 == 0 {
			writeAt(t, fd, "METADATA", fmt.Sprint(level))
		}
	})
	got := walk(t, dir, Options{Rules: testRules()})
	var want []string
	for level := 1000; level <= depth; level += 1000 {
		want = append(want, fmt.Sprintf("0 %sMETADATA=%d", strings.Repeat("d/", level), level))
	}
	slices.Sort(want)
	wantEqual(t, "files", got.files, want)
	wantEqual(t, "failures", append(got.missing, got.dirs...), nil)
}

// There are more directories with pending children than are kept open.
func TestDepthWithBranches(t *testing.T) {
	const depth = 3 * maxOpen
	dir := bigDir(t)
	var want []string
	chain(t, dir, "d", depth, func(fd, level int) {
		for _, side := range []string{"a", "z"} {
			if err := unix.Mkdirat(fd, side, 0o755); err != nil {
				t.Fatal(err)
			}
			s, err := unix.Openat(fd, side, unix.O_RDONLY|unix.O_DIRECTORY, 0)
			if err != nil {
				t.Fatal(err)
			}
			writeAt(t, s, "METADATA", "x")
			unix.Close(s)
			want = append(want, fmt.Sprintf("0 %s%s/METADATA=x", strings.Repeat("d/", level), side))
		}
	})
	slices.Sort(want)
	got := walk(t, dir, Options{Rules: testRules()})
	wantEqual(t, "files", got.files, want)
	wantEqual(t, "failures", append(got.missing, got.dirs...), nil)
}

// Paths longer than PATH_MAX are read. Paths that no program can use are reported.
func TestLongPaths(t *testing.T) {
	dir := bigDir(t)
	name := strings.Repeat("n", 255)
	chain(t, dir, name, 300, func(fd, level int) {
		if level == 100 || level == 300 {
			writeAt(t, fd, "METADATA", "x")
		}
	})
	got := walk(t, dir, Options{Rules: testRules()})
	wantEqual(t, "files", got.files, []string{"0 " + strings.Repeat(name+"/", 100) + "METADATA=x"})
	wantEqual(t, "failures", got.missing, []string{
		"-1 " + strings.Repeat(name+"/", 256) + "…/METADATA: path longer than 65536 bytes",
	})
}

// Unwanted files need no memory.
func TestManyFiles(t *testing.T) {
	const n = 50_000
	dir := bigDir(t)
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for i := range n {
		f, err := unix.Openat(fd, fmt.Sprintf("an ordinary file name %d.txt", i), unix.O_WRONLY|unix.O_CREAT, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(f)
	}
	writeAt(t, fd, "METADATA", "x")
	root, err := rootfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var before, after runtime.MemStats
	r := &recorder{}
	runtime.ReadMemStats(&before)
	err = Walk(t.Context(), root, Options{Rules: testRules(), Workers: 2}, r)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "files", r.files, []string{"0 METADATA=x"})
	// Each worker has its own buffer.
	if got := after.TotalAlloc - before.TotalAlloc; got > 2*rootfs.BufSize+n/4 {
		t.Errorf("%d bytes allocated for %d files", got, n)
	}
}

// A folder with many folders is read in parts, so that only few are pending.
func TestManyDirectories(t *testing.T) {
	const n = 5 * maxPending
	top := bigDir(t)
	var want []string
	for i := range n {
		p := fmt.Sprintf("d%d", i)
		if err := os.Mkdir(filepath.Join(top, p), 0o755); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			write(t, filepath.Join(top, p, "METADATA"), "x")
			want = append(want, "0 "+p+"/METADATA=x")
		}
	}
	slices.Sort(want)
	wantEqual(t, "files", walk(t, top, Options{Rules: testRules()}).files, want)

	root, err := rootfs.Open(top)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	w := &walker{root: root, names: newNames(nil, nil), links: links{found: map[read]int{}}, visitor: &recorder{}, pending: newStack()}
	w.visit(&dir{}, newBuffers())
	if pending := len(w.pending.dirs); pending <= maxPending || pending > 3*maxPending {
		t.Errorf("%d directories pending after one visit", pending)
	}
	w.abandon()
}

func TestCancel(t *testing.T) {
	dir := t.TempDir()
	for i := range 200 {
		write(t, filepath.Join(dir, fmt.Sprintf("%d/a/b/METADATA", i)), "")
		os.Mkdir(filepath.Join(dir, fmt.Sprintf("%d/a/c", i)), 0o755)
	}
	root, err := rootfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	before := openFiles(t)
	for _, workers := range []int{1, 4} {
		ctx, cancel := context.WithCancel(t.Context())
		r := &recorder{onFile: cancel}
		err := Walk(ctx, root, Options{Rules: testRules(), Workers: workers}, r)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if len(r.files) == 0 || len(r.files) == 200 {
			t.Errorf("%d files visited", len(r.files))
		}
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d files open, before %d", after, before)
	}
}

// Users other than root cannot read everything. The test runs itself as nobody.
func TestUnreadable(t *testing.T) {
	if dir := os.Getenv("ASSAY_TEST_UNREADABLE"); dir != "" {
		got := walk(t, dir, Options{Rules: append(testRules(), Rule{Programs: true})})
		wantEqual(t, "files", got.files, []string{"0 open/METADATA=x"})
		wantEqual(t, "files not opened", got.missing, []string{
			"0 open/secret/METADATA: permission denied", "2 file.json: permission denied", "3 program: permission denied",
		})
		wantEqual(t, "directories", got.dirs, []string{"closed: permission denied", "listed/sub: permission denied", "searched: permission denied"})
		return
	}
	if os.Getuid() != 0 {
		testkit.Missing(t, "not root: another user's files cannot be made")
	}
	dir := t.TempDir()
	for _, p := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "closed/METADATA"), "x")
	write(t, filepath.Join(dir, "searched/METADATA"), "x")
	write(t, filepath.Join(dir, "listed/sub/METADATA"), "x")
	write(t, filepath.Join(dir, "open/METADATA"), "x")
	write(t, filepath.Join(dir, "open/secret/METADATA"), "x")
	write(t, filepath.Join(dir, "file.json"), "x")
	write(t, filepath.Join(dir, "program"), strings.Repeat("x", minProgram))
	write(t, filepath.Join(dir, "journal"), strings.Repeat("x", minProgram))
	for name, mode := range map[string]os.FileMode{
		"closed": 0o700, "searched": 0o711, "listed": 0o744, "open/secret/METADATA": 0o600, "file.json": 0,
		"program": 0o711, "journal": 0o600,
	} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestUnreadable$", "-test.v")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "ASSAY_TEST_UNREADABLE="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
}
