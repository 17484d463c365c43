package image

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/service/store"
)

// MaxRecord is the largest body of a Record, in bytes.
const MaxRecord = 1 << 20

const (
	// folder keeps the names of records apart from those of other users of store.Files.
	folder = "images"
	// leaseTime is how long a record says "running" after its process was killed.
	leaseTime = 30 * time.Second
)

// ErrRunning is wrapped by the error for work on a record that is running already.
var ErrRunning = errors.New("it is being evaluated already")

// ErrReplaced is wrapped by the error of work whose record was removed, or given to other
// work, while it was running.
var ErrReplaced = errors.New("the record was removed or replaced")

// A State says how far the evaluation of an image is.
type State string

// The states of a Record.
const (
	Running  State = "running"
	Finished State = "finished"
	Failed   State = "failed"
)

// A Record says what is known of one image, under the key that a client uses for it: the
// digest of a manifest, the name of a layer, the id of a job. The inventory of the image
// and its verdict are in the kept scan.
type Record struct {
	Kind    string `json:"kind"`    // who keeps it: lower-case letters and digits
	Project string `json:"project"` // of the token, or empty for a token of every project
	Key     string `json:"key"`     // at most 4 KiB
	State   State  `json:"state"`
	// Cause is that of a failure, for people.
	Cause string `json:"cause,omitempty"`
	// Scan is the id of the kept scan. It is empty before the record is finished.
	Scan string    `json:"scan,omitempty"`
	At   time.Time `json:"at"` // when the state began
	// Body is what the kind keeps, at most MaxRecord. It may be empty.
	Body json.RawMessage `json:"body,omitempty"`
	// Run identifies the work of a running record.
	Run string `json:"run,omitempty"`
}

// Records keeps small records about images in the store, for all processes of the service.
// A project sees only its own.
type Records struct {
	Files store.Files
	Now   func() time.Time

	lease time.Duration // zero: leaseTime; tests change it
}

// Put stores a record, in place of the one with its kind, project and key. It sets At.
func (r *Records) Put(ctx context.Context, rec Record) error {
	name, err := nameOf(rec.Kind, rec.Project, rec.Key)
	if err != nil {
		return err
	}
	if len(rec.Body) > MaxRecord {
		return fmt.Errorf("record %q of kind %q: %d bytes, at most %d are kept", rec.Key, rec.Kind, len(rec.Body), MaxRecord)
	}
	rec.At = r.Now().UTC().Truncate(time.Microsecond)
	body, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("record %q of kind %q: %w", rec.Key, rec.Kind, err)
	}
	return r.Files.PutFile(ctx, store.File{Name: name, Modified: rec.At, Body: body})
}

// Get returns a record, or an error that wraps store.ErrNotFound. A record whose process
// ended while it was running is returned as Failed.
func (r *Records) Get(ctx context.Context, kind, project, key string) (Record, error) {
	name, err := nameOf(kind, project, key)
	if err != nil {
		return Record{}, err
	}
	rec, err := r.read(ctx, name)
	if err == nil && (rec.Kind != kind || rec.Project != project || rec.Key != key) {
		err = fmt.Errorf("record %q of kind %q: %w: it has another key", key, kind, store.ErrDamaged)
	}
	if err != nil {
		return Record{}, err
	}
	return rec, nil
}

// List returns the records of a kind and a project, the newest first.
func (r *Records) List(ctx context.Context, kind, project string) ([]Record, error) {
	name, err := nameOf(kind, project, "-")
	if err != nil {
		return nil, err
	}
	files, err := r.Files.ListFiles(ctx, name[:strings.LastIndexByte(name, '/')])
	if err != nil {
		return nil, err
	}
	var list []Record
	for _, f := range files {
		rec, err := r.read(ctx, f.Name)
		if errors.Is(err, store.ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		list = append(list, rec)
	}
	slices.SortStableFunc(list, func(a, b Record) int { return cmp.Or(b.At.Compare(a.At), strings.Compare(a.Key, b.Key)) })
	return list, nil
}

// Delete removes a record. The work of a running one cannot finish it any more. It is not
// an error if there is none.
func (r *Records) Delete(ctx context.Context, kind, project, key string) error {
	name, err := nameOf(kind, project, key)
	if err != nil {
		return err
	}
	run := ""
	f, err := r.Files.File(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	if rec, err := decode(f); err == nil { // a damaged record is removed as well
		run = rec.Run
	}
	if err := r.Files.DropFiles(ctx, name); err != nil || run == "" {
		return err
	}
	return r.Files.DropLock(ctx, name, run)
}

// A Work is what keeps a record running. It ends with Finish or Fail. The record of a
// process that is killed counts as failed within half a minute.
type Work struct {
	records *Records
	name    string
	rec     Record
	stop    context.CancelFunc
	done    chan struct{}
}

// Start stores a running record and returns its Work. The error wraps ErrRunning if another
// process or request works on the record.
func (r *Records) Start(ctx context.Context, rec Record) (*Work, error) {
	name, err := nameOf(rec.Kind, rec.Project, rec.Key)
	if err != nil {
		return nil, err
	}
	rec.State, rec.Run, rec.Scan, rec.Cause = Running, rand.Text(), "", ""
	taken, err := r.take(ctx, name, rec.Run)
	if err == nil && !taken {
		err = fmt.Errorf("%q: %w", rec.Key, ErrRunning)
	}
	if err != nil {
		return nil, err
	}
	if err := r.Put(ctx, rec); err != nil {
		return nil, errors.Join(err, r.Files.DropLock(context.WithoutCancel(ctx), name, rec.Run))
	}
	renew, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := &Work{records: r, name: name, rec: rec, stop: stop, done: make(chan struct{})}
	go w.renew(renew)
	return w, nil
}

// renew extends the lock until ctx ends or the record is no longer that of the work.
func (w *Work) renew(ctx context.Context) {
	defer close(w.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(w.records.leaseTime() / 3):
		}
		err := w.holds(ctx)
		if errors.Is(err, ErrReplaced) {
			return
		}
		if err == nil {
			// A failure is tried again: the lock has two thirds of its time left.
			_, _ = w.records.take(ctx, w.name, w.rec.Run)
		}
	}
}

// holds returns an error that wraps ErrReplaced if the record is not that of the work.
func (w *Work) holds(ctx context.Context) error {
	f, err := w.records.Files.File(ctx, w.name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if rec, bad := decode(f); err != nil || bad != nil || rec.Run != w.rec.Run {
		return fmt.Errorf("%q: %w", w.rec.Key, ErrReplaced)
	}
	return nil
}

// Finish ends the work: the image was evaluated, and the scan is kept under its id. Body
// replaces that of the record.
func (w *Work) Finish(ctx context.Context, scan string, body json.RawMessage) error {
	w.rec.State, w.rec.Scan, w.rec.Body = Finished, scan, body
	return w.end(ctx)
}

// Fail ends the work: the image could not be evaluated. Body replaces that of the record.
func (w *Work) Fail(ctx context.Context, cause error, body json.RawMessage) error {
	w.rec.State, w.rec.Cause, w.rec.Body = Failed, cause.Error(), body
	return w.end(ctx)
}

func (w *Work) end(ctx context.Context) error {
	w.stop()
	<-w.done
	if err := w.holds(ctx); err != nil {
		return err
	}
	run := w.rec.Run
	w.rec.Run = ""
	return errors.Join(w.records.Put(ctx, w.rec), w.records.Files.DropLock(ctx, w.name, run))
}

// Scans is the part of the store that Tidy needs.
type Scans interface {
	FindScan(ctx context.Context, id string) (store.Scan, store.Sizes, error)
}

// Tidy removes the records made before a time whose scan is no longer kept, and those made
// before it that have no scan. It returns how many it removed.
func (r *Records) Tidy(ctx context.Context, scans Scans, before time.Time) (removed int, err error) {
	files, err := r.Files.ListFiles(ctx, folder)
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		if !f.Modified.Before(before) {
			continue
		}
		gone, err := r.gone(ctx, scans, f.Name)
		if err != nil {
			return removed, err
		}
		if !gone {
			continue
		}
		if err := r.Files.DropFiles(ctx, f.Name); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// gone reports whether an old record refers to nothing. A damaged one does not.
func (r *Records) gone(ctx context.Context, scans Scans, name string) (bool, error) {
	rec, err := r.read(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case errors.Is(err, store.ErrDamaged):
		return true, nil
	case err != nil:
		return false, err
	case rec.Scan == "":
		return rec.State != Running, nil
	}
	if _, _, err = scans.FindScan(ctx, rec.Scan); errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// read reads a record. A running one that nobody works on has failed.
func (r *Records) read(ctx context.Context, name string) (Record, error) {
	f, err := r.Files.File(ctx, name)
	if err != nil {
		return Record{}, err
	}
	rec, err := decode(f)
	if err != nil || rec.State != Running {
		return rec, err
	}
	// The lock is taken only to see whether it is free, and has ended when it is taken.
	now, probe := r.Now(), rand.Text()
	free, err := r.Files.TakeLock(ctx, name, probe, now, now.Add(-time.Second))
	if err != nil || !free {
		return rec, err
	}
	if err := r.Files.DropLock(ctx, name, probe); err != nil {
		return Record{}, err
	}
	// The work may have ended between the two.
	if f, err = r.Files.File(ctx, name); err != nil {
		return Record{}, err
	}
	if rec, err = decode(f); err == nil && rec.State == Running {
		rec.State, rec.Cause, rec.Run = Failed, "the service stopped while it read the image; send it again", ""
	}
	return rec, err
}

func decode(f store.File) (rec Record, err error) {
	if err := json.Unmarshal(f.Body, &rec); err != nil {
		return rec, fmt.Errorf("file %q: %w: %w", f.Name, store.ErrDamaged, err)
	}
	return rec, nil
}

func (r *Records) take(ctx context.Context, name, holder string) (bool, error) {
	now := r.Now()
	return r.Files.TakeLock(ctx, name, holder, now, now.Add(r.leaseTime()))
}

func (r *Records) leaseTime() time.Duration { return cmp.Or(r.lease, leaseTime) }

// nameOf returns the name of a record in store.Files.
func nameOf(kind, project, key string) (string, error) {
	if kind == "" || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return "", fmt.Errorf("invalid kind %q of a record", kind)
	}
	if key == "" || len(key) > 4096 {
		return "", fmt.Errorf("invalid key of a record of kind %q: %d bytes", kind, len(key))
	}
	return folder + "/" + kind + "/" + hash(project) + "/" + hash(key), nil
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
