package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"assay/service/layer"
)

// A URL is where a layer can be fetched.
type URL struct {
	URL string
	// Header is sent to the host of the URL, and not to one that it redirects to.
	Header http.Header
	// Digest of what the URL returns, or empty.
	Digest string
}

// URLs returns the image whose layers are at URLs, the lowest first. They are fetched when
// they are opened. The error wraps *Error.
func (f *Fetcher) URLs(img string, urls []URL) (layer.Image, error) {
	guard := f.Network.transport()
	result := layer.Image{Name: img, Layers: make([]layer.Blob, len(urls))}
	for i, u := range urls {
		parsed, err := url.Parse(u.URL)
		if err != nil || parsed.Scheme != "https" && parsed.Scheme != "http" || parsed.Host == "" {
			return layer.Image{}, fail(Malformed, "it begins with https://", "invalid URL of layer %d", i+1)
		}
		for name := range u.Header {
			if slices.Contains([]string{"Host", "Connection", "Content-Length", "Transfer-Encoding", "Te", "Trailer", "Upgrade", "Range"}, http.CanonicalHeaderKey(name)) {
				return layer.Image{}, fail(Malformed, "", "the header %q of layer %d cannot be set", name, i+1)
			}
		}
		result.Layers[i] = layer.Blob{Digest: u.Digest, Open: func(ctx context.Context) (io.ReadCloser, error) {
			body, err := f.open(ctx, guard, u)
			if err != nil {
				return nil, fetchError(fmt.Errorf("fetch layer %d: %w", i+1, err))
			}
			return body, nil
		}}
	}
	return result, nil
}

func (f *Fetcher) open(ctx context.Context, guard http.RoundTripper, u URL) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.URL, nil)
	if err != nil {
		return nil, errors.New("invalid URL") // the error has the URL, which may have a password
	}
	req.Header = u.Header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if req.Header.Get("User-Agent") == "" && f.UserAgent != "" {
		req.Header.Set("User-Agent", f.UserAgent)
	}
	client := &http.Client{Transport: guard, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		for _, r := range append(slices.Clone(via), next) {
			if r.URL.Scheme != req.URL.Scheme || r.URL.Host != req.URL.Host {
				for name := range u.Header {
					next.Header.Del(name)
				}
				next.Header.Del("Referer") // the path may be secret
				break
			}
		}
		return nil // the guard bounds them
	}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, &transport.Error{StatusCode: resp.StatusCode, Request: resp.Request}
	}
	return &fetched{resp.Body, req.URL.Host}, nil
}

// fetchError is classified for layers, whose URLs the caller chose.
func fetchError(err error) error {
	failure, ok := errors.AsType[*transport.Error](err)
	if !ok {
		return classified(err)
	}
	says := fmt.Sprintf("%d %s", failure.StatusCode, http.StatusText(failure.StatusCode))
	host := failure.Request.URL.Host
	switch failure.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fail(Unauthorized, "send the headers that the host needs", "fetch a layer: %s answers %s", host, says)
	case http.StatusNotFound, http.StatusGone:
		return fail(NotFound, "", "fetch a layer: %s answers %s", host, says)
	}
	return fail(Unreachable, "try again later", "fetch a layer: %s answers %s", host, says)
}
