package feed

import (
	"testing"
	"time"
)

// A source that is down for a month is still asked at every interval, and not all the
// time.
func TestRetries(t *testing.T) {
	const every = 6 * time.Hour
	r := retries{most: every}
	want := retryFirst
	for n := range 200 {
		if got := r.failed(); got != want {
			t.Fatalf("pause after failure %d: %v, want %v", n+1, got, want)
		}
		want = min(2*want, every)
	}
	r.succeeded()
	if got := r.failed(); got != retryFirst {
		t.Errorf("pause after the first failure since it worked: %v, want %v", got, retryFirst)
	}
	short := retries{most: time.Second}
	if got := short.failed(); got != time.Second {
		t.Errorf("pause with an interval of a second: %v", got)
	}
}
