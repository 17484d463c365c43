// Notices prints the licenses of everything that is linked into the packages it is given:
// of the Go standard library and of each module.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"assay/check/testkit/program"
)

func main() {
	tags := flag.String("tags", "", "build `tags`")
	program.Main("notices", func(ctx context.Context) error { return write(ctx, os.Stdout, *tags, flag.Args()) })
}

// A module is a source of linked packages.
type module struct {
	Path, Version, Dir string
	Main               bool
}

func write(ctx context.Context, w io.Writer, tags string, packages []string) error {
	modules, err := linked(ctx, tags, packages)
	if err != nil {
		return err
	}
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return fmt.Errorf("go env: %w", err)
	}
	dir, version, _ := strings.Cut(strings.TrimSpace(string(goroot)), "\n")
	modules = append([]module{{Path: "the Go standard library", Version: version, Dir: dir}}, modules...)
	fmt.Fprintf(w, "assay and assayd contain the following software.\n")
	for _, m := range modules {
		texts, err := licenses(m.Dir)
		if err != nil {
			return fmt.Errorf("%s %s: %w", m.Path, m.Version, err)
		}
		fmt.Fprintf(w, "\n%s\n%s %s\n", strings.Repeat("=", 80), m.Path, m.Version)
		for _, text := range texts {
			fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(text))
		}
	}
	return nil
}

// linked returns the modules of the packages and of all they import, sorted by path.
func linked(ctx context.Context, tags string, packages []string) ([]module, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-deps", "-tags", tags, "-json=Module"}, packages...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var modules []module
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct{ Module *module }
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("decode the output of go list: %w", err)
		}
		if p.Module != nil && !p.Module.Main && !slices.Contains(modules, *p.Module) {
			modules = append(modules, *p.Module)
		}
	}
	slices.SortFunc(modules, func(a, b module) int { return cmp.Compare(a.Path, b.Path) })
	return modules, nil
}

// licenses returns the texts of the license files in dir.
func licenses(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"},
			func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(b))
	}
	if len(texts) == 0 {
		return nil, errors.New("no license file")
	}
	return texts, nil
}
