package overrides

import (
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	matcher "assay/service/match"
)

// TestPrograms evaluates programs with all genuine records, at the edges of what some of them
// state.
func TestPrograms(t *testing.T) {
	var all []advisory.Advisory
	for name, b := range genuine(t) {
		a, err := convert(b)
		if err != nil {
			t.Fatalf("%s: %v", path.Base(name), err)
		}
		a.Source = "nvd-overrides"
		all = append(all, a)
	}
	ix := index.NewMemory(all, nil)
	for _, tt := range []struct {
		product, version, cve string
		affected              bool
		fixed                 string
	}{
		{"openbsd:openssh", "8.5", "CVE-2024-6387", false, ""},
		{"openbsd:openssh", "8.5p1", "CVE-2024-6387", true, "9.8"},
		{"openbsd:openssh", "9.2p1", "CVE-2024-6387", true, "9.8"},
		{"openbsd:openssh", "9.8p1", "CVE-2024-6387", false, ""},
		{"openssl:openssl", "3.0.3", "CVE-2022-2274", false, ""},
		{"openssl:openssl", "3.0.4", "CVE-2022-2274", true, "3.0.5"},
		{"openssl:openssl", "3.0.5", "CVE-2022-2274", false, ""},
		{"python:python", "3.9.0rc2", "CVE-2021-3177", true, "3.9.2"},
		{"python:python", "3.9.1", "CVE-2021-3177", true, "3.9.2"},
		{"python:python", "3.9.2", "CVE-2021-3177", false, ""},
		{"python:python", "3.10.0a3", "CVE-2021-3177", true, "3.10.0"},
		{"python:python", "3.10.0", "CVE-2021-3177", false, ""},
		{"postgresql:postgresql", "15.8", "CVE-2024-10976", true, "15.9"},
		{"postgresql:postgresql", "15.9", "CVE-2024-10976", false, ""},
		{"postgresql:postgresql", "16.4", "CVE-2024-10976", true, "16.5"},
		{"php:php", "8.2.25", "CVE-2024-11233", true, "8.2.26"},
		{"php:php", "8.2.26", "CVE-2024-11233", false, ""},
		{"ruby-lang:ruby", "3.1.4", "CVE-2024-27282", true, "3.1.5"},
		{"ruby-lang:ruby", "3.1.5", "CVE-2024-27282", false, ""},
		{"f5:nginx", "1.25.3", "CVE-2024-24989", true, "1.25.4"},
		{"nginx:nginx", "1.25.3", "CVE-2024-24989", true, "1.25.4"},
		{"f5:nginx", "1.25.4", "CVE-2024-24989", false, ""},
		{"squid-cache:squid", "5.7", "CVE-2024-25111", true, "6.8"},
		{"busybox:busybox", "1.37.0", "CVE-2024-58251", true, ""},
		{"busybox:busybox", "1.37.1", "CVE-2024-58251", false, ""},
		{"sqlite:sqlite", "3.40.1", "CVE-2025-6965", true, "3.50.2"},
		{"haxx:libcurl", "6.5", "CVE-2000-0973", true, "7.4.1"}, // the record names curl
		{"haxx:curl", "7.4.1", "CVE-2000-0973", false, ""},
		{"git-scm:git", "2.43.6", "CVE-2025-48384", true, "2.43.7"},
		{"git-scm:git", "2.43.7", "CVE-2025-48384", false, ""},
		{"redis:redis", "7.0.15", "CVE-2026-25243", true, "7.2.14"},
		{"redis:redis", "6.2.22", "CVE-2026-25243", false, ""},
		{"lfprojects:valkey", "9.0.3", "CVE-2026-25243", true, "9.0.4"},
		{"lfprojects:valkey", "9.1.2", "CVE-2026-25243", false, ""},
		{"oracle:mysql", "8.4.10", "CVE-2026-61109", true, ""}, // the last affected version is stated
		{"oracle:mysql", "8.4.11", "CVE-2026-61109", false, ""},
		{"openresty:openresty", "1.29.2.4", "CVE-2026-55233", true, "1.29.2.5"},
		{"openresty:openresty", "1.21.4.3", "CVE-2026-55233", false, ""},
		{"oracle:openjdk", "17.0.8.1", "CVE-2023-22025", true, "17.0.9"},
		{"oracle:openjdk", "17.0.9", "CVE-2023-22025", false, ""},
		{"oracle:openjdk", "1.8.0_492", "CVE-2026-60147", true, "1.8.0_502"},
		{"oracle:openjdk", "1.8.0_502", "CVE-2026-60147", false, ""},
		{"mediawiki:mediawiki", "1.39.17", "CVE-2026-58037", true, "1.43.9"},
		{"mediawiki:mediawiki", "1.43.11", "CVE-2026-58037", false, ""},
		{"phpmyadmin:phpmyadmin", "5.2.1", "CVE-2025-24530", true, "5.2.2"},
		{"phpmyadmin:phpmyadmin", "4.9.0.1", "CVE-2025-24530", false, ""},
		{"nextcloud:nextcloud_server", "31.0.3", "CVE-2026-45810", true, "31.0.12"},
		{"nextcloud:nextcloud_server", "31.0.12", "CVE-2026-45810", false, ""},
		{"other:openssh", "9.2p1", "CVE-2024-6387", false, ""}, // another vendor
	} {
		p := inventory.Package{Type: "generic", Name: "x", Version: tt.version, CPE: "cpe:2.3:a:" + tt.product + ":" + tt.version + ":*:*:*:*:*:*:*"}
		res, err := matcher.Inventory(inventory.Inventory{Packages: []inventory.Package{p}}, ix, nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(res.Findings, func(f matcher.Finding) bool { return f.ID == tt.cve })
		switch {
		case (i >= 0) != tt.affected:
			t.Errorf("%s %s: %s is found: %t, want %t", tt.product, tt.version, tt.cve, i >= 0, tt.affected)
		case i >= 0 && (res.Findings[i].Fixed != tt.fixed || !strings.Contains(res.Findings[i].Why, ": CPE ")):
			t.Errorf("%s %s: fixed %q, why %q", tt.product, tt.version, res.Findings[i].Fixed, res.Findings[i].Why)
		}
	}
}
