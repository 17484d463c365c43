package remedy

import (
	"path"
	"strconv"
	"strings"

	"assay/inspect/inventory"
	"assay/verdict"
)

// python returns the remedies for packages of Python, by the folder of packages.
func (w *work) python(items []*item) []verdict.Remedy {
	var all []verdict.Remedy
	for _, at := range places(items, library) {
		args, ok := arguments(at.items, equals)
		pip := w.pip(at.path)
		if carrier := vendors(at.items); carrier != "" {
			all = append(all, byHand("pip", at.items, verdict.Short(carrier)+" brings "+listed(at.items, (*item).name)+": take a newer release of it"))
			continue
		}
		r := byHand("pip", at.items, "add to the Dockerfile after the packages are installed, or raise in the requirements")
		if !ok || pip == "" {
			r.Text = "raise in the requirements: " + listed(at.items, target)
		} else {
			r.Command = "RUN " + pip + " " + strings.Join(args, " ")
		}
		all = append(all, r)
	}
	return all
}

// library returns the folder site-packages or dist-packages that a path is in.
func library(p string) string {
	for _, name := range []string{"/site-packages/", "/dist-packages/"} {
		if before, _, found := strings.Cut("/"+p, name); found {
			return strings.TrimPrefix(before+strings.TrimSuffix(name, "/"), "/")
		}
	}
	return ""
}

// vendors returns the package that has a copy of all items in its folder _vendor, or an
// empty string.
func vendors(items []*item) string {
	carrier := ""
	for _, it := range items {
		for _, p := range it.pkg.Paths {
			before, _, found := strings.Cut(p, "/_vendor/")
			if !found || carrier != "" && path.Base(before) != carrier {
				return ""
			}
			carrier = path.Base(before)
		}
	}
	return carrier
}

// pip returns the command that installs packages in a folder of packages, or an empty
// string if the image has none.
func (w *work) pip(library string) string {
	prefix, in, found := strings.Cut("/"+library, "/lib/python")
	if !found || !safe(library) {
		return ""
	}
	version, folder, _ := strings.Cut(in, "/")
	_, minor, _ := strings.Cut(version, ".")
	// From Python 3.11 on, Debian and Alpine let pip change the system's packages only with
	// this flag, which older releases of pip do not know.
	flag := ""
	if n, err := strconv.Atoi(minor); err == nil && n >= 11 {
		flag = " --break-system-packages"
	}
	switch {
	case prefix == "/usr/local" && folder == "dist-packages": // Debian's Python
		if w.has("pip", "usr/lib/python3/dist-packages") || w.has("pip", library) {
			return "pip install" + flag
		}
	case prefix == "/usr":
		if folder == "site-packages" && w.has("pip", library) && w.installed("apk", "apk-tools") {
			return "pip install" + flag
		}
	case !w.has("pip", library):
	case prefix == "/usr/local":
		return "pip install"
	default:
		return prefix + "/bin/pip install"
	}
	return ""
}

// has reports whether a package of Python is in a folder of packages.
func (w *work) has(name, library string) bool {
	for _, p := range w.Inventory.Packages {
		if p.Type == "pypi" && p.Name == name && within(p, library) {
			return true
		}
	}
	return false
}

func within(p inventory.Package, dir string) bool {
	for _, e := range p.Evidence {
		if strings.HasPrefix(e.Path, dir+"/") {
			return true
		}
	}
	return false
}
