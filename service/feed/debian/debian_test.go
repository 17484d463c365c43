package debian

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/feed/whole"
	"assay/service/index"
	"assay/service/match"
)

// archived reads the files of an archive of the test data.
func archived(t testing.TB, name string) fs.FS {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, "feeds", "debian-tracker", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { z.Close() })
	return z
}

// genuine is an excerpt of the tracker: six packages.
func genuine(t testing.TB) []byte {
	t.Helper()
	b, err := fs.ReadFile(archived(t, "vunnel.zip"), "input/debian.json")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b)
}

// TestUpdate updates from a server with the genuine excerpt. It has eight vulnerabilities,
// and one of them has no releases.
func TestUpdate(t *testing.T) {
	s := feedtest.New(t, Source(), map[string][]byte{file: genuine(t)})
	o, err := s.Update(t)
	if err != nil || o.Added != 6 || o.Rejected != 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	all := s.Advisories(t)
	a := all["DEBIAN-CVE-2022-0456"]
	var got []string
	for _, af := range a.Affected {
		got = append(got, af.Package.Ecosystem+" "+string(af.EcosystemSpecific)+" "+string(af.DatabaseSpecific))
	}
	want := []string{
		`Debian:12 {"urgency":"not yet assigned"} `,
		`Debian:11 {"urgency":"not yet assigned"} `,
		`Debian:10 {"status":"will not fix","urgency":"end-of-life"} {"note":"end of life"}`,
		`Debian:unstable {"urgency":"not yet assigned"} `,
		`Debian:9 {"status":"will not fix","urgency":"end-of-life"} {"note":"end of life"}`,
	}
	if !slices.Equal(got, want) || !slices.Equal(a.Upstream, []string{"CVE-2022-0456"}) {
		t.Errorf("upstream %q, affected\n%s", a.Upstream, strings.Join(got, "\n"))
	}
	s.Sent()
	if o, err = s.Update(t); err != nil || o.Added+o.Changed+o.Removed != 0 || s.Sent() != 0 {
		t.Errorf("again: %+v, %v", o, err)
	}
}

func TestBroken(t *testing.T) {
	s := feedtest.New(t, Source(), map[string][]byte{file: genuine(t)})
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	deep := strings.Repeat(`{"releases":`, 20_000)
	s.Broken(t, file, map[string][]byte{
		"a list":             []byte(`["bash"]`),
		"packages are lists": []byte(`{"bash":[],"apt":[]}`),
		"numbers":            []byte(`{"bash":{"CVE-2024-0001":7}}`),
		"releases no object": []byte(`{"bash":{"CVE-2024-0001":{"releases":["sid"]}}}`),
		"no vulnerabilities": []byte(`{"bash":{}}`),
		"deep":               []byte(`{"bash":{"CVE-2024-0001":` + deep),
		"no IDs":             []byte(`{"bash":{"x":{"releases":{"sid":{"status":"open"}}}}}`),
	})
}

// TestRejected: a vulnerability that cannot be converted is rejected as a whole, counted and
// named. The others stay.
func TestRejected(t *testing.T) {
	const open = `{"releases":{"bookworm":{"status":"open"}}}`
	for name, tt := range map[string]struct{ packages, named string }{
		"invalid ID":           {`"bad":{"CVE-1":` + open + `}`, `"CVE-1"`},
		"status is a number":   {`"bad":{"CVE-2024-0009":{"releases":{"bookworm":{"status":1}}}}`, `"CVE-2024-0009": package "bad"`},
		"version is a number":  {`"bad":{"CVE-2024-0009":{"releases":{"bookworm":{"status":"resolved","fixed_version":0}}}}`, `"CVE-2024-0009": package "bad"`},
		"no releases":          {`"bad":{"CVE-2024-0009":{}}`, `"CVE-2024-0009": package "bad"`},
		"name of a release":    {`"bad":{"CVE-2024-0009":{"releases":{"../12":{"status":"open"}}}}`, `invalid name of a release`},
		"also in good package": {`"bad":{"CVE-2024-0009":` + open + `},"worse":{"CVE-2024-0009":null}`, `package "worse"`},
		"repeated":             {`"bad":{"CVE-2024-0009":` + open + `,"CVE-2024-0009":` + open + `}`, "the package is repeated"},
		"package is repeated":  {`"bad":{},"bad":{"CVE-2024-0009":` + open + `}`, "the package is repeated"},
		"many releases":        {`"bad":{"CVE-2024-0009":{"releases":{` + strings.Repeat(`"sid":{},`, 101) + `"sid":{}}}}`, "more than 100"},
		"name of a package":    {`"a b":{"CVE-2024-0009":` + open + `}`, `"a b": not the name of a source package`},
		"package is a list":    {`"bad":[]`, `"bad": a package must have an object`},
	} {
		t.Run(name, func(t *testing.T) {
			s := feedtest.New(t, Source(), map[string][]byte{file: []byte(`{"apt":{"CVE-2024-0001":` + open + `,"CVE-2024-0002":` + open + `},` + tt.packages + `}`)})
			o, err := s.Update(t)
			if err != nil || o.Added != 2 || o.Rejected != 1 || !strings.Contains(o.Rejections[0].Error(), tt.named) {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}

// debianImage is an image with one package.
func debianImage(version, codename, source, installed string, repositories ...string) inventory.Inventory {
	return inventory.Inventory{
		System:   inventory.System{ID: "debian", VersionID: version, Codename: codename, Repositories: repositories},
		Packages: []inventory.Package{{Type: "deb", Name: source + "-bin", Source: source, Version: installed + "+b1", SourceVersion: installed, Arch: "amd64"}},
	}
}

// scan evaluates an image with the advisories of a source.
func scan(t testing.TB, inv inventory.Inventory, all ...advisory.Advisory) match.Result {
	t.Helper()
	res, err := match.Inventory(inv, index.NewMemory(all, nil), nil, time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// converted converts a file of the tracker.
func converted(t testing.TB, b []byte) []advisory.Advisory {
	t.Helper()
	path := filepath.Join(t.TempDir(), "json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var all []advisory.Advisory
	for r, err := range records(path) {
		if err != nil {
			t.Fatal(err)
		}
		a, err := advisory.Parse(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		a.Source = Name
		all = append(all, a)
	}
	return all
}

// inTracker has what the tracker makes of genuine lines of its list data/CVE/list, which
// are in the comments.
const inTracker = `{
"ant":{"CVE-2021-36373":{"description":"When reading a specially crafted TAR archive","scope":"local","releases":{` +
	// - ant <unfixed> (unimportant)
	`"bullseye":{"status":"open","repositories":{"bullseye":"1.10.9-4"},"urgency":"unimportant"}}}},
"putty":{"CVE-2021-36367":{"debianbug":990901,"scope":"remote","releases":{` +
	// - putty 0.75-3 (low; bug #990901)
	// [bullseye] - putty <no-dsa> (Minor issue)
	`"bookworm":{"status":"resolved","repositories":{"bookworm":"0.78-2"},"fixed_version":"0.75-3","urgency":"low"},
	"bullseye":{"status":"open","repositories":{"bullseye":"0.74-1+deb11u1"},"urgency":"low","nodsa":"Minor issue","nodsa_reason":""}}}},
"foot":{"TEMP-1053115-6B5BC5":{"debianbug":1053115,"releases":{` +
	// - foot 1.15.3-2 (bug #1053115)
	// [bookworm] - foot 1.13.1-2+deb12u1
	// [bullseye] - foot <no-dsa> (Minor issue)
	`"bookworm":{"status":"resolved","repositories":{"bookworm":"1.13.1-2+deb12u1"},"fixed_version":"1.13.1-2+deb12u1","urgency":"not yet assigned"},
	"bullseye":{"status":"open","repositories":{"bullseye":"1.6.4-1"},"urgency":"not yet assigned","nodsa":"Minor issue","nodsa_reason":""}}}},
"redis":{"CVE-2019-10192":{"releases":{` +
	// [19 Jul 2019] DSA-4480-1 redis: [buster] - redis 5:5.0.3-4+deb10u1
	`"buster":{"status":"resolved","repositories":{"buster":"5:5.0.14-1+deb10u2"},"fixed_version":"5:5.0.3-4+deb10u1","urgency":"not yet assigned"}}}},
"made-up":{
	"CVE-2024-0001":{"releases":{"bookworm":{"status":"open","urgency":"not yet assigned","nodsa":"Minor issue","nodsa_reason":"ignored"}}},
	"CVE-2024-0002":{"releases":{"bookworm":{"status":"open","urgency":"not yet assigned","nodsa":"Minor issue; fix later","nodsa_reason":"postponed"}}},
	"CVE-2024-0003":{"releases":{"bookworm":{"status":"undetermined","urgency":"not yet assigned"}}},
	"CVE-2024-0004":{"releases":{"bookworm":{"status":"open","urgency":"not yet assigned","nodsa":"Minor issue","next_point_update":true}}},
	"CVE-2024-0005":{"releases":{"bookworm":{"status":"resolved","urgency":"not yet assigned"}}},
	"CVE-2024-0006":{"releases":{"bookworm":{"status":"new word","urgency":"not yet assigned"}}},
	"CVE-2024-0007":{"releases":{"nextname":{"status":"open","urgency":"not yet assigned"}}}}
}`

// TestByHand holds findings against the tracker's own words. Each row was worked out by
// reading the file. A package is looked up by the name of its source.
//
// Of these vulnerabilities the test data has as OSV records:
//   - DEBIAN-CVE-2025-53603: Debian:12, fixed 5.8.0-1+deb12u1; equal.
//   - DSA-5068-1 with CVE-2022-0456: Debian:11, fixed 98.0.4758.80-1~deb11u1; equal. The DSA
//     says nothing about Debian 9 and 10, for which support had ended: the tracker has them
//     as end of life.
//   - DSA-4480-1 with CVE-2019-10192: Debian:10, fixed 5:5.0.3-4+deb10u1; equal.
//
// The others have none: nothing was announced about them.
func TestByHand(t *testing.T) {
	for _, tt := range []struct {
		image           inventory.Inventory
		id, fixed       string // empty: no finding, no fix
		status          advisory.Status
		severity, whyIn string
	}{
		// CVE-2008-7220: fixed in 1.6.0.2-1, urgency high**
		{debianImage("10", "buster", "prototypejs", "1.6.0.1-1"), "CVE-2008-7220", "1.6.0.2-1", 0, "high", "1.6.0.1-1 < fixed 1.6.0.2-1"},
		{debianImage("10", "buster", "prototypejs", "1.6.0.2-1"), "", "", 0, "", ""},
		// The same package: CVE-2007-2383 never affected it, fixed_version is 0.
		{debianImage("9", "stretch", "prototypejs", "1.5.0-1"), "CVE-2008-7220", "1.6.0.2-1", 0, "high", ""},
		// CVE-2013-1444: 1.5.5-4.1, urgency low**
		{debianImage("8", "jessie", "txt2man", "1.5.5-4"), "CVE-2013-1444", "1.5.5-4.1", 0, "low", ""},
		{debianImage("8", "jessie", "txt2man", "1.5.5-4.1"), "", "", 0, "", ""},
		{debianImage("8", "jessie", "txt2man", "1.6.0-1"), "", "", 0, "", ""},
		// CVE-2005-3111: 0.8-2, urgency medium
		{debianImage("9", "stretch", "backupninja", "0.8-1"), "CVE-2005-3111", "0.8-2", 0, "medium", ""},
		{debianImage("9", "stretch", "backupninja", "1.0.1-2"), "", "", 0, "", ""},
		// CVE-2022-0456: each release has another answer.
		{debianImage("12", "bookworm", "chromium", "98.0.4758.80-1~deb11u1"), "CVE-2022-0456", "98.0.4758.80-1", 0, "unrated", ""},
		{debianImage("11", "bullseye", "chromium", "98.0.4758.80-1~deb11u1"), "", "", 0, "", ""},
		{debianImage("11", "bullseye", "chromium", "90.0.4430.212-1"), "CVE-2022-0456", "98.0.4758.80-1~deb11u1", 0, "unrated", ""},
		{debianImage("10", "buster", "chromium", "90.0.4430.212-1~deb10u1"), "CVE-2022-0456", "", advisory.StatusWontFix, "unrated", "has no fix (end of life)"},
		{debianImage("10", "buster", "chromium", "99.0.1-1"), "CVE-2022-0456", "", advisory.StatusWontFix, "unrated", ""},
		{debianImage("", "forky", "chromium", "98.0.4758.79-1", "sid"), "CVE-2022-0456", "98.0.4758.80-1", 0, "unrated", "Debian:unstable"},
		{debianImage("", "forky", "chromium", "99.0.4844.51-1", "sid"), "", "", 0, "", ""},
		// CVE-2025-53603: DSA-5970-1
		{debianImage("12", "bookworm", "sope", "5.8.0-1"), "CVE-2025-53603", "5.8.0-1+deb12u1", 0, "unrated", ""},
		{debianImage("12", "bookworm", "sope", "5.8.0-1+deb12u1"), "", "", 0, "", ""},
		{debianImage("11", "bullseye", "sope", "5.0.1-2"), "CVE-2025-53603", "5.0.1-2+deb11u1", 0, "unrated", ""},
		{debianImage("13", "trixie", "sope", "5.12.1-2"), "", "", 0, "", ""},
		// CVE-2021-36373: unimportant and not fixed
		{debianImage("11", "bullseye", "ant", "1.10.9-4"), "CVE-2021-36373", "", 0, "negligible", "has no fix"},
		// CVE-2021-36367: no DSA in bullseye
		{debianImage("11", "bullseye", "putty", "0.74-1"), "CVE-2021-36367", "", 0, "low", "has no fix (no DSA: Minor issue)"},
		{debianImage("12", "bookworm", "putty", "0.75-3"), "", "", 0, "", ""},
		// without a CVE
		{debianImage("12", "bookworm", "foot", "1.13.1-2"), "TEMP-1053115-6B5BC5", "1.13.1-2+deb12u1", 0, "unrated", ""},
		{debianImage("11", "bullseye", "foot", "1.6.4-1"), "TEMP-1053115-6B5BC5", "", 0, "unrated", "(no DSA: Minor issue)"},
		// DSA-4480-1, with an epoch
		{debianImage("10", "buster", "redis", "5:5.0.3-4"), "CVE-2019-10192", "5:5.0.3-4+deb10u1", 0, "unrated", ""},
		{debianImage("10", "buster", "redis", "5:5.0.3-4+deb10u1"), "", "", 0, "", ""},
		{debianImage("10", "buster", "redis", "6.0"), "CVE-2019-10192", "5:5.0.3-4+deb10u1", 0, "unrated", ""},
	} {
		name := tt.image.Packages[0].Source + " " + tt.image.Packages[0].SourceVersion + " in " + tt.image.System.Codename
		t.Run(name, func(t *testing.T) {
			res := scan(t, tt.image, append(converted(t, genuine(t)), converted(t, []byte(inTracker))...)...)
			if len(res.NotEvaluated) != 0 {
				t.Errorf("not evaluated: %+v", res.NotEvaluated)
			}
			if tt.id == "" {
				if len(res.Findings) != 0 {
					t.Errorf("finding %q: %s", res.Findings[0].ID, res.Findings[0].Why)
				}
				return
			}
			if len(res.Findings) != 1 {
				t.Fatalf("%d findings, want %s", len(res.Findings), tt.id)
			}
			f := res.Findings[0]
			if f.ID != tt.id || f.Fixed != tt.fixed || f.Status != tt.status || string(f.Severity) != tt.severity || !strings.Contains(f.Why, tt.whyIn) {
				t.Errorf("%s fixed %q, %s, %s: %s", f.ID, f.Fixed, f.Status, f.Severity, f.Why)
			}
		})
	}
}

// TestStatuses: what Debian does not fix stays a finding, with the reason. What the tracker
// does not say clearly is not evaluated.
func TestStatuses(t *testing.T) {
	res := scan(t, debianImage("12", "bookworm", "made-up", "1.0-1"), converted(t, []byte(inTracker))...)
	got := map[string]string{}
	for _, f := range res.Findings {
		_, note, _ := strings.Cut(f.Why, " has no fix")
		got[f.ID] = f.Status.String() + note
	}
	want := map[string]string{
		"CVE-2024-0001": "will not fix (ignored: Minor issue)",
		"CVE-2024-0002": "fix deferred (fix postponed: Minor issue; fix later)",
		"CVE-2024-0003": "under investigation (not yet determined)",
		"CVE-2024-0004": "affected (fix in the next point release: Minor issue)",
	}
	for id, text := range want {
		if got[id] != text {
			t.Errorf("%s: %q, want %q", id, got[id], text)
		}
	}
	var gaps []string
	for _, n := range res.NotEvaluated {
		gaps = append(gaps, n.Reason)
	}
	if len(got) != len(want) || len(gaps) != 2 || !strings.Contains(gaps[0], "DEBIAN-CVE-2024-0005 of made-up") {
		t.Errorf("%v, not evaluated %q", got, gaps)
	}
}

// TestUnstable: an image of unstable is evaluated with the entries for sid, and one of which
// nothing else is known with those for testing. Without entries for sid, testing's decide.
func TestUnstable(t *testing.T) {
	const data = `{"a":{"CVE-2024-0001":{"releases":{"sid":{"status":"resolved","fixed_version":"2-1"},"forky":{"status":"open"}}}},
		"b":{"CVE-2024-0002":{"releases":{"forky":{"status":"open"}}}}}`
	both := converted(t, []byte(data))
	older := converted(t, []byte(`{"a":{"CVE-2024-0001":{"releases":{"forky":{"status":"open"}}}}}`))
	for _, tt := range []struct {
		name    string
		image   inventory.Inventory
		records []advisory.Advisory
		want    string // "not evaluated", or the findings
	}{
		{"fixed in sid", debianImage("", "forky", "a", "2-1", "sid"), both, ""},
		{"below the fix in sid", debianImage("", "forky", "a", "1-1", "unstable"), both, "CVE-2024-0001"},
		{"only in testing", debianImage("", "forky", "b", "1-1", "sid"), both, "CVE-2024-0002"},
		{"testing", debianImage("", "forky", "a", "2-1", "testing"), both, "CVE-2024-0001"},
		{"unknown repositories", debianImage("", "forky", "a", "2-1"), both, "CVE-2024-0001"},
		{"without entries for sid", debianImage("", "forky", "a", "2-1", "sid"), older, "CVE-2024-0001"},
		{"only sid is named", debianImage("", "sid", "a", "1-1"), both, "CVE-2024-0001"},
		{"only sid is named, without entries", debianImage("", "sid", "a", "1-1"), older, "not evaluated"},
		{"stable that can upgrade to sid", debianImage("12", "bookworm", "a", "1-1", "bookworm", "sid"), both, "not evaluated"},
	} {
		t.Run(tt.name, func(t *testing.T) { checkFindings(t, scan(t, tt.image, tt.records...), tt.want) })
	}
}

func checkFindings(t *testing.T, res match.Result, want string) {
	t.Helper()
	var ids []string
	for _, f := range res.Findings {
		ids = append(ids, f.ID)
	}
	got := strings.Join(ids, " ")
	if len(res.NotEvaluated) > 0 {
		got = "not evaluated"
	}
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestVunnel compares the entries with what Grype's vunnel concludes from the same file.
// They are equal in all 23 snapshots. The 17 snapshots of Debian 7 are of an older file that
// the test data lacks.
func TestVunnel(t *testing.T) {
	z := archived(t, "vunnel.zip")
	entries := make(map[string]string) // "debian:12 CVE-2024-1 bash" to the version
	for _, a := range converted(t, genuine(t)) {
		for _, af := range a.Affected {
			version := "None"
			if af.Status == advisory.StatusNotAffected {
				version = "0"
			} else if fixed := slices.Collect(a.Fixes()); len(af.Ranges[0].Events) == 2 {
				version = fixed[slices.IndexFunc(fixed, func(f advisory.Fix) bool { return f.Ecosystem == af.Package.Ecosystem })].Version
			}
			entries[strings.ToLower(af.Package.Ecosystem)+" "+a.Upstream[0]+" "+af.Package.Name] = version
		}
	}
	compared, other := 0, 0
	err := fs.WalkDir(z, "snapshots", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(z, path)
		if err != nil {
			return err
		}
		var s struct {
			Item struct {
				Vulnerability struct {
					Name          string
					NamespaceName string
					FixedIn       []struct{ Name, Version string }
				}
			} `json:"item"`
		}
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		v := s.Item.Vulnerability
		if v.NamespaceName == "debian:7" || v.Name == "CVE-2012-0833" { // from the older file
			other++
			return nil
		}
		for _, f := range v.FixedIn {
			compared++
			if got := entries[v.NamespaceName+" "+v.Name+" "+f.Name]; got != f.Version {
				t.Errorf("%s %s: %q, vunnel %q", path, f.Name, got, f.Version)
			}
		}
		return nil
	})
	if err != nil || compared != len(entries) {
		t.Errorf("%d of %d entries compared, %v", compared, len(entries), err)
	}
	t.Logf("%d entries equal, %d snapshots of another file", compared, other)
}

// TestGenuineDatabases evaluates two genuine package databases with the records of the test
// data, and with the same data in the tracker's form in addition. The findings are the same,
// and those in records of one vulnerability come from the tracker.
func TestGenuineDatabases(t *testing.T) {
	osv, tracked := debian12(t)
	own := converted(t, tracked)
	for _, tt := range []struct {
		database string
		findings int
	}{{"debian12-minbase", 16}, {"debian12-app", 3828}} {
		inv := installed(t, tt.database)
		before, after := scan(t, inv, osv...), scan(t, inv, append(slices.Clone(osv), own...)...)
		if len(before.Findings) != tt.findings || len(after.Findings) != tt.findings || len(after.NotEvaluated) != 0 {
			t.Fatalf("%s: %d findings before, %d after, not evaluated: %+v", tt.database, len(before.Findings), len(after.Findings), after.NotEvaluated)
		}
		for i, b := range before.Findings {
			if a := after.Findings[i]; a.ID != b.ID || a.Package.Name != b.Package.Name || a.Fixed != b.Fixed || !slices.Equal(a.Advisories, b.Advisories) {
				t.Errorf("%s: %s of %s fixed %q by %q, before %s of %s fixed %q", tt.database, a.ID, a.Package.Name, a.Fixed, a.Advisories, b.ID, b.Package.Name, b.Fixed)
			}
		}
	}
	t.Logf("%d records of osv, %d from the tracker", len(osv), len(own))
}

// debian12 returns the records about one vulnerability in Debian 12 in the test data, and the
// same in the form of the tracker.
func debian12(t testing.TB) (osv []advisory.Advisory, tracked []byte) {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, "osv", "Debian", "all.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	packages := make(map[string]map[string]any)
	for _, f := range z.File {
		if !strings.HasPrefix(f.Name, "DEBIAN-CVE-") {
			continue
		}
		b, err := fs.ReadFile(z, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		a, err := advisory.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		a.Source = "osv"
		osv = append(osv, a)
		for fix := range a.Fixes() {
			if packages[fix.Package] == nil {
				packages[fix.Package] = make(map[string]any)
			}
			releases := map[string]release{"bookworm": {Status: "resolved", Fixed: fix.Version, Urgency: "not yet assigned"}}
			packages[fix.Package][a.Upstream[0]] = map[string]any{"releases": releases}
		}
	}
	tracked, err = json.Marshal(packages)
	if err != nil {
		t.Fatal(err)
	}
	return osv, tracked
}

// installed returns an image with the packages of a genuine database.
func installed(t testing.TB, database string) inventory.Inventory {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, "pkgdb", "dpkg", database, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Name, Version, Arch, Source, Status string
		SourceVersion                       string `json:"source_version"`
	}
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatal(err)
	}
	inv := inventory.Inventory{System: inventory.System{ID: "debian", VersionID: "12", Codename: "bookworm"}}
	for _, r := range rows {
		if r.Status == "installed" {
			inv.Packages = append(inv.Packages, inventory.Package{Type: "deb", Name: r.Name, Version: r.Version, Arch: r.Arch, Source: r.Source, SourceVersion: r.SourceVersion})
		}
	}
	return inv
}

// TestTooMany: more pairs than a genuine file has end the update.
func TestTooMany(t *testing.T) {
	tr := tracker{issues: make(map[string]*issue), read: make(map[string]bool), pairs: maxPairs}
	err := tr.add(valueOf("bash", `{"CVE-2024-0001":{"releases":{}}}`))
	if !errors.Is(err, errTooMany) {
		t.Error(err)
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(inTracker))
	f.Add([]byte(`{"a":{"CVE-2024-0001":{"releases":[]}},"b":{"CVE-2024-0001":{"releases":{"sid":{"status":"resolved","fixed_version":"0"}}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "json")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		for r, err := range records(path) {
			if err != nil {
				continue
			}
			a, err := advisory.Parse(r.Body)
			if err != nil || len(a.Affected) == 0 {
				t.Fatalf("%v: %s", err, r.Body)
			}
			if entries := index.Entries(a, nil); len(entries) != len(a.Affected) {
				t.Fatalf("%d of %d entries are indexed: %s", len(entries), len(a.Affected), r.Body)
			}
		}
	})
}

// writeTracker writes a file of the true size and shape: 60,000 pairs in 3,500 packages, of
// which the kernel has 10,000, and five releases.
func writeTracker(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "json")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	description := strings.Repeat("allows remote attackers to cause a denial of service ", 8)
	n := 0
	issues := func(pkg string, count int) {
		if n > 0 {
			io.WriteString(f, ",")
		}
		fmt.Fprintf(f, "%q:{", pkg)
		for i := range count {
			if i > 0 {
				io.WriteString(f, ",")
			}
			id := n % 45_000 // a third of the vulnerabilities is in two packages
			fmt.Fprintf(f, `"CVE-20%02d-%04d":{"description":"%d %s","scope":"remote","releases":{`, 10+id%16, 1000+id/16, n, description)
			for j, name := range []string{"bookworm", "bullseye", "forky", "sid", "trixie"} {
				if j > 0 {
					io.WriteString(f, ",")
				}
				fmt.Fprintf(f, `%q:{"status":"resolved","repositories":{"%s":"5.10.%d-1","%s-security":"5.10.%d-1"},"fixed_version":"5.%d.%d-1","urgency":"not yet assigned"}`,
					name, name, n, name, n, j/2, n/3)
			}
			io.WriteString(f, "}}")
			n++
		}
		io.WriteString(f, "}")
	}
	io.WriteString(f, "{")
	issues("linux", 10_000)
	for i := range 3500 {
		issues(fmt.Sprintf("package%04d", i), 14+i%2)
	}
	io.WriteString(f, "}")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// BenchmarkRecords converts a file of the true size, and reports the highest memory in use.
func BenchmarkRecords(b *testing.B) {
	path := writeTracker(b)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		n, top := 0, uint64(0)
		for _, err := range records(path) {
			if err != nil {
				b.Fatal(err)
			}
			if n++; n%5000 == 1 {
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				top = max(top, now.HeapInuse-min(before.HeapInuse, now.HeapInuse))
			}
		}
		b.ReportMetric(float64(n), "records")
		b.ReportMetric(float64(top)/(1<<20), "MiB-heap")
	}
}

func valueOf(name, text string) whole.Value { return whole.Value{Name: name, JSON: []byte(text)} }
