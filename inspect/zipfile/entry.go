package zipfile

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Methods of compression that can be read.
const (
	methodStored   = 0
	methodDeflated = 8
)

// Bits of an entry's flags.
const (
	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3 // sizes and checksum follow the content
)

// An Entry is one member of an archive, as the archive describes it. All of it
// may be a lie.
type Entry struct {
	// Name is the name's bytes as they stand, at most 65,535 of them, in no
	// certain encoding. It may be absolute, climb ("../"), hold any byte and be
	// there twice: it is no path of a filesystem.
	Name string
	// Size is the number of bytes of the content, -1 where it is not known before
	// the content was read.
	Size int64

	compressed int64 // bytes in the archive, -1 as for Size
	offset     int64 // of the local header, from the archive's beginning
	crc        uint32
	method     uint16
	flags      uint16
}

// Stored reports whether the content stands in the archive as it is, neither
// compressed nor encrypted.
func (e Entry) Stored() bool {
	return e.method == methodStored && e.flags&flagEncrypted == 0
}

// Empty reports whether an entry has no content, as far as that is known before it
// was read. What has bytes in the archive is not empty, whatever its size is said to
// be.
func (e Entry) Empty() bool { return e.Size == 0 && e.compressed == 0 }

// readable returns an error for content that nothing here can decode.
func (e Entry) readable() error {
	switch {
	case e.flags&flagEncrypted != 0:
		return fmt.Errorf("entry %q: encrypted", short(e.Name))
	case e.method != methodStored && e.method != methodDeflated:
		return fmt.Errorf("entry %q: compression method %d is not supported", short(e.Name), e.method)
	}
	return nil
}

// short cuts a name to what an error may carry.
func short(name string) string {
	const most = 200
	if len(name) <= most {
		return name
	}
	return name[:most] + "…"
}

const (
	zip64Extra = 0x0001     // the extra field with 64-bit values
	zip64Mark  = 0xffffffff // a 32-bit value that stands there
)

var errExtra = errors.New("64-bit sizes are missing or out of range")

// widen replaces each of the fields that says so by its 64-bit value in the extra
// field, where they stand in the order of fields.
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
