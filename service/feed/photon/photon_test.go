package photon

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
	"assay/verdict"
)

// genuine returns the files of the test data by name: those of vuln-list-update, and those
// of vunnel for 4.0 and, called vunnel1.0, for 1.0.
func genuine(t testing.TB) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	z, err := zip.OpenReader(testkit.Path(t, "feeds", "photon", "vuln-list-update.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[filepath.Base(f.Name)], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
	for to, from := range map[string]string{"cve_data_photon4.0.json": "cve_data_photon4.0.json", "vunnel1.0": "cve_data_photon1.0.json"} {
		if files[to], err = os.ReadFile(testkit.Path(t, "feeds", "photon", "vunnel", "input", from)); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func server(t testing.TB) *feedtest.Server {
	files := genuine(t)
	for name, b := range files {
		files[name] = bytes.TrimSpace(b)
	}
	files["photon_versions.json"] = []byte(`{"branches": ["1.0", "2.0", "3.0", "4.0", "dev"]}`)
	return feedtest.New(t, Source(), files)
}

// TestUpdate updates from all genuine files with the names of the publisher.
func TestUpdate(t *testing.T) {
	s := server(t)
	o, err := s.Update(t)
	if err != nil || o.Added != 19 || o.Rejected != 2 {
		t.Fatalf("%+v, %v", o, err)
	}
	// 23 entries of 20 vulnerabilities; one vulnerability has only a rejected entry.
	for i, want := range []string{`"3.0 curl-libs UNK-1": invalid ID`, `"4.0 python3 CVE-2023-50447": no affected versions and no fix`} {
		if got := o.Rejections[i].Error(); !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	s.Sent()
	if o, err = s.Update(t); err != nil || o.Added+o.Changed+o.Removed != 0 || s.Sent() > 100 {
		t.Errorf("again: %+v, %v", o, err)
	}
	s.Broken(t, "cve_data_photon2.0.json", map[string][]byte{
		"of an object":       []byte(`{"a":{"cve_id":"CVE-2024-0001","pkg":"a","res_ver":"1-1.ph2"}}`),
		"of a list of lists": []byte(`[[]]`),
	})
	s.Broken(t, "photon_versions.json", map[string][]byte{
		"a path":     []byte(`{"branches":["../1.0"]}`),
		"only dev":   []byte(`{"branches":["dev"]}`),
		"not listed": []byte(`{"branches":["1.0","2.0","3.0","4.0","9.9"]}`), // there is no such file
		"too many":   []byte(`{"branches":["1.0` + strings.Repeat(`","1.1`, 3) + many(60) + `"]}`),
	})
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `","7.%d`, i)
	}
	return b.String()
}

// read returns the advisories of a file of release 4.0, and the errors of rejected entries.
func read(t testing.TB, file []byte) (all map[string]advisory.Advisory, rejected []string, failed error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	all = make(map[string]advisory.Advisory)
	for r, err := range records([]string{"4.0"}, []string{path}) {
		switch {
		case errors.Is(err, store.ErrRejected):
			rejected = append(rejected, err.Error())
		case err != nil:
			failed = err
		default:
			a, err := advisory.Parse(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			a.Source = Name
			all[a.ID] = a
		}
	}
	return all, rejected, failed
}

// TestOtherGenuine converts the genuine files that are broken on purpose, and that of
// Photon 1.0 which TestUpdate does not use.
func TestOtherGenuine(t *testing.T) {
	files := genuine(t)
	for name, want := range map[string]struct {
		advisories, rejected int
		failed               bool
	}{
		"vunnel1.0":                             {2, 0, false},
		"cve_data_photon3.0_invalid_cveid.json": {0, 1, true}, // "CVE-2019-3828-0001"
		"cve_data_photon_empty_cveid.json":      {0, 1, true},
		"cve_data_photon_invalid_format.json":   {0, 0, true},
		"invalid_photon_versions.json":          {0, 0, true},
	} {
		all, rejected, failed := read(t, files[name])
		if len(all) != want.advisories || len(rejected) != want.rejected || (failed != nil) != want.failed {
			t.Errorf("%s: %d advisories, rejected %q, %v", name, len(all), rejected, failed)
		}
	}
}

// TestGrype compares the advisories with what Grype concludes from the same file.
func TestGrype(t *testing.T) {
	all, _, err := read(t, genuine(t)["cve_data_photon4.0.json"])
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, a := range all {
		for _, af := range a.Affected {
			if len(af.Ranges) == 1 {
				got[a.ID+" "+af.Package.Name] = af.Ranges[0].Events[1].Fixed + " " + string(a.DatabaseSpecific)
			}
		}
	}
	want := make(map[string]string)
	snapshots, err := filepath.Glob(testkit.Path(t, "feeds", "photon", "vunnel", "snapshots") + "/photon:4.0/*.json")
	if err != nil || len(snapshots) != 4 {
		t.Fatalf("%q, %v", snapshots, err)
	}
	for _, name := range snapshots {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var snapshot struct {
			Item struct {
				Vulnerability struct {
					Name, Severity string
					FixedIn        []struct{ Name, Version string }
				}
			}
		}
		if err := json.Unmarshal(b, &snapshot); err != nil {
			t.Fatal(err)
		}
		v := snapshot.Item.Vulnerability
		for _, f := range v.FixedIn {
			want["PHOTON-"+v.Name+" "+f.Name] = f.Version + ` {"severity":"` + strings.ToLower(v.Severity) + `"}`
		}
	}
	// Grype has no advisories of Black Duck. It takes an entry that is fixed without a
	// version for one that is not fixed.
	want["PHOTON-BDSA-2025-0719 krb5-devel"] = `1.17-15.ph4 {"severity":"high"}`
	if want["PHOTON-CVE-2023-50447 python3"] != `None {"severity":"unknown"}` {
		t.Errorf("%q", want["PHOTON-CVE-2023-50447 python3"])
	}
	delete(want, "PHOTON-CVE-2023-50447 python3")
	if !maps.Equal(got, want) {
		t.Errorf("%q\nGrype: %q", got, want)
	}
}

func TestConvert(t *testing.T) {
	const score = `"cve_score":7.5,`
	for _, tt := range []struct {
		entries string
		want    string // the ends of ranges of the package a, or the error
	}{
		{`{"cve_id":"CVE-2024-0001","pkg":"a",` + score + `"aff_ver":"all versions before 2-1.ph4 are vulnerable","res_ver":"2-1.ph4"}`, "<2-1.ph4"},
		{`{"cve_id":"CVE-2024-0001","pkg":"a","cve_score":null,"aff_ver":"all versions before 3-1.ph4 are vulnerable","res_ver":"2-1.ph4","status":"Fixed"}`, "<2-1.ph4 <3-1.ph4"},
		{`{"cve_id":"CVE-2024-0001","pkg":"a","aff_ver":"","res_ver":"2-1.ph4","status":"fixed"}`, "<2-1.ph4"},
		{`{"cve_id":"CVE-2024-0001","pkg":"a","aff_ver":"all versions are vulnerable","res_ver":"NA"}`, "<"},
		{`{"cve_id":"CVE-2024-0001","pkg":"a","aff_ver":"NA","res_ver":"NA","status":"Not Affected"}`, "not affected"},
		{`{"cve_id":"CVE-2024-0001","pkg":"a","aff_ver":"NA","res_ver":"NA","status":"Not Affected"},{"cve_id":"CVE-2024-0001","pkg":"a","aff_ver":"NA","res_ver":"2-1.ph4"}`, "<2-1.ph4"},
		{`{"cve_id":"CVE-2024-0001","pkg":"a","aff_ver":"NA","res_ver":"2-1.ph4"},{"cve_id":"CVE-2024-0001","pkg":"a","aff_ver":"NA","res_ver":"3-1.ph4"}`, "<2-1.ph4 <3-1.ph4"},
		{`{"cve_id":"CVE-2024-0001","pkg":"a","aff_ver":"NA","res_ver":"2-1.ph4","status":"Not Affected"}`, "error: the package is not affected, but"},
		{`{"cve_id":"CVE-2024-0001","pkg":"a","aff_ver":"NA","res_ver":"NA","status":"Fixed"}`, "error: no affected versions and no fix"},
		{`{"cve_id":"CVE-2024-0001","pkg":"a","aff_ver":"NA","res_ver":"2-1.ph4","status":"?"}`, `error: unknown status "?"`},
		{`{"cve_id":"CVE-2024-0001","pkg":"a","aff_ver":"some","res_ver":"NA"}`, `error: unknown affected versions "some"`},
		{`{"cve_id":"CVE-2024-0001","pkg":"a","aff_ver":"NA","res_ver":"2 3"}`, `error: invalid version "2 3"`},
		{`{"cve_id":"CVE-2024-0001","pkg":"","aff_ver":"NA","res_ver":"2-1.ph4"}`, "error: invalid name"},
		{`{"cve_id":"Re","pkg":"a","aff_ver":"NA","res_ver":"NA"}`, "error: invalid ID"},
		{`{"cve_id":["CVE-2024-0001"],"pkg":"a"}`, "error: json"},
		{`5`, "error: json"},
	} {
		all, rejected, err := read(t, []byte("["+tt.entries+"]"))
		if err != nil && len(rejected) == 0 {
			t.Errorf("%s: %v", tt.entries, err)
			continue
		}
		var got []string
		for _, a := range all {
			for _, af := range a.Affected {
				if af.Status == advisory.StatusNotAffected {
					got = append(got, "not affected")
				}
				for _, r := range af.Ranges {
					end := "<"
					for _, e := range r.Events {
						end += e.Fixed
					}
					got = append(got, end)
				}
			}
		}
		for _, r := range rejected {
			got = append(got, "error: "+r[strings.LastIndex(r, `": `)+3:])
		}
		if text := strings.Join(got, " "); text != tt.want && !(strings.HasPrefix(tt.want, "error: ") && strings.Contains(text+strings.Join(rejected, ""), tt.want[len("error: "):])) {
			t.Errorf("%s: %q, want %q", tt.entries, text, tt.want)
		}
	}
}

// TestByHand has advisories that were read by hand, with what is found in versions of the
// package. OSV has no records of Photon OS.
func TestByHand(t *testing.T) {
	s := server(t)
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	ix := index.NewMemory(slices.Collect(maps.Values(s.Advisories(t))), nil)
	for _, tt := range []struct {
		release, id, name, source, version string
		want                               string // the fix, or empty if nothing is found
		severity                           verdict.Severity
	}{
		// curl: before 7.88.1-4.ph4, score 9.8
		{"4.0", "CVE-2023-38545", "curl", "curl", "7.88.1-3.ph4", "7.88.1-4.ph4", verdict.Critical},
		{"4.0", "CVE-2023-38545", "curl", "curl", "7.88.1-4.ph4", "", ""},
		{"4.0", "CVE-2023-38545", "curl", "curl", "8.1.2-1.ph4", "", ""},
		// The entries name source packages. curl-devel has none of its own.
		{"4.0", "CVE-2023-38545", "curl-devel", "curl", "7.88.1-3.ph4", "7.88.1-4.ph4", verdict.Critical},
		// curl and curl-libs: before 7.88.1-4.ph4, score 3.7
		{"4.0", "CVE-2023-38546", "curl-libs", "curl", "7.88.1-1.ph4", "7.88.1-4.ph4", verdict.Low},
		// nghttp2: before 1.57.0-1.ph4, score 7.5; httpd: not affected
		{"4.0", "CVE-2023-44487", "nghttp2", "nghttp2", "1.41.0-2.ph4", "1.57.0-1.ph4", verdict.High},
		{"4.0", "CVE-2023-44487", "httpd", "httpd", "2.4.57-1.ph4", "", ""},
		// krb5-devel: before 1.17-15.ph4, without a CVE
		{"4.0", "BDSA-2025-0719", "krb5-devel", "krb5", "1.17-14.ph4", "1.17-15.ph4", verdict.High},
		// zlib in 1.0: before 1.2.8-5.ph1
		{"1.0", "CVE-2016-9843", "zlib", "zlib", "1.2.8-4.ph1", "1.2.8-5.ph1", verdict.High},
		{"1.0", "CVE-2016-9843", "zlib", "zlib", "1.2.8-5.ph1", "", ""},
		// jq in 2.0: before 1.5-3.ph2; 3.0 has no entry for it
		{"2.0", "CVE-2015-8863", "jq", "jq", "1.5-2.ph2", "1.5-3.ph2", verdict.Critical},
		{"3.0", "CVE-2015-8863", "jq", "jq", "1.5-2.ph2", "", ""},
		// ansible in 3.0: before 2.7.6-2.ph3, score 10; curl: not affected
		{"3.0", "CVE-2019-3828", "ansible", "ansible", "2.7.6-1.ph3", "2.7.6-2.ph3", verdict.Critical},
		{"3.0", "CVE-2025-0725", "curl", "curl", "7.61.1-1.ph3", "", ""},
	} {
		inv := inventory.Inventory{
			System:   inventory.System{ID: "photon", VersionID: tt.release},
			Packages: []inventory.Package{{Type: "rpm", Name: tt.name, Version: tt.version, Source: tt.source, SourceVersion: tt.version, Vendor: "VMware, Inc."}},
		}
		res, err := match.Inventory(inv, ix, nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		got, severity := "", verdict.Severity("")
		for _, f := range res.Findings {
			if f.ID == tt.id {
				got, severity = f.Fixed, f.Severity
			}
		}
		if got != tt.want || severity != tt.severity || len(res.NotEvaluated) > 0 {
			t.Errorf("%s %s %s, %s: %q %q, want %q %q; not evaluated %v", tt.release, tt.name, tt.version, tt.id, got, severity, tt.want, tt.severity, res.NotEvaluated)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(`[{"cve_id":"CVE-2024-0001","pkg":"a","cve_score":7.5,"aff_ver":"all versions before 2-1.ph4 are vulnerable","res_ver":"2-1.ph4","status":"Fixed"}]`))
	f.Add([]byte(`[{"cve_id":"BDSA-2024-1","pkg":"a","cve_score":null,"aff_ver":"all versions are vulnerable","res_ver":"NA"}]`))
	f.Add([]byte(`[{"cve_id":"CVE-2024-0001","pkg":"a","status":"Not Affected"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, _, _ := read(t, b)
		for id, a := range all {
			if id == "" || len(a.Affected) == 0 {
				t.Errorf("%+v", a)
			}
		}
	})
}

// TestListedAgain: entries about one package and vulnerability do not take quadratic time.
func TestListedAgain(t *testing.T) {
	all := make(map[string]*vulnerability)
	for n := range 200_000 {
		b := fmt.Sprintf(`{"cve_id":"CVE-2024-0001","pkg":"a","aff_ver":"NA","res_ver":"%d-1.ph4"}`, n)
		if _, err := add(all, "4.0", []byte(b)); err != nil {
			t.Fatal(err)
		}
	}
	a := all["PHOTON-CVE-2024-0001"].advisory("PHOTON-CVE-2024-0001")
	if len(a.Affected) != 1 || len(a.Affected[0].Ranges) != 200_000 {
		t.Errorf("%d entries", len(a.Affected))
	}
}
