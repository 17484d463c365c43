package drupal_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/inspect"
	"assay/inspect/app/drupal"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
)

// The ends of genuine files as drupal.org has packaged them.
const (
	colorbox8 = "name: 'Colorbox'\ntype: module\n# core: 8.x\n\n# Information added by Drupal.org packaging script on 2016-02-08\nversion: '8.x-1.0'\ncore: '8.x'\nproject: 'colorbox'\ndatestamp: 1454898847\n"
	colorbox2 = "name: 'Colorbox'\ntype: module\ncore_version_requirement: ^9.3 || ^10\n\n# Information added by Drupal.org packaging script on 2024-03-08\nversion: '2.0.2'\nproject: 'colorbox'\ndatestamp: 1709927276\n"
	webform   = "name: Webform\ntype: module\n\n# Information added by Drupal.org packaging script on 2025-12-03\nversion: '6.3.0-beta6'\nproject: 'webform'\ndatestamp: 1764797544\n"
	twitter7  = "name = Twitter\ncore = 7.x\nfiles[] = tests/core.test\n\n; Information added by Drupal.org packaging script on 2015-10-05\nversion = \"7.x-5.10\"\ncore = \"7.x\"\nproject = \"twitter\"\ndatestamp = \"1444046332\"\n"
	ofDrupal7 = "name = System\nversion = VERSION\ncore = 7.x\n\n; Information added by Drupal.org packaging script on 2016-12-07\nversion = \"7.53\"\nproject = \"drupal\"\ndatestamp = \"1481152423\"\n"
	bootstrap = "<?php\n\n/**\n * @file\n * Functions that need to be loaded on every Drupal request.\n */\n\n/**\n * The current system version.\n */\ndefine('VERSION', '7.53');\n\n/**\n * Core API compatibility.\n */\ndefine('DRUPAL_CORE_COMPATIBILITY', '7.x');\n"
)

func inventoryOf(t *testing.T, root string) inventory.Inventory {
	t.Helper()
	inv, err := inspect.Inspect(t.Context(), root, inspect.Options{Mounts: strings.NewReader("")})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// list returns packages as "type name version paths".
func list(inv inventory.Inventory) string {
	var b strings.Builder
	for _, p := range inv.Packages {
		fmt.Fprintf(&b, "%s %s %s", p.Type, p.Name, p.Version)
		for _, e := range p.Evidence {
			b.WriteString(" " + e.Path)
		}
		b.WriteString("\n")
	}
	for _, e := range inv.ScanErrors {
		fmt.Fprintf(&b, "%s: %s\n", e.Path, e.Err)
	}
	return b.String()
}

// TestGenuineCore reads the versions of Drupal in the test data.
func TestGenuineCore(t *testing.T) {
	f, err := os.Open(testkit.Path(t, "wordpress", "headers", "expected.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, row := range rows {
		if row[1] != "drupal" {
			continue
		}
		n++
		file, err := os.Open(testkit.Path(t, "wordpress", "headers", row[0]))
		if err != nil {
			t.Fatal(err)
		}
		got, err := drupal.ReadCore(file, row[0])
		file.Close()
		if err != nil || len(got) != 1 || !drupal.WantsCore(row[0]) || got[0].Type != "composer" || got[0].Name != "drupal/core" || got[0].Version != row[4] {
			t.Errorf("%s: %+v, %v, want %s", row[0], got, err, row[4])
		}
	}
	if n != 4 {
		t.Errorf("%d rows", n)
	}
}

// TestTree inspects sites, one of them by Composer: what Composer has recorded is one package
// with the files in their folders.
func TestTree(t *testing.T) {
	const core = "<?php\nclass Drupal {\n  /**\n   * The current system version.\n   */\n  const VERSION = '10.2.5';\n  const CORE_COMPATIBILITY = '8.x';\n}\n"
	got := list(inventoryOf(t, testkit.Tree(t, map[string]string{
		"var/www/html/core/lib/Drupal.php":                                       core,
		"var/www/html/core/includes/bootstrap.inc":                               "<?php\n// Nothing is defined here.\n",
		"var/www/html/core/modules/node/node.info.yml":                           "name: Node\npackage: Core\nversion: '10.2.5'\nproject: 'drupal'\n",
		"var/www/html/modules/colorbox/colorbox.info.yml":                        colorbox8,
		"var/www/html/modules/colorbox/modules/inline/colorbox_inline.info.yml":  colorbox8,
		"var/www/html/modules/custom/acme/acme.info.yml":                         "name: Acme\ntype: module\nversion: 1.0\n",
		"var/www/html/themes/contrib/unknown/unknown.info.yml":                   "project: 'unknown'\n",
		"var/www/html/modules/bad/bad.info.yml":                                  "version: '1.0'\nproject: 'a b'\n",
		"var/www/html/sites/default/files/x.info.yml":                            webform,
		"var/www/html/modules/contrib/x/tests/fixtures/modules/y/y.info.yml":     webform,
		"srv/vendor/composer/installed.json":                                     `{"packages":[{"name":"drupal/core","version":"10.2.5"},{"name":"drupal/webform","version":"6.3.0-beta6"},{"name":"drupal/colorbox","version":"1.0.0"}]}`,
		"srv/web/core/lib/Drupal.php":                                            core,
		"srv/web/modules/contrib/webform/webform.info.yml":                       webform,
		"srv/web/modules/contrib/webform/modules/webform_ui/webform_ui.info.yml": webform,
		"srv/web/modules/contrib/colorbox":                                       "-> /opt/shared/colorbox",
		"opt/shared/colorbox/colorbox.info.yml":                                  colorbox8,
		"home/seven/includes/bootstrap.inc":                                      bootstrap,
		"home/seven/modules/system/system.info":                                  ofDrupal7,
		"home/seven/sites/all/modules/contrib/twitter/twitter.info":              twitter7,
		"home/other/includes/bootstrap.inc":                                      "<?php\ndefine('NAME', 'x');\n",
		"usr/share/info/modules.info":                                            "project = x\n",
	})))
	want := `composer drupal/colorbox 1.0.0 srv/vendor/composer/installed.json srv/web/modules/contrib/colorbox/colorbox.info.yml var/www/html/modules/colorbox/colorbox.info.yml var/www/html/modules/colorbox/modules/inline/colorbox_inline.info.yml
composer drupal/core 10.2.5 srv/vendor/composer/installed.json srv/web/core/lib/Drupal.php var/www/html/core/lib/Drupal.php
composer drupal/core 7.53 home/seven/includes/bootstrap.inc
composer drupal/unknown  var/www/html/themes/contrib/unknown/unknown.info.yml
composer drupal/webform 6.3.0-beta6 srv/vendor/composer/installed.json srv/web/modules/contrib/webform/modules/webform_ui/webform_ui.info.yml srv/web/modules/contrib/webform/webform.info.yml
generic drupal7/drupal 7.53 home/seven/includes/bootstrap.inc
generic drupal7/twitter 7.x-5.10 home/seven/sites/all/modules/contrib/twitter/twitter.info
var/www/html/modules/bad/bad.info.yml: invalid project "a b"
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestVersions reads versions in the forms of drupal.org, and as Composer has them.
func TestVersions(t *testing.T) {
	for text, want := range map[string]string{
		"'8.x-1.27'": "1.27.0", "'8.x-5.11'": "5.11.0", "'8.x-1.0-beta3'": "1.0.0-beta3", "8.x-2.0-rc1": "2.0.0-rc1", "'8.x-1.x-dev'": "1.x-dev",
		"'3.4.2'": "3.4.2", "\"2.0.0-alpha1\"": "2.0.0-alpha1", "VERSION": "VERSION", "''": "''", "": "", "'a b'": "", "'1.0\x1b'": "",
		"'" + strings.Repeat("1", 300) + "'": "",
	} {
		got, err := drupal.ReadInfo(strings.NewReader("version: "+text+"\nproject: 'x'\n"), "modules/x/x.info.yml")
		if err != nil || len(got) != 1 || got[0].Version != want {
			t.Errorf("%s: %+v, %v, want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"  const VERSION = '10.2.5';":                        "10.2.5",
		"\tfinal public const string VERSION = \"11.4.5\";":  "11.4.5",
		"  const VERSION = '1';\n  const VERSION = '2';":     "",
		"  const VERSION = self::OTHER;":                     "",
		"   * const VERSION = '9.0.0';\n const VERSION='8';": "8",
		"  const SCHEMA_VERSION = 8000;":                     "",
	} {
		got, err := drupal.ReadCore(strings.NewReader(text), "core/lib/Drupal.php")
		if err != nil || len(got) != 1 || got[0].Version != want {
			t.Errorf("%s: %+v, %v, want %q", text, got, err, want)
		}
	}
}

// TestMatch matches sites with the genuine advisories of Drupal.
func TestMatch(t *testing.T) {
	files, err := filepath.Glob(testkit.Path(t, "wordpress", "feeds", "drupal", "osv") + "/*.json")
	if err != nil || len(files) != 48 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var all []advisory.Advisory
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		a, err := advisory.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		a.Source = "drupal"
		all = append(all, a)
	}
	core, err := os.ReadFile(testkit.Path(t, "wordpress", "headers", "drupal", "10.2.5", "core", "lib", "Drupal.php"))
	if err != nil {
		t.Fatal(err)
	}
	var doc bytes.Buffer
	inv := inventoryOf(t, testkit.Tree(t, map[string]string{
		"a/core/lib/Drupal.php":                string(core),
		"a/modules/colorbox/colorbox.info.yml": colorbox8,
		"b/core/lib/Drupal.php":                strings.Replace(string(core), "10.2.5", "10.2.11", 1),
		"b/modules/colorbox/colorbox.info.yml": strings.Replace(colorbox2, "2.0.2", "2.1.5", 1),
		"c/modules/twitter/twitter.info":       twitter7,
	}))
	if err := cyclonedx.Encode(&doc, cyclonedx.Scan{Inventory: inv}); err != nil {
		t.Fatal(err)
	}
	scan, err := cyclonedx.Decode(&doc, cyclonedx.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	res, err := match.Inventory(scan.Inventory, index.NewMemory(all, nil), nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range res.Findings {
		for _, p := range f.Package.Paths {
			found[p[:1]+" "+f.Package.Name+" "+f.ID] = true
		}
	}
	for what, want := range map[string]bool{
		"a drupal/core CVE-2024-12393": true, "b drupal/core CVE-2024-12393": false,
		"a drupal/colorbox CVE-2026-58591": true, "b drupal/colorbox CVE-2026-58591": false,
	} {
		if found[what] != want {
			t.Errorf("%s: found %t, want %t", what, found[what], want)
		}
	}
	if len(res.NotEvaluated) != 1 || res.NotEvaluated[0].Type != "generic" || res.NotEvaluated[0].Cause != match.CauseUncovered {
		t.Errorf("not evaluated: %+v", res.NotEvaluated)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("modules/x/x.info.yml", []byte(colorbox8))
	f.Add("modules/x/x.info", []byte(twitter7))
	f.Add("includes/bootstrap.inc", []byte(bootstrap))
	f.Add("core/lib/Drupal.php", []byte("const VERSION='"))
	f.Fuzz(func(t *testing.T, file string, content []byte) {
		var all []inventory.Package
		switch {
		case drupal.WantsCore(file):
			all, _ = drupal.ReadCore(bytes.NewReader(content), file)
		case drupal.WantsInfo(file):
			all, _ = drupal.ReadInfo(bytes.NewReader(content), file)
		}
		for _, p := range all {
			if strings.ContainsAny(p.Name+p.Version, " \n\x00") || p.Evidence[0].Path != file || strings.Count(p.Name, "/") != 1 {
				t.Errorf("%q: %+v", file, p)
			}
		}
	})
}
