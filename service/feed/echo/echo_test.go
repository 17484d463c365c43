package echo

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
	"assay/service/store"
)

// genuine returns the files of the test data by name.
func genuine(t testing.TB) map[string][]byte {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, "feeds", "echo", "vunnel.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files := make(map[string][]byte)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = bytes.TrimSpace(b)
		r.Close()
	}
	return files
}

const data = "input/echo-advisories/data.json"

// TestUpdate updates from the genuine file, and compares all of it with what Grype
// concludes.
func TestUpdate(t *testing.T) {
	files := genuine(t)
	s := feedtest.New(t, Source(), map[string][]byte{"data.json": files[data]})
	o, err := s.Update(t)
	if err != nil || o.Added != 25 || o.Rejected != 0 {
		t.Fatalf("%+v, %v, want 25 records", o, err)
	}
	got, want := map[string]string{}, map[string]string{}
	for _, a := range s.Advisories(t) {
		for _, af := range a.Affected {
			fixed := ""
			for _, e := range af.Ranges[0].Events {
				fixed += e.Fixed
			}
			got[a.ID+" "+af.Package.Name] = fixed
		}
	}
	for name, b := range files {
		if !strings.HasPrefix(name, "snapshots/") {
			continue
		}
		var snapshot struct {
			Item struct {
				Vulnerability struct {
					Name    string
					FixedIn []struct{ Name, Version string }
				}
			}
		}
		if err := json.Unmarshal(b, &snapshot); err != nil {
			t.Fatal(err)
		}
		for _, f := range snapshot.Item.Vulnerability.FixedIn {
			want["ECHO-"+snapshot.Item.Vulnerability.Name+" "+f.Name] = f.Version
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("%q\nGrype: %q", got, want)
	}
	s.Broken(t, "data.json", map[string][]byte{
		"a list":           []byte(`[{"CVE-2024-0001":{}}]`),
		"a list of a name": []byte(`{"nginx":["CVE-2024-0001"]}`),
	})
}

// read returns the advisories of a file, and the errors of rejected entries.
func read(t testing.TB, file []byte) (all map[string]advisory.Advisory, rejected []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	all = make(map[string]advisory.Advisory)
	for r, err := range records(path) {
		switch {
		case errors.Is(err, store.ErrRejected):
			rejected = append(rejected, err.Error())
		case err != nil:
			return all, append(rejected, "failed: "+err.Error())
		default:
			a, err := advisory.Parse(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			a.Source = Name
			all[a.ID] = a
		}
	}
	return all, rejected
}

func TestRejected(t *testing.T) {
	all, rejected := read(t, []byte(`{"a":{"CVE-2024-0001":{"fixed_version":"0"},"CVE-2024-1":{},"x":{},"CVE-2024-0002":[],"CVE-2024-0003":{"fixed_version":"1 2"},
		"CVE-2024-0004":{"fixed_version":1},"TEMP-0000000-1A2B3C":{"severity":"High"},"CVE-2024-0005":null},"b c":{"CVE-2024-0001":{}}}`))
	if len(all) != 2 || len(rejected) != 7 {
		t.Errorf("%v, rejected %q", slices.Sorted(maps.Keys(all)), rejected)
	}
	if a := all["ECHO-CVE-2024-0001"]; len(a.Affected) != 1 || a.Affected[0].Status != advisory.StatusNotAffected {
		t.Errorf("%+v", a)
	}
	if a := all["ECHO-TEMP-0000000-1A2B3C"]; string(a.Affected[0].EcosystemSpecific) != `{"urgency":"High"}` {
		t.Errorf("%s", a.Affected[0].EcosystemSpecific)
	}
}

// TestByHand has entries that were read by hand, with what is found in versions of the
// package. The test data has no OSV record of Echo.
func TestByHand(t *testing.T) {
	all, _ := read(t, genuine(t)[data])
	ix := index.NewMemory(slices.Collect(maps.Values(all)), nil)
	for _, tt := range []struct {
		id, source, version string
		want                string // the fix, "-" for a finding without one, or empty
	}{
		{"CVE-2021-3618", "nginx", "1.20.2-1", "1.21.0"},
		{"CVE-2021-3618", "nginx", "1.21.0", ""},
		{"CVE-2023-44487", "nginx", "1.25.1-1", "1.25.2"},
		{"CVE-2023-44487", "nginx", "1.25.2-1+e1", ""},
		{"CVE-2007-4559", "python", "3.6.15", "3.6.16"},
		{"CVE-2013-0340", "python", "3.6.15", ""},
		{"CVE-2009-2940", "python", "3.12.1", "-"},
		{"CVE-2021-32052", "python", "3.12.1", "-"},
		{"CVE-2023-36632", "python", "3.11.3", "3.11.4"},
		{"CVE-2024-9287", "python", "3.9.20", "3.9.21"},
		{"CVE-2024-9287", "python", "3.9.21", ""},
		{"CVE-2024-9287", "perl", "3.9.20", ""},
	} {
		inv := inventory.Inventory{
			System:   inventory.System{ID: "echo", VersionID: "1"},
			Packages: []inventory.Package{{Type: "deb", Name: tt.source + "-bin", Version: tt.version, Source: tt.source, SourceVersion: tt.version}},
		}
		res, err := match.Inventory(inv, ix, nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range res.Findings {
			if f.ID == tt.id {
				if got = f.Fixed; got == "" {
					got = "-"
				}
			}
		}
		if got != tt.want || len(res.NotEvaluated) > 0 {
			t.Errorf("%s %s, %s: %q, want %q; not evaluated %v", tt.source, tt.version, tt.id, got, tt.want, res.NotEvaluated)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"nginx":{"CVE-2021-3618":{"fixed_version":"1.21.0","severity":"high"},"CVE-2021-3619":{}}}`))
	f.Add([]byte(`{"nginx":{"CVE-2021-3618":{"fixed_version":"0"}},"nginx":{"CVE-2021-3618":{}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, _ := read(t, b)
		for id, a := range all {
			if id == "ECHO-" || len(a.Affected) == 0 {
				t.Errorf("%+v", a)
			}
		}
	})
}
