package source

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// A Network says what may be connected to. The zero value connects to public addresses over
// TLS and to nothing else: not to loopback, link-local, private or otherwise special
// addresses, whatever name leads there.
//
// The address is checked after its name was resolved, when the connection is made. So a name
// that resolves differently a second time gains nothing, and redirects, token services and
// layers on other hosts are checked like the registry. Proxies of the environment are not
// used, since they would resolve the names.
type Network struct {
	allowed []allowed
	// CAs are trusted besides the roots of the system; nil for none.
	CAs *x509.CertPool
}

// An allowed is an entry of the list of allowed addresses.
type allowed struct {
	prefix netip.Prefix // or
	host   string       // in lower case
	port   string       // empty: all
	plain  bool         // HTTP without TLS
}

// Private returns the entries for loopback and private addresses.
func Private() []string {
	return []string{"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"}
}

// ParseNetwork returns the Network that also connects to the addresses of a list. An entry is
// an address range (10.1.0.0/16), an address or a host name, the latter two with or without a
// port (registry.lan:5000). With "http://" before it, an entry allows HTTP without TLS to
// loopback and private addresses. Loopback addresses may always be HTTP if they are allowed.
func ParseNetwork(list []string) (*Network, error) {
	n := &Network{}
	for _, text := range list {
		a, err := parseAllowed(text)
		if err != nil {
			return nil, fmt.Errorf("invalid entry %q: %w", text, err)
		}
		n.allowed = append(n.allowed, a)
	}
	return n, nil
}

func parseAllowed(text string) (allowed, error) {
	rest, plain := strings.CutPrefix(text, "http://")
	a := allowed{plain: plain}
	if prefix, err := netip.ParsePrefix(rest); err == nil {
		a.prefix = prefix.Masked()
		return a, nil
	}
	host := rest
	if h, port, err := net.SplitHostPort(rest); err == nil {
		host, a.port = h, port
		if _, err := net.LookupPort("tcp", port); err != nil || port == "" {
			return a, fmt.Errorf("invalid port %q", port)
		}
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		ip = ip.Unmap()
		a.prefix = netip.PrefixFrom(ip, ip.BitLen())
		return a, nil
	}
	a.host = hostName(host)
	if u, err := url.Parse("//" + a.host); err != nil || a.host == "" || u.Host != a.host || strings.Contains(a.host, ":") || !strings.ContainsAny(a.host, "abcdefghijklmnopqrstuvwxyz") {
		return a, fmt.Errorf("neither an address range nor a host")
	}
	return a, nil
}

// hostName returns a host name in the form in which it is compared.
func hostName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// An AddressError is returned for an address that may not be connected to.
type AddressError struct {
	Host  string // as it was named, with its port
	IP    netip.Addr
	Plain bool // refused because of HTTP without TLS
}

func (e *AddressError) Error() string {
	where := e.IP.String()
	if host, _, err := net.SplitHostPort(e.Host); err == nil && host != where {
		where = fmt.Sprintf("%s (%s)", where, e.Host)
	}
	if e.Plain {
		return fmt.Sprintf("connect to %s: HTTP without TLS is not allowed there", where)
	}
	return fmt.Sprintf("connect to %s: not a public address", where)
}

// special are the address ranges without public hosts that the methods of netip.Addr do not
// cover (IANA's registries of special-purpose addresses). Of IPv6, only 2000::/3 is public.
var special = func() []netip.Prefix {
	var list []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"168.63.129.16/32",                                     // the platform of Azure
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", // Teredo, documentation, 6to4
	} {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}()

var publicIPv6 = netip.MustParsePrefix("2000::/3")

// public reports whether an address is one of the public Internet.
func public(ip netip.Addr) bool {
	if ip.IsPrivate() || !ip.IsGlobalUnicast() || ip.Is6() && !publicIPv6.Contains(ip) {
		return false
	}
	for _, p := range special {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}

// check returns an *AddressError unless an address may be connected to under a name.
func (n *Network) check(host, port string, ip netip.Addr, plain bool) error {
	ip = ip.Unmap().WithZone("")
	isPublic := public(ip)
	ok, plainOK := isPublic, false
	for _, a := range n.allowed {
		if a.port != "" && a.port != port || a.host != "" && a.host != hostName(host) || a.host == "" && !a.prefix.Contains(ip) {
			continue
		}
		ok = true
		plainOK = plainOK || a.plain || ip.IsLoopback()
	}
	switch {
	case !ok:
		return &AddressError{Host: net.JoinHostPort(host, port), IP: ip}
	case plain && (!plainOK || isPublic):
		return &AddressError{Host: net.JoinHostPort(host, port), IP: ip, Plain: true}
	}
	return nil
}

// plain reports whether an entry allows HTTP to a registry by its name.
func (n *Network) plain(registry string) bool {
	host, port, err := net.SplitHostPort(registry)
	if err != nil {
		host, port = registry, "80"
	}
	host = strings.Trim(host, "[]")
	ip, _ := netip.ParseAddr(host)
	for _, a := range n.allowed {
		if a.plain && (a.port == "" || a.port == port) && (a.host != "" && a.host == hostName(host) || ip.IsValid() && a.prefix.IsValid() && a.prefix.Contains(ip)) {
			return true
		}
	}
	return false
}

// Bounds of a connection.
const (
	dialTime     = 15 * time.Second
	headerTime   = time.Minute
	stallTime    = time.Minute // without a byte
	maxRedirects = 5
)

// transport returns what makes all requests. Close its idle connections after use.
func (n *Network) transport() *guard {
	g := &guard{}
	for _, plain := range []bool{false, true} {
		t := &http.Transport{
			DialContext:            n.dialer(plain),
			TLSClientConfig:        &tls.Config{RootCAs: n.CAs, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    dialTime,
			ResponseHeaderTimeout:  headerTime,
			MaxResponseHeaderBytes: 1 << 20,
			IdleConnTimeout:        30 * time.Second,
			DisableCompression:     true, // a layer is read as it was sent
		}
		if plain {
			g.plain = t
		} else {
			g.secure = t
		}
	}
	return g
}

func (n *Network) dialer(plain bool) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		d := &net.Dialer{Timeout: dialTime, Control: func(_, resolved string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(resolved)
			if err != nil {
				return fmt.Errorf("connect to %q: %w", resolved, err)
			}
			return n.check(host, port, to.Addr(), plain)
		}}
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &stalling{conn}, nil
	}
}

// A stalling is a connection that fails if no byte arrives for some time.
type stalling struct{ net.Conn }

func (s *stalling) Read(b []byte) (int, error) {
	if err := s.SetReadDeadline(time.Now().Add(stallTime)); err != nil {
		return 0, err
	}
	return s.Conn.Read(b)
}

// A guard makes requests, and refuses redirects that lead to HTTP or are too many. It sees
// every request, so it does not matter which http.Client follows the redirects.
type guard struct{ secure, plain *http.Transport }

func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	refuse := func(format string, args ...any) (*http.Response, error) {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, &Error{Kind: Invalid, Err: fmt.Errorf(format, args...)}
	}
	hops := 0
	for before := r.Response; before != nil && before.Request != nil; before = before.Request.Response {
		if hops++; hops > maxRedirects {
			return refuse("more than %d redirects", maxRedirects)
		}
	}
	if hops > 0 && r.URL.Scheme == "http" && r.Response.Request.URL.Scheme == "https" {
		return refuse("%s redirects from HTTPS to HTTP", r.Response.Request.URL.Host)
	}
	switch r.URL.Scheme {
	case "https":
		return g.secure.RoundTrip(r)
	case "http":
		return g.plain.RoundTrip(r)
	}
	return refuse("unsupported URL scheme %q", r.URL.Scheme)
}

func (g *guard) CloseIdleConnections() {
	g.secure.CloseIdleConnections()
	g.plain.CloseIdleConnections()
}
