package wordpress_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/inspect/app/wordpress"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/advisory"
	"assay/service/feed/cve/record"
	feed "assay/service/feed/wordpress"
	"assay/service/index"
	"assay/service/match"
	"assay/service/version"
)

// cves returns the CVE records about WordPress of the test data, by ID.
func cves(t *testing.T) map[string]advisory.Advisory {
	t.Helper()
	all := map[string]advisory.Advisory{}
	for _, dir := range []string{"vulnrichment", "cvelistV5"} {
		files, err := filepath.Glob(testkit.Path(t, "wordpress", "cve5", dir) + "/CVE-*.json")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			r, err := record.Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			all[r.Metadata.ID] = advisory.Advisory{ID: r.Metadata.ID, Source: "cve", Modified: r.Modified(), Affected: feed.FromCVE(&r)}
		}
	}
	if len(all) != 91 {
		t.Errorf("%d CVE records", len(all))
	}
	return all
}

// sent returns the inventory of a tree as a service receives it.
func sent(t *testing.T, root string) inventory.Inventory {
	t.Helper()
	var doc bytes.Buffer
	if err := cyclonedx.Encode(&doc, cyclonedx.Scan{Inventory: inventoryOf(t, root)}); err != nil {
		t.Fatal(err)
	}
	scan, err := cyclonedx.Decode(&doc, cyclonedx.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return scan.Inventory
}

// matched returns what CVE records find in an inventory: the CVEs that affect the package of
// each file.
func matched(t *testing.T, inv inventory.Inventory, records ...advisory.Advisory) (affected map[string][]string, res match.Result) {
	t.Helper()
	res, err := match.Inventory(inv, index.NewMemory(records, nil), nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	affected = map[string][]string{}
	for _, f := range res.Findings {
		for _, p := range f.Package.Paths {
			affected[p] = append(affected[p], f.ID)
		}
	}
	return affected, res
}

// TestMatches finds the genuine headers of the test data in a tree, and compares which CVE
// records affect them with each row of its list.
func TestMatches(t *testing.T) {
	affected, _ := matched(t, sent(t, site(t)), slices.Collect(maps.Values(cves(t)))...)
	n := 0
	for _, row := range rows(t, "matches.csv") {
		n++
		file, id, want := place(row[0]), row[4], row[5] == "yes"
		if got := slices.Contains(affected[file], id); got != want {
			t.Errorf("%s %s, %s: affected %t, want %t", row[0], row[3], id, got, want)
		}
	}
	if n != 116 {
		t.Errorf("%d rows", n)
	}
}

// An edge is a version at an end of a range of a record, or next to one.
type edge struct {
	id, name, version string
	want              string // "yes", "no" or "not evaluated"
}

// edges returns a package in a version at each edge of what a record states.
func edges(a advisory.Advisory) []edge {
	compare, _ := version.For("WordPress")
	var all []edge
	for _, entry := range a.Affected {
		// covered reports whether a range of the entry has a version. Its ends are read
		// here without the code of the service that matches.
		covered := func(v string) string {
			open := false
			for _, r := range entry.Ranges {
				start, end := r.Events[0].Introduced, advisory.Event{}
				if len(r.Events) > 1 {
					end = r.Events[1]
				}
				cmp := compare.Comparer()
				if start != "0" {
					c, err := cmp(v, start)
					if err != nil {
						open = true
						continue
					}
					if c < 0 {
						continue
					}
				}
				limit, last := end.Fixed, false
				if limit == "" {
					limit, last = end.LastAffected, true
				}
				if limit == "" {
					return "yes"
				}
				c, err := cmp(v, limit)
				switch {
				case err != nil:
					open = true
				case c < 0 || c == 0 && last:
					return "yes"
				}
			}
			if open {
				return "not evaluated"
			}
			return "no"
		}
		for _, r := range entry.Ranges {
			for _, e := range r.Events {
				for _, v := range []string{e.Introduced, e.Fixed, e.LastAffected} {
					if _, err := compare.Comparer()(v, v); err != nil || v == "" {
						continue
					}
					around := []string{v, v + ".1"}
					if v == "0" {
						around = []string{"0.0.0.1"}
					} else if base, n, ok := strings.Cut(v, "."); ok && n != "" {
						around = append(around, v+"-alpha", base+"."+n+"-dev")
					}
					for _, v := range around {
						if _, err := compare.Comparer()(v, v); err == nil {
							all = append(all, edge{a.ID, entry.Package.Name, v, covered(v)})
						}
					}
				}
			}
		}
	}
	return all
}

// read reads the package from a file with its header, in a site.
func (e edge) read(t *testing.T, site string) []inventory.Package {
	t.Helper()
	kind, slug, _ := strings.Cut(e.name, "/")
	var got []inventory.Package
	var err error
	switch kind {
	case "core":
		got, err = wordpress.Read(strings.NewReader("<?php\n$wp_version = '"+e.version+"';\n"), site+"wp-includes/version.php")
	case "plugin":
		got, err = wordpress.ReadPlugin(strings.NewReader("<?php\n/*\nPlugin Name: X\nVersion: "+e.version+"\n*/\n"), site+"wp-content/plugins/"+slug+"/main.php")
	case "theme":
		got, err = wordpress.Read(strings.NewReader("/*\nTheme Name: X\nVersion: "+e.version+"\n*/\n"), site+"wp-content/themes/"+slug+"/style.css")
	}
	if err != nil || len(got) != 1 {
		t.Fatalf("%s %s: %+v, %v", e.name, e.version, got, err)
	}
	return got
}

// TestEdges reads the header of each package that a CVE record of the test data is about, in
// versions at each edge of what the record states, and scans all of them with that record.
func TestEdges(t *testing.T) {
	records := cves(t)
	counts := map[string]int{}
	stated := map[string]bool{}
	for id, a := range records {
		var inv inventory.Inventory
		all := edges(a)
		for i, e := range all {
			inv.Packages = append(inv.Packages, e.read(t, fmt.Sprintf("srv/%d/", i))...)
		}
		affected, res := matched(t, inv, a)
		open := false
		for i, e := range all {
			counts[e.want]++
			open = open || e.want == "not evaluated"
			stated[id+e.want] = true
			if got := slices.Contains(affected[inv.Packages[i].Evidence[0].Path], id); got != (e.want == "yes") {
				t.Errorf("%s: %s %s is affected %t, want %s", id, e.name, e.version, got, e.want)
			}
		}
		if open && len(res.NotEvaluated) == 0 {
			t.Errorf("%s: edges that cannot be judged count as evaluated", id)
		}
	}
	for id, a := range records {
		if len(a.Affected) > 0 && !stated[id+"yes"] && !stated[id+"not evaluated"] {
			t.Errorf("%s affects none of its edges", id)
		}
	}
	t.Logf("edges: %v", counts)
}

// TestUnknownVersion scans plugins without a version, or with one that cannot be read: they are
// not evaluated, with their cause. Nothing is a finding, and they do not count as clean.
func TestUnknownVersion(t *testing.T) {
	root := testkit.Tree(t, map[string]string{
		"srv/wp-content/plugins/contact-form-7/a.php":        "<?php /* Plugin Name: X */",
		"srv/wp-content/plugins/litespeed-cache/a.php":       "<?php /* Plugin Name: X\nVersion: six\n*/",
		"srv/wp-content/themes/my theme/style.css":           "/* Theme Name: X\n*/",
		"srv/wp-includes/version.php":                        "<?php\n",
		"srv/wp-content/plugins/better-search/b.php":         plugin,
		"srv/wp-content/plugins/Better-Search-Replace/b.php": plugin,
	})
	affected, res := matched(t, sent(t, root), slices.Collect(maps.Values(cves(t)))...)
	if got := fmt.Sprint(affected); got != "map[srv/wp-content/plugins/Better-Search-Replace/b.php:[CVE-2023-6933]]" {
		t.Errorf("affected: %s", got)
	}
	packages := 0
	for _, n := range res.NotEvaluated {
		packages += n.Packages
		if n.Cause != match.CauseVersion || n.Type != "wordpress" {
			t.Errorf("%+v", n)
		}
	}
	if packages != 4 {
		t.Errorf("%d packages are not evaluated, want 4: %+v", packages, res.NotEvaluated)
	}
}

// TestDebian: what Debian's package has installed is Debian's, and a plugin that was put into
// its folder is not.
func TestDebian(t *testing.T) {
	const status = "Package: wordpress\nStatus: install ok installed\nArchitecture: all\nMaintainer: Debian <a@debian.org>\nVersion: 6.1.6+dfsg1-0+deb12u1\n"
	inv := inventoryOf(t, testkit.Tree(t, map[string]string{
		"etc/os-release":                                            "ID=debian\nVERSION_ID=12\n",
		"var/lib/dpkg/status":                                       status,
		"var/lib/dpkg/info/wordpress.list":                          "/usr\n/usr/share/wordpress/wp-includes/version.php\n/usr/share/wordpress/wp-content/themes/twentyten/style.css\n",
		"usr/share/wordpress/wp-includes/version.php":               core,
		"usr/share/wordpress/wp-content/themes/twentyten/style.css": theme,
		"var/lib/wordpress/wp-content/themes/twentyten":             "-> /usr/share/wordpress/wp-content/themes/twentyten",
		"var/lib/wordpress/wp-content/plugins/x/x.php":              plugin,
	}))
	owners := map[string]string{}
	for _, p := range inv.Packages {
		if p.Type == "wordpress" {
			owners[p.Name] = "none"
			if p.Owner != nil {
				owners[p.Name] = p.Owner.Package
			}
		}
	}
	if got := fmt.Sprint(owners); got != "map[core:wordpress plugin/x:none theme/twentyten:wordpress]" {
		t.Errorf("owners: %s", got)
	}
}
