package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// A Scanned is what the service knows of the scans of a commit.
type Scanned struct {
	Passed bool   // the newest scan passed
	Scan   string // id of the newest scan; empty: none has arrived
	Code   int    // exit code of the newest scan
	Text   string // one line for people
	Hint   string
}

// Scanned asks whether a passing scan of a commit has arrived; a project that is
// not empty leaves out all others. Its errors are of type *Error.
func (c *Client) Scanned(ctx context.Context, commit, project string) (Scanned, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	defer c.http.CloseIdleConnections()
	query := url.Values{"commit": {commit}}
	if project != "" {
		query.Set("project", project)
	}
	resp, body, err := c.getQuery(ctx, c.config.Token, query, "api", "v1", "passed")
	if err != nil {
		return Scanned{}, c.scrub(c.classify(err))
	}
	var answer struct {
		Passed      *bool
		Scan        string
		Code        int
		Outcome     string
		Error, Hint string
	}
	known := resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusConflict
	if !known || mediaType(resp) != "application/json" || json.Unmarshal(body, &answer) != nil || answer.Passed == nil {
		if resp.StatusCode == http.StatusOK {
			return Scanned{}, &Error{Kind: Answer, what: clean(fmt.Sprintf("the answer of %s cannot be read", c.address())), hint: hintOther}
		}
		return Scanned{}, c.scrub(c.refusal(resp, body))
	}
	if *answer.Passed != (resp.StatusCode == http.StatusOK) || *answer.Passed && (answer.Scan == "" || answer.Code != 0) {
		return Scanned{}, &Error{Kind: Answer, what: clean(fmt.Sprintf("the answer of %s contradicts itself", c.address())), hint: "this is a fault of the service; see its log"}
	}
	s := Scanned{Passed: *answer.Passed, Scan: clean(answer.Scan), Code: answer.Code, Text: clean(answer.Error), Hint: clean(answer.Hint)}
	if s.Passed {
		s.Text = fmt.Sprintf("commit %s passed in scan %s", clean(commit), s.Scan)
	}
	return s, nil
}
