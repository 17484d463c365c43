package peers

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"
)

// WriteProgram writes a program for Linux that has a section and does nothing. It is as
// long as the shortest program of a compiler.
func WriteProgram(path, section string, data []byte) error {
	const base, dataAt = 0x400000, 0x1000
	names := "\x00" + section + "\x00.shstrtab\x00"
	namesAt := uint64(dataAt + len(data))
	sectionsAt := (namesAt + uint64(len(names)) + 15) &^ 15
	size := max(sectionsAt+3*64, 16<<10)

	var b bytes.Buffer
	write := func(at uint64, v any) {
		b.Write(make([]byte, int(at)-b.Len()))
		binary.Write(&b, binary.LittleEndian, v) // to memory, of fixed size
	}
	write(0, elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Phoff: 64, Shoff: sectionsAt, Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64, Shnum: 3, Shstrndx: 2,
	})
	write(64, elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_W), Vaddr: base, Paddr: base,
		Filesz: size, Memsz: size, Align: dataAt})
	write(dataAt, data)
	write(namesAt, []byte(names))
	write(sectionsAt+64, elf.Section64{Name: 1, Type: uint32(elf.SHT_PROGBITS), Flags: uint64(elf.SHF_ALLOC | elf.SHF_WRITE),
		Addr: base + dataAt, Off: dataAt, Size: uint64(len(data)), Addralign: 16})
	write(sectionsAt+2*64, elf.Section64{Name: uint32(len(section) + 2), Type: uint32(elf.SHT_STRTAB), Off: namesAt,
		Size: uint64(len(names)), Addralign: 1})
	write(size, []byte(nil))
	return writeFile(path, &b, 0o755)
}

// BuildInfo returns the section that the linker of Go 1.18 and later writes, from
// what "go version -m" prints of a program.
func BuildInfo(text string) []byte {
	head, rest, _ := strings.Cut(text, "\n")
	_, toolchain, _ := strings.Cut(head, ": ")
	var list strings.Builder
	for line := range strings.Lines(rest) {
		list.WriteString(strings.TrimPrefix(line, "\t"))
	}
	const (
		begin = "\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6"
		end   = "\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2"
	)
	b := make([]byte, 32)
	copy(b, "\xff Go buildinf:\x08\x02")
	for _, s := range []string{toolchain, begin + list.String() + end} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}
