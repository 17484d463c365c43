package remote

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestScannedWaits checks that Scanned retries a busy service and uses its next answer.
func TestScannedWaits(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		passed bool
		kind   Kind // 0 for no error
	}{
		{200, `{"commit":"c","passed":true,"scan":"s","code":0}`, true, 0},
		{409, `{"commit":"c","passed":false,"scan":"s","code":4,"error":"it failed"}`, false, 0},
		{404, `{"commit":"c","passed":false,"code":0,"error":"none"}`, false, 0},
		{404, `{"error":"nothing is served"}`, false, Rejected},
		{200, `{"commit":"c","passed":true,"code":4,"scan":"s"}`, false, Answer},
		{200, `{}`, false, Answer},
		{401, `{"error":"revoked"}`, false, Token},
		{200, `{"passed":false,"passed":true,"scan":"s1","code":0}`, false, Answer},
		{200, `{"passed":true,"Passed":true,"scan":"s1","code":0}`, false, Answer},
	} {
		asked := 0
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asked++; asked == 1 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			if r.URL.Path != "/api/v1/passed" || r.URL.RawQuery != "commit=c+1&project=p" {
				t.Errorf("asked for %q", r.URL)
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		}))
		c, err := New(Config{Server: srv.URL, Token: "assay_x", RetryWait: time.Millisecond, MaxRetryWait: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Scanned(t.Context(), "c 1", "p")
		var kind Kind
		if err != nil {
			kind = c.asError(err).Kind
		}
		if got.Passed != tt.passed || kind != tt.kind || asked != 2 {
			t.Errorf("%d %s: %+v, %v, asked %d times; want passed %v, kind %d", tt.status, tt.body, got, err, asked, tt.passed, tt.kind)
		}
		srv.Close()
	}
}
