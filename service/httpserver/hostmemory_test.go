package httpserver

import (
	"testing"
	"testing/fstest"
)

func TestCgroupLimit(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for _, tt := range []struct {
		name string
		root fstest.MapFS
		want int64
	}{
		{"none", fstest.MapFS{}, 0},
		{"version 2, its own", fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("1000\n")}, 1000},
		{"version 2, of one above", fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/memory.max": file("500\n"), "sys/fs/cgroup/a/b/memory.max": file("1000\n")}, 500},
		{"version 2, in a container", fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("2000\n")}, 2000},
		{"version 2, without a limit", fstest.MapFS{"proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/memory.max": file("max\n")}, 0},
		{"version 1", fstest.MapFS{"proc/self/cgroup": file("5:cpu,memory:/docker/x\n4:pids:/y\n"), "sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": file("3000\n")}, 3000},
		{"version 1, in a container", fstest.MapFS{"proc/self/cgroup": file("5:memory:/docker/x\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("4000\n")}, 4000},
		{"version 1, without a limit", fstest.MapFS{"proc/self/cgroup": file("5:memory:/\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n")}, 0},
		{"nonsense", fstest.MapFS{"proc/self/cgroup": file("x\n0::/../..\n"), "sys/fs/cgroup/memory.max": file("-5 x\n")}, 0},
	} {
		if got, ok := cgroupLimit(tt.root); ok != (tt.want > 0) || ok && got != tt.want {
			t.Errorf("%s: %d, %v, want %d", tt.name, got, ok, tt.want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{"512MiB": 512 << 20, "2GiB": 2 << 30, "1024": 1024, "3g": 3 << 30, "7 kib": 7 << 10} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "MiB", "-1MiB", "1.5GiB", "1 XB", "9999999TiB"} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("%q: %d", s, got)
		}
	}
}
