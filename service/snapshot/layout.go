package snapshot

import (
	"bytes"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
)

// The buckets of the file, and the keys of the first bucket.
const (
	metaBucket       = "meta"
	packagesBucket   = "packages"   // packageKey → entries
	advisoriesBucket = "advisories" // recordKey → record
	referrersBucket  = "referrers"  // referrerKey → nothing
	ecosystemsBucket = "ecosystems" // ecosystem → number of advisories
	listsBucket      = "lists"      // kind → catalog
	blocksBucket     = "blocks"     // blockKey → entries of a catalog
	sourcesBucket    = "sources"    // sourceKey → nothing
	mentionsBucket   = "mentions"   // referrerKey → nothing
	withdrawnBucket  = "withdrawn"  // referrerKey → nothing; withdrawnKey → names
	unreadableBucket = "unreadable" // unreadableKey → nothing

	formatKey = "format"
	stateKey  = "state"
)

// buckets are the buckets in one transaction.
type buckets struct {
	meta, packages, advisories, referrers, ecosystems, lists, blocks, sources, mentions, withdrawn, unreadable *bolt.Bucket
}

func openBuckets(tx *bolt.Tx) (buckets, error) {
	var b buckets
	for _, n := range b.named() {
		if *n.bucket = tx.Bucket([]byte(n.name)); *n.bucket == nil {
			return b, fmt.Errorf("%w: there is no bucket %q", ErrDamaged, n.name)
		}
	}
	return b, nil
}

type namedBucket struct {
	name   string
	bucket **bolt.Bucket
}

func (b *buckets) named() [11]namedBucket {
	return [...]namedBucket{
		{metaBucket, &b.meta},
		{packagesBucket, &b.packages},
		{advisoriesBucket, &b.advisories},
		{referrersBucket, &b.referrers},
		{ecosystemsBucket, &b.ecosystems},
		{listsBucket, &b.lists},
		{blocksBucket, &b.blocks},
		{sourcesBucket, &b.sources},
		{mentionsBucket, &b.mentions},
		{withdrawnBucket, &b.withdrawn},
		{unreadableBucket, &b.unreadable},
	}
}

func (b *buckets) state() (state, error) { return decodeState(b.meta.Get([]byte(stateKey))) }

// initialise writes an empty index to an empty file.
func initialise(tx *bolt.Tx) error {
	var b buckets
	for _, n := range b.named() {
		var err error
		if *n.bucket, err = tx.CreateBucket([]byte(n.name)); err != nil {
			return err
		}
	}
	if err := b.meta.Put([]byte(formatKey), []byte(format())); err != nil {
		return err
	}
	var empty state
	return b.meta.Put([]byte(stateKey), empty.encode())
}

// verify reads the whole file and compares it with its checksums and totals. A checksum shows
// that a value is complete and belongs to its key, and the totals that no value is missing.
func verify(tx *bolt.Tx, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("check snapshot: %w", err)
	}
	if tx.Size() > info.Size() {
		return fmt.Errorf("%w: the file is truncated", ErrDamaged)
	}
	meta := tx.Bucket([]byte(metaBucket))
	if meta == nil {
		return fmt.Errorf("%w: the file is not an index", ErrDamaged)
	}
	if found := meta.Get([]byte(formatKey)); string(found) != format() {
		return &formatError{string(found)}
	}
	b, err := openBuckets(tx)
	if err != nil {
		return err
	}
	want, err := b.state()
	if err != nil {
		return err
	}
	var got state
	err = each(b.advisories, func(k, v []byte) error {
		digest, err := recordDigest(k, v)
		got.advisories++
		got.sum.add(digest)
		return err
	})
	if err != nil {
		return err
	}
	err = each(b.lists, func(k, v []byte) error {
		l, err := decodeCatalog(k, v)
		got.lists++
		got.sum.add(l.digest)
		return err
	})
	if err != nil {
		return err
	}
	for _, c := range [...]struct {
		bucket *bolt.Bucket
		keys   *int
	}{
		{b.packages, &got.packages},
		{b.referrers, &got.referrers},
		{b.ecosystems, &got.ecosystems},
		{b.blocks, &got.blocks},
		{b.sources, &got.sources},
		{b.mentions, &got.mentions},
		{b.withdrawn, &got.withdrawn},
		{b.unreadable, &got.unreadable},
	} {
		err := each(c.bucket, func(k, v []byte) error {
			*c.keys++
			_, err := checkValue(k, v)
			return err
		})
		if err != nil {
			return err
		}
	}
	// The other fields cannot be counted. The checksum of the state covers them.
	got.seq, got.newest, got.updated, got.sample = want.seq, want.newest, want.updated, want.sample
	if got != want {
		return fmt.Errorf("%w: the content does not match the totals", ErrDamaged)
	}
	return nil
}

// each calls f for each key of a bucket. Keys that are not in order are damage.
func each(b *bolt.Bucket, f func(k, v []byte) error) error {
	c := b.Cursor()
	var last []byte
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if last != nil && bytes.Compare(last, k) >= 0 {
			return fmt.Errorf("%w: key %q is out of order", ErrDamaged, k)
		}
		if err := f(k, v); err != nil {
			return err
		}
		last = k
	}
	return nil
}

// A formatError is an intact file in the format of another version of the program. It
// is replaced like a damaged one.
type formatError struct{ found string }

func (e *formatError) Error() string {
	return fmt.Sprintf("the snapshot has format %.40q, and this version of the program uses %q", e.found, format())
}

func (e *formatError) Is(target error) bool { return target == ErrDamaged }
