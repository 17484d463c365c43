package zipfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"io"
)

// errDisagree says that the directory of an archive and its local headers tell of
// different entries: one who goes by the directory has others.
var errDisagree = errors.New("does not match the entries before it")

// A fingerprint tells a set of entries from another one, in whatever order they
// come. Its seed is random, so that no archive can be made for it.
type fingerprint struct {
	seed  maphash.Seed
	sum   uint64
	count int64
}

// add adds an entry by all that decides what is read for it.
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

// directory reads the central directory, which is next, and the records that end
// it. It must tell of the entries that were met, and be all that is left.
func (s *Stream) directory() error {
	begin := s.at()
	told := fingerprint{seed: s.met.seed}
	// Each entry was paid for when it was met; its header in the directory is not.
	budget := &Budget{Entries: s.met.count, Directory: s.budget.Directory}
	d := directory{r: s.r, left: 1 << 62, budget: budget}
	for {
		if mark, err := s.r.Peek(len(directoryMark)); err != nil || string(mark) != directoryMark {
			break // what that is, or why nothing is, end says
		}
		e, err := d.next()
		if errors.Is(err, ErrBudget) && budget.Entries < 1 {
			return errDisagree
		}
		if err != nil {
			return err
		}
		told.add(e)
	}
	s.budget.Directory = budget.Directory
	if told != s.met {
		return errDisagree
	}
	return s.end(begin, s.at()-begin)
}

// end reads the records that end a directory, which begins at offset begin and has
// size bytes, and checks that they lead to it and that nothing follows.
func (s *Stream) end(begin, size int64) error {
	var end64 []byte
	if mark, err := s.r.Peek(len(end64Mark)); err == nil && string(mark) == end64Mark {
		record := make([]byte, end64Len+locatorLen)
		if _, err := io.ReadFull(s.r, record); err != nil {
			return unexpected(err)
		}
		if string(record[end64Len:end64Len+4]) != locatorMark {
			return errors.New("record with 64-bit sizes that is longer than it should be")
		}
		end64 = record[:end64Len]
	}
	end := make([]byte, endLen)
	if _, err := io.ReadFull(s.r, end); err != nil {
		return unexpected(err)
	}
	if string(end[:4]) != endMark {
		return errors.New("is not followed by its end record")
	}
	told, at := uint64(binary.LittleEndian.Uint32(end[12:])), uint64(binary.LittleEndian.Uint32(end[16:]))
	if end64 != nil {
		told, at = binary.LittleEndian.Uint64(end64[40:]), binary.LittleEndian.Uint64(end64[48:])
	}
	if told != uint64(size) || at != uint64(begin) {
		return errors.New("is not at the offset in its end record")
	}
	comment := make([]byte, binary.LittleEndian.Uint16(end[20:]))
	if _, err := io.ReadFull(s.r, comment); err != nil {
		return unexpected(err)
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
