package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	maxRedirects = 5
	maxHeader    = 1 << 20
	// maxAttempts bounds the attempts that each receive something.
	maxAttempts = 100
	// longestWait is the longest time that a server may ask to wait.
	longestWait = 10 * time.Minute
)

// A web is a Mirror on an HTTP server.
type web struct {
	base   *url.URL
	config Config
	client *http.Client
}

func newWeb(base *url.URL, c Config) *web {
	if c.Transport == nil {
		c.Transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: c.ConnectTimeout}).DialContext,
			TLSHandshakeTimeout:    c.ConnectTimeout,
			ResponseHeaderTimeout:  c.StallTimeout,
			MaxResponseHeaderBytes: maxHeader,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        time.Minute,
			ForceAttemptHTTP2:      true,
			// A range of a compressed response is not a range of the file.
			DisableCompression: true,
		}
	}
	return &web{base: base, config: c, client: &http.Client{Transport: authorized{c.Transport, base.Host, c.Authorize}, CheckRedirect: checkRedirect}}
}

// An authorized transport adds the key to the requests to one host. A redirect to another
// host does not get it.
type authorized struct {
	next      http.RoundTripper
	host      string
	authorize func(http.Header)
}

func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.authorize != nil && r.URL.Host == a.host {
		r = r.Clone(r.Context())
		a.authorize(r.Header)
	}
	return a.next.RoundTrip(r)
}

func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return final{fmt.Errorf("more than %d redirects", maxRedirects)}
	}
	if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return final{errors.New("redirected from https to " + r.URL.Scheme)}
	}
	return nil
}

func (w *web) String() string { return w.base.Redacted() }

// address returns the URL of a file, with every part of its name encoded:
// "Azure%20Linux/all.zip". A query stays as it is.
func (w *web) address(name string) string {
	name, query, ok := strings.Cut(name, "?")
	if ok {
		query = "?" + query
	}
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.TrimRight(w.base.String(), "/") + "/" + strings.Join(parts, "/") + query
}

// Get implements Mirror.
func (w *web) Get(ctx context.Context, name string, limit int64, before Version) (body []byte, v Version, err error) {
	err = w.attempts(ctx, name, func(ctx context.Context) (*http.Response, int64, error) {
		resp, err := w.do(ctx, name, conditional(before))
		if err != nil {
			return resp, 0, err
		}
		defer resp.Body.Close()
		if err := statusError(resp); err != nil {
			return resp, 0, err
		}
		if resp.StatusCode == http.StatusPartialContent {
			return resp, 0, final{errors.New("the server sent a part of the file that was not requested")}
		}
		if resp.ContentLength > limit {
			return resp, 0, tooLarge(name, limit)
		}
		v = versionOf(resp)
		body, err = readAll(resp.Body, name, limit)
		return resp, 0, err
	})
	if err != nil {
		return nil, Version{}, err
	}
	return body, v, nil
}

// conditional returns the header that requests a file only if its version differs.
func conditional(v Version) http.Header {
	h := http.Header{}
	if v.ETag != "" {
		h.Set("If-None-Match", v.ETag)
	} else if v.LastModified != "" {
		h.Set("If-Modified-Since", v.LastModified)
	}
	return h
}

func versionOf(resp *http.Response) Version {
	return Version{ETag: resp.Header.Get("ETag"), LastModified: resp.Header.Get("Last-Modified")}
}

// do sends one request. Reading the response body fails if nothing arrives for too
// long.
func (w *web) do(ctx context.Context, name string, header http.Header) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.address(name), nil)
	if err != nil {
		cancel(err)
		return nil, final{err}
	}
	req.Header = header
	if w.config.UserAgent != "" {
		req.Header.Set("User-Agent", w.config.UserAgent)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		cancel(err)
		return nil, err
	}
	resp.Body = &watched{body: resp.Body, ctx: ctx, cancel: cancel, after: w.config.StallTimeout}
	return resp, nil
}

// A watched body cancels its request when a read takes too long.
type watched struct {
	body   io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	after  time.Duration
}

func (b *watched) Read(p []byte) (int, error) {
	if b.after > 0 {
		t := time.AfterFunc(b.after, func() { b.cancel(fmt.Errorf("nothing received for %s", b.after)) })
		defer t.Stop()
	}
	n, err := b.body.Read(p)
	if err != nil && err != io.EOF && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

func (b *watched) Close() error {
	defer b.cancel(context.Canceled)
	return b.body.Close()
}

// A statusErr is a response with an error status.
type statusErr struct {
	status int
	text   string
}

func (e statusErr) Error() string { return "the server answers " + e.text }

func (e statusErr) Is(target error) bool {
	return target == ErrNotFound && (e.status == http.StatusNotFound || e.status == http.StatusGone) ||
		target == ErrForbidden && e.status == http.StatusForbidden
}

func statusError(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusOK, http.StatusPartialContent:
		return nil
	case http.StatusNotModified:
		return ErrUnchanged
	}
	return statusErr{resp.StatusCode, resp.Status}
}

// A request that fails with a final error is not repeated.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// attempts calls one until it succeeds, fails with a permanent error, or has failed too
// often. One returns the response, if any, and how many bytes it received that need not
// be requested again.
func (w *web) attempts(ctx context.Context, name string, one func(context.Context) (*http.Response, int64, error)) error {
	idle := 0
	for range maxAttempts {
		resp, progress, err := w.attempt(ctx, one)
		if err == nil || errors.Is(err, ErrUnchanged) {
			return err
		}
		again := transient(ctx, resp, err)
		err = fmt.Errorf("get %q: %w", name, redact(err))
		if !again {
			return err
		}
		idle++
		if progress > 0 {
			idle = 1
		}
		if idle >= w.config.Attempts {
			return err
		}
		wait := retryablehttp.DefaultBackoff(w.config.MinWait, w.config.MaxWait, idle-1, resp)
		deadline, ok := ctx.Deadline()
		if wait > longestWait || ok && time.Now().Add(wait).After(deadline) {
			return fmt.Errorf("%w; the next attempt, in %s, would be too late", err, wait)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
	return fmt.Errorf("get %q: interrupted %d times", name, maxAttempts)
}

func (w *web) attempt(ctx context.Context, one func(context.Context) (*http.Response, int64, error)) (*http.Response, int64, error) {
	if w.config.RequestTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, w.config.RequestTimeout, fmt.Errorf("no complete response within %s", w.config.RequestTimeout))
		defer cancel()
	}
	return one(ctx)
}

// redact removes the address from an error of the client. The error has the name of the
// file already, and the address may have a password.
func redact(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// transient reports whether another attempt may succeed; err is as the client returned
// it.
func transient(ctx context.Context, resp *http.Response, err error) bool {
	if _, ok := errors.AsType[final](err); ok {
		return false
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return false
	}
	if _, ok := errors.AsType[statusErr](err); ok {
		err = nil // the policy checks the response
	}
	again, _ := retryablehttp.DefaultRetryPolicy(ctx, resp, err)
	return again || err != nil && resp != nil // an interrupted response
}
