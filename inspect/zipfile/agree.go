package zipfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"io"

	"assay/inspect/readat"
)

// errDisagree is returned if the central directory of an archive and its local headers
// describe different entries: a program that uses the directory would see others.
var errDisagree = errors.New("does not match the entries before it")

// A fingerprint identifies a set of entries, independent of their order. Its seed is
// random, so no archive can be made to collide with it.
type fingerprint struct {
	seed  maphash.Seed
	sum   uint64
	count int64
}

// add adds the fields of an entry that determine what is read for it.
func (f *fingerprint) add(e Entry) {
	var h maphash.Hash
	h.SetSeed(f.seed)
	for _, v := range []int64{e.offset, e.Size, e.compressed, int64(e.method), int64(e.flags & flagEncrypted)} {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(v))
		h.Write(b[:])
	}
	h.WriteString(e.Name)
	f.sum += h.Sum64()
	f.count++
}

// directory reads the central directory, which is next, and its end records. The
// directory must have the entries that were read, and nothing may follow it.
func (s *Stream) directory() error {
	begin := s.at()
	listed := fingerprint{seed: s.met.seed}
	// The local headers have been charged to the budget; the directory's headers have
	// not.
	budget := &Budget{Entries: s.met.count, Directory: s.budget.Directory}
	d := directory{r: s.r, left: 1 << 62, budget: budget}
	for {
		if mark, err := s.r.Peek(len(directoryMark)); err != nil || string(mark) != directoryMark {
			break // end checks what follows
		}
		e, err := d.next()
		if errors.Is(err, ErrBudget) && budget.Entries < 1 {
			return errDisagree
		}
		if err != nil {
			return err
		}
		listed.add(e)
	}
	s.budget.Directory = budget.Directory
	if listed != s.met {
		return errDisagree
	}
	return s.end(begin, s.at()-begin)
}

// end reads the end records of a directory that begins at offset begin and has size
// bytes. It checks that they point to the directory and that nothing follows.
func (s *Stream) end(begin, size int64) error {
	var end64 []byte
	if mark, err := s.r.Peek(len(end64Mark)); err == nil && string(mark) == end64Mark {
		record := make([]byte, end64Len+locatorLen)
		if _, err := io.ReadFull(s.r, record); err != nil {
			return readat.Unexpected(err)
		}
		if string(record[end64Len:end64Len+4]) != locatorMark {
			return errors.New("64-bit end record is too long")
		}
		end64 = record[:end64Len]
	}
	end := make([]byte, endLen)
	if _, err := io.ReadFull(s.r, end); err != nil {
		return readat.Unexpected(err)
	}
	if string(end[:4]) != endMark {
		return errors.New("is not followed by its end record")
	}
	listed, at := uint64(binary.LittleEndian.Uint32(end[12:])), uint64(binary.LittleEndian.Uint32(end[16:]))
	if end64 != nil {
		listed, at = binary.LittleEndian.Uint64(end64[40:]), binary.LittleEndian.Uint64(end64[48:])
	}
	if listed != uint64(size) || at != uint64(begin) {
		return errors.New("is not at the offset in its end record")
	}
	comment := make([]byte, binary.LittleEndian.Uint16(end[20:]))
	if _, err := io.ReadFull(s.r, comment); err != nil {
		return readat.Unexpected(err)
	}
	if bytes.Contains(comment, []byte(endMark)) {
		return errors.New("has a comment that contains another end record")
	}
	if _, err := s.r.ReadByte(); !errors.Is(err, io.EOF) {
		if err != nil {
			return err
		}
		return errors.New("is followed by other data")
	}
	return nil
}
