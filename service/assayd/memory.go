package main

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

	"github.com/urfave/cli/v2"

	"assay/service/api"
)

func memoryFlag() cli.Flag {
	return &cli.StringFlag{Name: "memory", Usage: "use at most this `SIZE`, such as 2GiB; default three quarters of the cgroup's limit, else 1GiB"}
}

const (
	// memoryBase is what serve keeps whatever it is asked: the program, what is
	// remembered of the index (152 MiB), the caches of the databases, an update.
	memoryBase    = 320 << 20
	memoryMin     = 384 << 20
	memoryDefault = 1 << 30
	// memoryIdle is what the heap may grow to while no large request is answered.
	memoryIdle = 320 << 20
	// memoryOutside is what is not the Go runtime's: the pages of the databases.
	memoryOutside = 64 << 20
)

// memoryOf returns the memory of a command: that of its flag, else what the control
// group of this process allows.
func memoryOf(c *cli.Context, root fs.FS) (int64, error) {
	s := c.String("memory")
	if s == "" {
		limit, ok := cgroupLimit(root)
		if !ok {
			return memoryDefault, nil
		}
		return max(memoryMin, limit/4*3), nil
	}
	n, err := parseSize(s)
	if err != nil {
		return 0, hintf("write it like 512MiB or 2GiB", "bad --memory: %w", err)
	}
	if n < memoryMin {
		return 0, hintf(fmt.Sprintf("give it at least %dMiB", memoryMin>>20), "bad --memory: %s is too little", s)
	}
	return n, nil
}

// parseSize reads a number of bytes with a unit.
func parseSize(s string) (int64, error) {
	number := strings.TrimRight(s, "BKMGTibkmgt")
	shift, ok := map[string]int{"": 0, "b": 0, "kib": 10, "k": 10, "mib": 20, "m": 20, "gib": 30, "g": 30, "tib": 40, "t": 40}[strings.ToLower(s[len(number):])]
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if !ok || err != nil || n < 0 || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("invalid size %q", s)
	}
	return n << shift, nil
}

// cgroupLimit returns the least memory limit of the control groups that this process
// is in, of version 2 or 1. In a container its own group may be at the top.
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
	return limit, limit < 1<<50 // version 1 writes a huge number for none
}

// useMemory shares out the memory: so much for requests, and a limit for the garbage
// collector that follows what they hold. It collects rarely: what serve keeps is a few
// ten MiB, and a scan leaves half a MiB behind; at Go's own setting a fifth of the time
// of a scan is the collector's. Environment variables say otherwise.
func useMemory(total int64) *api.Memory {
	requests := (total - memoryBase) / 5 * 4
	memory := api.NewMemory(requests)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return memory
	}
	most := total - memoryOutside
	idle := min(memoryIdle, most-requests/2)
	debug.SetMemoryLimit(idle)
	const step = 32 << 20 // to set it takes a moment
	var now atomic.Int64
	memory.Changed(func(used int64) {
		steps := used / step
		if now.Swap(steps) != steps {
			debug.SetMemoryLimit(min(most, idle+steps*step*5/4))
		}
	})
	return memory
}
