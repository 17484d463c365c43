package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"assay/service/advisory/load"
	"assay/service/exploit"
	"assay/service/feed/osv"
	"assay/service/store"
	"assay/verdict/hint"
)

func (d *daemon) importCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "import OSV records from folders, zip archives or single files, or the catalogs KEV and EPSS",
		ArgsUsage: "PATH…",
		Flags: storeFlags(
			&cli.StringFlag{Name: "source", Usage: "import as source `NAME`, and remove its earlier records that are missing from this import", Value: "import"},
			&cli.BoolFlag{Name: "add", Usage: "remove nothing: the records are only a part of the source"},
			&cli.BoolFlag{Name: "replace", Usage: "remove missing records even if they are most of the source"},
			&cli.BoolFlag{Name: "drop", Usage: "remove all records of the source, and import nothing"},
			&cli.BoolFlag{Name: "sample", Usage: "mark the records as a small set for demonstration; every verdict says so"},
		),
		Action: d.importPaths,
	}
}

// sourceNames matches the valid names of a source.
var sourceNames = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

func checkSource(name string) error {
	switch {
	case !sourceNames.MatchString(name):
		return hint.Errorf("a name has up to 64 characters of a to z, 0 to 9, dot, hyphen and underscore", "invalid --source %q", name)
	case name == osv.Name:
		return hint.Errorf("assayd update --mirror FOLDER reads a copy of the bucket", "--source %q is reserved for assayd update", name)
	case name == string(exploit.KEV) || name == string(exploit.EPSS):
		return hint.Errorf("KEV and EPSS files are recognised by their content", "--source %q is reserved for an exploit catalog", name)
	case known(name):
		return hint.Errorf("assayd update --mirror "+name+"=FOLDER reads a copy of the source", "--source %q is reserved for assayd update", name)
	}
	return nil
}

// checkImport returns an error for flags that contradict each other.
func checkImport(c *cli.Context, name string) error {
	if err := checkSource(name); err != nil {
		return err
	}
	switch {
	case c.Bool("drop") && (c.NArg() > 0 || c.Bool("add") || c.Bool("replace")):
		return hint.Errorf("assayd import --source NAME --drop", "--drop imports nothing")
	case c.Bool("add") && c.Bool("replace"):
		return hint.Errorf("--add removes nothing, --replace removes all missing records", "--add and --replace exclude each other")
	case c.NArg() == 0 && !c.Bool("drop"):
		return hint.Errorf("name a folder or zip of OSV records: assayd import DIR", "nothing to import")
	}
	return nil
}

// importPaths imports the records of all paths in one transaction, and then the
// exploit catalogs, each in its own.
func (d *daemon) importPaths(c *cli.Context) error {
	name := c.String("source")
	if err := checkImport(c, name); err != nil {
		return err
	}
	if c.Bool("drop") {
		return d.dropSource(c, name)
	}
	st, err := openStore(c)
	if err != nil {
		return err
	}
	defer st.Close()
	type list struct {
		path string
		exploit.List
	}
	var lists []list
	var paths []string
	var sources []*load.Source
	for _, path := range c.Args().Slice() {
		abs, err := filepath.Abs(path)
		if err != nil {
			return fmt.Errorf("import %q: %w", path, err)
		}
		l, err := listIn(abs)
		switch {
		case err == nil:
			lists = append(lists, list{path, l})
		case errors.Is(err, exploit.ErrNotList):
			paths, sources = append(paths, path), append(sources, load.Open(abs))
		default:
			return hint.Errorf("nothing was imported; the service keeps its previous data", "import %q: %w", path, err)
		}
	}
	if len(sources) > 0 {
		if err := d.importRecords(c, st, name, paths, sources); err != nil {
			return err
		}
	}
	for _, l := range lists {
		if err := d.keepList(c, st, l.path, l.List); err != nil {
			return err
		}
	}
	return nil
}

// importRecords imports the records of all paths as the records of a source.
func (d *daemon) importRecords(c *cli.Context, st store.Store, name string, paths []string, sources []*load.Source) error {
	im := store.Import{Origin: store.Origin{Source: name}, At: d.now(), Whole: !c.Bool("add"), Sample: c.Bool("sample")}
	if !c.Bool("replace") {
		im.MayRemove = func(missing, held int) error {
			if 2*missing <= held {
				return nil
			}
			return hint.Errorf("name all paths of a source in one command; use --source OTHER for another set of records, --add to remove nothing, --replace to remove what is missing",
				"%d of the %d records of source %q are missing from this import", missing, held, name)
		}
	}
	got, err := st.Import(c.Context, im, func(yield func(store.Record, error) bool) {
		for _, src := range sources {
			for r, err := range src.Records() {
				if !yield(r, err) {
					return
				}
			}
		}
	})
	if err != nil {
		next := cmp.Or(hint.Of(err), "nothing was imported; the service keeps its previous data")
		return hint.Errorf(next, "%w", err)
	}
	for _, src := range sources {
		for _, r := range src.Rejected() {
			fmt.Fprintf(d.stderr, "assayd: rejected: %s: %v\n", r.File, r.Err)
		}
		if more := src.Counts().Rejected - len(src.Rejected()); more > 0 {
			fmt.Fprintf(d.stderr, "assayd: rejected: %d more files\n", more)
		}
	}
	fmt.Fprintf(d.stdout, "%s: %d new, %d changed, %d unchanged, %d removed, %d rejected\n",
		strings.Join(paths, ", "), got.Added, got.Changed, got.Unchanged, got.Removed, got.Rejected)
	if err := st.AddEvent(c.Context, d.event(store.ActionImport, name,
		fmt.Sprintf("%s: %d new, %d changed, %d removed", strings.Join(paths, ", "), got.Added, got.Changed, got.Removed))); err != nil {
		return err
	}
	if got.Rejected > 0 && im.Whole {
		fmt.Fprintln(d.stderr, "assayd: nothing was removed: missing records may be among the rejected ones")
	}
	return nil
}

// dropSource removes all records of a source.
func (d *daemon) dropSource(c *cli.Context, name string) error {
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	sources, err := st.Sources(c.Context)
	if err != nil {
		return fmt.Errorf("drop: %w", err)
	}
	if !slices.ContainsFunc(sources, func(s store.Source) bool { return s.Origin.Source == name }) {
		return hint.Errorf("assayd status names the sources", "drop: unknown source %q", name)
	}
	none := func(func(store.Record, error) bool) {}
	got, err := st.Import(c.Context, store.Import{Origin: store.Origin{Source: name}, At: d.now(), Whole: true}, none)
	if err != nil {
		return fmt.Errorf("drop: %w", err)
	}
	fmt.Fprintf(d.stdout, "%s: %d removed\n", name, got.Removed)
	return st.AddEvent(c.Context, d.event(store.ActionDrop, name, fmt.Sprintf("%d removed", got.Removed)))
}

// listIn reads a file that is an exploit catalog, which it recognises by its content. It
// returns exploit.ErrNotList for any other path.
func listIn(path string) (exploit.List, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return exploit.List{}, exploit.ErrNotList // load returns a better error
	}
	f, err := os.Open(path)
	if err != nil {
		return exploit.List{}, err
	}
	defer f.Close()
	return exploit.Parse(f)
}

// keepList imports an exploit catalog in place of the one before. There is one source
// for each kind, whatever the path of the file.
func (d *daemon) keepList(c *cli.Context, st store.Store, path string, l exploit.List) error {
	kind := string(l.Kind)
	changed, err := st.KeepList(c.Context, store.Import{Origin: store.Origin{Source: kind}, At: d.now()}, store.List{
		Kind: kind, Published: l.Published, Entries: len(l.Entries), Body: l.Encode(),
	})
	if err != nil {
		return fmt.Errorf("import %q: %w", path, err)
	}
	what := "unchanged"
	if changed {
		what = "imported"
	}
	fmt.Fprintf(d.stdout, "%s: %s of %d vulnerabilities, %s\n", path, strings.ToUpper(kind), len(l.Entries), what)
	return st.AddEvent(c.Context, d.event(store.ActionImport, kind, fmt.Sprintf("%s: %d vulnerabilities, %s", path, len(l.Entries), what)))
}
