package snapshot

import (
	"bytes"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"assay/service/index"
	"assay/service/match"
	"assay/verdict"
)

// A View is one state of the index, which later imports do not change. Any number of views
// may be open, and opening one takes about as long as a lookup. Each may be used by one
// goroutine at a time. Results are not part of the mapped file and may be kept.
//
// An open view does not block imports. But the pages of its state cannot be reused, and a
// replaced file remains on the disk, so a view should be closed after one scan.
type View struct {
	db     *DB
	handle *handle
	tx     *bolt.Tx
	buckets
	state  state
	recent *recent // of this state, or nil if a newer one is published
	key    []byte
}

var _ match.QueryIndex = (*View)(nil)

// View opens the published state. After damage has been detected the error is ErrDamaged,
// wrapped, until CatchUp has rebuilt the index.
func (db *DB) View() (*View, error) {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil, errClosed
	}
	h := db.current
	h.views++
	db.mu.Unlock()

	v := &View{db: db, handle: h}
	var err error
	if v.tx, err = h.begin(false); err == nil {
		err = h.guard(v.open)
	}
	if err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

func (v *View) open() (err error) {
	if v.buckets, err = openBuckets(v.tx); err != nil {
		return err
	}
	if v.state, err = v.buckets.state(); err != nil {
		return err
	}
	v.recent = v.db.recentOf(v.handle, v.tx.ID())
	return nil
}

// Close closes the view, which must not be used afterwards. Further calls do nothing.
func (v *View) Close() {
	if v.handle == nil {
		return
	}
	h := v.handle
	v.handle = nil
	if v.tx != nil {
		h.rollback(v.tx)
	}
	v.db.mu.Lock()
	h.views--
	last := h.retired && h.views == 0
	v.db.mu.Unlock()
	if last {
		// Nothing reads or writes the file again, so an error does not matter.
		_ = h.close()
	}
}

// Data describes the state. The caller sets its Age.
func (v *View) Data() verdict.Data { return v.state.data() }

// Seq returns the sequence number of the store up to which the state has its data.
func (v *View) Seq() int64 { return v.state.seq }

// Affected returns the entries about a package, as match.Index has it. Entries and views
// share equal versions and ranges.
func (v *View) Affected(ecosystem, name string) (entries []index.Affected, err error) {
	err = v.handle.guard(func() error {
		v.key = append(append(append(v.key[:0], ecosystem...), 0), name...)
		var ok bool
		if entries, ok = v.recent.get(v.key); ok {
			return nil
		}
		value := v.packages.Get(v.key)
		if value == nil {
			return nil
		}
		if entries, err = decodeEntries(v.key, value); err != nil {
			return err
		}
		v.recent.put(v.key, entries, len(value))
		return nil
	})
	return entries, err
}

// Memo returns what the matcher remembers of this state, or nil if a newer one is
// published.
func (v *View) Memo() *match.Memo {
	if v.recent == nil {
		return nil
	}
	return v.recent.memo
}

// Vulnerabilities returns the records id, as match.Index has it.
func (v *View) Vulnerabilities(id string) (found []index.Vulnerability, err error) {
	err = v.handle.guard(func() error {
		v.key = append(append(v.key[:0], id...), 0)
		c := v.advisories.Cursor()
		for k, value := c.Seek(v.key); bytes.HasPrefix(k, v.key); k, value = c.Next() {
			rec, err := decodeRecord(k, value)
			if err != nil {
				return err
			}
			found = append(found, rec.Vulnerability)
		}
		return nil
	})
	return found, err
}

// Referrers returns the ids of the records that name id, as match.Index has it.
func (v *View) Referrers(id string) (ids []string, err error) {
	err = v.handle.guard(func() error {
		v.key = append(append(v.key[:0], id...), 0)
		ids, err = referring(v.referrers.Cursor(), v.key)
		return err
	})
	return ids, err
}

// Sources returns the source packages of a binary package, as match.Index has it.
func (v *View) Sources(ecosystem, binary string) (names []string, err error) {
	err = v.handle.guard(func() error {
		v.key = append(append(append(append(v.key[:0], ecosystem...), 0), binary...), 0)
		c := v.sources.Cursor()
		for k, value := c.Seek(v.key); bytes.HasPrefix(k, v.key); k, value = c.Next() {
			if _, err := checkValue(k, value); err != nil {
				return err
			}
			names = append(names, string(k[len(v.key):]))
		}
		return nil
	})
	return names, err
}

// Mentions returns the ids of the records that name id as related only, or that have
// an id that ends in it ("DEBIAN-CVE-2024-1234"), sorted.
func (v *View) Mentions(id string) (ids []string, err error) {
	err = v.handle.guard(func() error {
		v.key = append(append(v.key[:0], id...), 0)
		ids, err = referring(v.mentions.Cursor(), v.key)
		return err
	})
	return ids, err
}

// referring returns the ids in the referrerKeys that begin with prefix, each once.
func referring(c *bolt.Cursor, prefix []byte) (ids []string, err error) {
	for k, value := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, value = c.Next() {
		if _, err := checkValue(k, value); err != nil {
			return nil, err
		}
		id, _, ok := bytes.Cut(k[len(prefix):], []byte{0})
		if !ok {
			return nil, fmt.Errorf("%w: key %q has no source", ErrDamaged, k)
		}
		if len(ids) == 0 || ids[len(ids)-1] != string(id) {
			ids = append(ids, string(id))
		}
	}
	return ids, nil
}

// Records returns how many advisories are about an ecosystem, as match.Index has it.
func (v *View) Records(ecosystem string) (n int, err error) {
	err = v.handle.guard(func() error {
		v.key = append(v.key[:0], ecosystem...)
		value := v.ecosystems.Get(v.key)
		if value == nil {
			return nil
		}
		n, err = decodeCount(v.key, value)
		return err
	})
	return n, err
}
