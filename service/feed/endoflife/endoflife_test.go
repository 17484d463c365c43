package endoflife

import (
	"os"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
)

func genuine(t *testing.T, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, append([]string{"feeds", "eol"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestUpdate updates from a server with the genuine answers of the API in the test data.
func TestUpdate(t *testing.T) {
	for name, tt := range map[string]struct {
		file []byte
		want string // some releases and their dates
	}{
		"vuln-list-update": {genuine(t, "vuln-list-update", "testdata", "eoldata.json"),
			"alpine-linux/3.22 2027-05-01, oracle-linux/9 2032-06-30, ubuntu/22.04 2027-04-01, ubuntu/25.04 2026-01-17"},
		"vunnel": {genuine(t, "vunnel", "valid-eol-response.json"), "ubuntu/18.04 2023-04-26"},
	} {
		t.Run(name, func(t *testing.T) {
			s := feedtest.New(t, Source(), map[string][]byte{file: tt.file})
			o, err := s.Update(t)
			if err != nil || o.Added == 0 || o.Rejected != 0 {
				t.Fatalf("%+v, %v", o, err)
			}
			dates := make(map[string]string)
			for _, a := range s.Advisories(t) {
				for _, e := range a.Affected {
					dates[e.Package.Name] = e.Versions[0]
				}
			}
			for want := range strings.SplitSeq(tt.want, ", ") {
				if release, date, _ := strings.Cut(want, " "); dates[release] != date {
					t.Errorf("%s ends %q, want %s", release, dates[release], date)
				}
			}
			s.Sent()
			if o, err = s.Update(t); err != nil || o.Added+o.Changed+o.Removed != 0 || s.Sent() != 0 {
				t.Errorf("again: %+v, %v", o, err)
			}
			t.Logf("%d products, %d releases", len(s.Advisories(t)), len(dates))
		})
	}
}

func TestBroken(t *testing.T) {
	s := feedtest.New(t, Source(), map[string][]byte{file: genuine(t, "vuln-list-update", "testdata", "eoldata.json")})
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	s.Broken(t, file, map[string][]byte{
		"a genuine broken answer": genuine(t, "vuln-list-update", "testdata", "sad_eoldata.json"),
		"a converted file":        genuine(t, "vuln-list-update", "testdata", "happy", "eoldates.json"),
		"one release":             genuine(t, "vunnel", "snapshots", "valid-eol-response", "ubuntu:18.04.json"),
		"no distribution":         []byte(`{"result":[{"name":"python","releases":[{"name":"3.12","eolFrom":"2028-10-01"}]}]}`),
		"result null":             []byte(`{"result":null}`),
	})
}

// TestRejected: one bad product is rejected, counted and named, and the others stay.
func TestRejected(t *testing.T) {
	good := `{"name":"debian","releases":[{"name":"12","eolFrom":"2026-06-10","eoesFrom":"2028-06-30"}]},{"name":"fedora","releases":[{"name":"42","eolFrom":"2026-05-13"},{"name":"43","eolFrom":null}]}`
	for name, bad := range map[string]string{
		"date":    `{"name":"ubuntu","releases":[{"name":"22.04","eolFrom":"soon"}]}`,
		"release": `{"name":"ubuntu","releases":[{"name":"22/04","eolFrom":"2027-04-01"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := feedtest.New(t, Source(), map[string][]byte{file: []byte(`{"result":[` + good + `,` + bad + `,1]}`)})
			o, err := s.Update(t)
			if err != nil || o.Added != 2 || o.Rejected != 2 || !strings.Contains(o.Rejections[0].Error(), "EOL-ubuntu") {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}

// TestSystem: the dates of the source take precedence over those in the program, which
// remain for releases that the source does not have.
func TestSystem(t *testing.T) {
	a, ok, err := convert([]byte(`{"name":"debian","releases":[{"name":"12","eolFrom":"2020-01-01","eoesFrom":"2021-02-03"},{"name":"11","eolFrom":null}]}`))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	photon, _, err := convert([]byte(`{"name":"photon","releases":[{"name":"4.0","eolFrom":"2026-02-01"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	alpine, _, err := convert([]byte(`{"name":"alpine-linux","releases":[{"name":"3.19","eolFrom":"2025-11-02"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	ix := index.NewMemory([]advisory.Advisory{a, photon, alpine}, nil)
	for _, tt := range []struct {
		id, version, want string
	}{
		{"debian", "12", "2021-02-03"}, {"debian", "11", "2026-08-31"}, {"photon", "4.0", "2026-02-01"}, {"photon", "5.0", ""}, {"alpine", "3.19.1", "2025-11-02"},
	} {
		inv := inventory.Inventory{System: inventory.System{ID: tt.id, VersionID: tt.version}}
		res, err := match.Inventory(inv, ix, nil, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		if got := res.System.EndOfLife; got != tt.want || res.System.Ended != (got != "" && got < "2026-03-01") {
			t.Errorf("%s %s ends %q (ended: %t), want %q", tt.id, tt.version, got, res.System.Ended, tt.want)
		}
	}
}

func FuzzConvert(f *testing.F) {
	f.Add([]byte(`{"name":"debian","releases":[{"name":"12","eolFrom":"2026-06-10","eoesFrom":"2028-06-30"}]}`))
	f.Add([]byte(`{"name":"debian","releases":[{"name":null,"eolFrom":true}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok, err := convert(b)
		if ok && (err != nil || len(a.Affected) == 0) {
			t.Errorf("%+v, %v", a, err)
		}
	})
}
