package cve

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"assay/service/advisory"
	"assay/service/feed/cve/record"
)

// A change is an entry of deltaLog.json: what one of the runs that update the list, which
// are a few minutes apart, has found. The file has the changes of about 30 days.
type change struct {
	At      record.Time `json:"fetchTime"`
	New     []changed   `json:"new"`
	Updated []changed   `json:"updated"`
}

type changed struct {
	ID      string      `json:"cveId"`
	Updated record.Time `json:"dateUpdated"`
}

// UnmarshalJSON ends the decoding of a log at the first entry that has no time: empty ones
// need many times their size in memory.
func (c *change) UnmarshalJSON(b []byte) error {
	type plain change
	if err := json.Unmarshal(b, (*plain)(c)); err != nil {
		return err
	}
	if c.At.IsZero() {
		return errors.New("an entry has no time")
	}
	return nil
}

// UnmarshalJSON ends the decoding at the first invalid ID.
func (c *changed) UnmarshalJSON(b []byte) error {
	type plain changed
	if err := json.Unmarshal(b, (*plain)(c)); err != nil {
		return err
	}
	if !advisory.IsCVE(c.ID) {
		return fmt.Errorf("invalid CVE ID %.40q", c.ID)
	}
	return nil
}

// parseLog parses deltaLog.json. The changes are sorted by time.
func parseLog(b []byte) ([]change, error) {
	var all []change
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("not a log of changes: %w", err)
	}
	if len(all) == 0 {
		return nil, errors.New("the log of changes is empty")
	}
	slices.SortStableFunc(all, func(a, b change) int { return a.At.Compare(b.At.Time) })
	return all, nil
}

// A batch is what changed after the batch before it.
type batch struct {
	until  time.Time
	wanted map[string]time.Time // the time of its newest listed update, by id
}

// batches yields the changes after a time in batches of about size records.
func batches(log []change, after time.Time, size int) []batch {
	var all []batch
	b := batch{wanted: map[string]time.Time{}}
	for _, c := range log {
		if !c.At.After(after) {
			continue
		}
		b.until = c.At.Time
		for _, r := range slices.Concat(c.New, c.Updated) {
			if t, ok := b.wanted[r.ID]; !ok || r.Updated.After(t) {
				b.wanted[r.ID] = r.Updated.Time
			}
		}
		if len(b.wanted) >= size {
			all = append(all, b)
			b = batch{wanted: map[string]time.Time{}}
		}
	}
	if !b.until.IsZero() {
		all = append(all, b)
	}
	return all
}
