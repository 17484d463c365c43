package postgres

import "time"

// FindPassed is the query of PassedScan.
const FindPassed = findPassed

// ShortLease makes the term of leases a third of what it is.
func (s *Store) ShortLease() (term time.Duration) {
	for _, d := range []*time.Duration{&s.lease.term, &s.lease.renew, &s.lease.answer, &s.lease.margin} {
		*d /= 3
	}
	return s.lease.term
}

// NeverPoll makes Watch depend on notifications.
func (s *Store) NeverPoll() { s.poll = 24 * time.Hour }

var FilterQuery = filterScans
