package builders

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A docker is a private engine and the client that talks to it.
type docker struct {
	client string
	env    []string
}

// startDocker starts dockerd with everything of its own below dir, which must
// be short: a socket's path has 107 bytes at most. It makes no bridge and no
// firewall rule, so containers have the host's network or none.
func startDocker(t *testing.T, dir string) docker {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, "dockerd.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	host := "unix://" + filepath.Join(dir, "d.sock")
	execRoot := filepath.Join(dir, "exec")
	daemon := exec.Command("dockerd", "--host", host,
		"--data-root", filepath.Join(dir, "data"), "--exec-root", execRoot, "--pidfile", filepath.Join(dir, "pid"),
		"--bridge", "none", "--iptables=false", "--ip6tables=false")
	daemon.Stdout, daemon.Stderr = log, log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		daemon.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		daemon.Process.Signal(syscall.SIGTERM)
		<-ended
		// dockerd leaves this one mounted, and the folder cannot go before it.
		syscall.Unmount(filepath.Join(execRoot, "netns", "default"), syscall.MNT_DETACH)
	})

	// Debian's client knows the daemon's own BuildKit; one from elsewhere may
	// want a plugin for it.
	d := docker{client: "/usr/bin/docker", env: append(os.Environ(), "DOCKER_HOST="+host, "DOCKER_CONFIG="+dir)}
	if _, err := os.Stat(d.client); err != nil {
		d.client = "docker"
	}
	deadline := time.After(time.Minute)
	for {
		if _, code := d.run(t, nil, "info"); code == 0 {
			return d
		}
		select {
		case <-ended:
		case <-deadline:
		case <-time.After(100 * time.Millisecond):
			continue
		}
		b, _ := os.ReadFile(log.Name())
		t.Fatalf("dockerd does not answer; its log ends:\n%s", last(string(b), 20))
	}
}

// run returns what a command of the client printed and its exit code.
func (d docker) run(t *testing.T, in io.Reader, args ...string) (string, int) {
	t.Helper()
	return run(t, d.env, in, d.client, args...)
}

// must runs a command of the client that has to succeed.
func (d docker) must(t *testing.T, in io.Reader, args ...string) string {
	t.Helper()
	out, code := d.run(t, in, args...)
	if code != 0 {
		t.Fatalf("docker %v: exit code %d\n%s", args, code, out)
	}
	return out
}

// importRoot makes an image of a folder.
func (d docker) importRoot(t *testing.T, root, name string) {
	t.Helper()
	tar := exec.CommandContext(t.Context(), "tar", "-C", root, "-c", ".")
	out, err := tar.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tar.Start(); err != nil {
		t.Fatal(err)
	}
	d.must(t, out, "import", "-", name)
	if err := tar.Wait(); err != nil {
		t.Fatal(err)
	}
}

// A builder is one of the two that an engine has.
type builder struct {
	docker
	name     string
	buildkit string // the value of DOCKER_BUILDKIT
	// words is how it says that a step failed, a format of the step's exit code.
	words string
	// passesOn: the client ends with the step's exit code, not with 1.
	passesOn bool
}

func (d docker) builders() (classic, buildkit builder) {
	return builder{d, "classic", "0", "returned a non-zero code: %d", true},
		builder{d, "buildkit", "1", "exit code: %d", false}
}

// wantFailed checks that a build failed because a step ended with code.
func (b builder) wantFailed(t *testing.T, log string, exit, code int) {
	t.Helper()
	want := 1
	if b.passesOn {
		want = code
	}
	if words := fmt.Sprintf(b.words, code); exit != want || !strings.Contains(log, words) {
		t.Fatalf("exit code %d, want %d, and %q in:\n%s", exit, want, words, log)
	}
}

// build builds a Dockerfile in an empty context and returns the log. The
// network is the host's, where assayd listens on loopback.
func (b builder) build(t *testing.T, dockerfile string, args ...string) (string, int) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"build", "--network", "host"}, append(args, dir)...)
	return run(t, append(b.env, "DOCKER_BUILDKIT="+b.buildkit), nil, b.client, args...)
}

func run(t *testing.T, env []string, in io.Reader, name string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, in, &out, &out
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatalf("%s: %v", name, err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}
