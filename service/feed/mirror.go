package feed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Mirror has the files of a source: a web server, or a folder with a copy of one.
// Names are paths with slashes and not encoded: "Azure Linux/all.zip". A name may end with
// a query, which is encoded: "cves/2.0?startIndex=2000". In a folder the query is a part of
// the name of the file.
type Mirror interface {
	// Get returns a file of at most limit bytes, and its version. It returns
	// ErrUnchanged if the file still has the version before, and ErrNotFound if there is
	// no file.
	Get(ctx context.Context, name string, limit int64, before Version) ([]byte, Version, error)
	// Save is like Get, but writes the file to path, which exists only if it is complete.
	// A failed Save keeps what it has received beside path. The next one continues from
	// there if the file is still the same.
	Save(ctx context.Context, name, path string, limit int64, before Version) (Version, error)
	// String returns the address or folder, without a password.
	String() string
}

// IndexPage returns the page that lists the folder of a mirror: that of a web server, or the
// file index.html of a copy on the disk.
func IndexPage(ctx context.Context, m Mirror, limit int64) (string, error) {
	page, _, err := m.Get(ctx, "", limit, Version{})
	if err != nil {
		return "", err
	}
	if !strings.Contains(strings.ToLower(string(page)), "</html>") {
		return "", errors.New("the index page is incomplete: it has no </html>")
	}
	return string(page), nil
}

var (
	ErrUnchanged = errors.New("unchanged")
	ErrNotFound  = errors.New("not found")
	ErrForbidden = errors.New("forbidden")
)

// A Version identifies a version of a file. The zero Version matches no file.
type Version struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

// strong reports whether equal versions have equal bytes.
func (v Version) strong() bool { return v.ETag != "" && !strings.HasPrefix(v.ETag, "W/") }

// A Config configures the download of files.
type Config struct {
	// ConnectTimeout is the time for a connection, StallTimeout for the next byte, and
	// RequestTimeout for one complete request.
	ConnectTimeout, StallTimeout, RequestTimeout time.Duration
	// Attempts is how often in a row a request may fail without receiving anything. The
	// pause between attempts is MinWait at first, and doubles up to MaxWait, or is what
	// the server asks for.
	Attempts         int
	MinWait, MaxWait time.Duration
	UserAgent        string
	// Authorize, if set, adds a key to the header of each request to the host of the
	// mirror.
	Authorize func(http.Header)
	// Progress is called with the bytes received of a file so far. total is negative if
	// it is unknown. Progress may be nil.
	Progress func(name string, done, total int64)
	// Transport sends the requests. If it is nil, the certificate authorities of the
	// system and the proxy of the environment are used.
	Transport http.RoundTripper
}

// DefaultConfig returns the configuration for a server on the Internet.
func DefaultConfig() Config {
	return Config{
		ConnectTimeout: 30 * time.Second,
		StallTimeout:   time.Minute,
		RequestTimeout: 15 * time.Minute,
		Attempts:       4,
		MinWait:        time.Second,
		MaxWait:        30 * time.Second,
	}
}

// Open returns the mirror at an http or https address, or in a folder.
func Open(where string, c Config) (Mirror, error) {
	if !strings.Contains(where, "://") {
		f, err := openFolder(where)
		if err != nil {
			return nil, err
		}
		return pages{f}, nil
	}
	u, err := url.Parse(where)
	if err != nil { // the error has the address, which may have a password
		return nil, errors.New("the address of the mirror is not a valid URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is neither a folder nor an http or https address", u.Redacted())
	}
	return pages{newWeb(u, c)}, nil
}
