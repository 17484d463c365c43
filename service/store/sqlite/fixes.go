package sqlite

import (
	"encoding/binary"
	"errors"
	"time"

	"assay/service/store"
)

// The fixes of an advisory are kept with each version: all that any version so
// far has named, each with the time when one first did, and whether this one
// does. So a version is read without a look at others, and written with a look
// at the one before it. One after the other:
//
//	1 byte            1 if this version names the fix, else 0
//	varint            first seen
//	uvarint, bytes ×3 ecosystem, package, version; a length of 0 for the
//	                  ecosystem or the package means the same as in the fix before

// A keptFix is one of them.
type keptFix struct {
	store.Fix
	named bool
}

// mergeFixes returns what a version that names named is kept with, after one
// kept with earlier. Fixes that are not in earlier are seen first at the time at.
func mergeFixes(earlier []keptFix, named []store.Fix, at time.Time) []keptFix {
	merged := make([]keptFix, 0, max(len(earlier), len(named)))
	place := make(map[store.Fix]int, len(earlier)+len(named))
	key := func(f store.Fix) store.Fix {
		f.FirstSeen = time.Time{}
		return f
	}
	for _, f := range earlier {
		place[key(f.Fix)] = len(merged)
		merged = append(merged, keptFix{Fix: f.Fix})
	}
	for _, f := range named {
		i, ok := place[key(f)]
		if !ok {
			i = len(merged)
			place[key(f)] = i
			f.FirstSeen = at
			merged = append(merged, keptFix{Fix: f})
		}
		merged[i].named = true
	}
	return merged
}

func encodeFixes(fixes []keptFix) []byte {
	b := []byte{} // not nil, which would be NULL
	var last store.Fix
	text := func(s, before string) {
		if s == before {
			s = ""
		}
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	for _, f := range fixes {
		if f.named {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
		b = binary.AppendVarint(b, toMicro(f.FirstSeen))
		text(f.Ecosystem, last.Ecosystem)
		text(f.Package, last.Package)
		text(f.Version, "")
		last = f.Fix
	}
	return b
}

var errFixes = errors.New("damaged list of fixes")

func decodeFixes(b []byte) ([]keptFix, error) {
	var fixes []keptFix
	var last store.Fix
	for len(b) > 0 {
		f := keptFix{named: b[0] == 1}
		seen, n := binary.Varint(b[1:])
		if n <= 0 {
			return nil, errFixes
		}
		f.FirstSeen = fromMicro(seen)
		b = b[1+n:]
		for _, t := range [...]struct {
			to     *string
			before string
		}{{&f.Ecosystem, last.Ecosystem}, {&f.Package, last.Package}, {&f.Version, ""}} {
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return nil, errFixes
			}
			*t.to = string(b[n : n+int(size)])
			if size == 0 {
				*t.to = t.before
			}
			b = b[n+int(size):]
		}
		last = f.Fix
		fixes = append(fixes, f)
	}
	return fixes, nil
}
