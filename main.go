// Assay inventories the filesystem of a container image from inside its build,
// asks an assayd service whether it has known vulnerabilities, and fails the
// build when it has. Its exit codes are described in docs/exit-codes.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"assay/cli"
	"assay/cli/buildinfo"
	"assay/cli/environ"
)

// version is set by the linker for a release.
var version string

func main() {
	vars := environ.Take() // before anything reads a variable
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, cli.Env{
		Args:      os.Args,
		LookupEnv: vars.Lookup,
		Environ:   vars.Environ,
		Stdout:    os.Stdout,
		Stderr:    os.Stderr,
		Now:       time.Now,
		Version:   buildinfo.Version(version),
	})
	stop()
	os.Exit(code)
}
