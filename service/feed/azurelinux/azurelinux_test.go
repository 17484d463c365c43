package azurelinux

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/index"
	"assay/service/match"
	"assay/service/store"
)

func read(t testing.TB, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, slices.Concat([]string{"feeds", "azure-linux"}, elem)...))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(elem[0], ".gz") {
		return b
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if b, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	return b
}

// genuine are the documents by their names. That of CBL-Mariner 2.0 is Grype's excerpt.
func genuine(t testing.TB) map[string][]byte {
	return map[string][]byte{
		"azurelinux-3.0-oval.xml":  read(t, "whole-azurelinux-3.0-oval.xml.gz"),
		"cbl-mariner-2.0-oval.xml": read(t, "vunnel", "mariner-truncated-2.0-oval.xml"),
		"cbl-mariner-1.0-oval.xml": read(t, "whole-cbl-mariner-1.0-oval.xml.gz"),
	}
}

// converted returns the records of the documents by ID, and the error that ended them.
func converted(t testing.TB, docs map[string][]byte) (all map[string]advisory.Advisory, rejected int, failed error) {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for _, d := range documents {
		path := filepath.Join(dir, d.file)
		if err := os.WriteFile(path, docs[d.file], 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	all = make(map[string]advisory.Advisory)
	for r, err := range records(paths) {
		switch {
		case errors.Is(err, store.ErrRejected):
			rejected++
		case err != nil:
			failed = err
		default:
			a, err := advisory.Parse(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := all[a.ID]; ok {
				t.Errorf("the ID %s is repeated", a.ID)
			}
			a.Source = Name
			all[a.ID] = a
		}
	}
	return all, rejected, failed
}

func TestUpdate(t *testing.T) {
	s := feedtest.New(t, Source(), genuine(t))
	o, err := s.Update(t)
	if err != nil || o.Added != 1222+5+2252 || o.Rejected != 0 {
		t.Fatalf("%+v, %v, want %d records", o, err, 1222+5+2252)
	}
	s.Sent()
	if o, err = s.Update(t); err != nil || o.Added+o.Changed+o.Removed != 0 || s.Sent() != 0 {
		t.Errorf("again: %+v, %v", o, err)
	}
}

// TestOSV compares every record with those that were made from the same documents by
// others, with the rules of OSV's. They lack definitions without a date, and those that
// are not applicable.
func TestOSV(t *testing.T) {
	own, rejected, err := converted(t, genuine(t))
	if err != nil || rejected > 0 {
		t.Fatal(rejected, err)
	}
	osv := map[string]advisory.Advisory{}
	for r, err := range load.Open(testkit.Path(t, "osv", "Azure Linux", "all.zip")).Records() {
		if err != nil {
			t.Fatal(err)
		}
		a, err := advisory.Parse(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		osv[a.ID] = a
	}
	classes := map[string]int{}
	for id, a := range own {
		o, ok := osv[id]
		switch entry := a.Affected[0]; {
		case entry.Package.Ecosystem == "Azure Linux:2":
			classes["of CBL-Mariner 2.0"]++
		case !ok && entry.Status == advisory.StatusNotAffected:
			classes["not applicable"]++
		case !ok && a.Modified.IsZero():
			classes["without a date"]++
		case !ok:
			t.Errorf("%s is missing in OSV's records", id)
		default:
			classes["in both"]++
			for _, same := range []bool{
				reflect.DeepEqual(a.Upstream, o.Upstream), a.Modified.Equal(o.Modified), a.Summary == o.Summary, len(o.Affected) == 1 && len(a.Affected) == 1,
				entry.Package.Ecosystem == o.Affected[0].Package.Ecosystem, entry.Package.Name == o.Affected[0].Package.Name,
				reflect.DeepEqual(entry.Ranges, o.Affected[0].Ranges),
			} {
				if !same {
					t.Errorf("%s: %+v, OSV has %+v", id, a, o)
				}
			}
		}
		delete(osv, id)
	}
	if len(osv) > 0 {
		t.Errorf("missing: %v", slices.Sorted(maps.Keys(osv)))
	}
	want := map[string]int{"in both": 3191, "without a date": 204, "not applicable": 79, "of CBL-Mariner 2.0": 5}
	if !maps.Equal(classes, want) {
		t.Errorf("%v, want %v", classes, want)
	}
}

// TestWorkedByHand: what a reader of the publisher's documents finds for a package. For the
// first six OSV has a record with the same result.
func TestWorkedByHand(t *testing.T) {
	all, _, err := converted(t, genuine(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ id, system, release, source, version, want string }{
		{"AZL-50124-1", "azurelinux", "3.0", "oath-toolkit", "2.6.7-2.azl3", "CVE-2024-47191 high 0:2.6.7-3.azl3"},
		{"AZL-50124-1", "azurelinux", "3.0", "oath-toolkit", "2.6.7-3.azl3", ""},
		{"AZL-50124-1", "mariner", "2.0", "oath-toolkit", "2.6.7-2.cm2", ""}, // another release
		{"AZL-27741-1", "mariner", "1.0", "kernel", "5.10.185.1-1.cm1", "CVE-2023-3863 medium 0:5.10.188.1-1.cm1"},
		{"AZL-27741-1", "mariner", "1.0", "kernel", "5.10.188.1-1.cm1", ""},
		{"AZL-10000-1", "mariner", "1.0", "vim", "8.2.5172-1.cm1", "CVE-2022-2264 high 0:9.0.0050-1.cm1"},
		// Without a date, so OSV has none.
		{"AZL-49740-1", "azurelinux", "3.0.20240824", "linuxptp", "3.1-1.azl3", "CVE-2024-42861 high 0:3.1.1-1.azl3"},
		{"AZL-49740-1", "azurelinux", "3.0.20240824", "linuxptp", "3.1.1-1.azl3", ""},
		// A start, which the record cannot exclude.
		{"AZL-44771-1", "mariner", "2.0", "golang", "1.18.8-2.cm2", ""},
		{"AZL-44771-1", "mariner", "2.0", "golang", "1.20.6-1.cm2", "CVE-2023-29404 critical 0:1.20.7-1.cm2"},
		{"AZL-44771-1", "mariner", "2.0", "golang", "1.20.7-1.cm2", ""},
		// No patch is available.
		{"AZL-13203", "mariner", "2.0", "bind", "9.16.33-1.cm2", "CVE-2022-3736 high"},
		{"AZL-13203", "mariner", "2.0", "bind", "9.16.34-1.cm2", ""},
		// Never applicable.
		{"AZL-13348", "mariner", "2.0", "glibc", "2.35-3.cm2", ""},
		{"AZL-26220-1", "mariner", "2.0", "mysql", "8.0.32-1.cm2", "CVE-2023-21980 high 0:8.0.33-1.cm2"},
		{"AZL-26178-1", "mariner", "2.0", "mysql", "8.0.33-1.cm2", ""},
	} {
		a, ok := all[tt.id]
		if !ok {
			t.Fatalf("%s is missing", tt.id)
		}
		other := advisory.Advisory{ID: "AZL-0", Source: Name}
		for _, d := range documents {
			other.Affected = append(other.Affected, advisory.Affected{Package: advisory.Package{Ecosystem: d.ecosystem, Name: "x"}, Versions: []string{"1"}})
		}
		inv := inventory.Inventory{
			System: inventory.System{ID: tt.system, VersionID: tt.release},
			Packages: []inventory.Package{{
				Type: "rpm", Name: tt.source + "-libs", Version: tt.version, Source: tt.source, SourceVersion: tt.version, Arch: "x86_64", Vendor: "Microsoft Corporation",
			}},
		}
		res, err := match.Inventory(inv, index.NewMemory([]advisory.Advisory{a, other}, nil), nil, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))
		if err != nil || res.Evaluated != 1 {
			t.Fatalf("%+v: evaluated %d, %v, %+v", tt, res.Evaluated, err, res.NotEvaluated)
		}
		got := ""
		for _, f := range res.Findings {
			got += strings.TrimSpace(f.ID + " " + string(f.Severity) + " " + f.Fixed)
		}
		if got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

// TestGrype: what Grype's provider concludes from the same excerpt. It leaves out what is not
// applicable.
func TestGrype(t *testing.T) {
	all, _, err := converted(t, genuine(t))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, a := range all {
		if entry := a.Affected[0]; entry.Package.Ecosystem == "Azure Linux:2" && entry.Status != advisory.StatusNotAffected {
			fixed := entry.Ranges[0].Events[1].Fixed
			if fixed == "" {
				fixed = "None"
			}
			got[a.Upstream[0]] = entry.Package.Name + " " + fixed
		}
	}
	folder := testkit.Path(t, "feeds", "azure-linux", "vunnel", "snapshots", "mariner:2.0")
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			t.Fatal(err)
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
		v := snapshot.Item.Vulnerability
		want[v.Name] = v.FixedIn[0].Name + " " + v.FixedIn[0].Version
	}
	if !maps.Equal(got, want) || len(want) != 4 {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestPeers converts the test files of others.
func TestPeers(t *testing.T) {
	z, err := zip.OpenReader(testkit.Path(t, "feeds", "azure-linux", "vuln-list-update.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	member := func(name string) []byte {
		f, err := z.Open("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	happy := map[string][]byte{
		"azurelinux-3.0-oval.xml":  member("happy/azurelinux-3.0-oval.xml"),
		"cbl-mariner-2.0-oval.xml": member("happy/cbl-mariner-2.0-preview-oval.xml"),
		"cbl-mariner-1.0-oval.xml": member("happy/cbl-mariner-1.0-oval.xml"),
	}
	if all, rejected, err := converted(t, happy); len(all) != 10 || rejected != 0 || err != nil {
		t.Errorf("%d records, %d rejected, %v", len(all), rejected, err)
	}
	happy["azurelinux-3.0-oval.xml"] = read(t, "vunnel", "azure-linux-truncated-3.0-oval.xml")
	if all, rejected, err := converted(t, happy); len(all) != 11 || rejected != 0 || err != nil {
		t.Errorf("with Grype's excerpt: %d records, %d rejected, %v", len(all), rejected, err)
	}
	happy["cbl-mariner-1.0-oval.xml"] = member("sad/cbl-mariner-1.0-oval.xml")
	if _, _, err := converted(t, happy); err == nil || !strings.Contains(err.Error(), "cbl-mariner-1.0-oval.xml") {
		t.Errorf("the sad file: error %v", err)
	}
	redHat, err := os.ReadFile(testkit.Path(t, "feeds", "redhat-oval", "claircore-rhel-8-rpm-unpatched.xml"))
	if err != nil {
		t.Fatal(err)
	}
	happy["azurelinux-3.0-oval.xml"] = redHat
	if _, _, err := converted(t, happy); err == nil || !strings.Contains(err.Error(), `is not an ID of "oval:com.microsoft.azurelinux:tst"`) {
		t.Errorf("Red Hat's file: error %v", err)
	}
}

func TestBroken(t *testing.T) {
	docs := genuine(t)
	const name = "cbl-mariner-2.0-oval.xml"
	text := bytes.TrimSpace(docs[name])
	docs[name] = text
	docs["azurelinux-3.0-oval.xml"] = read(t, "vunnel", "azure-linux-truncated-3.0-oval.xml")
	docs["cbl-mariner-1.0-oval.xml"] = bytes.Replace(text, []byte("13348</advisory_id>"), []byte("1</advisory_id>"), 1)
	for _, n := range []string{"44771-1", "26220-1", "26178-1", "13203"} {
		docs["cbl-mariner-1.0-oval.xml"] = bytes.Replace(docs["cbl-mariner-1.0-oval.xml"], []byte(n+"</"), []byte("1"+n+"</"), 1)
	}
	s := feedtest.New(t, Source(), docs)
	if o, err := s.Update(t); err != nil || o.Added != 13 {
		t.Fatalf("%+v, %v", o, err)
	}
	replaced := func(old, new string) []byte {
		if !bytes.Contains(text, []byte(old)) {
			t.Fatalf("no %q", old)
		}
		return bytes.ReplaceAll(text, []byte(old), []byte(new))
	}
	s.Broken(t, name, map[string][]byte{
		"entity":                append([]byte(`<!DOCTYPE d [<!ENTITY e "x">]>`), text...),
		"of the next release":   replaced("cbl-mariner", "azurelinux"),
		"deep":                  replaced("<description>", "<description>"+strings.Repeat("<a>", 1000)),
		"no definitions":        []byte(`<oval_definitions><definitions/></oval_definitions>`),
		"an element too large":  replaced("<description>", "<description>"+strings.Repeat("a", 17<<20)),
		"the list of tests cut": text[:bytes.Index(text, []byte("</tests>"))],
	})
	// One definition that cannot be converted is rejected, counted and named.
	for what, bad := range map[string][]byte{
		"no CVE":              replaced(`ref_id="CVE-2022-3736"`, `ref_id="CAN-2022-3736"`),
		"an unknown word":     replaced("<patchable>false<", "<patchable>perhaps<"),
		"an unknown ID":       replaced("<advisory_id>13203<", "<advisory_id>x<"),
		"no date":             replaced("2023-05-03T16:24:32Z", "3 May"),
		"an unknown check":    bytes.Replace(text, []byte("at least one"), []byte("none satisfy"), 1),
		"a missing test":      replaced("tst:13203000\" version", "tst:132030001\" version"),
		"an unknown relation": replaced("greater than", "not equal"),
	} {
		s.Put(name, bad)
		o, err := s.Update(t)
		want := map[bool]int{true: 2, false: 1}[what == "no date"]
		if err != nil || o.Rejected != want || len(o.Rejections) != want || !strings.Contains(o.Rejections[0].Error(), "Azure Linux:2 oval:com.microsoft.cbl-mariner:def:") {
			t.Errorf("%s: %+v, %v", what, o, err)
		}
	}
}
