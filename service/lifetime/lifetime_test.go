package lifetime

import (
	"testing"
	"time"
)

func TestLifetime(t *testing.T) {
	const day = 24 * time.Hour
	for in, want := range map[string]time.Duration{
		"30d": 30 * day, "2160h": 90 * day, "1d12h": 36 * time.Hour, "90m": 90 * time.Minute, "0s": 0, "0d": 0,
		"36500d": 36500 * day, "36500d876000h": 73000 * day,
	} {
		var got Duration
		if err := got.Set(in); err != nil || time.Duration(got) != want {
			t.Errorf("%q: %v, %v, want %v", in, time.Duration(got), err, want)
		}
	}
	for _, in := range []string{"", "d", "30", "-1d", "+1d", "1.5d", "-1h", "1d-1h", "30days", "1d1d", "36501d", "1d900000h", "99999999999999999999d"} {
		got := Duration(time.Hour)
		if err := got.Set(in); err == nil {
			t.Errorf("%q is taken as %v", in, time.Duration(got))
		}
		if got != Duration(time.Hour) {
			t.Errorf("%q is refused and changes the flag to %v", in, time.Duration(got))
		}
	}
	month := Duration(30 * day)
	if got := month.String(); got != "30d" {
		t.Errorf("30 days print as %q", got)
	}
}
