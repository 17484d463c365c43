package golang

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"net/url"
	"strings"

	"assay/inspect/elf"
)

const (
	// tableSection has the table of functions. In a position-independent program it is
	// part of relocatedSection.
	tableSection     = ".gopclntab"
	relocatedSection = ".data.rel.ro"
	relocatedTable   = relocatedSection + tableSection

	// maxNames bounds the names of functions in a program, in bytes. The largest known
	// programs have 20 MB.
	maxNames = 128 << 20
	// maxName bounds the name of one function. Those of nested closures and of wrappers
	// for anonymous structs have a few thousand bytes.
	maxName = 64 << 10
	// maxPackages bounds the packages of a program. The largest known programs have 5,000.
	maxPackages = 50_000
	// maxRelocated bounds the data that is searched for the table.
	maxRelocated = 256 << 20
	// tableAlign is the alignment of the table.
	tableAlign = 32
)

// errNoTable means that a program has no readable table of functions. What is linked is
// unknown then.
var errNoTable = errors.New("no table of functions")

// linkedPackages returns the import paths of the packages that have functions in a
// program, in any order and escaped as in the names of functions. The linker drops functions
// that cannot be called, and the others are in the table of functions, which the runtime
// needs: "go tool nm" and strip do not change it. Functions that were inlined everywhere are
// only among the names, so all names are read, and not the functions.
//
// The format is that of internal/abi and runtime/symtab.go of Go 1.16 and later. For other
// programs, and for those whose runtime is in another file, the error is errNoTable.
func linkedPackages(f *elf.File) (map[string]bool, error) {
	names, err := nameTable(f)
	if err != nil {
		return nil, err
	}
	packages := packageSet{known: make(map[string]bool, 512)}
	if err := packages.read(names); err != nil {
		return nil, err
	}
	if !packages.runtime {
		return nil, errNoTable // the program is linked with a library that has its own table
	}
	return packages.known, nil
}

// nameTable returns the names of functions, each followed by a zero.
func nameTable(f *elf.File) (*io.SectionReader, error) {
	for _, name := range []string{tableSection, relocatedTable} {
		if s, ok := f.Section(name); ok {
			return namesAt(f, s.Addr, s.Size)
		}
	}
	s, ok := f.Section(relocatedSection)
	if !ok || s.Size > maxRelocated {
		return nil, errNoTable
	}
	buf := buffers.Get().(*[searchSize]byte)
	defer buffers.Put(buf)
	start := (s.Addr + tableAlign - 1) &^ (tableAlign - 1)
	in := f.At(start)
	size := min(int64(s.Size), in.Size())
	for off := int64(0); off < size; off += searchSize {
		data := buf[:min(size-off, searchSize)]
		n, err := in.ReadAt(data, off)
		if err != nil && err != io.EOF {
			return nil, err
		}
		for at := 0; at+8 <= n; at += tableAlign {
			if data[at+4]|data[at+5] != 0 || data[at+1] != 0xff || data[at+2] != 0xff || layoutOf(f.Order(), data[at:]) == nil {
				continue
			}
			addr := start + uint64(off) + uint64(at)
			if names, err := namesAt(f, addr, s.Size-(addr-s.Addr)); err == nil {
				return names, nil
			}
		}
	}
	return nil, errNoTable
}

// A layout says where the header of a table has the offsets of the names and of what
// follows them, in words after the first eight bytes.
type layout struct {
	word        int // bytes
	names, next int
}

// layoutOf returns the layout of the table that begins with head, or nil if no table begins so.
func layoutOf(order binary.ByteOrder, head []byte) *layout {
	if len(head) < 8 || head[4] != 0 || head[5] != 0 {
		return nil
	}
	if quantum := head[6]; quantum != 1 && quantum != 2 && quantum != 4 {
		return nil
	}
	word := int(head[7])
	if word != 4 && word != 8 {
		return nil
	}
	switch order.Uint32(head) {
	case 0xfffffffa: // Go 1.16
		return &layout{word, 2, 3}
	case 0xfffffff0, 0xfffffff1: // Go 1.18, 1.20
		return &layout{word, 3, 4}
	}
	return nil
}

// namesAt returns the names in the table at an address, which has at most size bytes.
func namesAt(f *elf.File, addr, size uint64) (*io.SectionReader, error) {
	var head [8 + 5*8]byte
	table := f.At(addr)
	if n, err := table.ReadAt(head[:], 0); err != nil && err != io.EOF || n < len(head) {
		return nil, errNoTable
	}
	l := layoutOf(f.Order(), head[:])
	if l == nil {
		return nil, errNoTable
	}
	p := pointers{file: f, size: l.word}
	from, to := p.value(head[8+l.names*l.word:]), p.value(head[8+l.next*l.word:])
	size = min(size, uint64(table.Size()))
	if from == 0 || from >= to || to > size || to-from > maxNames {
		return nil, errNoTable
	}
	return io.NewSectionReader(table, int64(from), int64(to-from)), nil
}

// A packageSet collects the packages of functions.
type packageSet struct {
	known   map[string]bool
	last    []byte // the package of the last name; most have the one before
	runtime bool   // the runtime is part of the program
}

// read reads the names of functions, each followed by a zero.
func (s *packageSet) read(names io.Reader) error {
	buf := buffers.Get().(*[searchSize]byte)
	defer buffers.Put(buf)
	kept := 0 // bytes of a name that is not complete
	for {
		n, err := names.Read(buf[kept:])
		data := s.addAll(buf[:kept+n])
		if len(s.known) > maxPackages || len(data) >= len(buf) {
			return errNoTable
		}
		kept = copy(buf[:], data)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// addAll adds the packages of the functions in data, and returns what follows the last zero.
// Most of the time of a scan of Go programs is spent here. Nine out of ten functions are in
// the package of the one before.
func (s *packageSet) addAll(data []byte) []byte {
	for {
		if n := len(s.last); n > 0 && len(data) > n+1 && data[n] == '.' && string(data[:n]) == string(s.last) {
			rest := data[n+1:]
			i := bytes.IndexByte(rest, 0)
			if i < 0 {
				return data
			}
			// What is in brackets does not count, and methods with a pointer begin with one.
			if rest[0] == '(' || bytes.IndexByte(rest[:i], '/') < 0 {
				s.runtime = s.runtime || string(data[:n+1+i]) == runtimeMain
				data = rest[i+1:]
				continue
			}
		}
		i := bytes.IndexByte(data, 0)
		if i < 0 {
			return data
		}
		s.add(data[:i])
		data = data[i+1:]
	}
}

// runtimeMain is a function that every program has.
const runtimeMain = "runtime.main"

// add adds the package of a function.
func (s *packageSet) add(name []byte) {
	path := packageOf(name)
	if len(path) > 0 && !bytes.Equal(path, s.last) {
		s.last = append(s.last[:0], path...)
		if !s.known[string(path)] {
			s.known[string(path)] = true
		}
	}
	s.runtime = s.runtime || string(name) == runtimeMain
}

// packageOf returns the escaped import path of the package of a function, or nil if it has
// none: functions of C, and those that the compiler generates for types. It is what
// precedes the first dot after the last slash. Dots in the last element of an import path
// are escaped. What follows the package may have slashes and dots in brackets.
func packageOf(name []byte) []byte {
	if bytes.HasPrefix(name, []byte("type:")) || bytes.HasPrefix(name, []byte("type..")) || bytes.HasPrefix(name, []byte("go:")) {
		return nil
	}
	dot := -1 // the first one after the last slash
	for i, c := range name {
		switch c {
		case '/':
			dot = -1
		case '.':
			if dot < 0 {
				dot = i
			}
		case '(', '[', '{', ' ':
			return name[:max(dot, 0)]
		}
	}
	return name[:max(dot, 0)]
}

// unescape reverses the escaping of an import path in the names of functions
// (cmd/internal/objabi.PathToPrefix): "%2e" is a dot.
func unescape(path string) string {
	if strings.IndexByte(path, '%') < 0 {
		return path
	}
	text, err := url.PathUnescape(path)
	if err != nil {
		return path
	}
	return text
}

// linkedOf returns for each module the packages in it that are linked, as paths within the
// module. A package belongs to the module with the longest path. Those of the program's own
// module are left out: they are private, and no advisory is about them. The standard library
// has the other packages, if their first element is no domain.
func linkedOf(packages map[string]bool, own string, modules []string) map[string][]string {
	in := make(map[string][]string, len(modules)+1)
	known := make(map[string]bool, len(modules))
	for _, m := range modules {
		known[m] = true
	}
	for escaped := range packages {
		p := unescape(escaped)
		if p == "main" || p == "command-line-arguments" || strings.ContainsAny(p, " \n") {
			continue
		}
		module := longest(p, func(prefix string) bool { return known[prefix] || prefix == own && own != "" })
		first, _, _ := strings.Cut(p, "/")
		switch {
		case module != "" && module == own:
		case module != "":
			in[module] = append(in[module], cmp.Or(strings.TrimPrefix(p[len(module):], "/"), "."))
		case !strings.Contains(first, "."):
			in[Stdlib] = append(in[Stdlib], p)
		}
	}
	return in
}

// longest returns the longest path that is p or a folder above it and that is accepted, or "".
func longest(p string, accepted func(string) bool) string {
	for {
		if accepted(p) {
			return p
		}
		i := strings.LastIndexByte(p, '/')
		if i < 0 {
			return ""
		}
		p = p[:i]
	}
}
