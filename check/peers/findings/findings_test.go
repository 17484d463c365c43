package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/service/advisory"
)

// results are results of osv-scanner 2.5.1, shortened.
const results = `{"results": [{"source": {"path": "/var/lib/dpkg/status", "type": "os"}, "packages": [
  {"package": {"name": "util-linux", "os_package_name": "bsdutils", "version": "1:2.38.1-5", "ecosystem": "Debian:12"},
   "vulnerabilities": [{"id": "DEBIAN-CVE-2024-28085", "upstream": ["CVE-2024-28085"]}],
   "groups": [{"ids": ["DEBIAN-CVE-2024-28085"], "aliases": ["CVE-2024-28085", "DEBIAN-CVE-2024-28085"]}]},
  {"package": {"name": "bash", "os_package_name": "bash", "version": "5.2.15-2", "ecosystem": "Debian:12"}},
  {"package": {"name": "openssl-libs", "os_package_name": "openssl-libs", "version": "1:1.1.1k-6.el8_5", "ecosystem": "AlmaLinux:8"},
   "vulnerabilities": [{"id": "ALSA-2022:5818", "related": ["CVE-2022-1292", "CVE-2022-2068"]}, {"id": "ALBA-2022:9999"}]},
  {"package": {"name": "jw.util", "version": "2.2", "ecosystem": "PyPI"}, "vulnerabilities": [{"id": "PYSEC-1", "aliases": ["GHSA-1", "CVE-2020-13388"]}]}]}]}`

func TestParseResults(t *testing.T) {
	got, err := parseResults([]byte(results))
	if err != nil {
		t.Fatal(err)
	}
	openssl := pkg{"openssl-libs", "1.1.1k-6.el8_5"}
	want := evaluated{4, []finding{
		{pkg{"bsdutils", "1:2.38.1-5"}, []string{"CVE-2024-28085", "DEBIAN-CVE-2024-28085"}, []string{"DEBIAN-CVE-2024-28085"}},
		{openssl, []string{"CVE-2022-1292"}, []string{"ALSA-2022:5818"}},
		{openssl, []string{"CVE-2022-2068"}, []string{"ALSA-2022:5818"}},
		{openssl, []string{"ALBA-2022:9999"}, []string{"ALBA-2022:9999"}},
		{pkg{"jw-util", "2.2"}, []string{"CVE-2020-13388", "GHSA-1", "PYSEC-1"}, []string{"PYSEC-1"}},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, err := parseResults([]byte("\n")); err != nil || got.packages != 0 {
		t.Errorf("empty results: %+v, %v", got, err)
	}
	if _, err := parseResults([]byte("no results")); err == nil {
		t.Error("invalid JSON: no error")
	}
}

func TestMissing(t *testing.T) {
	a, b := pkg{"a", "1"}, pkg{"a", "2"}
	ours := []finding{
		newFinding(a, []string{"GHSA-1", "CVE-1"}, "GHSA-1"), newFinding(a, []string{"CVE-2"}, "DSA-2"),
		newFinding(a, []string{"CVE-2"}, "DSA-1"), newFinding(b, []string{"CVE-1"}, "GHSA-1"),
	}
	theirs := []finding{newFinding(a, []string{"PYSEC-1", "GHSA-1"}, "PYSEC-1")}
	want := []finding{{a, []string{"CVE-2"}, []string{"DSA-1", "DSA-2"}}, {b, []string{"CVE-1"}, []string{"GHSA-1"}}}
	if got := missing(ours, theirs); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := missing(theirs, ours); len(got) != 0 {
		t.Errorf("got %v, want none", got)
	}
}

func TestReport(t *testing.T) {
	const head = "## Comparison with osv-scanner\n\n| inputs | difference | packages | vulnerabilities | case | whose | why |\n| --- | --- | --- | --- | --- | --- | --- |\n"
	all := "| `r*` | lacks | `bsdutils` | `CVE-*` | source version | theirs | x |\n" +
		"| `root` | adds | `a/*` | `CVE-2` | by name | another rule | y |\n"
	ours := evaluated{1, []finding{newFinding(pkg{"bsdutils", "1:2"}, []string{"CVE-1"}, "DSA-1")}}
	theirs := evaluated{1, []finding{newFinding(pkg{"a/b", "1"}, []string{"CVE-2"}, "GHSA-2")}}
	d := &data{}
	in := input{name: "root", inventory: inventory.Inventory{Packages: []inventory.Package{
		{Type: "deb", Name: "bsdutils", Version: "1:2", Source: "util-linux", SourceVersion: "2"}}}}
	for _, c := range []struct{ name, table, want string }{
		{"all covered", all, ""},
		{"another package", strings.Replace(all, "a/*", "b/*", 1), "no entry: root: osv-scanner adds CVE-2 in a/b 1 (GHSA-2)"},
		{"and no difference", strings.Replace(all, "a/*", "b/*", 1), "entry without a difference: root adds b/* CVE-2 (by name)"},
		{"another vulnerability", strings.Replace(all, "CVE-2", "CVE-3", 1), "no entry: root: osv-scanner adds CVE-2"},
		{"another case", strings.Replace(all, "source version", "kernel", 1), "no entry: root: osv-scanner lacks CVE-1 in bsdutils 1:2 (DSA-1)"},
		{"another input", all + "| `other` | lacks | `*` | `*` | kernel | theirs | x |\n", ""},
	} {
		entries, err := parseEntries(head + c.table)
		if err != nil {
			t.Fatal(err)
		}
		r := newReport(entries)
		r.add("root", ours, theirs, d.detailsOf(in, "Debian:12"))
		var out bytes.Buffer
		err = r.print(&out)
		if (err != nil) != (c.want != "") || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %v\n%s", c.name, err, &out)
		}
	}
	for _, bad := range []string{
		"| `r` | lacks | `a` | `*` | by name | ours | x |\n", "| `r` | has | `a` | `*` | by name | theirs | x |\n",
		"| `r` | lacks | `*` | `*` | by name | theirs | x |\n", "| `r` | lacks | `a` | `*` | whim | theirs | x |\n",
		"| `[` | lacks | `a` | `*` | by name | theirs | x |\n", "| `r` | lacks | `a` | `*` | by name | theirs | |\n",
	} {
		if _, err := parseEntries(head + bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

// TestCases checks which cases each of some known records of the test data belongs to.
func TestCases(t *testing.T) {
	osv := t.TempDir() // with the archives of these records
	for _, folder := range []string{"AlmaLinux", "Go", "Maven", "Packagist", "PyPI", "RubyGems", "crates.io"} {
		if err := os.Symlink(testkit.Path(t, "osv", folder), filepath.Join(osv, folder)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := loadData(osv)
	if err != nil {
		t.Fatal(err)
	}
	alma := inventory.System{ID: "almalinux", VersionID: "8.10"}
	node := inventory.Package{Type: "rpm", Name: "nodejs", Version: "1:10.21.0-3.module_el8.2.0+391+8da3adc6", Module: "nodejs:10:1:2"}
	of := func(typ, name, version string) inventory.Package {
		return inventory.Package{Type: typ, Name: name, Version: version}
	}
	for _, c := range []struct {
		record string
		pkg    inventory.Package
		want   string // the cases, sorted
	}{
		{"RUSTSEC-2025-0056", of("cargo", "adler", "1.0.0"), "notice"},
		{"RUSTSEC-2016-0002", of("cargo", "hyper", "0.9.3"), "other system"},
		{"GO-2022-1095", of("golang", "stdlib", "1.19"), "other system"},
		{"GO-2021-0159", of("golang", "stdlib", "X:loopvar"), "no version"},
		{"PYSEC-2021-579", of("pypi", "tensorflow-cpu", "1.0"), "git first"},
		{"PYSEC-2023-72", of("pypi", "pyspark", "3.2.1"), "touching ranges"},
		{"GHSA-wjxj-5m7g-mg7q", of("maven", "org.bouncycastle:bcprov-jdk15on", "1.70"), "end in another field"},
		{"PYSEC-2020-341", of("pypi", "jw-util", "2.2"), "spelling"},
		{"PYSEC-2020-35", of("pypi", "other", "1"), ""},
		{"GHSA-77rm-9x9h-xj3g", of("composer", "google/protobuf", "3.9.2"), "other archive"},
		{"GO-2023-2385", of("golang", "github.com/pubnub/go/v6", "6.0.0"), "custom ranges"},
		{"ALBA-2021:1871", of("rpm", "perl-Carp", "1.42-396.el8"), "module notice several builds"},
		{"ALSA-2020:1766", of("rpm", "mozjs60", "60.9.0-4.el8"), "several builds"},
	} {
		about := c.pkg
		ecosystem := ""
		if about.Type == "rpm" {
			ecosystem = "AlmaLinux:8"
		}
		in := input{inventory: inventory.Inventory{System: alma, Packages: []inventory.Package{about, node}}}
		difference := d.detailsOf(in, ecosystem)(difference{finding: newFinding(pkgOf(about), []string{c.record}, c.record)})
		var got []string
		for _, name := range []string{"custom ranges", "end in another field", "git first", "kernel", "module", "no version", "notice", "other archive",
			"other system", "several builds", "source version", "spelling", "touching ranges"} {
			if caseOf(name)(difference) {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.record, got, c.want)
		}
	}
	if n := len(d.byID["CVE-2018-14041"]); n != 2 {
		t.Errorf("CVE-2018-14041 is in %d archives, want 2", n)
	}
	lists := edges(d.byID)
	if p := of("pypi", "jw.util", "2.3"); !slices.ContainsFunc(lists["edges/PyPI"], func(q inventory.Package) bool { return reflect.DeepEqual(p, q) }) {
		t.Errorf("%v is not among the edges", p)
	}
}

func TestEdgesOf(t *testing.T) {
	entry := advisory.Affected{Versions: []string{"1", "2"}, Ranges: []advisory.Range{
		{Type: advisory.Git, Events: []advisory.Event{{Introduced: "0"}, {Fixed: "abc"}}},
		{Events: []advisory.Event{{Introduced: "0"}, {LastAffected: "3"}}},
	}}
	if got := edgesOf(entry); !slices.Equal(got, []string{"2", "3"}) {
		t.Errorf("got %q", got)
	}
	entry.Ranges = append(entry.Ranges, advisory.Range{Events: []advisory.Event{{Introduced: "4"}, {Fixed: "5"}, {Fixed: "6"}}})
	if got := edgesOf(entry); !slices.Equal(got, []string{"2", "5"}) {
		t.Errorf("got %q", got)
	}
	if got := edgesOf(advisory.Affected{}); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestWriteImage(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{"usr/lib/os-release": "ID=debian\n", "var/lib/dpkg/status.d/base": "Package: base\n", "etc/passwd": "x"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../usr/lib/os-release", filepath.Join(root, "etc/os-release")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := writeImage(file, root); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	outer := untar(t, image)
	if !strings.Contains(outer["manifest.json"], `"Layers":["layer.tar"]`) {
		t.Errorf("manifest %s", outer["manifest.json"])
	}
	want := map[string]string{
		"etc/": "", "etc/os-release": "ID=debian\n", "var/": "", "var/lib/": "", "var/lib/dpkg/": "", "var/lib/dpkg/status.d/": "",
		"var/lib/dpkg/status.d/base": "Package: base\n",
	}
	if got := untar(t, []byte(outer["layer.tar"])); !reflect.DeepEqual(got, want) {
		t.Errorf("layer %q", got)
	}
}

func untar(t *testing.T, text []byte) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for r := tar.NewReader(bytes.NewReader(text)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(b)
	}
}
