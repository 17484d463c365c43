package match

import (
	"sync"

	"assay/service/index"
)

const (
	// recordCacheBytes bounds a recordCache, by its own estimate.
	recordCacheBytes = 24 << 20

	recordBytes        = 1 << 10 // the size of most records
	vulnerabilityBytes = 200
	entryBytes         = 100 // the size of a map entry with its key
)

// A recordCache keeps the records that were looked up in one state of an index, and the
// vulnerabilities that they are about. The same records name packages of many versions
// and scans. Its values must not be changed. It is safe for concurrent use.
type recordCache struct {
	mu    sync.RWMutex
	byID  map[string][]*index.Vulnerability // one of each source, or nil
	refs  map[string][]*index.Vulnerability
	about map[string][]vulnerability
	size  int
}

func newRecordCache() *recordCache {
	return &recordCache{
		byID:  make(map[string][]*index.Vulnerability),
		refs:  make(map[string][]*index.Vulnerability),
		about: make(map[string][]vulnerability),
	}
}

// find returns the value of an id in one of the maps.
func find[V any](l *recordCache, in map[string]V, id string) (v V, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	v, ok = in[id]
	return v, ok
}

// keep puts a value of a size into one of the maps, and returns it. If the cache is full,
// it is cleared first.
func keep[V any](l *recordCache, in map[string]V, id string, v V, bytes int) V {
	l.mu.Lock()
	defer l.mu.Unlock()
	bytes += entryBytes + len(id)
	if l.size += bytes; l.size > recordCacheBytes {
		clear(l.byID)
		clear(l.refs)
		clear(l.about)
		l.size = bytes
	}
	in[id] = v
	return v
}
