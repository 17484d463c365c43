package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// ErrPage is wrapped by the error for a file in whose place the mirror has a web page: that
// of a proxy that asks to sign in, or of a server that answers so for any address.
var ErrPage = errors.New("a web page is in the place of the file")

// pages is a mirror that refuses web pages where a source asks for data. Without it the error
// would be that of a parser, which does not say what is wrong.
type pages struct{ Mirror }

// Get implements Mirror.
func (p pages) Get(ctx context.Context, name string, limit int64, before Version) ([]byte, Version, error) {
	b, v, err := p.Mirror.Get(ctx, name, limit, before)
	if err == nil && unwanted(name, b) {
		return nil, Version{}, fmt.Errorf("%q: %w", name, ErrPage)
	}
	return b, v, err
}

// Save implements Mirror.
func (p pages) Save(ctx context.Context, name, path string, limit int64, before Version) (Version, error) {
	v, err := p.Mirror.Save(ctx, name, path, limit, before)
	if err != nil {
		return v, err
	}
	begin, err := beginning(path)
	if err == nil && unwanted(name, begin) {
		err = errors.Join(fmt.Errorf("%q: %w", name, ErrPage), os.Remove(path))
	}
	if err != nil {
		return Version{}, err
	}
	return v, nil
}

// beginning returns the first bytes of a file.
func beginning(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 512))
}

// unwanted reports whether a file begins like a web page and its name is not that of one. The
// list of a folder is a page, and its name is empty or index.html.
func unwanted(name string, b []byte) bool {
	if name == "" || strings.HasSuffix(name, "index.html") {
		return false
	}
	b = bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(b[:min(len(b), 512)], []byte("\ufeff"))))
	return bytes.HasPrefix(b, []byte("<!doctype html")) || bytes.HasPrefix(b, []byte("<html"))
}
