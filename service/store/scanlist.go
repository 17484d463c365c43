package store

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A ScanFilter chooses stored scans. Fields that are empty choose all.
type ScanFilter struct {
	Project string
	Ref     string
	Token   string // id
	Outcome string // of the verdict. Scans without one in the store are chosen too
	Since   time.Time
	// Latest chooses the newest scan of each project and ref, of those that Token chooses.
	// A scan without a project and a ref is always one of them.
	Latest bool
	// After is where an earlier list ended: its next.
	After string
	// Limit is the most scans that are returned.
	Limit int
}

// A ListedScan is a scan without Request and Verdict.
type ListedScan struct {
	Scan
	// Outcome is the outcome of the verdict. It is empty if the scan was kept by an earlier
	// version.
	Outcome string
}

// ErrCursor is wrapped by the error for a ScanFilter.After that no list returned.
var ErrCursor = errors.New("invalid cursor")

// A ScanPosition is the place of a scan in a list, the newest first.
type ScanPosition struct {
	At int64 // Unix microseconds
	N  int64 // number in the store
}

// String returns the position as ScanFilter.After takes it.
func (p ScanPosition) String() string {
	return strconv.FormatInt(p.At, 10) + "." + strconv.FormatInt(p.N, 10)
}

// ParseScanPosition is the inverse of String. The error wraps ErrCursor.
func ParseScanPosition(s string) (ScanPosition, error) {
	at, n, ok := strings.Cut(s, ".")
	if ok {
		var p ScanPosition
		var err, err2 error
		p.At, err = strconv.ParseInt(at, 10, 64)
		p.N, err2 = strconv.ParseInt(n, 10, 64)
		if err == nil && err2 == nil && p.String() == s {
			return p, nil
		}
	}
	return ScanPosition{}, fmt.Errorf("%w %.60q", ErrCursor, s)
}
