package snapshot

import "crypto/sha256"

// The bucket "unreadable" has a key for each record and list that the store holds and
// this program cannot read. Nothing is judged by them, so somebody must hear of it
// for as long as they are there, and not only when they are met.

// unreadableKey is the key of what has the recordKey or listKey name, which may be
// longer than a key can be.
func unreadableKey(name string) []byte {
	digest := sha256.Sum256([]byte(name))
	return digest[:]
}

// listKey stands for a list. It begins as no recordKey does: no id is empty.
func listKey(kind string) string { return "\x00" + kind }

// noteUnreadable notes whether a record or list cannot be read.
func (w *writer) noteUnreadable(name string, is bool) error {
	key := unreadableKey(name)
	switch was := w.unreadable.Get(key) != nil; {
	case is == was:
		return nil
	case is:
		w.state.unreadable++
		return w.unreadable.Put(key, seal(key, newValue(0)))
	}
	w.state.unreadable--
	return w.unreadable.Delete(key)
}

// Unreadable returns how many records and lists the store holds that cannot be read.
// They are not in the index.
func (v *View) Unreadable() int { return v.state.unreadable }
