package api

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// keeping records whether scans can be stored, and logs when that changes.
type keeping struct {
	failing atomic.Bool
	mu      sync.Mutex
	unkept  int       // scans that were not stored
	logged  time.Time // the last line about them
}

// logEvery is how often an ongoing failure is logged.
const logEvery = time.Minute

func (k *keeping) fails(log *slog.Logger, scan string, cause error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failing.Store(true)
	k.unkept++
	if now := time.Now(); k.unkept == 1 || now.Sub(k.logged) >= logEvery {
		k.logged = now
		log.Error("scans are answered and cannot be stored", "scan", scan, "not_kept", k.unkept, "err", cause)
	}
}

func (k *keeping) works(log *slog.Logger) {
	if !k.failing.Load() { // the usual case
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failing.Load() {
		log.Info("scans are stored again", "not_kept", k.unkept)
	}
	k.failing.Store(false)
	k.unkept = 0
}

// causes returns a cause while scans cannot be stored.
func (k *keeping) causes() []Cause {
	if !k.failing.Load() {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return []Cause{{CauseUnkept, fmt.Sprintf("%d scans were answered and not stored; assayd's log says why", k.unkept)}}
}
