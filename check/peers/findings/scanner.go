package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"assay/check/peers"
	"assay/service/index"
)

// A scanner is osv-scanner with the advisories of a folder, without a network.
type scanner struct {
	program, data string
}

// newScanner builds osv-scanner in the folder tools and links to the archives of osv, a
// folder in the layout of the public bucket, in the folder tmp.
func newScanner(ctx context.Context, tools, osv, tmp string) (*scanner, error) {
	program, err := peers.OSVScanner(ctx, tools)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(tmp, "osv-scalibr")
	if err := os.Mkdir(data, 0o755); err != nil {
		return nil, err
	}
	osv, err = filepath.Abs(osv)
	if err != nil {
		return nil, err
	}
	folders, err := os.ReadDir(osv)
	if err != nil {
		return nil, err
	}
	for _, f := range folders {
		if err := os.Symlink(filepath.Join(osv, f.Name()), filepath.Join(data, f.Name())); err != nil {
			return nil, err
		}
	}
	return &scanner{program, tmp}, nil
}

// evaluate runs osv-scanner on an input.
func (s *scanner) evaluate(ctx context.Context, in input) (evaluated, error) {
	args := []string{"--experimental-plugins=sbom/cdx", "--no-resolve", "--lockfile=" + in.bom}
	command := "source"
	if in.root != "" {
		image := filepath.Join(s.data, "image.tar")
		if err := writeImage(image, in.root); err != nil {
			return evaluated{}, err
		}
		command, args = "image", []string{"--experimental-plugins=os/dpkg,os/apk,os/rpm", "--archive", image}
	}
	args = append([]string{"scan", command, "--format=json", "--verbosity=error", "--offline", "--local-db-path=" + s.data,
		"--all-packages", "--all-vulns", "--experimental-no-default-plugins"}, args...)
	// 1: there are findings; 128: there are no packages.
	out, err := peers.Output(ctx, nil, []int{1, 128}, s.program, args...)
	if err != nil {
		return evaluated{}, err
	}
	return parseResults(out)
}

// parseResults reads the JSON that osv-scanner writes. Without packages it writes
// nothing.
func parseResults(text []byte) (evaluated, error) {
	var doc struct {
		Results []struct {
			Packages []struct {
				Package struct {
					Name, Version, Ecosystem string
					OSPackageName            string `json:"os_package_name"`
				}
				Vulnerabilities []record
			}
		}
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return evaluated{}, nil
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return evaluated{}, fmt.Errorf("parse results: %w", err)
	}
	var j evaluated
	for _, r := range doc.Results {
		for _, p := range r.Packages {
			about := pkg{p.Package.OSPackageName, p.Package.Version}
			if family, _, _ := strings.Cut(p.Package.Ecosystem, ":"); family == "AlmaLinux" || family == "Azure Linux" {
				about.version = cutEpoch(about.version)
			}
			if about.name == "" {
				about.name = index.NormalName(p.Package.Ecosystem, p.Package.Name)
			}
			j.packages++
			for _, v := range p.Vulnerabilities {
				for _, names := range v.vulnerabilities() {
					j.findings = append(j.findings, newFinding(about, names, v.ID))
				}
			}
		}
	}
	return j, nil
}
