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

// A document is stored as
//
//	1 byte    the form: 2 for the document itself, 3 for the frame of a verdict
//	4 bytes   CRC-32C of the document or frame, big-endian
//	the rest  the document or frame as one block of S2
//
// or in gzip, which begins with another byte. A scan waits for the compression: S2 takes a
// ninth of the time of the fastest gzip, and makes verdicts smaller.
const (
	formWhole = 2
	formFrame = 3
	formGzip  = 0x1f // its own first byte
	packedTop = 5    // bytes before the block
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// packDocument returns the stored form of a document, in buf if that is large enough.
func packDocument(form byte, buf, document []byte) []byte {
	if size := packedTop + s2.MaxEncodedLen(len(document)); cap(buf) < size {
		buf = make([]byte, size)
	}
	buf = buf[:cap(buf)]
	buf[0] = form
	binary.BigEndian.PutUint32(buf[1:], crc32.Checksum(document, castagnoli))
	block := s2.Encode(buf[packedTop:], document)
	return buf[:packedTop+len(block)]
}

// unpackDocument reverses packDocument, or gzip. Its input was written by this program, or
// was decompressed by it before.
func unpackDocument(packed []byte) (form byte, document []byte, err error) {
	if len(packed) > 0 && packed[0] == formGzip {
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return 0, nil, err
		}
		document, err = io.ReadAll(r)
		return formWhole, document, err
	}
	if len(packed) < packedTop || packed[0] != formWhole && packed[0] != formFrame {
		return 0, nil, errors.New("the document has an unknown form")
	}
	document, err = s2.Decode(nil, packed[packedTop:])
	if err != nil {
		return 0, nil, fmt.Errorf("decode s2: %w", err)
	}
	if crc32.Checksum(document, castagnoli) != binary.BigEndian.Uint32(packed[1:]) {
		return 0, nil, errors.New("the document is damaged: wrong checksum")
	}
	return packed[0], document, nil
}
