package verdict_test

import (
	"encoding/json"
	"testing"

	"assay/verdict"
)

func TestFailOn(t *testing.T) {
	option, _ := verdict.DeclaredOption("fail-on")
	tests := []struct{ value, want string }{
		{"high", "high"},
		{"CRITICAL", "critical"},
		{"none", "none"},
		{"critical,high", "high"},
		{"high,critical", "high"},
		{"critical,epss=0.5", "critical,epss=0.5"},
		{"EPSS=0.5, critical", "critical,epss=0.5"},
		{"epss=1", "epss=1"},
		{"epss=0.00043", "epss=0.00043"},
		{"", ""}, {"none,high", ""}, {"high,none", ""}, {"none,epss=0.5", ""}, {"unrated", ""}, {"high,", ""},
		{"epss=0", ""}, {"epss=1.1", ""}, {"epss=-1", ""}, {"epss=NaN", ""}, {"epss=Inf", ""}, {"epss=", ""}, {"epss", ""},
		{"epss=0.1,epss=0.2", ""}, {"hgih", ""},
	}
	for _, tt := range tests {
		o := verdict.DefaultOptions()
		ok := option.Set(&o, tt.value)
		if ok != (tt.want != "") {
			t.Errorf("%q: %t", tt.value, ok)
			continue
		}
		if !ok {
			if o != verdict.DefaultOptions() {
				t.Errorf("%q changed the options: %+v", tt.value, o)
			}
			continue
		}
		if got := option.Value(o); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.value, got, tt.want)
		}
		again := verdict.DefaultOptions()
		if !option.Set(&again, option.Value(o)) || again != o {
			t.Errorf("%q: read back as %+v, want %+v", tt.value, again, o)
		}
	}
	// A variable may add EPSS, and may not replace the severity by it.
	for value, weaker := range map[string]bool{"high,epss=0.5": false, "low,epss=0.1": false, "epss=0.1": true, "critical,epss=0.1": true} {
		o := verdict.DefaultOptions()
		if !option.Set(&o, value) || option.WeakerThan(o, verdict.DefaultOptions()) != weaker {
			t.Errorf("%q: weaker %t", value, option.WeakerThan(o, verdict.DefaultOptions()))
		}
	}
}

func TestSeconds(t *testing.T) {
	option, _ := verdict.DeclaredOption("grace")
	for value, want := range map[string]string{
		"7d": "7d", "12h": "12h", "24h": "1d", "90m": "1h30m", "45s": "45s", "0": "0d", "0d": "0d", "3660d": "3660d",
		"": "", "7": "", "-1h": "", "1.5d": "", "3661d": "", "99999999d": "", "1ms": "", "d": "", "-1d": "", "9999999h": "",
	} {
		var o verdict.Options
		if ok := option.Set(&o, value); ok != (want != "") {
			t.Errorf("%q: %t", value, ok)
			continue
		}
		if want == "" {
			continue
		}
		if got := option.Value(o); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
		b, err := json.Marshal(o)
		var back verdict.Options
		if err != nil || json.Unmarshal(b, &back) != nil || back != o {
			t.Errorf("%q: %s, %v", value, b, err)
		}
	}
	var s verdict.Seconds
	if err := s.UnmarshalText([]byte("soon")); err == nil {
		t.Error("an invalid time was read")
	}
}
