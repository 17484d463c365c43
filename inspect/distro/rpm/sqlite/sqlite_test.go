package sqlite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit/rpmtest"
)

const pageSize = 512

// create has SQLite write a database of small pages with the rows.
func create(t testing.TB, rows ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rpmdb.sqlite")
	db := connect(t, path)
	defer db.Close()
	run(t, db, fmt.Sprintf("PRAGMA page_size=%d", pageSize),
		"CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
	for _, r := range rows {
		run(t, db, fmt.Sprintf("INSERT INTO Packages (blob) VALUES (x'%x')", r))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// page returns a page of a database with small pages.
func page(db []byte, number int) []byte { return db[(number-1)*pageSize : number*pageSize] }

func collect(db []byte) ([]string, []error) {
	var blobs []string
	var errs []error
	for blob, err := range Blobs(bytes.NewReader(db), int64(len(db)), nil, 0) {
		var b []byte
		if err == nil {
			b, err = rpmtest.Drain(blob)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		blobs = append(blobs, string(b))
	}
	return blobs, errs
}

func TestDamaged(t *testing.T) {
	// A leaf on page 2 and two overflow pages.
	rows := []string{"short", strings.Repeat("0123456789", 100)}
	leaf := create(t, rows...)
	// An interior page 2 with leaves.
	var many []string
	for i := range 12 {
		many = append(many, strings.Repeat(string(rune('a'+i)), 100))
	}
	tree := create(t, many...)
	one := create(t, strings.Repeat("0", 400))
	if page(leaf, 2)[0] != pageLeaf || len(leaf) != 4*pageSize || page(tree, 2)[0] != pageInterior || len(tree) != 5*pageSize {
		t.Fatal("SQLite wrote other pages")
	}
	cell := func(db []byte, number, i int) int { // where a cell of page 2 or of a leaf begins
		head := leafHeader
		if page(db, number)[0] == pageInterior {
			head = interiorHeader
		}
		return (number-1)*pageSize + int(binary.BigEndian.Uint16(page(db, number)[head+2*i:]))
	}
	const second, third = pageSize, 2 * pageSize
	for _, c := range []struct {
		name string
		db   []byte
		at   int
		data string
		want []string
		err  string // "" for no error
	}{
		{"leaf", leaf, 0, "", rows, ""},
		{"tree", tree, 0, "", many, ""},
		{"magic", leaf, 0, "X", nil, "magic \"XQLite format 3"},
		{"page size 0", leaf, 16, "\x00\x00", nil, "page size 0"},
		{"page size 513", leaf, 16, "\x02\x01", nil, "page size 513"},
		{"reserved", leaf, 20, "\xff", nil, "255 reserved bytes"},
		{"version", leaf, 19, "\x03", nil, "version 3"},
		{"fractions", leaf, 21, "\x41", nil, "fractions [65 32 32]"},
		{"UTF-16", leaf, 59, "\x02", nil, "text encoding 2"},
		{"pages beyond the end", leaf, 31, "\x05", rows, "file has 4 of 5 pages"},
		{"fewer pages", leaf, 31, "\x03", rows[:1], "overflow page 4: invalid page 4 of 4"},
		{"number of pages by another program", leaf, 27, "\x99\x00\x00\x00\x03", rows, ""},
		{"schema page", leaf, 100, "\x02", nil, "page 1: type 2"},
		{"schema cells", leaf, 103, "\xff\xff", nil, "page 1: 65535 cells"},
		{"other table", leaf, bytes.Index(leaf, []byte("Packages")), "X", nil, `no table "Packages"`},
		{"any case", leaf, bytes.Index(leaf, []byte("Packages")), "p", rows, ""},
		{"type", leaf, second, "\x0a", nil, "page 2: type 10, not of a table"},
		{"cells", leaf, second + 3, "\xff\xff", nil, "page 2: 65535 cells"},
		{"cell before the cells", leaf, second + 8, "\x00\x02", rows[1:], "cell 0 at 2"},
		{"cell at the end", leaf, second + 8, "\x01\xfd", rows[1:], "cell 0 at 509"},
		{"the same cell", leaf, second + 8, string(leaf[second+10 : second+12]), rows[1:], "overflow page 3: page 3 visited twice"},
		{"one cell three times", one, second + 3, "\x00\x03" + string(one[second+5:second+10]) + strings.Repeat(string(one[second+8:second+10]), 2),
			[]string{strings.Repeat("0", 400)}, "page 2: cells overlap"},
		{"size of a row", leaf, cell(leaf, 2, 1), "\xff\xff", rows[:1], "cell 1: row of"},
		{"record header", leaf, cell(leaf, 2, 0) + 2, "\x7f", rows[1:], "header of 127 bytes"},
		{"one column", leaf, cell(leaf, 2, 0) + 2, "\x02", rows[1:], "record of 1 columns"},
		{"column beyond the end", leaf, cell(leaf, 2, 0) + 4, "\x7e", rows[1:], "column 1 of 57 bytes"},
		{"text", leaf, cell(leaf, 2, 0) + 4, "\x15", rows[1:], "row without a blob"},
		{"column of no type", leaf, cell(leaf, 2, 0) + 4, "\x0b", rows[1:], "column of unknown type 11"},
		{"circle", leaf, third + 3, "\x03", rows[:1], "overflow page 3: page 3 visited twice"},
		{"chain to the table", leaf, third + 3, "\x02", rows[:1], "overflow page 2: page 2 visited twice"},
		{"chain beyond the end", leaf, third + 3, "\x09", rows[:1], "overflow page 9: invalid page 9 of 5"},
		{"end of the chain", leaf, third + 3, "\x00", rows[:1], "chain of 1 pages: unexpected EOF"},
		{"child is the root", tree, cell(tree, 2, 0) + 3, "\x02", many[4:], "page 2: page 2 visited twice"},
		{"child beyond the end", tree, cell(tree, 2, 0) + 3, "\x09", many[4:], "page 9: invalid page 9 of 6"},
		{"no child", tree, cell(tree, 2, 0) + 3, "\x00", many[4:], "page 0: invalid page 0"},
		{"last child is the schema", tree, second + 11, "\x01", many[:8], "page 1 visited twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := slices.Clone(c.db)
			copy(data[c.at:], c.data)
			blobs, errs := collect(data)
			if !slices.Equal(blobs, c.want) {
				t.Errorf("%q, want %q", blobs, c.want)
			}
			if c.err == "" && len(errs) > 0 || c.err != "" && (len(errs) != 1 || !strings.Contains(errs[0].Error(), c.err)) {
				t.Errorf("errors %v, want %q", errs, c.err)
			}
		})
	}
}

func TestEmpty(t *testing.T) {
	if blobs, errs := collect(nil); len(blobs) != 0 || len(errs) != 1 || errs[0].Error() != "empty file" {
		t.Errorf("%q, %v", blobs, errs)
	}
	if blobs, errs := collect(create(t)); len(blobs) != 0 || len(errs) != 0 {
		t.Errorf("%q, %v", blobs, errs)
	}
}

func TestVarint(t *testing.T) {
	for _, c := range []struct {
		in   string
		want uint64
		n    int
	}{
		{"", 0, 0}, {"\x81", 0, 0}, {"\x00", 0, 1}, {"\x7f", 127, 1}, {"\x81\x00", 128, 2},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1<<64 - 1, 9},
		{"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 128, 9},
		{"\xff\xff\xff\xff\xff\xff\xff\xff", 0, 0},
	} {
		if v, n := varint([]byte(c.in)); v != c.want || n != c.n {
			t.Errorf("%x: %d, %d", c.in, v, n)
		}
	}
}

func FuzzBlobs(f *testing.F) {
	small := create(f, "short", strings.Repeat("0123456789", 100))
	f.Add(small, []byte(nil))
	f.Add(create(f, slices.Repeat([]string{strings.Repeat("x", 100)}, 12)...), []byte("7\x7f\x06\x82"))
	db, path := begin(f, small)
	run(f, db, "INSERT INTO Packages (blob) VALUES (randomblob(1200))", "DELETE FROM Packages WHERE hnum = 1")
	s := snapshot(f, path)
	f.Add(s.db, s.wal)
	f.Add(s.db[:pageSize], s.wal)
	f.Fuzz(func(t *testing.T, data, log []byte) {
		db, wal := &rpmtest.Counter{Data: data}, &rpmtest.Counter{Data: log}
		size := int64(0)
		for blob, err := range Blobs(db, db.Size(), wal, wal.Size()) {
			if err != nil {
				continue
			}
			if b, err := rpmtest.Drain(blob); err == nil {
				if head := b[:min(len(b), 32)]; !bytes.Contains(data, head) && !bytes.Contains(log, head) && len(b) < pageSize-35 {
					t.Fatalf("blob of %d bytes that are not in the files", len(b))
				}
				size += blob.Size()
			}
		}
		all := db.Size() + wal.Size()
		if read := db.Read + wal.Read; size > all || read > 4*all+maxPage {
			t.Fatalf("%d bytes of blobs and %d read of %d", size, read, all)
		}
	})
}
