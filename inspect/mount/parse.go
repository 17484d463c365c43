// Package mount parses the mounts of a process, in the format of proc_pid_mountinfo(5),
// and decides which of them are not part of an image.
package mount

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	// maxLine bounds a line, in bytes: paths and options of up to a page each, escaped.
	maxLine = 64 << 10
	// maxMounts is the kernel's default limit for one namespace.
	maxMounts = 100_000
)

// A Mount is one line of mountinfo.
type Mount struct {
	ID, Parent int
	Device     string // "8:1"
	Root       string // the mounted directory of the filesystem
	Point      string // the mount point, absolute
	Type       string // type of the filesystem, "ext4", "fuse.sshfs"
	Source     string // "/dev/sda1" or any other word
}

// Parse parses the text of mountinfo. Invalid lines are skipped; the error is that of
// the first one and is returned with the mounts of the valid lines.
func Parse(r io.Reader) ([]Mount, error) {
	var mounts []Mount
	var failed error
	br := bufio.NewReaderSize(r, maxLine)
	for n := 1; ; n++ {
		line, err := br.ReadSlice('\n')
		if err != nil && err != io.EOF {
			return mounts, fmt.Errorf("line %d: %w", n, err) // too long, or unreadable
		}
		if line = bytes.TrimSuffix(line, []byte("\n")); len(line) > 0 {
			m, problem := parseLine(string(line))
			switch {
			case problem != nil && failed == nil:
				failed = fmt.Errorf("line %d: %w", n, problem)
			case problem == nil && len(mounts) == maxMounts:
				return mounts, fmt.Errorf("line %d: more than %d mounts", n, maxMounts)
			case problem == nil:
				mounts = append(mounts, m)
			}
		}
		if err == io.EOF {
			return mounts, failed
		}
	}
}

var errFields = errors.New("invalid line of mountinfo")

// parseLine parses a line such as
//
//	36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/sda1 rw
//
// in which any number of optional fields precede the hyphen.
func parseLine(line string) (Mount, error) {
	before, after, ok := strings.Cut(line, " - ")
	f, g := strings.Split(before, " "), strings.Split(after, " ")
	if !ok || len(f) < 6 || len(g) < 2 {
		return Mount{}, errFields
	}
	id, err := strconv.Atoi(f[0])
	if err != nil {
		return Mount{}, errFields
	}
	parent, err := strconv.Atoi(f[1])
	if err != nil {
		return Mount{}, errFields
	}
	m := Mount{
		ID: id, Parent: parent, Device: f[2],
		Root: unescape(f[3]), Point: unescape(f[4]),
		Type: unescape(g[0]), Source: unescape(g[1]),
	}
	if !strings.HasPrefix(m.Point, "/") {
		return Mount{}, errFields
	}
	return m, nil
}

// unescape decodes the kernel's octal escapes: \040 for a space, \011, \012, \134 and
// any others.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
