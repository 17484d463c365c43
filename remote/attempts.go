package remote

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"assay/remote/cyclonedx"
	"assay/verdict"
)

const (
	// maxAnswer limits the size of a verdict with its reports.
	maxAnswer = verdict.MaxAnswer
	// maxRefusal limits how much is read of any other answer.
	maxRefusal = 64 << 10
)

// attempts is the state of one request and its retries.
type attempts struct {
	client *Client
	body   []byte // of the answer, once it is complete
	last   *Error // why the last attempt is retried
	cause  cause  // the same, as a group with a limit
	since  time.Time
	gaveUp time.Duration // after how long the retries ended
	said   map[cause]bool
	// scan is what was sent.
	scan cyclonedx.Scan
}

// A cause is a group of reasons to retry that share a time limit. Its text is for people.
type cause string

const (
	// never is a reason not to retry.
	never cause = ""
	// busy is a service that asks the client to wait. The limit is the deadline.
	busy cause = "it is busy"
	// away is a service that cannot be reached or fails, for example during a restart. The
	// limit is Config.Outage, so that builds do not wait longer for a service that is down.
	away cause = "it may be restarting"
	// unnamed is a name server that does not answer. A step without a network looks the
	// same, so the limit is short.
	unnamed cause = "the name server does not answer"
)

// maxUnnamed limits the wait for a name server.
const maxUnnamed = 5 * time.Second

// bound returns the time limit of a cause; 0 is the deadline.
func (a *attempts) bound(c cause) time.Duration {
	switch c {
	case away:
		return a.client.config.Outage
	case unnamed:
		return maxUnnamed
	}
	return 0
}

var errAnswerTooLarge = errors.New("the answer is too large")

// do sends a request until checkRetry ends the attempts.
func (a *attempts) do(req *retryablehttp.Request) (*http.Response, error) {
	req.SetResponseHandler(a.read)
	c := a.client
	retrying := retryablehttp.Client{
		HTTPClient:   c.http,
		RetryMax:     math.MaxInt32, // checkRetry limits them by time
		RetryWaitMin: c.config.RetryWait,
		RetryWaitMax: c.config.MaxRetryWait,
		CheckRetry:   a.checkRetry,
		Backoff:      a.backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return retrying.Do(req)
}

// read reads the body of an answer. It runs inside an attempt, so an answer that breaks off
// in the middle is retried.
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
	a.body = scrubJSON(body, a.client.config.Token)
	return nil
}

// checkRetry decides whether to retry, and stores the reason. It returns no error, because
// that would hide the cause.
func (a *attempts) checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, nil
	}
	var why cause
	if err != nil {
		why = causeOf(err)
	} else {
		why = causeOfStatus(resp)
	}
	if why == never {
		return false, nil
	}
	if why != a.cause {
		a.cause, a.since = why, time.Now()
	}
	asked, _ := a.retryAfter(resp)
	if bound := a.bound(why); bound > 0 && time.Since(a.since)+asked >= bound {
		a.gaveUp = bound
		return false, nil
	}
	if err != nil {
		a.last = a.client.classify(err)
		return true, nil
	}
	a.last = a.client.refusal(resp, nil)
	return a.fits(ctx, asked), nil
}

// causeOf returns whether an error of the connection may be temporary: every error except
// those about a wrong name, certificate or protocol.
func causeOf(err error) cause {
	var (
		dns          *net.DNSError
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		invalid      x509.CertificateInvalidError
		hostname     x509.HostnameError
		record       tls.RecordHeaderError
		alert        tls.AlertError
		proxy        *proxyError
	)
	switch {
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return never
		}
		return unnamed
	case errors.As(err, &proxy):
		if proxy.status >= 500 { // the proxy cannot reach the service
			return away
		}
		return never
	case errors.As(err, &verification), errors.As(err, &authority), errors.As(err, &invalid), errors.As(err, &hostname),
		errors.As(err, &record), errors.As(err, &alert),
		errors.Is(err, http.ErrSchemeMismatch), errors.Is(err, errAnswerTooLarge), errors.Is(err, syscall.ENETUNREACH):
		return never
	}
	return away
}

// causeOfStatus returns whether the status of an answer may be temporary.
func causeOfStatus(resp *http.Response) cause {
	switch status := resp.StatusCode; {
	case status == http.StatusTooManyRequests:
		return busy
	case status == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
		return busy
	case status == http.StatusRequestTimeout, status >= 500 && status != http.StatusNotImplemented:
		return away
	}
	return never
}

// backoff returns how long to wait before a retry. It tells the user the reason once for
// each cause.
//
// The wait is random, from zero to an upper limit that doubles ("full jitter"). So builds
// that were rejected together do not all return together. The time that the service asks
// for is added.
func (a *attempts) backoff(shortest, longest time.Duration, attempt int, resp *http.Response) time.Duration {
	wait := rand.N(min(shortest<<min(attempt, 20), longest) + 1)
	if asked, ok := a.retryAfter(resp); ok {
		wait += asked
	}
	if a.last != nil && !a.said[a.cause] {
		if a.said == nil {
			a.said = map[cause]bool{}
		}
		a.said[a.cause] = true
		bound := cmp.Or(a.bound(a.cause), a.client.config.Timeout)
		if timeout := a.client.config.Timeout; timeout > 0 {
			bound = min(bound, timeout)
		}
		a.client.config.Notice(fmt.Sprintf("%s; %s, retrying for up to %s", a.client.scrub(a.last).what, a.cause, bound))
	}
	return wait
}

// retryAfter returns the time in the Retry-After header, which has seconds or a date (RFC
// 9110, section 10.2.3).
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

// failed returns the error for people after the last attempt. If the deadline has passed,
// the error names the reason of the last retry.
func (a *attempts) failed(ctx context.Context, err error) *Error {
	c := a.client
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return &Error{Kind: Interrupted, what: "interrupted", hint: "run it again", err: err}
	case ctx.Err() == nil:
		return a.patient(c.classify(err))
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
		hint: "is the service overloaded, or is a firewall in between? raise --timeout to wait longer",
		err:  errors.Join(context.DeadlineExceeded, err),
	}
}

// patient adds to an error how long the client retried.
func (a *attempts) patient(e *Error) *Error {
	if a.gaveUp > 0 {
		e.what += fmt.Sprintf("; gave up after %s", a.gaveUp)
	}
	return e
}
