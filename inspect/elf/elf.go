// Package elf finds the sections of a program or library, for the readers of what
// toolchains store in them. It follows the ELF specification (System V ABI, chapter 4)
// for both classes and byte orders.
//
// It reads only the headers and the requested parts. Whatever the headers claim, it
// holds at most maxNames bytes of names and maxSegments segments.
package elf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"assay/inspect/readat"
)

// Magic is the beginning of every ELF file.
const Magic = "\x7fELF"

const (
	// maxSections bounds the sections of a file. A program has about thirty.
	maxSections = 1 << 16
	// maxSegments bounds the segments of a file. A program has about ten.
	maxSegments = 256
	// maxNames bounds the section names, in bytes.
	maxNames = 256 << 10
	// maxWritable is how many writable sections are kept.
	maxWritable = 64
	// headers is how many section headers are read at once.
	headers = 64
	// nearby is how many bytes before the section headers are read with them. Most
	// linkers put the names there.
	nearby = 512
)

// ErrNotProgram means that a file is not an ELF program or library: it is not ELF, an
// object file or a core dump, or of an unknown version.
var ErrNotProgram = errors.New("not a program")

// A File is a program or library whose headers have been read.
type File struct {
	r     io.ReaderAt
	size  int64
	order binary.ByteOrder
	is64  bool

	segments []segment
	sections map[string]Section
	writable []Section
	named    bool

	window *window // used while the headers are read
}

// A window is a part of a file that was read at once, because it contains several small
// parts.
type window struct {
	off  uint64
	size int
	buf  [nearby + headers*64]byte
}

// windows are reused. A system has hundreds of programs, and most are opened only to
// find nothing in them.
var windows = sync.Pool{New: func() any { return new(window) }}

// A Section is a named part of a file.
type Section struct {
	Addr uint64 // address in memory
	Off  uint64 // offset in the file
	Size uint64 // in bytes
}

// A segment is a part of a file that is loaded into memory.
type segment struct {
	addr, off, size uint64
	writable        bool
}

// Open reads the headers of an ELF file of size bytes and finds the sections with the
// given names. If the file is not a program or library, the error is ErrNotProgram.
func Open(r io.ReaderAt, size int64, names ...string) (*File, error) {
	f := &File{r: r, size: size, sections: map[string]Section{}, window: windows.Get().(*window)}
	defer func() {
		windows.Put(f.window)
		f.window = nil
	}()
	f.window.off, f.window.size = 0, 0
	head := f.window.buf[:64]
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	head = head[:n]
	if !bytes.HasPrefix(head, []byte(Magic)) || n < 52 {
		return nil, ErrNotProgram
	}
	switch head[4] {
	case 1:
	case 2:
		f.is64 = true
	default:
		return nil, ErrNotProgram
	}
	switch head[5] {
	case 1:
		f.order = binary.LittleEndian
	case 2:
		f.order = binary.BigEndian
	default:
		return nil, ErrNotProgram
	}
	if f.is64 && n < 64 {
		return nil, ErrNotProgram
	}
	if typ := f.order.Uint16(head[16:]); typ != typeExec && typ != typeDyn {
		return nil, ErrNotProgram
	}
	h := f.header(head)
	if err := f.readSegments(h); err != nil {
		return nil, fmt.Errorf("segments: %w", err)
	}
	if err := f.readSections(h, names); err != nil {
		return nil, fmt.Errorf("sections: %w", err)
	}
	return f, nil
}

const (
	typeExec, typeDyn = 2, 3
	segmentLoad       = 1
	segmentWrite      = 2
	segmentExec       = 1
	sectionNull       = 0
	sectionContent    = 1
	sectionWrite      = 1
	sectionNoBits     = 8
	// indexIsElsewhere means that the number is stored in section 0.
	indexIsElsewhere = 0xffff
)

// A header has the fields of the file header about the two tables.
type header struct {
	segments, sections       uint64 // offsets
	segmentSize, sectionSize int    // of one entry
	segmentCount             int
	sectionCount             uint64
	namesIndex               uint64
}

func (f *File) header(b []byte) header {
	u16 := func(i int) int { return int(f.order.Uint16(b[i:])) }
	if f.is64 {
		return header{
			segments: f.order.Uint64(b[32:]), sections: f.order.Uint64(b[40:]),
			segmentSize: u16(54), segmentCount: u16(56),
			sectionSize: u16(58), sectionCount: uint64(u16(60)), namesIndex: uint64(u16(62)),
		}
	}
	return header{
		segments: uint64(f.order.Uint32(b[28:])), sections: uint64(f.order.Uint32(b[32:])),
		segmentSize: u16(42), segmentCount: u16(44),
		sectionSize: u16(46), sectionCount: uint64(u16(48)), namesIndex: uint64(u16(50)),
	}
}

// word decodes an address, offset or size of the file's class.
func (f *File) word(b []byte) uint64 {
	if f.is64 {
		return f.order.Uint64(b)
	}
	return uint64(f.order.Uint32(b))
}

func (f *File) readSegments(h header) error {
	want := 32
	if f.is64 {
		want = 56
	}
	if h.segmentCount == 0 {
		return nil
	}
	if h.segmentSize != want {
		return fmt.Errorf("entries of %d bytes, not %d", h.segmentSize, want)
	}
	if h.segmentCount > maxSegments {
		return fmt.Errorf("more than %d", maxSegments)
	}
	table, err := f.part(h.segments, h.segmentCount*want)
	if err != nil {
		return err
	}
	for ; len(table) > 0; table = table[want:] {
		if f.order.Uint32(table) != segmentLoad {
			continue
		}
		var s segment
		var flags uint32
		if f.is64 {
			flags = f.order.Uint32(table[4:])
			s.off, s.addr, s.size = f.word(table[8:]), f.word(table[16:]), f.word(table[32:])
		} else {
			flags = f.order.Uint32(table[24:])
			s.off, s.addr, s.size = f.word(table[4:]), f.word(table[8:]), f.word(table[16:])
		}
		s.writable = flags&(segmentWrite|segmentExec) == segmentWrite
		f.segments = append(f.segments, s)
	}
	return nil
}

func (f *File) readSections(h header, names []string) error {
	if h.sections == 0 || len(names) == 0 {
		return nil // section names are optional
	}
	want := 40
	if f.is64 {
		want = 64
	}
	if h.sectionSize != want {
		return fmt.Errorf("entries of %d bytes, not %d", h.sectionSize, want)
	}
	if err := f.completeHeader(&h); err != nil {
		return err
	}
	if h.sectionCount > maxSections {
		return fmt.Errorf("more than %d", maxSections)
	}
	if h.namesIndex >= h.sectionCount {
		return nil // no section has a name
	}
	before := min(h.sections, nearby)
	// An error here occurs again below, where the missing part is known.
	_ = f.look(h.sections-before, int(before)+int(min(h.sectionCount, headers))*want)
	text, err := f.names(h, want)
	if err != nil {
		return fmt.Errorf("names: %w", err)
	}
	for at := uint64(0); at < h.sectionCount; at += headers {
		part, err := f.part(h.sections+at*uint64(want), int(min(h.sectionCount-at, headers))*want)
		if err != nil {
			return err
		}
		for ; len(part) > 0; part = part[want:] {
			f.addSection(part, text, names)
		}
	}
	return nil
}

// completeHeader sets the numbers that are too large for the header. They are in the
// first section.
func (f *File) completeHeader(h *header) error {
	if h.sectionCount != 0 && h.namesIndex != indexIsElsewhere {
		return nil
	}
	first, err := f.part(h.sections, h.sectionSize)
	if err != nil {
		return err
	}
	_, _, size, link := f.section(first)
	if h.sectionCount == 0 {
		h.sectionCount = size
	}
	if h.namesIndex == indexIsElsewhere {
		h.namesIndex = uint64(link)
	}
	return nil
}

// addSection keeps the section of a table entry if it is writable or has one of names.
// text is the table of names.
func (f *File) addSection(entry, text []byte, names []string) {
	s, typ, _, _ := f.section(entry)
	if typ == sectionNull || typ == sectionNoBits {
		return
	}
	f.named = true
	if typ == sectionContent && f.isWritable(entry) && len(f.writable) < maxWritable {
		f.writable = append(f.writable, s)
	}
	for _, name := range names {
		if !named(text, f.order.Uint32(entry), name) {
			continue // like nearly all sections
		}
		if _, known := f.sections[name]; !known {
			f.sections[name] = s
		}
	}
}

// names reads the table of section names.
func (f *File) names(h header, entry int) ([]byte, error) {
	b, err := f.part(h.sections+h.namesIndex*uint64(entry), entry)
	if err != nil {
		return nil, err
	}
	s, _, _, _ := f.section(b)
	if s.Size > maxNames {
		return nil, fmt.Errorf("more than %d bytes", maxNames)
	}
	text, err := f.part(s.Off, int(s.Size))
	return bytes.Clone(text), err
}

func named(text []byte, at uint32, name string) bool {
	if uint64(at) > uint64(len(text)) {
		return false
	}
	rest, ok := bytes.CutPrefix(text[at:], []byte(name))
	return ok && len(rest) > 0 && rest[0] == 0
}

// section decodes an entry of the table of sections.
func (f *File) section(b []byte) (s Section, typ uint32, size uint64, link uint32) {
	typ = f.order.Uint32(b[4:])
	if f.is64 {
		s = Section{Addr: f.word(b[16:]), Off: f.word(b[24:]), Size: f.word(b[32:])}
		return s, typ, s.Size, f.order.Uint32(b[40:])
	}
	s = Section{Addr: f.word(b[12:]), Off: f.word(b[16:]), Size: f.word(b[20:])}
	return s, typ, s.Size, f.order.Uint32(b[24:])
}

// isWritable reports whether a section is loaded into writable memory.
func (f *File) isWritable(b []byte) bool { return f.word(b[8:])&sectionWrite != 0 }

// part returns a part of the file. It is valid until the next call.
func (f *File) part(off uint64, size int) ([]byte, error) {
	w := f.window
	if size > len(w.buf) {
		b := make([]byte, size)
		return b, f.readAt(b, off)
	}
	if off < w.off || off-w.off > uint64(w.size) || size > w.size-int(off-w.off) {
		if err := f.look(off, size); err != nil {
			return nil, err
		}
	}
	return w.buf[off-w.off:][:size], nil
}

// look moves the window to a part of the file that is not larger than the window.
func (f *File) look(off uint64, size int) error {
	w := f.window
	w.off, w.size = 0, 0
	if err := f.readAt(w.buf[:size], off); err != nil {
		return err
	}
	w.off, w.size = off, size
	return nil
}

// readAt fills b from offset off of the file.
func (f *File) readAt(b []byte, off uint64) error {
	if off > uint64(f.size) || uint64(len(b)) > uint64(f.size)-off {
		return fmt.Errorf("at %d, outside of the file's %d bytes", off, f.size)
	}
	return readat.Full(f.r, b, int64(off))
}

// Section returns the section with a name that was passed to Open. ok is false if the
// file has no such section.
func (f *File) Section(name string) (s Section, ok bool) {
	s, ok = f.sections[name]
	return s, ok
}

// Read returns the bytes of a section, of which there may be at most limit.
func (f *File) Read(s Section, limit int64) ([]byte, error) {
	if s.Size > uint64(limit) {
		return nil, fmt.Errorf("section of %d bytes, more than %d", s.Size, limit)
	}
	b := make([]byte, s.Size)
	return b, f.readAt(b, s.Off)
}

// Size returns the size of the file.
func (f *File) Size() int64 { return f.size }

// Named reports whether the sections of the file have names, which a program does not
// need to run.
func (f *File) Named() bool { return f.named }

// Writable returns the writable sections with content, up to maxWritable of them.
func (f *File) Writable() []Section { return f.writable }

// Data returns the first segment that is writable and not executable, where compilers
// put initialized data. ok is false if there is none.
func (f *File) Data() (s Section, ok bool) {
	for _, s := range f.segments {
		if s.writable && s.size > 0 {
			return Section{Addr: s.addr, Off: s.off, Size: s.size}, true
		}
	}
	return Section{}, false
}

// At returns a reader from an address in memory to the end of its segment. It is empty
// if the file has nothing at that address.
func (f *File) At(addr uint64) *io.SectionReader {
	for _, s := range f.segments {
		if addr < s.addr || addr-s.addr >= s.size {
			continue
		}
		off := s.off + (addr - s.addr)
		if off < s.off || off > math.MaxInt64 {
			break
		}
		return io.NewSectionReader(f.r, int64(off), int64(min(s.size-(addr-s.addr), math.MaxInt64)))
	}
	return io.NewSectionReader(f.r, 0, 0)
}

// Order returns the byte order of the file.
func (f *File) Order() binary.ByteOrder { return f.order }
