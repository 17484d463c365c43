// Assayd is the service of assay. It stores public vulnerability data, and decides for
// each inventory whether the image has vulnerabilities that the policy forbids. This
// package has the flags and the wiring; each command is a file.
package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"assay/cli/argv"
	"assay/cli/buildinfo"
	"assay/service/httpserver"
	"assay/service/store"
	"assay/verdict/hint"
)

// version is set by the linker for a release.
var version string

func main() {
	fallbackRoots()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	d := &daemon{stdout: os.Stdout, stderr: os.Stderr, now: time.Now}
	err := d.run(ctx, os.Args)
	stop()
	if err != nil {
		if _, logged := errors.AsType[loggedError](err); logged {
			os.Exit(1)
		}
		if e, ok := errors.AsType[exitError](err); ok {
			os.Exit(e.code)
		}
		fmt.Fprintf(os.Stderr, "assayd: error: %v\n", err)
		if next := hintOf(err); next != "" {
			fmt.Fprintf(os.Stderr, "hint: %s\n", next)
		}
		os.Exit(1)
	}
}

// fallbackRoots makes the process trust the public authorities if the system has no root
// certificates, as in an image from scratch. Go uses the roots of the system or of
// SSL_CERT_FILE if there are any. It must be called only once.
func fallbackRoots() { x509.SetFallbackRoots(httpserver.PublicRoots()) }

// hintOf returns the hint of an error. Some errors of the store, which any command can
// return, have the same hint everywhere.
func hintOf(err error) string {
	next := hint.Of(err)
	switch {
	case next != "":
	case errors.Is(err, store.ErrDamaged):
		next = "stop assayd, then run: assayd repair"
	case errors.Is(err, store.ErrIncomplete):
		next = "run the same assayd copy again: it continues where it stopped"
	default:
		next = databaseHint(err)
	}
	return next
}

// A daemon has what the commands of assayd share.
type daemon struct {
	stdout, stderr io.Writer
	now            func() time.Time
}

// run executes a command line; args[0] is the name of the program.
func (d *daemon) run(ctx context.Context, args []string) error {
	app := d.app()
	if err := checkCommand(args, app.Commands); err != nil {
		return err
	}
	permuted, err := argv.Permute(args, app, nil)
	if err != nil && len(args) > 1 && args[1] == "scan" {
		return d.scanFailed(err) // with the exit code of assay
	}
	if err != nil {
		return err
	}
	return app.RunContext(ctx, permuted)
}

// checkCommand returns an error for a word of args in the place of a command that is not
// a command.
func checkCommand(args []string, commands []*cli.Command) error {
	path := "assayd"
	for _, a := range args[min(1, len(args)):] {
		if len(commands) == 0 {
			return nil
		}
		if strings.HasPrefix(a, "-") {
			continue
		}
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(a) })
		if i < 0 {
			return hint.Errorf(path+" --help lists the commands", "unknown command %q", a)
		}
		path += " " + a
		commands = commands[i].Subcommands
	}
	return nil
}

func (d *daemon) app() *cli.App {
	return &cli.App{
		Name:                 "assayd",
		Usage:                "reports which known vulnerabilities an image has",
		Version:              buildinfo.Version(version),
		HideHelpCommand:      true,
		EnableBashCompletion: false,
		Writer:               d.stdout,
		ErrWriter:            d.stderr,
		ExitErrHandler:       func(*cli.Context, error) {},
		Commands: []*cli.Command{
			d.serveCommand(),
			d.readyCommand(),
			d.importCommand(),
			d.updateCommand(),
			d.tokenCommand(),
			d.auditCommand(),
			d.statusCommand(),
			d.scanCommand(),
			d.replayCommand(),
			d.revokeLinkCommand(),
			d.explainCommand(),
			d.scansCommand(),
			d.policyCommand(),
			d.compareCommand(),
			d.verifyCommand(),
			d.verifyDataCommand(),
			d.repairCommand(),
			d.migrateCommand(),
			d.pruneCommand(),
			d.copyCommand(),
			d.backupCommand(),
			d.restoreCommand(),
			d.bundleCommand(),
			d.completionCommand(),
			d.manCommand(),
		},
	}
}

// publicURLFile is a file with the address that serve was last started with. token
// create prints it.
const publicURLFile = "public-url"

func publicURL(dataDir string) string {
	b, err := os.ReadFile(filepath.Join(dataDir, publicURLFile))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
