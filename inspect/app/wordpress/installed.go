package wordpress

import (
	"path"
	"strings"

	"assay/inspect/inventory"
)

// Installed returns the packages of a tree without those that are no package of their own:
//
//   - a theme in the folder of another theme, in which WordPress does not look for themes;
//   - a plugin or theme that Composer has recorded ("wpackagist-plugin/akismet"), and that
//     was found in its folder in the same version. That one gets the evidence of both.
//
// It may change packages.
func Installed(packages []inventory.Package) []inventory.Package {
	themes := map[string]bool{} // the folders of themes
	any := false
	for i := range packages {
		p := &packages[i]
		any = any || p.Type == typ
		if isTheme(p) {
			themes[path.Dir(p.Evidence[0].Path)] = true
		}
	}
	if !any {
		return packages
	}
	nested := func(p *inventory.Package) bool {
		return isTheme(p) && themes[path.Dir(path.Dir(p.Evidence[0].Path))]
	}
	found := map[string]*inventory.Package{} // by name and version
	for i := range packages {
		if p := &packages[i]; p.Type == typ && p.Owner == nil && !nested(p) {
			found[strings.ToLower(p.Name)+" "+p.Version] = p
		}
	}
	again := make([]bool, len(packages))
	for i := range packages {
		p := &packages[i]
		again[i] = nested(p)
		if name, ok := recorded(p); ok {
			if own := found[strings.ToLower(name)+" "+p.Version]; own != nil {
				own.Evidence = append(own.Evidence, p.Evidence...)
				again[i] = true
			}
		}
	}
	kept := packages[:0]
	for i := range packages {
		if !again[i] {
			kept = append(kept, packages[i])
		}
	}
	return kept
}

func isTheme(p *inventory.Package) bool { return p.Type == typ && strings.HasPrefix(p.Name, "theme/") }

// recorded returns the name of the plugin or theme that a record of Composer is about. The
// vendors are those of the repositories of wordpress.org's plugins and themes.
func recorded(p *inventory.Package) (name string, ok bool) {
	if p.Type != "composer" || p.Owner != nil {
		return "", false
	}
	vendor, slug, _ := strings.Cut(p.Name, "/")
	switch vendor {
	case "wpackagist-plugin", "wp-plugin":
		return "plugin/" + slug, true
	case "wpackagist-theme", "wp-theme":
		return "theme/" + slug, true
	}
	return "", false
}
