package scan_test

import (
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/scan"
	"assay/verdict"
)

// The publication of a fix is that of an erratum or of an advisory about a language's
// package. A distribution's record of one vulnerability is older than its fix.
func TestFixPublished(t *testing.T) {
	ix := memory(t,
		`{"id":"DEBIAN-CVE-2024-1","modified":"2026-11-01T00:00:00Z","published":"2024-01-01T00:00:00Z","upstream":["CVE-2024-1"],
		  "affected":[{"package":{"ecosystem":"Debian:12","name":"a"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2"}]}]}]}`,
		`{"id":"DSA-1-1","modified":"2026-11-02T00:00:00Z","published":"2026-11-02T00:00:00Z","upstream":["CVE-2024-1"],
		  "affected":[{"package":{"ecosystem":"Debian:12","name":"a"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2"}]}]}]}`,
		`{"id":"DEBIAN-CVE-2024-2","modified":"2026-11-01T00:00:00Z","published":"2024-01-01T00:00:00Z","upstream":["CVE-2024-2"],
		  "affected":[{"package":{"ecosystem":"Debian:12","name":"b"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2"}]}]}]}`,
		`{"id":"GHSA-aaaa-aaaa-aaaa","modified":"2026-11-01T00:00:00Z","published":"2026-11-20T00:00:00Z","aliases":["CVE-2024-3"],
		  "affected":[{"package":{"ecosystem":"npm","name":"c"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"2.0.0"}]}]}]}`,
	)
	s := cyclonedx.Scan{
		Inventory: inventory.Inventory{
			System: inventory.System{ID: "debian", VersionID: "12"},
			Packages: []inventory.Package{
				{Type: "deb", Name: "a", Version: "1", Source: "a", SourceVersion: "1"},
				{Type: "deb", Name: "b", Version: "1", Source: "b", SourceVersion: "1"},
				library("npm", "c", "1.0.0"),
			},
		},
		Options: []cyclonedx.Option{{Name: "grace", Value: "7d", Origin: "flag"}},
	}
	v, err := answer(s, ix, verdict.Data{Records: 4, Updated: now}, now)
	if err != nil || len(v.Findings) != 3 {
		t.Fatalf("%+v, %v", v, err)
	}
	want := map[string]struct{ published, rule string }{
		"CVE-2024-1": {"2026-11-02", "severity"}, // overdue
		"CVE-2024-2": {"", "severity"},           // no day is known
		"CVE-2024-3": {"2026-11-20", "grace"},
	}
	for _, f := range v.Findings {
		published := ""
		if f.FixPublished != nil {
			published = f.FixPublished.Format(time.DateOnly)
		}
		if w := want[f.ID]; published != w.published || f.Rule != w.rule {
			t.Errorf("%s: published %q, rule %s; want %+v", f.ID, published, f.Rule, w)
		}
	}
	if err := v.Check(); err != nil {
		t.Error(err)
	}
}

// --max-age shortens the age that the service trusts, and does not extend it.
func TestMaxAge(t *testing.T) {
	ix := memory(t, `{"id":"DEBIAN-CVE-2024-1","modified":"2026-11-01T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"bash"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"0.1"}]}]}]}`)
	inv := inventory.Inventory{
		System:   inventory.System{ID: "debian", VersionID: "12"},
		Packages: []inventory.Package{{Type: "deb", Name: "bash", Version: "5", Source: "bash", SourceVersion: "5"}},
	}
	const day = 24 * time.Hour
	tests := []struct {
		service time.Duration
		asked   string
		age     time.Duration
		code    int
		notices int
	}{
		{7 * day, "", 3 * day, 0, 0},
		{7 * day, "2d", 3 * day, 5, 0},
		{7 * day, "4d", 3 * day, 0, 0},
		{7 * day, "30d", 8 * day, 5, 1},
		{0, "2d", 3 * day, 5, 0},
		{0, "", 300 * day, 0, 0},
	}
	for _, tt := range tests {
		s := cyclonedx.Scan{Inventory: inv}
		if tt.asked != "" {
			s.Options = []cyclonedx.Option{{Name: "max-age", Value: tt.asked, Origin: "ASSAY_MAX_AGE"}}
		}
		a, err := scan.Evaluator{MaxAge: tt.service}.Answer(s, ix, nil, verdict.Data{Records: 1, Updated: now.Add(-tt.age)}, now)
		if err != nil {
			t.Fatal(err)
		}
		v := a.Whole()
		if v.Decision.Code != tt.code || len(v.Notices) != tt.notices {
			t.Errorf("%+v: code %d, notices %q", tt, v.Decision.Code, v.Notices)
		}
	}
}
