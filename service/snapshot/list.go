package snapshot

import (
	"slices"
	"strings"
)

// Ecosystems returns the ecosystems with advisories, sorted.
func (v *View) Ecosystems() (list []string, err error) {
	err = v.handle.guard(func() error {
		return each(v.ecosystems, func(k, _ []byte) error {
			list = append(list, string(k))
			return nil
		})
	})
	return list, err
}

// maxListed bounds the records that Advisories reads.
const maxListed = 200_000

// Advisories returns the ids of advisories about packages of ecosystems, sorted, which are
// after an id, at most limit. next continues the list, and is empty at its end. The list may
// end early, even without an id, since one call reads a bounded part of the data.
func (v *View) Advisories(ecosystems []string, after string, limit int) (ids []string, next string, err error) {
	err = v.handle.guard(func() error {
		c := v.advisories.Cursor()
		k, value := c.Seek([]byte(after + "\x01")) // after the records of all sources with the id
		if after == "" {
			k, value = c.First()
		}
		last := after
		for n := 0; k != nil; k, value = c.Next() {
			id, _, _ := strings.Cut(string(k), "\x00")
			if id != last && (n >= maxListed || len(ids) >= limit) {
				next = last
				return nil
			}
			n++
			last = id
			if len(ids) > 0 && ids[len(ids)-1] == id {
				continue // of another source
			}
			rec, err := decodeRecord(k, value)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(rec.ecosystems(), func(e string) bool { return slices.Contains(ecosystems, e) }) {
				ids = append(ids, id)
			}
		}
		return nil
	})
	return ids, next, err
}
