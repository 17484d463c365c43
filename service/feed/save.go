package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// A part is an incomplete download. A JSON file beside it describes the complete file.
type part struct {
	path  string
	about partOf
	file  *os.File
	size  int64
}

type partOf struct {
	Address string  `json:"address"`
	Version Version `json:"version"`
}

func (p *part) aboutPath() string { return p.path + ".json" }

// openPart opens the part of the file at address. The part is empty if the one on the
// disk is of another file or cannot be continued.
func openPart(path, address string) (*part, error) {
	p := &part{path: path}
	if b, err := os.ReadFile(p.aboutPath()); err == nil && json.Unmarshal(b, &p.about) != nil {
		p.about = partOf{}
	}
	var err error
	if p.file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	if p.size, err = p.file.Seek(0, io.SeekEnd); err == nil && (p.about.Address != address || !p.about.Version.strong()) {
		err = p.begin(partOf{Address: address})
	}
	if err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	return p, nil
}

// begin makes p an empty part of another file.
func (p *part) begin(about partOf) error {
	p.about, p.size = about, 0
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	b, err := json.Marshal(about)
	if err != nil {
		return err
	}
	return os.WriteFile(p.aboutPath(), b, 0o600)
}

// drop removes a part that cannot be continued.
func (p *part) drop() error {
	return errors.Join(p.file.Close(), removeFile(p.path), removeFile(p.aboutPath()))
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Save implements Mirror. It requests the rest of a part with Range and If-Range
// (RFC 9110, sections 14.2 and 13.1.5). If the file has changed, the server sends all
// of it.
func (w *web) Save(ctx context.Context, name, path string, limit int64, before Version) (v Version, err error) {
	p, err := openPart(partPath(path), w.address(name))
	if err != nil {
		return Version{}, fmt.Errorf("get %q: %w", name, err)
	}
	err = w.attempts(ctx, name, func(ctx context.Context) (*http.Response, int64, error) {
		was := p.size
		resp, err := w.fill(ctx, name, p, limit, before)
		return resp, p.size - was, err
	})
	switch {
	case err == nil:
	case errors.Is(err, ErrUnchanged):
		return Version{}, errors.Join(err, p.drop())
	case p.size == 0, errors.Is(err, syscall.ENOSPC): // a full disk needs the space
		return Version{}, errors.Join(err, p.drop())
	default:
		return Version{}, errors.Join(err, p.file.Close())
	}
	if err := errors.Join(p.file.Close(), os.Rename(p.path, path), removeFile(p.aboutPath())); err != nil {
		return Version{}, fmt.Errorf("get %q: %w", name, err)
	}
	return p.about.Version, nil
}

// fill sends one request and appends the response to the part.
func (w *web) fill(ctx context.Context, name string, p *part, limit int64, before Version) (*http.Response, error) {
	header := conditional(before)
	if p.size > 0 && !p.about.Version.strong() {
		if err := p.begin(partOf{Address: p.about.Address}); err != nil {
			return nil, final{err}
		}
	}
	if p.size > 0 {
		header = http.Header{}
		header.Set("Range", fmt.Sprintf("bytes=%d-", p.size))
		header.Set("If-Range", p.about.Version.ETag)
	}
	resp, err := w.do(ctx, name, header)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	again := func(format string, args ...any) (*http.Response, error) {
		err := p.begin(partOf{Address: p.about.Address})
		return resp, errors.Join(fmt.Errorf(format, args...), err)
	}
	total := resp.ContentLength
	switch {
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && p.size > 0:
		return again("the file has become shorter")
	case statusError(resp) != nil:
		return resp, statusError(resp)
	case resp.StatusCode == http.StatusPartialContent:
		from, all, ok := contentRange(resp.Header.Get("Content-Range"))
		if !ok || p.size == 0 || from != p.size {
			return again("the server sent another range than requested: %.80q", resp.Header.Get("Content-Range"))
		}
		if etag := resp.Header.Get("ETag"); etag != "" && etag != p.about.Version.ETag {
			return again("the server sent the rest of another version")
		}
		total = all
	default:
		if err := p.begin(partOf{p.about.Address, versionOf(resp)}); err != nil {
			return resp, final{err}
		}
	}
	if total > limit {
		p.size = 0 // not worth keeping
		return resp, tooLarge(name, limit)
	}
	if err := w.extend(name, p, resp.Body, limit, total); err != nil {
		return resp, err
	}
	if total >= 0 && p.size != total {
		return again("received %d of %d bytes", p.size, total)
	}
	return resp, nil
}

// extend appends a response body to the part.
func (w *web) extend(name string, p *part, body io.Reader, limit, total int64) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := body.Read(buf)
		if p.size+int64(n) > limit {
			p.size = 0
			return tooLarge(name, limit)
		}
		if _, err := p.file.Write(buf[:n]); err != nil {
			return final{err}
		}
		p.size += int64(n)
		if w.config.Progress != nil {
			w.config.Progress(name, p.size, total)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// contentRange parses "bytes FROM-TO/TOTAL". The range must extend to the end.
func contentRange(s string) (from, total int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	span, all, ok2 := strings.Cut(s, "/")
	first, last, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return 0, 0, false
	}
	from, err := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	total, err3 := strconv.ParseInt(all, 10, 64)
	return from, total, errors.Join(err, err2, err3) == nil && from >= 0 && from <= to && to == total-1
}
