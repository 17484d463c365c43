package snapshot

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
	"sync"
	"time"

	"assay/service/advisory"
	"assay/service/exploit"
	"assay/service/index"
	"assay/service/store"
)

// Records that are compiled to find out whether this program encodes records like the
// program that wrote a file: one record of each database, and one for each field that the
// index keeps. Each line is a JSON object. A change to the set changes the format.
//
//go:embed golden.jsonl
var goldenRecords []byte

// format returns the name of the file's format. It has a digest of the encoding of the golden
// records, a catalog and a state. If a program encodes them differently, it rebuilds the
// index, and no version number has to be maintained.
var format = sync.OnceValue(func() string {
	h := sha256.New()
	digestFormat(h)
	return "assay snapshot " + hex.EncodeToString(h.Sum(nil)[:16])
})

func digestFormat(h hash.Hash) {
	add := func(name string, key, value []byte) {
		fmt.Fprintf(h, "%s %q %q\n", name, key, value)
	}
	var b buckets
	for _, n := range b.named() {
		add("bucket", []byte(n.name), nil)
	}
	for _, c := range goldenChanges() {
		digestChange(add, c)
	}

	when := time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)
	cve := exploit.CVE{Year: 2024, Number: 12345}
	for _, kind := range [...]exploit.Kind{exploit.KEV, exploit.EPSS} {
		e := exploit.Entry{CVE: cve, Added: when, EPSS: 123456789}
		key := appendBlockKey(nil, kind, cve)
		add("block", key, appendBlockEntry(nil, kind, e))
		meta := catalog{digest: catalogDigest(string(kind), []byte("body")), source: "source", published: when, entries: 1}
		add("list", []byte(kind), meta.encode(string(kind)))
	}
	s := state{seq: 1, sum: sum{2, 3, 4, 5}, advisories: 6, packages: 7, referrers: 8, ecosystems: 9, lists: 10, blocks: 11, sources: 12, mentions: 13, withdrawn: 14, unreadable: 15, newest: when, updated: when, sample: true}
	add("state", nil, s.encode())
	add("id", nil, []byte(s.id()))
	add("count", []byte("Debian:12"), encodeCount("Debian:12", 300))
}

// goldenChanges returns the changes of the golden records.
func goldenChanges() []change {
	var changes []change
	for line := range bytes.Lines(goldenRecords) {
		line = bytes.TrimSpace(line)
		a, err := advisory.Parse(line)
		if err != nil {
			// An error is part of the format too.
			a.ID = err.Error()
		}
		r := store.Record{ID: a.ID, Origin: store.Origin{Source: "golden"}, Body: line}
		for f := range a.Fixes() {
			r.Fixes = append(r.Fixes, store.Fix{
				Ecosystem: f.Ecosystem, Package: f.Package, Version: f.Version,
				FirstSeen: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
			})
		}
		c, _ := readChange(r)
		changes = append(changes, c)
	}
	return changes
}

// digestChange adds the keys and values of a change.
func digestChange(add func(name string, key, value []byte), c change) {
	add("change", []byte(c.id), []byte(c.source))
	for _, name := range c.withdrawn {
		add("withdrawn", []byte(referrerKey(name, c.id, c.source)), []byte(withdrawnKey(c.id, c.source)))
	}
	if c.record == nil {
		return
	}
	add("record", []byte(c.record.key()), c.record.encode())
	for _, target := range c.record.targets() {
		add("referrer", []byte(referrerKey(target, c.id, c.source)), nil)
	}
	for _, name := range c.record.mentions() {
		add("mention", []byte(referrerKey(name, c.id, c.source)), nil)
	}
	for _, name := range c.record.ecosystems() {
		add("ecosystem", []byte(name), nil)
	}
	packages := map[string][]index.Affected{}
	for _, e := range c.entries {
		key := packageKey(e.Ecosystem, e.Name)
		packages[key] = append(packages[key], e.Affected)
	}
	for _, key := range slices.Sorted(maps.Keys(packages)) {
		add("package", []byte(key), encodeEntries([]byte(key), packages[key]))
		for _, binary := range binariesOf(packages[key]) {
			add("source", []byte(sourceKey(key, binary)), nil)
		}
	}
}
