package acme

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"assay/service/store"
)

// Files is the part of the store that the certificates are kept in.
type Files interface {
	PutFile(ctx context.Context, f store.File) error
	File(ctx context.Context, name string) (store.File, error)
	DropFiles(ctx context.Context, name string) error
	ListFiles(ctx context.Context, folder string) ([]store.File, error)
	TakeLock(ctx context.Context, name, holder string, now, until time.Time) (bool, error)
	DropLock(ctx context.Context, name, holder string) error
}

const (
	// prefix keeps the names apart from those of other users of store.Files.
	prefix = "acme/"
	// lockTime is how long a lock outlives a process that was killed.
	lockTime = 30 * time.Second
	// lockPoll is how often a lock that another holds is asked for again.
	lockPoll = time.Second
)

// storage implements certmagic.Storage.
type storage struct {
	files Files
	now   func() time.Time

	mu   sync.Mutex
	held map[string]heldLock
}

type heldLock struct {
	holder string
	stop   context.CancelFunc
	done   chan struct{}
}

// Store implements certmagic.Storage.
func (s *storage) Store(ctx context.Context, key string, value []byte) error {
	return s.files.PutFile(ctx, store.File{Name: prefix + key, Modified: s.now(), Body: value})
}

// Load implements certmagic.Storage.
func (s *storage) Load(ctx context.Context, key string) ([]byte, error) {
	f, err := s.files.File(ctx, prefix+key)
	return f.Body, asFS(err)
}

// Delete implements certmagic.Storage.
func (s *storage) Delete(ctx context.Context, key string) error {
	return s.files.DropFiles(ctx, prefix+key)
}

// Exists implements certmagic.Storage.
func (s *storage) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// List implements certmagic.Storage.
func (s *storage) List(ctx context.Context, folder string, recursive bool) ([]string, error) {
	files, err := s.files.ListFiles(ctx, strings.TrimSuffix(prefix+folder, "/"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("list %q: %w", folder, fs.ErrNotExist)
	}
	var keys []string
	seen := map[string]bool{}
	add := func(key string) {
		if !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	for _, f := range files {
		key := strings.TrimPrefix(f.Name, prefix)
		below := strings.TrimPrefix(strings.TrimPrefix(key, strings.TrimSuffix(folder, "/")), "/")
		if first, _, deeper := strings.Cut(below, "/"); deeper && !recursive {
			add(path.Join(folder, first))
			continue
		}
		add(key)
	}
	return keys, nil
}

// Stat implements certmagic.Storage.
func (s *storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	f, err := s.files.File(ctx, prefix+key)
	if err == nil {
		return certmagic.KeyInfo{Key: key, Modified: f.Modified, Size: int64(len(f.Body)), IsTerminal: true}, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return certmagic.KeyInfo{}, err
	}
	below, err := s.files.ListFiles(ctx, prefix+key)
	if err == nil && len(below) == 0 {
		err = fmt.Errorf("%q: %w", key, fs.ErrNotExist)
	}
	return certmagic.KeyInfo{Key: key}, err
}

// Lock implements certmagic.Locker. The lock is renewed while it is held; that of a
// process which was killed ends after lockTime.
func (s *storage) Lock(ctx context.Context, name string) error {
	holder := rand.Text()
	for {
		now := s.now()
		taken, err := s.files.TakeLock(ctx, prefix+name, holder, now, now.Add(lockTime))
		if err != nil {
			return fmt.Errorf("lock %q: %w", name, err)
		}
		if taken {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPoll):
		}
	}
	renew, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-renew.Done():
				return
			case <-time.After(lockTime / 3):
			}
			now := s.now()
			// A failure is tried again: the lock has two thirds of its time left.
			_, _ = s.files.TakeLock(renew, prefix+name, holder, now, now.Add(lockTime))
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = map[string]heldLock{}
	}
	s.held[name] = heldLock{holder, stop, done}
	return nil
}

// Unlock implements certmagic.Locker.
func (s *storage) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	l, ok := s.held[name]
	delete(s.held, name)
	s.mu.Unlock()
	if !ok {
		return fmt.Errorf("unlock %q: it is not locked", name)
	}
	l.stop()
	<-l.done
	return s.files.DropLock(ctx, prefix+name, l.holder)
}

// asFS makes certmagic see that a key does not exist.
func asFS(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return err
}
