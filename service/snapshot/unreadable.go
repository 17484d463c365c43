package snapshot

import "crypto/sha256"

// The bucket "unreadable" has a key for each record and catalog in the store that this
// program cannot parse. Scans do not use them, so the service reports them for as long as
// they are in the store, and not only once.

// unreadableKey returns the key for a recordKey or listKey, which may be too long for a key
// itself.
func unreadableKey(name string) []byte {
	digest := sha256.Sum256([]byte(name))
	return digest[:]
}

// listKey returns the name of a catalog for unreadableKey. No recordKey begins like it, since
// no id is empty.
func listKey(kind string) string { return "\x00" + kind }

// noteUnreadable records whether a record or catalog cannot be parsed.
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

// Unreadable returns how many records and catalogs in the store cannot be parsed. They are
// not in the index.
func (v *View) Unreadable() int { return v.state.unreadable }
