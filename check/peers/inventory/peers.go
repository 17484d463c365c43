package main

import (
	"context"
	"os"
	"path/filepath"

	"assay/check/peers"
)

const (
	syftVersion    = "v1.57.0"
	syftPackage    = "github.com/anchore/syft/cmd/syft"
	scannerVersion = "v2.5.1"
	scannerPackage = "github.com/google/osv-scanner/v2/cmd/osv-scanner"
)

// A peer runs one program on a tree. It returns a tally for each way in which the program
// searches for packages.
type peer func(context.Context, tree) ([]tally, error)

// newPeers returns assay, Syft, Trivy and osv-scanner. They run without a network and keep
// their files in the folder tmp.
func newPeers(ctx context.Context, c config, tmp string) ([]peer, error) {
	syft, err := newSyft(ctx, c.tools)
	if err != nil {
		return nil, err
	}
	trivy, err := newTrivy(ctx, c.tools, filepath.Join(tmp, "trivy"))
	if err != nil {
		return nil, err
	}
	scanner, err := newScanner(ctx, c.tools, filepath.Join(tmp, "osv"))
	if err != nil {
		return nil, err
	}
	assay := func(ctx context.Context, s tree) ([]tally, error) {
		args := []string{"inventory", "--root", s.root}
		if s.skip != "" {
			args = append(args, "--skip", s.skip)
		}
		out, err := output(ctx, c.assay, args...)
		if err != nil {
			return nil, err
		}
		t := newTally("assay")
		return []tally{t}, readCycloneDX(out, t)
	}
	return []peer{assay, syft, trivy, scanner}, nil
}

// newSyft returns Syft with its readers of operating systems and languages. "syft" has the
// readers that it uses for images, which find installed packages, and "syft dir" those that
// it uses for folders by default. It runs twice, because its output names only one of the
// readers that find a package.
func newSyft(ctx context.Context, tools string) (peer, error) {
	program, err := peers.Build(ctx, tools, "syft", syftPackage, syftVersion)
	if err != nil {
		return nil, err
	}
	scan := func(ctx context.Context, s tree, t tally, catalogers string) error {
		args := []string{"scan", "--quiet", "--output", "cyclonedx-json",
			"--override-default-catalogers", catalogers, "--select-catalogers", "language,os"}
		if s.skip != "" {
			args = append(args, "--exclude", "./"+s.skip+"/**")
		}
		out, err := peers.Output(ctx, []string{"SYFT_CHECK_FOR_APP_UPDATE=false"}, nil, program, append(args, "dir:"+s.root)...)
		if err != nil {
			return err
		}
		return readCycloneDX(out, t)
	}
	return func(ctx context.Context, s tree) ([]tally, error) {
		image := newTally("syft")
		if err := scan(ctx, s, image, "image"); err != nil || s.system == "" {
			return []tally{image}, err
		}
		dir := newTally("syft dir")
		dir.languagesOnly = true
		return []tally{image, dir}, scan(ctx, s, dir, "directory")
	}, nil
}

// newTrivy returns Trivy, which keeps its files in the folder cache.
func newTrivy(ctx context.Context, tools, cache string) (peer, error) {
	scan, err := peers.NewTrivy(ctx, tools, cache)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, s tree) ([]tally, error) {
		var flags []string
		if s.skip != "" {
			flags = []string{"--skip-dirs", s.skip}
		}
		out, err := scan(ctx, s.root, append(flags, "--format", "cyclonedx")...)
		if err != nil {
			return nil, err
		}
		t := newTally("trivy")
		return []tally{t}, readCycloneDX(out, t)
	}, nil
}

// newScanner returns osv-scanner. "osv-scanner" is its preset for installed packages, and
// "osv-scanner dir" has the lock files that it reads by default. Its folder of advisories,
// data, is empty.
func newScanner(ctx context.Context, tools, data string) (peer, error) {
	program, err := peers.Build(ctx, tools, "osv-scanner", scannerPackage, scannerVersion)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	return func(ctx context.Context, s tree) ([]tally, error) {
		args := []string{"scan", "source", "--recursive", "--no-ignore", "--format", "json", "--verbosity", "error",
			"--offline", "--local-db-path", data, "--all-packages", "--no-resolve", "--allow-no-lockfiles",
			"--experimental-no-default-plugins", "--experimental-plugins", "artifact,lockfile"}
		if s.skip != "" {
			args = append(args, "--experimental-exclude", filepath.Join(s.root, s.skip))
		}
		// 127: it has no advisories.
		out, err := peers.Output(ctx, nil, []int{127}, program, append(args, s.root)...)
		if err != nil {
			return nil, err
		}
		installed, locked := newTally("osv-scanner"), newTally("osv-scanner dir")
		installed.languagesOnly, locked.languagesOnly = true, true
		return []tally{installed, locked}, readScanner(out, installed, locked)
	}, nil
}
