package wordpress_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/service/advisory"
	"assay/service/feed/cve/record"
	"assay/service/feed/wordpress"
)

// TestFromCVE converts every genuine record of the test data about WordPress. Ranges are
// written as in mathematics; only the first two are compared.
func TestFromCVE(t *testing.T) {
	want := map[string]string{
		"CVE-2007-10003":  "plugin/the-hackers-diet [0,0.9.7b)",
		"CVE-2011-4899":   "core [0,3.3.1]",
		"CVE-2012-10017":  "plugin/portfolio [0,2.06)",
		"CVE-2014-125110": "plugin/wp-file-upload [0,2.4.4)",
		"CVE-2015-10122":  "plugin/wp-donate [0,1.5)",
		"CVE-2019-19589":  "plugin/pdf-embedder [0,n/a]",
		"CVE-2020-25213":  "plugin/wp-file-manager [0,6.9)",
		"CVE-2020-35489":  "plugin/contact-form-7 [0,5.3.2)",
		"CVE-2020-8934":   "plugin/google-site-kit [0,1.8.0]",
		"CVE-2021-34621":  "plugin/wp-user-avatar [3.0.0,3.1.3]",
		"CVE-2022-21661":  "core [0,5.8.3)",
		"CVE-2022-47421":  "plugin/armember-membership [0,4.0.5); plugin/armember [0,5.8]",
		"CVE-2022-4973":   "core [0,3.6.1] [3.7,3.7.38] +23",
		"CVE-2023-1068":   "plugin/read-more-excerpt-link [0,1.6.0]",
		"CVE-2023-1119":   "plugin/wp-optimize [0,3.2.13); plugin/srbtranslatin [0,2.4.1)",
		"CVE-2023-22685":  "plugin/category-specific-rss-feed-menu [0,2.3)",
		"CVE-2023-2333":   "plugin/gsheetconnector-ninja-forms [0,1.2.7); plugin/gsheetconnector-ninja-forms-pro [0,1.2.7] [newer than 1.2.7, for which no fix was known,)",
		"CVE-2023-23668":  "plugin/give [0,2.25.1]",
		"CVE-2023-24417":  "plugin/wp-worthy [0,1.6.5-6497609]",
		"CVE-2023-2745":   "core [0,4.1] [4.1,4.1.38) +21",
		"CVE-2023-27450":  "plugin/leyka [0,3.30)",
		"CVE-2023-28121":  "plugin/woocommerce-payments [0,5.6.2)",
		"CVE-2023-28994":  "theme/flatsome [0,3.17.0)",
		"CVE-2023-30500":  "plugin/wpforms-lite [0,1.8.1.3); plugin/wpforms [0,1.8.1.3)",
		"CVE-2023-31213":  "plugin/js_composer [0,6.13.0)",
		"CVE-2023-32243":  "plugin/essential-addons-for-elementor-lite [5.4.0,5.7.2)",
		"CVE-2023-33317":  "plugin/woocommerce-warranty [0,2.1.7)",
		"CVE-2023-33923":  "theme/viral-news [0,1.4.6); theme/viral [0,1.8.1); theme/hashone [0,1.3.1)",
		"CVE-2023-34423":  "plugin/survey-maker [0,3.6.4)",
		"CVE-2023-36505":  "plugin/ninja-forms [0,3.6.25)",
		"CVE-2023-39164":  "plugin/molongui-authorship [0,4.6.20)",
		"CVE-2023-39991":  "plugin/bigbluebutton [0,3.0.0-beta.4]",
		"CVE-2023-40000":  "plugin/litespeed-cache [0,5.7.0.1)",
		"CVE-2023-40068":  "plugin/advanced-custom-fields [6.1.0,6.1.7]; plugin/advanced-custom-fields-pro [6.1.0,6.1.7]",
		"CVE-2023-41235":  "theme/everest-news-pro [0,1.1.7]",
		"CVE-2023-4252":   "plugin/eventprime-event-calendar-management [0,3.2.9] [newer than 3.2.9, for which no fix was known,)",
		"CVE-2023-47774":  "plugin/jetpack [0,12.7)",
		"CVE-2023-47843":  "plugin/catablog [0,1.7.0]",
		"CVE-2023-51503":  "plugin/woocommerce-payments [0,6.9.2] contradicts",
		"CVE-2023-5561":   "core [6.3.0,6.3.2) [6.2.0,6.2.3) +14",
		"CVE-2023-5692":   "core [0,6.4.3]",
		"CVE-2023-6360":   "plugin/my-calendar [0,3.4.22)",
		"CVE-2023-6449":   "plugin/contact-form-7 [0,5.8.3]",
		"CVE-2023-6701":   "plugin/advanced-custom-fields [0,6.2.4]; plugin/advanced-custom-fields-pro [0,6.2.4]",
		"CVE-2023-6933":   "plugin/better-search-replace [0,1.4.4]",
		"CVE-2023-7296":   "plugin/bigbluebutton [0,3.0.0-beta.4]",
		"CVE-2024-10924":  "plugin/really-simple-ssl [9.0.0,9.1.1.1]",
		"CVE-2024-10957":  "plugin/updraftplus [1.23.8,1.24.11]",
		"CVE-2024-11352":  "plugin/twentytwenty [0,1.0.1]",
		"CVE-2024-12015":  "plugin/wedevs-project-manager [0,unspecified]",
		"CVE-2024-1295":   "plugin/events-calendar-pro [0,6.4.0.1); plugin/the-events-calendar [0,6.4.0.1)",
		"CVE-2024-1782":   "plugin/blue-triad-ezanalytics [0,1.0]",
		"CVE-2024-2242":   "plugin/contact-form-7 [0,5.9]",
		"CVE-2024-25600":  "theme/bricks [0,1.9.6.1)",
		"CVE-2024-2762":   "plugin/foogallery [0,2.4.15); plugin/foogallery-premium [0,2.4.15)",
		"CVE-2024-27956":  "plugin/wp-automatic [0,3.92.1)",
		"CVE-2024-28000":  "plugin/litespeed-cache [1.9,6.4)",
		"CVE-2024-28850":  "plugin/wp-crontrol [0,1.16.2)",
		"CVE-2024-29009":  "plugin/easy-popup-show [0,)",
		"CVE-2024-30501":  "plugin/download-monitor [0,4.9.5)",
		"CVE-2024-31210":  "core [6.4.0,6.4.3) [6.3.0,6.3.3) +22",
		"CVE-2024-31211":  "core [6.4.0,6.4.2)",
		"CVE-2024-31256":  "plugin/wp-webinarsystem [0,1.33.10] contradicts",
		"CVE-2024-32111":  "core [6.5,6.5.5) [6.4,6.4.5) +23",
		"CVE-2024-34790":  "plugin/imagemagick-sharpen-resized-images [0,1.1.7]",
		"CVE-2024-37297":  "plugin/woocommerce [8.8.0,8.8.5) [8.9.0,8.9.3)",
		"CVE-2024-43228":  "plugin/secupress [0,2.3)",
		"CVE-2024-43246":  "plugin/whmpress [0,6.2-revision-5]",
		"CVE-2024-43915":  "plugin/zephyr-project-manager [0,3.3.103)",
		"CVE-2024-4392":   "plugin/jetpack [0,13.3.1]",
		"CVE-2024-43949":  "plugin/ghactivity [0,2.0.0-alpha]",
		"CVE-2024-4439":   "core [6.0,6.0.7] [6.1,6.1.5] +4",
		"CVE-2024-45429":  "plugin/advanced-custom-fields [0,6.3.5]; plugin/advanced-custom-fields-pro [0,6.3.5]",
		"CVE-2024-49238":  "plugin/adif-log-search-widget [0,1.0f]",
		"CVE-2024-52479":  "theme/jobify [0,4.2.3]",
		"CVE-2024-54254":  "plugin/cf7-message-filter [0,1.6.3] contradicts",
		"CVE-2024-54349":  "theme/plain-post [0,1.0.4)",
		"CVE-2024-6307":   "core [5.9,5.9.9] [6.0,6.0.8] +5",
		"CVE-2024-6346":   "plugin/post-grid [0,2.2.85a]",
		"CVE-2024-8050":   "plugin/custom-author-base [0,1.1.1] [newer than 1.1.1, for which no fix was known,)",
		"CVE-2024-9529":   "plugin/advanced-custom-fields [6.3.7,6.3.9) [0,6.3.6.3); plugin/secure-custom-fields [6.3.7,6.3.9) [0,6.3.6.3); plugin/advanced-custom-fields-pro [0,6.3.9)",
		"CVE-2024-9575":   "plugin/pretix-widget [1.0.0,1.0.6)",
		"CVE-2024-9926":   "plugin/jetpack [13.9,13.9.1) [13.8,13.8.2) +99",
		"CVE-2025-24000":  "plugin/post-smtp [0,3.3.0)",
		"CVE-2025-34085":  "",
		"CVE-2025-58246":  "core [6.8,6.8.3) [6.7,6.7.4) +20",
		"CVE-2026-1280":   "plugin/nmedia-user-file-uploader [0,23.5]",
		"CVE-2026-1357":   "plugin/wpvivid-backuprestore [0,0.9.123]",
		"CVE-2026-60137":  "core [6.8.0,6.8.6) [6.9.0,6.9.5) +1",
		"CVE-2026-63030":  "core [6.9.0,6.9.5) [7.0.0,7.0.2)",
		"CVE-2023-38048":  "", // Easy!Appointments
	}
	seen := make(map[string]bool)
	for _, dir := range []string{"vulnrichment", "cvelistV5"} {
		for _, r := range records(t, "wordpress", "cve5", dir) {
			id := r.Metadata.ID
			seen[id] = true
			w, ok := want[id]
			if got := describe(wordpress.FromCVE(&r)); !ok || got != w {
				t.Errorf("%s\n got %s\nwant %s", id, got, w)
			}
		}
	}
	for id := range want {
		if !seen[id] {
			t.Errorf("no record %s", id)
		}
	}
	t.Logf("%d records converted", len(seen))
}

// TestFromCVEOfOthers: records of Drupal, Joomla and Jenkins have no entry.
func TestFromCVEOfOthers(t *testing.T) {
	n := 0
	for _, dir := range []string{"drupal", "joomla", "jenkins"} {
		for _, r := range records(t, "wordpress", "feeds", dir, "cve5") {
			n++
			if got := describe(wordpress.FromCVE(&r)); got != "" {
				t.Errorf("%s: %s", r.Metadata.ID, got)
			}
		}
	}
	if n != 26 {
		t.Errorf("%d records, want 26", n)
	}
}

func records(t *testing.T, path ...string) []record.Record {
	t.Helper()
	files, err := filepath.Glob(testkit.Path(t, path...) + "/CVE-*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var all []record.Record
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		r, err := record.Parse(b)
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		all = append(all, r)
	}
	return all
}

func describe(all []advisory.Affected) string {
	var texts []string
	for _, a := range all {
		parts := []string{a.Package.Name}
		for _, v := range a.Versions {
			parts = append(parts, "="+v)
		}
		for i, r := range a.Ranges {
			if i == 2 {
				parts = append(parts, fmt.Sprintf("+%d", len(a.Ranges)-i))
				break
			}
			text := "[" + r.Events[0].Introduced + ","
			switch {
			case len(r.Events) == 1:
				text += ")"
			case r.Events[1].Fixed != "":
				text += r.Events[1].Fixed + ")"
			default:
				text += r.Events[1].LastAffected + "]"
			}
			parts = append(parts, text)
		}
		if strings.Contains(string(a.DatabaseSpecific), wordpress.Contradicts) {
			parts = append(parts, "contradicts")
		}
		texts = append(texts, strings.Join(parts, " "))
	}
	return strings.Join(texts, "; ")
}

// FuzzFromCVE checks that no record makes the conversion fail or gives an entry that
// the schema does not allow.
func FuzzFromCVE(f *testing.F) {
	f.Add("Patchstack", "WordPress X plugin <= 1.0", "X", "https://wordpress.org/plugins", "x", "n/a", "<= 1.0", "1.1", "affected", "https://patchstack.com/database/wordpress/plugin/x/y")
	f.Add("mitre", "", "n/a", "", "", "n/a", "", "", "", "https://wordpress.org/plugins/x/#developers")
	f.Add("VulDB", "X up to 1.2 on WordPress", "X Plugin", "", "", "1.2", "", "v2", "unaffected", "https://github.com/wp-plugins/x")
	f.Add("WPScan", "", "Secure Custom Fields", "", "", "6.3.7 to 6.3.9", "*", "", "affected", "")
	f.Fuzz(func(t *testing.T, cna, title, product, collection, pkg, from, to, at, def, link string) {
		var r record.Record
		r.Metadata.State, r.Metadata.Assigner = record.Published, cna
		c := &r.Containers.CNA
		c.Title, c.Descriptions = title, []record.Text{{Lang: "en", Value: title}}
		c.References = []record.Reference{{URL: link}}
		c.Affected = []record.Affected{{
			Product: product, CollectionURL: collection, PackageName: pkg, DefaultStatus: def,
			Versions: []record.Version{
				{Version: from, LessThanOrEqual: to, Status: "affected", Changes: []record.Change{{At: at, Status: "unaffected"}}},
				{Version: from, LessThan: to, Status: "affected"},
				{Version: at, Status: "unaffected"},
			},
		}}
		for _, a := range wordpress.FromCVE(&r) {
			if a.Package.Ecosystem != wordpress.Ecosystem || a.Package.Name == "" {
				t.Errorf("package %+v", a.Package)
			}
			for _, rng := range a.Ranges {
				if rng.Events[0].Introduced == "" || len(rng.Events) > 2 {
					t.Errorf("events %+v", rng.Events)
				}
				for _, e := range rng.Events[1:] {
					if (e.Fixed == "") == (e.LastAffected == "") || e.Introduced != "" {
						t.Errorf("events %+v", rng.Events)
					}
				}
			}
		}
	})
}

// TestVersionsOfCVE: ranges that are only partly understood affect too many versions, or
// cannot be evaluated, but never too few.
func TestVersionsOfCVE(t *testing.T) {
	for _, tt := range []struct{ name, versions, def, want string }{
		{"one range in a text", `{"version":">= 6.4.0, < 6.4.3","status":"affected"}`, "", "[6.4.0,6.4.3)"},
		{"one version in a text", `{"version":"= 6.4.0","status":"affected"}`, "", "=6.4.0"},
		{"two ranges in a text", `{"version":">= 6.4.0, < 6.4.3, >= 6.3.0, < 6.3.2","status":"affected"}`, "", "[0,>= 6.4.0, < 6.4.3, >= 6.3.0, < 6.3.2]"},
		{"two versions in a text", `{"version":"= 1.0, = 1.1","status":"affected"}`, "", "[0,= 1.0, = 1.1]"},
		{"a change to the fix", `{"version":"1.0","lessThan":"*","status":"affected","changes":[{"at":"1.5","status":"unaffected"}]}`, "", "[1.0,1.5)"},
		{"affected again after a fix", `{"version":"1.0","lessThan":"*","status":"affected","changes":[{"at":"1.5","status":"unaffected"},{"at":"2.0","status":"affected"}]}`, "", "[1.0,)"},
		{"affected by default, before a fix", `{"version":"2.0","status":"unaffected"}`, "affected", "[0,2.0)"},
		{"affected by default, after an unaffected range", `{"version":"0","lessThan":"1.0","status":"unaffected"}`, "affected", "[0,)"},
		{"affected by default, around an unaffected range", `{"version":"1.0","lessThan":"2.0","status":"unaffected"}`, "affected", "[0,)"},
	} {
		r, err := record.Parse([]byte(`{"dataType":"CVE_RECORD","dataVersion":"5.1","cveMetadata":{"cveId":"CVE-2024-1000","assignerShortName":"x","state":"PUBLISHED","datePublished":"2024-01-01T00:00:00Z"},
			"containers":{"cna":{"affected":[{"vendor":"WordPress","product":"WordPress","defaultStatus":"` + tt.def + `","versions":[` + tt.versions + `]}]}}}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := describe(wordpress.FromCVE(&r)); got != "core "+tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
