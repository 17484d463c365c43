package remedy

import (
	"strings"

	"assay/verdict"
)

// ruby returns the remedies for gems, by the folder of gems.
func (w *work) ruby(items []*item) []verdict.Remedy {
	const gems = "/specifications/"
	var all []verdict.Remedy
	for _, at := range places(items, func(p string) string { return gemPlace(p, gems) }) {
		if strings.HasSuffix(at.path, gems+"default") {
			r := byHand("gem", at.items, "use a newer release of Ruby, which brings "+listed(at.items, versioned))
			r.Action = verdict.ActionBase
			all = append(all, r)
			continue
		}
		r := byHand("gem", at.items, "")
		args, ok := arguments(at.items, nameOnly)
		switch {
		case !ok:
			r.Text = "upgrade " + listed(at.items, target)
		case bundled(at.path):
			r.Text = "in the project with the Gemfile"
			r.Command = "bundle update --conservative " + strings.Join(args, " ")
		default:
			r.Text = "add to the Dockerfile after the gems are installed"
			r.Command, ok = gemCommand("/"+at.path, at.items)
			if !ok {
				r.Text = "upgrade " + listed(at.items, target)
			}
		}
		all = append(all, r)
	}
	return all
}

// gemPlace returns the folder of gems that a path is in. Default gems, which are part of
// Ruby, have a place of their own.
func gemPlace(p, gems string) string {
	before, after, found := strings.Cut("/"+p, gems)
	if !found {
		return ""
	}
	before = strings.TrimPrefix(before, "/")
	if strings.HasPrefix(after, "default/") {
		return before + gems + "default"
	}
	return before
}

// bundled reports whether Bundler installs gems into a folder: what the Gemfile.lock of a
// project names has to stay there.
func bundled(dir string) bool {
	return strings.Contains("/"+dir+"/", "/bundle/")
}

// gemCommand installs the fixed version of each gem into a folder of gems and removes the
// old one, which would stay otherwise. gem looks for what it removes only in its own folders,
// even with -i, and reports no failure if it finds nothing, so the folder becomes one of them.
func gemCommand(dir string, items []*item) (string, bool) {
	var install, remove []string
	for _, it := range items {
		if !safeAll(dir, it.pkg.Name, it.pkg.Version, it.fixed) {
			return "", false
		}
		install = append(install, it.pkg.Name+":"+it.fixed)
		remove = append(remove, "gem uninstall -I -x "+it.pkg.Name+" -v "+it.pkg.Version)
	}
	return "RUN export GEM_HOME=" + dir + " && gem install " + strings.Join(install, " ") + " && " + strings.Join(remove, " && "), dir != "/"
}
