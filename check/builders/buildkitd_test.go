package builders

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// A buildkitd is a standalone BuildKit, newer than Debian's. It keeps no images: an image
// that a job tags is written to a file, with full provenance, and the images that FROM
// names are read from a folder.
type buildkitd struct {
	client string
	addr   string
	dir    string            // holds the images that jobs made
	bases  map[string]layout // what FROM may name
}

// startBuildkitd starts the buildkitd of the folder bin with all its files below dir.
func startBuildkitd(t *testing.T, bin, dir, roots string) *buildkitd {
	t.Helper()
	b := &buildkitd{
		client: filepath.Join(bin, "buildctl"), addr: "unix://" + filepath.Join(dir, "b.sock"),
		dir: dir, bases: map[string]layout{},
	}
	startDaemon(t, filepath.Join(dir, "buildkitd.log"),
		func() bool { return run(t, nil, nil, b.client, "--addr", b.addr, "debug", "workers").code == 0 },
		append(os.Environ(), "SSL_CERT_FILE="+roots), filepath.Join(bin, "buildkitd"),
		"--addr", b.addr, "--root", filepath.Join(dir, "buildkit"), "--containerd-worker=false",
		"--oci-worker-net=host", "--oci-worker-binary", "runc")
	return b
}

func (*buildkitd) name() string                  { return "buildkitd 0.34" }
func (*buildkitd) failed(code int) (int, string) { return 1, fmt.Sprintf("exit code: %d", code) }
func (*buildkitd) step(log string) string        { return buildkitStep(log) }

func (b *buildkitd) build(t *testing.T, j job) outcome {
	t.Helper()
	dockerfile, context := j.files(t)
	args := []string{"--addr", b.addr, "build", "--progress", "plain", "--frontend", "dockerfile.v0",
		"--local", "dockerfile=" + filepath.Dir(dockerfile), "--local", "context=" + context}
	for name, l := range b.bases {
		args = append(args, "--oci-layout", file(name)+"="+l.dir, "--opt", "context:"+name+"=oci-layout://"+file(name)+"@"+l.digest)
	}
	for name, value := range j.args {
		args = append(args, "--opt", "build-arg:"+name+"="+value)
	}
	if j.secret != "" {
		args = append(args, "--secret", "id=assay_token,src="+j.secret)
	}
	if j.target != "" {
		args = append(args, "--opt", "target="+j.target)
	}
	if j.noCache {
		args = append(args, "--no-cache")
	}
	if j.output != "" {
		args = append(args, "--output", "type=local,dest="+j.output)
	}
	if j.tag != "" {
		args = append(args, "--opt", "attest:provenance=mode=max", "--output", "type=oci,name="+j.tag+",dest="+b.file(j.tag))
	}
	return run(t, os.Environ(), nil, b.client, args...)
}

func (b *buildkitd) image(t *testing.T, tag string) map[string][]byte {
	t.Helper()
	return unpacked(t, b.file(tag))
}

func (b *buildkitd) file(tag string) string { return filepath.Join(b.dir, tag+".tar") }
