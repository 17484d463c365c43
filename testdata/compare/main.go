// Compare holds what assay reads from package databases beside what others read
// from the same: the lists of the test data, dpkg-query and rpm, Syft and Trivy.
// What is compared of a package is its name, version and architecture, and the
// name and version of its source package.
//
// The judge of a root, which is one of Debian's, is dpkg-query, and that of a
// database of the test data, which is laid out as a root, its list. Every difference has to have its entry in the table of
// docs/inventory.md, and every entry a difference, or compare fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"assay/testdata/pkgdb"
)

func main() {
	var c config
	flag.StringVar(&c.assay, "assay", "dist/assay", "the `program` to compare")
	flag.StringVar(&c.tools, "tools", "dist/tools", "`folder` that keeps what was built for it")
	flag.StringVar(&c.entries, "entries", "docs/inventory.md", "`file` with the table of differences")
	flag.StringVar(&c.testdata, "testdata", os.Getenv("TESTDATA"), "`folder` of the test data; ../shared/data if empty")
	flag.Func("root", "a Debian `root` to read; may be repeated", func(root string) error {
		c.roots = append(c.roots, root)
		return nil
	})
	flag.Parse()
	if c.testdata == "" {
		c.testdata = filepath.Join("..", "shared", "data")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, c); err != nil {
		fmt.Fprintf(os.Stderr, "compare: %v\n", err)
		os.Exit(1)
	}
}

type config struct {
	assay, tools, entries, testdata string
	roots                           []string
}

func run(ctx context.Context, c config) error {
	text, err := os.ReadFile(c.entries)
	if err != nil {
		return err
	}
	entries, err := parseEntries(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", c.entries, err)
	}
	peers, err := peers(ctx, c)
	if err != nil {
		return err
	}
	r := newReport(entries)
	for _, root := range c.roots {
		s := subject{name: filepath.Base(root), kind: "dpkg", root: root}
		lists, err := s.lists(ctx, peers, nil)
		if err != nil {
			return err
		}
		r.add(s.name, lists)
	}
	if err := compareDatabases(ctx, filepath.Join(c.testdata, "pkgdb"), peers, r); err != nil {
		return err
	}
	return r.print(os.Stdout)
}

// compareDatabases compares every database of the test data that has a list.
func compareDatabases(ctx context.Context, dir string, peers []peer, r *report) error {
	all, err := pkgdb.All(dir)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "assay-compare")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, d := range all {
		truth, err := d.Expected()
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		s := subject{name: d.String(), kind: d.Kind, root: filepath.Join(tmp, d.Kind, d.Name)}
		if err := d.Lay(s.root); err != nil {
			return err
		}
		if err := nameSystem(s.root, d.Kind); err != nil {
			return err
		}
		lists, err := s.lists(ctx, peers, truth)
		if err != nil {
			return err
		}
		r.add(s.name, lists)
	}
	return nil
}

// nameSystem gives a root that does not say which system it holds one that has
// such databases: without it Trivy reports no packages, and of Debian's without
// debian_version.
func nameSystem(root, kind string) error {
	files := map[string]string{"etc/os-release": "ID=centos\nVERSION_ID=8\n"}
	switch kind {
	case "dpkg":
		files = map[string]string{"etc/os-release": "ID=debian\nVERSION_ID=12\n", "etc/debian_version": "12.0\n"}
	case "apk":
		files = map[string]string{"etc/os-release": "ID=alpine\nVERSION_ID=3.11.6\n"}
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// A subject is a root whose packages are compared.
type subject struct {
	name, kind, root string
}

// lists returns the lists of all tools, that of the judge first: truth, or where
// that is nil the native tool's.
func (s subject) lists(ctx context.Context, peers []peer, truth []pkgdb.Row) ([]list, error) {
	native, ok, err := s.native(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	var lists []list
	if truth != nil {
		l := newList("the list")
		for _, row := range truth {
			l.add(row)
		}
		lists = append(lists, l)
	}
	if ok {
		lists = append(lists, native)
	}
	if len(lists) == 0 {
		return nil, fmt.Errorf("%s: nothing to compare with", s.name)
	}
	for _, p := range peers {
		l, err := p.list(ctx, s.root)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", s.name, p.tool, err)
		}
		lists = append(lists, l)
	}
	if len(lists[0].rows) == 0 && truth == nil {
		return nil, fmt.Errorf("%s: %s has no package", s.name, lists[0].tool)
	}
	return lists, nil
}

// A list is the packages that a tool found.
type list struct {
	tool string
	rows map[pkgdb.Row]bool
}

func newList(tool string) list { return list{tool, map[pkgdb.Row]bool{}} }

// add adds a package. Epoch 0 is no epoch: rpm compares both as the same, and not
// all tools keep the difference.
func (l list) add(r pkgdb.Row) {
	r.Version = strings.TrimPrefix(r.Version, "0:")
	r.SourceVersion = strings.TrimPrefix(r.SourceVersion, "0:")
	l.rows[r] = true
}
