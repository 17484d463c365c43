package zipfile

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The supported compression methods.
const (
	methodStored   = 0
	methodDeflated = 8
)

// Bits of the flags of an entry.
const (
	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3 // sizes and checksum follow the content
)

// An Entry is one member of an archive, as the archive describes it. None of it can be
// trusted.
type Entry struct {
	// Name is the raw name, of at most 65,535 bytes in an unknown encoding. It may be
	// absolute, contain "../" and any other bytes, and occur more than once: do not use
	// it as a filesystem path.
	Name string
	// Size is the size of the content in bytes, or -1 if it is unknown until the
	// content has been read.
	Size int64

	compressed int64 // bytes in the archive, or -1 like Size
	offset     int64 // of the local header, relative to the beginning of the archive
	crc        uint32
	method     uint16
	flags      uint16
}

// Stored reports whether the content is neither compressed nor encrypted.
func (e Entry) Stored() bool {
	return e.method == methodStored && e.flags&flagEncrypted == 0
}

// Empty reports whether an entry is known to have no content before it is read. An
// entry with bytes in the archive is not empty, whatever its Size is.
func (e Entry) Empty() bool { return e.Size == 0 && e.compressed == 0 }

// readable returns an error if the content cannot be decoded.
func (e Entry) readable() error {
	switch {
	case e.flags&flagEncrypted != 0:
		return fmt.Errorf("entry %q: encrypted", short(e.Name))
	case e.method != methodStored && e.method != methodDeflated:
		return fmt.Errorf("entry %q: compression method %d is not supported", short(e.Name), e.method)
	}
	return nil
}

// short cuts a name for use in an error.
func short(name string) string {
	const most = 200
	if len(name) <= most {
		return name
	}
	return name[:most] + "…"
}

const (
	zip64Extra = 0x0001     // the extra field with 64-bit values
	zip64Mark  = 0xffffffff // in place of a 32-bit value that is in the extra field
)

var errExtra = errors.New("64-bit sizes are missing or out of range")

// widen replaces the fields that have the value zip64Mark by the 64-bit values in the
// extra field, which are in the order of fields.
func widen(extra []byte, fields ...*int64) error {
	var values []byte
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		extra = extra[4:]
		if n > len(extra) {
			break
		}
		if id == zip64Extra {
			values = extra[:n]
			break
		}
		extra = extra[n:]
	}
	for _, f := range fields {
		if *f != zip64Mark {
			continue
		}
		if len(values) < 8 {
			return errExtra
		}
		v := binary.LittleEndian.Uint64(values)
		if v > 1<<62 {
			return errExtra
		}
		*f, values = int64(v), values[8:]
	}
	return nil
}
