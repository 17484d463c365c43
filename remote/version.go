package remote

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// versionHeader has the version of the service in each of its answers.
const versionHeader = "Assay-Version"

// otherVersion returns what to do if client and service have different minor versions. It
// returns "" if the versions agree or one is unknown.
func (c *Client) otherVersion(resp *http.Response) string {
	theirs := clean(resp.Header.Get(versionHeader))
	mine, ok := minor(c.config.Version)
	other, known := minor(theirs)
	if !ok || !known || mine == other {
		return ""
	}
	next := "download assay from the service again"
	if cmp.Or(cmp.Compare(mine[0], other[0]), cmp.Compare(mine[1], other[1])) > 0 {
		next = "update the service"
	}
	return fmt.Sprintf("this is assay %s and the service is %s; %s, so that both have the same version", c.config.Version, theirs, next)
}

// minor returns the first two numbers of a version: 0 and 3 for "v0.3.1-rc1".
func minor(version string) (n [2]int, ok bool) {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 3 {
		return n, false
	}
	for i := range n {
		v, err := strconv.ParseUint(parts[i], 10, 16)
		if err != nil {
			return n, false
		}
		n[i] = int(v)
	}
	return n, true
}
