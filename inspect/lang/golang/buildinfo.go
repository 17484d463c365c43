package golang

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

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
	// maxSearch is how far into the data of a program without section names the
	// information is looked for. The linker puts it near the beginning.
	maxSearch = 1 << 20
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

// find returns the address of the build information.
func find(f *elf.File) (uint64, error) {
	where, ok := f.Section(Section)
	if !ok {
		if f.Named() {
			return 0, errNotGo
		}
		if where, ok = f.Data(); !ok {
			return 0, errNotGo
		}
	}
	start := (where.Addr + align - 1) &^ (align - 1)
	data := make([]byte, min(where.Size, maxSearch))
	n, err := io.ReadFull(f.At(start), data)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return 0, err
	}
	for at := 0; ; at += align {
		i := bytes.Index(data[min(at, n):n], []byte(magic))
		if i < 0 {
			return 0, errNotGo
		}
		if at += i; at%align == 0 {
			return start + uint64(at), nil
		}
		at -= at % align
	}
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
