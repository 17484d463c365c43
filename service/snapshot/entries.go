package snapshot

import (
	"errors"
	"fmt"

	"assay/service/advisory"
	"assay/service/index"
)

// The entries of a package have much in common: a kernel has ten thousand entries with a
// hundred fixed versions, and the advisories of a Python package list the same versions
// again and again. So the value of a package has each string once, then each list of
// severities, versions and ranges once, and each entry is eight numbers. Number 0 is the
// empty string or list.
//
//	strings      count, lengths, bytes
//	severities   lists, elements; per list: count, (type, score)…
//	versions     lists, elements; per list: count, string…; the lists of modules and
//	             architectures, of binary packages and of patterns, are among them
//	ranges       lists, ranges, events; per list: count,
//	             (type, first seen, count, (fields present, string…)…)…
//	entries      count, (twice the advisory, plus one if a source follows that differs
//	             from the previous one, severities, versions, ranges, urgency and status,
//	             modules, arches, binaries)…
//	more         count, (entry, patterns, note)… of the few entries that have them
//
// Decoded entries share equal strings and lists.

// Flags for the fields of an event.
const (
	hasIntroduced = 1 << iota
	hasFixed
	hasLastAffected
	hasLimit
	eventFields
)

// statusBits are the low bits of a number that have the status of an entry. Its urgency
// is above them.
const statusBits = 3

// A table numbers distinct elements from 1 in the order of appearance, so that equal
// entries have equal bytes.
type table struct {
	numbers map[string]int
	buf     []byte
}

// add returns the number of the element that b encodes.
func (t *table) add(b []byte) int {
	if n, ok := t.numbers[string(b)]; ok {
		return n
	}
	if t.numbers == nil {
		t.numbers = map[string]int{}
	}
	n := len(t.numbers) + 1
	t.numbers[string(b)] = n
	t.buf = append(t.buf, b...)
	return n
}

type stringTable struct {
	table
	lengths []byte
}

func (t *stringTable) number(s string) int {
	if s == "" {
		return 0
	}
	known := len(t.numbers)
	n := t.add([]byte(s))
	if n > known {
		t.lengths = appendUint(t.lengths, len(s))
	}
	return n
}

// A listTable is a table of lists that counts the elements of all of them.
type listTable struct {
	table
	elements, inner int
}

func (t *listTable) number(b []byte, elements, inner int) int {
	known := len(t.numbers)
	n := t.add(b)
	if n > known {
		t.elements += elements
		t.inner += inner
	}
	return n
}

// encodeEntries returns the value of the package key. entries are sorted by
// advisory and source.
func encodeEntries(key []byte, entries []index.Affected) []byte {
	var (
		strings                      stringTable
		severities, versions, ranges listTable
		body, more, scratch          []byte
		mores                        int
		source                       string
	)
	number := func(list []string) int {
		if len(list) == 0 {
			return 0
		}
		scratch = appendUint(scratch[:0], len(list))
		for _, v := range list {
			scratch = appendUint(scratch, strings.number(v))
		}
		return versions.number(scratch, len(list), 0)
	}
	for i, e := range entries {
		advisory := 2 * strings.number(e.Advisory)
		if e.Source == source {
			body = appendUint(body, advisory)
		} else {
			source = e.Source
			body = appendUint(appendUint(body, advisory+1), strings.number(source))
		}

		n := 0
		if len(e.Severity) > 0 {
			scratch = appendUint(scratch[:0], len(e.Severity))
			for _, s := range e.Severity {
				scratch = appendUint(scratch, strings.number(s.Type))
				scratch = appendUint(scratch, strings.number(s.Score))
			}
			n = severities.number(scratch, len(e.Severity), 0)
		}
		body = appendUint(body, n)

		body = appendUint(body, number(e.Versions))

		n = 0
		if len(e.Ranges) > 0 {
			events := 0
			scratch = appendUint(scratch[:0], len(e.Ranges))
			for _, r := range e.Ranges {
				scratch = appendUint(scratch, strings.number(r.Type))
				scratch = appendTime(scratch, r.FirstSeen)
				scratch = appendUint(scratch, len(r.Events))
				for _, ev := range r.Events {
					scratch = appendEvent(scratch, &strings, ev)
				}
				events += len(r.Events)
			}
			n = ranges.number(scratch, len(e.Ranges), events)
		}
		body = appendUint(body, n)

		body = appendUint(body, strings.number(e.Urgency)<<statusBits|int(e.Status))
		body = appendUint(body, number(e.Modules))
		body = appendUint(body, number(e.Arches))
		body = appendUint(body, number(e.Binaries))
		if len(e.Patterns)+len(e.Imports) > 0 || e.Note != "" {
			more = appendUint(appendUint(more, i), number(e.Patterns))
			more = appendUint(more, number(e.Imports))
			more = appendUint(more, strings.number(e.Note))
			mores++
		}
	}
	body = append(appendUint(body, mores), more...)

	b := newValue(len(strings.buf) + len(severities.buf) + len(versions.buf) + len(ranges.buf) + len(body) + 64)
	b = appendUint(b, len(strings.numbers))
	b = append(b, strings.lengths...)
	b = append(b, strings.buf...)
	for _, t := range []*listTable{&severities, &versions, &ranges} {
		b = appendUint(b, len(t.numbers))
		b = appendUint(b, t.elements)
		if t == &ranges {
			b = appendUint(b, t.inner)
		}
		b = append(b, t.buf...)
	}
	b = appendUint(b, len(entries))
	return seal(key, append(b, body...))
}

func appendEvent(b []byte, strings *stringTable, ev advisory.Event) []byte {
	at := len(b)
	b = append(b, 0)
	for i, s := range [...]string{ev.Introduced, ev.Fixed, ev.LastAffected, ev.Limit} {
		if s != "" {
			b[at] |= 1 << i
			b = appendUint(b, strings.number(s))
		}
	}
	return b
}

// An entryReader reads the value of a package.
type entryReader struct {
	reader
	table []string // by number; 0 is the empty string
}

// decodeEntries reads the value of the package key. For a damaged value it returns an error,
// and allocates memory in proportion to the value's length.
func decodeEntries(key, value []byte) ([]index.Affected, error) {
	content, err := checkValue(key, value)
	if err != nil {
		return nil, err
	}
	r := entryReader{reader: reader{s: string(content)}}
	r.readTable()
	severities := readLists(&r, (*entryReader).severity)
	versions := readLists(&r, (*entryReader).tableString)
	ranges := r.readRanges()

	entries := make([]index.Affected, r.count())
	source := ""
	for i := range entries {
		e := &entries[i]
		n := r.int(2*len(r.table) - 1)
		e.Advisory = r.table[n/2]
		if n%2 == 1 {
			source = r.tableString()
		}
		e.Source = source
		e.Severity = severities[r.int(len(severities)-1)]
		e.Versions = versions[r.int(len(versions)-1)]
		e.Ranges = ranges[r.int(len(ranges)-1)]
		n = r.int(len(r.table)<<statusBits - 1)
		e.Urgency = r.table[n>>statusBits]
		e.Status = advisory.Status(n & (1<<statusBits - 1))
		if !e.Status.Known() {
			r.fail(fmt.Errorf("unknown %v", e.Status))
		}
		e.Modules = versions[r.int(len(versions)-1)]
		e.Arches = versions[r.int(len(versions)-1)]
		e.Binaries = versions[r.int(len(versions)-1)]
	}
	for range r.count() {
		i := r.int(len(entries))
		patterns, imports, note := versions[r.int(len(versions)-1)], versions[r.int(len(versions)-1)], r.tableString()
		if i >= len(entries) {
			r.fail(errShort)
		}
		if r.err != nil {
			break
		}
		entries[i].Patterns, entries[i].Imports, entries[i].Note = patterns, imports, note
	}
	return entries, r.end(key)
}

func (r *entryReader) readTable() {
	r.table = make([]string, 1, r.count()+1)
	lengths := r.reader
	total := 0
	for range cap(r.table) - 1 {
		total += r.int(len(r.s))
	}
	bytes := reader{s: r.bytes(total)}
	for range cap(r.table) - 1 {
		r.table = append(r.table, bytes.bytes(lengths.int(len(lengths.s))))
	}
}

func (r *entryReader) tableString() string { return r.table[r.int(len(r.table)-1)] }

func (r *entryReader) severity() advisory.Severity {
	return advisory.Severity{Type: r.tableString(), Score: r.tableString()}
}

// A slab returns lists from one allocation.
type slab[T any] []T

func newSlab[T any](r *entryReader) slab[T] { return make(slab[T], r.count()) }

// take reads a count and returns a list of that length, or nil if it is 0.
func (s *slab[T]) take(r *entryReader) []T {
	n := r.int(len(*s))
	if n == 0 {
		return nil
	}
	l := (*s)[:n:n]
	*s = (*s)[n:]
	return l
}

// spent fails if fewer elements were taken than announced.
func (s *slab[T]) spent(r *entryReader) {
	if len(*s) != 0 && r.err == nil {
		r.fail(errors.New("lists are shorter than announced"))
	}
}

// readLists reads a table of lists by number. Number 0 is the empty list.
func readLists[T any](r *entryReader, element func(*entryReader) T) [][]T {
	lists := make([][]T, r.count()+1)
	elements := newSlab[T](r)
	for i := range lists[1:] {
		l := elements.take(r)
		for j := range l {
			l[j] = element(r)
		}
		lists[i+1] = l
	}
	elements.spent(r)
	return lists
}

func (r *entryReader) readRanges() [][]index.Range {
	lists := make([][]index.Range, r.count()+1)
	ranges := newSlab[index.Range](r)
	events := newSlab[advisory.Event](r)
	for i := range lists[1:] {
		l := ranges.take(r)
		for j := range l {
			l[j].Type = r.tableString()
			l[j].FirstSeen = r.time()
			l[j].Events = events.take(r)
			for k := range l[j].Events {
				l[j].Events[k] = r.event()
			}
		}
		lists[i+1] = l
	}
	ranges.spent(r)
	events.spent(r)
	return lists
}

func (r *entryReader) event() (ev advisory.Event) {
	fields := r.int(eventFields - 1)
	if fields&hasIntroduced != 0 {
		ev.Introduced = r.tableString()
	}
	if fields&hasFixed != 0 {
		ev.Fixed = r.tableString()
	}
	if fields&hasLastAffected != 0 {
		ev.LastAffected = r.tableString()
	}
	if fields&hasLimit != 0 {
		ev.Limit = r.tableString()
	}
	return ev
}
