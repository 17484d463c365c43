package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/big"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"assay/service/advisory"
	"assay/service/index"
)

var fullEntries = []index.Affected{
	{Advisory: "A-1"},
	{
		Advisory: "A-2",
		Versions: []string{"1.0", "1.1"},
		Severity: []advisory.Severity{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:N"}, {Type: "Ubuntu", Score: "medium"}},
		Urgency:  "medium",
		Ranges: []index.Range{
			{Type: "ECOSYSTEM", FirstSeen: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Events: []advisory.Event{{Introduced: "0"}, {Fixed: "1.2"}}},
			{Type: "SEMVER", Events: []advisory.Event{{Introduced: "2"}, {LastAffected: "2.1"}, {Limit: "3"}}},
			{Type: "SEMVER"},
		},
	},
	{Advisory: "A-2", Versions: []string{"1.1", "1.0"}},
	{Advisory: "A-3", Versions: []string{"1.0", "1.1"}, Urgency: "1.0", Status: advisory.StatusWontFix},
	{Advisory: "A-3", Status: advisory.StatusNotAffected},
	{Advisory: "A-4", Modules: []string{"nodejs:18"}, Arches: []string{"amd64", "arm64"}, Binaries: []string{"a", "b"}},
	{Advisory: "A-5", Source: "jenkins", Patterns: []string{"1[.].*", "2", ""}},
	{Advisory: "A-6", Source: "jenkins", Ranges: nil, Note: "the record contradicts itself"},
}

func TestEntriesRoundTrip(t *testing.T) {
	key := []byte("Debian:12\x00linux")
	for _, entries := range [][]index.Affected{{}, fullEntries[:1], fullEntries} {
		value := encodeEntries(key, entries)
		got, err := decodeEntries(key, value)
		if err != nil || !reflect.DeepEqual(got, entries) {
			t.Errorf("%+v became %+v, %v", entries, got, err)
		}
	}
	value := encodeEntries(key, fullEntries)
	if _, err := decodeEntries([]byte("Debian:11\x00linux"), value); !errors.Is(err, ErrDamaged) {
		t.Errorf("a value under another key: %v", err)
	}
	for n := range value {
		if _, err := decodeEntries(key, value[:n]); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
		if n >= sumSize {
			// If the checksum matches, the bounds must detect it.
			if _, err := decodeEntries(key, seal(key, bytes.Clone(value[:n]))); !errors.Is(err, ErrDamaged) {
				t.Errorf("cut to %d bytes, sealed: %v", n, err)
			}
		}
		flipped := bytes.Clone(value)
		flipped[n] ^= 0x10
		if _, err := decodeEntries(key, flipped); !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d flipped: %v", n, err)
		}
	}
}

// Repeated strings and lists are written once.
func TestEntriesShare(t *testing.T) {
	var entries []index.Affected
	for i := range 1000 {
		e := fullEntries[1]
		e.Advisory = "A-" + string(rune('a'+i%26)) // 26 distinct
		entries = append(entries, e)
	}
	one := len(encodeEntries(nil, entries[:26]))
	if all := len(encodeEntries(nil, entries)); all > one+8*(1000-26)+1 {
		t.Errorf("26 entries take %d bytes, 1000 take %d", one, all)
	}
}

// Numbers that exceed the data are rejected before anything is allocated.
func TestEntriesBounds(t *testing.T) {
	huge := binary.AppendUvarint(nil, 1<<40)
	for _, content := range [][]byte{
		huge,
		append([]byte{0}, huge...),
		append([]byte{0, 0}, huge...),
		append([]byte{0, 0, 0, 0, 0, 0, 0, 0}, huge...),
		{1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0},
		bytes.Repeat([]byte{0xff}, 20),
		{0, 0, 1, 0, 0, 0, 0, 0, 0}, // an element that no list has
	} {
		value := seal(nil, append(newValue(len(content)), content...))
		if n := testing.AllocsPerRun(1, func() { decodeEntries(nil, value) }); n > 60 { //nolint:errcheck // see below
			t.Errorf("%x: %v allocations", content, n)
		}
		if _, err := decodeEntries(nil, value); !errors.Is(err, ErrDamaged) {
			t.Errorf("%x: %v", content, err)
		}
	}
}

// FuzzEntries checks that a value that can be decoded has the same content when it is
// encoded and decoded again, and that a second encoding gives the same bytes.
func FuzzEntries(f *testing.F) {
	key := []byte("Debian:12\x00linux")
	f.Add(encodeEntries(key, nil)[sumSize:])
	f.Add(encodeEntries(key, fullEntries)[sumSize:])
	for _, r := range sampleRecords(f) {
		c, err := readChange(r)
		if err != nil {
			f.Fatal(err)
		}
		var entries []index.Affected
		for _, e := range c.entries {
			entries = append(entries, e.Affected)
		}
		if value := encodeEntries(key, entries); len(value) < 2000 {
			f.Add(value[sumSize:])
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		entries, err := decodeEntries(key, seal(key, append(newValue(len(content)), content...)))
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		value := encodeEntries(key, entries)
		again, err := decodeEntries(key, value)
		if err != nil {
			t.Fatalf("%+v cannot be read again: %v", entries, err)
		}
		if len(again)+len(entries) > 0 && !reflect.DeepEqual(again, entries) {
			t.Fatalf("%+v became %+v", entries, again)
		}
		if !bytes.Equal(encodeEntries(key, again), value) {
			t.Fatal("the same entries make other bytes")
		}
	})
}

// FuzzRecord is like FuzzEntries, for the data of an advisory as a whole.
func FuzzRecord(f *testing.F) {
	for _, r := range sampleRecords(f) {
		c, err := readChange(r)
		if err != nil {
			f.Fatal(err)
		}
		if c.record != nil && len(c.record.packages) < 20 {
			f.Add(c.record.key(), c.record.encode()[sumSize:])
		}
	}
	f.Fuzz(func(t *testing.T, id string, content []byte) {
		key := []byte(id)
		rec, err := decodeRecord(key, seal(key, append(newValue(len(content)), content...)))
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		again, err := decodeRecord(key, rec.encode())
		if err != nil || !reflect.DeepEqual(again, rec) {
			t.Fatalf("%+v became %+v, %v", rec, again, err)
		}
	})
}

func TestState(t *testing.T) {
	want := state{
		seq: 1 << 40, sum: sum{1, 2, 3, 1 << 63}, advisories: 5, packages: 6, referrers: 7, ecosystems: 8,
		lists: 9, blocks: 10,
		newest: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), sample: true,
	}
	got, err := decodeState(want.encode())
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

// The sum is compared with math/big, in any order, also after additions were undone.
func TestSum(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	modulus := new(big.Int).Lsh(big.NewInt(1), 256)
	want := new(big.Int)
	var got, backwards sum
	digests := make([][sha256.Size]byte, 300)
	for i := range digests {
		for j := range digests[i] {
			digests[i][j] = byte(random.Uint32())
		}
		if i%50 == 0 { // long carries
			digests[i] = [sha256.Size]byte(bytes.Repeat([]byte{0xff}, sha256.Size))
		}
		reversed := bytes.Clone(digests[i][:])
		for a, b := 0, len(reversed)-1; a < b; a, b = a+1, b-1 {
			reversed[a], reversed[b] = reversed[b], reversed[a]
		}
		want.Add(want, new(big.Int).SetBytes(reversed)).Mod(want, modulus)
		got.add(digests[i])
	}
	value := new(big.Int)
	for i := len(got) - 1; i >= 0; i-- {
		value.Lsh(value, 64).Or(value, new(big.Int).SetUint64(got[i]))
	}
	if value.Cmp(want) != 0 {
		t.Errorf("got %x, want %x", value, want)
	}
	for i := len(digests) - 1; i >= 0; i-- {
		backwards.add(digests[i])
	}
	if backwards != got {
		t.Error("the order makes a difference")
	}
	for _, d := range digests {
		got.remove(d)
	}
	if got != (sum{}) {
		t.Errorf("%x is left", got)
	}
}

// The id of two advisories, computed with Python's hashlib.
func TestID(t *testing.T) {
	var s state
	for _, a := range [...]struct{ id, body, digest string }{
		{"A-1", `{"id":"A-1"}`, "c574899bb21b37f3a807760f201d8e65da627a6c5f7e324f107e1f0af47fc5e1"},
		{"B-2", `{"id":"B-2"}`, "d4bd8257ff07d365ae5db6f90acb6b8364bb02a8f18152f280289d7e3a7eab7d"},
	} {
		d := digestOf(a.id, []byte(a.body))
		if got := hex.EncodeToString(d[:]); got != a.digest {
			t.Errorf("%s: digest %s, want %s", a.id, got, a.digest)
		}
		s.sum.add(d)
	}
	if got := s.id(); got != "s8bdb4c57d27d793dfb16" {
		t.Errorf("id %s", got)
	}
}
