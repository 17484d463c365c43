// Package sqlite reads the column blob of the table Packages of an SQLite database,
// rpm's rpmdb.sqlite, and its write-ahead log. It follows SQLite's description of the
// file format (https://www.sqlite.org/fileformat2.html). It writes nothing: no lock, no
// shared memory, no recovery. It does not read a rollback journal, because rpm uses a
// write-ahead log. The caller must check whether there is one.
package sqlite

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// table is the name of the table, as (hnum INTEGER PRIMARY KEY, blob BLOB).
const table = "Packages"

// maxSchema bounds the entries of the schema that are read. rpm's has 50.
const maxSchema = 10_000

// The columns of the tables that are read.
const (
	schemaType, schemaName, schemaRoot = 0, 1, 3
	packageBlob                        = 1
)

// Blobs yields the blobs of the database of size bytes in db, with the changes in the
// log of logSize bytes in log; log is nil if there is none. A blob is read on demand,
// so errors of its pages may occur while it is read. An error from Blobs is that of one
// page or one row; the others follow.
func Blobs(db io.ReaderAt, size int64, log io.ReaderAt, logSize int64) iter.Seq2[*io.SectionReader, error] {
	return func(yield func(*io.SectionReader, error) bool) {
		p, err := openPager(db, size, log, logSize)
		if err != nil {
			yield(nil, err)
			return
		}
		if p.cut != nil && !yield(nil, p.cut) {
			return
		}
		root, err := p.root()
		if err != nil {
			yield(nil, fmt.Errorf("schema: %w", err))
			return
		}
		p.rows(root, 1, func(record *io.SectionReader, err error) bool {
			if err != nil {
				return yield(nil, err)
			}
			return yield(blob(record))
		})
	}
}

// root returns the root page of the table.
func (p *pager) root() (uint32, error) {
	var root uint32
	var failed error
	seen := 0
	p.rows(1, 1, func(record *io.SectionReader, err error) bool {
		if err == nil {
			root, err = rootOf(record)
		}
		if failed == nil {
			failed = err
		}
		seen++
		return root == 0 && seen < maxSchema
	})
	switch {
	case root != 0:
		return root, nil
	case failed != nil:
		return 0, failed
	}
	return 0, fmt.Errorf("no table %q", table)
}

// rootOf returns the root page of the table if record is its entry in the schema, and 0
// otherwise.
func rootOf(record *io.SectionReader) (uint32, error) {
	cols, err := columns(record, schemaRoot+1)
	if err != nil {
		return 0, err
	}
	kind, err := cols[schemaType].text(record)
	if err != nil || kind != "table" {
		return 0, err
	}
	name, err := cols[schemaName].text(record)
	if err != nil || !strings.EqualFold(name, table) {
		return 0, err
	}
	return cols[schemaRoot].page(record)
}

// blob returns the blob in a row of the table.
func blob(record *io.SectionReader) (*io.SectionReader, error) {
	cols, err := columns(record, packageBlob+1)
	if err != nil {
		return nil, err
	}
	c := cols[packageBlob]
	if !c.isBlob() {
		return nil, errors.New("row without a blob")
	}
	return io.NewSectionReader(record, c.offset, c.size), nil
}
