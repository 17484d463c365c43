package builders

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A docker is a private engine and the client that talks to it.
type docker struct {
	client string
	env    []string
}

// startDocker starts dockerd with everything of its own below dir, which must
// be short: a socket's path has 107 bytes at most. It makes no bridge and no
// firewall rule, so containers have the host's network or none. roots is the
// file of the authorities that it trusts.
func startDocker(t *testing.T, dir, roots string) docker {
	t.Helper()
	host := "unix://" + filepath.Join(dir, "d.sock")
	execRoot := filepath.Join(dir, "exec")
	// Debian's client knows the daemon's own BuildKit; one from elsewhere may
	// want a plugin for it.
	// Clipped, since two builders append to it at the same time.
	d := docker{client: "/usr/bin/docker", env: slices.Clip(append(os.Environ(), "DOCKER_HOST="+host, "DOCKER_CONFIG="+dir))}
	if _, err := os.Stat(d.client); err != nil {
		d.client = "docker"
	}
	// dockerd leaves this one mounted, and the folder cannot go before it.
	t.Cleanup(func() { syscall.Unmount(filepath.Join(execRoot, "netns", "default"), syscall.MNT_DETACH) })
	startDaemon(t, filepath.Join(dir, "dockerd.log"),
		func() bool { return run(t, d.env, nil, d.client, "info").code == 0 },
		append(os.Environ(), "SSL_CERT_FILE="+roots), "dockerd", "--host", host,
		"--data-root", filepath.Join(dir, "data"), "--exec-root", execRoot, "--pidfile", filepath.Join(dir, "pid"),
		"--bridge", "none", "--iptables=false", "--ip6tables=false")
	return d
}

// must runs a command of the client that has to succeed.
func (d docker) must(t *testing.T, in io.Reader, args ...string) string {
	t.Helper()
	return must(t, d.env, in, d.client, args...)
}

// load makes an image of an archive of files.
func (d docker) load(t *testing.T, archive, name string) {
	t.Helper()
	d.must(t, nil, "import", archive, name)
}

// export returns an archive of the files of an image.
func (d docker) export(t *testing.T, image string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "files.tar")
	d.withContainer(t, image, func(id string) { d.must(t, nil, "export", "-o", path, id) })
	return path
}

// copyOut copies a file or folder out of an image.
func (d docker) copyOut(t *testing.T, image, path string) string {
	t.Helper()
	dir := t.TempDir()
	d.withContainer(t, image, func(id string) { d.must(t, nil, "cp", id+":"+path, dir) })
	return filepath.Join(dir, filepath.Base(path))
}

// withContainer makes a container that is never started.
func (d docker) withContainer(t *testing.T, image string, use func(id string)) {
	t.Helper()
	id := strings.TrimSpace(d.must(t, nil, "create", image, "-"))
	use(id)
	d.must(t, nil, "rm", id)
}

// image implements builder.
func (d docker) image(t *testing.T, tag string) map[string][]byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	d.must(t, nil, "save", "-o", path, tag)
	return unpacked(t, path)
}

// asDocker implements runner.
func (d docker) asDocker(t *testing.T, dir string) []string {
	t.Helper()
	write(t, filepath.Join(dir, "docker"), "#!/bin/sh\nexec '"+d.client+"' \"$@\"\n")
	return d.env
}

// A classic is Docker's builder of old.
type classic struct{ docker }

func (classic) name() string { return "classic" }
func (classic) failed(code int) (int, string) {
	return code, fmt.Sprintf("returned a non-zero code: %d", code)
}

// errorOutput is what a step wrote to standard error: the classic builder paints it.
var errorOutput = regexp.MustCompile(`\x1b\[91m[^\x1b]*\x1b\[0m`)

// step returns the standard output of the step. The engine reads both outputs on
// their own, and on a busy machine what was written to standard error first comes
// last.
func (classic) step(log string) string {
	log, _, _ = strings.Cut(log, "The command '")
	return errorOutput.ReplaceAllString(log, "")
}

func (b classic) build(t *testing.T, j job) outcome {
	t.Helper()
	dockerfile, context := j.files(t)
	args := append([]string{"build", "-f", dockerfile}, append(j.flags(), context)...)
	return run(t, append(b.env, "DOCKER_BUILDKIT=0"), nil, b.client, args...)
}

// A debianBuildKit is the BuildKit in the engine that Debian has.
type debianBuildKit struct{ docker }

func (debianBuildKit) name() string                  { return "BuildKit of Docker 20.10" }
func (debianBuildKit) failed(code int) (int, string) { return 1, fmt.Sprintf("exit code: %d", code) }
func (debianBuildKit) step(log string) string        { return buildkitStep(log) }

func (b debianBuildKit) build(t *testing.T, j job) outcome {
	t.Helper()
	dockerfile, context := j.files(t)
	args := append([]string{"build", "-f", dockerfile, "--progress", "plain"}, append(j.flags(), context)...)
	return run(t, append(b.env, "DOCKER_BUILDKIT=1"), nil, b.client, args...)
}
