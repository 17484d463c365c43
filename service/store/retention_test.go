package store

import (
	"testing"
	"time"
)

func TestAnsweredWithin(t *testing.T) {
	a := Answered{3, 7}
	for _, tt := range []struct {
		seq, next int64
		want      bool
	}{{1, 3, false}, {1, 4, true}, {3, 4, true}, {4, 7, false}, {4, 8, true}, {7, 8, true}, {8, 100, false}} {
		if got := a.Within(tt.seq, tt.next); got != tt.want {
			t.Errorf("from %d until before %d: %v", tt.seq, tt.next, got)
		}
	}
	if Answered(nil).Within(0, 10) {
		t.Error("without scans")
	}
}

func TestParseKeepTime(t *testing.T) {
	if keep, err := ParseKeepTime(""); keep != 0 || err != nil {
		t.Errorf("without the setting: %v, %v", keep, err)
	}
	if keep, err := ParseKeepTime("2160h"); keep != DefaultKeep || err != nil {
		t.Errorf("the default: %v, %v", keep, err)
	}
	if keep, err := ParseKeepTime("90 days"); err == nil {
		t.Errorf("an invalid value: %v", keep)
	}
	if keep, err := ParseKeepTime("0s"); keep != 0*time.Second || err != nil {
		t.Errorf("zero: %v, %v", keep, err)
	}
}
