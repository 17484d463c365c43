package golang

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"assay/inspect/elf"
)

// Section is where the linker puts the build information.
const Section = ".go.buildinfo"

const (
	// magic is the beginning of the build information. Its address is a multiple of
	// align.
	magic = "\xff Go buildinf:"
	align = 16
	// headerSize is the size of the fixed part of the build information.
	headerSize = 32
	// maxText bounds the version of the toolchain and the list of modules, in bytes. A
	// list of a thousand modules has a hundred kilobytes.
	maxText = 4 << 20
	// maxSearch is how many bytes of a program's data are searched for the build
	// information, searchSize at a time. No program with more data is known.
	maxSearch  = 256 << 20
	searchSize = 64 << 10
	// minProgram is the size of a file below which its data is not searched. The
	// smallest Go programs are twice as large.
	minProgram = 512 << 10
	// frame is the size of the marks before and after the list of modules.
	frame = 16
)

var errNotGo = errors.New("not a Go program")

// buildInfo returns the version of the toolchain and the list of modules, which is
// empty if the program was built without modules. The format is that of
// debug/buildinfo; programs built before Go 1.18 have pointers to the two texts.
func buildInfo(f *elf.File) (toolchain, modules string, err error) {
	addr, err := find(f)
	if err != nil {
		return "", "", err
	}
	info := f.At(addr)
	var head [headerSize]byte
	if _, err := io.ReadFull(info, head[:]); err != nil {
		return "", "", err
	}
	const (
		pointerSizeAt, flagsAt, pointersAt = 14, 15, 16
		inline                             = 2 // flag of Go 1.18 and later
	)
	if head[flagsAt]&inline != 0 {
		if toolchain, err = inlineText(info); err != nil {
			return "", "", fmt.Errorf("version: %w", err)
		}
		if modules, err = inlineText(info); err != nil {
			return "", "", fmt.Errorf("modules: %w", err)
		}
	} else {
		p := pointers{file: f, size: int(head[pointerSizeAt])}
		if p.size != 4 && p.size != 8 {
			return "", "", fmt.Errorf("pointers of %d bytes", p.size)
		}
		if toolchain, err = p.text(p.value(head[pointersAt:])); err != nil {
			return "", "", fmt.Errorf("version: %w", err)
		}
		if modules, err = p.text(p.value(head[pointersAt+p.size:])); err != nil {
			return "", "", fmt.Errorf("modules: %w", err)
		}
	}
	if toolchain == "" {
		return "", "", errors.New("no version")
	}
	if len(modules) < 2*frame+1 || modules[len(modules)-frame-1] != '\n' {
		return toolchain, "", nil
	}
	return toolchain, modules[frame : len(modules)-frame], nil
}

// errSearch means that the build information may be beyond maxSearch.
var errSearch = fmt.Errorf("more than %d bytes of data to search", maxSearch)

// find returns the address of the build information. Like debug/buildinfo, it looks in
// the section for it and, if there is none, in all data: a program does not need
// section names to run, and they can be changed.
//
// If a program has section names and none of them is one of Go's, only the beginnings
// of its sections are searched. Nearly all programs are of that kind, and in a large
// tree they have a hundred megabytes of data.
func find(f *elf.File) (uint64, error) {
	if where, ok := f.Section(Section); ok {
		if addr, err := search(f, where); err != errNotGo {
			return addr, err
		}
	}
	where, ok := f.Data()
	if !ok || f.Size() < minProgram {
		return 0, errNotGo
	}
	if !other(f) {
		return search(f, where)
	}
	for _, section := range f.Writable() {
		section.Size = min(section.Size, headerSize)
		if addr, err := search(f, section); err != errNotGo {
			return addr, err
		}
	}
	return 0, errNotGo
}

// other reports whether a program has section names and none of them is one of Go's.
func other(f *elf.File) bool {
	for _, name := range sections() {
		if _, ok := f.Section(name); ok {
			return false
		}
	}
	return f.Named()
}

// sections returns the names of sections that only Go programs have.
func sections() []string {
	return []string{tableSection, ".gosymtab", ".typelink", ".itablink", ".note.go.buildid", ".go.fipsinfo"}
}

// Sections returns the section names to pass to elf.Open before Read.
func Sections() []string {
	return append(sections(), Section, relocatedSection, relocatedTable, constants)
}

// buffers are reused: a system has hundreds of programs, few of them written in Go.
var buffers = sync.Pool{New: func() any { return new([searchSize]byte) }}

// search returns the address of the build information in a part of the file.
func search(f *elf.File, where elf.Section) (uint64, error) {
	buf := buffers.Get().(*[searchSize]byte)
	defer buffers.Put(buf)
	start := (where.Addr + align - 1) &^ (align - 1)
	in := f.At(start)
	size := min(int64(min(where.Size, maxSearch)), in.Size())
	// Chunks are multiples of align, and the build information begins at one, so its
	// magic never crosses the end of a chunk.
	for off := int64(0); off < size; off += searchSize {
		data := buf[:min(size-off, searchSize)]
		n, err := in.ReadAt(data, off)
		if err != nil && err != io.EOF {
			return 0, err
		}
		for data = data[:n]; ; {
			i := bytes.Index(data, []byte(magic))
			if i < 0 {
				break
			}
			at := n - len(data) + i
			if at%align == 0 {
				return start + uint64(off) + uint64(at), nil
			}
			data = data[i+1:]
		}
		if n < len(buf) {
			break
		}
	}
	if where.Size > maxSearch {
		return 0, errSearch
	}
	return 0, errNotGo
}

// inlineText reads a text that is preceded by its length.
func inlineText(info *io.SectionReader) (string, error) {
	size, err := binary.ReadUvarint(byteReader{info})
	if err != nil {
		return "", err
	}
	return text(info, size)
}

// pointers reads texts as they are in the memory of a Go program.
type pointers struct {
	file *elf.File
	size int
}

// value decodes a pointer or a length.
func (p pointers) value(b []byte) uint64 {
	if p.size == 4 {
		return uint64(p.file.Order().Uint32(b))
	}
	return p.file.Order().Uint64(b)
}

// text returns the text whose address and length are at addr. If addr is 0, it returns
// "".
func (p pointers) text(addr uint64) (string, error) {
	if addr == 0 {
		return "", nil
	}
	head := make([]byte, 2*p.size)
	if _, err := io.ReadFull(p.file.At(addr), head); err != nil {
		return "", err
	}
	return text(p.file.At(p.value(head)), p.value(head[p.size:]))
}

func text(r *io.SectionReader, size uint64) (string, error) {
	if size > maxText {
		return "", fmt.Errorf("text of %d bytes, more than %d", size, maxText)
	}
	if size > uint64(r.Size()) {
		return "", io.ErrUnexpectedEOF // before memory is allocated for it
	}
	b := make([]byte, size)
	_, err := io.ReadFull(r, b)
	return string(b), err
}

// byteReader reads single bytes of a section.
type byteReader struct{ *io.SectionReader }

func (r byteReader) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(r, b[:])
	return b[0], err
}
