package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"assay/check/testkit/assayd"
)

// A usage is the processor time and memory of the processes of one program.
type usage struct {
	cpu    time.Duration // since their start
	memory int64         // bytes
}

// tick is the unit of times in /proc/PID/stat, see proc(5).
const tick = 10 * time.Millisecond

// cpuTime returns the processor time of a process and of its children that have ended,
// from the contents of its /proc/PID/stat.
func cpuTime(stat []byte) (time.Duration, error) {
	// The name of the program is in parentheses and may have spaces.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 15 {
		return 0, fmt.Errorf("/proc/PID/stat has %d fields after the name", len(fields))
	}
	var sum time.Duration
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// usageOf returns what assayd uses.
func usageOf(s *assayd.Server) (u usage, err error) {
	if u.memory, err = s.Resident(); err != nil {
		return u, err
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.PID()))
	if err != nil {
		return u, err
	}
	u.cpu, err = cpuTime(stat)
	return u, err
}

// usageOfFamily returns what a process and its children use. Memory that they share is
// counted once.
func usageOfFamily(pid int) (u usage, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return u, err
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		dir := filepath.Dir(path)
		parent := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if filepath.Base(dir) != strconv.Itoa(pid) && (len(parent) < 2 || string(parent[1]) != strconv.Itoa(pid)) {
			continue
		}
		cpu, err := cpuTime(stat)
		if err != nil {
			return u, err
		}
		u.cpu += cpu
		rollup, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(rollup)) {
			if kib, found := strings.CutPrefix(line, "Pss:"); found {
				n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kib), " kB"), 10, 64)
				if err != nil {
					return u, fmt.Errorf("Pss of process %s: %w", filepath.Base(dir), err)
				}
				u.memory += n << 10
			}
		}
	}
	return u, nil
}

// loadAverage returns the machine's load average of the last minute.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// perScan describes the processor time of each of n scans.
func perScan(cpu time.Duration, n int) string {
	if n == 0 {
		return "no scans"
	}
	return fmt.Sprintf("%.2f ms", float64(cpu)/float64(n)/float64(time.Millisecond))
}
