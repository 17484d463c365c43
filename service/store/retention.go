package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

const (
	// DefaultKeep is how long a new store keeps scans.
	DefaultKeep = 90 * 24 * time.Hour
	// KeepNewest is the least time for which the newest scan of each project and ref is
	// kept, because it describes what is deployed, and the newest that passed, because a
	// ratchet compares with it.
	KeepNewest = 365 * 24 * time.Hour
	// keepVersions is how long a version of an advisory or a list is kept after a newer
	// one has replaced it, even if no stored scan refers to it. A scan that is being
	// answered may use it and is not stored yet.
	keepVersions = 24 * time.Hour
)

// Retention is the part of a Store that removes data that is not needed any more.
type Retention interface {
	// KeepTime returns the default for how long scans are kept; zero means for ever. It
	// is DefaultKeep for a new store. A store with data from before there was retention
	// keeps everything.
	KeepTime(ctx context.Context) (time.Duration, error)
	// Prune removes the scans that p does not keep, and everything that nothing refers
	// to any more: inventories, parts of verdicts, published snapshots, and the
	// versions of advisories and lists that are not current and that no kept scan was
	// answered with. It works in small steps. If it ends early, the finished steps are
	// kept. The current version of a record is never removed.
	Prune(ctx context.Context, p Prune) (Pruned, error)
	// LastPrune returns what NotePrune noted last, and the zero LastPrune if it never did.
	LastPrune(ctx context.Context) (LastPrune, error)
	NotePrune(ctx context.Context, last LastPrune) error
	// Usage returns how many bytes the store uses for each kind of data, as far as the
	// database reports it.
	Usage(ctx context.Context) ([]Usage, error)
}

// A LastPrune says when the processes that serve from a store last pruned it, and how long
// they kept scans.
type LastPrune struct {
	At   time.Time     `json:"at"`
	Keep time.Duration `json:"keep"`
}

// ParseLastPrune returns the value of the setting for LastPrune; text is empty without it.
func ParseLastPrune(text string) (last LastPrune, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &last)
	}
	return last, err
}

// String returns the value of the setting.
func (l LastPrune) String() string {
	b, err := json.Marshal(l)
	if err != nil { // a year after 9999
		return ""
	}
	return string(b)
}

// Prune says what to remove.
type Prune struct {
	Now  time.Time
	Keep time.Duration // scans made within this time are kept; it must be positive
	// DryRun removes nothing and counts what would be removed. It does not count parts
	// of verdicts, which are only known once the scans are removed.
	DryRun bool
	// Pause, if set, is called after each step, so that others can write. Prune stops
	// with its error.
	Pause func(ctx context.Context, step time.Duration) error
}

// Before is the time before which scans are removed.
func (p Prune) Before() time.Time { return p.Now.Add(-p.Keep) }

// NewestBefore is the time before which even the newest scan of a ref is removed, and
// events of the audit trail.
func (p Prune) NewestBefore() time.Time { return p.Now.Add(-max(p.Keep, KeepNewest)) }

// ReplacedBefore is the time before which a version must have been replaced to be
// removed.
func (p Prune) ReplacedBefore() time.Time { return p.Now.Add(-keepVersions) }

// ParseKeepTime returns the value of the setting for KeepTime. Without the setting, text
// is empty and scans are kept for ever.
func ParseKeepTime(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	return time.ParseDuration(text)
}

// Answered lists the sequence numbers of the states that kept scans were answered with,
// in ascending order.
type Answered []int64

// Within reports whether a kept scan was answered with a state from seq until before
// next. Such a scan needs a version with the number seq that the version next replaced.
func (a Answered) Within(seq, next int64) bool {
	i, _ := slices.BinarySearch(a, seq)
	return i < len(a) && a[i] < next
}

// Pruned counts what was removed.
type Pruned struct {
	Scans       int `json:"scans"`
	Inventories int `json:"inventories"` // requests that no scan refers to any more
	Pieces      int `json:"pieces"`      // parts of verdicts that no scan refers to any more
	Snapshots   int `json:"snapshots"`
	Versions    int `json:"versions"` // of advisories
	Lists       int `json:"lists"`    // versions of lists
	Events      int `json:"events"`   // of the audit trail
}

// Usage is how much space one kind of data takes.
type Usage struct {
	Kind  string `json:"kind"`
	Bytes int64  `json:"bytes"`
}
