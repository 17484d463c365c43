package match_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
	"assay/verdict"
)

// reported reads a folder of faults/matching: what a public report about a scanner
// was made of, one document and the records.
func reported(t testing.TB, folder, document string) (inventory.Inventory, *index.Memory) {
	t.Helper()
	records, err := filepath.Glob(filepath.Join(testkit.Path(t, "faults", "matching", folder, "records"), "*.json"))
	if err != nil || len(records) == 0 {
		t.Fatalf("no records in %s: %v", folder, err)
	}
	var all []advisory.Advisory
	for _, name := range records {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		a, err := advisory.Parse(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, a)
	}
	f, err := os.Open(testkit.Path(t, "faults", "matching", folder, document+".cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	scan, err := cyclonedx.Decode(f, cyclonedx.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return scan.Inventory, index.NewMemory(all, nil)
}

// said writes down a finding: package, id, severity, fix, and what else there is to
// know of it.
func said(f match.Finding) string {
	parts := []string{f.Package.Name, f.ID, string(f.Severity)}
	if f.Fixed != "" {
		parts = append(parts, f.Fixed)
	}
	if f.Subscription != "" {
		parts = append(parts, "with "+f.Subscription)
	}
	if f.Owned {
		parts = append(parts, "owned")
	}
	return strings.Join(parts, " ")
}

// TestReports has cases from public reports about scanners, each with the answer of the
// advisory's publisher.
func TestReports(t *testing.T) {
	const curl = "7.66.0-150200.4.30.1"
	libcurl := []string{"libcurl4 CVE-2022-22576 unrated " + curl, "libcurl4 CVE-2022-27775 unrated " + curl, "libcurl4 CVE-2022-27776 unrated " + curl}
	var java []string
	for _, n := range []string{"35550", "35556", "35559", "35561", "35564", "35565", "35567", "35578", "35586", "35603"} {
		java = append(java, "java-11-openjdk-headless CVE-2021-"+n+" high 1:11.0.13.0.8-1.el8_4")
	}
	const ruby = "0:3.3.1-2.module+el9.4.0+20787+4c237fd3"
	for _, tt := range []struct {
		folder, document string
		want             []string
		why              string // part of the reason of the first
		unjudged         string // reason
	}{
		{"01-suse-source-names", "leap", libcurl, "openSUSE:Leap 15.3 curl", ""},
		{"01-suse-source-names", "sles", libcurl, "SUSE:Linux Enterprise Module for Basesystem 15 SP3 curl", ""},
		{"02-rocky-source-names", "headless", java, "Rocky Linux:8 java-11-openjdk 1:11.0.12.0.7-0.el8_4", ""},
		{"02-rocky-source-names", "ruby-libs", []string{
			"ruby-libs CVE-2024-27280 medium " + ruby, "ruby-libs CVE-2024-27281 medium " + ruby, "ruby-libs CVE-2024-27282 medium " + ruby,
		}, "Rocky Linux:9 ruby 3.3.0-1", ""},
		{"03-ubuntu-pro-only", "16.04-wayland", []string{"libwayland-client0 CVE-2021-3782 medium with Ubuntu Pro"},
			"wayland 1.12.0-1~ubuntu16.04.3 < fixed 1.12.0-1~ubuntu16.04.3+esm1, which needs Ubuntu Pro", ""},
		{"03-ubuntu-pro-only", "20.04-glibc", []string{"libc6 CVE-2016-20013 negligible"}, "Ubuntu:Pro:20.04:LTS glibc 2.31-0ubuntu9.18 is listed as affected", ""},
		{"03-ubuntu-pro-only", "22.04-netty", []string{"libnetty-java CVE-2022-24823 low with Ubuntu Pro"}, ", which needs Ubuntu Pro", ""},
		{"04-ghsa-last-known", "formidable-3.5.4", nil, "", ""},
		{"04-ghsa-last-known", "formidable-3.5.2", []string{"formidable CVE-2025-46653 low 3.5.3"}, "< fixed 3.5.3", ""},
		{"04-ghsa-last-known", "formidable-2.1.3", nil, "", ""},
		{"04-ghsa-last-known", "bcprov-1.70", nil, "", ""},
		{"05-alma-severity", "alma", []string{
			"platform-python-setuptools CVE-2022-40897 medium 39.2.0-6.el8_7.1",
			"python3-requests CVE-2023-32681 medium 2.20.0-3.el8_8",
			"python3-urllib3 CVE-2023-43804 medium 1.24.2-5.el8_9.2",
			"python3-urllib3 CVE-2023-45803 medium 1.24.2-5.el8_9.2",
		}, "", ""},
		{"06-third-party-deb", "nginx.org", nil, "", "built by nginx.org, not by Debian"},
		{"06-third-party-deb", "nodesource", nil, "", "built by NodeSource, not by Debian"},
		{"07-owned-on-alma", "alma", []string{
			"python3-urllib3 CVE-2023-43804 medium 1.24.2-5.el8_9.2",
			"python3-urllib3 CVE-2023-45803 medium 1.24.2-5.el8_9.2",
			"urllib3 CVE-2019-11236 unrated 1.24.3 owned",
			"urllib3 CVE-2021-33503 unrated 1.26.5 owned",
		}, "", ""},
		{"08-rhel-eus", "eus", []string{"glib2 CVE-2021-27219 unrated 0:2.56.4-10.el8_4"}, "Red Hat:enterprise_linux:8::baseos glib2", ""},
		{"09-pypi-local", "torch-2.12.0+cu128", []string{"torch CVE-2025-3000 unrated"}, "torch 2.12.0+cu128 <= last affected 2.12.0", ""},
		{"11-amazon-extras", "amzn2", nil, "", ""},
		{"12-alias-merge", "netty", []string{"io.netty:netty-codec-http CVE-2022-24823 medium 4.1.77.Final"}, "GHSA-269q-hmxg-m83q: ", ""},
	} {
		t.Run(tt.folder+" "+tt.document, func(t *testing.T) {
			inv, ix := reported(t, tt.folder, tt.document)
			res, err := match.Inventory(inv, ix, nil, day)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range res.Findings {
				got = append(got, said(f))
				if f.Severity != verdict.Unrated && f.SeveritySource == "" {
					t.Errorf("%s: nobody rated it", said(f))
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if len(res.Findings) > 0 && !strings.Contains(res.Findings[0].Why, tt.why) {
				t.Errorf("why %q", res.Findings[0].Why)
			}
			reason := ""
			for _, u := range res.NotEvaluated {
				reason += u.Reason
			}
			if reason != tt.unjudged {
				t.Errorf("not evaluated: %q", reason)
			}
		})
	}
}
