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
	// magic begins the build information, at a multiple of align.
	magic = "\xff Go buildinf:"
	align = 16
	// headerSize is that of the information's fixed part.
	headerSize = 32
	// maxText bounds the version of the toolchain and the list of modules; a list
	// of a thousand has a hundred kilobytes.
	maxText = 4 << 20
	// maxSearch is how much of the data of a program the information is looked for
	// in, searchSize at once. Programs with more data than that are not known.
	maxSearch  = 256 << 20
	searchSize = 64 << 10
	// minProgram is the size of a file below which its data is not searched: that of
	// the smallest programs of Go is twice as much.
	minProgram = 512 << 10
	// frame is what the list of modules is enclosed in, on either side.
	frame = 16
)

var errNotGo = errors.New("not made by Go")

// buildInfo returns the version of the toolchain and the list of modules, which
// is empty in a program that was built without. The form is that of debug/buildinfo;
// programs from before Go 1.18 have pointers to the two texts.
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
		inline                             = 2 // the flag of Go 1.18 and later
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

// errSearch says that the information may be beyond maxSearch.
var errSearch = fmt.Errorf("more than %d bytes of data to search", maxSearch)

// find returns the address of the build information. As debug/buildinfo does, it
// looks into the section of its name, and where there is none into all data: the
// program needs no names of sections, and they can be changed.
//
// Of a program whose sections have names, of which none is one of Go's, only the
// beginnings of the sections are looked at. Nearly all programs are of that kind,
// and have a hundred megabytes of data in a large tree.
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

// other reports whether a program has sections with names, and none of Go's.
func other(f *elf.File) bool {
	for _, name := range sections() {
		if _, ok := f.Section(name); ok {
			return false
		}
	}
	return f.Named()
}

// sections are those that only programs of Go have.
func sections() []string {
	return []string{".gopclntab", ".gosymtab", ".typelink", ".itablink", ".note.go.buildid", ".go.fipsinfo"}
}

// Sections are what elf.Open is to be asked for before Read.
func Sections() []string { return append(sections(), Section) }

// buffers are kept for the next programs: a system has hundreds, few of Go.
var buffers = sync.Pool{New: func() any { return new([searchSize]byte) }}

// search returns the address of the build information in a part of the file.
func search(f *elf.File, where elf.Section) (uint64, error) {
	buf := buffers.Get().(*[searchSize]byte)
	defer buffers.Put(buf)
	start := (where.Addr + align - 1) &^ (align - 1)
	in := f.At(start)
	size := min(int64(min(where.Size, maxSearch)), in.Size())
	// A chunk is a multiple of align, and the information begins at one: no chunk
	// ends within its mark.
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

// inlineText reads a text with its length before it.
func inlineText(info *io.SectionReader) (string, error) {
	size, err := binary.ReadUvarint(byteReader{info})
	if err != nil {
		return "", err
	}
	return text(info, size)
}

// pointers reads texts as a program of Go has them in memory.
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

// text returns the text whose address and length are at addr; there is none at 0.
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
		return "", io.ErrUnexpectedEOF // before any memory is taken for it
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
