package api

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// keeping knows whether scans are kept, and tells the log when that changes.
type keeping struct {
	failing atomic.Bool
	mu      sync.Mutex
	unkept  int       // scans since keeping fails
	logged  time.Time // the last line about it
}

// logEvery is how often the log tells of what goes on.
const logEvery = time.Minute

func (k *keeping) fails(log *slog.Logger, scan string, cause error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failing.Store(true)
	k.unkept++
	if now := time.Now(); k.unkept == 1 || now.Sub(k.logged) >= logEvery {
		k.logged = now
		log.Error("scans are answered and not kept", "scan", scan, "not_kept", k.unkept, "err", cause)
	}
}

func (k *keeping) works(log *slog.Logger) {
	if !k.failing.Load() { // as mostly
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failing.Load() {
		log.Info("scans are kept again", "not_kept", k.unkept)
	}
	k.failing.Store(false)
	k.unkept = 0
}

// causes says that scans are not kept, while they are not.
func (k *keeping) causes() []Cause {
	if !k.failing.Load() {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return []Cause{{CauseUnkept, fmt.Sprintf("%d scans were answered and not kept; assayd's log says why", k.unkept)}}
}
