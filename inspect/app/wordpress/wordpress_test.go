package wordpress_test

import (
	"encoding/csv"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect"
	"assay/inspect/app/wordpress"
	"assay/inspect/inventory"
)

// rows returns the rows of a table of the test data, without its first line.
func rows(t *testing.T, elem ...string) [][]string {
	t.Helper()
	f, err := os.Open(testkit.Path(t, append([]string{"wordpress"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all[1:]
}

// site makes a tree with the genuine headers of the test data in their places: a site with
// all plugins and themes, and one site for each version of WordPress.
func site(t *testing.T) string {
	t.Helper()
	headers, root := testkit.Path(t, "wordpress", "headers"), t.TempDir()
	err := filepath.WalkDir(headers, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(headers, p)
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		to := filepath.Join(root, filepath.FromSlash(place(rel)))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// place returns where in the tree a file of the test data is.
func place(file string) string {
	if folder, _, _ := strings.Cut(file, "/"); folder == "plugins" || folder == "themes" || folder == "mu-plugins" {
		return "var/www/html/wp-content/" + file
	}
	return "srv/" + strings.Replace(file, "plugins-monorepo/", "performance/plugins/performance/", 1)
}

func inventoryOf(t *testing.T, root string) inventory.Inventory {
	t.Helper()
	inv, err := inspect.Inspect(t.Context(), root, inspect.Options{Mounts: strings.NewReader("")})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// found returns the packages of WordPress by where they were found: name, blank, version.
func found(inv inventory.Inventory) map[string]string {
	all := map[string]string{}
	for _, p := range inv.Packages {
		for _, e := range p.Evidence {
			if p.Type == "wordpress" || e.Kind == wordpress.Kind {
				all[e.Path] = p.Name + " " + p.Version
			}
		}
	}
	return all
}

// TestHeaders compares the packages of a tree of genuine headers with the list of the test
// data: each of its rows, and no other package. Traps WP-29 to WP-39 of its README are among
// these files.
func TestHeaders(t *testing.T) {
	inv := inventoryOf(t, site(t))
	if len(inv.ScanErrors) != 0 {
		t.Errorf("scan errors: %+v", inv.ScanErrors)
	}
	got := found(inv)
	n := 0
	for _, row := range rows(t, "headers", "expected.csv") {
		file, kind, slug, version := place(row[0]), row[1], row[2], row[4]
		name := map[string]string{"core": "core", "plugin": "plugin/" + slug, "mu-plugin": "plugin/" + slug, "theme": "theme/" + slug}[kind]
		if name == "" {
			continue // of another application
		}
		n++
		if got[file] != name+" "+version {
			t.Errorf("%s: %q, want %q", file, got[file], name+" "+version)
		}
		delete(got, file)
	}
	if n != 60 {
		t.Errorf("%d rows are about WordPress", n)
	}
	for file, p := range got {
		t.Errorf("%s: %s is in no row", file, p)
	}
	for _, row := range rows(t, "headers", "not-expected.csv") {
		if p := got[place(row[0])]; p != "" {
			t.Errorf("%s: %s", row[0], p)
		}
	}
}

const plugin = "<?php\n/*\nPlugin Name: X\nVersion: 1.2\n*/\n"
const theme = "/*\nTheme Name: X\nVersion: 1.2\n*/\n"
const core = "<?php\n/**\n * @global string $wp_version\n */\n$wp_version = '6.8.5';\n"

// TestPlaces tests where plugins, themes and WordPress are looked for.
func TestPlaces(t *testing.T) {
	files := map[string]string{ // path: name of the package, or nothing
		// Debian has the files of its package in /usr, and those of the site in /var.
		"usr/share/wordpress/wp-includes/version.php":               "core 6.8.5",
		"usr/share/wordpress/wp-content/themes/twentyten/style.css": "theme/twentyten 1.2",
		"var/lib/wordpress/wp-content/plugins/akismet/akismet.php":  "plugin/akismet 1.2",
		"usr/share/doc/wordpress/examples/plugins/x/x.php":          "",
		// Bedrock.
		"srv/bedrock/web/wp/wp-includes/version.php":                   "core 6.8.5",
		"srv/bedrock/web/wp/wp-content/themes/twentyten/style.css":     "theme/twentyten 1.2",
		"srv/bedrock/web/app/plugins/akismet/akismet.php":              "plugin/akismet 1.2",
		"srv/bedrock/web/app/mu-plugins/bedrock-autoloader.php":        "plugin/bedrock-autoloader 1.2",
		"srv/bedrock/web/app/themes/sage/style.css":                    "theme/sage 1.2",
		"srv/bedrock/web/app/mu-plugins/bedrock-disallow/disallow.php": "",
		// The root itself, and another site.
		"wp-includes/version.php":                     "core 6.8.5",
		"wp-content/plugins/hello.php":                "plugin/hello-dolly 1.2",
		"home/a/public_html/wp-includes/version.php":  "core 6.8.5",
		"home/a/public_html/content/plugins/y.php":    "plugin/y 1.2",
		"home/a/plugins/s/wp-content/plugins/z/a.php": "plugin/z 1.2",
		// Not where WordPress looks.
		"wp-content/plugins/x/plugins/y/y.php":            "",
		"wp-content/plugins/x/lib/themes/y/style.css":     "",
		"wp-content/plugins/x/inc/a.php":                  "",
		"wp-content/plugins/x/a.inc.phtml":                "",
		"wp-content/plugins/x/a.PHP":                      "",
		"wp-content/plugins/.x/a.php":                     "",
		"wp-content/plugins/x/.a.php":                     "",
		"wp-content/mu-plugins/x/a.php":                   "",
		"wp-content/themes/x/a.php":                       "",
		"wp-content/themes/.git/style.css":                "",
		"wp-content/themes/style.css":                     "",
		"wp-content/x/plugins/y.php":                      "",
		"wp-includes/plugins/x/y.php":                     "",
		"srv/app/tests/fixtures/wp-content/plugins/y.php": "",
		"srv/app/__tests__/wp-includes/version.php":       "",
		// Themes in folders of their own.
		"wp-content/themes/radiohead/radiohead/style.css": "theme/radiohead 1.2",
		"wp-content/themes/parent/style.css":              "theme/parent 1.2",
		"wp-content/themes/parent/blog/style.css":         "",
		"wp-content/themes/a/b/c/style.css":               "",
		"wp-content/themes/with blank/style.css":          "theme/with blank 1.2",
	}
	tree := map[string]string{}
	for file := range files {
		switch {
		case strings.HasSuffix(file, "version.php"):
			tree[file] = core
		case strings.HasSuffix(file, ".css"):
			tree[file] = theme
		default:
			tree[file] = plugin
		}
	}
	inv := inventoryOf(t, testkit.Tree(t, tree))
	got := found(inv)
	for file, want := range files {
		if got[file] != want {
			t.Errorf("%s: %q, want %q", file, got[file], want)
		}
	}
	if len(inv.ScanErrors) != 0 {
		t.Errorf("scan errors: %+v", inv.ScanErrors)
	}
}

// TestLinks follows links to plugins that are kept elsewhere, as Debian's wp-content does.
func TestLinks(t *testing.T) {
	got := found(inventoryOf(t, testkit.Tree(t, map[string]string{
		"opt/shared/akismet/akismet.php":     plugin,
		"opt/shared/one.php":                 plugin,
		"opt/themes-of-us/a/style.css":       theme,
		"var/www/wp-content/plugins/akismet": "-> /opt/shared/akismet",
		"var/www/wp-content/plugins/one.php": "-> /opt/shared/one.php",
		"var/www/wp-content/themes":          "-> ../../../opt/themes-of-us",
		"opt/wp/6.8/version.php":             core,
		"var/www/wp-includes":                "-> /opt/wp/6.8",
		"opt/content/plugins/two/two.php":    plugin,
		"home/b/wp-content":                  "-> /opt/content",
	})))
	for file, want := range map[string]string{
		"var/www/wp-content/plugins/akismet/akismet.php": "plugin/akismet 1.2",
		"var/www/wp-content/plugins/one.php":             "plugin/one 1.2",
		"var/www/wp-content/themes/a/style.css":          "theme/a 1.2",
		"var/www/wp-includes/version.php":                "core 6.8.5",
		"opt/content/plugins/two/two.php":                "plugin/two 1.2",
	} {
		if got[file] != want {
			t.Errorf("%s: %q, want %q", file, got[file], want)
		}
		delete(got, file)
	}
	if len(got) != 0 {
		t.Errorf("also %v", got)
	}
}

// TestComposer tests that a plugin which Composer has installed in its folder is one package.
func TestComposer(t *testing.T) {
	const installed = `{"packages":[{"name":"wpackagist-plugin/X","version":"1.2"},{"name":"wpackagist-theme/x","version":"1.2"},
		{"name":"wpackagist-plugin/other","version":"1.2"},{"name":"wp-plugin/x","version":"1.3"},{"name":"acme/x","version":"1.2"}]}`
	inv := inventoryOf(t, testkit.Tree(t, map[string]string{
		"srv/vendor/composer/installed.json": installed,
		"srv/web/app/plugins/x/x.php":        plugin,
		"srv/two/app/plugins/x/x.php":        plugin,
		"srv/web/app/themes/x/style.css":     theme,
	}))
	var got []string
	for _, p := range inv.Packages {
		s := p.Type + " " + p.Name + " " + p.Version
		for _, e := range p.Evidence {
			s += " " + e.Path
		}
		got = append(got, s)
	}
	want := `composer acme/x 1.2 srv/vendor/composer/installed.json
composer wp-plugin/x 1.3 srv/vendor/composer/installed.json
composer wpackagist-plugin/other 1.2 srv/vendor/composer/installed.json
wordpress plugin/x 1.2 srv/two/app/plugins/x/x.php srv/vendor/composer/installed.json srv/web/app/plugins/x/x.php
wordpress theme/x 1.2 srv/vendor/composer/installed.json srv/web/app/themes/x/style.css`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

// TestCore reads versions of WordPress, and version files from which it is unknown.
func TestCore(t *testing.T) {
	for text, want := range map[string]string{
		core:                                                       "6.8.5",
		core + "$wp_local_package = 'de_DE';\n":                    "6.8.5",
		"<?php\r\n$wp_version = \"4.9.8\";\r\n":                    "4.9.8",
		"<?php\n\t$wp_version='7.2-alpha-63338' ;":                 "7.2-alpha-63338",
		core + "$wp_version = '6.8.5';\n":                          "6.8.5",
		core + "$wp_version = '6.8.6';\n":                          "",
		core + "$wp_version .= '-src';\n":                          "",
		core + "$wp_version = $x;\n":                               "",
		"<?php\n$wp_version = '6.8' . '.5';\n":                     "",
		"<?php\n$wp_version = \"6.{$x}\";\n":                       "",
		"<?php\n$wp_versions = '6.8.5';\n":                         "",
		"<?php\n$wp_version = '6.8.5":                              "",
		"":                                                         "",
		core + strings.Repeat("#\n", wordpress.Limit):              "",
		"<?php\n$wp_version = '" + strings.Repeat("1", 300) + "';": "",
	} {
		got, err := wordpress.Read(strings.NewReader(text), "wp-includes/version.php")
		if err != nil || len(got) != 1 || got[0].Type != "wordpress" || got[0].Name != "core" || got[0].Version != want {
			t.Errorf("%.80q: %+v, %v, want %q", text, got, err, want)
		}
	}
	fork := "<?php\n$cp_version = '2.4.1';\n$wp_version = '6.2.6';\n"
	got, err := wordpress.Read(strings.NewReader(fork), "wp-includes/version.php")
	if err != nil || len(got) != 1 || got[0].Type != "generic" || got[0].Name != "classicpress" || got[0].Version != "2.4.1" {
		t.Errorf("ClassicPress: %+v, %v", got, err)
	}
}

// TestHeaderForms reads headers in every form that WordPress accepts.
func TestHeaderForms(t *testing.T) {
	window := func(before, header string) string {
		return before + strings.Repeat(" ", wordpress.Limit-len(before)-len(header)) + header
	}
	for text, want := range map[string]string{
		"<?php\n# Plugin Name: X\n# Version: 1\n":                          "1",
		"<?php\n@Plugin Name: X\n@Version: 1\n":                            "1",
		"<?php\r\n// Plugin Name: X\r\n// Version:1.0\r\n":                 "1.0",
		"<?php\r/*\rPLUGIN NAME: X\rVERSION: 2\r*/":                        "2",
		"<?php // Plugin Name: X\n// Version: 3\n":                         "3",
		"<?PHP /* Plugin Name: X */ ?>\n<?php /* Version: 4 */ ?>\n":       "4",
		" \t<? /* Plugin Name: X\nVersion: 5 ?> rest\n":                    "5",
		"<?php /* Plugin Name: X\nVersion:\t6\t */":                        "6",
		"<?php /* Plugin Name: X\nVersion: 2.3.1 for WP2.1\n":              "2.3.1 for WP2.1",
		"<?php /* Plugin Name: X\nRequires Version: 7\nVersion: 8\n":       "8",
		"<?php /* Plugin Name: X\nVersion: 9\nVersion: 10\n":               "9",
		"<?php /* Plugin Name: X\nVersion:\nVersion: 10\n":                 "",
		"<?php /* Plugin Name: X\nVersion: */ 10\n":                        "",
		"<?php /* Plugin Name: X\nVersion:0\n":                             "",
		"<?php /* Plugin Name: X\n":                                        "",
		"<?php /* Plugin Name: X\nStable tag: 3\n":                         "",
		"\ufeff<?php\n/* Plugin Name: X\n Version: 11 */\n":                "11",
		"<?php /* Plugin Name: \xff\xfe\nVersion: 12\xff\n":                `12\xff`,
		"<?php /* Plugin Name: X\nVersion: 1\x1b[31m\n":                    "",
		"<?php /* Plugin Name: X\nVersion: " + strings.Repeat("1", 257):    "",
		window("<?php /*\nPlugin Name: X\n", "\nVersion: 1.2"):             "", // its end is not known
		window("<?php /*\nPlugin Name: X\n", "\nVersion: 1.2\r") + "\n3\n": "1.2",
		window("<?php /*\nVersion: 13\n", "\nPlugin Name: X\n"):            "13",
	} {
		got, err := wordpress.ReadPlugin(strings.NewReader(text), "wp-content/plugins/x/y.php")
		if err != nil || len(got) != 1 || got[0].Name != "plugin/x" || got[0].Version != want {
			t.Errorf("%.60q: %+v, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "<?php\n", "<?php\n$a = 'Plugin Name: X';\n", "<?php\n/* The Plugin Name: X */", "<?php\n/* Plugin Name: */",
		"<?php\n/* Plugin Name X\nVersion: 1 */", "<?php\n/* Plugin Name:0\nVersion: 1 */", "\ufeff<?php /* Plugin Name: X\nVersion: 1 */",
		strings.Repeat("\n", wordpress.Limit) + plugin,
		theme,
	} {
		if got, err := wordpress.ReadPlugin(strings.NewReader(text), "wp-content/plugins/x/y.php"); err != nil || len(got) != 0 {
			t.Errorf("%.60q: %+v, %v", text, got, err)
		}
	}
}

// FuzzRead reads arbitrary files at arbitrary paths.
func FuzzRead(f *testing.F) {
	f.Add("wp-content/plugins/x/y.php", []byte(plugin))
	f.Add("wp-content/themes/x/style.css", []byte(theme))
	f.Add("wp-includes/version.php", []byte(core))
	f.Add("mu-plugins/.php", []byte("<?php<?php Plugin Name:*/"))
	f.Fuzz(func(t *testing.T, file string, content []byte) {
		var all []inventory.Package
		var err error
		switch {
		case wordpress.WantsPlugin(file):
			all, err = wordpress.ReadPlugin(strings.NewReader(string(content)), file)
		case wordpress.Wants(file):
			all, err = wordpress.Read(strings.NewReader(string(content)), file)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			kind, slug, _ := strings.Cut(p.Name, "/")
			if len(p.Version) > 4*256 || strings.ContainsAny(p.Version, "\n\r") || p.Evidence[0].Path != file ||
				p.Type == "wordpress" && kind != "core" && (slug == "" || path.Base(slug) != slug) {
				t.Errorf("%q: %+v", file, p)
			}
		}
	})
}
