// Package cli implements the command line of assay: the flags, the sources of the token
// and of the service's address, the scan, the output, and the exit code.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	isatty "github.com/mattn/go-isatty"
	ucli "github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"assay/cli/argv"
	"assay/inspect"
	"assay/remote"
	"assay/remote/cyclonedx"
	"assay/verdict"
	"assay/verdict/hint"
)

// An Env holds what a run of assay takes from its process.
type Env struct {
	Args           []string // including the program's name
	LookupEnv      func(string) (string, bool)
	Environ        func() []string // may be nil; used to find variables by prefix
	Stdout, Stderr io.Writer
	Now            func() time.Time
	Version        string
}

// Exit codes.
const (
	codePass      = verdict.CodePass
	codeUnable    = verdict.CodeUnable
	codeUsage     = verdict.CodeUsage
	codeRefused   = verdict.CodeRefused
	codeFindings  = verdict.CodeFail
	codeUntrusted = verdict.CodeUntrusted
)

// Run runs the command line and returns the exit code. It returns within seconds after
// ctx is done or the --timeout of a scan has passed, even if a read of a file blocks for
// ever.
func Run(ctx context.Context, env Env) int {
	r := &run{env: env, code: codePass, grace: defaultGrace}
	return r.do(ctx)
}

func (r *run) do(ctx context.Context) int {
	r.stuck = make(chan error, 1)
	app := r.app()
	args, err := argv.Permute(r.env.Args, app, foreign)
	if err != nil {
		return r.fail(err)
	}
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(r.grace, func() { r.giveUp("interrupted", "run it again") })
	})
	defer stop()
	done := make(chan error, 1)
	go func() { done <- app.RunContext(ctx, args) }()
	select {
	case err = <-done:
		if err != nil {
			return r.fail(err)
		}
		return r.code
	case err := <-r.stuck:
		// --on-error warn does not apply: a file of the image could be the cause.
		verdict.WriteError(r.env.Stderr, err.Error(), hint.Of(err), codeUnable, codeUnable)
		return codeUnable
	}
}

// defaultGrace is how long a run may go on after it was cancelled.
const defaultGrace = 5 * time.Second

// A run is one run of assay.
type run struct {
	env  Env
	code int
	// warn is set by --on-error warn: a scan that could not finish does not fail.
	warn bool
	// grace is how long the run may go on after it was cancelled.
	grace time.Duration
	// stuck receives the reason to end the run while something does not return.
	stuck chan error

	// The service, the inventory and the verdict of a scan, for assay buildkit.
	server      string
	inventoried inspect.Inventory
	answer      verdict.Verdict
}

// giveUp ends the run. Only the first call counts.
func (r *run) giveUp(what, next string) {
	select {
	case r.stuck <- hint.Errorf(next, "%s", what):
	default:
	}
}

// Model returns the command line of assay without its actions, for a program that
// describes it.
func Model(version string) *ucli.App {
	return &ucli.App{
		Name:      "assay",
		Usage:     "fails the build of an image that has known vulnerabilities",
		UsageText: "assay [flags] [TOKEN]\nassay inventory [--output FILE] [flags]\nassay doctor [flags of a scan] [TOKEN]\nassay scanned --commit SHA [TOKEN]\nassay slot --show [FILE]",
		Description: "The token is taken from the argument, --token-file, /run/secrets/assay_token or ASSAY_TOKEN.\n" +
			"Exit codes: 0 passed, 1 could not finish, 2 usage, 3 token refused, 4 findings, 5 not to be trusted.",
		Version:                version,
		HideHelpCommand:        true,
		UseShortOptionHandling: true,
		Flags:                  append(scanFlags(), ucli.HelpFlag), // the library adds it only without a help command
		OnUsageError:           usageFrom,
		ExitErrHandler:         func(*ucli.Context, error) {},
		Commands: []*ucli.Command{
			command("inventory", "print what is installed as CycloneDX 1.6 JSON, without contacting the service", "", inventoryFlags()),
			command("doctor", "show what a scan would read and use, and what would go wrong", "[TOKEN]", scanFlags()),
			hidden(command("buildkit", "scan what BuildKit has built, as its SBOM generator", "", nil)),
			command("scanned", "fail unless the service has a passing scan of a commit", "[TOKEN]", flagsOf(func(o option) bool { return o.scanned })),
			command("version", "print the version", "", nil),
			command("help", "print this help, or the help of a command", "[COMMAND]", nil),
			command("slot", "print what assayd wrote into this binary, or into another file", "[FILE]", slotFlags()),
		},
	}
}

// app returns the command line with the actions of this run.
func (r *run) app() *ucli.App {
	app := Model(r.env.Version)
	app.Writer, app.ErrWriter = r.env.Stdout, r.env.Stderr
	app.Action = r.scan
	app.CommandNotFound = func(_ *ucli.Context, name string) { // --help NAME
		r.code = r.fail(unknownCommand(name))
	}
	actions := map[string]ucli.ActionFunc{
		"inventory": r.inventory, "doctor": r.doctor, "buildkit": r.buildkit, "scanned": r.scanned,
		"version": r.version, "help": r.help, "slot": r.slot,
	}
	for _, c := range app.Commands {
		c.Action = actions[c.Name]
	}
	return app
}

func command(name, usage, args string, flags []ucli.Flag) *ucli.Command {
	return &ucli.Command{
		Name: name, Usage: usage, ArgsUsage: args, Flags: flags,
		HideHelpCommand: true,
		OnUsageError:    usageFrom,
	}
}

// hidden leaves a command out of the help, because only programs call it.
func hidden(c *ucli.Command) *ucli.Command {
	c.Hidden = true
	return c
}

func usageFrom(_ *ucli.Context, err error, _ bool) error {
	return &argv.UsageError{What: err.Error(), Next: "assay --help lists the flags"}
}

// inventory is the action of assay inventory.
func (r *run) inventory(c *ucli.Context) error {
	if c.NArg() > 0 {
		return usage("assay inventory takes flags only", "unexpected argument %q", c.Args().First())
	}
	path := c.String("output")
	if c.IsSet("output") {
		if err := checkOutput(path); err != nil {
			return err
		}
	}
	inv, err := r.inspect(c)
	if err != nil {
		return err
	}
	if err := r.writeInventory(cmp.Or(path, "/dev/stdout"), func(w io.Writer) error {
		return cyclonedx.Encode(verdict.ASCII(w), cyclonedx.Scan{Inventory: inv, Client: r.client()})
	}); err != nil {
		return fmt.Errorf("write inventory: %w", err)
	}
	for _, p := range inv.ScanErrors {
		fmt.Fprintf(r.env.Stderr, "assay: not read: %s %s: %s\n", p.Kind, verdict.Clean("/"+p.Path), verdict.Clean(p.Err))
	}
	return nil
}

// version is the action of assay version.
func (r *run) version(c *ucli.Context) error {
	if c.NArg() > 0 {
		return usage("assay version takes no arguments", "unexpected argument %q", c.Args().First())
	}
	ucli.ShowVersion(c)
	return nil
}

func unknownCommand(name string) error {
	return usage(cmp.Or(foreignWords[name], "assay --help lists the commands"), "unknown command %q", name)
}

// help is the action of assay help.
func (r *run) help(c *ucli.Context) error {
	if c.NArg() == 0 {
		return ucli.ShowAppHelp(c)
	}
	name := c.Args().First()
	if c.App.Command(name) == nil {
		return unknownCommand(name)
	}
	return ucli.ShowCommandHelp(c, name)
}

// client returns the name of this program for the documents that it writes.
func (r *run) client() string { return "assay " + r.env.Version }

// note prints one line about something other than the verdict.
func (r *run) note(text string) {
	fmt.Fprintf(r.env.Stderr, "assay: note: %s\n", verdict.Clean(text))
}

func (r *run) inspect(c *ucli.Context) (inspect.Inventory, error) {
	opts := inspect.Options{Skip: c.StringSlice("skip")}
	if self, err := os.Executable(); err == nil {
		opts.Exclude = []string{self}
	} else if self, err := filepath.Abs(r.env.Args[0]); err == nil { // no /proc
		opts.Exclude = []string{self}
	}
	root := c.String("root")
	if err := checkRoot(root); err != nil {
		return inspect.Inventory{}, err
	}
	inv, err := inspect.Inspect(c.Context, root, opts)
	if err != nil {
		return inv, fmt.Errorf("inspect %q: %w", root, err)
	}
	return inv, nil
}

// scan is the action of assay without a command: the build step.
func (r *run) scan(c *ucli.Context) error {
	if err := checkWord(c); err != nil {
		return err
	}
	s, err := r.settings(c)
	if err != nil {
		return err
	}
	r.warn = s.onErrorWarn
	answered := false
	defer func() {
		if !answered {
			discard(s.outputs)
		}
	}()
	secret, err := findToken(c, r.env.LookupEnv, readTokenFile)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, s.timeout)
	defer cancel()
	c.Context = ctx
	defer time.AfterFunc(s.timeout+r.grace, func() {
		r.giveUp(fmt.Sprintf("the scan did not end within %s", s.timeout), "reading a file may hang; run assay doctor instead of the scan to see what is mounted")
	}).Stop()

	// Only the flag hides these notes. ASSAY_QUIET must not hide that another variable
	// was ignored.
	if !c.Bool("quiet") {
		for _, n := range append(s.notes, r.ignoredParameters()...) {
			r.note(n)
		}
		if secret.others != "" {
			r.note(secret.others)
		}
	}
	if !s.quiet && secret.note != "" {
		r.note(secret.note)
	}
	progress := r.progress(s.quiet)
	client, err := remote.New(r.remote(s, secret, func(text string) {
		progress("")
		if !s.quiet {
			r.note(text)
		}
	}))
	if err != nil {
		return err
	}
	progress("reading the filesystem")
	inv, err := r.inspect(c)
	if err != nil {
		return err
	}
	r.server, r.inventoried = s.server, inv
	progress(fmt.Sprintf("%d packages, asking %s", len(inv.Packages), s.server))
	result, err := client.Scan(ctx, cyclonedx.Scan{
		Inventory: inv, Options: s.options, Files: s.files, Client: r.client(), Modified: inspect.Modified(c.String("root"), inv),
	}, s.rendered()...)
	progress("")
	if err != nil {
		return err
	}
	answered = true
	r.answer = result.Verdict
	r.code = exitCode(r.answer, s.continueOnFailure)
	return r.print(result, s)
}

// remote returns the configuration of the client for the service.
func (r *run) remote(s settings, token secret, notice func(string)) remote.Config {
	return remote.Config{
		Server:    s.server,
		Token:     token.value,
		UserAgent: "assay/" + r.env.Version,
		Version:   r.env.Version,
		CAs:       s.cas,
		NoVerify:  s.noVerify,
		Timeout:   s.timeout,
		Notice:    notice,
		Now:       r.env.Now,
	}
}

// exitCode returns the exit code of a verdict. --continue-on-failure turns the code of
// findings into success, and no other code. It applies only if the user asked for it and
// the service accepted it.
func exitCode(v verdict.Verdict, continueOnFailure bool) int {
	if v.Decision.Code == codeFindings && continueOnFailure && v.Options.ContinueOnFailure {
		return codePass
	}
	return v.Decision.Code
}

// print writes the reports and the log. The log comes last, because builders repeat the
// last lines of a failed step.
func (r *run) print(result remote.Result, s settings) error {
	v := result.Verdict
	style := verdict.Style{
		Color:   isTerminal(r.env.Stdout) && !s.noColor,
		Width:   width(r.env.Stdout),
		Quiet:   s.quiet,
		Verbose: s.verbose,
		Exit:    r.code,
		Server:  s.server,
	}
	var failed error
	for _, o := range s.outputs {
		failed = errors.Join(failed, r.writeOutput(o, result))
	}
	log := r.env.Stdout
	if s.format != verdict.ReportText {
		failed = errors.Join(failed, r.writeOutput(output{s.format, "/dev/stdout"}, result))
		log, style.Tail = r.env.Stderr, true
		style.Color, style.Width = isTerminal(r.env.Stderr) && !s.noColor, width(r.env.Stderr)
	}
	if err := verdict.WriteText(log, v, style); err != nil {
		failed = errors.Join(failed, fmt.Errorf("write the log: %w", err))
	}
	// A report that could not be written turns success into a failure. It does not
	// replace the exit code of the findings.
	if failed != nil && r.code != codePass {
		fmt.Fprintf(r.env.Stderr, "assay: error: %s\n", verdict.Clean(failed.Error()))
		if next := hint.Of(failed); next != "" {
			fmt.Fprintf(r.env.Stderr, "hint: %s\n", verdict.Clean(next))
		}
		return nil
	}
	return failed
}

// progress returns a function that shows a text on a terminal, in place of the previous
// one. An empty text clears the line. In the log of a build the function does nothing.
func (r *run) progress(quiet bool) func(string) {
	if quiet || !isTerminal(r.env.Stderr) {
		return func(string) {}
	}
	return func(text string) {
		fmt.Fprintf(r.env.Stderr, "\r\x1b[K%s", text)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// width returns the columns of a terminal, or 0 if w is none.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// fail prints an error with its hint and returns the exit code.
func (r *run) fail(err error) int {
	code, next := classify(err)
	exit := code
	if code == codeUnable && r.warn {
		exit = codePass
	}
	if werr := verdict.WriteError(r.env.Stderr, err.Error(), next, code, exit); werr != nil && exit == codePass {
		return codeUnable
	}
	return exit
}
