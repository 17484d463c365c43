package remedy

import (
	"path"
	"slices"
	"strings"

	"assay/verdict"
)

// wordPress returns the remedies for WordPress, its plugins and its themes, one for each site.
// An item that Composer has installed is upgraded with Composer.
func wordPress(items []*item) []verdict.Remedy {
	var recorded, others []*item
	for _, it := range items {
		if slices.ContainsFunc(it.pkg.Paths, isComposer) {
			recorded = append(recorded, it)
		} else {
			others = append(others, it)
		}
	}
	var all []verdict.Remedy
	for _, at := range places(others, siteOf) {
		r := byHand("wp", at.items, "in its site")
		if at.path != "" {
			r.Text = "in the site of " + verdict.Short(at.path)
		}
		var ok bool
		if r.Command, ok = wp(at); ok {
			r.Text += ", with wp-cli or with the archive of the release"
		} else {
			r.Text += ": upgrade " + listed(at.items, target)
		}
		all = append(all, r)
	}
	if len(recorded) > 0 {
		none := func([]*item) (string, bool) { return "", false } // its name for Composer depends on the repository
		for i := range recorded {
			recorded[i] = recorded[i].onlyIn(isComposer)
		}
		all = append(all, projects("composer", recorded, "/vendor/composer/", none)...)
	}
	return all
}

// projectsOfComposer returns the remedies for packages of Composer. Drupal and its modules may
// have been unpacked from their own archives instead.
func projectsOfComposer(items []*item) []verdict.Remedy {
	var recorded, unpacked []*item
	for _, it := range items {
		if strings.HasPrefix(it.pkg.Name, "drupal/") && len(it.pkg.Paths) > 0 && !slices.ContainsFunc(it.pkg.Paths, isComposer) {
			unpacked = append(unpacked, it)
		} else {
			recorded = append(recorded, it.onlyIn(isComposer))
		}
	}
	all := projects("composer", recorded, "/vendor/composer/", composer)
	for _, at := range places(unpacked, drupalSite) {
		all = append(all, byHand("", at.items, "in the site of "+verdict.Short("/"+at.path)+", with the archives of the releases: upgrade "+listed(at.items, target)))
	}
	return all
}

// drupalSite returns the folder of the site that a file of Drupal is in.
func drupalSite(p string) string {
	for _, folder := range [...]string{"/core/lib/", "/includes/", "/sites/", "/modules/", "/themes/", "/profiles/"} {
		if site, _, found := strings.Cut("/"+p, folder); found {
			return strings.TrimPrefix(site, "/")
		}
	}
	return path.Dir(p)
}

// onlyIn returns the item with those of its paths that are wanted, if there are any.
func (it *item) onlyIn(wanted func(string) bool) *item {
	if !slices.ContainsFunc(it.pkg.Paths, wanted) {
		return it
	}
	own, pkg := *it, *it.pkg
	pkg.Paths = slices.DeleteFunc(slices.Clone(pkg.Paths), func(p string) bool { return !wanted(p) })
	own.pkg = &pkg
	return &own
}

func isComposer(p string) bool { return strings.HasSuffix(p, "/composer/installed.json") }

// siteOf returns the folder of the site that the file of a package of WordPress is in, as an
// absolute path, or "" if that is not known.
func siteOf(p string) string {
	site, _, found := strings.Cut("/"+p, "/wp-includes/")
	if !found {
		for _, folder := range [...]string{"/plugins/", "/mu-plugins/", "/themes/"} {
			if i := strings.LastIndex("/"+p, folder); i >= 0 {
				site, found = strings.TrimSuffix(("/" + p)[:i], "/wp-content"), true
				break
			}
		}
	}
	switch {
	case !found:
		return ""
	case site == "":
		return "/"
	}
	return site
}

// wp returns the commands of wp-cli that upgrade the items in a site. It cannot upgrade
// must-use plugins. It is not ok if a name in them is not safe.
func wp(at *place) (command string, ok bool) {
	in := ""
	if slices.ContainsFunc(at.items, func(it *item) bool { return slices.ContainsFunc(it.pkg.Paths, isDefault) }) {
		if !safe(at.path) {
			return "", false
		}
		in = " --path=" + at.path
		if at.path == "/var/lib/wordpress" {
			in = " --path=/usr/share/wordpress" // where Debian has WordPress itself
		}
	}
	var steps []string
	for _, it := range at.items {
		kind, slug, _ := strings.Cut(it.pkg.Name, "/")
		what := kind + " update"
		if kind != "core" {
			own := slices.IndexFunc(it.pkg.Paths, func(p string) bool { return siteOf(p) == at.path })
			if own < 0 || strings.Contains(it.pkg.Paths[own], "mu-plugins/") {
				return "", false
			}
			if file := it.pkg.Paths[own]; kind == "plugin" && path.Base(path.Dir(file)) == "plugins" {
				slug = strings.TrimSuffix(path.Base(file), ".php") // wp-cli names a plugin without a folder by its file
			}
			if !safe(slug) {
				return "", false
			}
			what += " " + slug
		}
		if !safe(it.fixed) {
			return "", false
		}
		if step := "wp " + what + " --version=" + it.fixed + in; !slices.Contains(steps, step) {
			steps = append(steps, step)
		}
	}
	return strings.Join(steps, " && "), true
}

// isDefault reports whether a file is in a site with the default folders, whose path wp-cli
// can be given.
func isDefault(p string) bool {
	return strings.Contains("/"+p, "/wp-content/") || strings.Contains("/"+p, "/wp-includes/")
}
