package ndb

import (
	"bytes"
	"encoding/binary"
	"hash/adler32"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit/rpmtest"
)

// build writes a database with the blobs.
func build(blobs ...string) []byte {
	le := binary.LittleEndian
	b := slices.Concat([]byte(magicFile), make([]byte, pageSize-4))
	le.PutUint32(b[12:], 1)
	for o := fileHeader; o < pageSize; o += slotSize {
		copy(b[o:], magicSlot)
	}
	for i, blob := range blobs {
		start := len(b)
		b = le.AppendUint32(append(b, magicHead...), uint32(i+1))
		b = le.AppendUint32(le.AppendUint32(b, 1), uint32(len(blob)))
		b = append(b, blob...)
		for (len(b)+blobTail)%blockSize != 0 {
			b = append(b, 0)
		}
		b = le.AppendUint32(b, adler32.Checksum(b[start:]))
		b = append(le.AppendUint32(b, uint32(len(blob))), magicTail...)
		slot := b[fileHeader+i*slotSize:]
		le.PutUint32(slot[4:], uint32(i+1))
		le.PutUint32(slot[8:], uint32(start/blockSize))
		le.PutUint32(slot[12:], uint32((len(b)-start)/blockSize))
	}
	return b
}

// collect returns the blobs and the errors.
func collect(t testing.TB, data []byte) (blobs, errs []string) {
	t.Helper()
	for blob, err := range Blobs(bytes.NewReader(data), int64(len(data))) {
		if err != nil {
			errs = append(errs, err.Error())
			continue
		}
		b, err := rpmtest.Drain(blob)
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, string(b))
	}
	return blobs, errs
}

func TestDamaged(t *testing.T) {
	whole := []string{"one", strings.Repeat("two", 100), "three"}
	const first, second = fileHeader, fileHeader + slotSize
	blob := pageSize + 2*blockSize // of the second
	for _, c := range []struct {
		name string
		at   int
		data string
		want []string
		err  string // "" for no error
	}{
		{"whole", 0, "", whole, ""},
		{"magic", 0, "X", nil, `file header: invalid magic "XpmP"`},
		{"version", 4, "\x01", nil, "unsupported version 1"},
		{"no slots", 12, "\x00", nil, "0 pages of slots"},
		{"slots beyond the end", 12, "\xff\xff\xff\xff", nil, "4294967295 pages of slots"},
		{"slot magic", second, "X", whole[:1], `slot at 48: invalid magic "Xlot"`},
		{"free slot", second + 8, "\x00\x00\x00\x00", []string{"one", "three"}, ""},
		{"block among the slots", second + 8, "\x01\x00", []string{"one", "three"}, "blocks at 1 of"},
		{"block beyond the end", second + 8, "\xff\xff\xff\xff", []string{"one", "three"}, "blocks at 4294967295 of"},
		{"no blocks", second + 12, "\x00", []string{"one", "three"}, "0 blocks"},
		{"blocks beyond the end", second + 12, "\xff\xff\xff\xff", []string{"one", "three"}, "4294967295 blocks"},
		{"a slot for another's blob", second + 8, "\x00\x01\x00\x00\x02\x00\x00\x00", []string{"one", "three"}, "blob of package 1"},
		{"blob magic", blob, "X", []string{"one", "three"}, `magic "XlbS"`},
		{"length", blob + 12, "\xff", []string{"one", "three"}, "in 21 blocks"},
		{"content", blob + 100, "X", []string{"one", "three"}, "checksum"},
		{"tail length", blob + 21*blockSize - 8, "X", []string{"one", "three"}, "blob of 300 or"},
		{"tail magic", blob + 21*blockSize - 1, "X", []string{"one", "three"}, `ends with invalid magic "BlbX"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := build(whole...)
			copy(data[c.at:], c.data)
			blobs, errs := collect(t, data)
			if !slices.Equal(blobs, c.want) {
				t.Errorf("%q, want %q", blobs, c.want)
			}
			if c.err == "" && len(errs) > 0 || c.err != "" && (len(errs) != 1 || !strings.Contains(errs[0], c.err)) {
				t.Errorf("errors %q, want %q", errs, c.err)
			}
		})
	}
}

// If all slots point to one blob, no more is read than the file is long.
func TestOverlap(t *testing.T) {
	data := build(strings.Repeat("x", 4000))
	for o := fileHeader; o < pageSize; o += slotSize {
		copy(data[o:], data[fileHeader:fileHeader+slotSize])
	}
	c := &rpmtest.Counter{Data: data}
	blobs, errs := 0, 0
	for _, err := range Blobs(c, c.Size()) {
		if err != nil {
			errs++
		} else {
			blobs++
		}
	}
	if blobs != 2 || errs != 252 || c.Read > 3*c.Size() {
		t.Errorf("%d blobs, %d errors, %d bytes read of %d", blobs, errs, c.Read, c.Size())
	}
}

func FuzzBlobs(f *testing.F) {
	f.Add(build())
	f.Add(build("one", strings.Repeat("two", 100), ""))
	f.Add(build("cut")[:pageSize+20])
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &rpmtest.Counter{Data: data}
		size := int64(0)
		for blob, err := range Blobs(c, c.Size()) {
			if err != nil {
				continue
			}
			b, err := rpmtest.Drain(blob)
			if err != nil || !bytes.Contains(data, b) {
				t.Fatalf("blob of %d bytes that are not in the file: %v", blob.Size(), err)
			}
			size += blob.Size()
		}
		if size > c.Size() || c.Read > 3*c.Size()+pageSize {
			t.Fatalf("%d bytes of blobs and %d read of %d", size, c.Read, c.Size())
		}
	})
}
