package fedora

import (
	"archive/zip"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/inspect/inventory"
	"assay/service/feed"
	"assay/service/index"
	"assay/service/match"
	"assay/verdict"
)

// An update is an answer of Bodhi, Fedora's update system.
type update struct {
	Alias    string `json:"alias"`
	Name     string `json:"display_name"`
	Title    string `json:"title"`
	Notes    string `json:"notes"`
	Type     string `json:"type"`
	Status   string `json:"status"`
	Severity string `json:"severity"`
	Stable   string `json:"date_stable"`
	Release  struct {
		Version string `json:"version"`
		Prefix  string `json:"id_prefix"`
	} `json:"release"`
	Bugs []struct {
		ID    int    `json:"bug_id"`
		Title string `json:"title"`
	} `json:"bugs"`
	Builds []struct {
		NVR   string `json:"nvr"`
		Epoch int    `json:"epoch"`
	} `json:"builds"`
}

// genuine returns Bodhi's answers of the test data, and the conclusions of Grype: the
// versions of each package by release and vulnerability.
func genuine(t testing.TB) (updates []update, grype map[string][]string) {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, "feeds", "fedora", "vunnel.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	grype = make(map[string][]string)
	for _, f := range z.File {
		if path.Ext(f.Name) != ".json" {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		if !strings.HasPrefix(f.Name, "snapshots/") {
			var u update
			if err := json.Unmarshal(b, &u); err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
			updates = append(updates, u)
			continue
		}
		var snapshot struct {
			Item struct {
				Vulnerability struct {
					Name, NamespaceName string
					FixedIn             []struct{ Name, Version string }
				}
			}
		}
		if err := json.Unmarshal(b, &snapshot); err != nil {
			t.Fatal(err)
		}
		v := snapshot.Item.Vulnerability
		for _, fixed := range v.FixedIn {
			key := "Fedora:" + strings.TrimPrefix(v.NamespaceName, "fedora:") + " " + v.Name
			grype[key] = append(grype[key], fixed.Name+" "+strings.TrimPrefix(fixed.Version, "0:"))
		}
	}
	return updates, grype
}

// repository returns the updates of a release as Bodhi writes them into a repository. The
// only binary package of a build has the name of its source.
func repository(updates []update, arch string) string {
	var b strings.Builder
	text := func(s string) string {
		var e strings.Builder
		_ = xml.EscapeText(&e, []byte(s))
		return e.String()
	}
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<updates>\n")
	words := map[string]string{"urgent": "Critical", "high": "Important", "important": "Important", "medium": "Moderate", "low": "Low", "unspecified": "None"}
	for _, u := range updates {
		fmt.Fprintf(&b, "<update from=\"updates@fedoraproject.org\" status=%q type=%q version=\"2.0\"><id>%s</id><title>%s</title>"+
			"<issued date=%q/><rights>Copyright (C) 2026 Red Hat, Inc. and others.</rights><release>Fedora %s</release><severity>%s</severity>"+
			"<summary>%s update</summary><description>%s</description><references>",
			u.Status, u.Type, u.Alias, text(u.Title), u.Stable, u.Release.Version, words[u.Severity], text(u.Title), text(u.Notes))
		for _, bug := range u.Bugs {
			fmt.Fprintf(&b, `<reference href="https://bugzilla.redhat.com/show_bug.cgi?id=%d" id="%d" title="%s" type="bugzilla"/>`, bug.ID, bug.ID, text(bug.Title))
		}
		fmt.Fprintf(&b, `</references><pkglist><collection short="F%s"><name>Fedora %s</name>`, u.Release.Version, u.Release.Version)
		for _, build := range u.Builds {
			parts := strings.Split(build.NVR, "-")
			n := len(parts)
			fmt.Fprintf(&b, `<package name=%q version=%q release=%q epoch="%d" arch=%q src="https://download.fedoraproject.org/x.rpm"><filename>x.rpm</filename></package>`,
				strings.Join(parts[:n-2], "-"), parts[n-2], parts[n-1], build.Epoch, arch)
		}
		b.WriteString("</collection></pkglist></update>\n")
	}
	b.WriteString("</updates>\n")
	return b.String()
}

// server has the genuine updates of Fedora by release. Old releases have new numbers,
// because Fedora's server has only those that are supported.
func server(t testing.TB, updates []update) *feedtest.Server {
	t.Helper()
	files := make(map[string][]byte)
	byRelease := make(map[string][]update)
	for _, u := range updates {
		if u.Release.Prefix == "FEDORA" {
			byRelease[numbers[u.Release.Version]] = append(byRelease[numbers[u.Release.Version]], u)
		}
	}
	for release, list := range byRelease {
		for _, arch := range []string{"x86_64", "aarch64"} {
			feedtest.AddRepository(t, files, folder(release, arch), repository(list, arch))
		}
	}
	return feedtest.New(t, Source(), files)
}

var numbers = map[string]string{"21": "44", "36": "45", "37": "46", "40": "43"}

// TestUpdate converts all genuine updates of Fedora, and compares them with what Grype
// concludes.
func TestUpdate(t *testing.T) {
	updates, grype := genuine(t)
	s := server(t, updates)
	o, err := s.Update(t)
	if err != nil || o.Added != 8 || o.Rejected != 0 {
		t.Fatalf("%+v, %v, want 8 records", o, err)
	}
	got := make(map[string][]string)
	for _, a := range s.Advisories(t) {
		for _, af := range a.Affected {
			for _, id := range a.Upstream {
				key := af.Package.Ecosystem + " " + id
				got[key] = append(got[key], af.Package.Name+" "+af.Ranges[0].Events[1].Fixed)
			}
		}
	}
	want := make(map[string][]string)
	for key, packages := range grype {
		release, id, _ := strings.Cut(strings.TrimPrefix(key, "Fedora:"), " ")
		if numbers[release] == "" {
			continue // EPEL 7, which Grype takes for Fedora 7
		}
		want["Fedora:"+numbers[release]+" "+id] = packages
	}
	// Bodhi's answer has this CVE only in a field that repositories do not have.
	if !slices.Equal(want["Fedora:43 CVE-2024-8176"], []string{"expat 2.7.0-1.fc40"}) {
		t.Errorf("%q", want["Fedora:43 CVE-2024-8176"])
	}
	delete(want, "Fedora:43 CVE-2024-8176")
	for _, m := range []map[string][]string{got, want} {
		for _, packages := range m {
			slices.Sort(packages)
		}
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%q\nGrype: %q", got, want)
	}
	s.Sent()
	if o, err = s.Update(t); err != nil || o.Added+o.Changed+o.Removed != 0 {
		t.Errorf("again: %+v, %v", o, err)
	}
	s.Broken(t, folder("43", "x86_64")+"repodata/repomd.xml", map[string][]byte{
		"with an entity": []byte(`<!DOCTYPE r [<!ENTITY x "y">]><repomd/>`),
	})
}

// TestReleases looks for releases.
func TestReleases(t *testing.T) {
	for _, tt := range []struct{ name, has, want string }{
		{"none", "", "no release"},
		{"with a gap before and between", "46 48", "46/x86_64 46/aarch64 48/x86_64 48/aarch64"},
		{"after a gap that is too large", "43 46", "43/x86_64 43/aarch64"},
	} {
		files := make(map[string][]byte)
		for release := range strings.FieldsSeq(tt.has) {
			for _, arch := range []string{"x86_64", "aarch64"} {
				feedtest.AddRepository(t, files, folder(release, arch), "<updates></updates>")
			}
		}
		all, err := repositories(t.Context(), mirror(t, files))
		var names []string
		for _, r := range all {
			names = append(names, r.Name)
		}
		if got := strings.Join(names, " "); got != tt.want && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %s, %v", tt.name, got, err)
		}
	}
	files := make(map[string][]byte)
	feedtest.AddRepository(t, files, folder("44", "aarch64"), "<updates></updates>")
	if all, err := repositories(t.Context(), mirror(t, files)); err == nil {
		t.Errorf("one architecture is missing: %v", all)
	}
}

// TestByHand has errata that were read by hand, with what is found in versions of the
// package. The test data has no OSV record of Fedora.
func TestByHand(t *testing.T) {
	updates, _ := genuine(t)
	s := server(t, updates)
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	ix := index.NewMemory(slices.Collect(maps.Values(s.Advisories(t))), nil)
	for _, tt := range []struct {
		release, id, name, version string
		want                       string // the fix, or empty if nothing is found
		severity                   verdict.Severity
	}{
		{"43", "CVE-2025-1234", "python3-docs", "3.12.8-1.fc40", "3.12.9-1.fc40", verdict.Medium},
		{"43", "CVE-2025-1234", "python3-docs", "3.12.9-1.fc40", "", ""},
		{"43", "CVE-2024-56171", "libxml2", "2.12.9-1.fc40", "2.12.10-1.fc40", verdict.Medium},
		{"43", "CVE-2025-24928", "libxml2", "2.12.9-1.fc40", "2.12.10-1.fc40", verdict.Medium},
		{"43", "CVE-2025-24928", "libxml2", "2.12.10-1.fc40", "", ""},
		// The epoch is 1.
		{"43", "CVE-2025-9999", "java-17-openjdk", "1:17.0.13.0.11-1.fc40", "1:17.0.14.0.7-1.fc40", verdict.High},
		{"43", "CVE-2025-9999", "java-17-openjdk", "1:17.0.14.0.7-1.fc40", "", ""},
		// Without a CVE.
		{"43", "FEDORA-2025-bbb2222222", "expat", "2.6.4-1.fc40", "2.7.0-1.fc40", verdict.Medium},
		{"46", "CVE-2022-37436", "httpd", "2.4.54-5.fc37", "2.4.55-1.fc37", verdict.Medium},
		{"45", "CVE-2006-20001", "httpd", "2.4.55-1.fc36", "", ""},
		// The same CVE in two errata about different packages.
		{"44", "CVE-2012-6662", "drupal7", "7.33-1.fc21", "7.34-1.fc21", verdict.Unrated},
		{"44", "CVE-2012-6662", "dokuwiki", "0-0.23.20140505.fc21", "0-0.24.20140929c.fc21", verdict.Unrated},
		{"44", "CVE-2014-9016", "drupal7", "7.34-1.fc21", "", ""},
	} {
		inv := inventory.Inventory{
			System:   inventory.System{ID: "fedora", VersionID: tt.release},
			Packages: []inventory.Package{{Type: "rpm", Name: tt.name, Version: tt.version, Arch: "x86_64", Vendor: "Fedora Project"}},
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

// mirror returns a mirror with files.
func mirror(t testing.TB, files map[string][]byte) feed.Mirror {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := feed.Open(dir, feed.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
