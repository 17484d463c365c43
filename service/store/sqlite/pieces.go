package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/maphash"
	"sync"
	"time"
)

// A verdict is kept as a frame, packed:
//
//	4 bytes   CRC-32C of the verdict, big-endian
//	then the parts of it in their order, each of them
//	uvarint   the number of a piece; or 0, then
//	uvarint     a length and
//	            so many bytes
//
// A piece is a run of findings that is kept once for all verdicts that have it:
// builds of one project, and of all that share a base image, are told mostly the
// same. It ends where a checksum of how a finding begins says so, so that the same
// findings between others are cut in the same way. What is seen for the first time
// stays in the frame: much of it is never seen again, and a row of its own takes
// longer.
const (
	pieceFindings = 16 // in the mean
	pieceMax      = 64 << 10
	pieceBegin    = 64      // bytes of a finding, which hold its id
	maxPieces     = 1 << 16 // that are remembered
)

const (
	addPiece = `INSERT INTO piece (hash, body, used) VALUES (?, ?, ?)
	ON CONFLICT (hash) DO UPDATE SET used = max(coalesce(used, 0), excluded.used) RETURNING n`
	usePiece = `UPDATE piece SET used = max(coalesce(used, 0), ?2) WHERE n = ?1`
)

const findPiece = `SELECT body FROM piece WHERE n = ?`

// A piece is one run of findings.
type piece struct {
	text []byte
	key  uint64
	n    int64 // its number, or one of these
	used int64 // the day that its row has
	// Of one that is to be kept.
	hash [sha256.Size]byte
	body []byte
}

const (
	pieceNew   = 0
	pieceAgain = -1 // it was seen before and is not kept
)

// pieces remembers the numbers of pieces. Its keys are digests with a seed that
// nobody knows, which take a tenth of the time of SHA-256. Should two pieces have one
// by chance, the checksum of the verdict tells when it is read.
type pieces struct {
	seed maphash.Seed
	mu   sync.Mutex
	n    map[uint64]numbered
}

// numbered is a piece's number and the day on which its row says that it was used.
type numbered struct{ n, used int64 }

func newPieces() *pieces {
	return &pieces{seed: maphash.MakeSeed(), n: make(map[uint64]numbered)}
}

// of divides the findings of a verdict into pieces, and packs those that are to be kept.
func (p *pieces) of(verdict []byte) (head []byte, list []piece, tail []byte) {
	head, list, tail = split(verdict)
	for i := range list {
		list[i].key = maphash.Bytes(p.seed, list[i].text)
	}
	p.mu.Lock()
	for i := range list {
		known := p.n[list[i].key]
		list[i].n, list[i].used = known.n, known.used
	}
	p.mu.Unlock()
	for i := range list {
		if l := &list[i]; l.n == pieceAgain {
			l.hash, l.body = sha256.Sum256(l.text), packDocument(formWhole, nil, l.text)
		}
	}
	return head, list, tail
}

// remember takes the numbers of pieces that were kept or seen.
func (p *pieces) remember(list []piece) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.n)+len(list) > maxPieces {
		clear(p.n)
	}
	for _, l := range list {
		if l.n == pieceNew {
			l.n = pieceAgain
		}
		p.n[l.key] = numbered{l.n, l.used}
	}
}

// The places of a verdict where findings begin and end. None of these texts can be
// part of a JSON string, which escapes quotation marks. They begin with a byte that is
// rare in findings: a search for a comma takes ten times as long.
const (
	firstFinding = `[{"id":"`
	nextFinding  = `},{"id":"`
	endFindings  = `}],"counts":`
)

// split divides a verdict into what precedes its findings, the findings, and the rest.
// Joined, they are the verdict, whatever its text is: the places above decide only how
// much verdicts have in common.
func split(verdict []byte) (head []byte, list []piece, tail []byte) {
	start := bytes.Index(verdict, []byte(firstFinding)) + 1
	if start == 0 {
		return verdict, nil, nil
	}
	head, tail = verdict[:start], verdict[start:]
	for size, last := 0, false; !last; {
		// A finding begins at size. It ends after the first byte of what is found.
		n := bytes.Index(tail[size:], []byte(nextFinding))
		if n < 0 {
			last = true
			if n = bytes.Index(tail[size:], []byte(endFindings)); n < 0 {
				break
			}
		}
		begin := tail[size : size+min(n+1, pieceBegin)]
		size += n + 1
		if last || size >= pieceMax || crc32.Checksum(begin, castagnoli)%pieceFindings == 0 {
			list = append(list, piece{text: tail[:size]})
			tail, size = tail[size:], 0
		}
	}
	return head, list, tail
}

// appendFrame appends the frame of a verdict to buf.
func appendFrame(buf, verdict, head []byte, list []piece, tail []byte) []byte {
	literal := func(text []byte) {
		buf = append(buf, 0)
		buf = binary.AppendUvarint(buf, uint64(len(text)))
		buf = append(buf, text...)
	}
	buf = binary.BigEndian.AppendUint32(buf, crc32.Checksum(verdict, castagnoli))
	literal(head)
	for _, l := range list {
		if l.n == pieceNew {
			literal(l.text)
		} else {
			buf = binary.AppendUvarint(buf, uint64(l.n))
		}
	}
	literal(tail)
	return buf
}

var errFrame = errors.New("frame is damaged")

// use makes the rows of pieces say that they are used on a day. A piece that was removed
// since is written into the frame.
func (t transaction) use(list []piece, day int64) error {
	for i := range list {
		p := &list[i]
		switch {
		case p.n == pieceAgain:
			if err := t.row(addPiece, []any{p.hash[:], p.body, day}, &p.n); err != nil {
				return err
			}
		case p.n > 0 && p.used < day:
			n, err := t.exec(usePiece, p.n, day)
			if err != nil {
				return err
			}
			if n == 0 {
				p.n = pieceNew
			}
		default:
			continue
		}
		p.used = day
	}
	return nil
}

const secondsOfDay = 24 * 60 * 60

// dayOf counts days from 1970-01-01 UTC.
func dayOf(t time.Time) int64 { return t.Unix() / secondsOfDay }

// parts calls literal and piece for the parts of a frame, without its checksum, in
// their order.
func parts(frame []byte, literal func([]byte), piece func(n int64) error) error {
	uvarint := func() (uint64, bool) {
		n, size := binary.Uvarint(frame)
		frame = frame[max(size, 0):]
		return n, size > 0
	}
	for len(frame) > 0 {
		n, ok := uvarint()
		if !ok {
			return errFrame
		}
		if n > 0 {
			if err := piece(int64(n)); err != nil {
				return err
			}
			continue
		}
		size, ok := uvarint()
		if !ok || size > uint64(len(frame)) {
			return errFrame
		}
		literal(frame[:size])
		frame = frame[size:]
	}
	return nil
}

// piecesOf calls f for the numbers of the pieces that a packed verdict has.
func piecesOf(packed []byte, f func(n int64)) error {
	form, frame, err := unpackDocument(packed)
	if err != nil || form != formFrame {
		return err
	}
	if len(frame) < 4 {
		return errFrame
	}
	return parts(frame[4:], func([]byte) {}, func(n int64) error { f(n); return nil })
}

// verdict undoes the packing of a frame; a verdict that was packed whole is read
// too. It is told how large the verdict is, or 0.
func (s *Store) verdict(ctx context.Context, packed []byte, size int64) ([]byte, error) {
	form, frame, err := unpackDocument(packed)
	if err != nil || form != formFrame {
		return frame, err
	}
	if len(frame) < 4 {
		return nil, errFrame
	}
	verdict := make([]byte, 0, min(max(size, 0), maxDocument))
	err = parts(frame[4:], func(text []byte) { verdict = append(verdict, text...) }, func(n int64) error {
		var body []byte
		if err := s.state.read.row(ctx, findPiece, []any{n}, &body); err != nil {
			return fmt.Errorf("piece %d: %w", n, err)
		}
		_, text, err := unpackDocument(body)
		if err != nil {
			return fmt.Errorf("piece %d: %w", n, err)
		}
		verdict = append(verdict, text...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if crc32.Checksum(verdict, castagnoli) != binary.BigEndian.Uint32(frame) {
		return nil, errFrame
	}
	return verdict, nil
}
