package match

import (
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/service/index"
)

func TestEndOfLife(t *testing.T) {
	on := func(day string) time.Time {
		d, err := time.Parse(time.RFC3339, day)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	tests := []struct {
		id, version, today, day string
		ended                   bool
	}{
		{"debian", "11", "2026-08-31T23:59:59Z", "2026-08-31", false},
		{"debian", "11", "2026-09-01T00:00:00Z", "2026-08-31", true},
		{"debian", "11", "2026-09-01T00:30:00+02:00", "2026-08-31", false},
		{"debian", "12", "2026-11-24T12:00:00Z", "2028-06-30", false},
		{"debian", "7", "2026-11-24T12:00:00Z", "2018-05-31", true},
		{"debian", "14", "2026-11-24T12:00:00Z", "", false},
		{"ubuntu", "20.04", "2026-11-24T12:00:00Z", "2025-05-29", true},
		{"ubuntu", "24.04", "2026-11-24T12:00:00Z", "2029-05-31", false},
		{"ubuntu", "27.04", "2026-11-24T12:00:00Z", "", false},
		{"alpine", "3.1", "2026-11-24T12:00:00Z", "", false},
		{"alpine", "3.20.2", "2026-11-24T12:00:00Z", "2026-04-01", true},
		{"alpine", "3.22", "2026-11-24T12:00:00Z", "2027-05-01", false},
		{"centos", "8", "2021-12-31T12:00:00Z", "2021-12-31", false},
		{"rhel", "7.9", "2026-11-24T12:00:00Z", "2024-06-30", true},
		{"almalinux", "9.4", "2026-11-24T12:00:00Z", "2032-05-31", false},
		{"rocky", "10.0", "2026-11-24T12:00:00Z", "", false},
		{"photon", "4.0", "2026-11-24T12:00:00Z", "", false},
	}
	for _, tt := range tests {
		s, err := systemOf(inventory.Inventory{System: inventory.System{ID: tt.id, VersionID: tt.version}}, index.NewMemory(nil, nil), on(tt.today))
		if err != nil {
			t.Fatal(err)
		}
		got := s.verdict
		if got.EndOfLife != tt.day || got.Ended != tt.ended {
			t.Errorf("%s %s on %s: %q, ended %v", tt.id, tt.version, tt.today, got.EndOfLife, got.Ended)
		}
	}
}
