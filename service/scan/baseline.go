package scan

import (
	"context"
	"errors"
	"fmt"

	"assay/remote/cyclonedx"
	"assay/service/policy"
	"assay/service/store"
	"assay/verdict"
)

// Baseline returns the stored scan that the files of a scan name as the baseline, or nil if
// they name none. may reports whether the sender may read a stored scan; one that it may not
// read is treated like one that does not exist: the baseline has an Error. need, if set, is
// called with the sizes of a scan before it is read.
func (r *References) Baseline(ctx context.Context, files []cyclonedx.File, may func(store.Scan) bool, need func(store.Sizes) error) (*policy.Baseline, error) {
	b := named(files)
	id := b.Wanted()
	if id == "" {
		return nil, nil
	}
	kept, sizes, err := r.Store.FindScan(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !may(kept) {
		b.Error = "there is no such scan, or this token may not read it"
		return b, nil
	}
	var components *policy.Components
	if err == nil {
		components, err = r.componentsOf(ctx, id, sizes, need)
	}
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrDamaged), errors.Is(err, errUnreadable): // or removed just now
		b.Error = "the stored scan cannot be read"
	case err != nil:
		return nil, err
	default:
		b.At = &kept.At
		b.Set(components)
	}
	return b, nil
}

// componentsOf reads a stored scan.
func (r *References) componentsOf(ctx context.Context, id string, sizes store.Sizes, need func(store.Sizes) error) (*policy.Components, error) {
	if need != nil {
		if err := need(sizes); err != nil {
			return nil, err
		}
	}
	whole, err := r.Store.Scan(ctx, id)
	if err != nil {
		return nil, err
	}
	sent, err := Read(whole.Request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return policy.ComponentsOf(sent.Inventory), nil
}

// BaselineOf is like Baseline for an earlier verdict. A scan that its sender could not read is
// not read either. ok is false if the scan could be read then, and cannot now.
func (r *References) BaselineOf(ctx context.Context, files []cyclonedx.File, before verdict.Verdict) (b *policy.Baseline, ok bool, err error) {
	refused := before.Baseline != nil && before.Baseline.Error != ""
	if b = named(files); b.Wanted() != "" && refused {
		b.Error = before.Baseline.Error
		return b, true, nil
	}
	b, err = r.Baseline(ctx, files, func(store.Scan) bool { return true }, nil)
	return b, b == nil || b.Error == "", err
}

// named returns the baseline that files name, without reading those that are inventories.
func named(files []cyclonedx.File) *policy.Baseline {
	var all []cyclonedx.File
	for _, f := range files {
		if f.Baseline() {
			all = append(all, f)
		}
	}
	if len(all) != 1 || all[0].Kind != cyclonedx.FileBaselineScan {
		return nil
	}
	return policy.ReadBaseline(all, Read)
}
