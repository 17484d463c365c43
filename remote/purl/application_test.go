package purl_test

import (
	"testing"

	"assay/inspect/inventory"
	"assay/remote/purl"
)

// TestApplication reads every form in use for packages of WordPress and Jenkins, and
// writes one.
func TestApplication(t *testing.T) {
	for in, want := range map[string]string{
		"pkg:wordpress/core@6.8.5":                               "pkg:wordpress/core@6.8.5",
		"pkg:wordpress/core/wordpress@6.8.5":                     "pkg:wordpress/core@6.8.5",
		"pkg:wordpress/WordPress@6.8.5":                          "pkg:wordpress/core@6.8.5",
		"pkg:generic/wordpress@6.8.5":                            "pkg:wordpress/core@6.8.5",
		"pkg:generic/wordpress/core/wordpress@6.8.5":             "pkg:wordpress/core@6.8.5",
		"pkg:wordpress/akismet@5.3":                              "pkg:wordpress/plugin/akismet@5.3",
		"pkg:wordpress/plugin/akismet@5.3":                       "pkg:wordpress/plugin/akismet@5.3",
		"pkg:wordpress/plugins/akismet@5.3":                      "pkg:wordpress/plugin/akismet@5.3",
		"pkg:wordpress/mu-plugin/akismet@5.3":                    "pkg:wordpress/plugin/akismet@5.3",
		"pkg:wordpress-plugin/akismet@5.3":                       "pkg:wordpress/plugin/akismet@5.3",
		"pkg:generic/wordpress/plugin/akismet@5.3":               "pkg:wordpress/plugin/akismet@5.3",
		"pkg:composer/wpackagist-plugin/akismet@5.3":             "pkg:wordpress/plugin/akismet@5.3",
		"pkg:composer/wp-plugin/akismet@5.3":                     "pkg:wordpress/plugin/akismet@5.3",
		"pkg:wordpress/theme/twentytwenty@1.8":                   "pkg:wordpress/theme/twentytwenty@1.8",
		"pkg:wordpress-theme/twentytwenty@1.8":                   "pkg:wordpress/theme/twentytwenty@1.8",
		"pkg:composer/wpackagist-theme/twentytwenty@1.8":         "pkg:wordpress/theme/twentytwenty@1.8",
		"pkg:wordpress/plugin/download-monitor@v2.0.9%20B200804": "pkg:wordpress/plugin/download-monitor@v2.0.9%20B200804",
		"pkg:jenkins/plugin/git@5.2.2":                           "pkg:jenkins/plugin/git@5.2.2",
		"pkg:jenkins/git@5.2.2":                                  "pkg:jenkins/plugin/git@5.2.2",
		"pkg:jenkins-plugin/git@5.2.2":                           "pkg:jenkins/plugin/git@5.2.2",
		"pkg:jenkins/core@2.441":                                 "pkg:jenkins/core@2.441",
		"pkg:generic/jenkins@2.441":                              "pkg:jenkins/core@2.441",

		// Not packages of WordPress or Jenkins.
		"pkg:composer/drupal/core@10.2.5":                   "pkg:composer/drupal/core@10.2.5",
		"pkg:generic/wordpress-importer@1.0":                "pkg:generic/wordpress-importer@1.0",
		"pkg:generic/acme/wordpress@1.0":                    "pkg:generic/acme/wordpress@1.0",
		"pkg:generic/wordpress@15.2.35?type=helm":           "pkg:generic/wordpress@15.2.35",
		"pkg:npm/wordpress@1.0":                             "pkg:npm/wordpress@1.0",
		"pkg:wordpress/other/akismet@5.3":                   "pkg:wordpress/other/akismet@5.3",
		"pkg:deb/debian/wordpress@6.1.6%2Bdfsg1-0?arch=all": "pkg:deb/wordpress@6.1.6%2Bdfsg1-0?arch=all",
		"pkg:maven/org.jenkins-ci.plugins/git@5.2.2":        "pkg:maven/org.jenkins-ci.plugins/git@5.2.2",
	} {
		p, err := parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := purl.Of(p.Package(), inventory.System{}).String(); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
}
