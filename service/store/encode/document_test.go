package encode

import (
	"bytes"
	"compress/gzip"
	"errors"
	"strings"
	"testing"
)

func TestPackDocument(t *testing.T) {
	var buf []byte
	for _, n := range []int{0, 1, 100, 1 << 20, 3} { // the last one reuses a longer buffer
		document := []byte(strings.Repeat(`{"id":"CVE-2024-1"}`, n))
		buf = PackDocument(FormWhole, buf, document)
		form, got, err := UnpackDocument(buf)
		if err != nil || form != FormWhole || !bytes.Equal(got, document) {
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
	if form, got, err := UnpackDocument(packed.Bytes()); err != nil || form != FormWhole || string(got) != "{}" {
		t.Errorf("%q, %v", got, err)
	}
}

// A changed byte, whichever it is, is an error: it is never read as another verdict.
func TestUnpackDamaged(t *testing.T) {
	whole := PackDocument(FormWhole, nil, []byte(`{"version":1,"decision":{"outcome":"pass"},"findings":[],"outcome":"pass"}`))
	for i := range whole {
		packed := bytes.Clone(whole)
		packed[i] ^= 0x04
		if form, got, err := UnpackDocument(packed); err == nil && form == FormWhole {
			t.Errorf("byte %d changed: %s", i, got)
		}
		if _, got, err := UnpackDocument(whole[:i]); err == nil {
			t.Errorf("%d bytes: %s", i, got)
		}
	}
}
