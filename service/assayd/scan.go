package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	isatty "github.com/mattn/go-isatty"
	"github.com/urfave/cli/v2"

	"assay/cli/argv"
	"assay/cli/buildinfo"
	"assay/remote/cyclonedx"
	"assay/service/image"
	"assay/service/layer"
	"assay/service/layer/source"
	"assay/service/policy"
	"assay/service/policy/ruleset"
	"assay/service/report"
	"assay/service/report/formats"
	"assay/service/scan"
	"assay/service/snapshot"
	"assay/service/store"
	"assay/verdict"
	"assay/verdict/hint"
)

func (d *daemon) scanCommand() *cli.Command {
	var options []cli.Flag
	for _, o := range verdict.DeclaredOptions() {
		if o.Switch() {
			options = append(options, &cli.BoolFlag{Name: o.Name, Aliases: o.Aliases, Usage: o.Usage})
		} else if o.Name != "max-age" { // of the evaluator
			options = append(options, &cli.StringFlag{Name: o.Name, Aliases: o.Aliases, Usage: o.Usage})
		}
	}
	return &cli.Command{
		Name:      "scan",
		Usage:     "evaluate a finished image: one of a registry, an archive, or a folder in the OCI layout",
		ArgsUsage: "IMAGE|ARCHIVE|FOLDER",
		Description: "The verdict, the log and the exit codes are those of assay inside the image: 0 passed, 1 could not finish,\n" +
			"2 usage, 4 findings, 5 not to be trusted. The data is that of the data folder. Nothing is stored.\n" +
			"For a registry, the credentials are those of docker's or podman's configuration of the user.",
		OnUsageError: func(_ *cli.Context, err error, _ bool) error {
			return d.scanFailed(&argv.UsageError{What: err.Error(), Next: "assayd scan --help lists the flags"})
		},
		Flags: slices.Concat(evaluatorFlags(), storeFlags(), fetchFlags(), options, []cli.Flag{
			&cli.StringFlag{Name: "platform", Usage: "read the image for `OS/ARCH`; default: linux/amd64, or that of an image which has only one"},
			&cli.StringFlag{Name: "image", Usage: "read the image `NAME` of an archive that holds several"},
			&cli.StringSliceFlag{Name: "ignore-file", Usage: "accept the findings that `FILE` lists: .assayignore.yaml, .trivyignore, or Grype's configuration (repeatable)"},
			&cli.StringSliceFlag{Name: "vex", Usage: "apply the VEX statements in `FILE`: OpenVEX, CycloneDX or CSAF (repeatable)"},
			&cli.StringFlag{Name: "baseline", Usage: "tell findings of the base image apart: `FILE` is its inventory"},
			&cli.StringFlag{Name: "format", Usage: "print the report in this `FORMAT` to standard output: " + strings.Join(verdict.ReportNames(), ", "), Value: verdict.ReportText},
			&cli.StringSliceFlag{Name: "output", Usage: "write a report: `FORMAT=PATH` (repeatable)"},
			&cli.DurationFlag{Name: "timeout", Usage: "give up after this `TIME`", Value: 20 * time.Minute},
			&cli.BoolFlag{Name: "quiet", Usage: "print only the stable line and the verdict"},
			&cli.BoolFlag{Name: "verbose", Usage: "also list the findings that do not fail"},
		}),
		Action: func(c *cli.Context) error {
			err := d.scan(c)
			if _, ok := errors.AsType[exitError](err); err == nil || ok {
				return err
			}
			return d.scanFailed(err)
		},
	}
}

// An exitError ends the program with a code. What there is to say was printed.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// scanFailed prints the error of a scan as assay does, and returns its exit code.
func (d *daemon) scanFailed(err error) error {
	code, next := verdict.CodeUnable, hintOf(err)
	if e, ok := errors.AsType[*source.Error](err); ok {
		next = cmp.Or(next, e.Hint)
		if e.Kind == source.Malformed || e.Kind == source.Ambiguous {
			code = verdict.CodeUsage
		}
	}
	if _, ok := errors.AsType[*argv.UsageError](err); ok {
		code = verdict.CodeUsage
	}
	_ = verdict.WriteError(d.stderr, err.Error(), next, code, code)
	return exitError{code}
}

// A scanTask is a scan of an image as its flags say.
type scanTask struct {
	target  string
	options image.Options
	outputs []scanOutput
}

// A scanOutput is a report that --output asks for.
type scanOutput struct{ format, path string }

const maxScanFile = 16 << 20 // bytes of a file that a flag names

// scanTask reads the arguments. Its errors are those of the usage.
func newScanTask(c *cli.Context) (t scanTask, err error) {
	usage := func(next, format string, args ...any) error {
		return &argv.UsageError{What: fmt.Sprintf(format, args...), Next: next}
	}
	if c.NArg() != 1 || c.Args().First() == "" {
		return t, usage("assayd scan registry.example.com/shop:1, or assayd scan image.tar", "one image must be named")
	}
	t.target = c.Args().First()
	t.options = image.Options{Options: map[string]string{}, Discard: true}
	for _, o := range verdict.DeclaredOptions() {
		if !c.IsSet(o.Name) {
			continue
		}
		value := fmt.Sprint(c.Value(o.Name))
		if o.Switch() {
			value = strconv.FormatBool(c.Bool(o.Name))
		}
		if o.Name == "max-age" {
			continue
		}
		if !o.Set(new(verdict.Options), value) {
			return t, usage("it takes "+o.Takes(), "bad value %q for --%s", value, o.Name)
		}
		t.options.Options[o.Name] = value
	}
	if c.String("project") == "" {
		delete(t.options.Options, "project")
	}
	files := map[string][]string{cyclonedx.FileIgnore: c.StringSlice("ignore-file"), cyclonedx.FileVEX: c.StringSlice("vex")}
	if c.IsSet("baseline") {
		files[cyclonedx.FileBaseline] = []string{c.String("baseline")}
	}
	for _, kind := range []string{cyclonedx.FileIgnore, cyclonedx.FileVEX, cyclonedx.FileBaseline} {
		for _, path := range files[kind] {
			body, err := readScanFile(path, maxScanFile)
			if err != nil {
				return t, usage("name a file of at most 16 MiB", "read %s: %v", kind, err)
			}
			t.options.Files = append(t.options.Files, cyclonedx.File{Kind: kind, Name: path, Body: body})
		}
	}
	if _, ok := formats.Find(c.String("format")); !ok {
		return t, usage("it takes one of "+strings.Join(verdict.ReportNames(), ", "), "bad value %q for --format", c.String("format"))
	}
	for _, o := range c.StringSlice("output") {
		format, path, ok := strings.Cut(o, "=")
		if _, known := formats.Find(format); !ok || !known || path == "" {
			return t, usage("it takes FORMAT=PATH; the formats are "+strings.Join(verdict.ReportNames(), ", "), "bad value %q for --output", o)
		}
		t.outputs = append(t.outputs, scanOutput{format, path})
	}
	return t, nil
}

func readScanFile(path string, max int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > max {
		return nil, fmt.Errorf("%q is not a regular file of at most %d bytes", path, max)
	}
	return os.ReadFile(path)
}

// scan evaluates a finished image with the data of the data folder.
func (d *daemon) scan(c *cli.Context) (err error) {
	task, err := newScanTask(c)
	if err != nil {
		return err
	}
	f, err := fetcher(c, source.Private()...)
	if err != nil {
		return &argv.UsageError{What: err.Error(), Next: hint.Of(err)}
	}
	f.Lookup = source.DockerConfig
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	ctx, cancel := context.WithTimeoutCause(c.Context, c.Duration("timeout"), &image.TimeoutError{After: c.Duration("timeout")})
	defer cancel()
	defer func() {
		if c.Context.Err() == nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = hint.Errorf("give it more time with --timeout", "the scan did not end within %s", c.Duration("timeout"))
		}
	}()
	dir, done, err := scanFolder(os.TempDir(), d.now())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	img, closeImage, err := d.open(ctx, c, f, task.target, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeImage()) }()
	scanner := &image.Scanner{
		Dir: dir, Limits: layer.DefaultLimits(), AtOnce: 1, Timeout: c.Duration("timeout"), Client: "assayd " + buildinfo.Version(version),
		Evaluate: d.localEvaluate(c, st),
	}
	scanned, err := scanner.Scan(ctx, store.Token{}, img, task.options)
	if err != nil {
		return err
	}
	return d.printScan(c, task, scanned)
}

// open finds the image that an argument names.
func (d *daemon) open(ctx context.Context, c *cli.Context, f *source.Fetcher, target, dir string) (layer.Image, func() error, error) {
	if isLocal(target) {
		if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
			return layer.Image{}, nil, &argv.UsageError{What: fmt.Sprintf("%q does not exist", target), Next: "name an archive of docker save, or a folder in the OCI layout"}
		}
		return source.Archive{
			Path: target, Image: c.String("image"), Platform: c.String("platform"), Dir: dir, MaxBytes: layer.DefaultLimits().Bytes,
		}.Open(ctx)
	}
	if c.IsSet("image") {
		return layer.Image{}, nil, &argv.UsageError{What: "--image is for archives", Next: fmt.Sprintf("there is no file %q; leave --image out for an image of a registry", target)}
	}
	img, err := f.Registry(ctx, source.Request{Reference: target, Platform: c.String("platform")})
	if next := meantFile(target); err != nil && next != "" {
		err = hint.Errorf(next, "%w", err)
	} else if e, ok := errors.AsType[*source.Error](err); ok && e.Kind == source.Unauthorized {
		err = hint.Errorf(e.Hint+": sign in with docker login or podman login", "%w", err)
	}
	return img, func() error { return nil }, err
}

// isLocal reports whether an argument names a file or a folder and not an image of a registry.
// A folder that is no image does not hide one.
func isLocal(target string) bool {
	if filepath.IsAbs(target) || strings.HasPrefix(target, "./") || strings.HasPrefix(target, "../") {
		return true
	}
	info, err := os.Stat(target)
	if err != nil {
		return false
	}
	if !info.IsDir() {
		return true
	}
	for _, name := range []string{"index.json", "manifest.json"} {
		if _, err := os.Stat(filepath.Join(target, name)); err == nil {
			return true
		}
	}
	return false
}

// meantFile returns a hint for the name of an image that was perhaps meant as a file or a folder,
// or an empty string.
func meantFile(target string) string {
	if info, err := os.Stat(target); err == nil && info.IsDir() {
		return fmt.Sprintf("the folder %q has neither index.json nor manifest.json, so this is taken for the name of an image", target)
	}
	for _, extension := range []string{".tar", ".tgz", ".gz", ".zst"} {
		if strings.HasSuffix(target, extension) {
			return fmt.Sprintf("there is no file %q, so this is taken for the name of an image", target)
		}
	}
	return ""
}

// scanFolderName is how the name of a temporary folder for an image begins.
const scanFolderName = "assayd-scan-"

// scanFolder makes a temporary folder, which done removes, and removes those that killed
// processes have left.
func scanFolder(temp string, now time.Time) (dir string, done func() error, err error) {
	removeOldFolders(temp, scanFolderName, now)
	if dir, err = os.MkdirTemp(temp, scanFolderName); err != nil {
		return "", nil, fmt.Errorf("make a folder for the image: %w", err)
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("make a folder for the image: %w", err), os.RemoveAll(dir))
	}
	return dir, func() error { return errors.Join(image.RemoveAll(dir), unlock()) }, nil
}

// currentIndex returns an index of the current data: that of the data folder if no process
// serves from it, which is fast, or else a temporary one.
func (d *daemon) currentIndex(ctx context.Context, c *cli.Context, st store.Store) (*snapshot.DB, func() error, error) {
	unlock, err := lockData(c)
	if errors.Is(err, store.ErrLocked) {
		head, err := st.Head(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("read the state of the data: %w", err)
		}
		return indexOf(ctx, st, head.Seq)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("lock %q: %w", c.String("data"), err)
	}
	log := slog.New(slog.NewTextHandler(d.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	index, err := openIndex(ctx, c, log, st, &problemState{}, &buildTime{})
	if err != nil {
		return nil, nil, errors.Join(err, unlock())
	}
	return index, func() error { return errors.Join(index.Close(), unlock()) }, nil
}

// localEvaluate returns a function that evaluates a document with the data and the policy of
// the data folder. It stores nothing.
func (d *daemon) localEvaluate(c *cli.Context, st store.Store) image.Evaluate {
	return func(ctx context.Context, t store.Token, document []byte, _ bool) (kept store.Scan, v verdict.Verdict, err error) {
		s, err := scan.Read(document)
		if err != nil {
			return kept, v, fmt.Errorf("decode the inventory: %w", err)
		}
		index, discard, err := d.currentIndex(ctx, c, st)
		if err != nil {
			return kept, v, err
		}
		defer func() { err = errors.Join(err, discard()) }()
		view, err := index.View()
		if err != nil {
			return kept, v, fmt.Errorf("open the snapshot: %w", err)
		}
		defer view.Close()
		now := d.now()
		eval, err := d.localEvaluator(ctx, c, st, s, view, t)
		if err != nil {
			return kept, v, err
		}
		answer, err := eval.Answer(s, view, nil, view.Data(), now)
		if err != nil {
			return kept, v, err
		}
		return store.Scan{At: now, Request: document, Snapshot: answer.Data.Snapshot}, answer.Whole(), nil
	}
}

// localEvaluator returns the evaluator with the policy of the service.
func (d *daemon) localEvaluator(ctx context.Context, c *cli.Context, st store.Store, s cyclonedx.Scan, view *snapshot.View, t store.Token) (eval scan.Evaluator, err error) {
	if eval, err = evaluator(c); err != nil {
		return eval, err
	}
	all, err := st.Sources(ctx)
	if err != nil {
		return eval, fmt.Errorf("read the sources: %w", err)
	}
	eval.Sources = func() []policy.Source { return dataSources(all) }
	references := scan.References{Store: st}
	if eval.Baseline, err = references.Baseline(ctx, s.Files, func(store.Scan) bool { return true }, nil); err != nil {
		return eval, err
	}
	rules, err := (&ruleset.Current{Store: st}).Get(ctx)
	if err != nil || rules == nil {
		return eval, err
	}
	project := s.Option("project")
	eval.Policy = scan.PolicyFor(rules, s, project, t)
	eval.Ratchet, err = references.Ratchet(ctx, eval.Policy, project, d.now(), matching(view, d.now()))
	return eval, err
}

// printScan writes the reports and the log, and returns the exit code.
func (d *daemon) printScan(c *cli.Context, task scanTask, scanned image.Scanned) error {
	v := scanned.Verdict
	code := v.Decision.Code
	if code == verdict.CodeFail && c.Bool("continue-on-failure") && v.Options.ContinueOnFailure {
		code = verdict.CodePass
	}
	rendered := report.Scan{Verdict: v, Sent: scanned.Sent, At: scanned.Scan.At, Service: buildinfo.Version(version)}
	var failed error
	for _, o := range task.outputs {
		failed = errors.Join(failed, writeReport(o, rendered))
	}
	style := verdict.Style{Quiet: c.Bool("quiet"), Verbose: c.Bool("verbose"), Exit: code}
	log := d.stdout
	if name := c.String("format"); name != verdict.ReportText {
		format, _ := formats.Find(name)
		failed = errors.Join(failed, format.Render(d.stdout, rendered))
		log, style.Tail = d.stderr, true
	}
	_, noColor := os.LookupEnv("NO_COLOR")
	style.Color = isTerminal(log) && !noColor
	failed = errors.Join(failed, verdict.WriteText(log, v, style))
	if failed != nil {
		fmt.Fprintf(d.stderr, "assayd: error: %s\n", verdict.Clean(failed.Error()))
		code = cmp.Or(code, verdict.CodeUnable)
	}
	if code != 0 {
		return exitError{code}
	}
	return nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// writeReport writes a report to a file.
func writeReport(o scanOutput, s report.Scan) error {
	format, _ := formats.Find(o.format)
	var b bytes.Buffer
	if err := format.Render(&b, s); err != nil {
		return fmt.Errorf("write report %s: %w", o.format, err)
	}
	if err := os.WriteFile(o.path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write report %s: %w", o.format, err)
	}
	return nil
}
