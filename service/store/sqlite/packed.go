package sqlite

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/s2"
)

// Requests and verdicts are kept as
//
//	1 byte    2, the form
//	4 bytes   CRC-32C of the document, big-endian
//	the rest  the document as one block of S2
//
// or in gzip, which begins with another byte. A scan waits for its verdict to be
// kept: S2 takes a ninth of the time of gzip at its fastest, and of a verdict it
// leaves less.
const (
	formS2    = 2
	formGzip  = 0x1f // its own first byte
	packedTop = 5    // bytes before the block
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// packDocument returns the kept form of a document, in buf if it is large enough.
func packDocument(buf, document []byte) []byte {
	if size := packedTop + s2.MaxEncodedLen(len(document)); cap(buf) < size {
		buf = make([]byte, size)
	}
	buf = buf[:cap(buf)]
	buf[0] = formS2
	binary.BigEndian.PutUint32(buf[1:], crc32.Checksum(document, castagnoli))
	block := s2.Encode(buf[packedTop:], document)
	return buf[:packedTop+len(block)]
}

// unpackDocument undoes packDocument, or gzip. What it reads, this program wrote
// or has read before.
func unpackDocument(packed []byte) ([]byte, error) {
	switch {
	case len(packed) > 0 && packed[0] == formGzip:
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	case len(packed) < packedTop || packed[0] != formS2:
		return nil, errors.New("document of an unknown form")
	}
	document, err := s2.Decode(nil, packed[packedTop:])
	if err != nil {
		return nil, fmt.Errorf("decode s2: %w", err)
	}
	if crc32.Checksum(document, castagnoli) != binary.BigEndian.Uint32(packed[1:]) {
		return nil, errors.New("document is damaged: another checksum")
	}
	return document, nil
}
