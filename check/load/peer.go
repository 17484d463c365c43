package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"assay/check/peers"
)

// peerScan measures a scan by osv-scanner with a whole data set: it reads the archives of
// the ecosystems of the inventory each time. The programs are built in the folder tools.
func peerScan(ctx context.Context, tools string, r *rig, d dataset) error {
	program, err := peers.OSVScanner(ctx, tools)
	if err != nil {
		return err
	}
	data := filepath.Join(r.dir, "peer")
	if err := split(d.Archives, filepath.Join(data, "osv-scalibr")); err != nil {
		return err
	}
	doc, err := debianDocument(r.bodies)
	if err != nil {
		return err
	}
	bom := filepath.Join(data, "bom.cdx.json")
	if err := os.WriteFile(bom, append(doc, '}'), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, "scan", "source", "--format=json", "--verbosity=error", "--offline", "--local-db-path="+data,
		"--all-packages", "--all-vulns", "--experimental-no-default-plugins", "--experimental-plugins=sbom/cdx", "--no-resolve", "--lockfile="+bom)
	start := time.Now()
	out, err := cmd.Output()
	took := time.Since(start)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() != 1 { // 1: there are findings
		return fmt.Errorf("osv-scanner: %w\n%s", err, exit.Stderr)
	} else if err != nil && !ok {
		return err
	}
	usage, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if usage == nil {
		return errors.New("the system does not report the memory of a process")
	}
	fmt.Printf("full: osv-scanner, one inventory of %d packages: %s, CPU %s, peak %d MiB, %d kB of results; load average %s\n",
		bytes.Count(doc, []byte(`"purl"`)), round(took), round(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()),
		usage.Maxrss>>10, len(out)/1000, loadAverage())
	return nil
}

// debianDocument returns the inventory with the most packages of those with Debian's
// packages only, for which osv-scanner needs one archive.
func debianDocument(bodies []body) (most []byte, err error) {
	packages := 0
	for _, b := range bodies {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		doc, err := io.ReadAll(z)
		if err != nil {
			return nil, err
		}
		all := bytes.Count(doc, []byte(`"purl":"pkg:`))
		if n := bytes.Count(doc, []byte(`"purl":"pkg:deb/debian/`)); n == all && n > packages {
			most, packages = doc, n
		}
	}
	if packages == 0 {
		return nil, errors.New("no inventory has Debian's packages only")
	}
	return most, nil
}

// split writes the records of archives to one archive for each ecosystem, in the layout of
// the public bucket.
func split(archives []string, dir string) (err error) {
	type target struct {
		file *os.File
		zip  *zip.Writer
	}
	targets := map[string]target{}
	defer func() {
		for _, t := range targets {
			err = errors.Join(err, t.zip.Close(), t.file.Close())
		}
	}()
	for _, path := range archives {
		in, err := zip.OpenReader(path)
		if err != nil {
			return err
		}
		for _, f := range in.File {
			names, err := ecosystems(f)
			if err != nil {
				return errors.Join(fmt.Errorf("%q in %q: %w", f.Name, path, err), in.Close())
			}
			for _, name := range names {
				t, ok := targets[name]
				if !ok {
					if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
						return errors.Join(err, in.Close())
					}
					if t.file, err = os.Create(filepath.Join(dir, name, "all.zip")); err != nil {
						return errors.Join(err, in.Close())
					}
					t.zip = zip.NewWriter(t.file)
					targets[name] = t
				}
				if err := t.zip.Copy(f); err != nil {
					return errors.Join(err, in.Close())
				}
			}
		}
		if err := in.Close(); err != nil {
			return err
		}
	}
	return nil
}

// ecosystems returns the names of the ecosystems of a record without their releases, each
// once.
func ecosystems(f *zip.File) (names []string, err error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var record struct {
		Affected []struct {
			Package struct{ Ecosystem string }
		}
	}
	if err := json.NewDecoder(r).Decode(&record); err != nil {
		return nil, err
	}
	for _, a := range record.Affected {
		name, _, _ := strings.Cut(a.Package.Ecosystem, ":")
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}
