// Package redhat is the feed of Red Hat's VEX documents, which say for each CVE what it
// does to the packages of each of Red Hat's products
// (https://redhatproductsecurity.github.io/security-data-guidelines/csaf-vex/), and of the
// table of the products that a repository belongs to.
package redhat

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"assay/service/feed"
	"assay/service/feed/csaf"
	"assay/service/feed/whole"
	"assay/service/store"
)

// Name is the name of the source.
const Name = "redhat"

// Files below the address.
const (
	documents        = "csaf/v2/vex/"
	latestFile       = documents + "archive_latest.txt"
	changesFile      = documents + "changes.csv"
	deletionsFile    = documents + "deletions.csv"
	repositoriesFile = "metrics/repository-to-cpe.json"
)

const (
	maxName         = 1 << 10
	maxList         = 128 << 20 // bytes of changes.csv; it has about 20 MiB
	maxRepositories = 64 << 20
	maxArchive      = 8 << 30

	// maxIncrement is the number of changed documents above which the archive is read, if
	// it is newer than the one that was read, and maxAge the time after which it is.
	maxIncrement = 5000
	maxAge       = 30 * 24 * time.Hour
	// batchSize is the number of documents that are fetched before they are imported.
	batchSize = 200
	// overlap is the time before an archive's day, and before the last change that was
	// read, from which changes are read again.
	overlap = time.Hour
	// keepBehind is how long updates try again to fetch a document that is listed and missing.
	keepBehind = 48 * time.Hour
	maxBehind  = 1000

	// conversion is the version of the conversion. The archive is read again after it has
	// changed.
	conversion = 1
)

// limits are those of the archive. It compresses well, because the documents of one product
// repeat the same packages.
var limits = feed.Limits{Entries: 2 << 20, Entry: csaf.MaxSize, Total: 512 << 30, Ratio: 2000}

// Source describes the source.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "Red Hat VEX",
		Address:     "https://security.access.redhat.com/data",
		Format:      "CSAF VEX, an archive of JSON and single documents",
		Licence:     "CC-BY-4.0",
		Terms:       "https://access.redhat.com/security/data",
		MayPassOn:   true,
		Contributes: feed.Advisories,
		Ecosystems:  []string{"Red Hat"},
		Default:     true,
		First:       feed.Cost{Download: 420 << 20, Disk: 1 << 30, Memory: 512 << 20, Time: 10 * time.Minute},
		Timeout:     3 * time.Hour,
		Feed:        func(s feed.Setup, _ string) (feed.Feed, error) { return &vex{s}, nil },
	}
}

// vex is the feed.
type vex struct{ feed.Setup }

// A state is what an update saves for the next one.
type state struct {
	feed.State
	Conversion   int          `json:"conversion"`
	Archive      string       `json:"archive"` // the day of the archive that was read last
	Until        time.Time    `json:"until"`   // all changes until then were read
	Changes      feed.Version `json:"changes"` // set only if everything in it was read
	Deletions    feed.Version `json:"deletions"`
	Repositories feed.Version `json:"repositories"`
	// Behind are documents that are listed and were missing.
	Behind map[string]time.Time `json:"behind,omitempty"`
}

// Origin implements feed.Feed.
func (v *vex) Origin() store.Origin { return store.Origin{Source: Name} }

type update struct {
	*vex
	st    feed.Store
	now   time.Time
	state state
	out   feed.Outcome
}

// Update implements feed.Feed. The first update reads the archive of all documents, and
// then those that have changed since. Later ones read only the lists of changes and
// deletions, and these documents. If very many have changed, or the archive that was read
// is old, a newer one is read.
func (v *vex) Update(ctx context.Context, st feed.Store, now time.Time) (feed.Outcome, error) {
	u := &update{vex: v, st: st, now: now}
	known, err := u.load(ctx)
	if err != nil {
		return u.out, err
	}
	day, file, err := u.latest(ctx)
	if err != nil {
		return u.out, err
	}
	var l lists
	old := !known || u.state.Conversion != conversion || daysBetween(u.state.Archive, day) > maxAge
	if !old {
		if l, err = u.lists(ctx); err != nil {
			return u.out, err
		}
		old = len(u.todo(l.changes)) > maxIncrement && day > u.state.Archive
	}
	if old {
		if err := u.archive(ctx, day, file); err != nil {
			return u.out, err
		}
		if l, err = u.lists(ctx); err != nil {
			return u.out, err
		}
	}
	if err := u.increments(ctx, l.changes); err != nil {
		return u.out, err
	}
	if err := u.remove(ctx, l); err != nil {
		return u.out, err
	}
	u.state.Changes, u.state.Deletions = l.changesVersion, l.deletionsVersion
	u.out.Behind = len(u.state.Behind)
	return u.out, u.repositories(ctx)
}

// load loads the state of the last update. It is not known if there is none.
func (u *update) load(ctx context.Context) (known bool, err error) {
	u.state, known, err = feed.LoadState[state](ctx, u.st, u.Origin(), u.Mirror)
	u.state.Place = u.Mirror.String()
	return known, err
}

var (
	archiveName  = regexp.MustCompile(`^csaf_vex_(\d{4}-\d{2}-\d{2})\.tar\.(?:zst|gz)$`)
	documentName = regexp.MustCompile(`^\d{4}/(cve-\d{4}-\d{4,19})\.json$`)
)

// latest returns the day and the name of the newest archive.
func (u *update) latest(ctx context.Context) (day, file string, err error) {
	b, _, err := u.Mirror.Get(ctx, latestFile, maxName, feed.Version{})
	if err != nil {
		return "", "", err
	}
	file = strings.TrimSpace(string(b))
	m := archiveName.FindStringSubmatch(file)
	if m == nil {
		return "", "", fmt.Errorf("%q does not name an archive: %.100q", latestFile, file)
	}
	if _, err := time.Parse(time.DateOnly, m[1]); err != nil {
		return "", "", fmt.Errorf("%q names an archive with an invalid date: %.100q", latestFile, file)
	}
	return m[1], documents + file, nil
}

// daysBetween returns the time between two days.
func daysBetween(a, b string) time.Duration {
	from, err := time.Parse(time.DateOnly, a)
	to, err2 := time.Parse(time.DateOnly, b)
	if errors.Join(err, err2) != nil {
		return math.MaxInt64
	}
	return to.Sub(from)
}

// lists are the lists of changes and deletions, by the names of the documents. They are
// nil if they are unchanged.
type lists struct {
	changes, deletions               map[string]time.Time
	changesVersion, deletionsVersion feed.Version
}

// lists fetches the lists. If that of the deletions has changed, it has both: a document
// may have appeared again.
func (u *update) lists(ctx context.Context) (l lists, err error) {
	if l.deletions, l.deletionsVersion, err = u.list(ctx, deletionsFile, u.state.Deletions); err != nil {
		return l, err
	}
	before := u.state.Changes
	if l.deletions != nil {
		before = feed.Version{}
	}
	l.changes, l.changesVersion, err = u.list(ctx, changesFile, before)
	if err == nil && l.changes != nil && len(l.changes) == 0 {
		err = fmt.Errorf("%q is empty", changesFile)
	}
	return l, err
}

// list fetches one of the lists of documents with times. It is nil, with the version
// before, if it is unchanged.
func (u *update) list(ctx context.Context, name string, before feed.Version) (map[string]time.Time, feed.Version, error) {
	b, version, err := u.Mirror.Get(ctx, name, maxList, before)
	if errors.Is(err, feed.ErrUnchanged) {
		return nil, before, nil
	}
	if err != nil {
		return nil, before, err
	}
	all, err := parseList(b)
	if err != nil {
		return nil, before, fmt.Errorf("%q: %w", name, err)
	}
	return all, version, nil
}

// parseList parses changes.csv or deletions.csv: the documents with the time of the last
// change, or of the deletion.
func parseList(b []byte) (map[string]time.Time, error) {
	r := csv.NewReader(bytes.NewReader(b))
	r.FieldsPerRecord, r.ReuseRecord = 2, true
	all := make(map[string]time.Time)
	for {
		line, err := r.Read()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("not a list of documents: %w", err)
		}
		if !documentName.MatchString(line[0]) {
			return nil, fmt.Errorf("not a list of documents: invalid name %.100q", line[0])
		}
		at, err := time.Parse(time.RFC3339, line[1])
		if err != nil {
			return nil, fmt.Errorf("%q has an invalid time: %.40q", line[0], line[1])
		}
		if at.After(all[line[0]]) {
			all[line[0]] = at
		}
	}
}

// todo returns the documents to fetch, oldest change first.
func (u *update) todo(changes map[string]time.Time) []string {
	wanted := maps.Clone(u.state.Behind)
	if wanted == nil {
		wanted = make(map[string]time.Time)
	}
	for name, at := range changes {
		if at.After(u.state.Until.Add(-overlap)) {
			wanted[name] = at
		}
	}
	return slices.SortedFunc(maps.Keys(wanted), func(a, b string) int {
		if c := wanted[a].Compare(wanted[b]); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
}

// archive imports the archive of a day.
func (u *update) archive(ctx context.Context, day, name string) error {
	file := filepath.Join(u.Dir, "archive")
	if _, err := u.Mirror.Save(ctx, name, file, maxArchive, feed.Version{}); err != nil {
		return err
	}
	table, version, err := u.table(ctx, feed.Version{})
	if err != nil {
		return errors.Join(err, os.Remove(file))
	}
	begin, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return err
	}
	u.state.Conversion, u.state.Archive, u.state.Until = conversion, day, begin.Add(-overlap)
	u.state.Changes, u.state.Deletions, u.state.Behind = feed.Version{}, feed.Version{}, nil
	u.state.Repositories = version
	u.out.Whole = true
	err = u.put(ctx, true, func(yield func(store.Record, error) bool) {
		if !yield(table, nil) {
			return
		}
		found := false
		for e, err := range feed.Archive(file, limits) {
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			if !isDocument(e.Name) {
				continue
			}
			found = true
			b, err := e.Bytes()
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			for r, err := range records(e.Name, b) {
				if !r.Removed && !yield(r, err) {
					return
				}
			}
		}
		if !found {
			yield(store.Record{}, fmt.Errorf("%q has no documents", name))
		}
	})
	return errors.Join(err, os.Remove(file))
}

// isDocument reports whether a file of an archive is a document.
func isDocument(name string) bool {
	year, file := path.Split(name)
	return documentName.MatchString(path.Join(path.Base(year), file))
}

// records yields the record of a document. If the document says nothing about packages it
// is a removed one. What could not be read in it is a rejected record of its own.
func records(name string, b []byte) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		a, ok, problems, err := convert(b)
		if err == nil && IDPrefix+strings.ToUpper(strings.TrimSuffix(path.Base(name), ".json")) != a.ID {
			err = fmt.Errorf("the file has the document of %q", a.ID)
		}
		switch {
		case err != nil || ok:
			if !yield(whole.Converted(name, a, err)) {
				return
			}
		case !yield(store.Record{ID: a.ID, Removed: true}, nil):
			return
		}
		if err == nil && len(problems) > 0 {
			yield(store.Record{}, whole.Rejected(name, errors.New(strings.Join(problems, "; "))))
		}
	}
}

// put does one import, with the current state.
func (u *update) put(ctx context.Context, entire bool, records iter.Seq2[store.Record, error]) error {
	s, err := feed.EncodeState(u.state)
	if err != nil {
		return err
	}
	im, err := u.st.Import(ctx, store.Import{Origin: u.Origin(), At: u.now, Whole: entire, State: s}, records)
	if err != nil {
		return err
	}
	u.out.Add(im)
	return nil
}

// A converted is a record, or the error that rejects it.
type converted struct {
	record store.Record
	err    error
}

func all(list []converted) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for _, c := range list {
			if !yield(c.record, c.err) {
				return
			}
		}
	}
}

// increments fetches and imports the changed documents.
func (u *update) increments(ctx context.Context, changes map[string]time.Time) error {
	for names := range slices.Chunk(u.todo(changes), batchSize) {
		var batch []converted
		for _, name := range names {
			b, _, err := u.Mirror.Get(ctx, documents+name, csaf.MaxSize, feed.Version{})
			if errors.Is(err, feed.ErrNotFound) {
				u.late(name, changes[name])
				continue
			}
			if err != nil {
				return err
			}
			if !json.Valid(b) {
				// Not a bad document, but probably the answer of a proxy.
				return fmt.Errorf("%q is not JSON", documents+name)
			}
			delete(u.state.Behind, name)
			for r, err := range records(name, b) {
				if !r.Removed || u.held(ctx, r.ID) {
					batch = append(batch, converted{r, err})
				}
			}
			if at := changes[name]; at.After(u.state.Until) && !at.After(u.now) {
				u.state.Until = at
			}
		}
		if err := u.put(ctx, false, all(batch)); err != nil {
			return err
		}
	}
	return nil
}

// late notes that a document is listed and missing. Later updates try it again for a while.
func (u *update) late(name string, listed time.Time) {
	if listed.IsZero() {
		listed = u.state.Behind[name]
	}
	if u.now.Sub(listed) > keepBehind || len(u.state.Behind) >= maxBehind {
		delete(u.state.Behind, name)
		return
	}
	if u.state.Behind == nil {
		u.state.Behind = make(map[string]time.Time)
	}
	u.state.Behind[name] = listed
}

// held reports whether the store has a record.
func (u *update) held(ctx context.Context, id string) bool {
	r, err := u.st.Record(ctx, Name, id, math.MaxInt64)
	return err == nil && !r.Removed
}

// remove removes the records of deleted documents, unless they have changed since.
func (u *update) remove(ctx context.Context, l lists) error {
	var removed []converted
	for name, at := range l.deletions {
		id := IDPrefix + strings.ToUpper(strings.TrimSuffix(path.Base(name), ".json"))
		if l.changes[name].After(at) {
			continue
		}
		delete(u.state.Behind, name)
		if u.held(ctx, id) {
			removed = append(removed, converted{record: store.Record{ID: id, Removed: true}})
		}
	}
	if len(removed) == 0 {
		return nil
	}
	slices.SortFunc(removed, func(a, b converted) int { return strings.Compare(a.record.ID, b.record.ID) })
	return u.put(ctx, false, all(removed))
}

// repositories imports the table of repositories if it has changed, and saves the state.
func (u *update) repositories(ctx context.Context) error {
	table, version, err := u.table(ctx, u.state.Repositories)
	switch {
	case errors.Is(err, feed.ErrUnchanged):
		s, err := feed.EncodeState(u.state)
		if err != nil {
			return err
		}
		return u.st.FeedState(ctx, u.Origin(), u.now, s)
	case err != nil:
		return err
	}
	u.state.Repositories = version
	return u.put(ctx, false, func(yield func(store.Record, error) bool) { yield(table, nil) })
}

// table fetches the table of repositories.
func (u *update) table(ctx context.Context, before feed.Version) (store.Record, feed.Version, error) {
	b, version, err := u.Mirror.Get(ctx, repositoriesFile, maxRepositories, before)
	if err != nil {
		return store.Record{}, before, err
	}
	a, err := convertRepositories(b)
	if err != nil {
		return store.Record{}, before, fmt.Errorf("%q: %w", repositoriesFile, err)
	}
	r, err := whole.Converted(repositoriesFile, a, nil)
	return r, version, err
}
