package encode

import (
	"encoding/binary"
	"errors"
	"time"

	"assay/service/store"
)

// Each version of an advisory is stored with every fix that this or an earlier version
// named, when a version first named it, and whether this version does. A version can then
// be read alone, and written with only the one before it. A list has for each fix:
//
//	1 byte            1 if this version names the fix, else 0
//	varint            first seen, in microseconds since 1970
//	uvarint, bytes ×3 ecosystem, package, version; length 0 for the ecosystem or the
//	                  package means the same as in the fix before

// A Fix is a fix that this version or an earlier one names.
type Fix struct {
	store.Fix
	Named bool // by this version
}

// MergeFixes returns the fixes to store with a version that names the fixes named. The
// version before it was stored with the fixes earlier. Fixes that are not in earlier are
// first seen at the time at.
func MergeFixes(earlier []Fix, named []store.Fix, at time.Time) []Fix {
	merged := make([]Fix, 0, max(len(earlier), len(named)))
	place := make(map[store.Fix]int, len(earlier)+len(named))
	key := func(f store.Fix) store.Fix {
		f.FirstSeen = time.Time{}
		return f
	}
	for _, f := range earlier {
		place[key(f.Fix)] = len(merged)
		merged = append(merged, Fix{Fix: f.Fix})
	}
	for _, f := range named {
		i, ok := place[key(f)]
		if !ok {
			i = len(merged)
			place[key(f)] = i
			f.FirstSeen = at
			merged = append(merged, Fix{Fix: f})
		}
		merged[i].Named = true
	}
	return merged
}

// Fixes encodes fixes. The result is not nil, even if there are none.
func Fixes(fixes []Fix) []byte {
	b := []byte{}
	var last store.Fix
	text := func(s, before string) {
		if s == before {
			s = ""
		}
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	for _, f := range fixes {
		if f.Named {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
		b = binary.AppendVarint(b, f.FirstSeen.UnixMicro())
		text(f.Ecosystem, last.Ecosystem)
		text(f.Package, last.Package)
		text(f.Version, "")
		last = f.Fix
	}
	return b
}

var errFixes = errors.New("damaged list of fixes")

// DecodeFixes decodes what Fixes encoded.
func DecodeFixes(b []byte) ([]Fix, error) {
	var fixes []Fix
	var last store.Fix
	for len(b) > 0 {
		f := Fix{Named: b[0] == 1}
		seen, n := binary.Varint(b[1:])
		if n <= 0 {
			return nil, errFixes
		}
		f.FirstSeen = time.UnixMicro(seen).UTC()
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
