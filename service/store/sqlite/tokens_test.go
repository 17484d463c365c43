package sqlite_test

import (
	"errors"
	"testing"
	"time"

	"assay/service/store"
)

// A use that could not be saved is not tried again for every request: on a full disk
// each would fail.
func TestUsedTokenIsNotRetriedAtOnce(t *testing.T) {
	s := open(t, t.TempDir())
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		after time.Duration
		tried bool
	}{{0, true}, {time.Second, false}, {59 * time.Second, false}, {time.Minute, true}, {61 * time.Second, false}} {
		err := s.UsedToken(t.Context(), "unknown", at.Add(step.after))
		if tried := errors.Is(err, store.ErrNotFound); tried != step.tried || err != nil && !tried {
			t.Errorf("after %v: error %v, want an attempt: %v", step.after, err, step.tried)
		}
	}
}
