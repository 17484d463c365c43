package builders

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A libpod is what buildah and podman share: they build without a daemon, and have one
// store. Steps are run by runc, because crun, their default, rejects a machine that has
// both versions of cgroups.
type libpod struct {
	program string
	store   []string // flags that name the store
	global  []string // all flags before the command
	flags   []string // flags of the command build
	env     []string
}

// newBuildah returns buildah with all its files below dir.
func newBuildah(dir, roots string) buildah {
	return buildah{libpod{
		program: "buildah",
		store:   store(dir),
		global:  store(dir),
		flags:   []string{"--runtime", runc},
		env:     append(os.Environ(), "SSL_CERT_FILE="+roots, "TMPDIR="+dir),
	}}
}

// newPodman returns podman with all its files below dir. Unlike podman's default, it
// caches no layers, as buildah does: podman's cache ignores what a step mounts.
func newPodman(dir, roots string) podman {
	return podman{libpod{
		program: "podman",
		store:   store(dir),
		global:  append(store(dir), "--cgroup-manager", "cgroupfs", "--runtime", runc),
		flags:   []string{"--layers=false"},
		env:     append(os.Environ(), "SSL_CERT_FILE="+roots, "TMPDIR="+dir),
	}}
}

func store(dir string) []string {
	return []string{"--root", filepath.Join(dir, "store"), "--runroot", filepath.Join(dir, "run")}
}

// runc is the path of Debian's runc; podman requires a path.
const runc = "/usr/sbin/runc"

func (l libpod) must(t *testing.T, in io.Reader, args ...string) string {
	t.Helper()
	return must(t, l.env, in, l.program, slices.Concat(l.global, args)...)
}

// load takes an image into the store.
func (l libpod) load(t *testing.T, image layout, name string) {
	t.Helper()
	id := last(l.must(t, nil, "pull", "oci:"+image.dir), 1)
	l.must(t, nil, "tag", id, name)
}

func (l libpod) name() string { return l.program }

func (libpod) failed(code int) (int, string) { return code, fmt.Sprintf("exit status %d", code) }

// otherStage is what libpod prints about a stage that it begins while another stage is
// about to fail.
var otherStage = regexp.MustCompile(`(\n\[\d+/\d+\] STEP [^\n]*)+$`)

func (libpod) step(log string) string {
	log, _, _ = strings.Cut(log, "\nError: building at STEP")
	return otherStage.ReplaceAllString(log, "")
}

func (l libpod) build(t *testing.T, j job) outcome {
	t.Helper()
	dockerfile, context := j.files(t)
	args := slices.Concat(l.global, []string{"build", "--pull-never", "-f", dockerfile}, l.flags, j.flags(), []string{context})
	for try := 1; ; try++ {
		got := run(t, l.env, nil, l.program, args...)
		if !crashed(got.log) || try == 3 {
			return got
		}
		t.Logf("%s crashed, try %d:\n%s", l.program, try, got.log)
	}
}

// crashed reports whether a builder ended with a trace of its own goroutines, as buildah
// sometimes does if a stage has failed and the next has begun. Such a failure shows
// nothing about the Dockerfile.
func crashed(log string) bool {
	return strings.Contains(log, "\ngoroutine ") && strings.Contains(log, "\tgithub.com/containers/buildah/")
}

func (l libpod) image(t *testing.T, tag string) map[string][]byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	must(t, l.env, nil, "buildah", append(l.store, "push", "--disable-compression", tag, "oci-archive:"+path)...)
	return unpacked(t, path)
}

// A buildah is libpod's builder.
type buildah struct{ libpod }

// A podman is the engine with buildah in it.
type podman struct{ libpod }

// caching is podman with its cache of layers.
func (p podman) caching() podman {
	p.flags = []string{"--layers=true"}
	return p
}

// asDocker implements runner. Without limits of its own podman asks for more files
// and processes than a machine may allow.
func (p podman) asDocker(t *testing.T, dir string) []string {
	t.Helper()
	write(t, filepath.Join(dir, "docker"), "#!/bin/sh\nexec podman "+strings.Join(p.global, " ")+" \"$@\"\n")
	conf := filepath.Join(dir, "containers.conf")
	write(t, conf, "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n")
	return append(p.env, "CONTAINERS_CONF="+conf)
}

func TestCrashed(t *testing.T) {
	const trace = "Error: building at STEP \"RUN /assay\": exit status 4\npanic: x\n\ngoroutine 83 [running]:\n" +
		"created by github.com/containers/buildah/imagebuildah.(*Executor).Build.func3\n" +
		"\tgithub.com/containers/buildah/imagebuildah/executor.go:780 +0x34a\n"
	if !crashed(trace) {
		t.Error("a trace is not recognised")
	}
	if crashed("STEP 2/2: RUN /assay\nassay: FAIL, exit code 4: 1 of 2 findings fails, in 1 package\n") {
		t.Error("a log is taken for a trace")
	}
}
