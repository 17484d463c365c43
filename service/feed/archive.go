package feed

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

// Limits bound what an archive may have.
type Limits struct {
	Entries int   // files
	Entry   int64 // bytes of one file, decompressed
	Total   int64 // bytes of all files, decompressed
	// Ratio is the number of decompressed bytes for each byte of the archive above which it
	// is not read. The first megabytes are not counted. 0 means 200. JSON compresses to a
	// twentieth.
	Ratio int64
}

const (
	maxRatio  = 200 // if Limits has none
	freeBytes = 16 << 20
	// maxDirectory bounds the table of contents of a zip archive, which is read at once. It
	// has directoryEntry bytes for each file at most, on average.
	maxDirectory   = 128 << 20
	directoryEntry = 256
	// maxWindow bounds the memory of a decoder of zstd or xz.
	maxWindow = 128 << 20
)

// An Entry is a regular file of an archive. It is valid until the next one is read.
type Entry struct {
	Name string
	r    io.Reader
	max  int64
}

// Bytes reads the file.
func (e Entry) Bytes() ([]byte, error) { return readAll(e.r, e.Name, e.max) }

// Reader returns a reader of the file, for one that is too large for Bytes. It fails if the
// file has more bytes than the limit of one file.
func (e Entry) Reader() io.Reader {
	left := e.max
	return bounded{e.r, &left}
}

// Save writes the file to path, which exists only if it is complete. It is for archives in
// archives.
func (e Entry) Save(path string) error {
	to, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(to, io.LimitReader(e.r, e.max+1))
	if err == nil && n > e.max {
		err = tooLarge(e.Name, e.max)
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return errors.Join(err, removeFile(path))
	}
	return nil
}

// Archive yields the regular files of an archive on the disk, in its order: zip, or tar
// that is plain or compressed with gzip, bzip2, xz or zstd, or one file compressed with one of
// these, whose name is empty. It recognises the format by the content. An archive that is
// damaged, or has more than the limits, yields an error at the end: the caller must not
// use what came before it, and an import ends with it.
func Archive(path string, limits Limits) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f, err := os.Open(path)
		if err == nil {
			err = archive(f, limits, func(e Entry) bool { return yield(e, nil) })
			err = errors.Join(err, f.Close())
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(Entry{}, fmt.Errorf("read archive: %w", err))
		}
	}
}

// Text calls read with the content of a file on the disk, which is XML or JSON, plain or
// compressed as Archive reads it. limit bounds the decompressed bytes.
func Text(path string, limit int64, read func(io.Reader) error) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var first [1]byte
	if _, err := f.ReadAt(first[:], 0); err != nil {
		return fmt.Errorf("the file is empty: %w", err)
	}
	if bytes.IndexByte([]byte("<{[ \t\r\n\xef"), first[0]) >= 0 { // \xef begins a byte order mark
		return read(f)
	}
	n := 0
	for e, err := range Archive(path, Limits{Entries: 1, Entry: limit, Total: limit}) {
		if err != nil {
			return err
		}
		if e.Name != "" {
			return fmt.Errorf("an archive with the file %.100q in place of a file", e.Name)
		}
		if err := read(e.Reader()); err != nil {
			return err
		}
		n++
	}
	if n == 0 {
		return errors.New("the archive has no files")
	}
	return nil
}

// errEnough ends the reading of an archive when the caller wants no more.
var errEnough = errors.New("enough")

func archive(f *os.File, limits Limits, emit func(Entry) bool) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	limits.Ratio = cmp.Or(limits.Ratio, maxRatio)
	total := min(limits.Total, freeBytes+limits.Ratio*info.Size())
	b := &budget{limits: limits, emit: emit, stream: total, files: total}
	in := bufio.NewReaderSize(f, 64<<10)
	magic, err := in.Peek(4)
	if err != nil {
		return errors.New("the archive is empty or too short")
	}
	switch {
	case bytes.HasPrefix(magic, []byte("PK")):
		return b.zip(f, info.Size())
	case bytes.HasPrefix(magic, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		return b.decompressed(z)
	case bytes.HasPrefix(magic, []byte("BZh")):
		return b.decompressed(bzip2.NewReader(in))
	case bytes.Equal(magic, []byte("\xfd7zX")):
		z, err := xz.NewReader(in, maxWindow)
		if err != nil {
			return err
		}
		return b.decompressed(z)
	case bytes.Equal(magic, []byte("\x28\xb5\x2f\xfd")):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return err
		}
		defer z.Close()
		return b.decompressed(z)
	}
	return b.tar(in)
}

// A budget bounds the reading of one archive.
type budget struct {
	limits  Limits
	emit    func(Entry) bool
	entries int
	// stream and files are the bytes left of the decompressed archive, and of its files,
	// which may have more: a tar archive can have files with holes.
	stream, files int64
}

// A bounded reader fails when left is used up.
type bounded struct {
	r    io.Reader
	left *int64
}

func (b bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if *b.left -= int64(n); *b.left < 0 {
		return 0, errors.New("the files in the archive are too large, or too large for the size of the archive")
	}
	return n, err
}

func (b *budget) entry(name string, r io.Reader) error {
	if b.entries++; b.entries > b.limits.Entries {
		return fmt.Errorf("more than %d files", b.limits.Entries)
	}
	if !b.emit(Entry{Name: name, r: bounded{r, &b.files}, max: b.limits.Entry}) {
		return errEnough
	}
	return nil
}

func (b *budget) zip(f *os.File, size int64) error {
	directory := &directoryReader{r: f, left: min(maxDirectory, 1<<20+directoryEntry*int64(b.limits.Entries))}
	z, err := zip.NewReader(directory, size)
	if err != nil {
		return err
	}
	directory.left = -1
	for _, entry := range z.File {
		if !entry.Mode().IsRegular() {
			continue
		}
		r, err := entry.Open()
		if err != nil {
			return fmt.Errorf("%q: %w", entry.Name, err)
		}
		if err := errors.Join(b.entry(entry.Name, r), r.Close()); err != nil {
			return err
		}
	}
	return nil
}

// A directoryReader fails after left bytes. The zip reader keeps an entry in memory for
// every few dozen bytes of the table of contents, which this bounds.
type directoryReader struct {
	r    io.ReaderAt
	left int64 // negative: no bound
}

func (d *directoryReader) ReadAt(p []byte, off int64) (int, error) {
	if d.left >= 0 {
		if d.left -= int64(len(p)); d.left < 0 {
			d.left = 0
			return 0, errors.New("the table of contents is too large")
		}
	}
	return d.r.ReadAt(p, off)
}

// decompressed reads a stream, which is a tar archive or one file.
func (b *budget) decompressed(r io.Reader) error {
	in := bufio.NewReaderSize(bounded{r, &b.stream}, 64<<10)
	head, err := in.Peek(512)
	if len(head) >= 262 && string(head[257:262]) == "ustar" {
		return b.tar(in)
	}
	if err != nil && err != io.EOF {
		return err
	}
	return b.entry("", in)
}

func (b *budget) tar(r io.Reader) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := b.entry(h.Name, t); err != nil {
			return err
		}
	}
	// What follows the end of the archive shows whether the compressed stream is complete.
	_, err := io.Copy(io.Discard, r)
	return err
}
