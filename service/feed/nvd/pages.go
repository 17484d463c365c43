package nvd

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"time"

	"assay/service/feed"
	"assay/verdict/hint"
)

const (
	perPage  = 2000     // the most that NVD sends
	maxPage  = 64 << 20 // bytes; a page has about 10 MiB
	maxPages = 10000
	// maxAge is the time after which incomplete pages are read again from the first.
	maxAge = 7 * 24 * time.Hour
	// maxRestarts is how often the pages are read again because the list has become shorter.
	maxRestarts = 3
)

// pages are the pages of one query in a folder, with a file that says how far they are. An
// interrupted update continues there.
type pages struct {
	dir string

	Place string    `json:"place"`
	Query string    `json:"query"`
	Begun time.Time `json:"begun"` // everything that was modified before is in them
	Sizes []int     `json:"sizes"` // results on each page
	Total int       `json:"total"` // results of the query, as the last page says
}

// pages returns all pages of a query. Pages of an earlier update of the same kind are
// continued: those are of the same mirror and have a query too, or none, as this one.
func (u *update) pages(ctx context.Context, query string, until time.Time) (*pages, error) {
	p := &pages{dir: u.dir()}
	b, err := os.ReadFile(p.manifest())
	sameKind := err == nil && json.Unmarshal(b, p) == nil && p.Place == u.Mirror.String() && (p.Query == "") == (query == "")
	if age := u.now.Sub(p.Begun); !sameKind || age < 0 || age > maxAge || p.Begun.Before(u.state.Watermark) {
		if err := p.remove(); err != nil {
			return nil, err
		}
		p = &pages{dir: u.dir(), Place: u.Mirror.String(), Query: query, Begun: until}
		if err := os.MkdirAll(p.dir, 0o700); err != nil {
			return nil, err
		}
	}
	for restarts := 0; ; {
		more, err := p.next(ctx, u.Mirror)
		if errors.Is(err, errShorter) && restarts < maxRestarts {
			restarts++
			p.Sizes, p.Total = nil, 0
			if err := p.saveManifest(); err != nil {
				return nil, err
			}
			continue
		}
		if errors.Is(err, feed.ErrNotFound) && u.HasKey {
			err = hint.Errorf("NVD also answers so if the key is not valid", "%w", err)
		}
		if err != nil || !more {
			return p, err
		}
	}
}

func (p *pages) manifest() string { return filepath.Join(p.dir, "pages.json") }

func (p *pages) file(n int) string { return filepath.Join(p.dir, fmt.Sprintf("%05d.json.gz", n)) }

func (p *pages) remove() error { return os.RemoveAll(p.dir) }

// start returns the index of the first result after the pages.
func (p *pages) start() int {
	n := 0
	for _, size := range p.Sizes {
		n += size
	}
	return n
}

// errShorter: results may have moved to pages that were read before.
var errShorter = errors.New("the list has become shorter while it was read")

// next fetches the next page. more is false if there is none.
func (p *pages) next(ctx context.Context, m feed.Mirror) (more bool, err error) {
	start, n := p.start(), len(p.Sizes)
	if n > 0 && start >= p.Total {
		return false, nil
	}
	if n >= maxPages {
		return false, fmt.Errorf("more than %d pages", maxPages)
	}
	name := fmt.Sprintf("cves/2.0?resultsPerPage=%d&startIndex=%d%s", perPage, start, p.Query)
	b, _, err := m.Get(ctx, name, maxPage, feed.Version{})
	if err != nil {
		return false, err
	}
	got, err := parsePage(b, start)
	if err != nil {
		return false, fmt.Errorf("get %q: %w", name, err)
	}
	if *got.Total < p.Total {
		return false, fmt.Errorf("get %q: %w: %d results, then %d", name, errShorter, p.Total, *got.Total)
	}
	if err := p.save(n, b); err != nil {
		return false, err
	}
	p.Sizes, p.Total = append(p.Sizes, len(got.Results)), *got.Total
	return true, p.saveManifest()
}

// save writes a page. The manifest says whether it counts.
func (p *pages) save(n int, b []byte) error {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(b); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(p.file(n), packed.Bytes(), 0o600)
}

func (p *pages) saveManifest() error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	temporary := p.manifest() + ".new"
	if err := os.WriteFile(temporary, b, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, p.manifest())
}

// results yields all results. Damaged pages are removed, so that the next update reads
// them again.
func (p *pages) results() iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		start := 0
		for n, size := range p.Sizes {
			got, err := p.read(n, start)
			if err == nil && len(got.Results) != size {
				err = fmt.Errorf("the page has %d results instead of %d", len(got.Results), size)
			}
			if err != nil {
				yield(nil, errors.Join(fmt.Errorf("read %q: %w", p.file(n), err), p.remove()))
				return
			}
			for _, r := range got.Results {
				if !yield(r.CVE, nil) {
					return
				}
			}
			start += size
		}
	}
}

func (p *pages) read(n, start int) (page, error) {
	f, err := os.Open(p.file(n))
	if err != nil {
		return page{}, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return page{}, err
	}
	b, err := io.ReadAll(io.LimitReader(z, maxPage+1))
	if err != nil {
		return page{}, err
	}
	return parsePage(b, start)
}
