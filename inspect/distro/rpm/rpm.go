// Package rpm reads the databases of rpm in the three formats that rpm has used:
// Packages (Berkeley DB), Packages.db (ndb) and rpmdb.sqlite. Each contains the headers
// of the installed packages.
package rpm

import (
	"fmt"
	"io"
	"iter"

	"assay/inspect/distro/rpm/bdb"
	"assay/inspect/distro/rpm/header"
	"assay/inspect/distro/rpm/ndb"
	"assay/inspect/distro/rpm/sqlite"
)

const (
	// Kind is the kind of the evidence.
	Kind = "rpm"
	// Limit is how many bytes a database may have. That of a machine with 5,000
	// packages has 300 MiB.
	Limit = 1 << 30
	// WAL is the suffix of the write-ahead log of an SQLite database. The file may be
	// missing.
	WAL = "-wal"
	// Journal is the suffix of the rollback journal of an SQLite database. rpm uses a
	// write-ahead log and never leaves a journal.
	Journal = "-journal"
)

// BDBFiles are the paths where a Berkeley DB database may be.
func BDBFiles() []string { return files("Packages") }

// NDBFiles are the paths where an ndb database may be.
func NDBFiles() []string { return files("Packages.db") }

// SQLiteFiles are the paths where an SQLite database may be.
func SQLiteFiles() []string { return files("rpmdb.sqlite") }

// files returns the paths of a database with this name: the original path, the path on
// systems that keep nothing of their own in /var, and the path of rpm-ostree.
func files(name string) []string {
	return []string{
		"var/lib/rpm/" + name,
		"usr/lib/sysimage/rpm/" + name,
		"usr/share/rpm/" + name,
	}
}

// BDB yields the headers in the Berkeley DB database of size bytes in r. An error means
// that one or more headers could not be read; the other headers follow. A header is
// valid as long as r is.
func BDB(r io.ReaderAt, size int64) iter.Seq2[*header.Header, error] {
	if size > Limit {
		return tooLarge
	}
	return headers(bdb.Blobs(r, size))
}

// NDB is BDB for an ndb database.
func NDB(r io.ReaderAt, size int64) iter.Seq2[*header.Header, error] {
	if size > Limit {
		return tooLarge
	}
	return headers(ndb.Blobs(r, size))
}

// SQLite is BDB for an SQLite database and its write-ahead log. wal is nil if there is
// none.
func SQLite(r io.ReaderAt, size int64, wal io.ReaderAt, walSize int64) iter.Seq2[*header.Header, error] {
	if size > Limit || walSize > Limit {
		return tooLarge
	}
	return headers(sqlite.Blobs(r, size, wal, walSize))
}

func tooLarge(yield func(*header.Header, error) bool) {
	yield(nil, fmt.Errorf("database larger than %d bytes", Limit))
}

// headers parses the header in each blob.
func headers(blobs iter.Seq2[*io.SectionReader, error]) iter.Seq2[*header.Header, error] {
	return func(yield func(*header.Header, error) bool) {
		n := 0
		for blob, err := range blobs {
			var h *header.Header
			if err == nil {
				n++
				if h, err = header.Read(blob, blob.Size()); err != nil {
					err = fmt.Errorf("package %d of the database: %w", n, err)
				}
			}
			if !yield(h, err) {
				return
			}
		}
	}
}
