package remote

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"
)

func TestBackoffIsRandom(t *testing.T) {
	c, err := New(Config{Server: "http://assay.example", Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	a := &attempts{client: c}
	asked := &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {"7"}}}
	for attempt := range 70 {
		most := min(500*time.Millisecond<<min(attempt, 10), 10*time.Second)
		var lowest, highest time.Duration = time.Hour, 0
		for range 200 {
			wait := a.backoff(500*time.Millisecond, 10*time.Second, attempt, nil)
			lowest, highest = min(lowest, wait), max(highest, wait)
			if later := a.backoff(500*time.Millisecond, 10*time.Second, attempt, asked); later < 7*time.Second || later > 7*time.Second+most {
				t.Fatalf("attempt %d: %s where the service asks for 7 s", attempt, later)
			}
		}
		// Each bound fails by chance in one of 10^9 runs.
		if lowest < 0 || highest > most || lowest > most*15/100 || highest < most*85/100 {
			t.Errorf("attempt %d: waits between %s and %s, want them all over 0 to %s", attempt, lowest, highest, most)
		}
	}
}

func TestCauses(t *testing.T) {
	dial := func(err error) error {
		return &url.Error{Op: "Post", URL: "x", Err: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", err)}}
	}
	for _, tt := range []struct {
		err  error
		want cause
	}{
		{dial(syscall.ECONNREFUSED), away},
		{dial(syscall.ECONNRESET), away},
		{dial(syscall.EHOSTUNREACH), away},
		{dial(syscall.ENETUNREACH), never},
		{&net.DNSError{IsNotFound: true}, never},
		{&net.DNSError{IsTemporary: true}, unnamed},
		{&proxyError{407}, never},
		{&proxyError{502}, away},
		{errAnswerTooLarge, never},
		{errors.New("EOF"), away},
	} {
		if got := causeOf(tt.err); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
	for _, tt := range []struct {
		status int
		after  string
		want   cause
	}{
		{408, "", away}, {429, "", busy}, {429, "1", busy}, {500, "", away}, {501, "", never}, {502, "", away},
		{502, "1", away}, {503, "", away}, {503, "1", busy}, {504, "", away}, {400, "", never}, {401, "1", never}, {422, "", never},
	} {
		resp := &http.Response{StatusCode: tt.status, Header: http.Header{}}
		if tt.after != "" {
			resp.Header.Set("Retry-After", tt.after)
		}
		if got := causeOfStatus(resp); got != tt.want {
			t.Errorf("%d, Retry-After %q: %q, want %q", tt.status, tt.after, got, tt.want)
		}
	}
}
