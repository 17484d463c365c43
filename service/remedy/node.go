package remedy

import (
	"path"
	"strings"

	"assay/verdict"
)

const (
	modules    = "/node_modules/"
	libModules = "/lib/node_modules/" // of packages that are installed globally
)

// node returns the remedies for packages of npm: those that a global package brings, by
// that package, and those of a project, by the project.
func (w *work) node(items []*item) []verdict.Remedy {
	var all []verdict.Remedy
	for _, at := range places(items, nodePlace) {
		switch carrier, prefix := globalPackage(at.path + "/"); {
		case carrier != "":
			all = append(all, w.global(at, prefix, carrier))
		case strings.Contains(at.path, "/corepack/"):
			all = append(all, byHand("npm", at.items, "corepack's copy in /"+verdict.Short(at.path)+" brings "+
				listed(at.items, versioned)+": remove it from the final image"))
		default:
			all = append(all, nodeProject(at)...)
		}
	}
	return all
}

// nodePlace returns the folder of the global package that brings the package at p, or else
// of the project that it belongs to. What corepack has fetched counts as a project.
func nodePlace(p string) string {
	if carrier, prefix := globalPackage(p); carrier != "" {
		return strings.TrimPrefix(prefix+libModules+carrier, "/")
	}
	before, _, found := strings.Cut("/"+p, modules)
	if !found {
		return path.Dir(p)
	}
	return strings.TrimPrefix(before, "/")
}

// globalPackage returns the name of the global package that a path is in, and the prefix
// under which npm installed it.
func globalPackage(p string) (name, prefix string) {
	prefix, rest, found := strings.Cut("/"+p, libModules)
	if !found || strings.Contains(prefix, modules) {
		return "", ""
	}
	name, rest, _ = strings.Cut(rest, "/")
	if strings.HasPrefix(name, "@") {
		part, _, _ := strings.Cut(rest, "/")
		name += "/" + part
	}
	return name, prefix
}

// global returns the remedy for the packages that a global package brings, or for itself.
func (w *work) global(at *place, prefix, carrier string) verdict.Remedy {
	flag, have := "", false
	if prefix != "/usr/local" && prefix != "/usr" {
		flag = " --prefix " + prefix
	}
	version := ""
	for _, p := range w.Inventory.Packages {
		if p.Type != "npm" {
			continue
		}
		have = have || p.Name == "npm" && len(p.Evidence) > 0 && strings.HasSuffix(p.Evidence[0].Path, libModules[1:]+"npm/package.json")
		if p.Name == carrier && len(p.Evidence) > 0 && p.Evidence[0].Path == at.path+"/package.json" {
			version = " " + verdict.Short(p.Version)
		}
	}
	r := byHand("npm", at.items, "")
	to := "latest"
	if own := at.items[0]; len(at.items) == 1 && own.pkg.Name == carrier {
		to = own.fixed
		r.Text = "upgrade " + target(own) + ", or remove it from the final image"
	} else {
		r.Text = verdict.Short(carrier) + version + " brings " + listed(at.items, (*item).name) +
			": remove it from the final image, or take a newer release if that has the fixes"
	}
	if have && safeAll(carrier, prefix, to) {
		r.Command = "RUN npm install -g" + flag + " " + carrier + "@" + to
	}
	return r
}

// nodeProject returns the remedies for packages of a project.
func nodeProject(at *place) []verdict.Remedy {
	where := "in the project of " + verdict.Short("/"+at.path)
	manager := "npm"
	if at.items[0].pnpm() {
		manager = "pnpm"
	}
	var all []verdict.Remedy
	near, far := byRange(at.items)
	if len(near) > 0 {
		r := byHand(manager, near, where)
		args, ok := arguments(near, nameOnly)
		switch {
		case !ok:
			r.Text += ": upgrade " + listed(near, target)
		case manager == "pnpm":
			r.Command = "pnpm update --recursive --depth Infinity " + strings.Join(args, " ")
		default:
			r.Command = "npm update " + strings.Join(args, " ")
		}
		all = append(all, r)
	}
	if len(far) > 0 {
		all = append(all, byHand(manager, far, where+beyond(far, "package.json", manager+" why")))
	}
	return all
}

// pnpm reports whether pnpm has installed a package.
func (it *item) pnpm() bool {
	return len(it.pkg.Paths) > 0 && strings.Contains(it.pkg.Paths[0], "/node_modules/.pnpm/")
}
