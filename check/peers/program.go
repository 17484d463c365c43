// Package peers is shared by the programs that compare assay with other tools. It builds
// and runs those tools, and reads the tables of differences in the documentation.
package peers

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Build returns the path of a program of the Go package pkg. It builds the program in the
// folder tools if it is not there. The go command verifies the source with the public
// checksum database. The build has a module of its own, so that its requirements do not
// become those of the project.
func Build(ctx context.Context, tools, name, pkg, version string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(tools, name+"-"+version))
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, name)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	fmt.Fprintf(os.Stderr, "building %s %s; this takes minutes, but only the first time\n", name, version)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module tools\n\ngo 1.26.0\n"), 0o644); err != nil {
		return "", err
	}
	// Trivy needs the new encoding/json of the standard library.
	env := []string{"CGO_ENABLED=0", "GOEXPERIMENT=jsonv2"}
	for _, args := range [][]string{
		{"get", "-C", dir, pkg + "@" + version},
		{"build", "-C", dir, "-trimpath", "-o", name + ".new", pkg},
	} {
		if _, err := Output(ctx, env, nil, "go", args...); err != nil {
			return "", err
		}
	}
	return program, os.Rename(program+".new", program)
}

// BuildSource is like Build for a program of the project that uses the library of another
// tool. source is its text, and module and version are those of the library.
func BuildSource(ctx context.Context, tools, name, module, version string, source []byte) (string, error) {
	sum := sha256.Sum256(source)
	dir, err := filepath.Abs(filepath.Join(tools, fmt.Sprintf("%s-library-%s-%x", name, version, sum[:4])))
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, name)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	fmt.Fprintf(os.Stderr, "building a program with the library of %s %s; this takes minutes, but only the first time\n", name, version)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for file, text := range map[string][]byte{"go.mod": []byte("module tools\n\ngo 1.26.0\n"), "main.go": source} {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			return "", err
		}
	}
	for _, args := range [][]string{
		{"get", "-C", dir, module + "@" + version},
		{"mod", "tidy", "-C", dir, "-e"},
		{"build", "-C", dir, "-trimpath", "-o", name + ".new", "."},
	} {
		if _, err := Output(ctx, []string{"CGO_ENABLED=0"}, nil, "go", args...); err != nil {
			return "", err
		}
	}
	return program, os.Rename(program+".new", program)
}

// Syft returns the path of Syft, which it builds if necessary.
func Syft(ctx context.Context, tools string) (string, error) {
	return Build(ctx, tools, "syft", "github.com/anchore/syft/cmd/syft", "v1.57.0")
}

// OSVScanner returns the path of the newest osv-scanner that Go 1.26 can build. It builds
// it if necessary.
func OSVScanner(ctx context.Context, tools string) (string, error) {
	return Build(ctx, tools, "osv-scanner", "github.com/google/osv-scanner/v2/cmd/osv-scanner", "v2.5.1")
}

// Output runs a program and returns its standard output. env is added to the environment.
// An exit code other than 0 and those in good is an error, which contains the standard
// error of the program.
func Output(ctx context.Context, env []string, good []int, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if ok && slices.Contains(good, exit.ExitCode()) {
		return out, nil
	}
	if ok {
		return nil, fmt.Errorf("%s: %w\n%s", name, err, exit.Stderr)
	}
	return out, err
}
