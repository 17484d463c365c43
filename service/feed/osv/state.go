package osv

import (
	"context"
	"encoding/json"
	"time"

	"assay/service/feed"
)

// A state is what an update saves for the next one. It is JSON in the store.
type state struct {
	// Place is the address of the bucket. For another bucket the state is not valid.
	Place string `json:"place"`
	// Watermark is the newest listed time when everything listed had been read. Records
	// that are not newer need not be read again.
	Watermark time.Time `json:"watermark"`
	// Listing and Archive are the versions of the files that were read. Listing is set
	// only if everything in it was done.
	Listing feed.Version `json:"listing"`
	Archive feed.Version `json:"archive"`
	// Unreadable are the listed times of records that could not be parsed.
	Unreadable map[string]time.Time `json:"unreadable,omitempty"`
}

// maxUnreadable bounds the records in Unreadable. Others are fetched again.
const maxUnreadable = 1000

// load returns the state of a source. ok is false if there is none or it is of another
// bucket.
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
