package osv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/feed"
	"assay/service/store"
)

const (
	fetchers = 8
	// maxFetched bounds the bytes of records that are fetched one by one.
	maxFetched = 512 << 20
)

// A fetched is one record, or an error that wraps store.ErrRejected.
type fetched struct {
	id     string
	record store.Record
	err    error
}

// fetch fetches single records, several at a time, and returns them sorted by id. If the
// error wraps feed.ErrNotFound, some records do not exist, and it returns the others.
// With any other error it returns none. It fetches nothing if there are too many ids.
func (u *update) fetch(ctx context.Context, ids []string) ([]fetched, error) {
	if len(ids) > maxIncrement {
		return nil, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		mu      sync.Mutex
		got     []fetched
		size    int
		missing error
		failed  error
		wg      sync.WaitGroup
	)
	work := make(chan string)
	for range fetchers {
		wg.Go(func() {
			for id := range work {
				f, err := u.fetchOne(ctx, id)
				mu.Lock()
				switch {
				case errors.Is(err, feed.ErrNotFound):
					missing = err
				case err == nil:
					got = append(got, f)
					if size += len(f.record.Body); size > maxFetched {
						err = fmt.Errorf("the new records have more than %d bytes", maxFetched)
					}
				}
				if err != nil && failed == nil && !errors.Is(err, feed.ErrNotFound) {
					failed = err
					cancel()
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
	if failed == nil && ctx.Err() != nil {
		failed = ctx.Err()
	}
	if failed != nil {
		return nil, failed
	}
	slices.SortFunc(got, func(a, b fetched) int { return strings.Compare(a.id, b.id) })
	return got, missing
}

func (u *update) fetchOne(ctx context.Context, id string) (fetched, error) {
	name := u.file(id + ".json")
	body, _, err := u.Mirror.Get(ctx, name, advisory.MaxSize, feed.Version{})
	if err != nil {
		return fetched{}, err
	}
	if !json.Valid(body) {
		// Not a bad record, but the response of something in between.
		return fetched{}, fmt.Errorf("%q is not JSON", name)
	}
	f := fetched{id: id}
	f.record, err = load.Record(body)
	if err == nil && f.record.ID != id {
		err = fmt.Errorf("the file has the record %q", f.record.ID)
	}
	if err != nil {
		f.record = store.Record{}
		f.err = fmt.Errorf("%q: %w: %w", name, store.ErrRejected, err)
	}
	return f, nil
}

// note remembers the rejected records, so that they are not fetched again until they are
// listed with another time.
func (u *update) note(list listing, got []fetched) {
	unreadable := maps.Clone(u.state.Unreadable)
	maps.DeleteFunc(unreadable, func(id string, at time.Time) bool {
		listed, ok := list.modified[id]
		return !ok || !listed.Equal(at)
	})
	for _, f := range got {
		if f.err == nil || len(unreadable) >= maxUnreadable {
			continue
		}
		if unreadable == nil {
			unreadable = map[string]time.Time{}
		}
		unreadable[f.id] = list.modified[f.id]
	}
	u.state.Unreadable = unreadable
}

func remove(path string) { _ = os.Remove(path) } // it was read; if it stays, the next one replaces it
