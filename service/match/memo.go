package match

import (
	"encoding/binary"
	"reflect"
	"sync"
)

// memoBytes bounds what a Memo keeps, by its own estimate: some hundred thousand
// packages, most of which have no finding.
const memoBytes = 64 << 20

// A Memo keeps what was found out about packages and records for later scans, since
// thousands of builds share the packages of a few base images. It belongs to one
// state of an Index, whose Memo method gives it, and ends with it. What it gives
// is what judging again would give: a judgement follows from the index and from
// what is in its key alone. It is safe for concurrent use.
type Memo struct {
	mu         sync.RWMutex
	judgements map[string]*judgement
	size       int
	lookedUp   *lookedUp
}

// NewMemo returns an empty Memo.
func NewMemo() *Memo {
	return &Memo{judgements: make(map[string]*judgement), lookedUp: newLookedUp()}
}

// get returns the judgement of a key, nil where it is not kept.
func (o *Memo) get(key []byte) *judgement {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.judgements[string(key)]
}

// put keeps a judgement, which nobody may change from then on.
func (o *Memo) put(key []byte, j *judgement) {
	size := memoSize(len(key), j)
	if size > memoBytes/4 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.judgements[string(key)]; ok {
		return
	}
	// Whatever the map yields first makes room: any order serves, and this one
	// cannot be steered by what is sent.
	for k, old := range o.judgements {
		if o.size+size <= memoBytes {
			break
		}
		delete(o.judgements, k)
		o.size -= memoSize(len(k), old)
	}
	o.judgements[string(key)] = j
	o.size += size
}

// memoSize estimates the bytes that a judgement takes with its key. The strings
// of a claim are mostly parts of a record of about a KiB, which is kept whole
// for them; its JSON is half as long.
func memoSize(key int, j *judgement) int {
	const record, encoded, entry = 1 << 10, 1 << 9, 150
	return entry + key + len(j.findings)*(int(reflect.TypeFor[Claim]().Size())+encoded+record) + len(j.gaps)*record
}

// remembered returns the judgement of a subject by an earlier scan, nil where
// there is none, or an owner answers for it: that judgement depends on the
// owner's.
func (m *matcher) remembered(s subject) *judgement {
	if m.memo == nil || s.owner != nil {
		return nil
	}
	return m.memo.get(m.memoKey(s))
}

// remember keeps the judgement of a subject for later scans.
func (m *matcher) remember(s subject, j *judgement) {
	if m.memo != nil && s.owner == nil {
		m.memo.put(m.memoKey(s), j)
	}
}

// memoKey returns all that a judgement depends on beside the index, valid until
// the next call. The order of versions follows from the type and the ecosystems.
func (m *matcher) memoKey(s subject) []byte {
	by := s.scheme
	b := append(m.key[:0], byte(by.names), byte(boolean(by.ranked)), byte(boolean(by.spellings)), byte(boolean(s.modular)), byte(boolean(s.noEpoch)))
	for _, part := range [...]string{by.typ, by.joined, by.extended, m.arch, s.name, s.source, s.version, s.stream} {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	m.key = b
	return b
}
