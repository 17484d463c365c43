package snapshot

// Withdrawn records are not used for scans, but people ask about them by any of their names.
// The bucket "withdrawn" has a referrerKey for every name of such a record. The value of its
// withdrawnKey is the list of the names, with which the keys are found to delete them.

// withdrawnKey returns the key of the names of a source's withdrawn record. No name is empty,
// so no referrerKey begins like it.
func withdrawnKey(id, source string) string { return "\x00" + recordKey(id, source) }

// putWithdrawn adds a withdrawn record.
func (w *writer) putWithdrawn(id, source string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	key := []byte(withdrawnKey(id, source))
	if err := w.withdrawn.Put(key, seal(key, appendStrings(newValue(64), names))); err != nil {
		return err
	}
	for _, name := range names {
		key := []byte(referrerKey(name, id, source))
		if err := w.withdrawn.Put(key, seal(key, newValue(0))); err != nil {
			return err
		}
	}
	w.state.withdrawn += 1 + len(names)
	return nil
}

// dropWithdrawn removes what putWithdrawn added for a record, if anything.
func (w *writer) dropWithdrawn(id, source string) error {
	key := []byte(withdrawnKey(id, source))
	value := w.withdrawn.Get(key)
	if value == nil {
		return nil
	}
	content, err := checkValue(key, value)
	if err != nil {
		return err
	}
	r := reader{s: string(content)}
	names := r.strings()
	if err := r.end(key); err != nil {
		return err
	}
	for _, name := range names {
		if err := w.withdrawn.Delete([]byte(referrerKey(name, id, source))); err != nil {
			return err
		}
	}
	w.state.withdrawn -= 1 + len(names)
	return w.withdrawn.Delete(key)
}

// Withdrawn returns the ids of the withdrawn records that have a name among their
// aliases, as their upstream, as related or at the end of their id, sorted.
func (v *View) Withdrawn(name string) (ids []string, err error) {
	err = v.handle.guard(func() error {
		v.key = append(append(v.key[:0], name...), 0)
		ids, err = referring(v.withdrawn.Cursor(), v.key)
		return err
	})
	return ids, err
}
