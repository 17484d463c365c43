// Package process tells what the kernel knows of this process: what is mounted for
// it, and who runs it. It reads /proc only where that is the kernel's: an image may
// have a folder of that name with files of its own.
package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrNoProc says that there is no /proc of the kernel.
var ErrNoProc = errors.New("no /proc of the kernel")

const (
	// maxAncestors bounds how far up the chain of parents is followed. A step of a
	// build has a handful.
	maxAncestors = 64
	// maxFile bounds the small files of a process.
	maxFile = 64 << 10
	// kaniko is the program of kaniko that runs the steps of a build, in the
	// image's own root.
	kaniko = "/kaniko/executor"
)

// A Proc is a process filesystem.
type Proc struct{ dir *os.Root }

// Open opens /proc. The error is ErrNoProc where it is not the kernel's.
func Open() (*Proc, error) {
	var st unix.Statfs_t
	dir, err := os.OpenRoot("/proc")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoProc, err)
	}
	// What was opened is asked, not the path once more.
	f, err := dir.Open(".")
	if err == nil {
		err = unix.Fstatfs(int(f.Fd()), &st)
		f.Close()
	}
	if err != nil || st.Type != unix.PROC_SUPER_MAGIC {
		dir.Close()
		return nil, ErrNoProc
	}
	return &Proc{dir}, nil
}

// Close ends the use of it.
func (p *Proc) Close() error { return p.dir.Close() }

// Mounts opens the list of what is mounted for this process.
func (p *Proc) Mounts() (io.ReadCloser, error) {
	return p.dir.Open(strconv.Itoa(os.Getpid()) + "/mountinfo")
}

// Kaniko reports whether kaniko runs this process: whether its executor is one of
// the process's ancestors. An image has no say in who these are.
func (p *Proc) Kaniko() bool {
	pid := os.Getppid()
	for range maxAncestors {
		if pid <= 0 {
			return false
		}
		if p.runs(pid, kaniko) {
			return true
		}
		status, err := p.read(pid, "status")
		if err != nil {
			return false
		}
		pid = parent(status)
	}
	return false
}

// runs reports whether a process is that of a program. Only its user may see which
// it is; to others it tells by what name it was called.
func (p *Proc) runs(pid int, program string) bool {
	if exe, err := p.dir.Readlink(strconv.Itoa(pid) + "/exe"); err == nil {
		return strings.TrimSuffix(exe, " (deleted)") == program
	}
	line, err := p.read(pid, "cmdline")
	name, _, _ := bytes.Cut(line, []byte{0})
	return err == nil && path.Clean(string(name)) == program
}

func (p *Proc) read(pid int, name string) ([]byte, error) {
	f, err := p.dir.Open(strconv.Itoa(pid) + "/" + name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// parent returns the parent that the text of a status file names, 0 for none.
func parent(status []byte) int {
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte("PPid:")); ok {
			pid, _ := strconv.Atoi(string(bytes.TrimSpace(value)))
			return pid
		}
	}
	return 0
}

// IsKernel reports whether the directory at path is the root of a filesystem that
// the kernel makes, and not a folder of an image: proc, sysfs, devtmpfs, tmpfs and
// what else is mounted at /proc, /sys and /dev.
func IsKernel(path string) bool {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return false
	}
	switch st.Type {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.TMPFS_MAGIC, unix.DEVPTS_SUPER_MAGIC:
		// A tree that lies on a tmpfs has folders of the same type.
		return st.Type != unix.TMPFS_MAGIC || !sameDevice(path, path+"/..")
	}
	return false
}

func sameDevice(a, b string) bool {
	var x, y unix.Stat_t
	return unix.Stat(a, &x) == nil && unix.Stat(b, &y) == nil && x.Dev == y.Dev
}
