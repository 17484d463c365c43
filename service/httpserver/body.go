package httpserver

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// Bounds of a body.
const (
	maxBody     = 32 << 20 // as sent
	maxDocument = 64 << 20 // decompressed
	// A body must arrive at bodyRate bytes a second after the first bodyStart, and
	// completely within bodyTime.
	bodyStart = 10 * time.Second
	bodyRate  = 16 << 10
	bodyTime  = 2 * time.Minute
	// A buffer of twice this size is good for any body.
	keptBody = 64 << 10
)

const hintSmaller = "leave folders out with --skip"

var (
	tooLargeSent = Problem{Status: http.StatusRequestEntityTooLarge,
		What: fmt.Sprintf("the body is larger than %d MiB as sent", maxBody>>20), Hint: hintSmaller}
	tooLarge = Problem{Status: http.StatusRequestEntityTooLarge,
		What: fmt.Sprintf("the body is larger than %d MiB decompressed", maxDocument>>20), Hint: hintSmaller}
)

// A Body is the memory for the body of one request. It can be used again for the
// next, which spares half a MiB that would have to be cleared and collected.
type Body struct {
	Sent     []byte // as it came
	document []byte // decompressed
	gzip     gzip.Reader
}

// Cap returns the bytes of the buffers.
func (b *Body) Cap() int { return cap(b.Sent) + cap(b.document) }

// Receive reads the body of a request as it was sent into b.Sent. It takes no slot, so
// that a slow body does not hold up other requests. The memory grows with what has
// arrived, not with what was announced; the lease memory accounts for it.
func (s *Server) Receive(w http.ResponseWriter, r *http.Request, memory *Lease, b *Body) error {
	place := s.lease(s.reading, memory.owner)
	if !place.Resize(1) {
		return s.Busy(0)
	}
	defer place.Free()
	if r.ContentLength > maxBody {
		return tooLargeSent
	}
	// In tests without a connection there are no deadlines.
	conn := http.NewResponseController(w)
	start := time.Now()
	deadline := func(n int) {
		_ = conn.SetReadDeadline(start.Add(min(bodyTime, s.BodyStart+time.Duration(n)*time.Second/bodyRate)))
	}
	deadline(0)
	sent, extended := b.Sent[:0], 0
	if int64(cap(sent)) > 2*max(r.ContentLength+1, keptBody) {
		sent = nil // else the memory that a larger body needed would count towards this owner's share
	}
	if err := memory.atLeast(int64(cap(sent))); err != nil {
		return err
	}
	for {
		if len(sent) == cap(sent) {
			var err error
			if sent, err = enlarge(sent, r.ContentLength, memory); err != nil {
				return err
			}
		}
		n, err := r.Body.Read(sent[len(sent):cap(sent)])
		sent = sent[:len(sent)+n]
		b.Sent = sent
		switch {
		case len(sent) > maxBody:
			return tooLargeSent
		case err == io.EOF:
			// The next request on the connection has its own deadline.
			_ = conn.SetReadDeadline(time.Time{})
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.Header().Set("Connection", "close")
			return Problem{Status: http.StatusRequestTimeout,
				What:       fmt.Sprintf("only %d bytes of the body arrived in %s", len(sent), time.Since(start).Round(time.Second)),
				Hint:       "assay tries again by itself; is the network slow?",
				RetryAfter: s.spread.after(0)}
		case err != nil:
			return Problem{Status: http.StatusBadRequest, What: "the body is truncated: " + err.Error(), Hint: "send it again"}
		}
		if len(sent)-extended >= 64<<10 {
			extended = len(sent)
			deadline(extended)
		}
	}
}

// enlarge returns sent with more capacity, up to the announced length of the body if
// that is not negative.
func enlarge(sent []byte, announced int64, memory *Lease) ([]byte, error) {
	size := max(16<<10, 2*cap(sent))
	if announced >= 0 {
		size = min(size, int(announced)+1) // one more byte, to read the end
	}
	size = max(size, len(sent)+1)
	if err := memory.atLeast(int64(cap(sent) + size)); err != nil { // both exist while the one is copied
		return sent, err
	}
	larger := make([]byte, len(sent), size)
	copy(larger, sent)
	memory.Resize(int64(cap(larger)))
	return larger, nil
}

// Document returns the body that Receive has read, decompressed if it is in gzip.
// Before, it reserves memory: for the decompressed bytes, and what need returns for a
// JSON document of a size and with at most so many objects.
func (b *Body) Document(ctx context.Context, zipped bool, memory *Lease, need func(size, objects int64) (int64, error)) ([]byte, error) {
	if !zipped {
		n, err := need(int64(len(b.Sent)), CountObjects(b.Sent))
		if err != nil {
			return nil, err
		}
		return b.Sent, memory.Reserve(ctx, n)
	}
	for _, measure := range []func() (size, objects int64, err error){b.promised, b.measure} {
		size, objects, err := measure()
		if err != nil {
			return nil, err
		}
		n, err := need(size, objects)
		if err != nil {
			return nil, err
		}
		if err := memory.Reserve(ctx, size+n); err != nil {
			return nil, err
		}
		err = b.unzip(size)
		if errors.Is(err, errLonger) {
			memory.Free()
			continue
		}
		return b.document, err
	}
	return nil, zipError(errLonger)
}

// smallDocument is the size up to which the size that a gzip body states is believed.
const smallDocument = 1 << 20

// promised returns how many bytes a small document in gzip has, as its trailer says,
// and how many objects that can be. A larger document is measured.
func (b *Body) promised() (size, objects int64, err error) {
	if n := len(b.Sent); n >= 18 && n <= smallDocument {
		if size := binary.LittleEndian.Uint32(b.Sent[n-4:]); size <= smallDocument {
			return int64(size), int64(size) / minObject, nil
		}
	}
	return b.measure()
}

// measure returns how many bytes a document in gzip has and how many objects. It
// decompresses the document and drops the bytes.
func (b *Body) measure() (size, objects int64, err error) {
	if err := b.gzip.Reset(bytes.NewReader(b.Sent)); err != nil {
		return 0, 0, zipError(err)
	}
	var c counter
	if _, err := io.Copy(&c, io.LimitReader(&b.gzip, maxDocument+1)); err != nil {
		return 0, 0, zipError(err)
	}
	if c.size > maxDocument {
		return 0, 0, tooLarge
	}
	return c.size, c.objects, nil
}

// A counter counts what is written to it.
type counter struct{ size, objects int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.size += int64(len(p))
	c.objects += CountObjects(p)
	return len(p), nil
}

// minObject is the size of the smallest JSON object that describes a package.
const minObject = 24

// CountObjects returns an upper bound for the number of JSON objects in a text.
func CountObjects(text []byte) int64 { return int64(bytes.Count(text, []byte("{"))) }

// errLonger is returned for a document with more bytes than its trailer says, which is
// valid: gzip files can be concatenated.
var errLonger = errors.New("longer than its trailer says")

// unzip decompresses what was sent, which has size bytes.
func (b *Body) unzip(size int64) error {
	if err := b.gzip.Reset(bytes.NewReader(b.Sent)); err != nil {
		return zipError(err)
	}
	if int64(cap(b.document)) < size+1 {
		b.document = make([]byte, size+1)
	}
	n, err := io.ReadFull(&b.gzip, b.document[:size+1])
	switch {
	case err == nil:
		return errLonger
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return zipError(err)
	case int64(n) < size:
		return zipError(io.ErrUnexpectedEOF)
	}
	b.document = b.document[:n]
	return nil
}

func zipError(err error) error {
	return Problem{Status: http.StatusBadRequest, What: "the gzip body is damaged: " + err.Error(), Hint: "send it again"}
}
