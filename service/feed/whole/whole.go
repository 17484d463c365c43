// Package whole is the feed of a source that publishes all of its records in one file or
// a few, which are read again as a whole when one of them has changed.
package whole

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	// List, if set, returns the files in place of Files, for a source that says itself
	// which files it has.
	List func(ctx context.Context, m feed.Mirror) ([]File, error)
	// Keep leaves the files in the folder for downloads, so that an update downloads only
	// those that have changed. It is for many files of which most never change.
	Keep bool
	// Records yields the records in the downloaded files, whose paths are in the order of
	// the files. An error for one record comes from Rejected.
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
	Files map[string]saved `json:"files"` // by name
}

// A saved file is one that was read.
type saved struct {
	Version feed.Version `json:"version"`
	SHA256  string       `json:"sha256,omitempty"` // of a file that was kept
}

// Origin implements feed.Feed.
func (f Feed) Origin() store.Origin { return store.Origin{Source: f.Source} }

// Update implements feed.Feed.
func (f Feed) Update(ctx context.Context, st feed.Store, now time.Time) (o feed.Outcome, err error) {
	s, _, err := feed.LoadState[state](ctx, st, f.Origin(), f.Mirror)
	if err != nil {
		return feed.Outcome{}, err
	}
	s.Place = f.Mirror.String()
	files := f.Files
	if f.List != nil {
		if files, err = f.List(ctx, f.Mirror); err != nil {
			return feed.Outcome{}, err
		}
	}
	d := download{feed: f, files: files, before: s.Files}
	defer func() { err = errors.Join(err, d.clean()) }()
	if err = d.save(ctx); err != nil {
		return feed.Outcome{}, err
	}
	s.Files = d.saved
	encoded, err := feed.EncodeState(s)
	if err != nil {
		return feed.Outcome{}, err
	}
	if !d.changed {
		return feed.Outcome{}, st.FeedState(ctx, f.Origin(), now, encoded)
	}
	im, err := st.Import(ctx, store.Import{Origin: f.Origin(), At: now, Whole: true, State: encoded}, f.records(d.paths()))
	if err != nil {
		return feed.Outcome{}, err
	}
	o.Whole = true
	o.Add(im)
	return o, nil
}

// A download is that of all files of one update.
type download struct {
	feed    Feed
	files   []File
	before  map[string]saved // what the last update has read
	saved   map[string]saved
	changed bool
}

const filePrefix = "file-"

// path returns where a file is saved.
func (d *download) path(name string) string {
	return filepath.Join(d.feed.Dir, filePrefix+url.PathEscape(name))
}

// Name returns the name in the mirror of a downloaded file, for an error about it.
func Name(path string) string {
	name := strings.TrimPrefix(filepath.Base(path), filePrefix)
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	return name
}

func (d *download) paths() []string {
	paths := make([]string, len(d.files))
	for i, f := range d.files {
		paths[i] = d.path(f.Name)
	}
	return paths
}

// save downloads the files, unless none has changed.
func (d *download) save(ctx context.Context) error {
	d.saved = make(map[string]saved)
	var unchanged []File
	for _, f := range d.files {
		before, known := d.before[f.Name]
		if d.feed.Keep && known {
			if sum, err := digest(d.path(f.Name)); err != nil || sum != before.SHA256 {
				before = saved{}
			}
		}
		d.changed = d.changed || !known
		err := d.one(ctx, f, before.Version)
		if errors.Is(err, feed.ErrUnchanged) {
			unchanged = append(unchanged, f)
			d.saved[f.Name] = before
		} else if err != nil {
			return err
		}
	}
	d.changed = d.changed || len(d.saved) != len(d.before)
	if !d.changed || d.feed.Keep {
		return nil
	}
	for _, f := range unchanged {
		if err := d.one(ctx, f, feed.Version{}); err != nil {
			return err
		}
	}
	return nil
}

// one downloads a file if it differs from a version.
func (d *download) one(ctx context.Context, f File, before feed.Version) error {
	v, err := d.feed.Mirror.Save(ctx, f.Name, d.path(f.Name), f.Limit, before)
	if err != nil {
		return err
	}
	d.changed = true
	s := saved{Version: v}
	if d.feed.Keep {
		s.SHA256, err = digest(d.path(f.Name))
	}
	d.saved[f.Name] = s
	return err
}

// clean removes the files that are not kept.
func (d *download) clean() error {
	remove := d.paths()
	if d.feed.Keep {
		remove = nil
		for name := range d.before {
			if !slices.ContainsFunc(d.files, func(f File) bool { return f.Name == name }) {
				remove = append(remove, d.path(name))
			}
		}
	}
	var failed error
	for _, path := range remove {
		failed = errors.Join(failed, os.RemoveAll(path))
	}
	return failed
}

// digest returns the SHA-256 of a file, in hexadecimal.
func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
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

// ValuesIn is Values of a file on the disk.
func ValuesIn(path string, limit int64) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(Value{}, err)
			return
		}
		defer f.Close()
		Values(f, limit)(yield)
	}
}

// ListIn yields the values of the array in a file on the disk, one at a time. Each has at most
// limit bytes. An error ends it.
func ListIn(path string, limit int64) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for v, err := range ValuesIn(path, limit) {
			if err == nil && v.Name != "" {
				err = errors.New("the file is not a list")
			}
			if !yield(v.JSON, err) || err != nil {
				return
			}
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

// Nested yields the values of the array that an object has as its member called name, or those
// of the outermost array, one at a time. Each has at most limit bytes, and so have the other
// members of the object. An error ends it.
func Nested(r io.Reader, name string, limit int64) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		n := &nested{in: &boundedReader{r: r, left: limit + readAhead, limit: limit}, yield: func(v json.RawMessage) bool { return yield(v, nil) }}
		n.d = json.NewDecoder(n.in)
		if err := n.read(name); err != nil && !n.stopped {
			yield(nil, err)
		}
	}
}

// A nested reads the values for Nested.
type nested struct {
	in      *boundedReader
	d       *json.Decoder
	yield   func(json.RawMessage) bool
	stopped bool
}

func (n *nested) read(name string) error {
	open, err := n.d.Token()
	switch {
	case err != nil:
		return fmt.Errorf("not JSON: %w", err)
	case open == json.Delim('['):
		err = n.values()
	case open == json.Delim('{'):
		err = n.member(name)
	default:
		return errors.New("neither an object nor an array of records")
	}
	if err != nil {
		return err
	}
	n.in.left = n.in.limit + readAhead
	if _, err := n.d.Token(); err != io.EOF {
		return errors.New("the records are followed by something else")
	}
	return nil
}

// member yields the values of a member of an object, after its start.
func (n *nested) member(name string) error {
	found := false
	for n.d.More() {
		n.in.left = n.in.limit + readAhead
		key, err := n.d.Token()
		if err != nil {
			return fmt.Errorf("not JSON: %w", err)
		}
		if key != name || found {
			var other json.RawMessage
			if err := n.d.Decode(&other); err != nil {
				return fmt.Errorf("not JSON: %w", err)
			}
			continue
		}
		found = true
		if open, err := n.d.Token(); err != nil || open != json.Delim('[') {
			return fmt.Errorf("%q is not an array", name)
		}
		if err := n.values(); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("there is no %q", name)
	}
	return n.end()
}

// values yields the values of an array, after its start.
func (n *nested) values() error {
	for n.d.More() {
		n.in.left = n.in.limit + readAhead
		var v json.RawMessage
		if err := n.d.Decode(&v); err != nil {
			return fmt.Errorf("not JSON after %d bytes: %w", n.d.InputOffset(), err)
		}
		if n.stopped = !n.yield(v); n.stopped {
			return errStopped
		}
	}
	return n.end()
}

// end reads the end of an array or an object.
func (n *nested) end() error {
	n.in.left = n.in.limit + readAhead
	if _, err := n.d.Token(); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return nil
}

var errStopped = errors.New("stopped")

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
