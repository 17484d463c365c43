package arch

import (
	"bytes"
	"encoding/json"
	"errors"
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

// genuine returns the groups of the test data: two of vuln-list-update, and five of vunnel.
func genuine(t testing.TB) []byte {
	t.Helper()
	var all [][]byte
	for _, elem := range [][]string{{"vuln-list-update", "testdata", "archlinux.json"}, {"vunnel", "input", "arch-advisories", "all.json"}} {
		b, err := os.ReadFile(testkit.Path(t, append([]string{"feeds", "arch"}, elem...)...))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bytes.Trim(bytes.TrimSpace(b), "[]"))
	}
	return slices.Concat([]byte("["), bytes.Join(all, []byte(",")), []byte("]"))
}

func TestUpdate(t *testing.T) {
	s := feedtest.New(t, Source(), map[string][]byte{"all.json": genuine(t)})
	o, err := s.Update(t)
	if err != nil || o.Added != 7 || o.Rejected != 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	s.Sent()
	if o, err = s.Update(t); err != nil || o.Added+o.Changed+o.Removed != 0 || s.Sent() != 0 {
		t.Errorf("again: %+v, %v", o, err)
	}
	invalid, err := os.ReadFile(testkit.Path(t, "feeds", "arch", "vuln-list-update", "testdata", "invalid.json"))
	if err != nil {
		t.Fatal(err)
	}
	s.Broken(t, "all.json", map[string][]byte{
		"of vuln-list-update": invalid,
		"an object":           []byte(`{"AVG-1":{"name":"AVG-1","packages":["a"],"status":"Vulnerable"}}`),
		"a large group":       slices.Concat([]byte(`[{"name":"`), bytes.Repeat([]byte("a"), maxGroup+readAhead), []byte(`"}]`)),
	})
}

const readAhead = 128 << 10 // more than the decoder reads beyond a value

// read returns the advisories of a file, and the errors of rejected groups.
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

// TestGrype compares the advisories with what Grype concludes.
func TestGrype(t *testing.T) {
	all, _ := read(t, genuine(t))
	snapshots, err := filepath.Glob(testkit.Path(t, "feeds", "arch", "vunnel", "snapshots") + "/*.json")
	if err != nil || len(snapshots) != 5 {
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
					Metadata       struct{ CVE []struct{ Name string } }
				}
			}
		}
		if err := json.Unmarshal(b, &snapshot); err != nil {
			t.Fatal(err)
		}
		v := snapshot.Item.Vulnerability
		a := all[v.Name]
		got, want := map[string]string{}, map[string]string{}
		for _, af := range a.Affected {
			got[af.Package.Name] = "None"
			if events := af.Ranges[0].Events; len(events) > 1 {
				got[af.Package.Name] = events[1].Fixed
			}
		}
		for _, f := range v.FixedIn {
			want[f.Name] = f.Version
		}
		var cves []string
		for _, c := range v.Metadata.CVE {
			cves = append(cves, c.Name)
		}
		if !maps.Equal(got, want) || !slices.Equal(a.Upstream, cves) || string(a.DatabaseSpecific) != `{"severity":"`+strings.ToLower(v.Severity)+`"}` {
			t.Errorf("%s: %q %q %s, Grype: %q %q %s", v.Name, got, a.Upstream, a.DatabaseSpecific, want, cves, v.Severity)
		}
	}
}

func TestConvert(t *testing.T) {
	for _, tt := range []struct{ group, want string }{
		{`{"name":"AVG-1","packages":["b","a","a"],"status":"Vulnerable","severity":"Low","issues":["CVE-2024-0001"],"fixed":null}`, "a <, b <"},
		{`{"name":"AVG-1","packages":["a"],"status":"Fixed","fixed":"2-1"}`, "a <2-1"},
		{`{"name":"AVG-1","packages":["a"],"status":"Testing","fixed":"2-1"}`, "a <2-1"},
		{`{"name":"AVG-1","packages":["a"],"status":"Unknown"}`, "a under investigation <"},
		{`{"name":"AVG-1","packages":["a"],"status":"Not affected","affected":"1-1"}`, "a not affected"},
		{`{"name":"AVG-1","packages":["a"],"status":"Fixed"}`, `"AVG-1": the group is fixed, but has no fixed version`},
		{`{"name":"AVG-1","packages":["a"],"status":"Maybe"}`, `"AVG-1": unknown status "Maybe"`},
		{`{"name":"AVG-1","packages":["a"],"status":"Fixed","fixed":"2 3"}`, `"AVG-1": invalid version "2 3"`},
		{`{"name":"AVG-1","packages":[],"status":"Fixed","fixed":"2-1"}`, `"AVG-1": 0 packages and 0 issues`},
		{`{"name":"AVG-1","packages":["a/b"],"status":"Fixed","fixed":"2-1"}`, `"AVG-1": invalid name of a package "a/b"`},
		{`{"name":"AVG-1","packages":["a"],"status":"Fixed","fixed":"2-1","issues":["CVE-1"]}`, `"AVG-1": invalid CVE "CVE-1"`},
		{`{"name":"CVE-2024-0001","packages":["a"],"status":"Fixed","fixed":"2-1"}`, `"group 1": invalid name of a group`},
		{`{"name":"AVG-1","packages":"a","status":"Fixed","fixed":"2-1"}`, `"group 1": json: cannot unmarshal`},
		{`[]`, `"group 1": json: cannot unmarshal`},
	} {
		all, rejected := read(t, []byte("["+tt.group+"]"))
		var got []string
		for _, a := range all {
			for _, af := range a.Affected {
				text := af.Package.Name
				if af.Status != advisory.StatusAffected {
					text += " " + af.Status.String()
				}
				for _, r := range af.Ranges {
					text += " <"
					for _, e := range r.Events {
						text += e.Fixed
					}
				}
				got = append(got, text)
			}
		}
		got = append(got, rejected...)
		if text := strings.Join(got, ", "); text != tt.want && (len(rejected) != 1 || !strings.Contains(text, tt.want)) {
			t.Errorf("%s: %q, want %q", tt.group, text, tt.want)
		}
	}
}

// TestByHand has groups that were read by hand, with what is found in versions of the
// package. OSV has no records of Arch Linux. No group of the test data has the status
// Testing, Unknown or Not affected.
func TestByHand(t *testing.T) {
	groups := append(bytes.TrimSuffix(genuine(t), []byte("]")), `,
		{"name":"AVG-1","packages":["testing"],"status":"Testing","severity":"High","affected":"1-1","fixed":"1-2","issues":["CVE-2024-0001"],"advisories":[]},
		{"name":"AVG-2","packages":["unknown"],"status":"Unknown","severity":"Unknown","affected":"1-1","fixed":null,"issues":["CVE-2024-0002"],"advisories":[]},
		{"name":"AVG-3","packages":["unaffected"],"status":"Not affected","severity":"Low","affected":"1-1","fixed":null,"issues":["CVE-2024-0003"],"advisories":[]}]`...)
	all, rejected := read(t, groups)
	if len(all) != 10 || len(rejected) > 0 {
		t.Fatalf("%d advisories, rejected %q", len(all), rejected)
	}
	ix := index.NewMemory(slices.Collect(maps.Values(all)), nil)
	for _, tt := range []struct {
		id, name, version string
		want              string // the fix, "-" for a finding without one, or empty if nothing is found
		severity          verdict.Severity
		status            advisory.Status
	}{
		// AVG-20: curl, fixed in 7.50.3-1, low
		{"CVE-2016-7167", "curl", "7.50.2-1", "7.50.3-1", verdict.Low, 0},
		{"CVE-2016-7167", "curl", "7.50.3-1", "", "", 0},
		// Before the version in which it was found.
		{"CVE-2016-7167", "curl", "7.40.0-1", "7.50.3-1", verdict.Low, 0},
		// AVG-4: bzip2, fixed in 1.0.6-6
		{"CVE-2016-3189", "bzip2", "1.0.6-5", "1.0.6-6", verdict.Low, 0},
		{"CVE-2016-3189", "bzip2", "1.0.8-6", "", "", 0},
		// AVG-1234: curl, fixed in 8.5.0-1, high
		{"CVE-2024-1234", "curl", "8.4.0-1", "8.5.0-1", verdict.High, 0},
		{"CVE-2024-1234", "curl", "8.10.0-1", "", "", 0},
		// AVG-5678: openssl, fixed in 3.2.0-1, with two CVEs
		{"CVE-2024-5678", "openssl", "3.1.4-1", "3.2.0-1", verdict.Critical, 0},
		{"CVE-2024-5679", "openssl", "3.1.4-1", "3.2.0-1", verdict.Critical, 0},
		{"CVE-2024-5679", "openssl", "1:3.1.4-1", "", "", 0}, // a newer epoch
		// AVG-9999: pam, vulnerable, medium
		{"CVE-2025-6020", "pam", "1.7.0-2", "-", verdict.Medium, 0},
		{"CVE-2025-6020", "pam", "1.7.1-1", "-", verdict.Medium, 0},
		// AVG-1324: glibc and lib32-glibc, fixed in 2.38-2
		{"CVE-2023-4911", "lib32-glibc", "2.38-1", "2.38-2", verdict.High, 0},
		{"CVE-2023-4911", "glibc", "2.38-2", "", "", 0},
		// AVG-2222: test-pkg, fixed in 1.0.0-1, without a CVE
		{"AVG-2222", "test-pkg", "0.9.0-1", "1.0.0-1", verdict.Low, 0},
		{"AVG-2222", "test-pkg", "1.0.0-1", "", "", 0},
		// The other statuses.
		{"CVE-2024-0001", "testing", "1-1", "1-2", verdict.High, 0},
		{"CVE-2024-0001", "testing", "1-2", "", "", 0},
		{"CVE-2024-0002", "unknown", "9-1", "-", verdict.Unrated, advisory.StatusUnderInvestigation},
		{"CVE-2024-0003", "unaffected", "1-1", "", "", 0},
	} {
		inv := inventory.Inventory{
			System:   inventory.System{ID: "arch"},
			Packages: []inventory.Package{{Type: "alpm", Name: tt.name, Version: tt.version}},
		}
		res, err := match.Inventory(inv, ix, nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		got, severity, status := "", verdict.Severity(""), advisory.Status(0)
		for _, f := range res.Findings {
			if f.ID == tt.id {
				got, severity, status = f.Fixed, f.Severity, f.Status
				if got == "" {
					got = "-"
				}
			}
		}
		if got != tt.want || severity != tt.severity || status != tt.status || len(res.NotEvaluated) > 0 {
			t.Errorf("%s %s, %s: %q %q %v, want %q %q %v; not evaluated %v", tt.name, tt.version, tt.id, got, severity, status, tt.want, tt.severity, tt.status, res.NotEvaluated)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(`[{"name":"AVG-1","packages":["a"],"status":"Fixed","severity":"Low","affected":"1-1","fixed":"2-1","issues":["CVE-2024-0001"],"advisories":["ASA-202401-1"]}]`))
	f.Add([]byte(`[{"name":"AVG-1","packages":["a"],"status":"Not affected","fixed":null}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, _ := read(t, b)
		for _, a := range all {
			if !groupID.MatchString(a.ID) || len(a.Affected) == 0 {
				t.Errorf("%+v", a)
			}
		}
	})
}
