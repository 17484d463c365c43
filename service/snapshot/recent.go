package snapshot

import (
	"sync"

	"assay/service/index"
	"assay/service/match"
)

const (
	// recentBytes bounds the decoded entries that are kept. Their size is estimated as
	// entryBytes for each entry, and valueFactor times the size of the value for what the
	// entries refer to.
	recentBytes = 64 << 20
	entryBytes  = 104
	valueFactor = 8
)

// A recent keeps the decoded entries of packages that were looked up, and the matcher's
// results, for one published state. Images share most of their packages, and a
// distribution's kernel alone has ten thousand entries: decoding them for each scan would
// take longer than everything else here.
type recent struct {
	handle *handle
	tx     int // bbolt's number of the state, which increases

	memo *match.Memo

	mu      sync.RWMutex
	entries map[string]recentEntries
	size    int
}

type recentEntries struct {
	list []index.Affected
	size int
}

// recentOf returns what is kept for the state tx of h. If that state is newer than the kept
// one, it is empty, and if it is older, the result is nil.
func (db *DB) recentOf(h *handle, tx int) *recent {
	db.mu.Lock()
	defer db.mu.Unlock()
	if h != db.current {
		return nil
	}
	if r := db.recent; r != nil && r.handle == h && r.tx >= tx {
		if r.tx > tx {
			return nil
		}
		return r
	}
	db.recent = &recent{handle: h, tx: tx, memo: match.NewMemo(), entries: map[string]recentEntries{}}
	return db.recent
}

func (r *recent) get(key []byte) ([]index.Affected, bool) {
	if r == nil {
		return nil, false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	e, ok := r.entries[string(key)]
	return e.list, ok
}

// put keeps the entries of a package. encoded is the size of their value.
func (r *recent) put(key []byte, list []index.Affected, encoded int) {
	if r == nil {
		return
	}
	size := entryBytes*len(list) + valueFactor*encoded
	if size > recentBytes/4 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.entries[string(key)]; ok {
		return
	}
	// Evict in the map's order: it is arbitrary, and requests cannot steer it.
	for old, e := range r.entries {
		if r.size+size <= recentBytes {
			break
		}
		delete(r.entries, old)
		r.size -= e.size
	}
	r.entries[string(key)] = recentEntries{list: list, size: size}
	r.size += size
}
