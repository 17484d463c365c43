package remote

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/hashicorp/go-retryablehttp"
)

// A Scanned describes the scans of a commit that the service has.
type Scanned struct {
	Passed bool   // the newest scan passed
	Scan   string // id of the newest scan; empty if none has arrived
	Code   int    // exit code of the newest scan
	Text   string // one line for people
	Hint   string
}

// Scanned asks whether a passing scan of a commit has arrived. If project is not empty, only
// its scans count. Scanned retries as Scan does. Its errors are of type *Error.
func (c *Client) Scanned(ctx context.Context, commit, project string) (Scanned, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	defer c.http.CloseIdleConnections()
	query := url.Values{"commit": {commit}}
	if project != "" {
		query.Set("project", project)
	}
	at := c.server.JoinPath("api", "v1", "passed")
	at.RawQuery = query.Encode()
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return Scanned{}, c.errorf(Setup, "check --server", err, "%v", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.config.Token)
	if c.config.UserAgent != "" {
		req.Header.Set("User-Agent", c.config.UserAgent)
	}
	a := &attempts{client: c}
	resp, err := a.do(req)
	if err != nil {
		return Scanned{}, c.scrub(a.failed(ctx, err))
	}
	defer resp.Body.Close()
	if a.body == nil { // the answer of the last attempt has not been read
		if err := a.read(resp); err != nil {
			return Scanned{}, c.scrub(c.classify(err))
		}
	}
	body := a.body
	var answer struct {
		Passed      *bool
		Scan        string
		Code        int
		Outcome     string
		Error, Hint string
	}
	known := resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusConflict
	if !known || mediaType(resp) != "application/json" || decode(body, &answer) != nil || answer.Passed == nil {
		if resp.StatusCode == http.StatusOK {
			return Scanned{}, c.errorf(Answer, hintOther, nil, "malformed answer of %s", c.address())
		}
		return Scanned{}, c.scrub(c.refusal(resp, body))
	}
	if *answer.Passed != (resp.StatusCode == http.StatusOK) || *answer.Passed && (answer.Scan == "" || answer.Code != 0) {
		return Scanned{}, c.errorf(Answer, "this is a bug in the service; see its log", nil, "the answer of %s contradicts itself", c.address())
	}
	s := Scanned{Passed: *answer.Passed, Scan: c.clean(answer.Scan), Code: answer.Code, Text: c.clean(answer.Error), Hint: c.clean(answer.Hint)}
	if s.Passed {
		s.Text = fmt.Sprintf("commit %s passed in scan %s", c.clean(commit), s.Scan)
	}
	return s, nil
}
