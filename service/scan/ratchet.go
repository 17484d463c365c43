package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"assay/remote/cyclonedx"
	"assay/service/policy"
	"assay/service/policy/ruleset"
	"assay/service/store"
	"assay/verdict"
)

// Bounds of the references that are remembered.
const (
	maxReferences = 16
	maxComponents = 500_000 // of all of them
)

// References finds the scans that ratchets compare with, and remembers the components of
// the last ones. A stored scan never changes, so they are never out of date.
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
	scan       string
	components *policy.Components
}

// Ratchet returns the ratchet of a policy for a scan of a project at a time, or nil if the
// policy has none. Its reference is the newest earlier scan that passed. need, if set, is
// called with the sizes of a scan before it is read.
func (r *References) Ratchet(ctx context.Context, service *ruleset.Effective, project string, at time.Time, need func(store.Sizes) error) (*policy.Ratchet, error) {
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
	kept, sizes, err := r.Store.PassedScan(ctx, project, ratchet.Against, at)
	if errors.Is(err, store.ErrNotFound) {
		ratchet.Missing = fmt.Sprintf("no stored scan of %s has passed", verdict.Short(ratchet.Against))
		return ratchet, nil
	}
	if err == nil {
		err = r.compareWith(ctx, ratchet, kept, sizes, need)
	}
	if err != nil {
		return nil, err
	}
	return ratchet, nil
}

// RatchetOf returns the ratchet of a policy with the reference of an earlier verdict. The
// error is store.ErrNotFound, wrapped, if the reference is no longer stored.
func (r *References) RatchetOf(ctx context.Context, service *ruleset.Effective, before verdict.Verdict) (*policy.Ratchet, error) {
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
		err = r.compareWith(ctx, ratchet, kept, sizes, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("read the reference of the ratchet: %w", err)
	}
	return ratchet, nil
}

// compareWith sets the reference of a ratchet. A damaged one is said to be missing, so that
// everything is introduced.
func (r *References) compareWith(ctx context.Context, ratchet *policy.Ratchet, kept store.Scan, sizes store.Sizes, need func(store.Sizes) error) error {
	components := r.remembered(kept.ID)
	if components == nil {
		if need != nil {
			if err := need(sizes); err != nil {
				return err
			}
		}
		whole, err := r.Store.Scan(ctx, kept.ID)
		if err == nil {
			var sent cyclonedx.Scan
			if sent, err = cyclonedx.Decode(bytes.NewReader(whole.Request), cyclonedx.DefaultLimits()); err != nil {
				err = fmt.Errorf("%w: %w", store.ErrDamaged, err)
			}
			components = policy.ComponentsOf(sent.Inventory)
		}
		if errors.Is(err, store.ErrDamaged) {
			ratchet.Missing = fmt.Sprintf("the stored scan %s cannot be read", kept.ID)
			return nil
		}
		if err != nil {
			return err
		}
		r.remember(kept.ID, components)
	}
	ratchet.Scan, ratchet.At, ratchet.Components = kept.ID, &kept.At, components
	return nil
}

func (r *References) remembered(id string) *policy.Components {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, known := range r.recent {
		if known.scan == id {
			copy(r.recent[1:i+1], r.recent[:i])
			r.recent[0] = known
			return known.components
		}
	}
	return nil
}

func (r *References) remember(id string, c *policy.Components) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recent = append([]reference{{id, c}}, r.recent...)
	total := 0
	for i, known := range r.recent {
		if total += known.components.Len(); i == maxReferences || i > 0 && total > maxComponents {
			clear(r.recent[i:])
			r.recent = r.recent[:i]
			return
		}
	}
}
