package snapshot

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"

	bolt "go.etcd.io/bbolt"
)

// The form of bbolt's pages, all numbers little-endian as on the machines that
// this program runs on:
//
//	header   id uint64, flags uint16, count uint16, overflow uint32
//	branch   per element: position uint32, key size uint32, page uint64
//	leaf     per element: flags uint32, position uint32, key size uint32, value size uint32
//	bucket   the value of a leaf element: page uint64, sequence uint64; page 0
//	         means that a leaf page follows within the value
//	meta     magic, version, page size, flags uint32; root page, sequence,
//	         freelist page, number of pages, transaction, checksum uint64
//	freelist the numbers of the pages, uint64
//
// Positions are relative to the beginning of the element.
const (
	pageHeader    = 16
	elementHeader = 16
	bucketHeader  = 16
	metaSize      = 64

	branchFlag   = 0x01
	leafFlag     = 0x02
	freelistFlag = 0x10
	bucketFlag   = 0x01 // of a leaf element

	maxTreeDepth = 32
	maxPageBytes = 1 << 30 // of a page with its overflow
)

// A treeCheck reads every page of the state of a transaction. bbolt does not check pages: a
// damaged key in a branch page makes lookups miss existing keys without an error, and a loop
// overflows the stack.
type treeCheck struct {
	file     io.ReaderAt
	pageSize int
	pages    uint64 // below this number
	used     []bool
	buffers  [maxTreeDepth][]byte
}

// checkTree checks that each page of the state is in its place, that keys are in order and
// within the bounds of the pages above, and that no page is used twice, or used and free.
func checkTree(tx *bolt.Tx, file *os.File, pageSize int) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("check snapshot: %w", err)
	}
	t := &treeCheck{file: file, pageSize: pageSize}
	meta, err := t.meta(uint64(tx.ID()))
	if err != nil {
		return err
	}
	root := binary.LittleEndian.Uint64(meta[16:])
	freelist := binary.LittleEndian.Uint64(meta[32:])
	t.pages = binary.LittleEndian.Uint64(meta[40:])
	if t.pages < 4 || t.pages > uint64(info.Size())/uint64(pageSize) {
		return fmt.Errorf("%w: the file is truncated", ErrDamaged)
	}
	t.used = make([]bool, t.pages)
	t.used[0], t.used[1] = true, true
	if err := t.walk(root, nil, nil, 0, true); err != nil {
		return err
	}
	return t.freelist(freelist)
}

// meta returns the meta page of a transaction.
func (t *treeCheck) meta(txid uint64) ([]byte, error) {
	for n := range int64(2) {
		page := make([]byte, pageHeader+metaSize)
		if _, err := t.file.ReadAt(page, n*int64(t.pageSize)); err != nil {
			return nil, fmt.Errorf("check snapshot: %w", err)
		}
		meta := page[pageHeader:]
		sum := fnv.New64a()
		_, _ = sum.Write(meta[:56])
		if binary.LittleEndian.Uint64(meta[48:]) == txid && binary.LittleEndian.Uint64(meta[56:]) == sum.Sum64() {
			return meta, nil
		}
	}
	return nil, fmt.Errorf("%w: it has no meta page of its transaction", ErrDamaged)
}

// A treePage is one page with its overflow.
type treePage struct {
	id    uint64
	flags uint16
	count int
	bytes []byte // with the header
}

func (p *treePage) damage(format string, args ...any) error {
	return fmt.Errorf("%w: page %d: %s", ErrDamaged, p.id, fmt.Sprintf(format, args...))
}

// read reads a page into a buffer, and marks it as used.
func (t *treeCheck) read(id uint64, buf *[]byte) (treePage, error) {
	p := treePage{id: id}
	if id < 2 || id >= t.pages {
		return p, p.damage("beyond the last of %d pages", t.pages)
	}
	at := func(size int) error {
		if cap(*buf) < size {
			*buf = make([]byte, size)
		}
		*buf = (*buf)[:size]
		if _, err := t.file.ReadAt(*buf, int64(id)*int64(t.pageSize)); err != nil {
			return fmt.Errorf("check snapshot: %w", err)
		}
		return nil
	}
	if err := at(t.pageSize); err != nil {
		return p, err
	}
	if got := binary.LittleEndian.Uint64(*buf); got != id {
		return p, p.damage("its header has page number %d", got)
	}
	overflow := uint64(binary.LittleEndian.Uint32((*buf)[12:]))
	if overflow >= t.pages-id || (overflow+1)*uint64(t.pageSize) > maxPageBytes {
		return p, p.damage("invalid overflow of %d pages", overflow)
	}
	for n := id; n <= id+overflow; n++ {
		if t.used[n] {
			return p, p.damage("it is used twice")
		}
		t.used[n] = true
	}
	if overflow > 0 {
		if err := at((int(overflow) + 1) * t.pageSize); err != nil {
			return p, err
		}
	}
	p.bytes = *buf
	p.flags = binary.LittleEndian.Uint16(p.bytes[8:])
	p.count = int(binary.LittleEndian.Uint16(p.bytes[10:]))
	return p, nil
}

// walk checks a page and all pages below it. Keys must not be below low, and must be below
// high unless that is nil. All values are buckets if buckets is set, and none otherwise.
func (t *treeCheck) walk(id uint64, low, high []byte, depth int, buckets bool) error {
	if depth == maxTreeDepth {
		return fmt.Errorf("%w: page %d: too deep", ErrDamaged, id)
	}
	p, err := t.read(id, &t.buffers[depth])
	if err != nil {
		return err
	}
	switch p.flags {
	case leafFlag:
		return t.leaf(&p, low, high, depth, buckets)
	case branchFlag:
	default:
		return p.damage("flags %#x", p.flags)
	}
	if p.count == 0 {
		return p.damage("a branch without elements")
	}
	keys := make([][]byte, p.count)
	for i := range keys {
		if keys[i], err = p.key(i, 4, 8); err != nil {
			return err
		}
		if err := p.ordered(keys[:i+1], low, high); err != nil {
			return err
		}
	}
	for i, key := range keys {
		end := high
		if i+1 < len(keys) {
			end = keys[i+1]
		}
		child := binary.LittleEndian.Uint64(p.bytes[pageHeader+i*elementHeader+8:])
		if err := t.walk(child, key, end, depth+1, buckets); err != nil {
			return err
		}
	}
	return nil
}

// leaf checks the elements of a leaf page.
func (t *treeCheck) leaf(p *treePage, low, high []byte, depth int, buckets bool) error {
	var last []byte
	for i := range p.count {
		element := pageHeader + i*elementHeader
		key, err := p.key(i, 8, 12)
		if err != nil {
			return err
		}
		var pair [2][]byte
		keys := append(pair[:0], last)
		if i == 0 {
			keys = keys[:0]
		}
		if err := p.ordered(append(keys, key), low, high); err != nil {
			return err
		}
		last = key
		flags := binary.LittleEndian.Uint32(p.bytes[element:])
		if flags&bucketFlag != 0 != buckets || flags&^bucketFlag != 0 {
			return p.damage("element %d has flags %#x", i, flags)
		}
		if !buckets {
			continue
		}
		size := int(binary.LittleEndian.Uint32(p.bytes[element+12:]))
		begin := element + int(binary.LittleEndian.Uint32(p.bytes[element+4:])) + len(key)
		value := p.bytes[begin : begin+size]
		if len(value) < bucketHeader {
			return p.damage("bucket %q is truncated", key)
		}
		if root := binary.LittleEndian.Uint64(value); root != 0 {
			if err := t.walk(root, nil, nil, depth+1, false); err != nil {
				return err
			}
			continue
		}
		inline := treePage{id: p.id, bytes: value[bucketHeader:]}
		if len(inline.bytes) < pageHeader || binary.LittleEndian.Uint16(inline.bytes[8:]) != leafFlag {
			return p.damage("bucket %q is not a leaf", key)
		}
		inline.count = int(binary.LittleEndian.Uint16(inline.bytes[10:]))
		if err := t.leaf(&inline, nil, nil, depth, false); err != nil {
			return err
		}
	}
	return nil
}

// key returns the key of element i, with its position and size at the given offsets in the
// element. A leaf element, which has its position at 4 and its key size at 8, has a value
// after the key.
func (p *treePage) key(i, size, end int) ([]byte, error) {
	element := pageHeader + i*elementHeader
	if element+elementHeader > len(p.bytes) {
		return nil, p.damage("element %d is beyond the page", i)
	}
	position := uint64(binary.LittleEndian.Uint32(p.bytes[element+size-4:]))
	length := uint64(binary.LittleEndian.Uint32(p.bytes[element+size:]))
	total := length
	if end == 12 {
		total += uint64(binary.LittleEndian.Uint32(p.bytes[element+end:]))
	}
	begin := uint64(element) + position
	if begin < pageHeader+uint64(p.count)*elementHeader || begin+total > uint64(len(p.bytes)) {
		return nil, p.damage("element %d is beyond the page", i)
	}
	return p.bytes[begin : begin+length : begin+length], nil
}

// ordered checks that the last of the keys is above the previous one, and within low and
// high.
func (p *treePage) ordered(keys [][]byte, low, high []byte) error {
	key := keys[len(keys)-1]
	switch {
	case len(keys) > 1 && bytes.Compare(keys[len(keys)-2], key) >= 0:
		return p.damage("key %.80q is out of order", key)
	case bytes.Compare(key, low) < 0, high != nil && bytes.Compare(key, high) >= 0:
		return p.damage("key %.80q belongs to another page", key)
	}
	return nil
}

// freelist checks that every page is either used or free, and not both.
func (t *treeCheck) freelist(id uint64) error {
	p, err := t.read(id, &t.buffers[0])
	if err != nil {
		return err
	}
	if p.flags != freelistFlag {
		return p.damage("flags %#x of the freelist", p.flags)
	}
	count, ids := uint64(p.count), p.bytes[pageHeader:]
	if p.count == 0xffff { // the number did not fit
		count, ids = binary.LittleEndian.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return p.damage("a freelist of %d pages", count)
	}
	for i := range count {
		free := binary.LittleEndian.Uint64(ids[8*i:])
		if free >= t.pages || t.used[free] {
			return p.damage("page %d cannot be free", free)
		}
		t.used[free] = true
	}
	for n, used := range t.used {
		if !used {
			return fmt.Errorf("%w: page %d is neither used nor free", ErrDamaged, n)
		}
	}
	return nil
}
