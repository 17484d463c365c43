package feed

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// A Source describes a publisher of data and how its data is fetched. Package sources
// lists all of them.
type Source struct {
	// Name is the Source of the store.Origin of its data. It is also its name on the
	// command line and in metrics.
	Name  string
	Title string
	// Address is where the publisher has the data. It is empty if the user must name a
	// mirror.
	Address string
	// Format describes the data in a few words, for people.
	Format string
	// Licence is the SPDX ID of the licence of the data, or its name. Terms is its address.
	Licence, Terms string
	// MayPassOn reports whether the licence allows that the data is passed on in a bundle.
	MayPassOn bool
	// Contributes says whether packages can be evaluated without the source.
	Contributes Contribution
	// Ecosystems are the OSV ecosystems, without releases, of which a source of advisories
	// without parts has records. The parts of a source with parts are its ecosystems.
	Ecosystems []string
	// Key says whether the source needs a key. Authorize adds the key to a request.
	Key       KeyUse
	Authorize func(h http.Header, key string)
	// Names: it answers only for packages that the operator names.
	Names bool
	// Default: it is updated if the user names no source. A source that needs
	// a key, is slow without one, or has a restricted licence is updated only if the user
	// names it once.
	Default bool
	// First is what the first fetch takes, about.
	First Cost
	// Timeout bounds one update in place of the timeout of the run, if it is longer.
	Timeout time.Duration
	// Parts returns the parts that the mirror has, which are updated separately, such as
	// the ecosystems of OSV. It is nil for a source without parts.
	Parts func(ctx context.Context, s Setup) ([]string, error)
	// PartHint is the hint for an error of Parts.
	PartHint string
	// Feed returns the feed of a part, or of the whole source, whose part is "". The
	// origin of the feed has the name of the source and the part.
	Feed func(s Setup, part string) (Feed, error)
}

// A Contribution is what a source is for.
type Contribution string

const (
	// Advisories name the affected versions of packages. If they are too old, the
	// packages that need them are not evaluated.
	Advisories Contribution = "advisories"
	// Enrichment says more about vulnerabilities: severity, exploitation, end of life. Its
	// age never affects the evaluation.
	Enrichment Contribution = "enrichment"
)

// A KeyUse says whether a source needs a key.
type KeyUse int

const (
	NoKey       KeyUse = iota
	OptionalKey        // more requests are allowed with it
	RequiredKey        // nothing is answered without it
)

// A Setup is what a source needs for its feeds.
type Setup struct {
	Mirror Mirror
	// Dir is a folder for downloads, to which no other source writes. It exists while a
	// feed is updated.
	Dir string
	// HasKey reports whether Mirror sends a key.
	HasKey bool
	// Names are the packages that the operator names, for a source that needs them.
	Names []string
}

// A Cost is about what a fetch takes.
type Cost struct {
	Download int64 // bytes
	Disk     int64 // bytes, in the store and for downloads
	Memory   int64 // bytes
	Time     time.Duration
}

// String returns "a download of 20 MiB, 100 MiB on the disk, 64 MiB of memory and 2 min".
func (c Cost) String() string {
	took := fmt.Sprintf("%d s", c.Time/time.Second)
	if c.Time >= time.Minute {
		took = fmt.Sprintf("%d min", c.Time/time.Minute)
	}
	return fmt.Sprintf("a download of %d MiB, %d MiB on the disk, %d MiB of memory and %s",
		mebibytes(c.Download), mebibytes(c.Disk), mebibytes(c.Memory), took)
}

func mebibytes(n int64) int64 { return max(1, n>>20) }
