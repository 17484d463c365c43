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

// A Mirror is where the files of a source are: a web server, or a folder that
// holds a copy of one. Names are paths with slashes, not encoded: "Azure
// Linux/all.zip".
type Mirror interface {
	// Get returns a file of at most limit bytes and its version. It returns
	// ErrUnchanged where the file is still of the version before, and ErrNotFound
	// where there is none.
	Get(ctx context.Context, name string, limit int64, before Version) ([]byte, Version, error)
	// Save is Get into a file at path, which is there only when it is whole. What
	// a Save that failed has got so far lies beside it, and the next one goes on
	// from there as long as the file is the same.
	Save(ctx context.Context, name, path string, limit int64, before Version) (Version, error)
	// String names the place, without a password.
	String() string
}

var (
	ErrUnchanged = errors.New("unchanged")
	ErrNotFound  = errors.New("not found")
)

// A Version tells two versions of a file apart. The zero Version is that of no
// file.
type Version struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

// strong reports whether equal versions have equal bytes.
func (v Version) strong() bool { return v.ETag != "" && !strings.HasPrefix(v.ETag, "W/") }

// A Config says how to get files.
type Config struct {
	// ConnectTimeout bounds the making of a connection, StallTimeout the wait for
	// the next byte, and RequestTimeout one request as a whole.
	ConnectTimeout, StallTimeout, RequestTimeout time.Duration
	// Attempts is how often in a row a request may fail without having brought
	// anything before it is given up. Between them MinWait and twice as much each
	// time is waited, up to MaxWait, or what the server asks for.
	Attempts         int
	MinWait, MaxWait time.Duration
	UserAgent        string
	// Progress is told how much of a file has come, total being negative where
	// that is not known. It may be nil.
	Progress func(name string, done, total int64)
	// Transport is the connection to servers; nil is the system's, with its CA
	// pool and the proxy of the environment.
	Transport http.RoundTripper
}

// DefaultConfig returns what suits a server on the Internet.
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

// Open returns the place that a user named: an http or https address, or a
// folder.
func Open(where string, c Config) (Mirror, error) {
	if !strings.Contains(where, "://") {
		return openFolder(where)
	}
	u, err := url.Parse(where)
	if err != nil { // its text holds the address, and perhaps a password
		return nil, errors.New("the address of the mirror is no URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is neither a folder nor an http or https address", u.Redacted())
	}
	return newWeb(u, c), nil
}
