package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	ucli "github.com/urfave/cli/v2"

	"assay/remote/spdx"
)

// BuildKit sets these variables for an SBOM generator, as its protocol describes
// (docs/attestations/sbom-protocol.md of moby/buildkit).
const (
	scanPrefix      = "BUILDKIT_SCAN_"
	scanSource      = scanPrefix + "SOURCE"
	scanExtras      = scanPrefix + "SOURCE_EXTRAS"
	scanDestination = scanPrefix + "DESTINATION"
)

// A target is one tree that BuildKit has mounted for the generator.
type target struct {
	name string // for the log: "image", "stage build"
	path string
}

// A scanned target is the exit code and the log of its scan.
type scanned struct {
	target
	code int
	log  scanLog
}

// A scanLog collects the output of one scan. A scan that hangs is abandoned, and its
// goroutine may write later, so close ends the log.
type scanLog struct {
	mu     sync.Mutex
	text   bytes.Buffer
	closed bool
}

// Write appends to the log. It discards what is written after close.
func (l *scanLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return len(p), nil
	}
	return l.text.Write(p)
}

// close ends the log and returns its text.
func (l *scanLog) close() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return l.text.String()
}

// buildkit is the action of assay buildkit, the entry point of the generator image. It
// scans each tree that BuildKit has mounted, writes its inventory as SPDX, which BuildKit
// attaches to the image, and ends with the worst exit code.
func (r *run) buildkit(c *ucli.Context) error {
	if c.NArg() > 0 {
		return usage("pass options as parameters of the generator: generator=HOST/assay,FAIL_ON=critical", "unexpected argument %q", c.Args().First())
	}
	flags, err := parameters(r.environ())
	if err != nil {
		return err
	}
	targets, err := r.targets()
	if err != nil {
		return err
	}
	destination, _ := r.env.LookupEnv(scanDestination)
	var all []*scanned
	for _, t := range targets {
		s, err := r.scanTarget(c.Context, t, flags, destination)
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	// BuildKit repeats the last ten lines, so the worst tree is printed last.
	slices.SortStableFunc(all, func(a, b *scanned) int { return cmp.Compare(badness(a.code), badness(b.code)) })
	for _, s := range all {
		if len(all) > 1 {
			fmt.Fprintf(r.env.Stdout, "\nscan of the %s:\n", s.name)
		}
		if _, err := io.WriteString(r.env.Stdout, s.log.close()); err != nil {
			return fmt.Errorf("write the log: %w", err)
		}
		r.code = s.code
	}
	return nil
}

// badness orders exit codes from the best to the worst: a scan that did not happen is worse
// than findings.
func badness(code int) int {
	return slices.Index([]int{codePass, codeFindings, codeUntrusted, codeUnable, codeRefused, codeUsage}, code)
}

// parameters turns the parameters of the generator into flags of a scan. They come from the
// build command and not from the image, so they count as flags.
func parameters(environ []string) ([]string, error) {
	known := map[string]bool{} // whether the parameter needs a value
	for _, f := range flagsOf(func(o option) bool { return o.generator }) {
		_, isSwitch := f.(*ucli.BoolFlag)
		known[f.Names()[0]] = !isSwitch
	}
	seen := map[string]bool{}
	var flags []string
	for _, e := range environ {
		key, value, _ := strings.Cut(e, "=")
		name, ok := strings.CutPrefix(key, scanPrefix)
		if !ok || key == scanSource || key == scanExtras || key == scanDestination {
			continue
		}
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
		takesValue, ok := known[name]
		switch {
		case name == "type": // buildx passes its own "type=sbom"
			continue
		case name == "token":
			return nil, usage("log in to the registry with the token as password; BuildKit prints parameters into the log", "parameter %q contains a token", name)
		case !ok:
			return nil, usage("it takes "+strings.Join(slices.Sorted(maps.Keys(known)), ", "), "unknown parameter %q of the generator", name)
		case value == "" && !takesValue:
			// "STRICT" and "STRICT=$UNSET" cannot be distinguished here.
			return nil, usage("write it as NAME=true", "parameter %q of the generator has no value", name)
		case value == "": // an unset variable of the CI
			continue
		case seen[name]:
			return nil, usage("give it once", "parameter %q of the generator is given twice", name)
		}
		seen[name] = true
		flags = append(flags, "--"+name+"="+value)
	}
	slices.Sort(flags)
	return flags, nil
}

// targets returns the built image, and the stages and contexts that its Dockerfile adds to
// the scan.
func (r *run) targets() ([]target, error) {
	core, _ := r.env.LookupEnv(scanSource)
	if core == "" {
		return nil, usage("docker buildx build --attest type=sbom,generator=HOST/assay; in a RUN step use assay alone",
			"assay buildkit is run by BuildKit, which sets %s", scanSource)
	}
	targets := []target{{"image", core}}
	extras, _ := r.env.LookupEnv(scanExtras)
	if extras == "" {
		return targets, nil
	}
	entries, err := os.ReadDir(extras)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", scanExtras, err)
	}
	prefix := filepath.Base(core) + "-"
	for _, e := range entries {
		targets = append(targets, target{"stage " + strings.TrimPrefix(e.Name(), prefix), filepath.Join(extras, e.Name())})
	}
	return targets, nil
}

// scanTarget scans a tree as a RUN step would.
func (r *run) scanTarget(ctx context.Context, t target, flags []string, destination string) (*scanned, error) {
	s := &scanned{target: t}
	env := r.env
	env.Stdout, env.Stderr = &s.log, &s.log
	env.Args = slices.Concat([]string{r.env.Args[0], "--root=" + t.path}, flags)
	env.Environ = nil // its parameters have become flags
	scan := &run{env: env, code: codePass, grace: r.grace}
	s.code = scan.do(ctx)
	s.log.close()
	if s.code != codePass || destination == "" {
		return s, nil
	}
	return s, writeSPDX(filepath.Join(destination, filepath.Base(t.path)+".spdx.json"), spdx.Document{
		Name:      filepath.Base(t.path),
		Namespace: fmt.Sprintf("%s/api/v1/scans/%s", scan.server, cmp.Or(scan.answer.Scan, rand.Text())),
		Created:   r.env.Now(),
		Tool:      r.client(),
		Inventory: scan.inventoried,
	})
}

func writeSPDX(path string, d spdx.Document) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write the SBOM: %w", err)
	}
	return errors.Join(spdx.WriteStatement(f, d), f.Close())
}

// environ returns the environment of the process, if the caller of Run provides it.
func (r *run) environ() []string {
	if r.env.Environ == nil {
		return nil
	}
	return r.env.Environ()
}

// ignoredParameters returns notes about the variables of the generator protocol. A base
// image can set them for a scan that BuildKit did not start.
func (r *run) ignoredParameters() []string {
	var notes []string
	for _, e := range r.environ() {
		if key, _, _ := strings.Cut(e, "="); strings.HasPrefix(key, scanPrefix) {
			notes = append(notes, key+" is set and was ignored: only assay buildkit reads it")
		}
	}
	slices.Sort(notes)
	return notes
}
