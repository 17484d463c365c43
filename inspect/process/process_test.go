package process

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/check/testkit"
)

func open(t *testing.T) *Proc {
	t.Helper()
	p, err := Open()
	if err != nil {
		testkit.Missing(t, "a /proc: %v", err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestMounts(t *testing.T) {
	f, err := open(t).Mounts()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil || !strings.Contains(string(text), " - ") {
		t.Errorf("%q, %v", text, err)
	}
}

// TestKaniko runs the test program like kaniko's executor runs a step, from
// /kaniko/executor in its own root, and from another path.
func TestKaniko(t *testing.T) {
	p := open(t)
	switch os.Getenv("KANIKO_TEST") {
	case "executor":
		cmd := exec.CommandContext(t.Context(), "/step", "-test.run=^TestKaniko$")
		cmd.Env = []string{"KANIKO_TEST=step"}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		os.Exit(0)
	case "step":
		os.Stdout.WriteString(map[bool]string{true: "kaniko", false: "nobody"}[p.Kaniko()])
		os.Exit(0)
	}
	if p.Kaniko() {
		t.Fatal("kaniko runs the tests")
	}
	if os.Getuid() != 0 {
		testkit.Missing(t, "root's rights, to mount")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string]string{"/kaniko/executor": "kaniko", "/kaniko/other": "nobody", "/executor": "nobody"} {
		root := t.TempDir()
		copyTo(t, self, filepath.Join(root, program))
		copyTo(t, self, filepath.Join(root, "step"))
		cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "/bin/sh", "-ec", `
for dir in /proc /usr /lib /lib64; do # the race detector's programs need libraries
	[ ! -e $dir ] || { mkdir -p "$1$dir"; mount --rbind $dir "$1$dir"; }
done
exec chroot "$1" "$2" -test.run='^TestKaniko$'`, "sh", root, program)
		cmd.Env = append(os.Environ(), "KANIKO_TEST=executor")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			testkit.Missing(t, "unshare and mount: %v, %s", err, &stderr)
		}
		if string(out) != want {
			t.Errorf("%s: %q, want %q", program, out, want)
		}
	}
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestParent(t *testing.T) {
	for text, want := range map[string]int{
		"Name:\tx\nPid:\t7\nPPid:\t42\n": 42,
		"Name:\tx\n":                     0,
		"PPid:\tx\n":                     0,
		"Name:\tPPid: 9\nPPid:\t1":       1,
	} {
		if got := parent([]byte(text)); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestIsKernel(t *testing.T) {
	if open(t); !IsKernel("/proc") {
		t.Error("/proc")
	}
	if dir := t.TempDir(); IsKernel(dir) {
		t.Error(dir)
	}
}
