package sqlite

import (
	"errors"
	"fmt"
	"io"

	"assay/inspect/readat"
)

// maxRecordHeader bounds the header of a record. The tables that are read have two and
// five columns, of at most nine header bytes each.
const maxRecordHeader = 64

// A column is the position of a value in a record.
type column struct {
	serial uint64 // its serial type, which includes the size
	offset int64
	size   int64
}

// columns returns the first n columns of a record.
func columns(record *io.SectionReader, n int) ([]column, error) {
	head := make([]byte, min(maxRecordHeader, record.Size()))
	if err := readat.Full(record, head, 0); err != nil {
		return nil, err
	}
	length, at := varint(head)
	if at == 0 || length > uint64(len(head)) || length < uint64(at) {
		return nil, fmt.Errorf("record with a header of %d bytes", length)
	}
	offset := int64(length)
	cols := make([]column, n)
	for i := range cols {
		serial, m := varint(head[at:length])
		if m == 0 {
			return nil, fmt.Errorf("record of %d columns, not %d", i, n)
		}
		at += m
		size, err := serialSize(serial)
		if err != nil {
			return nil, err
		}
		if size > record.Size()-offset {
			return nil, fmt.Errorf("column %d of %d bytes", i, size)
		}
		cols[i] = column{serial, offset, size}
		offset += size
	}
	return cols, nil
}

// serialSize returns how many bytes a value with a serial type has.
func serialSize(serial uint64) (int64, error) {
	switch serial {
	case 0, 8, 9: // null, the integers 0 and 1
		return 0, nil
	case 1, 2, 3, 4:
		return int64(serial), nil
	case 5:
		return 6, nil
	case 6, 7:
		return 8, nil
	case 10, 11:
		return 0, fmt.Errorf("column of unknown type %d", serial)
	}
	return int64(min(serial-12, 1<<62) / 2), nil
}

func (c column) isBlob() bool { return c.serial >= 12 && c.serial%2 == 0 }

// text returns a text of at most 64 bytes. It returns "" for any other value.
func (c column) text(record io.ReaderAt) (string, error) {
	if c.serial < 13 || c.serial%2 == 0 || c.size > 64 {
		return "", nil
	}
	b := make([]byte, c.size)
	err := readat.Full(record, b, c.offset)
	return string(b), err
}

// page returns a value that is a page number.
func (c column) page(record io.ReaderAt) (uint32, error) {
	switch {
	case c.serial == 9:
		return 1, nil
	case c.serial < 1 || c.serial > 6:
		return 0, errors.New("root page is not a number")
	}
	b := make([]byte, c.size)
	if err := readat.Full(record, b, c.offset); err != nil {
		return 0, err
	}
	var v uint64
	for _, d := range b {
		v = v<<8 | uint64(d)
	}
	if v > 1<<32-1 {
		return 0, fmt.Errorf("invalid root page %d", v)
	}
	return uint32(v), nil
}
