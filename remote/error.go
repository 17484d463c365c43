package remote

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"unicode"
)

// An Error explains to people why there is no verdict, in one line, and has a hint in
// another. Neither contains the token or control characters, and both are short.
type Error struct {
	Kind Kind
	what string
	hint string
	err  error
}

// Error says what happened.
func (e *Error) Error() string { return e.what }

// Hint says what to try next.
func (e *Error) Hint() string { return e.hint }

// Unwrap returns the cause, or nil if the answer itself was the cause.
func (e *Error) Unwrap() error { return e.err }

// A Kind groups errors for the caller.
type Kind int

const (
	// Setup is a configuration that cannot work: address, CA bundle, proxy.
	Setup Kind = iota + 1
	// Token is a token that the service refused. It has an exit code of its own.
	Token
	// Network is a service that cannot be reached: name, connection, proxy.
	Network
	// TLS is an error of a certificate or a handshake.
	TLS
	// Timeout is a deadline that passed.
	Timeout
	// Interrupted means that the caller cancelled.
	Interrupted
	// Rejected is a request that the service rejects: too large, too many, malformed, wrong
	// address.
	Rejected
	// Service is an error of the service.
	Service
	// Answer is a malformed response, or a verdict that cannot be trusted.
	Answer
	// Internal is a bug in assay.
	Internal
)

const (
	hintNetwork = "is the service up, and can the build reach it?"
	hintNoName  = "check --server; a build with --network none, or without the DNS of its host, cannot look up names"
	hintClock   = "the clocks of builder and service may differ, or the certificate needs renewal"
	hintCA      = "pass the CA of the service with --cacert, or start assayd with --ca FILE: the client that it serves then trusts it"
	hintProxy   = "check HTTPS_PROXY, or add the service to NO_PROXY"
	hintProxyCA = "a proxy that inspects TLS has its own CA, and with a proxy the image's own roots are not trusted: pass the CA with --cacert, or add the service to NO_PROXY"
)

// address returns the address of the service as it was given.
func (c *Client) address() string {
	return strings.TrimSuffix(strings.TrimSuffix(c.endpoint, "/api/v1/scans"), "/")
}

// errorf returns an error with a hint and, unless nil, its cause. The token is removed
// before the text is shortened, so that no part of it remains.
func (c *Client) errorf(kind Kind, hint string, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, what: c.clean(fmt.Sprintf(format, args...)), hint: hint, err: cause}
}

// classify explains an error of the connection.
func (c *Client) classify(err error) *Error {
	for _, explain := range []func(error) *Error{c.nameError, c.certificateError, c.connectionError} {
		if e := explain(err); e != nil {
			return e
		}
	}
	at := c.address()
	if errors.Is(err, errAnswerTooLarge) {
		return c.errorf(Answer, "is this assayd? check --server", err, "%s answered with more than %d MiB", at, maxAnswer>>20)
	}
	hint := hintNetwork
	if strings.HasPrefix(at, "http://") {
		hint += " if it has TLS, write https:// in --server"
	}
	cause := err
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		cause = wrapped.Err // the text already has the address
	}
	return c.errorf(Network, hint, err, "the connection to %s broke: %v", at, cause)
}

// nameError explains an error of the proxy or the name server, and returns nil for
// any other.
func (c *Client) nameError(err error) *Error {
	if proxy, ok := errors.AsType[*proxyError](err); ok {
		return c.errorf(Network, hintProxy, err, "no connection to %s: %v", c.address(), proxy)
	}
	if operation, ok := errors.AsType[*net.OpError](err); ok && operation.Op == "proxyconnect" {
		return c.errorf(Network, hintProxy, err, "the proxy cannot be reached: %v", operation.Err)
	}
	dns, ok := errors.AsType[*net.DNSError](err)
	switch {
	case !ok:
		return nil
	case dns.IsNotFound:
		return c.errorf(Network, hintNoName, err, "the name %s does not exist", dns.Name)
	}
	return c.errorf(Network, hintNoName, err, "the name %s could not be looked up: %s", dns.Name, dns.Err)
}

// certificateError explains an error of TLS, and returns nil for any other.
func (c *Client) certificateError(err error) *Error {
	at := c.address()
	if authority, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		hint, by := hintCA, ""
		if c.proxy != nil {
			hint = hintProxyCA
		}
		if authority.Cert != nil {
			by = fmt.Sprintf(", %q", authority.Cert.Issuer)
		}
		return c.errorf(TLS, hint, err, "the certificate of %s is signed by an unknown authority%s", at, by)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return c.expired(err, invalid.Cert)
		}
		return c.errorf(TLS, hintCA, err, "the certificate of %s is not valid: %v", at, invalid)
	}
	if hostname, ok := errors.AsType[x509.HostnameError](err); ok {
		return c.errorf(TLS, "use the name that the certificate is for in --server", err, "the certificate of %s is for another name: %v", at, hostname)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return c.errorf(TLS, "write http:// in --server if the service has no TLS, and check the port", err, "%s does not use TLS", at)
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return c.errorf(TLS, "does a proxy on the way inspect TLS? if not, check the TLS settings of the service", err, "%s broke off the TLS handshake: %v", at, alert)
	}
	return nil
}

// expired explains a certificate that is not valid at this time.
func (c *Client) expired(err error, cert *x509.Certificate) *Error {
	const form = "2006-01-02 15:04 MST"
	at, now := c.address(), c.config.Now()
	switch {
	case cert == nil:
		return c.errorf(TLS, hintClock, err, "the certificate of %s is not valid now", at)
	case now.Before(cert.NotBefore):
		return c.errorf(TLS, hintClock, err, "the certificate of %s is not valid before %s, and here it is %s",
			at, cert.NotBefore.UTC().Format(form), now.UTC().Format(form))
	}
	return c.errorf(TLS, hintClock, err, "the certificate of %s expired on %s, and here it is %s",
		at, cert.NotAfter.UTC().Format(form), now.UTC().Format(form))
}

// connectionError explains an error of the connection itself, and returns nil for
// any other.
func (c *Client) connectionError(err error) *Error {
	at := c.address()
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return c.errorf(Network, c.refusedHint(), err, "%s refused the connection", at)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return c.errorf(Network, "does the build run with --network none?", err, "there is no route to %s", at)
	}
	if network, ok := errors.AsType[net.Error](err); ok && network.Timeout() {
		return c.errorf(Network, "is a firewall in between?", err, "%s did not answer in time", at)
	}
	return nil
}

func (c *Client) refusedHint() string {
	u, err := url.Parse(c.endpoint)
	if err != nil {
		return hintNetwork
	}
	host := u.Hostname()
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return "is the service up? " + host + " inside RUN is the build's own container: use an address that the builder's containers can reach, or build with --network host"
	}
	return "is the service up, and is the port right?"
}

// clean turns a foreign text into one short printable line.
func clean(s string) string {
	const longest = 300
	var b strings.Builder
	n, space := 0, false
	for _, r := range s {
		if n == longest {
			b.WriteString("…")
			break
		}
		if !unicode.IsPrint(r) || r == ' ' || r == unicode.ReplacementChar {
			space = b.Len() > 0
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}
