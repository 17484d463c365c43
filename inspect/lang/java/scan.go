package java

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strings"

	"assay/inspect/inventory"
	"assay/inspect/zipfile"
)

const (
	// maxDepth bounds the nesting of archives. A jar in a war in an ear has depth 2.
	maxDepth = 8
	// maxPackages bounds the packages of one file. The largest known, distributions in
	// one jar, have several hundred.
	maxPackages = 10_000
	// maxOpened bounds the entries of one file that are opened. Hundreds of libraries
	// in one file have a few each.
	maxOpened = 50_000
	// maxPlace bounds the path of a nested archive, in bytes.
	maxPlace = 1 << 10
	// maxPOM bounds the size of the files that Maven adds to an archive.
	maxPOM = 64 << 10
)

// A source is an archive that is read as a zipfile.Archive or a zipfile.Stream.
type source interface {
	Entries() iter.Seq2[zipfile.Entry, error]
	Open(zipfile.Entry, int64) (io.Reader, error)
}

// A place says where an archive is.
type place struct {
	name  string // path of the file
	where string // path inside the file on disk, "!/lib/inner.jar"; empty for that file itself
	depth int
}

// A scan reads one file and the archives nested in it.
type scan struct {
	path     string
	budget   *zipfile.Budget
	packages []inventory.Package
	problems problems
	opened   int
	over     bool // a bound has been reached; nothing more is read
}

// fail records why an archive was not read completely. A file that is not an archive is
// ignored if its extension is also used for other kinds of files.
func (s *scan) fail(at place, err error) {
	if errors.Is(err, zipfile.ErrNotZip) && shared(extension(at.name)) {
		return
	}
	if at.where != "" {
		err = fmt.Errorf("%s: %w", strings.TrimPrefix(at.where, "!/"), err)
	}
	s.problems.add(err)
	s.over = s.over || errors.Is(err, zipfile.ErrBudget)
}

// archive reads an archive and the archives nested in it.
func (s *scan) archive(a source, at place) {
	var c contents
	for e, err := range a.Entries() {
		if err != nil {
			s.fail(at, err)
			break
		}
		if err := s.entry(a, e, at, &c); err != nil {
			s.fail(at, err)
		}
		if s.over {
			break
		}
	}
	s.add(c.packages(at.name), at)
	if len(s.packages) < maxPackages {
		s.addJenkins(c.manifest, at)
	}
}

// entry reads an entry if it identifies packages or contains them.
func (s *scan) entry(a source, e zipfile.Entry, at place, c *contents) error {
	switch name := e.Name; {
	case strings.HasSuffix(name, "/"):
		return nil
	case strings.EqualFold(name, manifestName):
		if c.hasManifest {
			return nil
		}
		r, err := s.open(a, e, maxManifest)
		if err != nil {
			return err
		}
		c.hasManifest = true
		c.manifest, err = readManifest(r)
		return err
	case isPOM(name, "pom.properties"):
		r, err := s.open(a, e, maxPOM)
		if err != nil {
			return err
		}
		coordinates, err := readProperties(r)
		if coordinates.valid() {
			c.poms = append(c.poms, coordinates)
		}
		return err
	case isPOM(name, "pom.xml"):
		c.addPOMXML(name)
		return nil
	case !e.Empty() && isArchive(name):
		return s.nested(a, e, at)
	}
	return nil
}

// open opens an entry, unless too many have been opened.
func (s *scan) open(a source, e zipfile.Entry, limit int64) (io.Reader, error) {
	if err := s.count(); err != nil {
		return nil, err
	}
	return a.Open(e, limit)
}

// count counts an entry that is opened.
func (s *scan) count() error {
	if s.opened++; s.opened > maxOpened {
		s.over = true
		return fmt.Errorf("more than %d manifests, properties and archives", maxOpened)
	}
	return nil
}

// isPOM reports whether an entry is Maven's file with the name base. Maven puts it in
// META-INF/maven/GROUP/ARTIFACT; other tools omit a folder, or put everything below the
// folder of the classes.
func isPOM(name, base string) bool {
	folder, ok := strings.CutSuffix(name, base)
	if !ok {
		return false
	}
	folder, ok = strings.CutSuffix(folder, "/")
	return ok && (strings.HasPrefix(folder, "META-INF/") || strings.Contains(folder, "/META-INF/"))
}

// nested reads an archive in an archive. If it is stored uncompressed, it is read in
// place; otherwise its decompressed content is read once from beginning to end.
func (s *scan) nested(a source, e zipfile.Entry, at place) error {
	in := place{
		name:  inventory.Text(e.Name),
		depth: at.depth + 1,
	}
	if in.where = at.where + "!/" + in.name; len(in.where) > maxPlace {
		return fmt.Errorf("path of a nested archive has %d bytes", len(in.where))
	}
	if in.depth > maxDepth {
		return fmt.Errorf("%s: archives nested more than %d deep", in.name, maxDepth)
	}
	if outer, ok := a.(*zipfile.Archive); ok && e.Stored() {
		if err := s.count(); err != nil {
			return err
		}
		r, err := outer.Section(e)
		if err != nil {
			return err
		}
		inner, err := zipfile.Open(r, r.Size(), s.budget)
		if err != nil {
			s.fail(in, err)
		} else {
			s.archive(inner, in)
		}
		return nil
	}
	r, err := s.open(a, e, math.MaxInt64-1)
	if err != nil {
		return err
	}
	var first [1]byte
	switch _, err := io.ReadFull(r, first[:]); {
	case errors.Is(err, io.EOF): // its size is not always known in advance
		return nil
	case err != nil:
		return err
	}
	s.archive(zipfile.NewStream(io.MultiReader(bytes.NewReader(first[:]), r), s.budget), in)
	return nil
}

// add adds the packages of an archive.
func (s *scan) add(found []pack, at place) {
	for _, p := range found {
		if len(s.packages) >= maxPackages {
			if !s.over {
				s.fail(at, fmt.Errorf("more than %d packages", maxPackages))
				s.over = true
			}
			return
		}
		embedded := ""
		if at.where != "" || !p.own {
			embedded = s.path + at.where
		}
		s.packages = append(s.packages, inventory.Package{
			Type:       "maven",
			Name:       p.name(),
			Version:    p.version,
			Evidence:   []inventory.Evidence{{Path: s.path, Kind: Kind}},
			EmbeddedIn: embedded,
		})
	}
}
