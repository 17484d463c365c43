package encode

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/s2"

	"assay/service/store"
)

// A document of a scan is stored as
//
//	1 byte    its form
//	4 bytes   CRC-32C of the document, big-endian
//	the rest  the document, as one block of S2
//
// or entirely in gzip, whose first byte differs from all forms. A scan waits for the
// encoding: S2 takes a ninth of the time of the fastest gzip level, and makes verdicts
// smaller.
const (
	FormWhole   = 2    // the document itself
	FormFrame   = 3    // the frame of a verdict
	formGzip    = 0x1f // the first byte of gzip
	documentTop = 5    // bytes before the block
)

// PackDocument encodes a document, in buf if that is large enough.
func PackDocument(form byte, buf, document []byte) []byte {
	if size := documentTop + s2.MaxEncodedLen(len(document)); cap(buf) < size {
		buf = make([]byte, size)
	}
	buf = buf[:cap(buf)]
	buf[0] = form
	binary.BigEndian.PutUint32(buf[1:], CRC(document))
	block := s2.Encode(buf[documentTop:], document)
	return buf[:documentTop+len(block)]
}

// UnpackDocument decodes what PackDocument encoded, or gzip. Its input was written by
// this program, or read by it before. An error wraps store.ErrDamaged.
func UnpackDocument(packed []byte) (form byte, document []byte, err error) {
	if len(packed) > 0 && packed[0] == formGzip {
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return 0, nil, fmt.Errorf("%w: %w", store.ErrDamaged, err)
		}
		if document, err = io.ReadAll(r); err != nil {
			return 0, nil, fmt.Errorf("%w: %w", store.ErrDamaged, err)
		}
		return FormWhole, document, nil
	}
	if len(packed) < documentTop || packed[0] != FormWhole && packed[0] != FormFrame {
		return 0, nil, fmt.Errorf("%w: unknown form of a document", store.ErrDamaged)
	}
	document, err = s2.Decode(nil, packed[documentTop:])
	if err != nil {
		return 0, nil, fmt.Errorf("%w: decode s2: %w", store.ErrDamaged, err)
	}
	if CRC(document) != binary.BigEndian.Uint32(packed[1:]) {
		return 0, nil, fmt.Errorf("%w: checksum does not match", store.ErrDamaged)
	}
	return packed[0], document, nil
}
