// Package java finds the Java libraries that lie in a tree as jars, and those
// within them: packages of Maven. The Java runtime itself has none in its jars.
package java

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"assay/inspect/inventory"
	"assay/inspect/zipfile"
)

// Kind is the kind of the evidence.
const Kind = "java"

// Limit is how many bytes of an archive may be read. Of most, little more than
// the directory at its end is; what that costs is bounded by zipfile.BudgetFor.
const Limit = 16 << 30

// Read returns the packages of the archive of size bytes that r holds, and of
// those nested in it. Each has path, the archive's, as its evidence. EmbeddedIn
// is empty for the package that the archive itself is; for all others it is the
// archive that they lie in, "path" or "path!/lib/inner.jar".
//
// A package is called "group:artifact" where the archive says so. One without a
// group is unidentified: the archive has no coordinates, and name and version are
// what its manifest or its file's name tell.
//
// Packages that were found before an error are returned with it.
func Read(r io.ReaderAt, size int64, path string) ([]inventory.Package, error) {
	s := scan{path: path, budget: zipfile.BudgetFor(size)}
	at := place{name: path}
	if a, err := zipfile.Open(r, size, s.budget); err != nil {
		s.fail(at, err)
	} else {
		s.archive(a, at)
	}
	return s.packages, s.problems.err()
}

// ReadExecutable is Read for a file that is only a jar if it turns out to be one:
// an executable jar has a script before the archive, and its name needs no ending. A
// file that is no zip archive, or one without a manifest, has no packages.
func ReadExecutable(r io.ReaderAt, size int64, path string) ([]inventory.Package, error) {
	s := scan{path: path, budget: zipfile.BudgetFor(size)}
	a, err := zipfile.Open(r, size, s.budget)
	if errors.Is(err, zipfile.ErrNotZip) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	isJar := false
	for e, err := range a.Entries() {
		if err != nil {
			return nil, err
		}
		if isJar = strings.EqualFold(e.Name, manifestName); isJar {
			break
		}
	}
	if !isJar {
		return nil, nil
	}
	s.archive(a, place{name: path})
	return s.packages, s.problems.err()
}

// problems are the causes why parts of an archive were not read. The first are
// told, the others counted.
type problems struct {
	told  []string
	total int
}

const maxProblems = 5

func (p *problems) add(err error) {
	if p.total++; len(p.told) < maxProblems {
		p.told = append(p.told, err.Error())
	}
}

func (p *problems) err() error {
	switch text := strings.Join(p.told, "; "); {
	case p.total == 0:
		return nil
	case p.total > len(p.told):
		return fmt.Errorf("%s; and %d more", text, p.total-len(p.told))
	default:
		return errors.New(text)
	}
}
