package httpserver

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"

	"assay/verdict/hint"
)

const (
	// memoryBase is what the service uses without any request: the program, the cache
	// of the index (152 MiB), the caches of the databases, and an update.
	memoryBase    = 320 << 20
	memoryMin     = 384 << 20
	memoryDefault = 1 << 30
	// memoryIdle is the limit of the heap while no large request is answered.
	memoryIdle = 320 << 20
	// memoryOutside is what the Go runtime does not manage: the pages of the databases.
	memoryOutside = 64 << 20
)

// TotalMemory returns the memory that the service may use: size, which a person wrote
// as "2GiB", or if that is empty, a part of what the control groups of this process
// allow. root is the root of the filesystem.
func TotalMemory(size string, root fs.FS) (int64, error) {
	if size == "" {
		limit, ok := cgroupLimit(root)
		if !ok {
			return memoryDefault, nil
		}
		return max(memoryMin, limit/4*3), nil
	}
	n, err := ParseSize(size)
	if err != nil {
		return 0, hint.Errorf("write it like 512MiB or 2GiB", "invalid --memory: %w", err)
	}
	if n < memoryMin {
		return 0, hint.Errorf(fmt.Sprintf("give it at least %dMiB", memoryMin>>20), "invalid --memory: %s is too little", size)
	}
	return n, nil
}

// ParseSize reads a number of bytes with a unit.
func ParseSize(s string) (int64, error) {
	number := strings.TrimRight(s, "BKMGTibkmgt")
	shift, ok := map[string]int{"": 0, "b": 0, "kib": 10, "k": 10, "mib": 20, "m": 20, "gib": 30, "g": 30, "tib": 40, "t": 40}[strings.ToLower(s[len(number):])]
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if !ok || err != nil || n < 0 || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("invalid size %q", s)
	}
	return n << shift, nil
}

// cgroupLimit returns the lowest memory limit of the control groups of this process,
// version 2 or 1. In a container, the group of the process may be mounted at the top.
func cgroupLimit(root fs.FS) (limit int64, ok bool) {
	b, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	limit = math.MaxInt64
	for line := range strings.Lines(string(b)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		top, file := "sys/fs/cgroup", "memory.max"
		if fields[1] != "" {
			if !strings.Contains(","+fields[1]+",", ",memory,") {
				continue
			}
			top, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		for dir := path.Clean("/" + fields[2]); ; dir = path.Dir(dir) {
			if b, err := fs.ReadFile(root, path.Join(top, dir, file)); err == nil {
				if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 {
					limit = min(limit, n)
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return limit, limit < 1<<50 // version 1 writes a huge number for no limit
}

// UseMemory divides the memory of the service: a part for requests, and a limit for
// the garbage collector that follows what they hold. The collector runs rarely: the
// service keeps some tens of MiB, and a scan leaves half a MiB behind. With Go's default
// a fifth of the time of a scan would be spent on collection. GOGC and GOMEMLIMIT take
// precedence.
func UseMemory(total int64) *Memory {
	requests := (total - memoryBase) / 5 * 4
	memory := NewMemory(requests)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return memory
	}
	most := total - memoryOutside
	idle := min(memoryIdle, most-requests/2)
	debug.SetMemoryLimit(idle)
	const step = 32 << 20 // setting the limit takes a moment
	var now atomic.Int64
	memory.Changed(func(used int64) {
		steps := used / step
		if now.Swap(steps) != steps {
			debug.SetMemoryLimit(min(most, idle+steps*step*5/4))
		}
	})
	return memory
}
