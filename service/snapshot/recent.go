package snapshot

import (
	"sync"

	"assay/service/index"
	"assay/service/match"
)

const (
	// recentBytes bounds the decoded entries that are kept, by this estimate: so
	// much for an entry, and for what it refers to so many times the value's size.
	recentBytes = 64 << 20
	entryBytes  = 104
	valueFactor = 8
)

// A recent holds the decoded entries of packages that were asked for, and what
// the matcher made of packages, for one published state. Images share most of their packages, and a distribution's
// kernel alone is ten thousand entries: decoding them again for each scan costs
// more than everything else here.
type recent struct {
	handle *handle
	tx     int // bbolt's number of the state, which grows

	memo *match.Memo

	mu      sync.RWMutex
	entries map[string]recentEntries
	size    int
}

type recentEntries struct {
	list []index.Affected
	size int
}

// recentOf returns what is kept for the state tx of h, and begins anew where
// that is newer than what is kept; nil for an older state.
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

// put keeps the entries of a package, whose encoded value had the given size.
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
	// Whatever the map yields first makes room: any order serves, and this one
	// cannot be steered by what is asked.
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
