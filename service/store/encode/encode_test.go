package encode

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/service/store"
)

// The dictionary must not change, because stored bodies cannot be read with another one.
func TestDictionaryNeverChanges(t *testing.T) {
	sum := sha256.Sum256(dictionary)
	if got := hex.EncodeToString(sum[:]); got != "afaa92a4e571e6bff2e8da9ac77833fb38ba063047dd56027583188413be6c79" {
		t.Errorf("the dictionary has the hash %s; restore it, and add another form for a better one", got)
	}
}

func TestBody(t *testing.T) {
	var p Packer
	var u Unpacker
	var kept [][]byte
	bodies := []string{"", "a", `{"id":"DEBIAN-CVE-2024-1","affected":[]}`, strings.Repeat("0123456789", 1<<20), "\x00\xff"}
	for _, body := range bodies {
		packed, err := p.Pack([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, bytes.Clone(packed))
	}
	for i, packed := range kept {
		got, err := u.Unpack(packed)
		if err != nil || string(got) != bodies[i] {
			t.Errorf("body %d: %.50q, %v, want %.50q", i, got, err, bodies[i])
		}
	}
	whole := kept[2]
	for n := range whole {
		if got, err := u.Unpack(whole[:n]); err == nil {
			t.Errorf("cut off after %d bytes: %q", n, got)
		}
	}
	for _, bad := range []string{"\x02\x00", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "\x01\x85\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"} {
		if got, err := u.Unpack([]byte(bad)); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
	if got, err := u.Unpack(whole); err != nil || string(got) != bodies[2] {
		t.Errorf("after errors: %q, %v", got, err)
	}
	if _, err := p.Pack(make([]byte, MaxBody+1)); err == nil {
		t.Error("a body that cannot be unpacked was packed")
	}
}

func TestFixes(t *testing.T) {
	at := time.Date(2025, 1, 2, 3, 4, 5, 6000, time.UTC)
	fixes := []Fix{
		{store.Fix{Ecosystem: "Debian:12", Package: "curl", Version: "1", FirstSeen: at}, true},
		{store.Fix{Ecosystem: "Debian:12", Package: "curl", Version: "2", FirstSeen: time.Time{}}, false},
		{store.Fix{Ecosystem: "Debian:12", Package: "bash", Version: strings.Repeat("9", 300), FirstSeen: at}, true},
		{store.Fix{Ecosystem: "Debian:11", Package: "bash", Version: "1", FirstSeen: at}, true},
	}
	b := Fixes(fixes)
	got, err := DecodeFixes(b)
	if err != nil || !slices.Equal(got, fixes) {
		t.Errorf("%v, %v, want %v", got, err, fixes)
	}
	if len(b) >= len("Debian:12curl")*4+300+4*9 {
		t.Errorf("%d bytes: repeated names are not left out", len(b))
	}
	whole := 0
	for n := range b {
		if got, err := DecodeFixes(b[:n]); err == nil {
			if whole++; !slices.Equal(got, fixes[:len(got)]) {
				t.Errorf("cut off after %d bytes: %v", n, got)
			}
		}
	}
	if whole != len(fixes) { // cut between two fixes, which leaves a shorter list
		t.Errorf("%d prefixes are lists, want %d", whole, len(fixes))
	}
}

// FuzzUnpack checks that a damaged body is an error, never a panic or more memory than
// its length says.
func FuzzUnpack(f *testing.F) {
	var p Packer
	packed, err := p.Pack([]byte(`{"id":"DEBIAN-CVE-2024-1"}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Clone(packed))
	f.Fuzz(func(t *testing.T, packed []byte) {
		if len(packed) > 1 && packed[1] >= 0x80 {
			return // would allocate what the length says, up to MaxBody
		}
		var u Unpacker
		body, err := u.Unpack(packed)
		if err == nil && len(body) > 127 {
			t.Errorf("%d bytes of a length in one byte", len(body))
		}
	})
}

// FuzzDecodeFixes checks that what decodes encodes to fixes that decode to the same.
func FuzzDecodeFixes(f *testing.F) {
	f.Add(Fixes([]Fix{{store.Fix{Ecosystem: "npm", Package: "a", Version: "1"}, true}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		fixes, err := DecodeFixes(b)
		if err != nil {
			return
		}
		again, err := DecodeFixes(Fixes(fixes))
		if err != nil || !slices.Equal(again, fixes) {
			t.Errorf("%v, %v, want %v", again, err, fixes)
		}
	})
}
