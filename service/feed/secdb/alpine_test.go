package secdb

import (
	"archive/zip"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
)

// releases are those of the test data.
var releases = []string{"v3.3", "v3.4", "v3.5", "v3.6", "v3.7", "v3.8", "v3.9", "v3.10", "v3.11"}

// indexPage returns an index page as Alpine's server generates it.
func indexPage(releases ...string) []byte {
	var b strings.Builder
	b.WriteString("<html>\n<head><title>Index of /</title></head>\n<body>\n<h1>Index of /</h1><hr><pre><a href=\"../\">../</a>\n")
	for _, r := range releases {
		fmt.Fprintf(&b, "<a href=\"%s/\">%s/</a>   10-Apr-2022 22:00       -\n", r, r)
	}
	b.WriteString("<a href=\"last-update\">last-update</a>   10-Apr-2022 22:00   20\n</pre><hr></body>\n</html>\n")
	return []byte(b.String())
}

func file(t testing.TB, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// unzipped returns the files of an archive of the test data by their names.
func unzipped(t testing.TB, elem ...string) map[string][]byte {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, elem...))
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
		if files[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
	return files
}

// genuine returns the files of a server with the whole databases of the test data.
func genuine(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{"": indexPage(releases...)}
	for _, r := range releases {
		for _, name := range []string{r + "/main.json", r + "/community.json"} {
			files[name] = file(t, "feeds", "alpine-secdb", name)
		}
	}
	return files
}

// TestAlpine updates from all genuine files. Later updates send only what has changed.
func TestAlpine(t *testing.T) {
	s := feedtest.New(t, AlpineSource(), genuine(t))
	o, err := s.Update(t)
	if err != nil || o.Added != 2474 || o.Rejected != 0 {
		t.Fatalf("%+v, %v, want 2474 records", o, err)
	}
	s.Sent()
	if o, err = s.Update(t); err != nil || o.Added+o.Changed+o.Removed != 0 || s.Sent() != len(indexPage(releases...)) {
		t.Errorf("again: %+v, %v", o, err)
	}

	// One release gets a fix, and a new release appears. The others are not sent.
	s.Put("v3.11/community.json", []byte(`{"distroversion":"v3.11","reponame":"community","packages":[{"pkg":{"name":"new","secfixes":{"1-r0":["CVE-2099-0001"]}}}]}`))
	s.Put("v3.12/main.json", []byte(`{"distroversion":"v3.12","reponame":"main","packages":[{"pkg":{"name":"new","secfixes":{"1-r1":["CVE-2099-0001"]}}}]}`))
	s.Put("v3.12/community.json", []byte(`{"distroversion":"v3.12","reponame":"community","packages":{}}`))
	s.Put("", indexPage(append(slices.Clone(releases), "v3.12")...))
	if o, err = s.Update(t); err != nil || o.Added != 1 {
		t.Errorf("%+v, %v", o, err)
	}
	if sent := s.Sent(); sent > 2000 {
		t.Errorf("%d bytes sent", sent)
	}
	a := s.Advisories(t)["ALPINE-CVE-2099-0001"]
	if len(a.Affected) != 2 || a.Affected[0].Package.Ecosystem != "Alpine:v3.11" || a.Affected[1].Package.Ecosystem != "Alpine:v3.12" {
		t.Errorf("%+v", a)
	}
}

// entries returns the fixed versions by ecosystem, package and ID. A package that is not
// affected has the version "0".
func entries(a advisory.Advisory) map[string][]string {
	all := make(map[string][]string)
	for _, af := range a.Affected {
		key := a.ID + " " + af.Package.Ecosystem + " " + af.Package.Name
		for _, r := range af.Ranges {
			for _, e := range r.Events {
				if e.Fixed != "" {
					all[key] = append(all[key], e.Fixed)
				}
			}
		}
		if len(af.Ranges) == 0 {
			all[key] = append(all[key], "0")
		}
	}
	return all
}

// TestAlpineOSV compares all records with those that were converted from the same database
// for the test data, in the form of OSV. OSV's own copy has the repository main only.
func TestAlpineOSV(t *testing.T) {
	s := feedtest.New(t, AlpineSource(), genuine(t))
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	ours := make(map[string][]string)
	for _, a := range s.Advisories(t) {
		maps.Copy(ours, entries(a))
	}
	theirs := make(map[string][]string)
	records := unzipped(t, "osv", "Alpine", "all.zip")
	for name, b := range records {
		a, err := advisory.Parse(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		maps.Copy(theirs, entries(a))
	}
	got := map[string]int{"records": len(records)}
	for key, versions := range theirs {
		switch mine := ours[key]; {
		case slices.Equal(mine, versions):
			got["equal"]++
		case len(mine) > 1 && len(versions) == 1 && slices.Contains(mine, versions[0]):
			got["several versions"]++ // the copy has the first that is listed
		default:
			t.Errorf("%s: %q, the copy has %q", key, mine, versions)
		}
	}
	for key, versions := range ours {
		id, rest, _ := strings.Cut(key, " ")
		switch {
		case theirs[key] != nil:
		case slices.Equal(versions, []string{"0"}):
			got["not affected"]++ // left out in the copy
		case advisory.CVEIn(id) == "":
			got["not a CVE"]++ // left out in the copy: XSA-207, ZBX-11023
		case id == "ALPINE-CVE-2019-2426" && strings.HasSuffix(rest, " openjdk7"):
			got["another spelling"]++ // "CVE_2019-2426"
		case key == "ALPINE-CVE-2018-16859 Alpine:v3.9 ansible":
			got["another spelling"]++ // "CVE 2018-16859"
		default:
			t.Errorf("%s: %q, the copy has nothing", key, versions)
		}
	}
	want := map[string]int{"records": 2438, "equal": 11644, "several versions": 124, "not affected": 5, "not a CVE": 101, "another spelling": 7}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestAlpineByHand has advisories that were read by hand in Alpine's files, with what is
// found in versions of the package. The copy in the form of OSV has the same, except where
// copy says otherwise.
func TestAlpineByHand(t *testing.T) {
	files := genuine(t)
	edge := unzipped(t, "feeds", "alpine-secdb", "vuln-list-update.zip")
	files[""] = indexPage(append(slices.Clone(releases), "edge")...)
	for _, name := range []string{"main", "community"} {
		files["edge/"+name+".json"] = edge["testdata/edge-"+name+".json"]
	}
	s := feedtest.New(t, AlpineSource(), files)
	if o, err := s.Update(t); err != nil || o.Added != 2476 {
		t.Fatalf("%+v, %v", o, err)
	}
	var copied []advisory.Advisory
	for _, b := range unzipped(t, "osv", "Alpine", "all.zip") {
		a, err := advisory.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		copied = append(copied, a)
	}
	ours, theirs := index.NewMemory(slices.Collect(maps.Values(s.Advisories(t))), nil), index.NewMemory(copied, nil)
	const same = "same"
	for _, tt := range []struct {
		release, id, name, version string
		want                       string // the fix, or empty if nothing is found
		copy                       string
	}{
		// "1.1.1d-r3": ["CVE-2019-1551"]
		{"3.11.2", "CVE-2019-1551", "openssl", "1.1.1d-r2", "1.1.1d-r3", same},
		{"3.11.2", "CVE-2019-1551", "openssl", "1.1.1d-r3", "", same},
		{"3.11.2", "CVE-2019-1551", "openssl", "1.1.1g-r0", "", same},
		// v3.10 lists it under another version than v3.11.
		{"3.10.0", "CVE-2019-1547", "openssl", "1.1.1b-r1", "1.1.1d-r0", same},
		// "1.30.1-r2" and "1.29.3-r10": ["CVE-2019-5747"]
		{"3.11.2", "CVE-2019-5747", "busybox", "1.29.3-r9", "1.30.1-r2", same},
		{"3.11.2", "CVE-2019-5747", "busybox", "1.29.3-r10", "1.30.1-r2", same},
		{"3.11.2", "CVE-2019-5747", "busybox", "1.30.1-r2", "", same},
		// "4.9.3-r0": ["CVE-2018-14880 (OSPF6)"]
		{"3.11.2", "CVE-2018-14880", "tcpdump", "4.9.2-r4", "4.9.3-r0", same},
		// "3.1.2-r7": ["CVE-2017-17434-1", "CVE-2017-17434-2"]
		{"3.11.2", "CVE-2017-17434", "rsync", "3.1.2-r6", "3.1.2-r7", same},
		{"3.11.2", "CVE-2017-17434", "rsync", "3.1.2-r7", "", same},
		// "1.3-r4": ["CVE-2017-8073.patch"]
		{"3.3.3", "CVE-2017-8073", "weechat", "1.3-r3", "1.3-r4", same},
		// "7.211.2.6.17-r0": ["CVE_2019-2426"] in community
		{"3.11.2", "CVE-2019-2426", "openjdk7", "7.201.2.6.16-r0", "7.211.2.6.17-r0", ""},
		{"3.11.2", "CVE-2019-2426", "openjdk7", "7.211.2.6.17-r0", "", same},
		// "2.7.3-r0": ["CVE 2018-16859"]
		{"3.9.6", "CVE-2018-16859", "ansible", "2.7.2-r0", "2.7.3-r0", ""},
		// "4.7.1-r5": ["XSA-207"], which has no CVE
		{"3.11.2", "XSA-207", "xen", "4.7.1-r4", "4.7.1-r5", ""},
		{"3.11.2", "XSA-207", "xen", "4.7.1-r5", "", same},
		// "4.7.1-r3": ["CVE-2016-9932 XSA-200"]
		{"3.11.2", "CVE-2016-9932", "xen", "4.7.1-r1", "4.7.1-r3", same},
		// "0": ["CVE-2016-0682", …]: never affected
		{"3.8.4", "CVE-2016-0682", "db", "5.3.28-r0", "", same},
		// The package of another release.
		{"3.12.0", "CVE-2019-1551", "openssl", "1.1.1d-r2", "not evaluated", same},
		// edge: "2.12.6-r0": ["CVE-2021-36159"]
		{"3.22.0_alpha20250108", "CVE-2021-36159", "apk-tools", "2.12.5-r0", "2.12.6-r0", "not evaluated"},
		{"3.22.0_alpha20250108", "CVE-2021-36159", "apk-tools", "2.12.6-r0", "", "not evaluated"},
	} {
		system := inventory.System{ID: "alpine", VersionID: tt.release}
		if got := found(t, ours, system, tt.id, tt.name, tt.version); got != tt.want {
			t.Errorf("%s %s %s, %s: %q, want %q", tt.release, tt.name, tt.version, tt.id, got, tt.want)
		}
		if tt.copy == same {
			tt.copy = tt.want
		}
		if got := found(t, theirs, system, tt.id, tt.name, tt.version); got != tt.copy {
			t.Errorf("%s %s %s, %s in the copy: %q, want %q", tt.release, tt.name, tt.version, tt.id, got, tt.copy)
		}
	}
}
