package sqlite

import (
	"bytes"
	"compress/gzip"
	"errors"
	"strings"
	"testing"
)

func TestPackDocument(t *testing.T) {
	var buf []byte
	for _, n := range []int{0, 1, 100, 1 << 20, 3} { // the buffer of a longer one serves
		document := []byte(strings.Repeat(`{"id":"CVE-2024-1"}`, n))
		buf = packDocument(formWhole, buf, document)
		form, got, err := unpackDocument(buf)
		if err != nil || form != formWhole || !bytes.Equal(got, document) {
			t.Errorf("%d times: %d bytes, %v", n, len(got), err)
		}
	}
}

func TestUnpackGzip(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte("{}"))
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	if form, got, err := unpackDocument(packed.Bytes()); err != nil || form != formWhole || string(got) != "{}" {
		t.Errorf("%q, %v", got, err)
	}
}

// Whatever byte is changed, a verdict is not read as another one.
func TestUnpackDamaged(t *testing.T) {
	whole := packDocument(formWhole, nil, []byte(`{"version":1,"decision":{"outcome":"pass"},"findings":[],"outcome":"pass"}`))
	for i := range whole {
		packed := bytes.Clone(whole)
		packed[i] ^= 0x04
		if form, got, err := unpackDocument(packed); err == nil && form == formWhole {
			t.Errorf("byte %d changed: %s", i, got)
		}
		if _, got, err := unpackDocument(whole[:i]); err == nil {
			t.Errorf("%d bytes: %s", i, got)
		}
	}
}
