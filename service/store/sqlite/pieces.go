package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"assay/service/store"
	"assay/service/store/encode"
)

// A verdict is stored as a packed frame:
//
//	4 bytes   CRC-32C of the verdict, big-endian
//	then its parts in their order, each
//	uvarint   the number of a piece; or 0, then
//	uvarint     a length and
//	            so many bytes
//
// A piece is a run of findings that is stored once for all verdicts that have it: the
// verdicts of builds of one project, or with the same base image, are mostly equal. A
// checksum of the beginning of a finding decides where a piece ends, so that equal
// findings are divided equally wherever they are. A run that is seen for the first time
// stays in the frame: many are never seen again, and a separate row takes longer.
const (
	pieceFindings = 16 // on average
	pieceMax      = 64 << 10
	pieceBegin    = 64      // bytes of a finding that include its id
	maxPieces     = 1 << 16 // in memory
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
	used int64 // the day in its row
	// For one that is to be stored.
	hash [sha256.Size]byte
	body []byte
}

const (
	pieceNew   = 0
	pieceAgain = -1 // seen before, and not stored
)

// pieces has the numbers of pieces by digest. The digest has a secret seed and takes a
// tenth of the time of SHA-256. If two pieces have the same digest by chance, the checksum
// of the verdict does not match on reading.
type pieces struct {
	seed maphash.Seed
	mu   sync.Mutex
	n    map[uint64]numbered
}

// numbered is the number of a piece, and the day of use in its row.
type numbered struct{ n, used int64 }

func newPieces() *pieces {
	return &pieces{seed: maphash.MakeSeed(), n: make(map[uint64]numbered)}
}

// of divides the findings of a verdict into pieces, and packs those that are to be stored.
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
			l.hash, l.body = sha256.Sum256(l.text), encode.PackDocument(encode.FormWhole, nil, l.text)
		}
	}
	return head, list, tail
}

// remember adds the numbers of pieces that were stored or seen.
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

// These texts mark where findings begin and end in a verdict. They cannot be part of a
// JSON string, which escapes quotation marks. They begin with a byte that is rare in
// findings: a search for a comma takes ten times as long.
const (
	firstFinding = `[{"id":"`
	nextFinding  = `},{"id":"`
	endFindings  = `}],"counts":`
)

// split divides a verdict into what precedes its findings, the findings, and the rest.
// Concatenated they are the verdict, for any text: the marks above decide only how much
// verdicts have in common.
func split(verdict []byte) (head []byte, list []piece, tail []byte) {
	start := bytes.Index(verdict, []byte(firstFinding)) + 1
	if start == 0 {
		return verdict, nil, nil
	}
	head, tail = verdict[:start], verdict[start:]
	for size, last := 0, false; !last; {
		// A finding begins at size. It ends after the first byte of the mark.
		n := bytes.Index(tail[size:], []byte(nextFinding))
		if n < 0 {
			last = true
			if n = bytes.Index(tail[size:], []byte(endFindings)); n < 0 {
				break
			}
		}
		begin := tail[size : size+min(n+1, pieceBegin)]
		size += n + 1
		if last || size >= pieceMax || encode.CRC(begin)%pieceFindings == 0 {
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
	buf = binary.BigEndian.AppendUint32(buf, encode.CRC(verdict))
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

var errFrame = fmt.Errorf("%w: the frame of a verdict", store.ErrDamaged)

// use sets the day of use in the rows of pieces. A piece that was removed meanwhile is
// written into the frame.
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

// piecesOf calls f with the number of each piece of a packed verdict.
func piecesOf(packed []byte, f func(n int64)) error {
	form, frame, err := encode.UnpackDocument(packed)
	if err != nil || form != encode.FormFrame {
		return err
	}
	if len(frame) < 4 {
		return errFrame
	}
	return parts(frame[4:], func([]byte) {}, func(n int64) error { f(n); return nil })
}

// verdict unpacks a frame, or a verdict that was packed whole. size is the size of the
// verdict, or 0.
func (s *Store) verdict(ctx context.Context, packed []byte, size int64) ([]byte, error) {
	form, frame, err := encode.UnpackDocument(packed)
	if err != nil || form != encode.FormFrame {
		return frame, err
	}
	if len(frame) < 4 {
		return nil, errFrame
	}
	verdict := make([]byte, 0, min(max(size, 0), maxDocument))
	err = parts(frame[4:], func(text []byte) { verdict = append(verdict, text...) }, func(n int64) error {
		var body []byte
		err := s.state.read.row(ctx, findPiece, []any{n}, &body)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w: piece %d is missing", store.ErrDamaged, n)
		}
		if err != nil {
			return fmt.Errorf("piece %d: %w", n, err)
		}
		_, text, err := encode.UnpackDocument(body)
		if err != nil {
			return fmt.Errorf("piece %d: %w", n, err)
		}
		verdict = append(verdict, text...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if encode.CRC(verdict) != binary.BigEndian.Uint32(frame) {
		return nil, errFrame
	}
	return verdict, nil
}
