package cve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/feed"
	"assay/service/store"
	"assay/verdict/hint"
)

const name = "cve"

// Files of the repository, below its address. GitHub redirects the first to the current
// file of the branch, and the second to the file of the newest release, which is at most a
// day old. Names of releases cannot be guessed: an hour without a change has none.
const (
	logFile     = "raw/main/cves/deltaLog.json"
	archiveFile = "releases/latest/download/%s_all_CVEs_at_midnight.zip.zip"
	recordFile  = "raw/main/cves/%s/%s/%s.json"
)

const (
	maxLog     = 64 << 20 // bytes; it has 4 MiB
	maxArchive = 8 << 30  // bytes; it has 600 MiB

	// maxIncrement is the number of changed records above which the archive is read, if it
	// is newer than the one that was read.
	maxIncrement = 10000
	// batchSize is the number of records that are fetched before they are imported.
	batchSize  = 2000
	fetchers   = 8
	maxFetched = 512 << 20 // bytes of the records of one batch

	// days is how far back an archive is looked for. A mirror may be older than GitHub.
	days = 31
	// overlap is the time before an archive's midnight from which changes are read again.
	overlap = time.Hour
	// maxBehind bounds the records that are awaited, and keep the time for which they are.
	maxBehind  = 1000
	keepBehind = 48 * time.Hour
)

var (
	outerLimits = feed.Limits{Entries: 1 << 20, Entry: maxArchive, Total: 64 << 30}
	innerLimits = feed.Limits{Entries: 4 << 20, Entry: advisory.MaxSize, Total: 64 << 30}
)

// Source describes the CVE list.
func Source() feed.Source {
	return feed.Source{
		Name:        name,
		Title:       "CVE list",
		Address:     "https://github.com/CVEProject/cvelistV5",
		Format:      "JSON, zip archive of a day and single records",
		Licence:     "CVE terms of use",
		Terms:       "https://www.cve.org/Legal/TermsOfUse",
		MayPassOn:   true,
		Contributes: feed.Advisories,
		Default:     true,
		Ecosystems:  []string{"WordPress", "CPE"},
		First:       feed.Cost{Download: 600 << 20, Disk: 4 << 30, Memory: 512 << 20, Time: 15 * time.Minute},
		Timeout:     2 * time.Hour,
		Feed:        func(s feed.Setup, _ string) (feed.Feed, error) { return &list{s}, nil },
	}
}

// list is the feed.
type list struct{ feed.Setup }

// A state is what an update saves for the next one.
type state struct {
	feed.State
	Archive   string       `json:"archive"`   // the day of the archive that was read last
	Watermark time.Time    `json:"watermark"` // all changes until then were read
	Log       feed.Version `json:"log"`       // set only if everything in it was read
	// Behind are records that the log lists with a newer time than that of the file: the
	// servers of the files are a few minutes late.
	Behind map[string]time.Time `json:"behind,omitempty"`
}

// Origin implements feed.Feed.
func (l *list) Origin() store.Origin { return store.Origin{Source: name} }

type update struct {
	*list
	st    feed.Store
	now   time.Time
	state state
	out   feed.Outcome
}

// Update implements feed.Feed. The first update reads the archive of the whole list, and
// then the records that have changed since, as the log of changes lists them. Later ones
// read only the log and those records. If the log does not reach back to the last update,
// or lists very many records, the archive is read again.
func (l *list) Update(ctx context.Context, st feed.Store, now time.Time) (feed.Outcome, error) {
	u := &update{list: l, st: st, now: now}
	var known bool
	var err error
	if u.state, known, err = feed.LoadState[state](ctx, st, l.Origin(), l.Mirror); err != nil {
		return u.out, err
	}
	u.state.Place = l.Mirror.String()
	late := maps.Clone(u.state.Behind)
	log, version, err := u.log(ctx)
	if errors.Is(err, feed.ErrUnchanged) {
		return u.out, u.settle(ctx, late, u.state.Log)
	}
	if err != nil {
		return u.out, err
	}
	todo := batches(log, u.state.Watermark, batchSize)
	switch {
	case !known || log[0].At.After(u.state.Watermark):
		err = u.archive(ctx, "")
	case count(todo) > maxIncrement:
		if err = u.archive(ctx, u.state.Archive); errors.Is(err, feed.ErrNotFound) {
			err = nil // there is no newer one
		}
	}
	if err != nil {
		return u.out, err
	}
	if log[0].At.After(u.state.Watermark) {
		return u.out, fmt.Errorf("%q begins on %s, after the archive of %s", logFile, log[0].At.Format(time.DateOnly), u.state.Archive)
	}
	for _, b := range batches(log, u.state.Watermark, batchSize) {
		u.state.Watermark = b.until
		if b.until.After(u.now) { // no change would be after it
			u.state.Watermark = u.now
		}
		if err := u.batch(ctx, b.wanted); err != nil {
			return u.out, err
		}
	}
	return u.out, u.settle(ctx, late, version)
}

func count(all []batch) (n int) {
	for _, b := range all {
		n += len(b.wanted)
	}
	return n
}

// log fetches the log of changes.
func (u *update) log(ctx context.Context) ([]change, feed.Version, error) {
	b, version, err := u.Mirror.Get(ctx, logFile, maxLog, u.state.Log)
	if err != nil {
		return nil, version, err
	}
	log, err := parseLog(b)
	if err != nil {
		return nil, version, fmt.Errorf("%q: %w", logFile, err)
	}
	return log, version, nil
}

// settle fetches the records that were late before, and saves that everything in the log
// was read.
func (u *update) settle(ctx context.Context, late map[string]time.Time, log feed.Version) error {
	u.state.Log = log
	err := u.batch(ctx, late)
	u.out.Behind = len(u.state.Behind)
	return err
}

// archive imports the newest archive that is not older than the day after, which may be
// empty. The error wraps feed.ErrNotFound if there is none.
func (u *update) archive(ctx context.Context, after string) error {
	file := filepath.Join(u.Dir, "all.zip")
	for back := range days {
		day := u.now.UTC().AddDate(0, 0, -back)
		text := day.Format(time.DateOnly)
		if text <= after {
			break
		}
		// The name has the day, so an archive never changes.
		_, err := u.Mirror.Save(ctx, fmt.Sprintf(archiveFile, text), file, maxArchive, feed.Version{})
		if errors.Is(err, feed.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		u.state.Archive = text
		u.state.Watermark = day.Truncate(24 * time.Hour).Add(-overlap)
		u.state.Log, u.state.Behind = feed.Version{}, nil
		u.out.Whole = true
		inner := filepath.Join(u.Dir, "inner.zip")
		err = u.put(ctx, true, records(file, inner))
		return errors.Join(err, remove(file), remove(inner))
	}
	return hint.Errorf("a mirror has "+fmt.Sprintf(archiveFile, "DATE")+" and "+logFile,
		"no archive of the last %d days: %w", days, feed.ErrNotFound)
}

func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// put does one import, with the current state.
func (u *update) put(ctx context.Context, whole bool, records iter.Seq2[store.Record, error]) error {
	s, err := feed.EncodeState(u.state)
	if err != nil {
		return err
	}
	im, err := u.st.Import(ctx, store.Import{Origin: u.Origin(), At: u.now, Whole: whole, State: s}, records)
	if err != nil {
		return err
	}
	u.out.Add(im)
	return nil
}

// records yields the records of an archive. The archive of a day has another one in it,
// which is saved as inner: its table of contents is at its end.
func records(file, inner string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for e, err := range feed.Archive(file, outerLimits) {
			switch {
			case err != nil:
				yield(store.Record{}, err)
				return
			case isRecord(e.Name):
				if !yield(read(e)) {
					return
				}
			case strings.HasSuffix(e.Name, ".zip"):
				err := e.Save(inner)
				if err == nil {
					// What the outer one was for. It has as many bytes as the inner one.
					err = remove(file)
				}
				if err != nil {
					yield(store.Record{}, err)
					return
				}
				innerRecords(inner, yield)
				return
			}
		}
	}
}

func innerRecords(file string, yield func(store.Record, error) bool) {
	for e, err := range feed.Archive(file, innerLimits) {
		if err != nil {
			yield(store.Record{}, err)
			return
		}
		if isRecord(e.Name) && !yield(read(e)) {
			return
		}
	}
}

func isRecord(name string) bool {
	id, ok := strings.CutSuffix(path.Base(name), ".json")
	return ok && advisory.IsCVE(id)
}

// read reads a file of an archive.
func read(e feed.Entry) (store.Record, error) {
	b, err := e.Bytes()
	if err != nil {
		return store.Record{}, err
	}
	return stored(e.Name, b)
}

// stored converts a file. If it is not valid, the error wraps store.ErrRejected.
func stored(file string, b []byte) (store.Record, error) {
	a, err := convert(b)
	if err == nil && path.Base(file) != a.ID+".json" {
		err = fmt.Errorf("the file has the record %q", a.ID)
	}
	var r store.Record
	if err == nil {
		r, err = load.Converted(a)
	}
	if err != nil {
		return store.Record{}, fmt.Errorf("%q: %w: %w", file, store.ErrRejected, err)
	}
	return r, nil
}

// fileOf returns the name of the file of a record: the folder of its thousand has "xxx" for
// the last three digits.
func fileOf(id string) string {
	_, rest, _ := strings.Cut(id, "-")
	year, number, _ := strings.Cut(rest, "-")
	return fmt.Sprintf(recordFile, year, number[:len(number)-3]+"xxx", id)
}

// A fetched is one record, or an error that wraps store.ErrRejected.
type fetched struct {
	record store.Record
	err    error
}

// batch fetches and imports records. Those that are not there, or older than listed, are
// noted as behind for a while.
func (u *update) batch(ctx context.Context, wanted map[string]time.Time) error {
	got, err := u.fetch(ctx, slices.Sorted(maps.Keys(wanted)))
	if err != nil {
		return err
	}
	for id, listed := range wanted {
		f, ok := got[id]
		current := ok && (f.err != nil || !f.record.Modified.Before(listed))
		if current || u.now.Sub(listed) > keepBehind || len(u.state.Behind) >= maxBehind {
			delete(u.state.Behind, id)
			continue
		}
		if u.state.Behind == nil {
			u.state.Behind = map[string]time.Time{}
		}
		u.state.Behind[id] = listed
	}
	return u.put(ctx, false, func(yield func(store.Record, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(got)) {
			if !yield(got[id].record, got[id].err) {
				return
			}
		}
	})
}

// fetch fetches single records, several at a time. It leaves out those that are not there.
func (u *update) fetch(ctx context.Context, ids []string) (map[string]fetched, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu   sync.Mutex
		got  = map[string]fetched{}
		size int
		wg   sync.WaitGroup
	)
	work := make(chan string)
	for range fetchers {
		wg.Go(func() {
			for id := range work {
				f, err := u.fetchOne(ctx, id)
				if errors.Is(err, feed.ErrNotFound) {
					continue
				}
				if err != nil {
					cancel(err)
					continue
				}
				mu.Lock()
				got[id] = f
				if size += len(f.record.Body); size > maxFetched {
					cancel(fmt.Errorf("the changed records have more than %d bytes", maxFetched))
				}
				mu.Unlock()
			}
		})
	}
	for _, id := range ids {
		select {
		case work <- id:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(work)
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return got, nil
}

func (u *update) fetchOne(ctx context.Context, id string) (fetched, error) {
	file := fileOf(id)
	b, _, err := u.Mirror.Get(ctx, file, advisory.MaxSize, feed.Version{})
	if err != nil {
		return fetched{}, err
	}
	if !json.Valid(b) {
		// Not a bad record, but the answer of something in between.
		return fetched{}, fmt.Errorf("%q is not JSON", file)
	}
	r, err := stored(file, b)
	return fetched{r, err}, nil
}
