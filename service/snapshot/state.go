package snapshot

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"time"

	"assay/verdict"
)

// maxCount bounds each count in the file.
const maxCount = 1<<31 - 1

// A state describes the content as a whole. Its key is stateKey.
type state struct {
	seq int64
	sum sum
	// Keys of the buckets.
	advisories int
	packages   int
	referrers  int
	ecosystems int
	lists      int
	blocks     int
	sources    int
	mentions   int
	withdrawn  int
	unreadable int
	newest     time.Time
	updated    time.Time
	sample     bool
}

// add adds an advisory to the counts, except for its packages and ecosystems, whose keys it
// shares with others.
func (s *state) add(r *record) {
	s.sum.add(r.digest)
	s.advisories++
	s.referrers += len(r.targets())
	s.mentions += len(r.mentions())
	if r.Modified.After(s.newest) {
		s.newest = r.Modified
	}
}

// remove removes an advisory from the counts. It does not update newest.
func (s *state) remove(r *record) {
	s.sum.remove(r.digest)
	s.advisories--
	s.referrers -= len(r.targets())
	s.mentions -= len(r.mentions())
}

// data returns the state as verdicts describe it.
func (s *state) data() verdict.Data {
	return verdict.Data{
		Snapshot: s.id(),
		Records:  s.advisories,
		Updated:  s.updated,
		Newest:   s.newest,
		Sample:   s.sample,
	}
}

// id returns the id of the content: an "s" and 20 hexadecimal digits.
func (s *state) id() string {
	b := make([]byte, 0, sha256.Size)
	for _, word := range s.sum {
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	digest := sha256.Sum256(b)
	return "s" + hex.EncodeToString(digest[:10])
}

func (s *state) encode() []byte {
	b := newValue(128)
	b = appendUint(b, int(s.seq))
	for _, word := range s.sum {
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	b = appendUint(b, s.advisories)
	b = appendUint(b, s.packages)
	b = appendUint(b, s.referrers)
	b = appendUint(b, s.ecosystems)
	b = appendUint(b, s.lists)
	b = appendUint(b, s.blocks)
	b = appendUint(b, s.sources)
	b = appendUint(b, s.mentions)
	b = appendUint(b, s.withdrawn)
	b = appendUint(b, s.unreadable)
	b = appendTime(b, s.newest)
	b = appendTime(b, s.updated)
	sample := 0
	if s.sample {
		sample = 1
	}
	return seal([]byte(stateKey), appendUint(b, sample))
}

func decodeState(value []byte) (state, error) {
	key := []byte(stateKey)
	content, err := checkValue(key, value)
	if err != nil {
		return state{}, err
	}
	r := reader{s: string(content)}
	var s state
	s.seq = int64(r.uint64())
	for i := range s.sum {
		if word := r.bytes(8); word != "" {
			s.sum[i] = binary.LittleEndian.Uint64([]byte(word))
		}
	}
	s.advisories = r.int(maxCount)
	s.packages = r.int(maxCount)
	s.referrers = r.int(maxCount)
	s.ecosystems = r.int(maxCount)
	s.lists = r.int(maxCount)
	s.blocks = r.int(maxCount)
	s.sources = r.int(maxCount)
	s.mentions = r.int(maxCount)
	s.withdrawn = r.int(maxCount)
	s.unreadable = r.int(maxCount)
	s.newest = r.time()
	s.updated = r.time()
	s.sample = r.int(1) == 1
	return s, r.end(key)
}

// A sum is the sum of the digests of the advisories and catalogs modulo 2^256, its lowest
// word first.
type sum [4]uint64

func words(digest [sha256.Size]byte) (w [4]uint64) {
	for i := range w {
		w[i] = binary.LittleEndian.Uint64(digest[8*i:])
	}
	return w
}

func (s *sum) add(digest [sha256.Size]byte) {
	var carry uint64
	for i, w := range words(digest) {
		s[i], carry = bits.Add64(s[i], w, carry)
	}
}

func (s *sum) remove(digest [sha256.Size]byte) {
	var borrow uint64
	for i, w := range words(digest) {
		s[i], borrow = bits.Sub64(s[i], w, borrow)
	}
}

// digestOf returns the digest of one advisory: SHA-256 over its id and the SHA-256 of its
// body. The latter has a fixed length, so that two pairs never have the same bytes.
func digestOf(id string, body []byte) [sha256.Size]byte {
	digest := sha256.Sum256(body)
	return sha256.Sum256(append([]byte(id), digest[:]...))
}
