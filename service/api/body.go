package api

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"assay/remote/cyclonedx"
)

// Bounds of a body.
const (
	maxBody     = 32 << 20 // as sent
	maxDocument = 64 << 20 // decompressed
	// A body must arrive at bodyRate bytes a second after the first bodyStart, and
	// wholly within bodyTime.
	bodyStart = 10 * time.Second
	bodyRate  = 16 << 10
	bodyTime  = 2 * time.Minute
)

const hintSmaller = "leave folders out with --skip"

var (
	tooLargeSent = problem{http.StatusRequestEntityTooLarge,
		fmt.Sprintf("the body is larger than %d MiB as sent", maxBody>>20), hintSmaller}
	tooLarge = problem{http.StatusRequestEntityTooLarge,
		fmt.Sprintf("the inventory is larger than %d MiB", maxDocument>>20), hintSmaller}
	tooMuchMemory = problem{http.StatusRequestEntityTooLarge,
		"the inventory needs more memory than this service may use", hintSmaller + ", or give assayd more with --memory"}
)

// buffers are the memory of one scan, which the next uses again: half a MiB less
// for each to be cleared and collected.
type buffers struct {
	gzip     gzip.Reader
	sent     []byte
	document []byte // decompressed
	verdict  []byte
}

// maxKept bounds the bytes of a buffer that waits for the next scan.
const maxKept = 4 << 20

func (a *api) buffer() *buffers {
	if b, ok := a.buffers.Get().(*buffers); ok {
		return b
	}
	return new(buffers)
}

func (a *api) free(b *buffers) {
	if max(cap(b.sent), cap(b.document), cap(b.verdict)) <= maxKept {
		a.buffers.Put(b)
	}
}

// encodingOf returns whether the body of a request is in gzip, or why it is not
// read at all.
func encodingOf(r *http.Request) (zipped bool, err error) {
	const ask = "send CycloneDX JSON, as it is or with gzip"
	if ct := r.Header.Get("Content-Type"); ct != "" {
		media, _, err := mime.ParseMediaType(ct)
		if err != nil || media != "application/json" && media != "application/vnd.cyclonedx+json" {
			return false, problem{http.StatusUnsupportedMediaType, fmt.Sprintf("unsupported content type %q", ct), ask}
		}
	}
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		return false, nil
	case "gzip":
		return true, nil
	default:
		return false, problem{http.StatusUnsupportedMediaType, fmt.Sprintf("unsupported content encoding %q", encoding), ask}
	}
}

// receive reads the body of a request as it was sent, into buf.sent. It takes no
// slot: a body that comes slowly holds up nobody. The memory grows with what has
// come, not with what was announced, and l holds it.
func (a *api) receive(w http.ResponseWriter, r *http.Request, l *lease, buf *buffers) error {
	if r.ContentLength > maxBody {
		return tooLargeSent
	}
	// Where there is no connection there are no deadlines.
	conn := http.NewResponseController(w)
	start := time.Now()
	deadline := func(n int) {
		_ = conn.SetReadDeadline(start.Add(min(bodyTime, a.bodyStart+time.Duration(n)*time.Second/bodyRate)))
	}
	deadline(0)
	sent, told := buf.sent[:0], 0
	if err := a.more(w, l, int64(cap(sent))); err != nil {
		return err
	}
	for {
		if len(sent) == cap(sent) {
			size := max(16<<10, 2*cap(sent))
			if r.ContentLength >= 0 {
				size = min(size, int(r.ContentLength)+1) // and one to see the end with
			}
			size = max(size, len(sent)+1)
			if err := a.more(w, l, int64(cap(sent)+size)); err != nil {
				return err
			}
			larger := make([]byte, len(sent), size)
			copy(larger, sent)
			sent = larger
			l.try(int64(cap(sent)))
		}
		n, err := r.Body.Read(sent[len(sent):cap(sent)])
		sent = sent[:len(sent)+n]
		buf.sent = sent
		switch {
		case len(sent) > maxBody:
			return tooLargeSent
		case err == io.EOF:
			// What comes next on the connection has a time of its own.
			_ = conn.SetReadDeadline(time.Time{})
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.Header().Set("Connection", "close")
			w.Header().Set("Retry-After", retryAfter(a.spread.after(0)))
			return problem{http.StatusRequestTimeout, fmt.Sprintf("only %d bytes of the body arrived in %s", len(sent), time.Since(start).Round(time.Second)),
				"assay tries again by itself; is the network slow?"}
		case err != nil:
			return problem{http.StatusBadRequest, "the body is truncated: " + err.Error(), "send it again"}
		}
		if len(sent)-told >= 64<<10 {
			told = len(sent)
			deadline(told)
		}
	}
}

// smallDocument is the size up to which a body is decompressed without a look at
// what it will need.
const smallDocument = 1 << 20

// promised returns how many bytes a small document in gzip has, as its end says,
// and how many objects that can be. A larger one is measured.
func (b *buffers) promised() (size, objects int64, err error) {
	if n := len(b.sent); n >= 18 && n <= smallDocument {
		if size := binary.LittleEndian.Uint32(b.sent[n-4:]); size <= smallDocument {
			return int64(size), int64(size) / minObject, nil
		}
	}
	return b.measure()
}

// measure returns how many bytes a document in gzip has and how many objects, by
// decompressing it once to nowhere.
func (b *buffers) measure() (size, objects int64, err error) {
	if err := b.gzip.Reset(bytes.NewReader(b.sent)); err != nil {
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
	c.objects += objectsIn(p)
	return len(p), nil
}

// maxObjects is more than a document may have.
var (
	maxObjects     = int64(cyclonedx.DefaultLimits().Values)
	tooManyObjects = problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the inventory has more than %d values", maxObjects), hintSmaller}
)

// minObject is the size of the smallest component that is one.
const minObject = 24

// objectsIn returns the number of JSON objects in a text, or more.
func objectsIn(text []byte) int64 { return int64(bytes.Count(text, []byte("{"))) }

// errLonger is a document that has more bytes than its end says: gzip files can be
// put together.
var errLonger = errors.New("longer than its trailer says")

// unzip decompresses what was sent, which has size bytes.
func (b *buffers) unzip(size int64) error {
	if err := b.gzip.Reset(bytes.NewReader(b.sent)); err != nil {
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
	return problem{http.StatusBadRequest, "the gzip body is damaged: " + err.Error(), "send it again"}
}

// inventoryError is the answer to a document that cannot be read.
func inventoryError(err error) error {
	switch {
	case errors.Is(err, cyclonedx.ErrTooDeep):
		return problem{http.StatusBadRequest, "invalid inventory: " + err.Error(), "nest components less deeply"}
	case errors.Is(err, cyclonedx.ErrTooLarge):
		return problem{http.StatusRequestEntityTooLarge, "invalid inventory: " + err.Error(), hintSmaller}
	}
	return problem{http.StatusBadRequest, "invalid inventory: " + err.Error(), "send CycloneDX 1.4 to 1.6 as JSON"}
}
