// Package slot is a region of 4 KiB within the program that a service fills
// in when it hands the program out: where the service is, the private CA that
// signed its certificate, and a string that changes when builds are to run
// again. The region keeps its place and its size, so that filling it is a
// patch and clearing it gives back the bytes that were released and signed.
//
// The layout, numbers little-endian:
//
//	 0  16  magic
//	16   4  version: 0 for an empty slot, 1 for this layout
//	20   4  length of the payload
//	24   4  CRC-32 (IEEE) of bytes 16 to 24 and of the payload
//	28   …  payload, JSON, and zeros to the end
//
// An empty slot is its magic and zeros.
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

// region is the slot of the running program. It is a variable that is never
// assigned to: the program that runs reads what stands in its file, which is
// not what the compiler saw.
//
//go:embed slot.bin
var region string

// magic is read from the region and stands nowhere else in the program, so
// that whoever looks for it finds one place.
func magic() []byte { return []byte(region[:16]) }

// A Payload is what a service writes into the slot. Its zero value is an empty
// slot. Fields unknown to the program that reads are ignored.
type Payload struct {
	// Server is the address of the service, "https://assay.example.com".
	Server string `json:"server,omitempty"`
	// CA is the PEM bundle of the authorities that signed its certificate, empty
	// where a public one did.
	CA string `json:"ca,omitempty"`
	// Fresh changes when builds are to run again; it means nothing else.
	Fresh string `json:"fresh,omitempty"`
}

var (
	// ErrNotFound is a program without a slot.
	ErrNotFound = errors.New("the program has no slot")
	// ErrAmbiguous is a file in which the magic of the slot stands more than once.
	ErrAmbiguous = errors.New("the slot stands in the program more than once")
	// ErrDamaged is a slot whose checksum or layout is wrong.
	ErrDamaged = errors.New("the slot is damaged")
)

// Read returns the payload of the running program. It opens no file, so it
// needs neither /proc nor the permission to read the program.
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
		return Payload{}, fmt.Errorf("%w: version %d is not known", ErrDamaged, v)
	}
	length := number(20)
	if length > MaxPayload {
		return Payload{}, fmt.Errorf("%w: a payload of %d bytes does not fit", ErrDamaged, length)
	}
	payload := region[header : header+length]
	if checksum(region[16:24], payload) != number(24) {
		return Payload{}, fmt.Errorf("%w: the checksum is wrong", ErrDamaged)
	}
	if !zero(region[header+length:]) {
		return Payload{}, fmt.Errorf("%w: something stands after the payload", ErrDamaged)
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

// Fill returns a copy of a program with p in its slot, whatever stood there.
// The same program and payload give the same bytes.
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
		return nil, fmt.Errorf("fill the slot: the payload is %d bytes too large: address, CA and bucket have %d bytes together", over, MaxPayload)
	}
	binary.LittleEndian.PutUint32(region[16:], version)
	binary.LittleEndian.PutUint32(region[20:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(region[24:], checksum(region[16:24], payload))
	copy(region[header:], payload)
	return filled, nil
}

// Clear returns a copy of a program with an empty slot: the bytes as released.
func Clear(program []byte) ([]byte, error) { return Fill(program, Payload{}) }

// find returns where the one slot of a program begins.
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
