package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"assay/testdata/pkgdb"
)

const (
	syftVersion  = "v1.57.0"
	syftPackage  = "github.com/anchore/syft/cmd/syft"
	trivyVersion = "v0.74.0"
	trivyPackage = "github.com/aquasecurity/trivy/cmd/trivy"
)

// A peer is a program that prints the packages of a root as CycloneDX.
type peer struct {
	tool string
	args []string // the root's path is appended to the last
}

// peers returns assay, Syft and Trivy, which are asked for what the databases of
// the operating system hold.
func peers(ctx context.Context, c config) ([]peer, error) {
	syft, err := build(ctx, c.tools, "syft", syftPackage, syftVersion)
	if err != nil {
		return nil, err
	}
	trivy, err := build(ctx, c.tools, "trivy", trivyPackage, trivyVersion)
	if err != nil {
		return nil, err
	}
	cache, err := filepath.Abs(filepath.Join(c.tools, "trivy-cache"))
	if err != nil {
		return nil, err
	}
	return []peer{
		{"assay", []string{c.assay, "inventory", "--root="}},
		{"syft", []string{syft, "scan", "--quiet", "--output", "cyclonedx-json",
			"--override-default-catalogers", "dpkg-db-cataloger,apk-db-cataloger,rpm-db-cataloger", "dir:"}},
		{"trivy", []string{trivy, "rootfs", "--quiet", "--format", "cyclonedx", "--pkg-types", "os", "--offline-scan",
			"--skip-version-check", "--disable-telemetry", "--cache-dir", cache, ""}},
	}, nil
}

func (p peer) list(ctx context.Context, root string) (list, error) {
	args := append([]string(nil), p.args...)
	args[len(args)-1] += root
	out, err := output(ctx, []string{"SYFT_CHECK_FOR_APP_UPDATE=false"}, args[0], args[1:]...)
	if err != nil {
		return list{}, err
	}
	return parseCycloneDX(p.tool, out)
}

// A component is one of CycloneDX, as far as it is compared.
type component struct {
	Name, Version, PURL string
	Properties          []struct{ Name, Value string }
}

// parseCycloneDX returns the packages of operating systems in a document.
func parseCycloneDX(tool string, text []byte) (list, error) {
	l := newList(tool)
	var doc struct{ Components []component }
	if err := json.Unmarshal(text, &doc); err != nil {
		return l, err
	}
	for _, c := range doc.Components {
		row, ok, err := c.row()
		if err != nil {
			return l, fmt.Errorf("purl %q: %w", c.PURL, err)
		}
		if ok {
			l.add(row)
		}
	}
	return l, nil
}

// row returns the package that a component is. Assay and Syft write its source as
// the purl's "upstream", and leave out of it what equals the package's own; assay
// has properties for what cannot be written there, and Trivy for all.
func (c component) row() (row pkgdb.Row, ok bool, err error) {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(c.PURL, "pkg:"), "/")
	if kind != "deb" && kind != "apk" && kind != "rpm" || c.Name == "gpg-pubkey" {
		return row, false, nil
	}
	_, query, _ := strings.Cut(rest, "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		return row, false, err
	}
	row = pkgdb.Row{Name: c.Name, Version: c.Version, Arch: q.Get("arch")}
	if epoch := q.Get("epoch"); epoch != "" && !strings.Contains(row.Version, ":") {
		row.Version = epoch + ":" + row.Version
	}
	row.Source, row.SourceVersion = row.Name, row.Version
	upstream := q.Get("upstream")
	switch base, isFile := strings.CutSuffix(upstream, ".src.rpm"); {
	case isFile:
		if f := strings.Split(base, "-"); len(f) > 2 {
			row.Source, row.SourceVersion = strings.Join(f[:len(f)-2], "-"), strings.Join(f[len(f)-2:], "-")
		}
	case upstream != "":
		source, version, _ := strings.Cut(upstream, "@")
		row.Source = source
		if version != "" {
			row.SourceVersion = version
		}
	}
	c.properties(kind, &row)
	if kind == "rpm" { // no list names the epoch of the source
		if _, version, ok := strings.Cut(row.SourceVersion, ":"); ok {
			row.SourceVersion = version
		}
	}
	return row, true, nil
}

func (c component) properties(kind string, row *pkgdb.Row) {
	var version, release, epoch string
	for _, p := range c.Properties {
		switch p.Name {
		case "assay:name":
			row.Name = p.Value
		case "assay:version":
			row.Version = p.Value
		case "assay:arch":
			row.Arch = p.Value
		case "assay:source", "aquasecurity:trivy:SrcName":
			row.Source = p.Value
		case "assay:source-version":
			row.SourceVersion = p.Value
		case "aquasecurity:trivy:SrcVersion":
			version = p.Value
		case "aquasecurity:trivy:SrcRelease":
			release = p.Value
		case "aquasecurity:trivy:SrcEpoch":
			epoch = p.Value
		}
	}
	if version == "" {
		return
	}
	if row.SourceVersion = version; release != "" {
		row.SourceVersion += "-" + release
	}
	if epoch != "" {
		row.SourceVersion = epoch + ":" + row.SourceVersion
	}
}

// native asks the tool that the database belongs to, where it runs here.
func (s subject) native(ctx context.Context) (list, bool, error) {
	switch s.kind {
	case "dpkg":
		return s.dpkgQuery(ctx)
	case "rpm":
		return s.rpm(ctx)
	}
	return list{}, false, nil
}

// dpkgQuery asks Debian's own tool, which knows no folder status.d.
func (s subject) dpkgQuery(ctx context.Context) (list, bool, error) {
	l := newList("dpkg-query")
	dir := filepath.Join(s.root, "var/lib/dpkg")
	if _, err := os.Stat(filepath.Join(dir, "status")); err != nil {
		return l, false, nil
	}
	out, err := output(ctx, nil, "dpkg-query", "--admindir", dir, "-W",
		"-f", "${db:Status-Status}|${Package}|${Version}|${Architecture}|${source:Package}|${source:Version}\n")
	if err != nil {
		return l, false, err
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		if len(f) != 6 {
			return l, false, fmt.Errorf("dpkg-query: bad line %q", line)
		}
		switch f[0] {
		case "not-installed", "config-files", "half-installed":
		default:
			l.add(pkgdb.Row{Name: f[1], Version: f[2], Arch: f[3], Source: f[4], SourceVersion: f[5]})
		}
	}
	return l, true, nil
}

// rpm asks rpm, as Debian builds it: without a reader for ndb.
func (s subject) rpm(ctx context.Context) (list, bool, error) {
	l := newList("rpm")
	dir := filepath.Join(s.root, pkgdb.RPMDir)
	if _, err := os.Stat(filepath.Join(dir, "Packages.db")); err == nil {
		return l, false, nil
	}
	out, err := output(ctx, nil, "rpm", "--dbpath", dir, "-qa", "--qf",
		`%{NAME}|%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}|%{ARCH}|%{SOURCERPM}\n`)
	if err != nil {
		return l, false, err
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		if len(f) != 4 {
			return l, false, fmt.Errorf("rpm: bad line %q", line)
		}
		source := strings.Split(strings.TrimSuffix(f[3], ".src.rpm"), "-")
		if f[0] == "gpg-pubkey" || len(source) < 3 {
			continue
		}
		n := len(source) - 2
		l.add(pkgdb.Row{Name: f[0], Version: f[1], Arch: f[2],
			Source: strings.Join(source[:n], "-"), SourceVersion: strings.Join(source[n:], "-")})
	}
	return l, true, nil
}

// build returns the path of a program, which is built when it is not there. The
// Go command checks its source against the public checksum database. It is built
// in a module of its own: its requirements are none of the project's.
func build(ctx context.Context, tools, name, pkg, version string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(tools, name+"-"+version))
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, name)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	fmt.Fprintf(os.Stderr, "compare: building %s %s, once; this takes minutes\n", name, version)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module tools\n\ngo 1.26.0\n"), 0o644); err != nil {
		return "", err
	}
	// Trivy needs the new encoding/json of the standard library.
	env := []string{"CGO_ENABLED=0", "GOEXPERIMENT=jsonv2"}
	for _, args := range [][]string{
		{"get", "-C", dir, pkg + "@" + version},
		{"build", "-C", dir, "-trimpath", "-o", name + ".new", pkg},
	} {
		if _, err := output(ctx, env, "go", args...); err != nil {
			return "", err
		}
	}
	return program, os.Rename(program+".new", program)
}

func output(ctx context.Context, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("%s: %w\n%s", name, err, exit.Stderr)
	}
	return out, err
}
