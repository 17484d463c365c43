// Package mount reads the mounts of a process from mountinfo, in the sense of
// proc_pid_mountinfo(5), and says which of them are no part of an image.
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
	// maxLine bounds one line: paths and options of a page each, escaped.
	maxLine = 64 << 10
	// maxMounts is the kernel's own default bound for one namespace.
	maxMounts = 100_000
)

// A Mount is one line of mountinfo.
type Mount struct {
	ID, Parent int
	Device     string // "8:1"
	Root       string // the directory of the filesystem that is mounted
	Point      string // where, absolute
	Type       string // of the filesystem, "ext4", "fuse.sshfs"
	Source     string // "/dev/sda1", or any word
}

// Parse reads the text of mountinfo. A line that it does not understand is
// left out and gives an error together with the mounts of the others.
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

var errFields = errors.New("not a line of mountinfo")

// parseLine parses
//
//	36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/sda1 rw
//
// where optional fields stand before the hyphen, none or more.
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

// unescape undoes the kernel's octal escapes: \040 for a space, \011, \012,
// \134 and what else it may come to escape.
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
