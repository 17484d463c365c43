package builders

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A builder is one way to build a Dockerfile.
type builder interface {
	// name is the heading of its column in docs/builders.md.
	name() string
	// build builds in the host's network, where assayd listens on loopback.
	build(t *testing.T, j job) outcome
	// image returns the files of an image that a job tagged, layers as plain
	// tar: what a registry would get.
	image(t *testing.T, tag string) map[string][]byte
	// failed returns the exit code of the builder when a step ends with code,
	// and what it says then.
	failed(code int) (exit int, words string)
	// step returns what the last step printed.
	step(log string) string
}

// A job is one build.
type job struct {
	dockerfile string            // its text
	context    string            // the folder of the context; "" for an empty one
	args       map[string]string // build arguments
	secret     string            // the file of the secret assay_token, if any
	target     string            // the stage to build; "" for the last
	output     string            // the folder that gets the files of the stage, if any
	tag        string            // the name that the image gets, if any
	noCache    bool              // every step is run
}

// An outcome is how a build ended, and all that it printed.
type outcome struct {
	log  string
	code int
}

// files writes the job's Dockerfile, and returns its path and the context's.
func (j job) files(t *testing.T) (dockerfile, context string) {
	t.Helper()
	dir := t.TempDir()
	dockerfile = filepath.Join(dir, "Dockerfile")
	if err := os.WriteFile(dockerfile, []byte(j.dockerfile), 0o644); err != nil {
		t.Fatal(err)
	}
	if j.context != "" {
		return dockerfile, j.context
	}
	return dockerfile, dir
}

// flags are those of "docker build", which buildah and podman have as well.
func (j job) flags() []string {
	args := []string{"--network", "host"}
	for name, value := range j.args {
		args = append(args, "--build-arg", name+"="+value)
	}
	if j.secret != "" {
		args = append(args, "--secret", "id=assay_token,src="+j.secret)
	}
	if j.target != "" {
		args = append(args, "--target", j.target)
	}
	if j.output != "" {
		args = append(args, "--output", j.output)
	}
	if j.tag != "" {
		args = append(args, "--tag", j.tag)
	}
	if j.noCache {
		args = append(args, "--no-cache")
	}
	return args
}

// mustBuild runs a job that has to succeed.
func mustBuild(t *testing.T, b builder, j job) string {
	t.Helper()
	got := b.build(t, j)
	if got.code != 0 {
		t.Fatalf("exit code %d\n%s", got.code, last(got.log, 30))
	}
	return got.log
}

// wantFailed checks that a build failed because a step ended with code.
func wantFailed(t *testing.T, b builder, got outcome, code int) {
	t.Helper()
	exit, words := b.failed(code)
	if got.code != exit || !strings.Contains(got.log, words) {
		t.Fatalf("exit code %d, want %d, and %q in:\n%s", got.code, exit, words, got.log)
	}
}

// wantFindings checks that a build failed for its findings: the builder says
// code 4, and what it shows last of the step says why and what to do.
func wantFindings(t *testing.T, b builder, got outcome) {
	t.Helper()
	wantFailed(t, b, got, 4)
	tail := last(b.step(got.log), 10)
	for _, want := range []string{"\nassay: verdict=fail code=4 ", "\nfix: ", "\nassay: FAIL, exit code 4"} {
		if !strings.Contains(tail, want) {
			t.Errorf("%q is not in the last ten lines of the step:\n%s", want, tail)
		}
	}
}

var buildkitLine = regexp.MustCompile(`(?m)^#\d+ \d+\.\d+ (.*)$`)

// buildkitStep returns what the steps printed in a log of BuildKit's.
func buildkitStep(log string) string {
	var out strings.Builder
	for _, m := range buildkitLine.FindAllStringSubmatch(log, -1) {
		out.WriteString(m[1] + "\n")
	}
	return out.String()
}

// startDaemon starts a program that runs until the test ends, and waits until
// ready says that it answers.
func startDaemon(t *testing.T, log string, ready func() bool, env []string, name string, args ...string) {
	t.Helper()
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, out, out
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
	for !ready() {
		select {
		case <-ended:
		case <-deadline:
		case <-time.After(100 * time.Millisecond):
			continue
		}
		b, _ := os.ReadFile(log)
		t.Fatalf("%s does not answer; its log ends:\n%s", filepath.Base(name), last(string(b), 20))
	}
}

// run returns what a command printed and its exit code.
func run(t *testing.T, env []string, in io.Reader, name string, args ...string) outcome {
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
	return outcome{out.String(), cmd.ProcessState.ExitCode()}
}

// must runs a command that has to succeed and returns what it printed.
func must(t *testing.T, env []string, in io.Reader, name string, args ...string) string {
	t.Helper()
	got := run(t, env, in, name, args...)
	if got.code != 0 {
		t.Fatalf("%s %q: exit code %d\n%s", filepath.Base(name), args, got.code, got.log)
	}
	return got.log
}
