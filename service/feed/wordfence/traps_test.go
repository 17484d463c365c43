package wordfence

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/inspect/inventory"
	"assay/remote/purl"
	"assay/service/advisory"
	"assay/service/advisory/load"
	cve "assay/service/feed/cve/record"
	"assay/service/feed/wordpress"
	"assay/service/index"
	"assay/service/match"
)

// TestTraps has the right answer to each trap in CVE records about WordPress that the test
// data's README names: first with the CVE records alone, and where that matters with
// those of Wordfence. A row says what a package has of a vulnerability: "affected", and
// the fix after a slash if it has one; "not affected"; or "not evaluated".
func TestTraps(t *testing.T) {
	cves := cveAdvisories(t)
	s := feedtest.New(t, Source(), func() map[string][]byte { all, _ := genuine(t); return all }())
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	both := slices.Clone(cves)
	for _, a := range s.Advisories(t) {
		both = append(both, a)
	}
	alone, union := index.NewMemory(cves, nil), index.NewMemory(both, nil)
	for _, tt := range []struct {
		trap string
		both bool // with Wordfence
		rows []string
	}{
		{"WP-2 starts that mean the first version", false, []string{
			"plugin/catablog@0.1 CVE-2023-47843 affected", "plugin/blue-triad-ezanalytics@0.0.1 CVE-2024-1782 affected",
			"plugin/contact-form-7@0.1 CVE-2023-6449 affected", "plugin/secupress@0.1 CVE-2024-43228 affected/2.3",
		}},
		{"WP-3 a record that contradicts itself", false, []string{
			"plugin/woocommerce-payments@6.7.5 CVE-2023-51503 affected", "plugin/wp-webinarsystem@1.33.5 CVE-2024-31256 affected",
			"plugin/wp-webinarsystem@1.33.11 CVE-2024-31256 not affected", "plugin/cf7-message-filter@1.6.3 CVE-2024-54254 affected",
			"plugin/cf7-message-filter@1.6.4 CVE-2024-54254 not affected",
		}},
		{"WP-4 ends with rubbish", false, []string{
			"plugin/leyka@3.29.2 CVE-2023-27450 affected/3.30", "plugin/leyka@3.30 CVE-2023-27450 not affected",
			"plugin/zephyr-project-manager@3.3.102 CVE-2024-43915 affected/3.3.103", "plugin/zephyr-project-manager@3.3.103 CVE-2024-43915 not affected",
			"plugin/category-specific-rss-feed-menu@v2.2 CVE-2023-22685 affected/2.3", "plugin/bigbluebutton@3.0.0-beta.4 CVE-2023-39991 affected",
			"plugin/bigbluebutton@3.0.0 CVE-2023-39991 not affected", "plugin/wp-worthy@1.6.5-6497609 CVE-2023-24417 affected",
			"plugin/whmpress@6.2 CVE-2024-43246 not evaluated", "plugin/adif-log-search-widget@1.0 CVE-2024-49238 not evaluated",
		}},
		{"WP-5 a range in one text", false, []string{
			"core@5.8.2 CVE-2022-21661 affected/5.8.3", "core@6.4.2 CVE-2024-31210 affected/6.4.3", "core@6.4.3 CVE-2024-31210 not affected",
			"core@6.4.1 CVE-2024-31211 affected/6.4.2", "core@6.4.2 CVE-2024-31211 not affected", "core@6.3 CVE-2024-31211 not affected",
			"plugin/read-more-excerpt-link@1.6.0 CVE-2023-1068 affected", "plugin/read-more-excerpt-link@1.6.1 CVE-2023-1068 not affected",
			"plugin/wp-user-avatar@3.1.3 CVE-2021-34621 affected", "plugin/wp-user-avatar@2.9 CVE-2021-34621 not affected",
			"plugin/post-grid@2.2.85a CVE-2024-6346 affected", "plugin/advanced-custom-fields@6.1.0 CVE-2023-40068 affected",
			"plugin/advanced-custom-fields@6.0.9 CVE-2023-40068 not affected", "plugin/survey-maker@3.6.3 CVE-2023-34423 affected/3.6.4",
			"plugin/advanced-custom-fields@6.3.5 CVE-2024-45429 affected", "plugin/easy-popup-show@99 CVE-2024-29009 affected",
			"plugin/woocommerce-payments@5.6.1 CVE-2023-28121 affected/5.6.2", "plugin/woocommerce-payments@5.6.2 CVE-2023-28121 not affected",
		}},
		{"WP-6 a version as versionType", false, []string{
			"plugin/give@2.25.1 CVE-2023-23668 affected", "plugin/give@2.25.2 CVE-2023-23668 not affected", "plugin/molongui-authorship@4.6.19 CVE-2023-39164 affected/4.6.20",
		}},
		{"WP-7 affected by default means that no fix was known", false, []string{
			"plugin/eventprime-event-calendar-management@3.2.9 CVE-2023-4252 affected", "plugin/eventprime-event-calendar-management@3.3.2 CVE-2023-4252 not evaluated",
			"plugin/custom-author-base@1.1.1 CVE-2024-8050 affected", "plugin/custom-author-base@1.2 CVE-2024-8050 not evaluated",
		}},
		{"WP-8 a fix that is stated as unaffected", false, []string{
			"plugin/pretix-widget@1.0.5 CVE-2024-9575 affected/1.0.6", "plugin/pretix-widget@1.0.6 CVE-2024-9575 not affected", "plugin/pretix-widget@0.9 CVE-2024-9575 not affected",
		}},
		{"WP-9 versions made by counting", false, []string{
			"plugin/wp-file-upload@2.4.3 CVE-2014-125110 affected/2.4.4", "plugin/wp-file-upload@2.4.2.1 CVE-2014-125110 affected/2.4.4",
			"plugin/wp-file-upload@2.3 CVE-2014-125110 affected/2.4.4", "plugin/wp-file-upload@2.4.4 CVE-2014-125110 not affected",
			"plugin/wp-donate@1.2.5 CVE-2015-10122 affected/1.5",
		}},
		{"WP-10 no product and no version", false, []string{
			"plugin/wp-file-manager@6.8 CVE-2020-25213 affected/6.9", "plugin/wp-file-manager@6.9 CVE-2020-25213 not affected",
			"plugin/contact-form-7@5.3.1 CVE-2020-35489 affected/5.3.2", "plugin/pdf-embedder@4.4 CVE-2019-19589 not evaluated",
		}},
		{"WP-11 slugs in links only", false, []string{
			"plugin/nmedia-user-file-uploader@23.5 CVE-2026-1280 affected", "plugin/really-simple-ssl@9.1.1.1 CVE-2024-10924 affected",
			"plugin/really-simple-ssl@9.1.1.2 CVE-2024-10924 not affected", "plugin/frontend-file-manager@1 CVE-2026-1280 not affected",
		}},
		{"WP-12 names of packages that are no slugs", false, []string{
			"plugin/js_composer@6.12 CVE-2023-31213 affected/6.13.0", "plugin/wedevs-project-manager@2.6 CVE-2024-12015 not evaluated",
			"plugin/ninja-forms@3.6.24 CVE-2023-36505 affected/3.6.25", "plugin/my-calendar@3.4.21 CVE-2023-6360 affected/3.4.22",
		}},
		{"WP-13 plugin or theme", false, []string{
			"theme/everest-news-pro@1.1.7 CVE-2023-41235 affected", "plugin/everest-news-pro@1.1.7 CVE-2023-41235 not affected",
			"plugin/imagemagick-sharpen-resized-images@1.1.7 CVE-2024-34790 affected", "theme/imagemagick-sharpen-resized-images@1.1.7 CVE-2024-34790 not affected",
			"theme/jobify@4.2.3 CVE-2024-52479 affected", "theme/plain-post@1.0.3 CVE-2024-54349 affected/1.0.4",
			"plugin/download-monitor@4.9.4 CVE-2024-30501 affected/4.9.5", "theme/download-monitor@4.9.4 CVE-2024-30501 not affected",
		}},
		{"WP-14 sources differ", true, []string{
			"core@6.8.5 CVE-2026-60137 affected/6.8.6", "core@6.8.6 CVE-2026-60137 not affected", "plugin/litespeed-cache@1.8 CVE-2024-28000 affected",
			"plugin/litespeed-cache@6.4 CVE-2024-28000 not affected",
		}},
		{"WP-15 fixes of branches", true, []string{
			"core@5.7.5 CVE-2022-21661 not affected", "core@5.7.4 CVE-2022-21661 affected/5.8.3", "core@3.7.37 CVE-2022-21661 not affected", "core@4.9.8 CVE-2022-21661 affected/5.8.3",
		}},
		{"WP-15 with the CVE record alone", false, []string{"core@5.7.5 CVE-2022-21661 affected/5.8.3"}},
		{"WP-16 x.y is x.y.0", true, []string{
			"core@5.8 CVE-2023-5561 affected/5.8.8", "core@5.8.8 CVE-2023-5561 not affected", "core@6.3 CVE-2023-5561 affected/6.3.2", "core@7.1 CVE-2023-5561 not affected",
		}},
		{"WP-17 two CVEs, one flaw", true, []string{
			"plugin/bigbluebutton@1.4.0 CVE-2023-39991 affected", "plugin/bigbluebutton@1.4.0 CVE-2023-7296 affected",
		}},
		{"WP-18 free and paid", false, []string{
			"plugin/armember-membership@4.0.4 CVE-2022-47421 affected/4.0.5", "plugin/armember-membership@5.0 CVE-2022-47421 not affected",
			"plugin/armember@5.8 CVE-2022-47421 affected", "plugin/advanced-custom-fields@6.2.4 CVE-2023-6701 affected",
			"plugin/advanced-custom-fields-pro@6.2.4 CVE-2023-6701 affected", "plugin/foogallery-premium@2.4.14 CVE-2024-2762 affected/2.4.15",
			"plugin/really-simple-ssl-pro@9.1.1.1 CVE-2024-10924 not affected", // no record names its slug
		}},
		{"WP-19 one slug, two products", false, []string{
			"plugin/advanced-custom-fields@6.3.6.3 CVE-2024-9529 not affected", "plugin/advanced-custom-fields@6.3.6.2 CVE-2024-9529 affected/6.3.6.3",
			"plugin/advanced-custom-fields@6.3.7 CVE-2024-9529 affected/6.3.9", "plugin/advanced-custom-fields@6.3.9 CVE-2024-9529 not affected",
			"plugin/advanced-custom-fields-pro@6.3.6.3 CVE-2024-9529 affected/6.3.9",
		}},
		{"WP-20 101 entries", false, []string{
			"plugin/jetpack@3.6.1 CVE-2024-9926 not affected", "plugin/jetpack@13.9 CVE-2024-9926 affected/13.9.1", "plugin/jetpack@13.8.2 CVE-2024-9926 not affected",
		}},
		{"WP-21 names that collide", true, []string{
			"plugin/twentytwenty@1.0.1 CVE-2024-11352 affected", "theme/twentytwenty@1.0.1 CVE-2024-11352 not affected",
			"plugin/ninja-forms@1.2.6 CVE-2023-2333 not affected", "plugin/contact-form-7@1.6.3 CVE-2024-54254 not affected",
			"plugin/wp-automatic@3.92.0 CVE-2024-27956 affected/3.92.1", "plugin/automatic@3.92.0 CVE-2024-27956 not affected",
		}},
		{"WP-22 not WordPress", false, []string{
			"plugin/easyappointments@1.4 CVE-2023-38048 not affected", "plugin/alextselegidis/easyappointments@1.4 CVE-2023-38048 not affected",
		}},
		{"WP-34 texts in headers", false, []string{
			"plugin/download-monitor@v2.0.9%20B20080429 CVE-2024-30501 affected/4.9.5", "plugin/contact-form-7@5.3.1%20for%20WP5 CVE-2020-35489 affected/5.3.2",
			"plugin/contact-form-7@.1a CVE-2020-35489 affected/5.3.2", "plugin/contact-form-7@trunk CVE-2020-35489 not evaluated",
			"plugin/contact-form-7 CVE-2020-35489 not evaluated",
		}},
	} {
		t.Run(tt.trap, func(t *testing.T) {
			ix := alone
			if tt.both {
				ix = union
			}
			for _, row := range tt.rows {
				pkg, rest, _ := strings.Cut(row, " ")
				id, want, _ := strings.Cut(rest, " ")
				if got := answer(t, ix, "pkg:wordpress/"+pkg, id); got != want {
					t.Errorf("%s %s: %s, want %s", pkg, id, got, want)
				}
			}
		})
	}

	// Both sources stay visible, and the record that contradicts itself is named.
	for u, want := range map[string]string{
		"pkg:wordpress/core@7.0.1":                      "CVE-2026-60137: WordPress core 7.0.1 < fixed 7.0.2; WORDFENCE-bd087d06-5395-4dfd-a288-2c3271a62842: WordPress core 7.0.1 < fixed 7.0.2",
		"pkg:wordpress/plugin/woocommerce-payments@6.7": "CVE-2023-51503: WordPress plugin/woocommerce-payments 6.7 <= last affected 6.9.2 (" + wordpress.Contradicts + ")",
	} {
		if got := scan(t, union, u); !slices.ContainsFunc(got.Findings, func(f match.Finding) bool { return f.Why == want }) {
			for _, f := range got.Findings {
				t.Logf("%s", f.Why)
			}
			t.Errorf("%s: no finding because of %q", u, want)
		}
	}
}

// answer describes what a package has of a vulnerability.
func answer(t *testing.T, ix match.Index, u, id string) string {
	t.Helper()
	res := scan(t, ix, u)
	for _, f := range res.Findings {
		if f.ID == id {
			return strings.TrimSuffix("affected/"+f.Fixed, "/")
		}
	}
	for _, n := range res.NotEvaluated {
		if n.Cause == match.CauseVersion && (strings.HasPrefix(n.Reason, id+" of ") || res.Evaluated == 0 && !strings.Contains(n.Reason, "CVE-")) {
			return "not evaluated"
		}
	}
	return "not affected"
}

func scan(t *testing.T, ix match.Index, u string) match.Result {
	t.Helper()
	var p purl.PURL
	if err := p.Parse(u); err != nil {
		t.Fatal(err)
	}
	res, err := match.Inventory(inventory.Inventory{Packages: []inventory.Package{p.Package()}}, ix, nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// cveAdvisories converts the CVE records about WordPress of the test data.
func cveAdvisories(t *testing.T) []advisory.Advisory {
	t.Helper()
	byID := make(map[string]advisory.Advisory)
	for _, dir := range []string{"vulnrichment", "cvelistV5"} {
		files, err := filepath.Glob(testkit.Path(t, "wordpress", "cve5", dir) + "/CVE-*.json")
		if err != nil || len(files) == 0 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			r, err := cve.Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			stored, err := load.Converted(advisory.Advisory{ID: r.Metadata.ID, Modified: r.Modified(), Affected: wordpress.FromCVE(&r)})
			if err != nil {
				t.Fatal(err)
			}
			a, err := advisory.Parse(stored.Body)
			if err != nil {
				t.Fatal(err)
			}
			a.Source = "cve"
			byID[a.ID] = a
		}
	}
	var all []advisory.Advisory
	for _, a := range byID {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b advisory.Advisory) int { return strings.Compare(a.ID, b.ID) })
	if len(all) < 90 {
		t.Fatal(fmt.Errorf("only %d records", len(all)))
	}
	return all
}
