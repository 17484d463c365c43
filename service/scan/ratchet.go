package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"assay/service/match"
	"assay/service/policy"
	"assay/service/policy/ruleset"
	"assay/service/store"
	"assay/verdict"
)

// Bounds of the references.
const (
	maxReferences = 16        // that are remembered
	maxSize       = 1_000_000 // of all of them, as policy.Reference counts
	maxUnreadable = 3         // scans in a row that cannot be read
)

// References finds the scans that ratchets compare with. It matches their packages with
// the data of today, and remembers the last results.
type References struct {
	Store interface {
		PassedScan(ctx context.Context, project, ref string, before time.Time) (store.Scan, store.Sizes, error)
		FindScan(ctx context.Context, id string) (store.Scan, store.Sizes, error)
		Scan(ctx context.Context, id string) (store.Scan, error)
	}

	mu     sync.Mutex
	recent []reference // the last used one first
}

type reference struct {
	scan, snapshot string
	*policy.Reference
}

// Matching is what the packages of a reference are matched with, as those of the scan are.
type Matching struct {
	Index    match.Index
	Memo     *match.Memo // or nil
	Snapshot string      // names the state of the data
	Now      time.Time
	// Need, if set, is called with the sizes of a scan before it is read.
	Need func(store.Sizes) error
}

// Ratchet returns the ratchet of a policy for a scan of a project at a time, or nil if the
// policy has none. Its reference is the newest earlier scan that passed and can be read.
func (r *References) Ratchet(ctx context.Context, service *ruleset.Effective, project string, at time.Time, with Matching) (*policy.Ratchet, error) {
	if service == nil || service.Ratchet == nil {
		return nil, nil
	}
	ratchet := policy.NewRatchet(service)
	switch {
	case project == "":
		ratchet.Missing = "this scan names no project"
		return ratchet, nil
	case service.Inherited:
		ratchet.Missing = "a variable names the project"
		return ratchet, nil
	}
	ref := verdict.Short(ratchet.Against)
	ratchet.Missing = fmt.Sprintf("no stored scan of %s has passed", ref)
	for n := 0; n < maxUnreadable; n++ {
		kept, sizes, err := r.Store.PassedScan(ctx, project, ratchet.Against, at)
		if errors.Is(err, store.ErrNotFound) {
			return ratchet, nil
		}
		if err != nil {
			return nil, err
		}
		err = r.compareWith(ctx, ratchet, kept, sizes, with)
		if !errors.Is(err, errUnreadable) && !errors.Is(err, store.ErrNotFound) { // it may be removed meanwhile
			return ratchet, err
		}
		at = kept.At
		ratchet.Missing = fmt.Sprintf("the last scan of %s that passed, %s, cannot be read", ref, kept.ID)
		if n > 0 {
			ratchet.Missing = fmt.Sprintf("the last %d scans of %s that passed cannot be read", n+1, ref)
		}
	}
	return ratchet, nil
}

// RatchetOf returns the ratchet of a policy with the reference of an earlier verdict. The
// error is store.ErrNotFound, wrapped, if the reference is no longer stored.
func (r *References) RatchetOf(ctx context.Context, service *ruleset.Effective, before verdict.Verdict, with Matching) (*policy.Ratchet, error) {
	if service == nil || service.Ratchet == nil {
		return nil, nil
	}
	ratchet := policy.NewRatchet(service)
	if before.Ratchet == nil || before.Ratchet.Scan == "" {
		ratchet.Missing = "the scan had no reference"
		if before.Ratchet != nil {
			ratchet.Missing = before.Ratchet.Missing
		}
		return ratchet, nil
	}
	kept, sizes, err := r.Store.FindScan(ctx, before.Ratchet.Scan)
	if err == nil {
		err = r.compareWith(ctx, ratchet, kept, sizes, with)
	}
	if err != nil {
		return nil, fmt.Errorf("read the reference of the ratchet: %w", err)
	}
	return ratchet, nil
}

// errUnreadable is about a stored scan that is damaged, or cannot be matched.
var errUnreadable = errors.New("the stored scan cannot be read")

// compareWith sets the reference of a ratchet.
func (r *References) compareWith(ctx context.Context, ratchet *policy.Ratchet, kept store.Scan, sizes store.Sizes, with Matching) error {
	ref := r.remembered(kept.ID, with.Snapshot)
	if ref == nil {
		if with.Need != nil {
			if err := with.Need(sizes); err != nil {
				return err
			}
		}
		var err error
		if ref, err = r.read(ctx, kept.ID, with); err != nil {
			return err
		}
		r.remember(reference{kept.ID, with.Snapshot, ref})
	}
	ratchet.Scan, ratchet.At, ratchet.Missing, ratchet.Reference = kept.ID, &kept.At, "", ref
	return nil
}

// read reads a stored scan and matches its packages.
func (r *References) read(ctx context.Context, id string, with Matching) (*policy.Reference, error) {
	whole, err := r.Store.Scan(ctx, id)
	if errors.Is(err, store.ErrDamaged) {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if err != nil {
		return nil, err
	}
	sent, err := Read(whole.Request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	result, err := match.Inventory(sent.Inventory, with.Index, with.Memo, with.Now)
	if errors.Is(err, match.ErrTooMany) {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("match the reference of the ratchet: %w", err)
	}
	return policy.NewReference(sent.Inventory, result.Findings), nil
}

func (r *References) remembered(scan, snapshot string) *policy.Reference {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, known := range r.recent {
		if known.scan == scan && known.snapshot == snapshot {
			copy(r.recent[1:i+1], r.recent[:i])
			r.recent[0] = known
			return known.Reference
		}
	}
	return nil
}

func (r *References) remember(ref reference) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// One of the same scan is about earlier data.
	r.recent = slices.DeleteFunc(r.recent, func(other reference) bool { return other.scan == ref.scan })
	r.recent = slices.Insert(r.recent, 0, ref)
	total := 0
	for i, known := range r.recent {
		if total += known.Size(); i == maxReferences || i > 0 && total > maxSize {
			clear(r.recent[i:])
			r.recent = r.recent[:i]
			return
		}
	}
}
