package ruleset

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"assay/service/store"
)

// A Store keeps the versions of the policy. The methods are those of store.Files.
type Store interface {
	PutFile(ctx context.Context, f store.File) error
	File(ctx context.Context, name string) (store.File, error)
	ListFiles(ctx context.Context, folder string) ([]store.File, error)
	TakeLock(ctx context.Context, name, holder string, now, until time.Time) (bool, error)
	DropLock(ctx context.Context, name, holder string) error
}

const folder = "policy"

// fileName returns the name of a version. Names sort as versions do.
func fileName(version int) string { return fmt.Sprintf("%s/%08d.yaml", folder, version) }

// A Version is a stored version of the policy.
type Version struct {
	Number int
	At     time.Time
}

// Versions returns the stored versions, the oldest first.
func Versions(ctx context.Context, s Store) ([]Version, error) {
	files, err := s.ListFiles(ctx, folder)
	if err != nil {
		return nil, fmt.Errorf("read the versions of the policy: %w", err)
	}
	all := make([]Version, 0, len(files))
	for _, f := range files {
		v := Version{At: f.Modified}
		if _, err := fmt.Sscanf(f.Name, folder+"/%d.yaml", &v.Number); err != nil || fileName(v.Number) != f.Name {
			return nil, fmt.Errorf("unknown file %q among the versions of the policy", f.Name)
		}
		all = append(all, v)
	}
	return all, nil
}

// Text returns the text of a version.
func Text(ctx context.Context, s Store, version int) ([]byte, error) {
	f, err := s.File(ctx, fileName(version))
	if err != nil {
		return nil, fmt.Errorf("read version %d of the policy: %w", version, err)
	}
	return f.Body, nil
}

// At returns a version of the policy. Version 0 is no policy.
func At(ctx context.Context, s Store, version int) (*Policy, error) {
	if version == 0 {
		return nil, nil
	}
	text, err := Text(ctx, s, version)
	if err != nil {
		return nil, err
	}
	p, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read version %d of the policy: %w", version, err)
	}
	p.Version = version
	return p, nil
}

// ErrBusy is returned if another process stores a policy.
var ErrBusy = errors.New("another process is storing a policy")

// Set stores a new version of the policy, which counts for every scan from then on. The
// caller has parsed it.
func Set(ctx context.Context, s Store, text []byte, holder string, now time.Time) (version int, err error) {
	const lock = folder
	ok, err := s.TakeLock(ctx, lock, holder, now, now.Add(time.Minute))
	if err != nil {
		return 0, fmt.Errorf("store the policy: %w", err)
	}
	if !ok {
		return 0, ErrBusy
	}
	defer func() { err = errors.Join(err, s.DropLock(ctx, lock, holder)) }()
	all, err := Versions(ctx, s)
	if err != nil {
		return 0, err
	}
	version = 1
	if len(all) > 0 {
		version = all[len(all)-1].Number + 1
	}
	if err := s.PutFile(ctx, store.File{Name: fileName(version), Modified: now, Body: text}); err != nil {
		return 0, fmt.Errorf("store version %d of the policy: %w", version, err)
	}
	return version, nil
}

// A Current reads the newest version of the policy, and parses each version once.
type Current struct {
	Store Store

	mu     sync.Mutex
	parsed *Policy
}

// Get returns the newest version, or nil if there is none. It asks the store each time, so
// that a new version counts on every replica at once.
func (c *Current) Get(ctx context.Context) (*Policy, error) {
	all, err := Versions(ctx, c.Store)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	version := all[len(all)-1].Number
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parsed == nil || c.parsed.Version != version {
		p, err := At(ctx, c.Store, version)
		if err != nil {
			return nil, err
		}
		c.parsed = p
	}
	return c.parsed, nil
}
