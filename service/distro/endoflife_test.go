package distro

import (
	"testing"
	"time"
)

func TestNewest(t *testing.T) {
	for _, tt := range []struct{ id, today, release, last string }{
		{"debian", "2026-11-29", "Debian 13", "2030-06-30"},
		{"alpine", "2026-11-29", "Alpine 3.22", "2027-05-01"},
		{"alpine", "2027-05-01", "Alpine 3.22", "2027-05-01"},
		{"debian", "2099-01-01", "", ""},
		{"centos", "2026-11-29", "", ""},
		{"nothing", "2026-11-29", "", ""},
	} {
		day, err := time.Parse(time.DateOnly, tt.today)
		if err != nil {
			t.Fatal(err)
		}
		if release, last := Newest(tt.id, day); release != tt.release || last != tt.last {
			t.Errorf("%+v: %q, %q", tt, release, last)
		}
	}
}
