// Assay lists the packages of a container image from inside its build, asks an assayd
// service whether they have known vulnerabilities, and fails the build if they do.
// docs/exit-codes.md describes its exit codes.
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
