package match

import (
	"encoding/binary"
	"reflect"
	"sync"
)

// memoBytes bounds what a Memo keeps, by its own estimate: some hundred thousand
// packages, most of which have no findings.
const memoBytes = 64 << 20

// A Memo keeps evaluations and records for later scans, since thousands of builds share
// the packages of a few base images. It belongs to one state of the data. An evaluation
// follows from that state and its key alone, so the result of a scan with a Memo is the
// same as without. A Memo is safe for concurrent use.
type Memo struct {
	mu          sync.RWMutex
	evaluations map[string]*evaluation
	size        int
	records     *recordCache
}

// NewMemo returns an empty Memo.
func NewMemo() *Memo {
	return &Memo{evaluations: make(map[string]*evaluation), records: newRecordCache()}
}

// get returns the evaluation of a key, or nil.
func (o *Memo) get(key []byte) *evaluation {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.evaluations[string(key)]
}

// put keeps an evaluation, which must not be changed from then on.
func (o *Memo) put(key []byte, e *evaluation) {
	size := memoSize(len(key), e)
	if size > memoBytes/4 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.evaluations[string(key)]; ok {
		return
	}
	// Evict in the map's order: it is arbitrary, and requests cannot steer it.
	for k, old := range o.evaluations {
		if o.size+size <= memoBytes {
			break
		}
		delete(o.evaluations, k)
		o.size -= memoSize(len(k), old)
	}
	o.evaluations[string(key)] = e
	o.size += size
}

// memoSize estimates the bytes that an evaluation takes with its key. The strings of a
// match are mostly parts of a record of about 1 KiB, which they keep in memory as a
// whole. The JSON of a match is half as long.
func memoSize(key int, e *evaluation) int {
	const record, encoded, entry = 1 << 10, 1 << 9, 150
	return entry + key + len(e.matches)*(int(reflect.TypeFor[Match]().Size())+encoded+record) + len(e.gaps)*record
}

// remembered returns the evaluation of a lookup by an earlier scan, or nil. An
// evaluation that depends on an owner's is not kept.
func (m *matcher) remembered(l lookup) *evaluation {
	if m.memo == nil || l.owner != nil {
		return nil
	}
	return m.memo.get(m.memoKey(l))
}

// remember keeps the evaluation of a lookup for later scans.
func (m *matcher) remember(l lookup, e *evaluation) {
	if m.memo != nil && l.owner == nil {
		m.memo.put(m.memoKey(l), e)
	}
}

// memoKey returns everything that an evaluation depends on except for the index. It is
// valid until the next call.
func (m *matcher) memoKey(l lookup) []byte {
	b := append(m.key[:0], byte(boolean(l.module)), byte(boolean(l.noEpoch)), byte(boolean(l.noSourceEpoch)))
	for _, part := range [...]string{l.rules.key, m.arch, l.name, l.source, l.version, l.ownVersion, l.sourceVersion, l.stream} {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	m.key = b
	return b
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}
