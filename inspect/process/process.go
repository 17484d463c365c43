// Package process reads the mounts and the owner of this process from the kernel. It reads
// /proc only if that is the kernel's, because an image may contain an ordinary folder of
// this name.
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

// ErrNoProc means that the kernel's /proc is not mounted.
var ErrNoProc = errors.New("/proc of the kernel is not mounted")

const (
	// maxAncestors bounds how far the chain of parent processes is followed. A build
	// step has a handful.
	maxAncestors = 64
	// maxFile bounds the small files of a process, in bytes.
	maxFile = 64 << 10
	// kaniko is the program of kaniko that runs the steps of a build in the root of the
	// image.
	kaniko = "/kaniko/executor"
)

// A Proc is a process filesystem.
type Proc struct{ dir *os.Root }

// Open opens /proc. The error is ErrNoProc if it is not the kernel's.
func Open() (*Proc, error) {
	var st unix.Statfs_t
	dir, err := os.OpenRoot("/proc")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoProc, err)
	}
	// Examine what was opened, instead of looking up the path again.
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

// Close closes the process filesystem.
func (p *Proc) Close() error { return p.dir.Close() }

// Mounts opens the list of mounts of this process.
func (p *Proc) Mounts() (io.ReadCloser, error) {
	return p.dir.Open(strconv.Itoa(os.Getpid()) + "/mountinfo")
}

// Kaniko reports whether kaniko runs this process: whether its executor is an ancestor
// of the process. An image cannot influence that.
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

// runs reports whether a process runs program. Only the process's own user may read
// which program it is; for others the name it was called by is used.
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

// parent returns the parent process in the text of a status file, or 0 if there is
// none.
func parent(status []byte) int {
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte("PPid:")); ok {
			pid, _ := strconv.Atoi(string(bytes.TrimSpace(value)))
			return pid
		}
	}
	return 0
}

// IsKernel reports whether the directory at path is the root of a filesystem that the
// kernel provides, and not a folder of an image: proc, sysfs, devtmpfs, tmpfs and
// others that are mounted at /proc, /sys and /dev.
func IsKernel(path string) bool {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return false
	}
	switch st.Type {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.TMPFS_MAGIC, unix.DEVPTS_SUPER_MAGIC:
		// If the tree itself is on a tmpfs, its folders have the same type.
		return st.Type != unix.TMPFS_MAGIC || !sameDevice(path, path+"/..")
	}
	return false
}

func sameDevice(a, b string) bool {
	var x, y unix.Stat_t
	return unix.Stat(a, &x) == nil && unix.Stat(b, &y) == nil && x.Dev == y.Dev
}
