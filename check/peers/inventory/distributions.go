package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"assay/check/peers"
	"assay/check/testkit/pkgdb"
)

// compareDatabases compares every database of the test data that has a list.
func compareDatabases(ctx context.Context, dir, tmp string, tools []peer, r *report) error {
	all, err := pkgdb.All(dir)
	if err != nil {
		return err
	}
	for _, d := range all {
		truth, err := d.Expected()
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		typ := map[string]string{"dpkg": "deb"}[d.Kind]
		if typ == "" {
			typ = d.Kind
		}
		s := tree{name: d.String(), root: filepath.Join(tmp, d.Kind, d.Name), only: typ}
		if err := d.Lay(s.root); err != nil {
			return err
		}
		if err := peers.NameSystem(s.root, d.Kind); err != nil {
			return err
		}
		expected := rows{}
		for _, row := range truth {
			expected.add(row)
		}
		s.addReference(typ, list{"the list", expected})
		native, ok, err := nativeDatabase(ctx, d.Kind, s.root)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if ok {
			s.addReference(typ, native)
		}
		// osv-scanner does not name architectures and sources.
		if err := s.compare(ctx, tools[:3], r); err != nil {
			return err
		}
	}
	return nil
}

// nativeDatabase asks the native tool of a database. It is not ok if that does not run
// here.
func nativeDatabase(ctx context.Context, kind, root string) (list, bool, error) {
	switch kind {
	case "dpkg":
		return dpkgQuery(ctx, root)
	case "rpm":
		return rpm(ctx, root)
	}
	return list{}, false, nil
}

// dpkgQuery asks Debian's own tool, which does not read the folder status.d.
func dpkgQuery(ctx context.Context, root string) (list, bool, error) {
	l := list{"dpkg-query", rows{}}
	dir := filepath.Join(root, "var/lib/dpkg")
	if _, err := os.Stat(filepath.Join(dir, "status")); err != nil {
		return l, false, nil
	}
	out, err := output(ctx, "dpkg-query", "--admindir", dir, "-W",
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
			l.rows.add(pkgdb.Row{Name: f[1], Version: f[2], Arch: f[3], Source: f[4], SourceVersion: f[5]})
		}
	}
	return l, true, nil
}

// rpm asks rpm. The build of Debian does not read ndb.
func rpm(ctx context.Context, root string) (list, bool, error) {
	l := list{"rpm", rows{}}
	dir := filepath.Join(root, pkgdb.RPMDir)
	if _, err := os.Stat(filepath.Join(dir, "Packages.db")); err == nil {
		return l, false, nil
	}
	out, err := output(ctx, "rpm", "--dbpath", dir, "-qa", "--qf",
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
		l.rows.add(pkgdb.Row{Name: f[0], Version: f[1], Arch: f[2],
			Source: strings.Join(source[:n], "-"), SourceVersion: strings.Join(source[n:], "-")})
	}
	return l, true, nil
}
