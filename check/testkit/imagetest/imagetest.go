// Package imagetest makes images with a real container engine, whose layers have whatever an
// engine puts into layers: whiteouts, opaque folders, hard links, replaced files. It starts an
// engine of its own, which needs root and Debian's package docker.io. The images are built by
// the engine's BuildKit.
package imagetest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"assay/check/testkit"
)

// An Engine is a private dockerd. It has no bridge and makes no firewall rule.
type Engine struct {
	dir string
	env []string
}

// Start starts an engine that ends with the test. The test is skipped if the machine lacks
// what it needs.
func Start(t testing.TB) *Engine {
	t.Helper()
	if os.Geteuid() != 0 {
		testkit.Missing(t, "root: an engine is started")
	}
	for _, tool := range []string{"dockerd", "docker", "busybox"} {
		if _, err := exec.LookPath(tool); err != nil {
			testkit.Missing(t, "%s: deploy/needs.sh installs it", tool)
		}
	}
	// Not t.TempDir: the path of a socket has 107 bytes at most.
	dir, err := os.MkdirTemp("", "images")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// dockerd leaves this one mounted.
		syscall.Unmount(filepath.Join(dir, "exec", "netns", "default"), syscall.MNT_DETACH)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	host := "unix://" + filepath.Join(dir, "d.sock")
	e := &Engine{dir: dir, env: append(os.Environ(), "DOCKER_HOST="+host, "DOCKER_CONFIG="+dir, "DOCKER_BUILDKIT=1")}
	e.daemon(t, host)
	return e
}

func (e *Engine) daemon(t testing.TB, host string) {
	t.Helper()
	log, err := os.Create(filepath.Join(e.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("dockerd", "--host", host, "--data-root", filepath.Join(e.dir, "data"),
		"--exec-root", filepath.Join(e.dir, "exec"), "--pidfile", filepath.Join(e.dir, "pid"),
		"--bridge", "none", "--iptables=false", "--ip6tables=false")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		<-ended
	})
	deadline := time.After(time.Minute)
	for {
		if _, err := e.run("info"); err == nil {
			return
		}
		select {
		case <-ended:
		case <-deadline:
		case <-time.After(100 * time.Millisecond):
			continue
		}
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("dockerd does not answer:\n%s", text)
	}
}

func (e *Engine) run(args ...string) (string, error) {
	// A client in another folder may lack the classic builder.
	client := "/usr/bin/docker"
	if _, err := os.Stat(client); err != nil {
		client = "docker"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, client, args...)
	cmd.Env = e.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}

// Docker runs the client of the engine and returns what it prints.
func (e *Engine) Docker(t testing.TB, args ...string) string {
	t.Helper()
	out, err := e.run(args...)
	if err != nil {
		t.Fatalf("docker %q: %v\n%s", args, err, out)
	}
	return out
}

// Build builds the image of a recipe, and Base if that does not exist, and returns its name.
func (e *Engine) Build(t testing.TB, r Recipe) string {
	t.Helper()
	if _, err := e.run("image", "inspect", base); err != nil {
		archive := filepath.Join(t.TempDir(), "base.tar")
		if out, err := exec.Command("tar", "-C", Root(t), "-cf", archive, ".").CombinedOutput(); err != nil {
			t.Fatalf("tar: %v\n%s", err, out)
		}
		e.Docker(t, "import", archive, base)
	}
	dir := t.TempDir()
	for name, content := range r.Files {
		write(t, filepath.Join(dir, name), content, 0o644)
	}
	write(t, filepath.Join(dir, "Dockerfile"), r.Dockerfile, 0o644)
	name := "images/" + r.Name + ":1"
	e.Docker(t, "build", "--network", "none", "--quiet", "--tag", name, dir)
	return name
}

// Save returns an archive of an image, as docker save writes it.
func (e *Engine) Save(t testing.TB, image string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	e.Docker(t, "save", "--output", path, image)
	return path
}

// Export returns a folder with the filesystem of a container of an image.
func (e *Engine) Export(t testing.TB, image string) string {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "files.tar")
	id := e.Docker(t, "create", image, "-")
	e.Docker(t, "export", "--output", archive, id)
	e.Docker(t, "rm", id)
	dir := t.TempDir()
	if out, err := exec.Command("tar", "-C", dir, "--numeric-owner", "-xpf", archive).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	return dir
}

// Push pushes an image to the registry at an address of loopback, such as "127.0.0.1:5000",
// and returns its name there.
func (e *Engine) Push(t testing.TB, image, registry string) string {
	t.Helper()
	name := registry + "/" + image
	e.Docker(t, "tag", image, name)
	e.Docker(t, "push", "--quiet", name)
	return name
}

// base is the image that recipes begin with.
const base = "images/base:1"

// Root returns a folder with the files of the base image: busybox, the database of a small
// Debian, and packages of languages.
func Root(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		testkit.Missing(t, "busybox: deploy/needs.sh installs it")
	}
	write(t, filepath.Join(dir, "bin/busybox"), read(t, busybox), 0o755)
	for _, tool := range strings.Fields("sh rm mkdir mv ln cp chmod mkfifo mknod dd sed touch truncate cat ls find") {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", tool)); err != nil {
			t.Fatal(err)
		}
	}
	debian := testkit.Path(t, "pkgdb", "dpkg", "debian12-minbase")
	for _, name := range []string{"etc/os-release", "var/lib/dpkg/status"} {
		write(t, filepath.Join(dir, name), read(t, filepath.Join(debian, name)), 0o644)
	}
	build(t, filepath.Join(dir, "usr/local/bin/tool"))
	write(t, filepath.Join(dir, "srv/lib/app.jar"), read(t, testkit.Path(t, "lang", "java", "simple.jar", "simple.jar")), 0o644)
	for name, content := range languages() {
		write(t, filepath.Join(dir, name), content, 0o644)
	}
	for name, target := range map[string]string{"srv/current": "app", "var/db": "/var/lib/dpkg", "srv/lib/link.jar": "app.jar"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "tmp"), 0o777), os.Chmod(filepath.Join(dir, "tmp"), os.ModeSticky|0o777)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// build builds a small Go program.
func build(t testing.TB, path string) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.com/tool\n\ngo 1.26\n", 0o644)
	write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() { println(1) }\n", 0o644)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
}

func languages() map[string]string {
	return map[string]string{
		"srv/app/node_modules/lodash/package.json":                     node("lodash", "4.17.20"),
		"srv/app/node_modules/minimist/package.json":                   node("minimist", "1.2.0"),
		"srv/app/node_modules/minimist/index.js":                       "// minimist\n",
		"usr/lib/python3/dist-packages/jinja2/__init__.py":             "\n",
		"usr/lib/python3/dist-packages/Jinja2-2.0.dist-info/METADATA":  python("Jinja2", "2.0"),
		"usr/lib/python3/dist-packages/urllib3-1.0.dist-info/METADATA": python("urllib3", "1.0"),
	}
}

func node(name, version string) string {
	return `{"name": "` + name + `", "version": "` + version + `"}` + "\n"
}

func python(name, version string) string {
	return "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n"
}

func write(t testing.TB, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Find returns the recipe with a name.
func Find(t testing.TB, name string) Recipe {
	t.Helper()
	recipes := Recipes()
	i := slices.IndexFunc(recipes, func(r Recipe) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("there is no recipe %q", name)
	}
	return recipes[i]
}
