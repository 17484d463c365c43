package bdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit/rpmtest"
)

const pageSize = 512

// build writes a little-endian database: one hash page with one inline item and one
// item in a chain of three overflow pages. Their values are inline and chained.
func build() []byte {
	le := binary.LittleEndian
	b := make([]byte, 5*pageSize)
	le.PutUint32(b[12:], hashMagic)
	le.PutUint32(b[16:], 9)
	le.PutUint32(b[20:], pageSize)
	b[25] = pageHashMeta
	le.PutUint32(b[32:], 4)

	hash := b[pageSize : 2*pageSize]
	le.PutUint32(hash[8:], 1)
	hash[25] = pageHash
	end := pageSize
	for i, item := range []string{
		"\x01\x00\x00\x00\x00", "\x01\xff\x00\x00\x00", // the counter of rpm
		"\x01\x01\x00\x00\x00", "\x01" + inline,
		"\x01\x02\x00\x00\x00", "\x03\x00\x00\x00\x02\x00\x00\x00\xe8\x03\x00\x00",
	} {
		end -= len(item)
		copy(hash[end:], item)
		le.PutUint16(hash[pageHeader+2*i:], uint16(end))
		le.PutUint16(hash[20:], uint16(i+1))
	}
	rest := []byte(chained)
	for n := 2; n <= 4; n++ {
		page := b[n*pageSize : (n+1)*pageSize]
		le.PutUint32(page[8:], uint32(n))
		page[25] = pageOverflow
		if n > 2 {
			le.PutUint32(page[12:], uint32(n-1))
		}
		if n < 4 {
			le.PutUint32(page[16:], uint32(n+1))
		}
		rest = rest[copy(page[pageHeader:], rest):]
	}
	return b
}

const inline = "inline"

var chained = strings.Repeat("0123456789", 100)

// collect returns the first 1000 bytes of each blob, and the errors.
func collect(data []byte) (blobs []string, failed error) {
	for blob, err := range Blobs(bytes.NewReader(data), int64(len(data))) {
		if err == nil {
			var b []byte
			b, err = rpmtest.Drain(io.NewSectionReader(blob, 0, min(blob.Size(), 1000)))
			if err == nil {
				blobs = append(blobs, string(b))
			}
		}
		failed = errors.Join(failed, err)
	}
	return blobs, failed
}

func TestDamaged(t *testing.T) {
	both, one := []string{inline, chained}, []string{inline}
	const hash, second, third = pageSize, 2 * pageSize, 3 * pageSize
	const item = second - (5 + 5 + 5 + 7 + 5 + 12) // the item that points to the chain
	for _, c := range []struct {
		name string
		at   int
		data string
		want []string
		err  string // "" for no error
	}{
		{"whole", 0, "", both, ""},
		{"magic", 12, "\x00", nil, "magic 00150600"},
		{"number of the metadata page", 8, "\x01", nil, "unexpected page number 1"},
		{"version", 16, "\x0a", nil, "version 10"},
		{"page size 0", 20, "\x00\x00\x00\x00", nil, "page size 0"},
		{"page size 513", 20, "\x01\x02\x00\x00", nil, "page size 513"},
		{"page size 128 KiB", 20, "\x00\x00\x02\x00", nil, "page size 131072"},
		{"type of the metadata page", 25, "\x09", nil, "metadata page: unexpected type 9"},
		{"encrypted", 24, "\x01", nil, "encryption"},
		{"checksums", 26, "\x01", nil, "checksums"},
		{"pages beyond the end", 32, "\x05", both, "file has 5 of 6 pages"},
		{"4 TiB of pages", 32, "\xfe\xff\xff\xff", both, "file has 5 of 4294967295 pages"},
		{"no last page", 32, "\xff\xff\xff\xff", nil, "last page 4294967295"},
		{"hash page unsorted", hash + 25, "\x02", both, ""},
		{"unknown page", hash + 25, "\x05", nil, "page 1: unexpected type 5"},
		{"number of the hash page", hash + 8, "\x03", nil, "page 1: unexpected page number 3"},
		{"odd items", hash + 20, "\x05", nil, "page 1: 5 items"},
		{"too many items", hash + 20, "\xf4\x01", nil, "page 1: 500 items"},
		{"item before the items", hash + 26 + 6, "\x10\x00", nil, "item 3 at 16"},
		{"item after the last", hash + 26 + 6, "\xff\x01", nil, "item 3 at 511"},
		{"item over its start", hash + 26 + 10, "\x40\x00", one, "item 5: unexpected item type 0"},
		{"duplicates", item + 12 + 5, "\x02", []string{chained}, "item 3: unexpected item type 2"},
		{"chain of no page", item + 4, "\x00", one, "unexpected EOF"},
		{"chain beyond the end", item + 4, "\x05", one, "page 5 of 5"},
		{"chain to the hash page", item + 4, "\x01", one, "overflow page 1: unexpected type 13"},
		{"length of the chain", item + 8, "\x01\x00\x00\x00", both, ""},
		{"used bytes", second + 22, "\xff\xff", both, ""},
		{"circle", third + 16, "\x02", one, "overflow: page 2 visited twice"},
		{"circle of one", second + 16, "\x02", one, "overflow: page 2 visited twice"},
		{"end of the chain", third + 16, "\x00", one, "chain of 2 pages: unexpected EOF"},
		{"type in the chain", third + 25, "\x0d", one, "overflow page 3: unexpected type 13"},
		{"number in the chain", third + 8, "\x04", one, "overflow page 3: unexpected page number 4"},
		{"page before", third + 12, "\x04", one, "overflow page 3: follows page 4, want 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := build()
			copy(data[c.at:], c.data)
			blobs, err := collect(data)
			if !slices.Equal(blobs, c.want) {
				t.Errorf("%q, want %q", blobs, c.want)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

// Two items that point to one chain are one value and an error.
func TestShared(t *testing.T) {
	data := build()
	le := binary.LittleEndian
	hash := data[pageSize : 2*pageSize]
	item := hash[le.Uint16(hash[pageHeader+10:]):][:overflowItem]
	end := int(le.Uint16(hash[pageHeader+10:])) - 5
	copy(hash[end:], "\x01\x03\x00\x00\x00")
	le.PutUint16(hash[pageHeader+12:], uint16(end))
	end -= copy(hash[end-overflowItem:], item)
	le.PutUint16(hash[pageHeader+14:], uint16(end))
	le.PutUint16(hash[20:], 8)
	blobs, err := collect(data)
	if !slices.Equal(blobs, []string{inline, chained}) || err == nil || !strings.Contains(err.Error(), "page 2 visited twice") {
		t.Errorf("%q, %v", blobs, err)
	}
}

func TestTruncated(t *testing.T) {
	data := build()
	for n := range data {
		blobs, err := collect(data[:n])
		if err == nil || len(blobs) > 1 && n < 4*pageSize {
			t.Fatalf("%d bytes: %d blobs, error %v", n, len(blobs), err)
		}
	}
}

func FuzzBlobs(f *testing.F) {
	f.Add(build())
	f.Add(rpmtest.Load(f, "scalibr-epoch-bdb").Data)
	big := rpmtest.Load(f, "ubi8-s390x-bdb-bigendian").Data[:3*4096]
	f.Add(slices.Clone(big))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &rpmtest.Counter{Data: data}
		for blob, err := range Blobs(c, c.Size()) {
			if err != nil {
				continue
			}
			// A chain normally ends before its bound.
			if b, err := rpmtest.Drain(blob); err == nil && !bytes.Contains(data, b[:min(len(b), 512-pageHeader)]) {
				t.Fatalf("blob of %d bytes that are not in the file", len(b))
			}
		}
		if c.Read > 3*c.Size()+maxPageSize {
			t.Fatalf("%d bytes read of %d", c.Read, c.Size())
		}
	})
}
