package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"assay/service/exploit"
	"assay/service/store"
)

// A catalog is what the index keeps about an exploit catalog as a whole. The store and the
// file call it a list.
type catalog struct {
	digest    [sha256.Size]byte // part of the snapshot's id
	source    string
	published time.Time // zero if it is unknown
	entries   int
}

func (l *catalog) encode(kind string) []byte {
	b := newValue(64)
	b = append(b, l.digest[:]...)
	b = appendString(b, l.source)
	b = appendTime(b, l.published)
	return seal([]byte(kind), appendUint(b, l.entries))
}

func decodeCatalog(key, value []byte) (catalog, error) {
	content, err := checkValue(key, value)
	if err != nil {
		return catalog{}, err
	}
	r := reader{s: string(content)}
	var l catalog
	copy(l.digest[:], r.bytes(sha256.Size))
	l.source = r.string()
	l.published = r.time()
	l.entries = r.int(maxCount)
	return l, r.end(key)
}

// catalogDigest returns the digest of a catalog in the snapshot's id. Ids of advisories have
// no spaces.
func catalogDigest(kind string, body []byte) [sha256.Size]byte { return digestOf("list "+kind, body) }

// The entries of a catalog are in blocks, each of 200 numbers of one year. There are few
// keys, so that a new catalog is written quickly, and values are small, so that a lookup
// checks little. An entry is
//
//	2 bytes  the number within the block
//	4 bytes  KEV: days from 1970-01-01; EPSS: billionths
//
// big-endian, sorted.
const (
	blockNumbers = 200
	blockEntry   = 6
)

// appendBlockKey appends the key of the block in which a catalog of a kind has a CVE:
// "epss", 0, "2021-7".
func appendBlockKey(b []byte, kind exploit.Kind, c exploit.CVE) []byte {
	b = append(append(b, kind...), 0)
	b = append(strconv.AppendInt(b, int64(c.Year), 10), '-')
	return strconv.AppendInt(b, int64(c.Number/blockNumbers), 10)
}

func appendBlockEntry(b []byte, kind exploit.Kind, e exploit.Entry) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(e.CVE.Number%blockNumbers))
	value := uint32(e.EPSS)
	if kind == exploit.KEV {
		value = uint32(int32(e.Added.Unix() / (24 * 60 * 60)))
	}
	return binary.BigEndian.AppendUint32(b, value)
}

// readBlock looks up a CVE in the value of its block.
func readBlock(kind exploit.Kind, c exploit.CVE, key, value []byte) (e exploit.Entry, ok bool, err error) {
	content, err := checkValue(key, value)
	if err != nil {
		return e, false, err
	}
	if len(content)%blockEntry != 0 {
		return e, false, fmt.Errorf("%w: key %q: %w", ErrDamaged, key, errShort)
	}
	want := c.Number % blockNumbers
	lo, hi := 0, len(content)/blockEntry
	for lo < hi {
		mid := (lo + hi) / 2
		if int(binary.BigEndian.Uint16(content[mid*blockEntry:])) < want {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	at := lo * blockEntry
	if at == len(content) || int(binary.BigEndian.Uint16(content[at:])) != want {
		return e, false, nil
	}
	n := binary.BigEndian.Uint32(content[at+2:])
	e.CVE = c
	if kind == exploit.KEV {
		e.Added = time.Unix(int64(int32(n))*24*60*60, 0).UTC()
	} else {
		e.EPSS = exploit.Score(n)
	}
	return e, true, nil
}

// putCatalog replaces the catalog of a kind and its entries.
func (w *writer) putCatalog(l store.List, entries []exploit.Entry) error {
	key := []byte(l.Kind)
	if value := w.lists.Get(key); value != nil {
		old, err := decodeCatalog(key, value)
		if err != nil {
			return err
		}
		w.state.sum.remove(old.digest)
		w.state.lists--
	}
	if err := w.dropBlocks(l.Kind); err != nil {
		return err
	}
	meta := catalog{digest: catalogDigest(l.Kind, l.Body), source: l.Source, published: l.Published, entries: len(entries)}
	w.state.sum.add(meta.digest)
	w.state.lists++
	if err := w.lists.Put(key, meta.encode(l.Kind)); err != nil {
		return err
	}
	kind := exploit.Kind(l.Kind)
	var at, value []byte
	put := func() error {
		if at == nil {
			return nil
		}
		w.state.blocks++
		return w.blocks.Put(at, seal(at, value))
	}
	for _, e := range entries {
		if key := appendBlockKey(nil, kind, e.CVE); !bytes.Equal(key, at) {
			if err := put(); err != nil {
				return err
			}
			at, value = key, newValue(blockEntry*blockNumbers)
		}
		value = appendBlockEntry(value, kind, e)
	}
	return put()
}

func (w *writer) dropBlocks(kind string) error {
	prefix := []byte(kind + "\x00")
	var keys [][]byte // deleting a key moves the cursor
	c := w.blocks.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := w.blocks.Delete(k); err != nil {
			return err
		}
	}
	w.state.blocks -= len(keys)
	return nil
}

// Exploit returns the entries of a CVE in the exploit catalogs, as match.Index has it.
func (v *View) Exploit(c exploit.CVE) (kev, epss exploit.Entry, err error) {
	if v.state.lists == 0 {
		return kev, epss, nil
	}
	err = v.handle.guard(func() error {
		for _, to := range [...]struct {
			kind  exploit.Kind
			entry *exploit.Entry
		}{{exploit.KEV, &kev}, {exploit.EPSS, &epss}} {
			v.key = appendBlockKey(v.key[:0], to.kind, c)
			value := v.blocks.Get(v.key)
			if value == nil {
				continue
			}
			e, ok, err := readBlock(to.kind, c, v.key, value)
			if err != nil {
				return err
			}
			if ok {
				*to.entry = e
			}
		}
		return nil
	})
	return kev, epss, err
}
