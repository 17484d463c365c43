package osv

import (
	"time"

	"assay/service/feed"
)

// A state is what an update saves for the next one. It is JSON in the store.
type state struct {
	feed.State
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
