package match_test

import (
	"slices"
	"testing"

	"assay/inspect/inventory"
	"assay/service/match"
)

// TestSigners: who built an rpm, by the key that signed it and the vendor that it names. A
// key that is not known decides nothing.
func TestSigners(t *testing.T) {
	const (
		alma    = "d36cb86cb86b3716"
		redHat  = "199e2f91fd431d51"
		suse    = "70af9e8139db7c82"
		epel    = "8a3872bf3228467c"
		docker  = "c52feb6b621e9f35"
		pgdg    = "40bca2b408b40d20"
		cloud   = "f9b9fee7764429e6"
		unknown = "0123456789abcdef"
	)
	ix := indexOf(t, `{"id":"A-1","upstream":["CVE-2024-1"],"affected":[`+affects("AlmaLinux:9", "p", "2")+`,`+affects("Red Hat:enterprise_linux:9::baseos", "p", "2")+`,`+
		affects("Red Hat:enterprise_linux:7::baseos", "p", "2")+`,`+affects("SUSE:Linux Enterprise Server 15 SP5", "p", "2")+`,`+affects("Oracle Linux:9", "p", "2")+`]}`)
	for _, tt := range []struct {
		system, version, key, vendor string
		want                         string // of NotEvaluated
	}{
		{"almalinux", "9.4", alma, "AlmaLinux", ""},
		{"almalinux", "9.4", alma, "", ""},
		{"almalinux", "9.4", alma, "Koji", ""},
		{"almalinux", "9.4", "D36CB86CB86B3716", "Koji", ""},
		{"almalinux", "9.4", epel, "Fedora Project", "built by EPEL, not by AlmaLinux"},
		{"almalinux", "9.4", epel, "AlmaLinux", "built by EPEL, not by AlmaLinux"},
		{"almalinux", "9.4", pgdg, "", "built by PostgreSQL, not by AlmaLinux"},
		{"almalinux", "9.4", redHat, "", "built by Red Hat, not by AlmaLinux"},
		{"almalinux", "9.4", unknown, "AlmaLinux", ""},
		{"almalinux", "9.4", unknown, "", ""},
		{"almalinux", "9.4", unknown, "Acme", "built by Acme, not by AlmaLinux"},
		{"almalinux", "9.4", "", "AlmaLinux", ""},
		{"almalinux", "9.4", "", "Acme", "built by Acme, not by AlmaLinux"},
		{"rhel", "9.4", redHat, "Adobe Systems Inc.", ""},
		{"rhel", "9.4", docker, "Red Hat, Inc.", "built by Docker, not by Red Hat"},
		{"centos", "7", cloud, "CentOS", "built by CentOS special interest groups, not by CentOS"},
		{"sles", "15.5", suse, "openSUSE", ""},
		{"ol", "9.4", epel, "Oracle America", "built by EPEL, not by Oracle Linux"},
		{"ol", "9.4", "bc4d06a08d8b756f", "Oracle and/or its affiliates", "built by Oracle and/or its affiliates, not by Oracle Linux"},
		{"ol", "9.4", "bc4d06a08d8b756f", "Oracle America", ""},
	} {
		p := onePackage("rpm", "p", "1")
		p.Vendor, p.SignedBy = tt.vendor, tt.key
		res, err := match.Inventory(inventory.Inventory{System: system(tt.system, tt.version), Packages: []inventory.Package{p}}, ix, nil, day)
		if err != nil {
			t.Fatal(err)
		}
		reason := ""
		for _, u := range res.NotEvaluated {
			reason += u.Reason
			if u.Cause != match.CauseVendor {
				t.Errorf("%+v", u)
			}
		}
		if found := len(res.Findings) == 1; reason != tt.want || found != (tt.want == "") {
			t.Errorf("%s, key %q, vendor %q: %q, %d findings", tt.system, tt.key, tt.vendor, reason, len(res.Findings))
		}
	}
}

// TestProductOfImage: the CPE in the labels of an image selects the records of its product.
func TestProductOfImage(t *testing.T) {
	ix := indexOf(t,
		`{"id":"A-1","upstream":["CVE-2024-1"],"affected":[`+affects("Red Hat:enterprise_linux:8::baseos", "p", "2")+`]}`,
		`{"id":"A-2","upstream":["CVE-2024-2"],"affected":[`+affects("Red Hat:openshift_gitops:1.16::el8", "p", "2")+`]}`,
		`{"id":"A-3","upstream":["CVE-2024-3"],"affected":[`+affects("Red Hat:openshift_gitops:1", "p", "2")+`]}`,
		`{"id":"A-4","upstream":["CVE-2024-4"],"affected":[`+affects("Red Hat:openshift_gitops:1.17::el8", "p", "2")+`]}`,
		`{"id":"A-5","upstream":["CVE-2024-5"],"affected":[`+affects("Red Hat:rhel_eus:8.4", "p", "2")+`]}`)
	for _, tt := range []struct {
		sets []string
		want []string
	}{
		{nil, []string{"CVE-2024-1"}},
		{[]string{"cpe:/a:redhat:openshift_gitops:1.16::el8"}, []string{"CVE-2024-1", "CVE-2024-2", "CVE-2024-3"}},
		{[]string{"cpe:2.3:a:redhat:openshift_gitops:1.17:*:el8:*:*:*:*:*", "rhel-8-for-x86_64-baseos-rpms"}, []string{"CVE-2024-1", "CVE-2024-3", "CVE-2024-4"}},
		{[]string{"cpe:/o:redhat:rhel_eus:8.4::baseos"}, []string{"CVE-2024-1", "CVE-2024-5"}},
		{[]string{"cpe:/a:redhat:enterprise_linux:9::appstream", "cpe:/a:acme:x:1", "cpe:"}, []string{"CVE-2024-1"}},
	} {
		p := onePackage("rpm", "p", "1")
		p.ContentSets = tt.sets
		var got []string
		for _, f := range findings(t, inventory.Inventory{System: system("rhel", "8.4"), Packages: []inventory.Package{p}}, ix) {
			got = append(got, f.ID)
		}
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.sets, got, tt.want)
		}
	}
}
