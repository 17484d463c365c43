package match

import (
	"sync"

	"assay/service/index"
)

const (
	// recordCacheBytes bounds what a recordCache keeps, by its own estimate.
	recordCacheBytes = 24 << 20

	recordBytes        = 1 << 10 // of most records
	vulnerabilityBytes = 200
	entryBytes         = 100 // of a map, with its key
)

// recordCache is what was looked up of the records of one state of an index, and
// what they are about. Packages of many versions, and of many scans, are named by
// the same records. What is in it nobody may change. It is safe for concurrent
// use.
type recordCache struct {
	mu    sync.RWMutex
	byID  map[string][]*index.Vulnerability // by source; nil where there is none
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

// find returns what one of the maps has of an id.
func find[V any](l *recordCache, in map[string]V, id string) (v V, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	v, ok = in[id]
	return v, ok
}

// keep puts a value of so many bytes into one of the maps, and returns it. Where
// there is no room left, all begins anew.
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
