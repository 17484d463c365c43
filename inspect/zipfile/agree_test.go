package zipfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// stored returns an archive with one stored entry.
func stored(t *testing.T, name, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateRaw(&zip.FileHeader{Name: name, CompressedSize64: uint64(len(content)), UncompressedSize64: uint64(len(content))})
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(content))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// cut splits an archive with one entry into the entry, the directory and the end
// record.
func cut(b []byte) (local, directory, end []byte) {
	d, e := bytes.Index(b, []byte(directoryMark)), bytes.LastIndex(b, []byte(endMark))
	return b[:d], b[d:e], b[e:]
}

// put joins an archive whose directory has one entry at offset.
func put(before, directory []byte, offset int) []byte {
	directory = bytes.Clone(directory)
	binary.LittleEndian.PutUint32(directory[42:], uint32(offset))
	end := binary.LittleEndian.AppendUint32([]byte(endMark+"\x00\x00\x00\x00\x01\x00\x01\x00"), uint32(len(directory)))
	end = binary.LittleEndian.AppendUint32(end, uint32(len(before)))
	return slices.Concat(before, directory, append(end, 0, 0))
}

// An entry that is only in the directory is never ignored by a Stream, because other
// programs use the directory.
func TestStreamAgrees(t *testing.T) {
	evil := stored(t, "evil.txt", "evil")
	decoy := stored(t, "decoy.x", "decoy")
	evilLocal, evilDirectory, evilEnd := cut(evil)
	decoyLocal, _, decoyEnd := cut(decoy)
	swallowing, _, _ := cut(stored(t, "pad.x", string(evilLocal)))
	deflatedInDirectory := patched(evilDirectory, 10, 8, 0)
	comment := func(b []byte, text string) []byte {
		b = bytes.Clone(b)
		binary.LittleEndian.PutUint16(b[len(b)-2:], uint16(len(text)))
		return append(b, text...)
	}
	disagree := "directory: does not match the entries before it"
	follows := "directory: is followed by other data"
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"as it should be":        {put(evilLocal, evilDirectory, 0), ""},
		"with a comment":         {comment(evil, "hello"), ""},
		"a mark before":          {put(slices.Concat(decoyLocal, []byte(directoryMark), evilLocal), evilDirectory, len(decoyLocal)+4), disagree},
		"an archive before":      {put(slices.Concat(decoy, evilLocal), evilDirectory, len(decoy)), follows},
		"an end before":          {put(slices.Concat([]byte(endMark), make([]byte, endLen-4), evilLocal), evilDirectory, endLen), follows},
		"another name":           {put(bytes.Replace(evilLocal, []byte("evil.txt"), []byte("evil.xxx"), 1), evilDirectory, 0), disagree},
		"another method":         {put(evilLocal, deflatedInDirectory, 0), disagree},
		"in another's content":   {put(swallowing, evilDirectory, bytes.Index(swallowing, evilLocal)), disagree},
		"no directory":           {slices.Concat(evilLocal, evilEnd), disagree},
		"a directory elsewhere":  {slices.Concat(decoyLocal, evilLocal, evilDirectory, decoyEnd), disagree},
		"an end in its comment":  {comment(evil, string(decoyEnd)), "directory: has a comment that contains another end record"},
		"an archive after":       {slices.Concat(evil, decoy), follows},
		"a directory that began": {slices.Concat(evilLocal, evilDirectory, patched(evilEnd, 16, 0)), "directory: is not at the offset in its end record"},
		"cut":                    {evil[:len(evil)-1], "directory: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := names(NewStream(bytes.NewReader(c.b), small()))
			switch {
			case err == nil && c.want == "":
			case err == nil, c.want == "", !strings.Contains(err.Error(), c.want):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// An entry with bytes in the archive is not empty, whatever its size field says.
func TestEmpty(t *testing.T) {
	b := stored(t, "a", "content")
	at := bytes.Index(b, []byte(directoryMark))
	for name, want := range map[string]bool{string(patched(b, at+24, 0)): false, string(b): false, string(stored(t, "a", "")): true} {
		for e, err := range mustOpen(t, []byte(name)).Entries() {
			if err != nil || e.Empty() != want {
				t.Errorf("%+v: empty %t, %v, want %t", e, e.Empty(), err, want)
			}
		}
	}
}
