// Package slot reads and writes a region of 4 KiB inside the client program. The service
// fills it when it serves the program. It holds the address of the service, the private CA
// that signed its certificate, and a string that changes when cached builds should run
// again. The region keeps its position and size. So filling it patches the program in
// place, and clearing it restores the bytes that were released and signed.
//
// The layout, with little-endian numbers:
//
//	 0  16  magic
//	16   4  version: 0 for an empty slot, 1 for this layout
//	20   4  length of the payload
//	24   4  CRC-32 (IEEE) of bytes 16 to 24 and of the payload
//	28   …  payload as JSON, and zeros to the end
//
// An empty slot has only the magic and zeros.
package slot

import (
	"bytes"
	_ "embed" // the region
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

const (
	// Size is the size of the region in bytes.
	Size = 4096

	version = 1
	header  = 28
	// MaxPayload is the size of the largest payload, as JSON, in bytes.
	MaxPayload = Size - header
)

// region is the slot of the running program. It is a variable, which is never assigned to,
// because its content in the program's file differs from what the compiler saw.
//
//go:embed slot.bin
var region string

// magic returns the magic from the region. It is nowhere else in the program, so that a
// search for it finds only the slot.
func magic() []byte { return []byte(region[:16]) }

// A Payload is the content of the slot. The zero value is an empty slot. Unknown fields are
// ignored.
type Payload struct {
	// Server is the address of the service, "https://assay.example.com".
	Server string `json:"server,omitempty"`
	// CA is the PEM bundle of the authorities that signed the service's certificate. It is
	// empty for a public authority.
	CA string `json:"ca,omitempty"`
	// Fresh changes when cached builds should run again. It has no other meaning.
	Fresh string `json:"fresh,omitempty"`
}

var (
	// ErrNotFound is returned for a program without a slot.
	ErrNotFound = errors.New("the program has no slot")
	// ErrAmbiguous is returned for a file that contains the magic more than once.
	ErrAmbiguous = errors.New("the program has more than one slot")
	// ErrDamaged is returned for a slot with a wrong checksum or layout.
	ErrDamaged = errors.New("the slot is damaged")
)

// Read returns the payload of the running program. It opens no file, so it needs neither
// /proc nor permission to read the program.
func Read() (Payload, error) { return Parse([]byte(region)) }

// Parse reads a region of Size bytes.
func Parse(region []byte) (Payload, error) {
	if len(region) != Size || !bytes.HasPrefix(region, magic()) {
		return Payload{}, ErrNotFound
	}
	number := func(offset int) uint32 { return binary.LittleEndian.Uint32(region[offset:]) }
	switch v := number(16); v {
	case 0:
		if !zero(region[16:]) {
			return Payload{}, fmt.Errorf("%w: version 0 and not empty", ErrDamaged)
		}
		return Payload{}, nil
	case version:
	default:
		return Payload{}, fmt.Errorf("%w: unknown version %d", ErrDamaged, v)
	}
	length := number(20)
	if length > MaxPayload {
		return Payload{}, fmt.Errorf("%w: a payload of %d bytes does not fit", ErrDamaged, length)
	}
	payload := region[header : header+length]
	if checksum(region[16:24], payload) != number(24) {
		return Payload{}, fmt.Errorf("%w: wrong checksum", ErrDamaged)
	}
	if !zero(region[header+length:]) {
		return Payload{}, fmt.Errorf("%w: unexpected data after the payload", ErrDamaged)
	}
	var p Payload
	if err := json.Unmarshal(payload, &p); err != nil {
		return Payload{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return p, nil
}

// Show returns the payload in the slot of a program.
func Show(program []byte) (Payload, error) {
	at, err := find(program)
	if err != nil {
		return Payload{}, err
	}
	return Parse(program[at : at+Size])
}

// Fill returns a copy of a program with p in its slot, in place of the previous content. The
// same program and payload give the same bytes.
func Fill(program []byte, p Payload) ([]byte, error) {
	at, err := find(program)
	if err != nil {
		return nil, err
	}
	filled := bytes.Clone(program)
	region := filled[at : at+Size]
	clear(region[16:])
	if p == (Payload{}) {
		return filled, nil
	}
	payload, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("fill the slot: %w", err)
	}
	if over := len(payload) - MaxPayload; over > 0 {
		return nil, fmt.Errorf("fill the slot: the payload is %d bytes too large: address, CA and bucket together can have %d bytes", over, MaxPayload)
	}
	binary.LittleEndian.PutUint32(region[16:], version)
	binary.LittleEndian.PutUint32(region[20:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(region[24:], checksum(region[16:24], payload))
	copy(region[header:], payload)
	return filled, nil
}

// Clear returns a copy of a program with an empty slot, as it was released.
func Clear(program []byte) ([]byte, error) { return Fill(program, Payload{}) }

// find returns the offset of the slot in a program.
func find(program []byte) (int, error) {
	at := bytes.Index(program, magic())
	switch {
	case at < 0:
		return 0, ErrNotFound
	case bytes.LastIndex(program, magic()) != at:
		return 0, ErrAmbiguous
	case len(program)-at < Size:
		return 0, fmt.Errorf("%w: the program ends within it", ErrDamaged)
	}
	return at, nil
}

func checksum(header, payload []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(header), crc32.IEEETable, payload)
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
