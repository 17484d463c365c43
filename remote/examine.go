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
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Check is the result of one check of the connection to the service.
type Check struct {
	Name string // "name", "connect", "tls" …
	// Err says what is wrong; it is nil or of type *Error.
	Err error
	// Text describes the result in one line if nothing is wrong.
	Text string
	// Aside marks a note, which is neither good nor bad.
	Aside bool
}

// Examine checks each part of the connection to the service, in the order in which a scan
// uses them, and reports the results. It stops at a failure that makes the next checks
// impossible. It sends the token only after the checks of the service have passed, as a
// scan would. No Check contains the token.
func (c *Client) Examine(ctx context.Context, report func(Check)) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	defer c.http.CloseIdleConnections()
	inner := report
	report = func(check Check) {
		check.Text = scrub(check.Text, c.config.Token)
		inner(check)
	}
	say := func(name, format string, args ...any) {
		report(Check{Name: name, Text: c.clean(fmt.Sprintf(format, args...))})
	}
	aside := func(name, format string, args ...any) {
		report(Check{Name: name, Text: c.clean(fmt.Sprintf(format, args...)), Aside: true})
	}
	bad := func(name string, e *Error) { report(Check{Name: name, Err: c.scrub(e)}) }

	at := c.server
	if c.proxy != nil {
		at = c.proxy
		aside("proxy", "%s, from the environment; with a proxy the roots of this filesystem are not trusted", c.proxy.Host)
	}
	host := at.Hostname()
	if net.ParseIP(host) == nil {
		addrs, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			bad("name", c.classify(err))
			return
		}
		say("name", "%s is %s", host, strings.Join(addrs, ", "))
	}
	dialer := net.Dialer{Timeout: 15 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port(at)))
	if err != nil {
		bad("connect", c.classify(err))
		return
	}
	say("connect", "%s answers", conn.RemoteAddr())
	conn.Close()

	resp, body, err := c.get(ctx, "", "healthz")
	if err != nil {
		e := c.classify(err)
		name := "service"
		if e.Kind == TLS {
			name = "tls"
		}
		bad(name, e)
		if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
			c.examineClockUnverified(ctx, report)
		}
		return
	}
	if resp.TLS == nil {
		aside("tls", "none: anyone on the network path can read the token")
	} else {
		say("tls", "%s", c.describe(*resp.TLS))
	}
	report(c.clock(resp))
	text, wrong := c.health(resp, body)
	if wrong != nil {
		bad("service", wrong)
		return
	}
	say("service", "%s", text)
	if text := c.otherVersion(resp); text != "" {
		aside("version", "%s", text)
	}
	if c.config.Token == "" {
		return
	}
	resp, body, err = c.get(ctx, c.config.Token, "api", "v1", "token")
	switch {
	case err != nil:
		bad("accepted", c.classify(err))
	case resp.StatusCode == http.StatusNotFound:
		aside("accepted", "not checked: this service does not support the check")
	case resp.StatusCode != http.StatusOK:
		bad("accepted", c.refusal(resp, body))
	default:
		text, wrong := c.permits(body)
		if wrong != nil {
			bad("accepted", wrong)
			return
		}
		say("accepted", "%s", text)
	}
}

// get requests a path of the service, with the token unless it is empty.
func (c *Client) get(ctx context.Context, token string, path ...string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server.JoinPath(path...).String(), nil)
	if err != nil {
		return nil, nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if c.config.UserAgent != "" {
		req.Header.Set("User-Agent", c.config.UserAgent)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	return resp, scrubJSON(body, c.config.Token), err
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}

// describe describes the certificate of the service and what makes it trusted.
func (c *Client) describe(state tls.ConnectionState) string {
	leaf := state.PeerCertificates[0]
	days := int(leaf.NotAfter.Sub(c.config.Now()).Hours() / 24)
	by := "trusted by " + c.trustedBy(state)
	if c.config.NoVerify {
		by = "not verified"
	}
	return fmt.Sprintf("%s, issued by %q, valid until %s (%d days), %s",
		tls.VersionName(state.Version), leaf.Issuer, leaf.NotAfter.UTC().Format(time.DateOnly), days, by)
}

// tolerated is the accepted difference of the clocks. With a larger one a certificate that
// was just issued, or is about to be renewed, may be rejected.
const tolerated = 5 * time.Minute

// clock compares the local clock with the service's.
func (c *Client) clock(resp *http.Response) Check {
	const name = "clock"
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return Check{Name: name, Text: "not checked: the service sends no date", Aside: true}
	}
	apart := c.config.Now().Sub(date).Truncate(time.Second)
	way := "ahead of"
	if apart < 0 {
		way = "behind"
	}
	text := fmt.Sprintf("%s %s the service's", apart.Abs(), way)
	if apart.Abs() > tolerated {
		return Check{Name: name, Err: c.errorf(TLS, "set the clock of the builder's machine: a build step cannot", nil, "this clock is %s", text)}
	}
	return Check{Name: name, Text: text}
}

// examineClockUnverified requests the date of a service whose certificate is not valid at
// this time, to find out whether the clock is the reason. It sends no token, and it uses
// nothing else of the answer.
func (c *Client) examineClockUnverified(ctx context.Context, report func(Check)) {
	loose := c.config
	loose.NoVerify, loose.Token = true, ""
	transport, err := newTransport(loose, c.server, c.proxy)
	if err != nil {
		return
	}
	defer transport.CloseIdleConnections()
	other := *c
	other.http = &http.Client{Transport: transport, CheckRedirect: c.http.CheckRedirect}
	if resp, _, err := other.get(ctx, "", "healthz"); err == nil {
		report(c.clock(resp))
	}
}

// health summarises the answer of /healthz in one line.
func (c *Client) health(resp *http.Response, body []byte) (string, *Error) {
	if resp.StatusCode != http.StatusOK {
		return "", c.refusal(resp, body)
	}
	var h struct {
		Status  string    `json:"status"`
		Records int       `json:"records"`
		Updated time.Time `json:"updated"`
		Causes  []struct {
			Text string `json:"text"`
		} `json:"causes"`
	}
	if mediaType(resp) != "application/json" || decode(body, &h) != nil || h.Status != "ok" && h.Status != "degraded" {
		return "", c.errorf(Answer, hintOther, nil, "%s answered with %s, which is not an answer of assayd", c.address(), mediaType(resp))
	}
	if h.Records == 0 {
		return "", c.errorf(Service, "assayd import PATH imports advisories", nil, "%s has no data: every scan ends with code 5", c.address())
	}
	text := fmt.Sprintf("%d advisories, last updated %s", h.Records, h.Updated.UTC().Format("2006-01-02 15:04 MST"))
	if v := resp.Header.Get(versionHeader); v != "" {
		text = "assayd " + v + ", " + text
	}
	for _, cause := range h.Causes {
		text += "; " + cause.Text
	}
	return text, nil
}

// permits summarises what the service says about the token.
func (c *Client) permits(body []byte) (string, *Error) {
	var t struct {
		Name    string    `json:"name"`
		Scopes  []string  `json:"scopes"`
		Project string    `json:"project"`
		Expires time.Time `json:"expires"`
	}
	if err := decode(body, &t); err != nil {
		return "", c.errorf(Answer, hintOther, nil, "malformed answer about the token")
	}
	text := fmt.Sprintf("token %q, scope %s", t.Name, strings.Join(t.Scopes, " "))
	if t.Project != "" {
		text += fmt.Sprintf(", project %q", t.Project)
	}
	if !t.Expires.IsZero() {
		text += ", expires on " + t.Expires.UTC().Format(time.DateOnly)
	}
	if !slices.Contains(t.Scopes, "scan") && !slices.Contains(t.Scopes, "admin") {
		return "", c.errorf(Token, "assayd token create --scope scan makes one that can", nil, "%s: it cannot scan", text)
	}
	return text, nil
}
