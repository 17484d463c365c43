// Package storetest is the test suite that every implementation of store.Store
// must pass. Each file tests one subject.
package storetest

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/service/store"
)

// Open opens the store in dir, which is empty when a test begins. If a test opens the same
// dir several times, at the same time or after closing, it must get the same data. Open
// must register a cleanup that closes the store if it is still open at the end of the test.
type Open func(t *testing.T, dir string) store.Store

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, Open)
	}{
		{"opening/empty", empty},
		{"opening/reopened", reopened},
		{"opening/at once", firstOpening},
		{"imports/counts", importCounts},
		{"imports/whole", wholeImports},
		{"imports/sources", sources},
		{"imports/removed", removedRecords},
		{"imports/rejected", rejectedRecords},
		{"imports/same id twice", sameIDTwice},
		{"imports/failed", failedImports},
		{"advisories/history", history},
		{"advisories/changes", changes},
		{"advisories/current record", currentRecord},
		{"advisories/first seen", firstSeen},
		{"advisories/newest", newest},
		{"advisories/sample", sample},
		{"lists", lists},
		{"feeds/sources", feeds},
		{"feeds/held", held},
		{"feeds/lead", feedLead},
		{"snapshots", snapshots},
		{"tokens/lifetime", tokens},
		{"tokens/names", tokenNames},
		{"tokens/rotation", tokenRotation},
		{"tokens/uses", tokenUses},
		{"tokens/derived", derivedTokens},
		{"tokens/events", tokenEvents},
		{"audit", audit},
		{"scans/kept", scans},
		{"scans/listed", listOfScans},
		{"scans/filtered", filteredScans},
		{"scans/of a commit", scansOfCommit},
		{"scans/passed", passedScan},
		{"scans/idempotency", idempotency},
		{"scans/idempotency at once", idempotencyAtOnce},
		{"concurrency/readers", readers},
		{"concurrency/two handles", twoHandles},
		{"concurrency/followers", followers},
		{"concurrency/many importers", manyImporters},
		{"concurrency/watch", watch},
		{"tokens/names at once", tokenNamesAtOnce},
		{"retention/scans", pruneScans},
		{"retention/data", pruneData},
		{"retention/shared", pruneShared},
		{"retention/events", pruneEvents},
		{"retention/ended early", pruneEndedEarly},
		{"files", files},
		{"files/locks", locks},
		{"maintenance", maintenance},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open) })
	}
}

// day is the clock of the tests.
func day(n int) time.Time { return time.Date(2025, 1, n, 12, 0, 0, 123456000, time.UTC) }

// record makes a record with a body that is not JSON: the store does not parse it.
func record(id string, modified time.Time, body string, fixes ...store.Fix) store.Record {
	return store.Record{ID: id, Modified: modified, Body: []byte(body), Fixes: fixes}
}

func fix(version string) store.Fix {
	return store.Fix{Ecosystem: "Debian:12", Package: "curl", Version: version}
}

func all(records ...store.Record) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// then yields err after the records.
func then(err error, records iter.Seq2[store.Record, error]) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range records {
			if !yield(r, err) {
				return
			}
		}
		yield(store.Record{}, err)
	}
}

// from is "source", or "source:part".
func from(name string) store.Origin {
	source, part, _ := strings.Cut(name, ":")
	return store.Origin{Source: source, Part: part}
}

func source(name string, at int) store.Import { return store.Import{Origin: from(name), At: day(at)} }

func whole(name string, at int) store.Import {
	return store.Import{Origin: from(name), At: day(at), Whole: true}
}

// mustImport imports and compares the counts.
func mustImport(t *testing.T, s store.Store, im store.Import, records iter.Seq2[store.Record, error], want store.Imported) {
	t.Helper()
	got, err := s.Import(t.Context(), im, records)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Fatalf("imported %+v, want %+v", got, want)
	}
}

func mustHead(t *testing.T, s store.Store) store.Head {
	t.Helper()
	h, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// texts reads changes as "seq id body fix@day …", or "seq id removed".
func texts(t *testing.T, s store.Store, after, upTo int64) []string {
	t.Helper()
	var out []string
	for r, err := range s.Changes(t.Context(), after, upTo) {
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%d %s", r.Seq, r.ID)
		if r.Removed {
			if len(r.Body) != 0 || len(r.Fixes) != 0 {
				t.Errorf("removed %s has body %q and fixes %v", r.ID, r.Body, r.Fixes)
			}
			line += " removed"
		} else {
			line += " " + string(r.Body)
		}
		for _, f := range r.Fixes {
			line += fmt.Sprintf(" %s@%d", f.Version, f.FirstSeen.Day())
		}
		out = append(out, line)
	}
	return out
}

func wantTexts(t *testing.T, s store.Store, after, upTo int64, want ...string) {
	t.Helper()
	if got := texts(t, s, after, upTo); !slices.Equal(got, want) {
		t.Errorf("changes in (%d, %d]:\n got %q\nwant %q", after, upTo, got, want)
	}
}

func wantNotFound(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%s: error %v, want ErrNotFound", what, err)
	}
}
