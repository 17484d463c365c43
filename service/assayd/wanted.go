package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"assay/service/feed"
	"assay/service/feed/osv"
	"assay/service/store"
)

// Files beside the downloads.
const (
	// allFile says that once all ecosystems were asked for: a first update that was
	// cut short goes on with all of them, and one that is new is fetched too.
	allFile = "all"
	// failedFile holds why the bucket was not reached before anything was fetched.
	failedFile = "failed"
)

// feedDir is the folder of downloads, and of the files above, in a data folder.
func feedDir(data string) string { return filepath.Join(data, "feed") }

// dropped is the state of an ecosystem that was taken out by update --drop.
const dropped = "{}"

// wanted returns the ecosystems that the server updates by itself where no flag names
// any: those that were fetched before, or all where all were asked for, or where the
// store is empty. A store that was filled by imports has none.
func (u *updater) wanted(ctx context.Context) (names []string, all bool, err error) {
	sources, err := u.store.Sources(ctx)
	if err != nil {
		return nil, false, err
	}
	imported := false
	for _, s := range sources {
		switch {
		case s.Origin.Source == osv.Source && s.Feed && (s.Records > 0 || s.State != dropped):
			names = append(names, s.Origin.Part)
		case !s.Updated.IsZero():
			imported = true
		}
	}
	if _, err := os.Stat(filepath.Join(u.dir, allFile)); err == nil {
		return nil, true, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	return names, len(names) == 0 && !imported, nil
}

// undropped leaves out of names the ecosystems that were taken out.
func (u *updater) undropped(ctx context.Context, names []string) ([]string, error) {
	sources, err := u.store.Sources(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(sources, func(s store.Source) bool {
			return s.Origin == osv.Origin(name) && s.Feed && s.Records == 0 && s.State == dropped
		})
	}), nil
}

// A failure is an update that reached nothing.
type failure struct {
	At  time.Time `json:"at"`
	Err string    `json:"error"`
}

// noteFailure keeps a failure of the bucket as a whole, nil for none.
func (u *updater) noteFailure(cause error) error {
	path := filepath.Join(u.dir, failedFile)
	if cause == nil {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	b, err := json.Marshal(failure{u.run.Now(), feed.OneLine(cause)})
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

// lastFailure returns the failure that is kept in a data folder.
func lastFailure(data string) (f failure, ok bool) {
	b, err := os.ReadFile(filepath.Join(feedDir(data), failedFile))
	return f, err == nil && json.Unmarshal(b, &f) == nil
}
