// Package whole is the feed of a source that publishes all of its records in one file or
// a few, which are read again as a whole when one of them has changed.
package whole

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/feed"
	"assay/service/store"
)

// A Feed is the feed of such a source. It implements feed.Feed.
type Feed struct {
	feed.Setup
	Source string
	Files  []File
	// Records yields the records in the downloaded files, whose paths are in the order of
	// Files. An error for one record comes from Rejected.
	Records func(paths []string) iter.Seq2[store.Record, error]
}

// A File is a file of the source.
type File struct {
	Name  string // in the mirror
	Limit int64  // bytes
}

// Rejected returns the error for a record that cannot be read. name is the record's, and
// the import continues without it.
func Rejected(name string, err error) error {
	return fmt.Errorf("%w: %.100q: %w", store.ErrRejected, name, err)
}

// Converted returns a converted advisory in the form of the store. err is that of the
// conversion, after which the record called name is rejected.
func Converted(name string, a advisory.Advisory, err error) (store.Record, error) {
	var r store.Record
	if err == nil {
		r, err = load.Converted(a)
	}
	if err != nil {
		return store.Record{}, Rejected(name, err)
	}
	return r, nil
}

// A state is what an update saves for the next one.
type state struct {
	feed.State
	Versions []feed.Version `json:"versions"`
}

// Origin implements feed.Feed.
func (f Feed) Origin() store.Origin { return store.Origin{Source: f.Source} }

// Update implements feed.Feed.
func (f Feed) Update(ctx context.Context, st feed.Store, now time.Time) (feed.Outcome, error) {
	s, _, err := feed.LoadState[state](ctx, st, f.Origin(), f.Mirror)
	if err != nil {
		return feed.Outcome{}, err
	}
	s.Place = f.Mirror.String()
	if len(s.Versions) != len(f.Files) {
		s.Versions = make([]feed.Version, len(f.Files))
	}
	paths, changed, err := f.save(ctx, s.Versions)
	defer func() {
		for _, p := range paths {
			err = errors.Join(err, os.RemoveAll(p))
		}
	}()
	if err != nil {
		return feed.Outcome{}, err
	}
	encoded, err := feed.EncodeState(s)
	if err != nil {
		return feed.Outcome{}, err
	}
	if !changed {
		return feed.Outcome{}, st.FeedState(ctx, f.Origin(), now, encoded)
	}
	o := feed.Outcome{Whole: true}
	im, err := st.Import(ctx, store.Import{Origin: f.Origin(), At: now, Whole: true, State: encoded}, f.records(paths))
	if err != nil {
		return feed.Outcome{}, err
	}
	o.Add(im)
	return o, nil
}

// save downloads the files, unless none has changed since versions, and replaces versions.
func (f Feed) save(ctx context.Context, versions []feed.Version) (paths []string, changed bool, err error) {
	for i := range f.Files {
		paths = append(paths, filepath.Join(f.Dir, "file"+strconv.Itoa(i)))
	}
	one := func(i int, before feed.Version) error {
		v, err := f.Mirror.Save(ctx, f.Files[i].Name, paths[i], f.Files[i].Limit, before)
		if err == nil {
			versions[i], changed = v, true
		}
		return err
	}
	var unchanged []int
	for i := range f.Files {
		err := one(i, versions[i])
		switch {
		case errors.Is(err, feed.ErrUnchanged):
			unchanged = append(unchanged, i)
		case err != nil:
			return paths, changed, err
		}
	}
	if !changed {
		return paths, false, nil
	}
	for _, i := range unchanged {
		if err := one(i, feed.Version{}); err != nil {
			return paths, changed, err
		}
	}
	return paths, changed, nil
}

// records yields the records. An ID that is repeated is rejected.
func (f Feed) records(paths []string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		seen := make(map[string]bool)
		for r, err := range f.Records(paths) {
			if err == nil && seen[r.ID] {
				r, err = store.Record{}, Rejected(r.ID, errors.New("the ID is repeated"))
			}
			if err == nil {
				seen[r.ID] = true
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Values yields the JSON values of an array, or the members of an object with their names,
// one at a time. Each has at most limit bytes. An error ends it.
func Values(r io.Reader, limit int64) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		if err := values(r, limit, func(v Value) bool { return yield(v, nil) }); err != nil {
			yield(Value{}, err)
		}
	}
}

// A Value is one value of an array or an object.
type Value struct {
	Name string // of the member of an object
	JSON json.RawMessage
}

// Items yields the values of a value that is an array, one at a time: a list of empty values
// needs many times their size in memory. An error ends it.
func Items(v Value) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		if !bytes.HasPrefix(v.JSON, []byte("[")) {
			yield(nil, fmt.Errorf("%q is not an array", v.Name))
			return
		}
		for item, err := range Values(bytes.NewReader(v.JSON), int64(len(v.JSON))) {
			if !yield(item.JSON, err) {
				return
			}
		}
	}
}

// readAhead is how much a decoder may read beyond a value.
const readAhead = 64 << 10

func values(r io.Reader, limit int64, yield func(Value) bool) error {
	bounded := &boundedReader{r: r, left: limit, limit: limit}
	d := json.NewDecoder(bounded)
	open, err := d.Token()
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	if open != json.Delim('{') && open != json.Delim('[') {
		return errors.New("neither an object nor an array of records")
	}
	for d.More() {
		bounded.left = limit + readAhead
		var v Value
		if open == json.Delim('{') {
			name, err := d.Token()
			if err != nil {
				return fmt.Errorf("not JSON: %w", err)
			}
			v.Name, _ = name.(string)
		}
		if err := d.Decode(&v.JSON); err != nil {
			return fmt.Errorf("not JSON after %d bytes: %w", d.InputOffset(), err)
		}
		if !yield(v) {
			return nil
		}
	}
	bounded.left = limit + readAhead
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("the records are followed by something else")
	}
	return nil
}

// A boundedReader fails after left bytes.
type boundedReader struct {
	r           io.Reader
	left, limit int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("a record has more than %d bytes", b.limit)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
