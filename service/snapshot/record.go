package snapshot

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"assay/service/index"
)

// A record is what the index keeps about an advisory as a whole.
type record struct {
	index.Vulnerability
	// digest is part of the snapshot's id.
	digest [sha256.Size]byte
	// packages are the keys with entries of this advisory, sorted. The entries are removed
	// when the advisory changes.
	packages []string
}

// Flags of a record.
const (
	flagKnownExploited = 1 << iota
	flagNotice
	recordFlags
)

// packageKey returns the key of a package: ecosystem with release, and name.
func packageKey(ecosystem, name string) string { return ecosystem + "\x00" + name }

// sourceKey returns the key for a binary package that was built from the source package of
// a packageKey. The keys of a binary package have a common prefix and are sorted.
func sourceKey(packageKey, binary string) string {
	ecosystem, source, _ := strings.Cut(packageKey, "\x00")
	return ecosystem + "\x00" + binary + "\x00" + source
}

// recordKey returns the key of a source's record. The keys of all sources with an id have a
// common prefix and are sorted.
func recordKey(id, source string) string { return id + "\x00" + source }

// referrerKey returns the key for a source's record id that names target. The keys of a
// target have a common prefix and are sorted.
func referrerKey(target, id, source string) string { return target + "\x00" + recordKey(id, source) }

// key returns the key of the record.
func (r *record) key() string { return recordKey(r.ID, r.Source) }

// ecosystems returns the ecosystems that the advisory is about, sorted.
func (r *record) ecosystems() []string {
	var list []string
	for _, key := range r.packages {
		ecosystem, _, _ := strings.Cut(key, "\x00")
		if len(list) == 0 || list[len(list)-1] != ecosystem {
			list = append(list, ecosystem)
		}
	}
	return list
}

// targets returns the ids that the advisory names as aliases or upstream, sorted.
func (r *record) targets() []string {
	list := slices.Concat(r.Aliases, r.Upstream)
	slices.Sort(list)
	list = slices.Compact(list)
	return slices.DeleteFunc(list, func(target string) bool { return target == r.ID || target == "" })
}

// mentions returns the ids by which people look for the advisory and that are not
// among its targets, sorted: those that it names as related, and the CVE that its own
// id ends in. They are for people who ask: the matcher does not use them.
func (r *record) mentions() []string {
	list := slices.Clone(r.Related)
	if i := strings.LastIndex(r.ID, "CVE-"); i > 0 {
		list = append(list, r.ID[i:])
	}
	slices.Sort(list)
	list = slices.Compact(list)
	targets := r.targets()
	return slices.DeleteFunc(list, func(name string) bool {
		_, target := slices.BinarySearch(targets, name)
		return target || name == r.ID || name == "" || len(name) > maxMention || strings.Contains(name, "\x00")
	})
}

// otherNames returns the targets and mentions, sorted.
func (r *record) otherNames() []string {
	return slices.Sorted(slices.Values(slices.Concat(r.targets(), r.mentions())))
}

// maxMention bounds an id that people ask for. A longer one does not make the record
// unreadable.
const maxMention = 256

// encode returns the value of r.key.
func (r *record) encode() []byte {
	flags := 0
	if r.KnownExploited {
		flags |= flagKnownExploited
	}
	if r.Notice {
		flags |= flagNotice
	}
	b := newValue(256)
	b = append(b, r.digest[:]...)
	b = appendUint(b, flags)
	b = appendTime(b, r.Modified)
	b = appendTime(b, r.Published)
	b = appendString(b, r.Summary)
	b = appendStrings(b, r.Aliases)
	b = appendStrings(b, r.Upstream)
	b = appendStrings(b, r.Related)
	b = appendSeverities(b, r.Severity)
	b = appendRatings(b, r.Ratings)
	b = appendStrings(b, r.packages)
	return seal([]byte(r.key()), b)
}

// recordDigest returns the digest in the value of an advisory, and verifies the value.
func recordDigest(key, value []byte) (digest [sha256.Size]byte, err error) {
	content, err := checkValue(key, value)
	if err == nil && copy(digest[:], content) < len(digest) {
		err = fmt.Errorf("%w: key %q: %w", ErrDamaged, key, errShort)
	}
	return digest, err
}

func decodeRecord(key, value []byte) (record, error) {
	content, err := checkValue(key, value)
	if err != nil {
		return record{}, err
	}
	r := reader{s: string(content)}
	var rec record
	copy(rec.digest[:], r.bytes(sha256.Size))
	flags := r.int(recordFlags - 1)
	id, source, ok := strings.Cut(string(key), "\x00")
	if !ok {
		return record{}, fmt.Errorf("%w: key %q has no source", ErrDamaged, key)
	}
	rec.Vulnerability = index.Vulnerability{
		ID:             id,
		Source:         source,
		KnownExploited: flags&flagKnownExploited != 0,
		Notice:         flags&flagNotice != 0,
		Modified:       r.time(),
		Published:      r.time(),
		Summary:        r.string(),
		Aliases:        r.strings(),
		Upstream:       r.strings(),
		Related:        r.strings(),
		Severity:       r.severities(),
		Ratings:        r.ratings(),
	}
	rec.packages = r.strings()
	return rec, r.end(key)
}

// encodeCount returns the value of an ecosystem: how many advisories are about it.
func encodeCount(key string, n int) []byte {
	return seal([]byte(key), binary.AppendUvarint(newValue(binary.MaxVarintLen64), uint64(n)))
}

func decodeCount(key, value []byte) (int, error) {
	content, err := checkValue(key, value)
	if err != nil {
		return 0, err
	}
	r := reader{s: string(content)}
	n := r.int(maxCount)
	return n, r.end(key)
}
