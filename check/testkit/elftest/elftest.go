// Package elftest makes ELF files for tests of what reads them.
package elftest

import (
	"encoding/binary"

	"assay/inspect/elf"
)

// Program returns a program for linux/amd64 with one section of a name and content, at address
// 4096. It cannot run.
func Program(name string, content []byte) []byte {
	names := "\x00" + name + "\x00.shstrtab\x00"
	const segments, sections = 64, 64 + 56
	const text, info = sections + 3*64, sections + 3*64 + 32
	b := make([]byte, info+len(content))
	le := binary.LittleEndian
	copy(b, elf.Magic+"\x02\x01\x01")
	le.PutUint16(b[16:], 2)
	le.PutUint16(b[18:], 62)
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], segments)
	le.PutUint64(b[40:], sections)
	for at, value := range map[int]uint16{52: 64, 54: 56, 56: 1, 58: 64, 60: 3, 62: 2} {
		le.PutUint16(b[at:], value)
	}
	p := b[segments:]
	le.PutUint32(p, 1)
	le.PutUint32(p[4:], 6)
	le.PutUint64(p[8:], info)
	le.PutUint64(p[16:], 4096)
	le.PutUint64(p[32:], uint64(len(content)))
	le.PutUint64(p[40:], uint64(len(content)))
	section := func(i int, name uint32, typ uint32, addr, off, size uint64) {
		s := b[sections+i*64:]
		le.PutUint32(s, name)
		le.PutUint32(s[4:], typ)
		le.PutUint64(s[16:], addr)
		le.PutUint64(s[24:], off)
		le.PutUint64(s[32:], size)
	}
	section(1, 1, 1, 4096, info, uint64(len(content)))
	section(2, uint32(len(name)+2), 3, 0, text, uint64(len(names)))
	copy(b[text:], names)
	copy(b[info:], content)
	return b
}
