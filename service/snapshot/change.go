package snapshot

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"assay/service/advisory"
	"assay/service/index"
	"assay/service/store"
)

// maxSource bounds the name of a source, which is in many keys.
const maxSource = 100

// A change is the change of the index for a new version of one advisory.
type change struct {
	id, source string
	// record is nil if the advisory was removed or withdrawn.
	record  *record
	entries []index.Entry
	// withdrawn are the names by which a withdrawn advisory is found.
	withdrawn []string
	// unreadable: the record cannot be parsed.
	unreadable bool
}

// readChange parses a version of an advisory. If it returns an error, the change removes the
// advisory from the index, because its earlier version is no longer valid, and counts it as
// unreadable.
func readChange(r store.Record) (change, error) {
	c, err := compile(r)
	c.unreadable = err != nil
	return c, err
}

func compile(r store.Record) (change, error) {
	gone := change{id: r.ID, source: r.Origin.Source}
	if r.Removed {
		return gone, nil
	}
	a, err := advisory.Parse(r.Body)
	if err != nil {
		return gone, fmt.Errorf("advisory %q: %w", r.ID, err)
	}
	if a.ID != r.ID {
		return gone, fmt.Errorf("advisory %q: the record has the id %q", r.ID, a.ID)
	}
	a.Source = r.Origin.Source
	if a.Withdrawn != nil {
		kept := change{id: r.ID, source: a.Source, record: &record{Vulnerability: index.Describe(a)}}
		if err := kept.checkKeys(); err != nil {
			return gone, fmt.Errorf("advisory %q: %w", r.ID, err)
		}
		gone.withdrawn = kept.record.otherNames()
		return gone, nil
	}
	c := change{
		id:      r.ID,
		source:  a.Source,
		record:  &record{Vulnerability: index.Describe(a), digest: digestOf(recordKey(r.ID, a.Source), r.Body)},
		entries: index.Entries(a, firstSeen(r.Fixes)),
	}
	c.record.Modified = c.record.Modified.UTC()
	for _, e := range c.entries {
		c.record.packages = append(c.record.packages, packageKey(e.Ecosystem, e.Name))
		if strings.Contains(e.Ecosystem, "\x00") {
			return gone, fmt.Errorf("advisory %q: invalid ecosystem %q", r.ID, e.Ecosystem)
		}
	}
	slices.Sort(c.record.packages)
	c.record.packages = slices.Compact(c.record.packages)
	if err := c.checkKeys(); err != nil {
		return gone, fmt.Errorf("advisory %q: %w", r.ID, err)
	}
	return c, nil
}

// checkKeys checks that all names can be parts of keys.
func (c *change) checkKeys() error {
	if len(c.source) > maxSource {
		return errors.New("name of the source is too long")
	}
	for _, name := range c.record.otherNames() {
		if strings.Contains(name, "\x00") {
			return fmt.Errorf("invalid ID %.80q", name)
		}
		if len(referrerKey(name, c.id, c.source)) > bolt.MaxKeySize {
			return errors.New("the ID of an alias, an upstream or a related record is too long")
		}
	}
	for _, key := range c.record.packages {
		if len(key) > bolt.MaxKeySize {
			return errors.New("name of a package is too long")
		}
	}
	for _, e := range c.entries {
		for _, binary := range e.Affected.Binaries {
			if len(sourceKey(packageKey(e.Ecosystem, e.Name), binary)) > bolt.MaxKeySize {
				return errors.New("name of a package is too long")
			}
		}
	}
	return nil
}

// firstSeen returns a function that looks up the fixes of one record.
func firstSeen(fixes []store.Fix) func(ecosystem, pkg, version string) time.Time {
	times := make(map[advisory.Fix]time.Time, len(fixes))
	for _, f := range fixes {
		times[advisory.Fix{Ecosystem: f.Ecosystem, Package: f.Package, Version: f.Version}] = f.FirstSeen
	}
	return func(ecosystem, pkg, version string) time.Time {
		return times[advisory.Fix{Ecosystem: ecosystem, Package: pkg, Version: version}]
	}
}

// A writer applies changes in one transaction or several.
type writer struct {
	buckets
	state state
	// newestGone: the newest advisory was removed, so the new newest has to be looked up.
	newestGone bool
	// spill, if not nil, gets the edits of packages, which are applied at the end.
	spill *spill
}

// begin continues in another transaction, with the writer's state.
func (w *writer) begin(tx *bolt.Tx) (err error) {
	w.buckets, err = openBuckets(tx)
	return err
}

// An edit is the change of a batch to the entries of one package.
type edit struct {
	drop []index.Affected // their Advisory and Source, sorted
	add  []index.Affected // sorted
}

// byRecord orders the entries of a package.
func byRecord(a, b index.Affected) int {
	if c := strings.Compare(a.Advisory, b.Advisory); c != 0 {
		return c
	}
	return strings.Compare(a.Source, b.Source)
}

// apply applies a batch. It has each advisory of a source at most once. apply sorts it.
func (w *writer) apply(batch []change) error {
	slices.SortFunc(batch, func(a, b change) int {
		return cmp.Or(strings.Compare(a.id, b.id), strings.Compare(a.source, b.source))
	})
	edits := map[string]*edit{}
	at := func(key string) *edit {
		e := edits[key]
		if e == nil {
			e = &edit{}
			edits[key] = e
		}
		return e
	}
	ecosystems := map[string]int{}
	for _, c := range batch {
		old, err := w.takeOut(c.id, c.source)
		if err != nil {
			return err
		}
		if old != nil {
			for _, key := range old.packages {
				e := at(key)
				e.drop = append(e.drop, index.Affected{Advisory: c.id, Source: c.source})
			}
			for _, name := range old.ecosystems() {
				ecosystems[name]--
			}
		}
		if err := w.dropWithdrawn(c.id, c.source); err != nil {
			return err
		}
		if err := w.noteUnreadable(recordKey(c.id, c.source), c.unreadable); err != nil {
			return err
		}
		if c.record == nil {
			if err := w.putWithdrawn(c.id, c.source, c.withdrawn); err != nil {
				return err
			}
			continue
		}
		if err := w.putIn(c.record); err != nil {
			return err
		}
		for _, entry := range c.entries {
			e := at(packageKey(entry.Ecosystem, entry.Name))
			e.add = append(e.add, entry.Affected)
		}
		for _, name := range c.record.ecosystems() {
			ecosystems[name]++
		}
	}
	if err := w.editAll(edits); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(ecosystems)) {
		if err := w.countEcosystem(name, ecosystems[name]); err != nil {
			return err
		}
	}
	return nil
}

// editAll changes the entries of packages, or leaves that to the end.
func (w *writer) editAll(edits map[string]*edit) error {
	if w.spill != nil {
		return w.spill.add(edits)
	}
	// In the order of the keys, so that each page is changed once.
	for _, key := range slices.Sorted(maps.Keys(edits)) {
		if _, err := w.edit([]byte(key), edits[key]); err != nil {
			return err
		}
	}
	return nil
}

// takeOut removes the record of an advisory with its keys in other buckets, and returns it,
// or nil if there is none.
func (w *writer) takeOut(id, source string) (*record, error) {
	key := []byte(recordKey(id, source))
	value := w.advisories.Get(key)
	if value == nil {
		return nil, nil
	}
	old, err := decodeRecord(key, value)
	if err != nil {
		return nil, err
	}
	for _, target := range old.targets() {
		if err := w.referrers.Delete([]byte(referrerKey(target, id, source))); err != nil {
			return nil, err
		}
	}
	for _, name := range old.mentions() {
		if err := w.mentions.Delete([]byte(referrerKey(name, id, source))); err != nil {
			return nil, err
		}
	}
	w.state.remove(&old)
	if old.Modified.Equal(w.state.newest) {
		w.newestGone = true
	}
	return &old, w.advisories.Delete(key)
}

func (w *writer) putIn(r *record) error {
	for _, target := range r.targets() {
		key := []byte(referrerKey(target, r.ID, r.Source))
		if err := w.referrers.Put(key, seal(key, newValue(0))); err != nil {
			return err
		}
	}
	for _, name := range r.mentions() {
		key := []byte(referrerKey(name, r.ID, r.Source))
		if err := w.mentions.Put(key, seal(key, newValue(0))); err != nil {
			return err
		}
	}
	w.state.add(r)
	if r.Modified.Equal(w.state.newest) {
		w.newestGone = false
	}
	return w.advisories.Put([]byte(r.key()), r.encode())
}

// edit changes the entries of one package, and returns about how many bytes it wrote. The
// entries remain sorted by advisory and source.
func (w *writer) edit(key []byte, e *edit) (size int, err error) {
	var entries []index.Affected
	var before []string
	value := w.packages.Get(key)
	if value != nil {
		if entries, err = decodeEntries(key, value); err != nil {
			return 0, err
		}
		before = binariesOf(entries)
		entries = slices.DeleteFunc(entries, e.drops)
	}
	entries = append(entries, e.add...)
	slices.SortStableFunc(entries, byRecord)
	if err := w.setSources(string(key), before, binariesOf(entries)); err != nil {
		return 0, err
	}
	switch {
	case len(entries) > 0 && value == nil:
		w.state.packages++
	case len(entries) == 0 && value != nil:
		w.state.packages--
		return len(key), w.packages.Delete(key)
	case len(entries) == 0:
		return 0, nil
	}
	encoded := encodeEntries(key, entries)
	return len(key) + len(encoded), w.packages.Put(key, encoded)
}

// binariesOf returns the binary packages that entries name, sorted.
func binariesOf(entries []index.Affected) []string {
	var list []string
	for i, e := range entries {
		// Most entries of a source package have the same list as the previous entry.
		if i == 0 || !slices.Equal(e.Binaries, entries[i-1].Binaries) {
			list = append(list, e.Binaries...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// setSources changes the binary packages that were built from the source package of a
// packageKey. Both lists are sorted.
func (w *writer) setSources(packageKey string, before, after []string) error {
	for _, binary := range before {
		if _, found := slices.BinarySearch(after, binary); !found {
			w.state.sources--
			if err := w.sources.Delete([]byte(sourceKey(packageKey, binary))); err != nil {
				return err
			}
		}
	}
	for _, binary := range after {
		if _, found := slices.BinarySearch(before, binary); !found {
			w.state.sources++
			key := []byte(sourceKey(packageKey, binary))
			if err := w.sources.Put(key, seal(key, newValue(0))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writer) countEcosystem(name string, by int) error {
	key := []byte(name)
	before := 0
	if value := w.ecosystems.Get(key); value != nil {
		var err error
		if before, err = decodeCount(key, value); err != nil {
			return err
		}
	}
	n := before + by
	switch {
	case before == 0 && n > 0:
		w.state.ecosystems++
	case before > 0 && n == 0:
		w.state.ecosystems--
		return w.ecosystems.Delete(key)
	case n <= 0:
		return nil
	}
	return w.ecosystems.Put(key, encodeCount(name, n))
}

// finish writes the state.
func (w *writer) finish() error {
	if w.newestGone {
		w.state.newest = time.Time{}
		err := each(w.advisories, func(k, v []byte) error {
			rec, err := decodeRecord(k, v)
			if rec.Modified.After(w.state.newest) {
				w.state.newest = rec.Modified
			}
			return err
		})
		if err != nil {
			return err
		}
		w.newestGone = false
	}
	return w.meta.Put([]byte(stateKey), w.state.encode())
}
