package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	// maxAnswer bounds a verdict; that of the largest images has some 10 MiB.
	maxAnswer = 64 << 20
	// maxRefusal bounds what is read of any other answer.
	maxRefusal = 64 << 10
)

// attempts is the state of one scan over its attempts.
type attempts struct {
	client *Client
	body   []byte // of the answer, once it is complete
	last   *Error // why the last attempt is to be repeated
}

var errAnswerTooLarge = errors.New("the answer is too large")

// read takes in an answer that ends the attempts, so that one which breaks off
// in the middle is asked for again.
func (a *attempts) read(resp *http.Response) error {
	limit := int64(maxAnswer)
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		limit = maxRefusal
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return err
	}
	if int64(len(body)) > limit {
		if limit == maxAnswer {
			return errAnswerTooLarge
		}
		body = body[:limit]
	}
	a.body = body
	return nil
}

// checkRetry decides whether an attempt is to be repeated, and keeps why. It
// returns no error of its own, since that would hide the cause.
func (a *attempts) checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	switch {
	case ctx.Err() != nil:
		return false, nil
	case err != nil:
		if !transient(err) {
			return false, nil
		}
		a.last = a.client.classify(err)
	case retriedStatus(resp.StatusCode):
		a.last = a.client.refusal(resp, nil)
		if wait, ok := a.retryAfter(resp); ok && !a.fits(ctx, wait) {
			return false, nil
		}
	default:
		return false, nil
	}
	return true, nil
}

// transient reports whether an error of the connection may be gone in a moment:
// all but those that say the name, the certificate or the protocol is wrong.
func transient(err error) bool {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return !dns.IsNotFound
	}
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		invalid      x509.CertificateInvalidError
		hostname     x509.HostnameError
		record       tls.RecordHeaderError
		alert        tls.AlertError
		proxy        *proxyError
	)
	switch {
	case errors.As(err, &verification), errors.As(err, &authority), errors.As(err, &invalid), errors.As(err, &hostname),
		errors.As(err, &record), errors.As(err, &alert), errors.As(err, &proxy),
		errors.Is(err, http.ErrSchemeMismatch), errors.Is(err, errAnswerTooLarge):
		return false
	}
	return true
}

func retriedStatus(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout ||
		status >= 500 && status != http.StatusNotImplemented
}

// backoff says how long to wait, and tells the user. What the service asks for
// is kept to, else the wait doubles up to its bound.
func (a *attempts) backoff(shortest, longest time.Duration, attempt int, resp *http.Response) time.Duration {
	wait, ok := a.retryAfter(resp)
	if !ok {
		wait = min(shortest<<min(attempt, 20), longest)
	}
	if a.last != nil {
		what := a.client.scrub(a.last).what
		a.client.config.Notice(fmt.Sprintf("%s; trying again in %s", what, wait.Round(10*time.Millisecond)))
	}
	return wait
}

// retryAfter reads the header of that name, seconds or a date (RFC 9110,
// section 10.2.3).
func (a *attempts) retryAfter(resp *http.Response) (time.Duration, bool) {
	if resp == nil {
		return 0, false
	}
	value := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(date.Sub(a.client.config.Now()), 0), true
	}
	return 0, false
}

// fits reports whether a wait ends before the deadline.
func (a *attempts) fits(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || wait < time.Until(deadline)
}

// failed turns the error that ended the attempts into one for people. When it
// was the deadline, the cause is what was being waited for.
func (a *attempts) failed(ctx context.Context, err error) *Error {
	c := a.client
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return &Error{Kind: Interrupted, what: "interrupted", hint: "run it again", err: err}
	case ctx.Err() == nil:
		return c.classify(err)
	case a.last != nil:
		e := *a.last
		e.Kind = Timeout
		e.what = fmt.Sprintf("%s; gave up after %s", a.last.what, c.config.Timeout)
		e.err = errors.Join(context.DeadlineExceeded, a.last.err)
		return &e
	}
	return &Error{
		Kind: Timeout,
		what: fmt.Sprintf("no complete answer from %s within %s", c.address(), c.config.Timeout),
		hint: "is the service overloaded, or a firewall in between? --timeout allows more",
		err:  errors.Join(context.DeadlineExceeded, err),
	}
}
