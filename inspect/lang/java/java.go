// Package java finds the Java libraries, Maven packages, that are in a tree as jars or
// nested in jars. The jars of the Java runtime itself contain no packages.
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

// Limit is how many bytes of an archive may be read. Of most archives little more than
// the directory at the end is read; zipfile.BudgetFor bounds the cost.
const Limit = 16 << 30

// Read returns the packages of the archive of size bytes in r, and of the archives
// nested in it. The evidence of each is path, the path of the archive. EmbeddedIn is
// empty for the package that the archive itself is. For the others it is the archive
// that contains them, "path" or "path!/lib/inner.jar".
//
// A package is named "group:artifact" if the archive has its coordinates. A package
// without a group is unidentified: its name and version are taken from the manifest or
// the name of the file.
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

// ReadExecutable is Read for an executable file that may be a jar. An executable jar
// has a script in front of the archive and needs no extension. A file that is not a zip
// archive or has no manifest has no packages.
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

// problems are the reasons why parts of an archive were not read. The first ones are
// listed, the others counted.
type problems struct {
	listed []string
	total  int
}

const maxProblems = 5

func (p *problems) add(err error) {
	if p.total++; len(p.listed) < maxProblems {
		p.listed = append(p.listed, err.Error())
	}
}

func (p *problems) err() error {
	switch text := strings.Join(p.listed, "; "); {
	case p.total == 0:
		return nil
	case p.total > len(p.listed):
		return fmt.Errorf("%s; and %d more", text, p.total-len(p.listed))
	default:
		return errors.New(text)
	}
}
