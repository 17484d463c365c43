package remote

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"assay/verdict"
)

const hintOther = "is this assayd? the answer may come from a proxy or a login page; check --server"

// result reads the answer that ended the attempts.
func (a *attempts) result(resp *http.Response) (Result, error) {
	c := a.client
	if a.body == nil {
		// The answer of the last attempt has not been read: it was one to retry.
		if err := a.read(resp); err != nil {
			return Result{}, c.classify(err)
		}
	}
	if text := c.otherVersion(resp); text != "" {
		c.config.Notice(text)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		return Result{}, a.patient(c.refusal(resp, a.body))
	}
	bad := func(hint, format string, args ...any) (Result, error) {
		return Result{}, c.errorf(Answer, hint, nil, format, args...)
	}
	if media := mediaType(resp); media != "application/json" {
		return bad(hintOther, "%s answered with %s instead of a verdict", c.address(), media)
	}
	var head struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(a.body, &head); err != nil {
		return bad(hintOther, "the answer of %s is not JSON: %v", c.address(), err)
	}
	if head.Version == nil {
		return bad(hintOther, "the answer of %s is not a verdict", c.address())
	}
	if *head.Version != verdict.Version {
		return bad("download assay from the service again, so that both have the same version",
			"the verdict of %s has format version %d, and this assay supports version %d", c.address(), *head.Version, verdict.Version)
	}
	var v verdict.Verdict
	if err := decode(a.body, &v); err != nil {
		return bad(hintOther, "the verdict of %s cannot be read: %v", c.address(), err)
	}
	if text := string(a.body); scrub(text, c.config.Token) != text {
		return bad("this is a bug in the service; see its log", "the verdict of %s repeats the token in an encoded form", c.address())
	}
	result := Result{Verdict: v, JSON: a.body, Reports: v.Reports}
	result.Verdict.Reports = nil
	if v.Reports != nil {
		result.JSON = withoutReports(a.body)
	}
	result.Distrusted = v.Check()
	if result.Distrusted == nil {
		result.Distrusted = checkSent(v, a.scan)
	}
	if result.Distrusted != nil {
		result.Verdict, result.Reports = result.Verdict.Distrusted(result.Distrusted), nil
		var b bytes.Buffer
		if err := verdict.WriteJSON(&b, result.Verdict); err != nil {
			return bad("this is a bug in assay; please report it", "%v", err)
		}
		result.JSON = b.Bytes()
	}
	return result, nil
}

// withoutReports returns the JSON of a verdict without its reports. decode has accepted
// the body.
func withoutReports(body []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(body))
	if _, err := d.Token(); err != nil {
		return body
	}
	for first := true; d.More(); first = false {
		begin := d.InputOffset() // before the comma
		key, err := d.Token()
		if err != nil {
			return body
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return body
		}
		if name, _ := key.(string); !strings.EqualFold(name, "reports") {
			continue
		}
		rest := body[d.InputOffset():]
		if first {
			rest = bytes.TrimPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(","))
		}
		return slices.Concat(body[:begin], rest)
	}
	return body
}

// mediaType returns the media type of an answer without parameters.
func mediaType(resp *http.Response) string {
	header := resp.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(header); err == nil {
		return media
	}
	if header == "" {
		return "content without a type"
	}
	return header
}

// refusal returns the error for an answer with another status. It contains the error and
// the hint of the service, if there are any.
func (c *Client) refusal(resp *http.Response, body []byte) *Error {
	at, status := c.address(), resp.StatusCode
	kind, hint := Rejected, "see the log of the service, or of the proxy in front of it"
	what := fmt.Sprintf("%s answered %d %s", at, status, http.StatusText(status))
	switch {
	case status >= 300 && status < 400:
		what = fmt.Sprintf("%s redirects to %s, and assay does not follow redirects", at, location(resp))
		hint = "pass the final address with --server; assay does not send a token on"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		kind = Token
		what = fmt.Sprintf("%s refused the token (%d)", at, status)
		hint = "is it a token of this service, or expired or revoked? assayd token list shows all tokens"
		if mediaType(resp) == "text/html" {
			hint = "the answer is a web page: it may come from a proxy or a login page in front of the service"
		}
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		what = fmt.Sprintf("there is no assayd at %s (%d)", at, status)
		hint = "check --server: the address without a path is usually right"
	case status == http.StatusRequestEntityTooLarge:
		what = fmt.Sprintf("%s rejected the inventory as too large (413)", at)
		hint = "raise the limit of the proxy in front of the service"
	case status == http.StatusTooManyRequests:
		what = fmt.Sprintf("%s accepts no more scans at the moment (429)", at)
		hint = "run fewer builds at once, or raise --timeout"
		if after := c.clean(resp.Header.Get("Retry-After")); after != "" {
			hint = fmt.Sprintf("it asks to wait (Retry-After: %s); raise --timeout", after)
		}
	case status >= 500:
		kind = Service
	}
	if message, advice := c.refusalText(resp, body); message != "" {
		what += ": " + message
		if advice != "" {
			hint = advice
		}
	}
	return &Error{Kind: kind, what: c.clean(what), hint: c.clean(hint)}
}

// refusalText returns the error and hint of a JSON answer.
func (c *Client) refusalText(resp *http.Response, body []byte) (message, hint string) {
	var said struct {
		Error string `json:"error"`
		Hint  string `json:"hint"`
	}
	if mediaType(resp) != "application/json" || decode(body, &said) != nil {
		return "", ""
	}
	return c.clean(said.Error), c.clean(said.Hint)
}

// location returns the target of a redirect without its query, which may be secret.
func location(resp *http.Response) string {
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || u.String() == "" {
		return "nowhere"
	}
	if u.Host == "" {
		return strings.TrimSuffix(u.Path, "/")
	}
	return u.Scheme + "://" + u.Host + u.Path
}
