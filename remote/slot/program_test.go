package slot_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"assay/check/testkit"
	"assay/remote/slot"
)

// build makes a static, stripped program as the release does.
func build(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "show")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "./testdata/show")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// run runs a program that its user can execute but not read, with an empty environment. The
// user is nobody if the test runs as root.
func run(t *testing.T, program []byte) slot.Payload {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "show")
	if err := os.WriteFile(path, program, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env = []string{}
	cmd.Dir = "/"
	if os.Getuid() == 0 {
		// Only their owner can read the folders of a test.
		for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o711); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(path, 0o711); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run: %v\n%s", err, stderr.Bytes())
	}
	var p slot.Payload
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	return p
}

// strip removes what the strip step of a package build removes.
func strip(t *testing.T, program []byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stripped")
	if err := os.WriteFile(path, program, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("strip", path).CombinedOutput(); err != nil {
		t.Fatalf("strip: %v\n%s", err, out)
	}
	stripped, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return stripped
}

func TestProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	release := build(t)
	if n := bytes.Count(release, released(t)[:16]); n != 1 {
		t.Fatalf("the program contains the magic %d times, want once", n)
	}
	if got := run(t, release); got != (slot.Payload{}) {
		t.Errorf("as released: %+v, want an empty payload", got)
	}
	filled, err := slot.Fill(release, example)
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, filled); got != example {
		t.Errorf("filled: %+v, want %+v", got, example)
	}
	cleared, err := slot.Clear(filled)
	if err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(cleared) != sha256.Sum256(release) {
		t.Error("the cleared program is not the released one")
	}

	if _, err := exec.LookPath("strip"); err != nil {
		testkit.Missing(t, "strip: install binutils")
	}
	if got := run(t, strip(t, filled)); got != example {
		t.Errorf("filled, then stripped: %+v, want %+v", got, example)
	}
	filled, err = slot.Fill(strip(t, release), example)
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, filled); got != example {
		t.Errorf("stripped, then filled: %+v, want %+v", got, example)
	}
}
