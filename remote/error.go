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

// An Error is why there is no verdict, for people: what happened in one line,
// and in another what to do. Neither contains the token, control characters or
// an unbounded text of the service.
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

// Unwrap returns the cause, nil where the answer itself was the fault.
func (e *Error) Unwrap() error { return e.err }

// A Kind groups errors by what they mean to the caller.
type Kind int

const (
	// Setup is a configuration that cannot work: address, CA bundle, proxy.
	Setup Kind = iota + 1
	// Token is a token that the service refused. It is the one kind with an exit
	// code of its own.
	Token
	// Network is a service that cannot be reached: name, connection, proxy.
	Network
	// TLS is a certificate or a handshake.
	TLS
	// Timeout is a deadline that passed.
	Timeout
	// Interrupted is a caller that cancelled.
	Interrupted
	// Rejected is a request that the service does not take: too large, too many,
	// not understood, not there.
	Rejected
	// Service is a fault of the service.
	Service
	// Answer is an answer that is no verdict, or none that can be relied on.
	Answer
	// Internal is a fault of assay itself.
	Internal
)

const (
	hintNetwork = "is the service up, and may the build reach it?"
	hintNoName  = "check --server; a build with --network none, or without the DNS of its host, finds no names"
	hintClock   = "the clocks of builder and service may differ, or the certificate must be renewed"
	hintCA      = "give the CA of the service with --cacert, or start assayd with --ca FILE: the client that it serves then trusts it"
	hintProxy   = "check HTTPS_PROXY, or put the service into NO_PROXY"
	hintProxyCA = "a proxy that looks into TLS has a CA of its own; through a proxy the image's own roots do not count: give it with --cacert, or put the service into NO_PROXY"
)

// address names the service as it was given.
func (c *Client) address() string {
	return strings.TrimSuffix(strings.TrimSuffix(c.endpoint, "/api/v1/scans"), "/")
}

// classify says what an error of the connection means.
func (c *Client) classify(err error) *Error {
	at := c.address()
	e := func(kind Kind, hint, format string, args ...any) *Error {
		return &Error{Kind: kind, what: clean(fmt.Sprintf(format, args...)), hint: hint, err: err}
	}
	var (
		proxy     *proxyError
		operation *net.OpError
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		hostname  x509.HostnameError
		alert     tls.AlertError
		record    tls.RecordHeaderError
		network   net.Error
	)
	switch {
	case errors.Is(err, errAnswerTooLarge):
		return e(Answer, "is this assayd? check --server", "%s answered with more than %d MiB", at, maxAnswer>>20)
	case errors.As(err, &proxy):
		return e(Network, hintProxy, "no connection to %s: %v", at, proxy)
	case errors.As(err, &operation) && operation.Op == "proxyconnect":
		return e(Network, hintProxy, "the proxy cannot be reached: %v", operation.Err)
	case errors.As(err, &dns) && dns.IsNotFound:
		return e(Network, hintNoName, "the name %s does not exist", dns.Name)
	case errors.As(err, &dns):
		return e(Network, hintNoName, "the name %s could not be looked up: %s", dns.Name, dns.Err)

	case errors.As(err, &authority):
		hint, by := hintCA, ""
		if c.proxy != nil {
			hint = hintProxyCA
		}
		if authority.Cert != nil {
			by = fmt.Sprintf(", %q", authority.Cert.Issuer)
		}
		return e(TLS, hint, "the certificate of %s is signed by an unknown authority%s", at, by)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if now := c.config.Now(); invalid.Cert != nil && now.Before(invalid.Cert.NotBefore) {
			return e(TLS, hintClock, "the certificate of %s is not valid before %s, and here it is %s",
				at, invalid.Cert.NotBefore.UTC().Format("2006-01-02 15:04 MST"), now.UTC().Format("2006-01-02 15:04 MST"))
		} else if invalid.Cert != nil {
			return e(TLS, hintClock, "the certificate of %s expired on %s, and here it is %s",
				at, invalid.Cert.NotAfter.UTC().Format("2006-01-02 15:04 MST"), now.UTC().Format("2006-01-02 15:04 MST"))
		}
		return e(TLS, hintClock, "the certificate of %s is not valid now", at)
	case errors.As(err, &invalid):
		return e(TLS, hintCA, "the certificate of %s is not valid: %v", at, invalid)
	case errors.As(err, &hostname):
		return e(TLS, "use the name that the certificate is for in --server", "the certificate of %s is for another name: %v", at, hostname)
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return e(TLS, "write http:// in --server if the service has no TLS, and check the port", "%s does not speak TLS", at)
	case errors.As(err, &alert):
		return e(TLS, "does a proxy in between look into TLS? else check the TLS settings of the service", "%s broke off the TLS handshake: %v", at, alert)

	case errors.Is(err, syscall.ECONNREFUSED):
		return e(Network, c.refusedHint(), "%s refused the connection", at)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return e(Network, "does the build run with --network none?", "there is no route to %s", at)
	case errors.As(err, &network) && network.Timeout():
		return e(Network, "is a firewall in between?", "%s did not answer in time", at)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // the address is said already
	}
	hint := hintNetwork
	if strings.HasPrefix(at, "http://") {
		hint += " if it has TLS, write https:// in --server"
	}
	return e(Network, hint, "the connection to %s broke: %v", at, err)
}

func (c *Client) refusedHint() string {
	u, err := url.Parse(c.endpoint)
	if err != nil {
		return hintNetwork
	}
	host := u.Hostname()
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return "is the service up? " + host + " inside RUN is the build's own container: give an address that the builder's containers reach, or build with --network host"
	}
	return "is the service up, and is the port right?"
}

// clean makes one printable line of bounded length out of a text of others.
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
