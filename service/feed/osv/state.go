package osv

import (
	"context"
	"encoding/json"
	"time"

	"assay/service/feed"
)

// A state is what an update leaves to the next one.
type state struct {
	// Place is the bucket; of another one nothing else here is true.
	Place string `json:"place"`
	// Watermark is the newest time that was listed when all that was listed had
	// been read: what is not newer need not be looked at again.
	Watermark time.Time `json:"watermark"`
	// Listing and Archive are the versions that were read of the files; Listing
	// only where nothing of it was left to do.
	Listing feed.Version `json:"listing"`
	Archive feed.Version `json:"archive"`
	// Unreadable are records that were no advisories at the time listed here.
	Unreadable map[string]time.Time `json:"unreadable,omitempty"`
}

// maxUnreadable bounds the records that are remembered; others are got again.
const maxUnreadable = 1000

// load returns the state of a source; ok is false where there is none or it is of
// another place.
func (e *ecosystem) load(ctx context.Context, st feed.Store) (s state, ok bool, err error) {
	fresh := state{Place: e.bucket.Mirror.String()}
	sources, err := st.Sources(ctx)
	if err != nil {
		return fresh, false, err
	}
	for _, src := range sources {
		if src.Origin != e.Origin() || json.Unmarshal([]byte(src.State), &s) != nil || s.Place != fresh.Place {
			continue
		}
		return s, true, nil
	}
	return fresh, false, nil
}

func (s state) encode() (string, error) {
	b, err := json.Marshal(s)
	return string(b), err
}
