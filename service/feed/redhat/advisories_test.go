package redhat

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/index"
	"assay/service/match"
)

var day = time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)

// recordsOf returns the records of genuine files in the form in which the store has them.
func recordsOf(t testing.TB, files ...string) []advisory.Advisory {
	t.Helper()
	var all []advisory.Advisory
	for _, name := range files {
		for _, doc := range split(t, name) {
			a, ok, _, err := convert(doc)
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				all = append(all, stored(t, a))
			}
		}
	}
	return all
}

// stored returns a record as the store has it.
func stored(t testing.TB, a advisory.Advisory) advisory.Advisory {
	t.Helper()
	r, err := load.Converted(a)
	if err == nil {
		a, err = advisory.Parse(r.Body)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.Source = Name
	return a
}

// rpm returns a package of a source package: "openssl-libs 1:3.0.7-6.el9 openssl-3.0.7-6.el9".
func rpm(text string) inventory.Package {
	f := strings.Fields(text)
	p := inventory.Package{Type: "rpm", Name: f[0], Version: f[1], Arch: "x86_64", Vendor: "Red Hat, Inc."}
	parts := strings.Split(f[2], "-")
	n := len(parts)
	p.Source, p.SourceVersion = strings.Join(parts[:n-2], "-"), parts[n-2]+"-"+parts[n-1]
	if len(f) > 3 {
		p.Module = f[3]
	}
	return p
}

// found returns what is found of a vulnerability in a package: the fix or the status, and the
// severity.
func found(t testing.TB, ix match.Index, release, cve string, p inventory.Package) string {
	t.Helper()
	id := "rhel"
	if strings.HasPrefix(release, "20") {
		id = "hummingbird"
	}
	res, err := match.Inventory(inventory.Inventory{System: inventory.System{ID: id, VersionID: release}, Packages: []inventory.Package{p}}, ix, nil, day)
	if err != nil {
		t.Fatal(err)
	}
	if res.Evaluated != 1 {
		t.Fatalf("not evaluated: %+v", res.NotEvaluated)
	}
	for _, f := range res.Findings {
		if f.ID == cve {
			return fmt.Sprint(f.Severity, " ", cmp.Or(f.Fixed, f.Status.String()))
		}
	}
	return ""
}

// TestAdvisories works genuine documents by hand: what a reader of the document finds in it.
// OSV's samples have no erratum of these vulnerabilities. Its records of errata have no
// statuses, and name each binary package; TestOSV compares one.
func TestAdvisories(t *testing.T) {
	const (
		openssl    = "claircore-acceptance-cve-2024-0727-openssl.json"
		postgresql = "claircore-cve-2024-7348.jsonl.gz"
		python     = "claircore-acceptance-cve-2026-2297.json"
		fcgi       = "claircore-acceptance-cve-2025-40907-perl.json.gz"
		curl       = "claircore-cve-2023-38545.json.gz"
		sambas     = "claircore-example_vex.jsonl.gz"
		samba      = "claircore-cve-2023-42670.json"
		libssh     = "claircore-acceptance-cve-2026-0968.json"
		golang     = "claircore-cve-2022-1705.jsonl.gz"
		html       = "claircore-acceptance-cve-2026-27142.json"
	)
	for _, tt := range []struct {
		file, cve, release string
		pkg                string
		want               string
	}{
		// RHSA-2024:2447 fixed openssl 1:3.0.7-27.el9 for 9.4.
		{openssl, "CVE-2024-0727", "9.4", "openssl-libs 1:3.0.7-25.el9_3 openssl-3.0.7-25.el9_3", "low 1:3.0.7-27.el9"},
		{openssl, "CVE-2024-0727", "9.4", "openssl-libs 1:3.0.7-27.el9 openssl-3.0.7-27.el9", ""},
		{openssl, "CVE-2024-0727", "9.5", "openssl-libs 1:3.2.2-6.el9_5 openssl-3.2.2-6.el9_5", ""},
		{openssl, "CVE-2024-0727", "8.10", "openssl-libs 1:1.1.1k-12.el8_9 openssl-1.1.1k-12.el8_9", "low fix deferred"},
		{openssl, "CVE-2024-0727", "8.10", "edk2-ovmf 20220126gitbb1bba3d77-13.el8 edk2-20220126gitbb1bba3d77-13.el8", "low will not fix"},
		{openssl, "CVE-2024-0727", "8.10", "shim-x64 15.8-4.el8_9 shim-15.8-4.el8_9", ""},
		{openssl, "CVE-2024-0727", "9.4", "openssl-fips-provider 3.0.7-2.el9 openssl-fips-provider-3.0.7-2.el9", ""},
		// Out of support scope.
		{openssl, "CVE-2024-0727", "7.9", "openssl-libs 1:1.0.2k-26.el7_9 openssl-1.0.2k-26.el7_9", "low will not fix"},

		// RHSA-2024:5999 of the package of no module, RHSA-2024:6020 of the stream 15 and
		// RHSA-2024:6018 of the stream 13 for 8.
		{postgresql, "CVE-2024-7348", "9.4", "postgresql-server 13.15-1.el9_4 postgresql-13.15-1.el9_4", "high 13.16-1.el9_4"},
		{postgresql, "CVE-2024-7348", "9.4", "postgresql-server 13.16-1.el9_4 postgresql-13.16-1.el9_4", ""},
		{postgresql, "CVE-2024-7348", "9.4", "postgresql-server 15.6-1.module+el9.4.0+21229+6f09ccf7 postgresql-15.6-1.module+el9.4.0+21229+6f09ccf7 postgresql:15:9040020240305:rhel9",
			"high 15.8-1.module+el9.4.0+22208+cd6b92ff"},
		{postgresql, "CVE-2024-7348", "9.4", "postgresql-server 15.8-1.module+el9.4.0+22208+cd6b92ff postgresql-15.8-1.module+el9.4.0+22208+cd6b92ff postgresql:15:9040020240812115436:rhel9", ""},
		{postgresql, "CVE-2024-7348", "8.10", "postgresql 13.14-1.module+el8.9.0+21221+1de51dc2 postgresql-13.14-1.module+el8.9.0+21221+1de51dc2 postgresql:13:8090020240209:7fdf6b24",
			"high 13.16-1.module+el8.10.0+22213+5adc94fe"},
		{postgresql, "CVE-2024-7348", "7.9", "postgresql-libs 9.2.24-9.el7_9 postgresql-9.2.24-9.el7_9", "high affected"},
		{postgresql, "CVE-2024-7348", "6.10", "postgresql-libs 8.4.20-8.el6_9 postgresql-8.4.20-8.el6_9", "high will not fix"},

		// Without a fix, under the names of the source packages.
		{python, "CVE-2026-2297", "9.6", "python3-libs 3.9.21-2.el9_6.2 python3.9-3.9.21-2.el9_6.2", "low fix deferred"},
		{python, "CVE-2026-2297", "10.0", "python3-libs 3.12.9-2.el10_0.3 python3.12-3.12.9-2.el10_0.3", "low fix deferred"},
		{python, "CVE-2026-2297", "7.9", "python3 3.6.8-21.el7_9 python3-3.6.8-21.el7_9", "low will not fix"},

		// RHSA-2025:8635, and RHSA-2025:8696 of a module stream with several contexts.
		{fcgi, "CVE-2025-40907", "9.6", "perl-FCGI 1:0.79-8.el9 perl-FCGI-0.79-8.el9", "high 1:0.79-8.1.el9_6"},
		{fcgi, "CVE-2025-40907", "9.6", "perl-FCGI 1:0.79-8.1.el9_6 perl-FCGI-0.79-8.1.el9_6", ""},
		{fcgi, "CVE-2025-40907", "8.10", "perl-FCGI 1:0.78-12.module+el8.10.0+23147+20b7d289 perl-FCGI-0.78-12.module+el8.10.0+23147+20b7d289 perl-FCGI:0.78:8100020250521:59fef1ab", ""},

		// RHSA-2023:6745 for 9.3 and RHSA-2023:5763 for 9.2, both of the main stream.
		{curl, "CVE-2023-38545", "9.3", "libcurl 7.76.1-26.el9_3 curl-7.76.1-26.el9_3", "high 7.76.1-26.el9_3.2"},
		{curl, "CVE-2023-38545", "9.3", "libcurl 7.76.1-26.el9_3.2 curl-7.76.1-26.el9_3.2", ""},
		{curl, "CVE-2023-38545", "9.2", "libcurl 7.76.1-23.el9_2.1 curl-7.76.1-23.el9_2.1", "high 7.76.1-23.el9_2.4"},
		{curl, "CVE-2023-38545", "9.2", "libcurl 7.76.1-23.el9_2.4 curl-7.76.1-23.el9_2.4", ""},
		{curl, "CVE-2023-38545", "9.3", "libcurl 7.76.1-25.el9 curl-7.76.1-25.el9", "high 7.76.1-26.el9_3.2"},
		{curl, "CVE-2023-38545", "8.8", "libcurl 7.61.1-30.el8 curl-7.61.1-30.el8", ""},

		// The oldest form: a component without a package URL.
		{sambas, "CVE-2023-42669", "9.2", "libsmbclient 4.17.5-103.el9_2 samba-4.17.5-103.el9_2", "medium affected"},
		{sambas, "CVE-2023-42669", "7.9", "libsmbclient 4.10.16-25.el7_9 samba-4.10.16-25.el7_9", "medium will not fix"},
		{samba, "CVE-2023-42670", "9.2", "samba-libs 4.17.5-103.el9_2 samba-4.17.5-103.el9_2", ""},

		{libssh, "CVE-2026-0968", "10.0", "libssh 0.11.1-1.el10 libssh-0.11.1-1.el10", "low affected"},
		{libssh, "CVE-2026-0968", "8.10", "libssh-config 0.9.6-14.el8 libssh-0.9.6-14.el8", "low fix deferred"},
		{libssh, "CVE-2026-0968", "7.9", "libssh2 1.8.0-4.el7 libssh2-1.8.0-4.el7", ""},

		{golang, "CVE-2022-1705", "9.2", "buildah 1:1.29.1-1.el9 buildah-1.29.1-1.el9", "medium will not fix"},
		{golang, "CVE-2022-1705", "8.8", "osbuild-composer 75-1.el8 osbuild-composer-75-1.el8", "medium will not fix"},

		{html, "CVE-2026-27142", "9.6", "golang-bin 1.24.4-1.el9_6 golang-1.24.4-1.el9_6", "medium fix deferred"},
		// The document is about the stream go-toolset:rhel8 only.
		{html, "CVE-2026-27142", "8.10", "golang 1.24.4-1.module+el8.10.0+1+a golang-1.24.4-1.module+el8.10.0+1+a go-toolset:rhel8:1:a", "medium fix deferred"},
		{html, "CVE-2026-27142", "8.10", "golang 1.24.4-1.el8 golang-1.24.4-1.el8", ""},
		// Red Hat Hardened Images: RHSA-2026:5192.
		{html, "CVE-2026-27142", "20251124", "golang1.25 1.25.7-1.hum1 golang1.25-1.25.7-1.hum1", "medium 1.25.8-1.1.hum1"},
		{html, "CVE-2026-27142", "20251124", "golang1.25 1.25.8-1.1.hum1 golang1.25-1.25.8-1.1.hum1", ""},
		{html, "CVE-2026-27142", "20251124", "golang1.26 1.26.0-1.hum1 golang1.26-1.26.0-1.hum1", ""},
		{python, "CVE-2026-2297", "20251124", "python3.11-libs 3.11.14-1.hum1 python3.11-3.11.14-1.hum1", "low affected"},
	} {
		ix := index.NewMemory(recordsOf(t, tt.file), nil)
		if got := found(t, ix, tt.release, tt.cve, rpm(tt.pkg)); got != tt.want {
			t.Errorf("%s on %s, %s: %q, want %q", tt.cve, tt.release, tt.pkg, got, tt.want)
		}
	}
}

// TestUnknownStream: a module build of an unknown stream may be of any of the streams.
func TestUnknownStream(t *testing.T) {
	ix := index.NewMemory(recordsOf(t, "claircore-acceptance-cve-2026-27142.json"), nil)
	p := rpm("golang 1.24.4-1.module+el8.10.0+1+a golang-1.24.4-1.module+el8.10.0+1+a")
	if got := found(t, ix, "8.10", "CVE-2026-27142", p); got != "medium fix deferred" {
		t.Errorf("%q", got)
	}
}

// TestProducts: the content sets of an image select the products, with the table of
// repositories as the publisher's documentation shows it, and the CPE of all versions of
// OpenShift 4 from the guidelines for scanners.
func TestProducts(t *testing.T) {
	table, err := convertRepositories([]byte(`{"data":{
		"rhel-8-for-x86_64-baseos-rpms":{"cpes":["cpe:/o:redhat:enterprise_linux:8::baseos"],"repo_relative_urls":["content/dist/rhel8/8/x86_64/baseos/os"]},
		"rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_0":{"cpes":["cpe:/o:redhat:rhel_eus:9.0::baseos"]},
		"rhocp-4.12-for-rhel-8-x86_64-rpms":{"cpes":["cpe:/a:redhat:openshift:4.12::el8"]},
		"rhocp-4.13-for-rhel-8-x86_64-rpms":{"cpes":["cpe:/a:redhat:openshift:4.13::el8"]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"claircore-cve-2022-1705.jsonl.gz", "claircore-cve-2023-38545.json.gz", "claircore-example_vex.jsonl.gz"}
	ix := index.NewMemory(append(recordsOf(t, files...), stored(t, table)), nil)
	for _, tt := range []struct{ release, cve, pkg, sets, want string }{
		// RHSA-2022:7398 fixed butane 0.16.0-2.rhaos4.12.el8 for OpenShift 4.12.
		{"8.6", "CVE-2022-1705", "butane 0.15.0-1.rhaos4.12.el8 butane-0.15.0-1.rhaos4.12.el8", "rhel-8-for-x86_64-baseos-rpms rhocp-4.12-for-rhel-8-x86_64-rpms", "medium 0.16.0-2.rhaos4.12.el8"},
		{"8.6", "CVE-2022-1705", "butane 0.16.0-2.rhaos4.12.el8 butane-0.16.0-2.rhaos4.12.el8", "rhocp-4.12-for-rhel-8-x86_64-rpms", ""},
		{"8.6", "CVE-2022-1705", "butane 0.15.0-1.rhaos4.12.el8 butane-0.15.0-1.rhaos4.12.el8", "rhocp-4.13-for-rhel-8-x86_64-rpms", ""},
		// By the CPE in the labels of the image.
		{"8.6", "CVE-2022-1705", "butane 0.15.0-1.rhaos4.12.el8 butane-0.15.0-1.rhaos4.12.el8", "cpe:/a:redhat:openshift:4.12::el8 rhel-8-for-x86_64-baseos-rpms", "medium 0.16.0-2.rhaos4.12.el8"},
		{"8.6", "CVE-2022-1705", "butane 0.15.0-1.rhaos4.12.el8 butane-0.15.0-1.rhaos4.12.el8", "cpe:/a:redhat:openshift:4.13::el8", ""},
		{"8.6", "CVE-2022-1705", "butane 0.15.0-1.rhaos4.12.el8 butane-0.15.0-1.rhaos4.12.el8", "", ""},
		{"8.6", "CVE-2022-1705", "butane 0.15.0-1.rhaos4.12.el8 butane-0.15.0-1.rhaos4.12.el8", "unknown-rpms", ""},
		// RHSA-2023:5700 and RHSA-2023:6209 for the extended support of 9.0.
		{"9.0", "CVE-2023-38545", "libcurl 7.76.1-14.el9_0.5 curl-7.76.1-14.el9_0.5", "rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_0", "high 7.76.1-14.el9_0.9"},
		{"9.0", "CVE-2023-38545", "libcurl 7.76.1-14.el9_0.9 curl-7.76.1-14.el9_0.9", "rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_0", ""},
		{"9.0", "CVE-2023-42669", "libsmbclient 4.15.5-111.el9_0 samba-4.15.5-111.el9_0", "rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_0", ""},
		// Nothing says that the fix is for extended support, so the main stream counts.
		{"9.0", "CVE-2023-42669", "libsmbclient 4.15.5-111.el9_0 samba-4.15.5-111.el9_0", "", "medium affected"},
	} {
		p := rpm(tt.pkg)
		p.ContentSets = strings.Fields(tt.sets)
		if got := found(t, ix, tt.release, tt.cve, p); got != tt.want {
			t.Errorf("%s on %s, %s, %q: %q, want %q", tt.cve, tt.release, tt.pkg, tt.sets, got, tt.want)
		}
	}
}

// TestOSV compares the conversion with OSV's record of the same erratum. The erratum is a
// CSAF advisory, which has the products and the fixes of a VEX document.
func TestOSV(t *testing.T) {
	read := func(elem ...string) []byte {
		b, err := os.ReadFile(testkit.Path(t, elem...))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	doc := read("feeds", "redhat-csaf-advisory", "osv-schema", "CSAF", "rhsa-2024_4546.json")
	if _, _, _, err := convert(doc); err == nil {
		t.Fatal("an advisory is taken for a VEX document")
	}
	doc = bytes.Replace(doc, []byte(`"csaf_security_advisory"`), []byte(`"csaf_vex"`), 1)
	doc = bytes.ReplaceAll(doc, []byte(`"RHSA-2024:4546"`), []byte(`"CVE-2023-45288"`))
	a, ok, problems, err := convert(doc)
	if err != nil || !ok || len(problems) > 0 {
		t.Fatalf("%t, %q, %v", ok, problems, err)
	}
	osv, err := advisory.Parse(read("feeds", "redhat-csaf-advisory", "osv-schema", "OSV", "RHSA-2024_4546.json"))
	if err != nil {
		t.Fatal(err)
	}
	// OSV has an entry for each product, repository and binary package. The record has one
	// for the source package, under the product without the repository, and no epoch of 0.
	var got, want []string
	for _, af := range a.Affected {
		got = append(got, af.Package.Ecosystem+" "+af.Package.Name+" "+af.Ranges[0].Events[1].Fixed)
	}
	for _, af := range osv.Affected {
		product, _, _ := strings.Cut(af.Package.Ecosystem, "::")
		want = append(want, product+" git-lfs.src "+strings.TrimPrefix(af.Ranges[0].Events[1].Fixed, "0:"))
	}
	slices.Sort(want)
	if want = slices.Compact(want); !slices.Equal(got, want) {
		t.Errorf("%q, OSV has %q", got, want)
	}
}
