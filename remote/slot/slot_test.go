package slot_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"assay/remote/slot"
)

func released(t testing.TB) []byte {
	t.Helper()
	region, err := os.ReadFile("slot.bin")
	if err != nil {
		t.Fatal(err)
	}
	return region
}

// program is a slot with other bytes around it.
func program(t testing.TB) []byte {
	return bytes.Join([][]byte{bytes.Repeat([]byte("code"), 1000), released(t), bytes.Repeat([]byte{0xff}, 777)}, nil)
}

var example = slot.Payload{
	Server: "https://assay.example.com/path",
	CA:     "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
	Fresh:  "2026-11-24",
}

func TestReleasedSlotIsEmpty(t *testing.T) {
	region := released(t)
	if len(region) != slot.Size {
		t.Fatalf("slot.bin has %d bytes, want %d", len(region), slot.Size)
	}
	if rest := bytes.Trim(region[16:], "\x00"); len(rest) != 0 {
		t.Errorf("slot.bin is not empty after its magic: %q", rest)
	}
	if bytes.IndexByte(region[:16], 0) >= 0 {
		t.Error("the magic contains a zero")
	}
	if p, err := slot.Read(); err != nil || p != (slot.Payload{}) {
		t.Errorf("Read = %+v, %v, want an empty payload", p, err)
	}
}

func TestFillShowClear(t *testing.T) {
	before := program(t)
	kept := bytes.Clone(before)
	filled, err := slot.Fill(before, example)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, kept) {
		t.Error("Fill changed its argument")
	}
	if len(filled) != len(before) || !bytes.Equal(filled[:4000], before[:4000]) || !bytes.Equal(filled[4000+slot.Size:], before[4000+slot.Size:]) {
		t.Error("Fill changed bytes outside of the slot")
	}
	if got, err := slot.Show(filled); err != nil || got != example {
		t.Errorf("Show = %+v, %v, want %+v", got, err, example)
	}
	again, err := slot.Fill(filled, slot.Payload{Server: "http://other"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := slot.Show(again); err != nil || got != (slot.Payload{Server: "http://other"}) {
		t.Errorf("Show after a second Fill = %+v, %v", got, err)
	}
	cleared, err := slot.Clear(again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(cleared, before) {
		t.Error("Clear does not give back the released bytes")
	}
}

func TestFilledLayout(t *testing.T) {
	filled, err := slot.Fill(released(t), slot.Payload{Server: "https://a"})
	if err != nil {
		t.Fatal(err)
	}
	const payload = `{"server":"https://a"}`
	want := append([]byte{}, released(t)[:16]...)
	want = binary.LittleEndian.AppendUint32(want, 1)
	want = binary.LittleEndian.AppendUint32(want, uint32(len(payload)))
	want = binary.LittleEndian.AppendUint32(want, crc32.ChecksumIEEE(append(bytes.Clone(want[16:24]), payload...)))
	want = append(want, payload...)
	want = append(want, make([]byte, slot.Size-len(want))...)
	if !bytes.Equal(filled, want) {
		t.Errorf("layout differs:\n%x\n%x", filled[:64], want[:64])
	}
}

func TestEveryDamagedByteIsFound(t *testing.T) {
	filled, err := slot.Fill(released(t), example)
	if err != nil {
		t.Fatal(err)
	}
	for i := 16; i < len(filled); i++ {
		damaged := bytes.Clone(filled)
		damaged[i] ^= 0x20
		if p, err := slot.Parse(damaged); !errors.Is(err, slot.ErrDamaged) {
			t.Fatalf("byte %d changed: %+v, %v, want %v", i, p, err, slot.ErrDamaged)
		}
	}
	empty := released(t)
	empty[2000] = 1
	if _, err := slot.Parse(empty); !errors.Is(err, slot.ErrDamaged) {
		t.Errorf("an empty slot with a byte in it: %v", err)
	}
}

func TestFillRefuses(t *testing.T) {
	region := released(t)
	if _, err := slot.Fill([]byte("no slot"), example); !errors.Is(err, slot.ErrNotFound) {
		t.Errorf("no slot: %v", err)
	}
	if _, err := slot.Fill(bytes.Repeat(region, 2), example); !errors.Is(err, slot.ErrAmbiguous) {
		t.Errorf("two slots: %v", err)
	}
	if _, err := slot.Fill(region[:slot.Size-1], example); !errors.Is(err, slot.ErrDamaged) {
		t.Errorf("cut off: %v", err)
	}
	// {"ca":"…"} has 9 bytes in addition to its value.
	fits := slot.Payload{CA: strings.Repeat("x", slot.MaxPayload-9)}
	filled, err := slot.Fill(region, fits)
	if err != nil {
		t.Fatalf("the largest payload: %v", err)
	}
	if got, err := slot.Parse(filled); err != nil || got != fits {
		t.Errorf("the largest payload is not read back: %v", err)
	}
	fits.CA += "12345"
	if _, err := slot.Fill(region, fits); err == nil || !strings.Contains(err.Error(), "5 bytes too large") {
		t.Errorf("5 bytes too many: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	empty := released(f)
	filled, err := slot.Fill(empty, example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add(empty)
	f.Add(filled)
	f.Add(filled[:100])
	f.Fuzz(func(t *testing.T, region []byte) {
		p, err := slot.Parse(region)
		if err != nil {
			return
		}
		again, err := slot.Fill(region, p)
		if err != nil {
			// Escapes can make a payload larger when it is written again.
			t.Skip(err)
		}
		if got, err := slot.Parse(again); err != nil || got != p {
			t.Errorf("Parse after Fill = %+v, %v, want %+v", got, err, p)
		}
	})
}
