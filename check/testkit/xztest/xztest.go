// Package xztest makes archives in the format xz, for tests. The decoder that the project
// uses has no encoder.
package xztest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// chunk is the size of a part of the data. LZMA2 allows 64 KiB for data that is stored as it
// is.
const chunk = 64 << 10

// Pack returns an xz stream with one block, in which the data is stored as it is. The
// dictionary has the size that the byte dictionary encodes (8 is 64 KiB, 40 is 4 GiB).
func Pack(data []byte, dictionary byte) []byte {
	var out bytes.Buffer
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)) }
	flags := []byte{0, 1} // the check of a block is CRC32
	out.WriteString("\xfd7zXZ\x00")
	out.Write(flags)
	out.Write(sum(flags))

	header := []byte{2, 0, 0x21, 1, dictionary, 0, 0, 0} // 12 bytes with its checksum; the filter LZMA2
	block := append(header, sum(header)...)
	control := byte(1) // resets the dictionary
	for rest := data; len(rest) > 0; control = 2 {
		n := min(len(rest), chunk)
		block = append(block, control, byte((n-1)>>8), byte(n-1))
		block, rest = append(block, rest[:n]...), rest[n:]
	}
	block = append(block, 0)
	size := len(block) + 4 // without the padding
	block = pad(block)
	out.Write(append(block, sum(data)...))

	index := []byte{0, 1}
	index = binary.AppendUvarint(index, uint64(size))
	index = pad(binary.AppendUvarint(index, uint64(len(data))))
	index = append(index, sum(index)...)
	out.Write(index)

	footer := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	footer = append(footer, flags...)
	out.Write(sum(footer))
	out.Write(footer)
	out.WriteString("YZ")
	return out.Bytes()
}

// pad fills up to a multiple of four bytes.
func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
