package wordpress

import (
	"path"
	"slices"
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
	for _, p := range packages {
		any = any || p.Type == typ
		if isTheme(p) {
			themes[path.Dir(p.Evidence[0].Path)] = true
		}
	}
	if !any {
		return packages
	}
	packages = slices.DeleteFunc(packages, func(p inventory.Package) bool {
		return isTheme(p) && themes[path.Dir(path.Dir(p.Evidence[0].Path))]
	})
	type key struct{ name, version string }
	found := map[key]int{}
	for i, p := range packages {
		if p.Type == typ && p.Owner == nil {
			found[key{strings.ToLower(p.Name), p.Version}] = i
		}
	}
	twice := func(p inventory.Package) bool {
		name, ok := recorded(p)
		if !ok {
			return false
		}
		i, ok := found[key{strings.ToLower(name), p.Version}]
		if ok {
			packages[i].Evidence = append(packages[i].Evidence, p.Evidence...)
		}
		return ok
	}
	again := make([]bool, len(packages))
	for i, p := range packages {
		again[i] = twice(p)
	}
	var kept []inventory.Package
	for i, p := range packages {
		if !again[i] {
			kept = append(kept, p)
		}
	}
	return kept
}

func isTheme(p inventory.Package) bool { return p.Type == typ && strings.HasPrefix(p.Name, "theme/") }

// recorded returns the name of the plugin or theme that a record of Composer is about. The
// vendors are those of the repositories of wordpress.org's plugins and themes.
func recorded(p inventory.Package) (name string, ok bool) {
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
