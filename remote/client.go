// Package remote connects assay to the service: it sends a scan and returns the verdict.
// It retries within one deadline and explains a failure in an error and a hint. It sends
// the token only to the configured service.
package remote

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"assay/remote/cyclonedx"
	"assay/verdict"
)

// DefaultTimeout is the default deadline of a scan.
const DefaultTimeout = 5 * time.Minute

// DefaultOutage is how long the client retries a service that cannot be reached. A service
// restarts within seconds. If it is down for longer, it should not delay every build until
// its deadline.
const DefaultOutage = 90 * time.Second

// A Config has the address of the service and how to connect to it.
type Config struct {
	// Server is the http or https address of the service. It may have a path.
	Server string
	// Token authenticates the client. The caller has checked its form.
	Token string
	// UserAgent names the client, "assay/0.1.0".
	UserAgent string
	// Version is the version of the client, which is compared with the service's.
	Version string
	// CAs are trusted in addition to the built-in roots and those of the filesystem.
	CAs []CA
	// StoreRoot is the filesystem whose own root certificates are trusted if no proxy is
	// used; "" is "/".
	StoreRoot string
	// NoVerify accepts any certificate.
	NoVerify bool
	// Timeout is the deadline for everything, including retries; 0 is DefaultTimeout.
	Timeout time.Duration
	// Notice, if set, receives one-line warnings that do not end the scan: why and for how
	// long the client retries, a proxy that is not used, a service of another version.
	Notice func(string)

	// RetryWait is the upper limit of the random wait before the first retry. It doubles
	// with each retry until MaxRetryWait. The defaults are half a second and 10 seconds.
	RetryWait, MaxRetryWait time.Duration
	// Outage is how long to retry if the service cannot be reached; 0 is DefaultOutage.
	Outage time.Duration
	// Now is the clock for certificates and the dates of the service; nil is time.Now.
	Now func() time.Time
	// Proxy chooses the proxy for the service; nil uses the environment. For plain http no
	// proxy is used, because it could read the token.
	Proxy func(*http.Request) (*url.URL, error)
}

// A Client sends scans to one service.
type Client struct {
	config   Config
	server   *url.URL
	endpoint string
	proxy    *url.URL // nil for a direct connection
	http     *http.Client
}

// New makes a client. Its errors are of type *Error and Kind Setup.
func New(c Config) (*Client, error) {
	server, err := parseServer(c.Server)
	if err != nil {
		return nil, err
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.RetryWait <= 0 {
		c.RetryWait = 500 * time.Millisecond
	}
	if c.MaxRetryWait <= 0 {
		c.MaxRetryWait = 10 * time.Second
	}
	if c.Outage <= 0 {
		c.Outage = DefaultOutage
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if notice := c.Notice; notice == nil {
		c.Notice = func(string) {}
	} else {
		token := c.Token
		c.Notice = func(text string) { notice(scrub(text, token)) }
	}
	proxy, err := chooseProxy(c, server)
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(c, server, proxy)
	if err != nil {
		return nil, err
	}
	return &Client{
		config:   c,
		server:   server,
		endpoint: server.JoinPath("api", "v1", "scans").String(),
		proxy:    proxy,
		http: &http.Client{
			Transport: transport,
			// Redirects are not followed, so the token goes nowhere else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func parseServer(server string) (*url.URL, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, &Error{
			Kind: Setup,
			what: fmt.Sprintf("invalid server address %q", clean(server)),
			hint: "write it as https://assay.example.com",
		}
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, &Error{
			Kind: Setup,
			what: fmt.Sprintf("invalid server address %q: only a host and a path are allowed", clean(u.Redacted())),
			hint: "write it as https://assay.example.com; pass the token separately",
		}
	}
	return u, nil
}

// A Result is the answer of the service to a scan.
type Result struct {
	// Verdict has no Reports.
	Verdict verdict.Verdict
	// JSON is what the verdict was read from, without reports.
	JSON []byte
	// Reports are the reports that were asked for and that the service sent, by format.
	Reports map[string]string
	// Distrusted is why the client does not believe the answer, or nil. Verdict and JSON
	// say so. Reports is empty then: the service rendered them before.
	Distrusted error
}

// Scan sends a scan, and asks for reports in the given formats. Its errors are of type
// *Error. A report that the service did not send is not an error.
func (c *Client) Scan(ctx context.Context, scan cyclonedx.Scan, reports ...string) (Result, error) {
	query := url.Values{"report": reports}.Encode()
	if query != "" {
		query = "?" + query
	}
	return c.post(ctx, scan, query)
}

// Try returns the verdict that Scan would return, but the service does not store the scan.
func (c *Client) Try(ctx context.Context, scan cyclonedx.Scan) (verdict.Verdict, error) {
	result, err := c.post(ctx, scan, "?keep=false")
	return result.Verdict, err
}

func (c *Client) post(ctx context.Context, scan cyclonedx.Scan, query string) (Result, error) {
	body, err := compress(scan)
	if err != nil {
		return Result{}, c.errorf(Internal, "this is a bug in assay; please report it", err, "%v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, c.endpoint+query, body)
	if err != nil {
		return Result{}, c.errorf(Setup, "check --server", err, "%v", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.config.Token)
	req.Header.Set("Content-Type", "application/vnd.cyclonedx+json; version=1.6")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Idempotency-Key", rand.Text())
	if c.config.UserAgent != "" {
		req.Header.Set("User-Agent", c.config.UserAgent)
	}

	a := &attempts{client: c, scan: scan}
	defer c.http.CloseIdleConnections()
	resp, err := a.do(req)
	if resp != nil {
		defer resp.Body.Close()
	}
	if err != nil {
		return Result{}, c.scrub(a.failed(ctx, err))
	}
	result, err := a.result(resp)
	if err != nil {
		return Result{}, c.scrub(c.asError(err))
	}
	return result, nil
}

// clean returns a text as one short line without the token.
func (c *Client) clean(text string) string { return clean(scrub(text, c.config.Token)) }

// scrub removes the token from an error, as the last line of defence.
func (c *Client) scrub(e *Error) *Error {
	e.what, e.hint = scrub(e.what, c.config.Token), scrub(e.hint, c.config.Token)
	return e
}

func compress(scan cyclonedx.Scan) ([]byte, error) {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if err := cyclonedx.Encode(w, scan); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// chooseProxy returns the proxy for the service, or nil. Without TLS a proxy could read the
// token, so none is used then.
func chooseProxy(c Config, server *url.URL) (*url.URL, error) {
	choose := c.Proxy
	if choose == nil {
		choose = http.ProxyFromEnvironment
	}
	proxy, err := choose(&http.Request{URL: server})
	if server.Scheme == "http" {
		if proxy != nil || err != nil {
			c.Notice("HTTP_PROXY is set and was ignored: without TLS the proxy could read the token")
		}
		return nil, nil
	}
	if err != nil {
		return nil, &Error{Kind: Setup, what: "invalid address of the proxy", hint: "write HTTPS_PROXY as http://proxy.example.com:3128"}
	}
	return proxy, nil
}

func newTransport(c Config, server, proxy *url.URL) (*http.Transport, error) {
	dialer := &net.Dialer{Timeout: 15 * time.Second}
	// Only HTTP/1: net/http's HTTP/2 prints all headers, and so the token, if the image sets
	// GODEBUG=http2debug=1, which is read before main.
	var http1 http.Protocols
	http1.SetHTTP1(true)
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    15 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		Protocols:              &http1,
	}
	if server.Scheme == "http" {
		return t, nil
	}
	t.Proxy = http.ProxyURL(proxy)
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
		if resp.StatusCode == http.StatusOK {
			return nil
		}
		return &proxyError{resp.StatusCode}
	}
	config, err := tlsConfig(c, proxy != nil)
	if err != nil {
		return nil, err
	}
	t.TLSClientConfig = config
	return t, nil
}

// A proxyError reports a proxy that refuses the connection to the service.
type proxyError struct{ status int }

func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy answered %d %s", e.status, http.StatusText(e.status))
}

func (c *Client) asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return c.errorf(Network, hintNetwork, err, "%v", err)
}
